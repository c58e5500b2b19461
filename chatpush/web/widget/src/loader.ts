// The few lines every page pays for: keep what is called, fetch the widget, never get in the way.
//
//   <script src="https://host/widget.js" data-key="pk_…" async></script>
//
// The widget is a file named by its content and checked by its hash. It is fetched once the
// page has loaded, so that not even a server that hangs holds the page up; a server that is
// away is asked again a few times, each time later.

import { inject, METHODS, page, type Global } from './page';

const PATIENCE_MS = 3_000;
const RETRIES_S = [1, 4, 15, 60, 180, 600];

function install(): void {
  const script = document.currentScript as HTMLScriptElement | null;
  const queue = page.chatpush?.q ?? [];
  const api = ((...call: unknown[]) => later(call)) as Global;
  const later = (call: unknown[]) => {
    queue.push(call);
    // The way back of on(): listeners can be taken off before there is anything to hear.
    return call[0] === 'on' ? () => page.chatpush?.('off', call[1], call[2]) : undefined;
  };
  for (const method of METHODS) api[method] = (...args: unknown[]) => later([method, ...args]);
  const host = script?.src ? new URL('.', script.src).href.replace(/\/$/, '') : location.origin;
  api.q = queue;
  api.version = __VERSION__;
  api.tag = { host, nonce: script?.nonce ?? '', data: { ...script?.dataset } };
  page.chatpush = api;
  if (document.readyState === 'complete') fetchWidget(0);
  else {
    const begin = () => {
      removeEventListener('load', begin);
      clearTimeout(timer);
      fetchWidget(0);
    };
    const timer = setTimeout(begin, PATIENCE_MS);
    addEventListener('load', begin);
  }
}

function fetchWidget(tries: number): void {
  const script = inject(...__MAIN__, tries);
  script.onerror = () => {
    script.remove();
    if (tries < RETRIES_S.length) setTimeout(fetchWidget, RETRIES_S[tries] * 1000, tries + 1);
  };
}

try {
  if (!page.chatpush?.version) install();
} catch (error) {
  console.error('chatpush:', error);
}
