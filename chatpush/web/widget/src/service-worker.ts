// The service worker of Web Push: shows what comes, and leads a click to the page it is about.
//
// It holds no token: that a push was clicked is told by the page it leads to, which finds
// the delivery in a message, or in the fragment of its address when it had to be opened.

interface Action {
  id: string;
  label: string;
  url?: string | null;
}

interface Pushed {
  title?: string;
  body?: string;
  url?: string | null;
  image?: string | null;
  delivery?: string;
  tag?: string;
  actions?: Action[];
  silent?: boolean;
  badge?: number | null;
}

interface Client {
  url: string;
  visibilityState: string;
  focus(): Promise<Client>;
  postMessage(data: unknown): void;
}

interface Shown {
  data: { delivery: string; url: string; actions: Record<string, string> };
  close(): void;
}

interface PushEvent {
  data?: { json(): Pushed };
  notification: Shown;
  action?: string;
  waitUntil(work: Promise<unknown>): void;
}

interface Scope {
  registration: { scope: string; showNotification(title: string, options: object): Promise<void> };
  clients: { matchAll(options: object): Promise<Client[]>; openWindow(url: string): Promise<unknown>; claim(): Promise<void> };
  navigator: { setAppBadge?(count: number): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: string, listener: (event: PushEvent) => void): void;
}

const worker = self as unknown as Scope;

worker.addEventListener('install', (event) => event.waitUntil(worker.skipWaiting()));
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener('push', (event) => event.waitUntil(show(read(event))));
worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(lead(event.notification.data, event.action ?? ''));
});

function read({ data }: PushEvent): Pushed {
  try {
    return data?.json() ?? {};
  } catch {
    return {};
  }
}

function windows(): Promise<Client[]> {
  return worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
}

// Nothing is shown twice: a page in sight has its own toast.
async function show({ title, body, url, image, delivery = '', tag, actions, silent, badge }: Pushed): Promise<void> {
  if (typeof badge === 'number') await worker.navigator.setAppBadge?.(badge).catch(() => undefined);
  if (silent || (await windows()).some((one) => one.visibilityState === 'visible')) return;
  const base = worker.registration.scope;
  const address = (given: string | null | undefined) => safe(given, base);
  await worker.registration.showNotification(title || new URL(base).host, {
    body: body ?? '',
    image: address(image) || undefined,
    tag: tag || delivery || undefined,
    actions: (actions ?? []).map((one) => ({ action: one.id, title: one.label })),
    data: {
      delivery,
      url: address(url),
      actions: Object.fromEntries((actions ?? []).map((one) => [one.id, address(one.url)])),
    },
  });
}

// To a page of ours that is open, or to a new one.
async function lead({ delivery, url, actions }: Shown['data'], action: string): Promise<void> {
  const to = actions[action] || url;
  const open = await windows();
  const near = open.find((one) => one.url.split('#')[0] === to.split('#')[0]) ?? (to ? undefined : open[0]);
  if (near) {
    near.postMessage({ chatpush: 'push.clicked', delivery, url: to });
    // Only a click of the user's own may bring a window to the front.
    await near.focus().catch(() => undefined);
    return;
  }
  const target = new URL(to || worker.registration.scope);
  // Another site, or an address that already leads somewhere within its page, stays as it is.
  if (target.origin === self.location.origin && !target.hash) target.hash = `chatpush-delivery=${delivery}`;
  await worker.clients.openWindow(target.href);
}

function safe(url: string | null | undefined, base: string): string {
  try {
    const parsed = url ? new URL(url, base) : null;
    return parsed && /^https?:$/.test(parsed.protocol) ? parsed.href : '';
  } catch {
    return '';
  }
}

export {};
