// localStorage and sessionStorage that may be blocked, full or absent: then nothing is remembered.

const PREFIX = 'chatpush:';

type Area = 'localStorage' | 'sessionStorage';

export function recall<T>(area: Area, name: string): T | null {
  try {
    const text = window[area].getItem(PREFIX + name);
    return text === null ? null : (JSON.parse(text) as T);
  } catch {
    return null;
  }
}

export function remember(area: Area, name: string, value: unknown): void {
  try {
    if (value === null) window[area].removeItem(PREFIX + name);
    else window[area].setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // A page without storage still works; it only forgets between loads.
  }
}

// Forget everything of ours in this browser but what `keep` names.
export function sweep(keep: (name: string) => boolean = () => false): void {
  for (const area of ['localStorage', 'sessionStorage'] as const) {
    try {
      for (const key of Object.keys(window[area])) {
        if (key.startsWith(PREFIX) && !keep(key.slice(PREFIX.length))) window[area].removeItem(key);
      }
    } catch {
      // Blocked: then there is nothing of ours either.
    }
  }
}
