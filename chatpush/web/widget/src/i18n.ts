// The widget's own words. Texts of messages and answers come from the server in the user's language.

import en from '../locales/en.json';
import { page } from './page';

export type TextKey = keyof typeof en;
type Texts = Partial<Record<TextKey, string>>;

export const LOCALES = ['en', ...Object.keys(__LOCALES__)];
// Written from right to left.
const RTL = ['ar', 'fa', 'he', 'ur'];
const PATIENCE_MS = 4_000;

const known: Record<string, Texts> = { en };

// 'zh-Hans', 'zh_TW' and 'zh' all read Chinese; whatever we have no words for reads English.
export function nearest(wanted: string | null | undefined): string | null {
  if (!wanted) return null;
  const tag = wanted.replace('_', '-').toLowerCase();
  const exact = LOCALES.find((name) => name.toLowerCase() === tag);
  if (exact) return exact;
  const language = tag.split('-')[0];
  return LOCALES.find((name) => name.toLowerCase().split('-')[0] === language) ?? null;
}

export class Words {
  locale = 'en';
  private asked = 0;

  get direction(): 'ltr' | 'rtl' {
    return RTL.includes(this.locale.split('-')[0]) ? 'rtl' : 'ltr';
  }

  // Take the first language there is a file for. Until it has come, and if it never does,
  // the words stay those of the language before.
  async use(...wanted: (string | null | undefined)[]): Promise<boolean> {
    const asked = ++this.asked;
    const locale = wanted.map(nearest).find((name) => name !== null) ?? 'en';
    try {
      known[locale] ??= await fetchTexts(locale);
    } catch {
      return false;
    }
    if (asked !== this.asked) return false;
    this.locale = locale;
    return true;
  }

  t = (key: TextKey, values: Record<string, string | number> = {}): string => {
    const text = known[this.locale]?.[key] ?? en[key];
    return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
  };

  // A text the operator may give once or by locale.
  pick<T>(value: T | Record<string, T> | null | undefined): T | null {
    if (value === null || value === undefined) return null;
    if (typeof value !== 'object' || Array.isArray(value)) return value as T;
    const table = value as Record<string, T>;
    const mine = Object.keys(table).find((name) => nearest(name) === this.locale);
    return table[mine ?? 'en'] ?? Object.values(table)[0] ?? null;
  }
}

async function fetchTexts(locale: string): Promise<Texts> {
  const [file, integrity] = __LOCALES__[locale];
  const signal = AbortSignal.timeout?.(PATIENCE_MS);
  const answer = await fetch(`${page.chatpush?.tag?.host ?? ''}/widget/${file}`, { integrity, credentials: 'omit', signal });
  if (!answer.ok) throw new Error(`no words of ${locale}`);
  return (await answer.json()) as Texts;
}
