// A small card beside the launcher for what arrives while the panel is closed.

import type { Context } from './context';
import { fill, h } from './dom';
import { safeUrl } from './format';
import { icon, iconOf, type IconName } from './icons';
import type { InboxItem } from './types';
import { picture } from './view-cards';
import { initial } from './view-turn';

const STAY_MS = 9_000;
const LONGEST_STAY_MS = 10 * 60_000;
const SEEN_AFTER_MS = 1_000;

interface Peek {
  title: string;
  text: string;
  image?: string | null;
  face?: string;
  kind?: IconName;
  delivery?: string;
  stayMs?: number;
  open: () => void;
}

export class ToastView {
  readonly element = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' });
  private leaving = 0;
  private seeing = 0;
  private delivery = '';
  private stayMs = STAY_MS;

  constructor(private context: Context) {
    document.addEventListener('visibilitychange', this.watch);
  }

  destroy(): void {
    document.removeEventListener('visibilitychange', this.watch);
    this.clear();
  }

  message(item: InboxItem, open: () => void): void {
    const text = item.body || item.data?.items?.[0]?.title || '';
    const image = item.image ?? item.data?.items?.[0]?.image;
    this.show({ title: item.title, text, image, kind: iconOf(item), delivery: item.delivery, stayMs: (item.display_seconds ?? 0) * 1000, open });
  }

  turn(name: string, text: string, open: () => void): void {
    this.show({ title: name, text, face: name, open });
  }

  // It has been taken back.
  gone(delivery: string): void {
    if (this.delivery === delivery) this.clear();
  }

  clear(): void {
    clearTimeout(this.leaving);
    clearTimeout(this.seeing);
    this.delivery = '';
    this.element.textContent = '';
  }

  private show(peek: Peek): void {
    const { words, base } = this.context;
    this.clear();
    this.delivery = peek.delivery ?? '';
    this.stayMs = Math.min(peek.stayMs || STAY_MS, LONGEST_STAY_MS);
    const image = safeUrl(peek.image, base, 'image');
    const open = () => {
      this.clear();
      peek.open();
    };
    const dismiss = () => {
      const { delivery } = this;
      this.clear();
      // Looked at and put away: it stays in the inbox, but is not new any more.
      if (delivery) this.context.inbox.seen(delivery);
    };
    const card = h(
      'div',
      { class: 'toast', onmouseenter: this.hold, onmouseleave: this.release, onfocusin: this.hold, onfocusout: this.release },
      h(
        'button',
        { class: 'toast-open', type: 'button', onclick: open },
        image
          ? picture(image, 'toast-image')
          : h('span', { class: `toast-image face kind-${peek.kind ?? ''}` }, peek.face ? initial(peek.face) : icon(peek.kind ?? 'bell', 21)),
        h('span', { class: 'toast-text' }, h('strong', { dir: 'auto' }, peek.title), h('span', { dir: 'auto' }, peek.text)),
      ),
      h(
        'button',
        { class: 'toast-close', type: 'button', 'aria-label': words.t('toast.dismiss'), onclick: dismiss },
        icon('close', 14),
      ),
    );
    fill(this.element, card);
    this.release();
    this.watch();
  }

  private hold = (): void => clearTimeout(this.leaving);

  private release = (): void => {
    clearTimeout(this.leaving);
    this.leaving = window.setTimeout(() => this.clear(), this.stayMs);
  };

  // Seen means: shown for a second on a page that is itself visible.
  private watch = (): void => {
    clearTimeout(this.seeing);
    if (document.hidden || !this.delivery) return;
    const { delivery } = this;
    this.seeing = window.setTimeout(() => this.context.inbox.seen(delivery), SEEN_AFTER_MS);
  };
}
