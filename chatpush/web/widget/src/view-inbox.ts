// The inbox on screen, and what is really seen of it.

import { follow, linkProps, type Context } from './context';
import { fill, h, keepingFocus, Keyed } from './dom';
import { dayName, exactly, safeUrl, when } from './format';
import { icon, iconOf } from './icons';
import { part } from './parts';
import type { InboxItem } from './types';
import { cards, picture } from './view-cards';

const DWELL_MS = 400;

type Row = { day: string } | { item: InboxItem };

export class InboxView {
  readonly element: HTMLElement;
  private bar = h('div', { class: 'bar' });
  private rows = h('div', { class: 'rows' });
  private note = h('div', { class: 'empty', hidden: true });
  private more = h('button', { class: 'quiet more', type: 'button', hidden: true, onclick: () => void this.context.inbox.more() });
  private list: Keyed<Row>;
  private observer: IntersectionObserver | null;
  private inSight = new Set<string>();
  // Unread when this opening of the panel began to show them: marked as new until it closes.
  private fresh = new Set<string>();
  private dwell = 0;
  private showing = false;

  constructor(private context: Context) {
    this.element = h('section', { class: 'view inbox' }, this.bar, this.rows, this.more, this.note);
    this.list = new Keyed<Row>(
      this.rows,
      (row) => ('day' in row ? `day:${row.day}` : row.item.delivery),
      (row) => this.sign(row),
      (row, old) => this.row(row, old),
    );
    this.observer =
      typeof IntersectionObserver === 'function'
        ? new IntersectionObserver((entries) => this.sighted(entries), { threshold: [0, 0.25, 0.5, 0.75] })
        : null;
    document.addEventListener('visibilitychange', this.look);
  }

  destroy(): void {
    this.observer?.disconnect();
    clearTimeout(this.dwell);
    document.removeEventListener('visibilitychange', this.look);
  }

  setShowing(showing: boolean): void {
    if (showing === this.showing) return;
    this.showing = showing;
    if (!showing) this.fresh.clear();
    this.draw();
    this.look();
  }

  redraw(): void {
    this.list.forget();
    this.draw();
  }

  draw(): void {
    const { inbox, words } = this.context;
    if (this.showing) for (const item of inbox.items) if (!item.seen) this.fresh.add(item.delivery);
    keepingFocus(this.bar, () => (this.drawBar(), this.bar));
    const rows: Row[] = [];
    let day = '';
    for (const item of inbox.items) {
      const name = dayName(item.at, words);
      if (name !== day) rows.push({ day: (day = name) });
      rows.push({ item });
    }
    this.list.show(rows);
    this.more.hidden = !inbox.hasMore || inbox.items.length === 0;
    this.more.disabled = inbox.loadingMore;
    this.more.textContent = words.t('inbox.more');
    this.drawNote();
  }

  reveal(delivery: string): void {
    const element = this.list.get(delivery);
    element?.scrollIntoView({ block: 'nearest' });
    element?.classList.add('revealed');
  }

  private drawBar(): void {
    const { inbox, words } = this.context;
    this.bar.hidden = inbox.loading !== 'ready' && inbox.items.length === 0;
    // What was new when the panel opened is still called so, although it has been seen by now.
    const news = Math.max(inbox.unread, inbox.items.filter((item) => this.isNew(item)).length);
    const count = news > 0 ? words.t('inbox.unread', { n: news }) : words.t('inbox.none');
    fill(
      this.bar,
      h('span', { class: 'bar-count' }, count),
      h(
        'button',
        {
          class: 'icon-button shelf-button',
          type: 'button',
          title: words.t('inbox.shelf'),
          'aria-label': words.t('inbox.shelf'),
          onclick: () => this.context.pane(() => part('message').then(({ shelf }) => shelf)),
        },
        icon('archive', 17),
      ),
      inbox.unread > 0 &&
        h('button', { class: 'quiet', type: 'button', onclick: () => this.readAll() }, icon('checks', 16), words.t('inbox.readAll')),
    );
  }

  private drawNote(): void {
    const { inbox, words } = this.context;
    const empty = inbox.items.length === 0;
    this.note.hidden = !empty;
    if (!empty) return;
    if (inbox.loading === 'failed') {
      fill(
        this.note,
        h('div', { class: 'empty-art warn' }, icon('alert', 30)),
        h('h3', null, words.t('inbox.failed.title')),
        h('p', null, words.t('inbox.failed.text')),
        h('button', { class: 'primary', type: 'button', onclick: () => void inbox.load() }, words.t('retry')),
      );
    } else if (inbox.loading === 'ready') {
      fill(
        this.note,
        h('div', { class: 'empty-art' }, icon('inbox', 30)),
        h('h3', null, words.t('inbox.empty.title')),
        h('p', null, words.t('inbox.empty.text')),
      );
    } else fill(this.note, h('div', { class: 'skeleton' }, h('i'), h('i'), h('i')));
  }

  private readAll(): void {
    this.fresh.clear();
    this.context.inbox.readAll().catch(() => this.context.say(this.context.words.t('inbox.readAllFailed')));
  }

