// The chat on screen: who answers, the turns, and the place to write.

import type { Context } from './context';
import { fill, h, Keyed } from './dom';
import { safeUrl, when } from './format';
import { icon } from './icons';
import type { ChatState, Conversation, Turn } from './types';
import { picture } from './view-cards';
import { Composer } from './view-composer';
import { speaker, TurnView, type TurnPlace } from './view-turn';

const NEAR_BOTTOM_PX = 90;
const GROUP_MS = 10 * 60_000;

export class ChatView {
  readonly element: HTMLElement;
  readonly composer: Composer;
  private banner = h('div', { class: 'banner' });
  private history = h('div', { class: 'history', hidden: true });
  private scroller = h('div', { class: 'scroller', tabindex: -1 });
  private hero = h('div', { class: 'hero' });
  private about = h('div', { class: 'about', hidden: true });
  private log = h('div', { class: 'turns', role: 'log', 'aria-live': 'off' });
  private typing = h('div', { class: 'typing', hidden: true });
  // What a screen reader is told: finished new turns, not the history and not every streamed piece.
  private announcer = h('div', { class: 'sr', 'aria-live': 'polite', role: 'status' });
  private list: Keyed<Turn>;
  private views = new Map<string, TurnView>();
  private places = new Map<string, TurnPlace>();
  private shownTurns = 0;
  private showing = false;
  private historyOpen = false;
  private conversation = '';

  constructor(private context: Context) {
    const { chat, words } = context;
    this.composer = new Composer(
      context,
      (text) => void chat.say(text),
      () => void chat.stopStream().catch(() => undefined),
    );
    this.scroller.append(this.hero, this.about, this.log, this.typing);
    this.element = h(
      'section',
      { class: 'view chat' },
      this.banner,
      this.history,
      this.scroller,
      this.composer.element,
      this.announcer,
    );
    this.list = new Keyed<Turn>(
      this.log,
      (turn) => keyOf(turn),
      (turn) => JSON.stringify([turn, this.places.get(keyOf(turn)), turn.promise && chat.promiseStates.get(turn.promise.id)]) + words.locale,
      (turn) => this.turn(turn),
    );
  }

  setShowing(showing: boolean): void {
    const began = showing && !this.showing;
    this.showing = showing;
    this.context.chat.watched = showing && !document.hidden;
    if (!began) return;
    this.context.chat.markRead();
    this.toBottom();
  }

  redraw(): void {
    this.list.forget();
    this.draw();
  }

  draw(): void {
    const { chat, words } = this.context;
    const id = chat.current?.id ?? '';
    const changed = id !== this.conversation;
    this.conversation = id;
    const near = this.nearBottom();
    this.place();
    this.list.show(chat.turns);
    this.forgetViews();
    this.log.setAttribute('aria-label', words.t('chat.label'));
    this.drawBanner();
    this.drawHistory();
    this.drawHero();
    this.drawAbout();
    this.drawTyping();
    this.composer.draw(chat.streaming);
    const grew = chat.turns.length > this.shownTurns;
    const last = chat.turns[chat.turns.length - 1];
    this.shownTurns = chat.turns.length;
    if (near || changed || (grew && last?.by === 'user')) this.toBottom();
  }

