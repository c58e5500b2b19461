// Recommended items: one as a row, several side by side, each with its reason.

import { follow, linkProps, type Clicked, type Context } from './context';
import { h } from './dom';
import { price, reasonOf, safeUrl } from './format';
import { icon } from './icons';
import type { Card } from './types';

const MOST = 12;

export function cards(context: Context, list: Card[] | null | undefined, delivery?: string): HTMLElement | null {
  const shown = (Array.isArray(list) ? list : []).filter((card) => card && card.title).slice(0, MOST);
  if (shown.length === 0) return null;
  const kind = shown.length === 1 ? 'cards one' : 'cards';
  return h(
    'ul',
    { class: kind, 'aria-label': context.words.t('inbox.picks') },
    shown.map((card) => h('li', null, one(context, card, { delivery, item: card.id }))),
  );
}

function one(context: Context, card: Card, clicked: Clicked): HTMLElement {
  const { words, base } = context;
  const url = safeUrl(card.url, base);
  const image = safeUrl(card.image, base, 'image');
  const reason = reasonOf(card);
  const cost = price(card, words);
  const about = { delivery: clicked.delivery, item: card.id, title: card.title, image: card.image };
  const title = url
    ? h(
        'a',
        { class: 'card-title', ...linkProps(url), onclick: (event: MouseEvent) => follow(context, event, url, clicked) },
        card.title,
      )
    : h('span', { class: 'card-title' }, card.title);
  return h(
    'article',
    { class: 'card' },
    picture(image, 'card-image'),
    h(
      'div',
      { class: 'card-text' },
      title,
      cost && h('span', { class: 'card-price' }, cost),
      reason && h('span', { class: 'card-reason' }, icon('spark', 11), h('span', null, reason)),
    ),
    h(
      'button',
      {
        class: 'card-ask',
        type: 'button',
        title: words.t('inbox.ask'),
        'aria-label': `${words.t('inbox.ask')}: ${card.title}`,
        onclick: () => context.ask(about),
      },
      icon('chat', 15),
    ),
  );
}

// A picture that cannot be loaded leaves its quiet background, not a broken mark.
export function picture(src: string | null, name: string): HTMLElement {
  const frame = h('div', { class: name, 'aria-hidden': 'true' });
  if (src) {
    const image = h('img', { src, alt: '', loading: 'lazy', decoding: 'async', referrerpolicy: 'no-referrer' });
    image.addEventListener('error', () => image.remove());
    frame.append(image);
  }
  return frame;
}