  private sign(row: Row): string {
    if ('day' in row) return row.day;
    const { item } = row;
    const { words } = this.context;
    const { title, body, url, image, format, data, actions, category } = item;
    const isNew = this.isNew(item);
    return JSON.stringify([title, body, url, image, format, data, actions, category, isNew, when(item.at, words)]);
  }

  private isNew(item: InboxItem): boolean {
    return !item.seen || this.fresh.has(item.delivery);
  }

  private row(row: Row, old: HTMLElement | null): HTMLElement {
    if (old) this.observer?.unobserve(old);
    if ('day' in row) return h('h2', { class: 'day' }, row.day);
    const element = this.item(row.item);
    if (!row.item.seen) this.observer?.observe(element);
    return element;
  }

  private item(item: InboxItem): HTMLElement {
    const { context } = this;
    const { words, base } = context;
    const isNew = this.isNew(item);
    const image = safeUrl(item.image, base, 'image');
    const wide = item.format === 'card' && image;
    const kind = iconOf(item);
    const url = safeUrl(item.url, base);
    const open = (event: MouseEvent) => url && follow(context, event, url, { delivery: item.delivery });
    return h(
      'article',
      { class: 'item', 'data-new': isNew, 'data-delivery': item.delivery },
      wide && picture(image, 'item-cover'),
      image && !wide ? picture(image, 'item-thumb') : h('div', { class: `item-thumb kind-${kind}` }, icon(kind, 19)),
      isNew && h('span', { class: 'dot', role: 'img', 'aria-label': words.t('inbox.new') }),
      h(
        'div',
        { class: 'item-text' },
        h(
          'div',
          { class: 'item-top' },
          h('h3', { dir: 'auto' }, url ? h('a', { ...linkProps(url), onclick: open }, item.title) : item.title),
          h('time', { datetime: item.at, title: exactly(item.at, words) }, when(item.at, words)),
        ),
        item.body && h('p', { dir: 'auto' }, item.body),
        cards(context, item.data?.items, item.delivery),
        this.actions(item, url),
      ),
      h(
        'button',
        {
          class: 'item-dismiss',
          type: 'button',
          'aria-label': words.t('inbox.dismiss', { title: item.title }),
          onclick: () => this.dismiss(item),
        },
        icon('close', 14),
      ),
    );
  }

  private actions(item: InboxItem, url: string | null): HTMLElement {
    const { context } = this;
    const links = (item.actions ?? [])
      .map((action) => ({ label: action.label, url: safeUrl(action.url, context.base) }))
      .filter((action) => action.url);
    if (links.length === 0 && url) links.push({ label: context.words.t('inbox.open'), url });
    const about = { delivery: item.delivery, title: item.title, image: item.image };
    return h(
      'div',
      { class: 'item-actions' },
      links.map(({ label, url: to }) =>
        h(
          'a',
          {
            class: 'pill',
            ...linkProps(to as string),
            onclick: (event: MouseEvent) => follow(context, event, to as string, { delivery: item.delivery }),
          },
          label,
        ),
      ),
      h(
        'button',
        { class: 'pill soft', type: 'button', onclick: () => context.ask(about) },
        icon('chat', 14),
        context.words.t('inbox.ask'),
      ),
      h(
        'button',
        {
          class: 'icon-button item-options',
          'data-place': `options:${item.delivery}`,
          type: 'button',
          title: context.words.t('message.title'),
          'aria-label': context.words.t('inbox.options', { title: item.title }),
          onclick: () => context.pane(() => part('message').then(({ about }) => about(item))),
        },
        icon('more', 20),
      ),
    );
  }

  // Keep the keyboard where it was: on the next item's dismiss button.
  private dismiss(item: InboxItem): void {
    const mine = this.list.get(item.delivery);
    const buttons = [...this.rows.querySelectorAll<HTMLElement>('.item-dismiss')];
    const at = buttons.findIndex((button) => mine?.contains(button));
    const next = buttons[at + 1] ?? buttons[at - 1];
    this.context.inbox.dismiss(item.delivery);
    (next ?? this.element.closest<HTMLElement>('.panel')?.querySelector<HTMLElement>('[role=tab]'))?.focus();
  }

  private sighted(entries: IntersectionObserverEntry[]): void {
    for (const { target, intersectionRatio, intersectionRect, rootBounds } of entries) {
      const delivery = (target as HTMLElement).dataset.delivery ?? '';
      const tall = rootBounds !== null && intersectionRect.height > rootBounds.height * 0.3;
      if (target.isConnected && (intersectionRatio >= 0.5 || tall)) this.inSight.add(delivery);
      else this.inSight.delete(delivery);
    }
    this.look();
  }

  // Whoever stays in sight of an open inbox for a moment, on a visible page, counts as seen.
  private look = (): void => {
    clearTimeout(this.dwell);
    if (!this.showing || document.hidden || this.inSight.size === 0) return;
    const now = [...this.inSight];
    this.dwell = window.setTimeout(() => {
      if (!this.showing || document.hidden) return;
      for (const delivery of now) {
        if (!this.inSight.has(delivery)) continue;
        this.inSight.delete(delivery);
        this.context.inbox.seen(delivery);
      }
    }, DWELL_MS);
  };
}
