// Fetch what is rarely used when it is first used.

import { inject, page } from './page';

export interface Parts {
  preferences: typeof import('./parts/preferences');
  message: typeof import('./parts/message');
  push: typeof import('./parts/push');
  forms: typeof import('./parts/forms');
  uploads: typeof import('./parts/uploads');
}

const coming = new Map<string, Promise<unknown>>();
let failures = 0;

// A part that could not be fetched can be asked for again.
export function part<K extends keyof Parts>(name: K): Promise<Parts[K]> {
  let found = coming.get(name) as Promise<Parts[K]> | undefined;
  if (!found) {
    found = fetchPart(name) as Promise<Parts[K]>;
    coming.set(name, found);
    found.catch(() => coming.delete(name));
  }
  return found;
}

// The part if it has been asked for already: what it holds must go with its user.
export function loaded<K extends keyof Parts>(name: K): Promise<Parts[K]> | undefined {
  return coming.get(name) as Promise<Parts[K]> | undefined;
}

function fetchPart(name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const script = inject(...__PARTS__[name], failures);
    script.onload = () => {
      const made = page.chatpush?.parts?.[name];
      if (made) resolve(made);
      else reject(new Error(`the part ${name} did not load`));
    };
    script.onerror = () => {
      script.remove();
      failures += 1;
      reject(new Error(`the part ${name} cannot be fetched`));
    };
  });
}
