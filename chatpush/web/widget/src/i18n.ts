// The widget's own words. Texts of messages and answers come from the server in the user's language.

import en from '../locales/en.json';
import zhCN from '../locales/zh-CN.json';

export type TextKey = keyof typeof en;
type Texts = Record<TextKey, string>;

const bundled: Record<string, Texts> = { en, 'zh-CN': zhCN };
export const LOCALES = Object.keys(bundled);

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

  use(...wanted: (string | null | undefined)[]): void {
    this.locale = wanted.map(nearest).find((name) => name !== null) ?? 'en';
  }

  t = (key: TextKey, values: Record<string, string | number> = {}): string => {
    const text = (bundled[this.locale] ?? en)[key] ?? en[key];
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
