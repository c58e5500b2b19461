// localStorage and sessionStorage that may be blocked, full or absent: then nothing is remembered.

type Area = 'localStorage' | 'sessionStorage';

export function recall<T>(area: Area, name: string): T | null {
  try {
    const text = window[area].getItem(`chatpush:${name}`);
    return text === null ? null : (JSON.parse(text) as T);
  } catch {
    return null;
  }
}

export function remember(area: Area, name: string, value: unknown): void {
  try {
    if (value === null) window[area].removeItem(`chatpush:${name}`);
    else window[area].setItem(`chatpush:${name}`, JSON.stringify(value));
  } catch {
    // A page without storage still works; it only forgets between loads.
  }
}
