// One turn of a conversation: its text, sources, items, promise and quick replies.

import { h } from './dom';
import { clock, date, safeUrl } from './format';
import { icon } from './icons';
import { Markdown } from './markdown';
import type { Context } from './context';
import { part } from './parts';
import type { Action, Source, Turn, TurnPromise } from './types';
import { cards } from './view-cards';

export interface TurnPlace {
  // Whether it opens a group of turns by the same speaker.
  leads: boolean;
  // Whether its quick replies may still be pressed.
  answerable: boolean;
}

export class TurnView {
  readonly element = h('div', { class: 'turn' });
  private markdown: Markdown;
  private bubble: HTMLElement;
  private extras = h('div', { class: 'extras' });
  private head = h('div', { class: 'turn-head' });

  constructor(private context: Context) {
    this.markdown = new Markdown(context.base);
    this.bubble = h('div', { class: 'bubble' }, this.markdown.element);
    this.element.append(this.head, this.bubble, this.extras);
  }

  update(turn: Turn, place: TurnPlace): void {
    const { element } = this;
    element.className = `turn by-${turn.by}`;
    element.classList.toggle('leads', place.leads);
    element.classList.toggle('streaming', Boolean(turn.streaming));
    element.classList.toggle('failed', turn.fate === 'failed');
    element.classList.toggle('sending', turn.fate === 'sending');
    element.dataset.turn = turn.id;
    this.bubble.hidden = !turn.text && !turn.streaming;
    if (turn.by === 'user') this.markdown.element.textContent = turn.text;
    else this.markdown.update(turn.text);
    this.drawHead(turn, place);
    this.drawExtras(turn, place);
  }

  private drawHead(turn: Turn, place: TurnPlace): void {
    const { words } = this.context;
    this.head.textContent = '';
    this.head.hidden = !place.leads || turn.by === 'user' || turn.by === 'system';
    if (this.head.hidden) return;
    const name = speaker(turn, this.context);
    this.head.append(
      h('span', { class: 'face', 'aria-hidden': 'true' }, turn.by === 'agent' ? initial(name) : icon('spark', 13)),
      h('span', { class: 'name', dir: 'auto' }, name),
      h('time', { datetime: turn.at }, clock(turn.at, words)),
    );
  }

  private drawExtras(turn: Turn, place: TurnPlace): void {
    const { extras, context } = this;
    extras.textContent = '';
    if (turn.fate === 'failed') extras.append(this.failed(turn));
    if (!turn.streaming) {
      const parts = [
        sources(context, turn.sources),
        this.files(turn),
        cards(context, turn.cards),
        turn.promise ? promise(context, turn.promise) : null,
        place.answerable ? this.replies(turn.actions) : null,
      ];
      for (const part of parts) if (part) extras.append(part);
    }
    extras.hidden = extras.childElementCount === 0;
  }

  private failed(turn: Turn): HTMLElement {
    const { words, chat } = this.context;
    return h(
      'div',
      { class: 'not-sent', role: 'alert' },
      icon('alert', 14),
      words.t('chat.failed'),
      h('button', { type: 'button', class: 'quiet', onclick: () => void chat.retry(turn.id) }, words.t('chat.retry')),
    );
  }

  private files({ attachments, fate }: Turn): HTMLElement | null {
    if (!attachments?.length || fate === 'sending') return null;
    const slot = h('div');
    part('uploads').then(
      ({ files }) => slot.append(files(this.context, attachments)),
      () => (slot.textContent = attachments.map((one) => one.name).join(', ')),
    );
    return slot;
  }

  private replies(actions: Action[] | null | undefined): HTMLElement | null {
    if (!actions?.length) return null;
    const { chat, base } = this.context;
    const buttons = actions.map((action) => {
      const url = safeUrl(action.url, base);
      if (url) return h('a', { class: 'reply', href: url, target: '_blank', rel: 'noopener noreferrer' }, action.label);
      return h('button', { class: 'reply', type: 'button', onclick: () => void chat.choose(action) }, action.label);
    });
    return h('div', { class: 'replies' }, buttons);
  }
}

export function speaker(turn: Turn, { words }: Context): string {
  if (turn.name) return turn.name;
  if (turn.by === 'user') return words.t('chat.you');
  return words.t(turn.by === 'agent' ? 'chat.support' : 'chat.assistant');
}

export function initial(name: string): string {
  return ([...name.trim()][0] ?? '').toUpperCase();
}

function sources({ words, base }: Context, list: Source[] | null | undefined): HTMLElement | null {
  if (!list?.length) return null;
  const chips = list.map((source, index) => {
    const url = safeUrl(source.url, base);
    const inner = [h('span', { class: 'source-number' }, String(index + 1)), h('span', { class: 'source-title' }, source.title)];
    const props = { class: 'source', title: source.quote || source.title };
    return url
      ? h('a', { ...props, href: url, target: '_blank', rel: 'noopener noreferrer' }, inner)
      : h('span', props, inner);
  });
  return h(
    'div',
    { class: 'sources' },
    h('span', { class: 'sources-label' }, icon('book', 13), words.t('chat.sources')),
    chips,
  );
}

export function promise(context: Context, made: TurnPromise, after = () => {}): HTMLElement {
  const { words, chat } = context;
  const gone = chat.promiseStates.get(made.id) ?? 'open';
  const ended = { kept: 'promise.kept', cancelled: 'promise.cancelled', expired: 'promise.expired' } as const;
  const state = gone in ended ? (gone as keyof typeof ended) : null;
  const cancel = () =>
    chat.cancelPromise(made.id).then(after, () => context.say(words.t('promise.failed')));
  return h(
    'div',
    { class: 'promise', 'data-state': state ?? 'open' },
    h('span', { class: 'promise-icon' }, icon(state === 'kept' ? 'check' : 'bell', 17)),
    h(
      'div',
      { class: 'promise-text' },
      h('strong', { dir: 'auto' }, made.text),
      made.until && !state && h('small', null, words.t('promise.until', { date: date(made.until, words) })),
    ),
    state
      ? h('span', { class: 'promise-end' }, words.t(ended[state]))
      : h('button', { class: 'quiet', type: 'button', onclick: cancel }, words.t('promise.cancel')),
  );
}
