// What the page sees: one global function, which also holds what was called before we loaded.
//
//   <script src="https://host/widget.js" data-key="pk_…" async></script>
//   window.chatpush = window.chatpush || function () { (chatpush.q = chatpush.q || []).push(arguments) };
//   chatpush('boot', { token });
//
// Nothing here throws into the page, whatever it is called with.

import { Emitter } from './emitter';
import type { About, BootOptions, Events, Tab } from './types';
import { Widget } from './widget';

type Call = ArrayLike<unknown>;

interface Global {
  (method: string, ...args: unknown[]): unknown;
  q?: Call[];
  version?: string;
  [method: string]: unknown;
}

const page = window as unknown as { chatpush?: Global };
const script = document.currentScript as HTMLScriptElement | null;
const events = new Emitter<Events>();
let widget: Widget | null = null;
let options: BootOptions = {};
let early: [string, unknown[]][] = [];

const methods: Record<string, (...args: never[]) => unknown> = {
  boot(given: BootOptions = {}) {
    const next = { ...fromScript(), ...given };
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
  on: (event: keyof Events, listener: (value: never) => void) => events.on(event, listener as never),
};
const NEEDS_NO_WIDGET = ['boot', 'update', 'shutdown', 'on'];

function call(method: string, args: unknown[]): unknown {
  try {
    const known = Object.prototype.hasOwnProperty.call(methods, method) ? methods[method] : null;
    if (!known) {
      console.error(`chatpush: there is no method ${JSON.stringify(method)}`);
      return undefined;
    }
    if (!widget && !NEEDS_NO_WIDGET.includes(method)) {
      early.push([method, args]);
      return undefined;
    }
    return known(...(args as never[]));
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
  widget?.stop(forget);
  options = next;
  const start = () => {
    if (options !== next) return;
    widget = new Widget(next, events, () => restart({ ...options }, false));
    widget.start();
    for (const [method, args] of early.splice(0)) call(method, args);
  };
  widget = null;
  if (document.body) start();
  else document.addEventListener('DOMContentLoaded', start, { once: true });
}

function fromScript(): BootOptions {
  const data = script?.dataset ?? {};
  const found: BootOptions = { key: '', host: location.origin };
  if (script?.src) found.host = new URL('.', script.src).href.replace(/\/$/, '');
  for (const name of ['key', 'host', 'token', 'locale', 'theme', 'position', 'accent'] as const) {
    if (data[name]) (found as Record<string, string>)[name] = data[name] as string;
  }
  return found;
}

// With a key or token in the tag there is nothing more to say, unless the page boots by itself.
function bootFromTag(): void {
  const data = script?.dataset ?? {};
  if (widget || data.boot === 'manual' || (data.key === undefined && data.token === undefined)) return;
  call('boot', []);
}

function install(): void {
  const queued = page.chatpush?.q ?? [];
  const api = ((method: string, ...args: unknown[]) => call(method, args)) as Global;
  for (const method of Object.keys(methods)) api[method] = (...args: unknown[]) => call(method, args);
  api.version = __VERSION__;
  page.chatpush = api;
  for (const entry of Array.from(queued)) {
    const [method, ...args] = Array.from(entry);
    call(String(method), args);
  }
  // Scripts of the page that are still to come may boot with a token: let them go first.
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', bootFromTag, { once: true });
  else setTimeout(bootFromTag, 0);
}

if (!page.chatpush?.version) {
  try {
    install();
  } catch (error) {
    console.error('chatpush:', error);
  }
}