  announce(turn: Turn): void {
    if (!this.showing || turn.by === 'user') return;
    const text = turn.text.replace(/[*_`#>|]/g, '').replace(/\[([^\]]+)\]\([^)]*\)/g, '$1');
    this.announcer.textContent = `${speaker(turn, this.context)}: ${text}`;
  }

  private place(): void {
    const { turns } = this.context.chat;
    this.places.clear();
    turns.forEach((turn, index) => {
      const before = turns[index - 1];
      const leads =
        !before ||
        before.by !== turn.by ||
        (before.name ?? '') !== (turn.name ?? '') ||
        Date.parse(turn.at) - Date.parse(before.at) > GROUP_MS;
      const answerable = index === turns.length - 1 && turn.by !== 'user';
      this.places.set(keyOf(turn), { leads, answerable });
    });
  }

  private turn(turn: Turn): HTMLElement {
    const key = keyOf(turn);
    const view = this.views.get(key) ?? new TurnView(this.context);
    this.views.set(key, view);
    view.update(turn, this.places.get(key) ?? { leads: true, answerable: false });
    return view.element;
  }

  private forgetViews(): void {
    for (const key of this.views.keys()) if (!this.places.has(key)) this.views.delete(key);
  }

  private drawBanner(): void {
    const { chat, words } = this.context;
    const texts: Record<ChatState, string> = {
      assistant: words.t('chat.state.assistant'),
      waiting: words.t('chat.state.waiting'),
      agent: words.t('chat.state.agent', { name: chat.agent || words.t('chat.support') }),
      closed: words.t('chat.state.closed'),
    };
    const sign = JSON.stringify([chat.state, chat.agent, chat.handingOver, chat.list.length, this.historyOpen, words.locale]);
    if (this.banner.dataset.sign === sign) return;
    this.banner.dataset.sign = sign;
    this.banner.dataset.state = chat.state;
    const held = this.banner.contains(rootOf(this.banner).activeElement);
    fill(
      this.banner,
      h(
        'div',
        { class: 'banner-state', role: 'status' },
        h('span', { class: 'presence', 'aria-hidden': 'true' }),
        h(
          'div',
          null,
          chat.state === 'assistant' && h('strong', null, words.t('chat.assistant')),
          h('span', null, texts[chat.state]),
        ),
      ),
      chat.state === 'assistant' &&
        h(
          'button',
          { class: 'pill soft person', type: 'button', disabled: chat.handingOver, onclick: () => this.handover() },
          icon('person', 15),
          words.t('chat.person'),
        ),
      chat.list.length > 0 &&
        h(
          'button',
          {
            class: 'icon-button history-button',
            type: 'button',
            'aria-label': words.t('chat.history'),
            title: words.t('chat.history'),
            'aria-expanded': String(this.historyOpen),
            onclick: () => this.toggleHistory(),
          },
          icon('history', 18),
        ),
    );
    if (held) this.banner.querySelector<HTMLElement>('button')?.focus();
  }

  private toggleHistory(open = !this.historyOpen): void {
    this.historyOpen = open;
    if (open) void this.context.chat.loadList();
    this.drawBanner();
    this.drawHistory();
  }

  private drawHistory(): void {
    const { chat, words } = this.context;
    this.history.hidden = !this.historyOpen;
    if (!this.historyOpen) return;
    const entry = (one: Conversation) => {
      const current = one.id === chat.current?.id;
      const at = one.updated_at ?? one.at ?? one.created_at;
      const pick = () => {
        this.toggleHistory(false);
        if (!current) void chat.select(one.id);
      };
      return h(
        'button',
        { class: 'history-entry', type: 'button', 'aria-current': current && 'true', onclick: pick },
        h('span', { class: 'history-text' }, one.last || (current && chat.turns.length ? lastText(chat.turns) : words.t('chat.untitled'))),
        one.unread_turns ? h('span', { class: 'count' }, String(one.unread_turns)) : null,
        h('small', null, current ? words.t('chat.current') : at ? when(at, words) : ''),
      );
    };
    const begin = () => {
      this.toggleHistory(false);
      void chat.start();
      this.composer.field.focus();
    };
    fill(
      this.history,
      h('button', { class: 'history-entry begin', type: 'button', onclick: begin }, icon('plus', 16), words.t('chat.new')),
      chat.list.map(entry),
    );
  }

  private drawHero(): void {
    const { chat, words, config } = this.context;
    const failed = chat.loading === 'failed';
    const loading = chat.loading === 'loading';
    const empty = chat.turns.length === 0;
    this.hero.hidden = !empty;
    const sign = JSON.stringify([failed, loading, empty, words.locale, config, chat.about]);
    if (!empty || this.hero.dataset.sign === sign) return;
    this.hero.dataset.sign = sign;
    if (failed) {
      fill(
        this.hero,
        h('div', { class: 'empty-art warn' }, icon('alert', 30)),
        h('h3', null, words.t('chat.load.failed')),
        h('button', { class: 'primary', type: 'button', onclick: () => void chat.show(true) }, words.t('retry')),
      );
      return;
    }
    if (loading) {
      fill(this.hero, h('div', { class: 'skeleton' }, h('i'), h('i')));
      return;
    }
    const suggestions = chat.about ? [] : (words.pick<string[]>(config.suggestions) ?? []);
    const greeting = words.pick<string>(config.greeting);
    fill(
      this.hero,
      h('div', { class: 'empty-art' }, icon('chat', 30)),
      h('h3', null, greeting || words.t('chat.greeting')),
      h('p', null, words.t('chat.greeting.text')),
      suggestions.length > 0 &&
        h(
          'div',
          { class: 'suggestions' },
          suggestions.map((text) => h('button', { class: 'reply', type: 'button', onclick: () => void chat.say(text) }, text)),
        ),
    );
  }

  private drawAbout(): void {
    const { chat, words, base, inbox } = this.context;
    const { about } = chat;
    const known = about?.delivery ? inbox.get(about.delivery) : undefined;
    const item = inbox.items.flatMap((one) => one.data?.items ?? []).find((one) => one.id === about?.item);
    const title = about?.title || item?.title || known?.title;
    this.about.hidden = !title;
    if (!title) return;
    const image = safeUrl(about?.image || item?.image || known?.image, base, 'image');
    const sign = JSON.stringify([title, image, words.locale]);
    if (this.about.dataset.sign === sign) return;
    this.about.dataset.sign = sign;
    fill(
      this.about,
      image ? picture(image, 'about-image') : h('span', { class: 'about-image' }, icon('tag', 17)),
      h('div', null, h('small', null, words.t('chat.about')), h('strong', null, title)),
    );
  }

  private drawTyping(): void {
    const { chat, words } = this.context;
    const shown = chat.typing !== '' && !chat.streaming;
    const began = shown && this.typing.hidden;
    this.typing.hidden = !shown;
    if (!shown || (!began && this.typing.childElementCount)) return;
    const name = chat.typing === 'agent' ? chat.agent || words.t('chat.support') : words.t('chat.assistant');
    fill(
      this.typing,
      h('span', { class: 'dots', role: 'img', 'aria-label': words.t('chat.typing', { name }) }, h('i'), h('i'), h('i')),
    );
  }

  private handover(): void {
    const { chat, words } = this.context;
    chat.handover().catch(() => this.context.say(words.t('chat.handover.failed')));
    this.composer.field.focus();
  }

  private nearBottom(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
  }

  private toBottom(): void {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

// An optimistic turn and the one the server made of it are the same element.
function keyOf(turn: Turn): string {
  return turn.client_id || turn.id;
}

function lastText(turns: Turn[]): string {
  return turns[turns.length - 1].text.replace(/[*_`#]/g, '').slice(0, 80);
}

function rootOf(element: Element): DocumentOrShadowRoot {
  return element.getRootNode() as unknown as DocumentOrShadowRoot;
}
