// What the widget itself knows of Web Push: clicks that lead here, and leaving when the user goes.
// Turning it on is a part of its own (parts/push.ts).

import type { Api } from './api';
import { recall, remember } from './storage';

const FRAGMENT = /^#chatpush-delivery=([\w-]+)$/;

// Whose browser this is for pushes; kept, so that the next user does not get them.
export interface PushRecord {
  user: string;
  scope: string;
}

export function pushRecord(): PushRecord | null {
  return recall<PushRecord>('localStorage', 'push');
}

// End it here at once, and on the server where the token still says whose it was.
export async function leavePush(api: Api, token: string): Promise<void> {
  const record = pushRecord();
  if (!record) return;
  remember('localStorage', 'push', null);
  try {
    const registration = await navigator.serviceWorker.getRegistration(record.scope);
    const subscription = await registration?.pushManager.getSubscription();
    if (subscription && token) await api.removePush(subscription.toJSON(), token).catch(() => undefined);
    await subscription?.unsubscribe();
    await registration?.unregister();
  } catch {
    // No service worker any more: then no push either.
  }
}

export interface PushClick {
  delivery: string;
  url: string;
}

// Tells of clicks on notifications: of one that opened this page, and of those while it is open.
export function onPushClick(heard: (click: PushClick) => void): () => void {
  const found = FRAGMENT.exec(location.hash);
  if (found) {
    history.replaceState(history.state, '', location.pathname + location.search);
    heard({ delivery: found[1], url: location.href });
  }
  const listen = ({ data }: MessageEvent) => {
    const click = data as (PushClick & { chatpush?: string }) | null;
    if (click?.chatpush === 'push.clicked') heard({ delivery: String(click.delivery), url: String(click.url) });
  };
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  workers?.addEventListener('message', listen);
  return () => workers?.removeEventListener('message', listen);
}
