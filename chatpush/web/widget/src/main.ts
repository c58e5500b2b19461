// What the page sees: one global function, which also holds what was called before we loaded.
//
//   chatpush('boot', { token });      or      chatpush.boot({ token })
//
// Nothing here throws into the page, whatever it is called with.

import { Emitter } from './emitter';
import { kit } from './kit';
import { type Global, type Method, METHODS, page } from './page';
import type { About, BootOptions, Events, Tab } from './types';
import { Widget } from './widget';

const tag = page.chatpush?.tag;
const events = new Emitter<Events>();
let widget: Widget | null = null;
let options: BootOptions = {};
let early: [string, unknown[]][] = [];

const methods: Record<Method, (...args: never[]) => unknown> = {
  boot(given: BootOptions = {}) {
    const next = { ...fromTag(), ...given };
    // Booted twice for the same user: a page that runs its script again on each route.
    if (widget && sameKind(next, options) && widget.update(next)) options = next;
    else restart(next, true);
  },
  update(given: BootOptions = {}) {
    const next = { ...options, ...given };
    if (!widget || !widget.update(given)) restart(next, true);
    else options = next;
  },
  shutdown() {
    widget?.stop(true);
    widget = null;
    options = {};
    early = [];
  },
  open: (tab?: Tab) => widget?.open(tab === 'inbox' || tab === 'chat' ? tab : undefined),
  close: () => widget?.close(),
  toggle: () => widget?.toggle(),
  openConversation: (given: { about?: About } = {}) => widget?.openConversation(given.about ?? null),
  setLocale: (locale: string) => widget?.setLocale(String(locale)),
  track: (type: string, properties: Record<string, unknown> = {}) => widget?.track(String(type), properties),
  push: (wanted = true) => void widget?.push(wanted !== false),
  on: (event: keyof Events, listener: (value: never) => void) => events.on(event, listener as never),
  off: (event: keyof Events, listener: (value: never) => void) => events.off(event, listener as never),
};
const NEEDS_NO_WIDGET = ['boot', 'update', 'shutdown', 'on', 'off'];
const MOST_EARLY = 100;

function call(method: string, args: unknown[]): unknown {
  try {
    if (!METHODS.includes(method as Method)) {
      console.error(`chatpush: there is no method ${JSON.stringify(method)}`);
      return undefined;
    }
    if (!widget?.drawn && !NEEDS_NO_WIDGET.includes(method)) {
      if (early.length < MOST_EARLY) early.push([method, args]);
      return undefined;
    }
    return methods[method as Method](...(args as never[]));
  } catch (error) {
    console.error('chatpush:', error);
    return undefined;
  }
}

// With only getToken there is no telling whose token it will bring: that is another session.
function sameKind(a: BootOptions, b: BootOptions): boolean {
  if (a.key !== b.key || a.host !== b.host) return false;
  return a.token ? Boolean(b.token) : !a.getToken && !b.token && !b.getToken;
}

// `forget` for another user on this page: what the last one saw must not stay.
function restart(next: BootOptions, forget: boolean): void {
  widget?.stop(forget, Boolean(next.token || next.getToken));
  options = next;
  const start = () => {
    if (options !== next) return;
    const made = (widget = new Widget(next, events, () => restart({ ...options }, false)));
    void made.start().then(() => {
      if (widget === made) for (const [method, args] of early.splice(0)) call(method, args);
    });
  };
  widget = null;
  if (document.body) start();
  else document.addEventListener('DOMContentLoaded', start, { once: true });
}

function fromTag(): BootOptions {
  const data = tag?.data ?? {};
  const found: BootOptions = { key: '', host: tag?.host ?? location.origin };
  for (const name of ['key', 'host', 'token', 'locale', 'theme', 'position', 'accent', 'serviceWorker'] as const) {
    if (data[name]) (found as Record<string, string>)[name] = data[name] as string;
  }
  return found;
}

// With a key or token in the tag there is nothing more to say, unless the page boots by itself.
function bootFromTag(): void {
  const data = tag?.data ?? {};
  if (widget || data.boot === 'manual' || (data.key === undefined && data.token === undefined)) return;
  call('boot', []);
}

function install(): void {
  const queued = page.chatpush?.q ?? [];
  const api = ((method: string, ...args: unknown[]) => call(method, args)) as Global;
  for (const method of METHODS) api[method] = (...args: unknown[]) => call(method, args);
  Object.assign(api, { version: __VERSION__, tag, kit, parts: {} });
  page.chatpush = api;
  for (const entry of Array.from(queued)) {
    const [method, ...args] = Array.from(entry);
    call(String(method), args);
  }
  // Scripts of the page that are still to come may boot with a token: let them go first.
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', bootFromTag, { once: true });
  else setTimeout(bootFromTag, 0);
}

try {
  if (!page.chatpush?.kit) install();
} catch (error) {
  console.error('chatpush:', error);
}
