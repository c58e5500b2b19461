// What the loader and the widget leave on the page for each other: the one global function.

export interface Global {
  (method: string, ...args: unknown[]): unknown;
  q?: ArrayLike<unknown>[];
  version?: string;
  // The tag that loaded us: where from, and what it says.
  tag?: { host: string; nonce: string; data: Record<string, string | undefined> };
  // Set once the widget itself runs.
  kit?: object;
  parts?: Record<string, unknown>;
  [method: string]: unknown;
}

export const METHODS = [
  'boot', 'update', 'shutdown', 'open', 'close', 'toggle', 'openConversation', 'setLocale', 'track', 'push', 'on', 'off',
] as const;
export type Method = (typeof METHODS)[number];

export const page = window as unknown as { chatpush?: Global };

// A script of ours: pinned by its hash, and trusted where the page trusts the tag. Asked for
// again it has another address, so that no cache answers with what was refused before.
export function inject(file: string, integrity: string, tries = 0): HTMLScriptElement {
  const { host = '', nonce = '' } = page.chatpush?.tag ?? {};
  const script = document.createElement('script');
  script.src = `${host}/widget/${file}${tries ? `?try=${tries}` : ''}`;
  script.integrity = integrity;
  script.crossOrigin = 'anonymous';
  script.async = true;
  if (nonce) script.nonce = nonce;
  (document.head ?? document.documentElement).append(script);
  return script;
}
