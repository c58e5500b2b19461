// Turn Web Push on and off in this browser.

import type { Context } from '../context';
import { pushRecord } from '../push';
import { remember } from '../storage';

export type PushState = 'unavailable' | 'denied' | 'on' | 'off';

// Pushes can come where browser, page and server all can: the service worker is of the
// page's own origin, from chatpush itself or from a file of the page's that imports it.
export async function state({ config, session, pushWorker }: Context): Promise<PushState> {
  const able = 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window && isSecureContext;
  if (!able || !config.push || !pushWorker) return 'unavailable';
  if (Notification.permission === 'denied') return 'denied';
  return pushRecord()?.user === session.user ? 'on' : 'off';
}

// Must be called from a click: browsers ask their user only then.
export async function turnOn(context: Context): Promise<PushState> {
  const { api, config, session, pushWorker } = context;
  if ((await state(context)) === 'unavailable') return 'unavailable';
  if ((await Notification.requestPermission()) !== 'granted') return state(context);
  const registered = await navigator.serviceWorker.register(pushWorker);
  await active(registered);
  const key = bytes(config.push?.public_key ?? '');
  const manager = registered.pushManager;
  // One made with another key cannot be used any more.
  await (await manager.getSubscription())?.unsubscribe();
  const subscription = await manager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  try {
    await api.addPush(subscription.toJSON());
  } catch (error) {
    await subscription.unsubscribe();
    throw error;
  }
  remember('localStorage', 'push', { user: session.user, scope: registered.scope });
  return 'on';
}

function active(registration: ServiceWorkerRegistration): Promise<void> {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return Promise.resolve();
  return new Promise((resolve) =>
    worker.addEventListener('statechange', () => worker.state === 'activated' && resolve()),
  );
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
