// Times and prices, and which addresses a link may have.

import type { Card } from './types';
import type { Words } from './i18n';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

export function when(at: string, words: Words, now = Date.now()): string {
  const time = Date.parse(at);
  if (Number.isNaN(time)) return '';
  const age = now - time;
  if (age < MINUTE && age > -MINUTE) return words.t('time.now');
  if (age >= 0 && age < 60 * MINUTE) return words.t('time.minutes', { n: Math.floor(age / MINUTE) });
  const day = daysBetween(time, now);
  if (day === 0) return show(time, words, { hour: '2-digit', minute: '2-digit' });
  if (day === 1) return words.t('time.yesterday');
  if (day > 1 && day < 7) return show(time, words, { weekday: 'short' });
  return show(time, words, { month: 'short', day: 'numeric' });
}

export function exactly(at: string, words: Words): string {
  const time = Date.parse(at);
  if (Number.isNaN(time)) return '';
  return show(time, words, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
}

export function date(at: string, words: Words): string {
  const time = Date.parse(at);
  return Number.isNaN(time) ? '' : show(time, words, { month: 'long', day: 'numeric' });
}

export function dayName(at: string, words: Words, now = Date.now()): string {
  const time = Date.parse(at);
  const day = Number.isNaN(time) ? 0 : daysBetween(time, now);
  if (day <= 0) return words.t('time.today');
  if (day === 1) return words.t('time.yesterday');
  return words.t('time.earlier');
}

function daysBetween(time: number, now: number): number {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  return time >= midnight ? 0 : Math.ceil((midnight - time) / DAY);
}

// The reader's own variety of the language, for its clock and its dates: en-GB, not just en.
function regional({ locale }: Words): string {
  const language = locale.split('-')[0];
  const own = (navigator.languages ?? []).find((name) => name.toLowerCase().split('-')[0] === language);
  return language === 'en' && own ? own : locale;
}

function show(time: number, words: Words, parts: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(regional(words), parts).format(time);
}

// The time of a turn: the hour alone on the day itself.
export function clock(at: string, words: Words, now = Date.now()): string {
  const time = Date.parse(at);
  if (Number.isNaN(time)) return '';
  if (daysBetween(time, now) > 0) return exactly(at, words);
  return show(time, words, { hour: '2-digit', minute: '2-digit' });
}

export function price(card: Card, words: Words): string {
  const { price: amount, currency } = card;
  if (amount === null || amount === undefined || amount === '') return '';
  const number = Number(amount);
  if (Number.isNaN(number)) return String(amount);
  try {
    if (currency) {
      return new Intl.NumberFormat(regional(words), {
        style: 'currency',
        currency,
        currencyDisplay: 'narrowSymbol',
      }).format(number);
    }
  } catch {
    // An unknown currency code: the number alone is still true.
  }
  const text = new Intl.NumberFormat(regional(words), { minimumFractionDigits: 2 }).format(number);
  return currency ? `${text} ${currency}` : text;
}

export function reasonOf(card: Card): string {
  const { reason } = card;
  return (typeof reason === 'string' ? reason : reason?.text) ?? '';
}

// Only addresses that cannot run code here: http, https, and for links also mail and telephone.
export function safeUrl(url: string | null | undefined, base: string, kind: 'link' | 'image' = 'link'): string | null {
  if (!url) return null;
  try {
    const parsed = new URL(url, base);
    const schemes = kind === 'link' ? ['http:', 'https:', 'mailto:', 'tel:'] : ['http:', 'https:'];
    if (kind === 'image' && /^data:image\/(png|jpe?g|gif|webp|avif);/i.test(url)) return url;
    return schemes.includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}
