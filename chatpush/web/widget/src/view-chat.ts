// The chat on screen: who answers, the turns, and the place to write.

import type { Context } from './context';
import { fill, h, Keyed } from './dom';
import { safeUrl } from './format';
import { icon } from './icons';
import { part } from './parts';
import type { Turn } from './types';
import { Banner } from './view-banner';
import { picture } from './view-cards';
import { Composer } from './view-composer';
import { speaker, TurnView, type TurnPlace } from './view-turn';

const NEAR_BOTTOM_PX = 90;
const GROUP_MS = 10 * 60_000;

export class ChatView {
  readonly element: HTMLElement;
  readonly composer: Composer;
  private banner: Banner;
  private scroller = h('div', { class: 'scroller', tabindex: -1 });
  private hero = h('div', { class: 'hero' });
  private about = h('div', { class: 'about', hidden: true });
  private log = h('div', { class: 'turns', role: 'log', 'aria-live': 'off' });
  private typing = h('div', { class: 'typing', hidden: true });
  // That a person has read the last words of the user.
  private seen = h('div', { class: 'seen', hidden: true });
  // What is asked when the conversation has ended.
  private closing = h('div', { class: 'closing', hidden: true });
  // What a screen reader is told: finished new turns, not the history and not every streamed piece.
  private announcer = h('div', { class: 'sr', 'aria-live': 'polite', role: 'status' });
  private list: Keyed<Turn>;
  private views = new Map<string, TurnView>();
  private places = new Map<string, TurnPlace>();
  // Whoever is at the end stays there when pictures load or the place to write grows.
  private atEnd = true;
  private growth = new ResizeObserver(() => this.atEnd && this.toBottom());
  private top = 0;
  private shownTurns = 0;
  private showing = false;
  private form = '';
  private conversation = '';

  constructor(private context: Context) {
    const { chat, words } = context;
    this.composer = new Composer(
      context,
      (text, files) => void chat.say(text, files),
      () => void chat.stopStream().catch(() => undefined),
    );
    this.banner = new Banner(context, () => this.composer.field.focus(), () => this.asksFirst);
    this.scroller.append(this.hero, this.about, this.log, this.typing, this.seen, this.closing);
    this.composer.takeDrops(this.scroller);
    this.scroller.addEventListener('scroll', () => this.scrolled(), { passive: true });
    for (const grows of [this.scroller, this.log, this.closing]) this.growth.observe(grows);
    this.element = h(
      'section',
      { class: 'view chat' },
      this.banner.element,
      this.banner.history,
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
    if (changed && id === '') this.composer.dropFiles();
    this.scroller.dataset.drop = words.t('upload.drop');
    const near = this.nearBottom();
    this.place();
    this.list.show(chat.turns);
    this.forgetViews();
    this.log.setAttribute('aria-label', words.t('chat.label'));
    this.banner.draw();
    this.drawHero();
    this.drawAbout();
    this.drawTyping();
    this.drawSeen();
    this.drawClosing();
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

  private drawHero(): void {
    const { chat, words, config } = this.context;
    const failed = chat.loading === 'failed';
    // Whether there is a conversation is not known before it was asked for.
    const loading = chat.loading === 'loading' || chat.loading === 'idle';
    const empty = chat.turns.length === 0;
    this.hero.hidden = !empty;
    const asks = this.asksFirst;
    this.composer.element.hidden = asks;
    const sign = asks + JSON.stringify([failed, loading, empty, words.locale, config, chat.about]);
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
    if (asks) {
      this.drawPrechat();
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

  // Whether there is a form to fill in before the first word.
  private get asksFirst(): boolean {
    const { chat, config, signedIn } = this.context;
    const { prechat } = config;
    if (!prechat || chat.prechat || chat.turns.length || chat.loading !== 'ready' || chat.current || chat.list.length) return false;
    return prechat.whom === 'everyone' || !signedIn;
  }

  private drawPrechat(): void {
    const { context, hero } = this;
    fill(hero, h('div', { class: 'skeleton' }, h('i'), h('i')));
    part('forms').then(
      ({ prechat }) => this.asksFirst && fill(hero, prechat(context, context.config.prechat?.fields ?? [], () => this.begin())),
      () => {
        // Better a conversation without the form than none.
        context.chat.prechat = {};
        this.draw();
      },
    );
  }

  private begin(): void {
    this.draw();
    this.composer.field.focus();
  }

  private drawSeen(): void {
    const { chat, words } = this.context;
    const mine = chat.turns.filter((turn) => turn.by === 'user').pop();
    const last = chat.turns[chat.turns.length - 1] === mine;
    this.seen.hidden = !(mine && last && !mine.fate && chat.readByAgent && mine.id <= chat.readByAgent);
    this.seen.textContent = words.t('chat.seen');
  }

  private drawClosing(): void {
    const { chat, words } = this.context;
    const { may_rate, rating } = chat.standing;
    const form = may_rate ? 'ask' : rating && chat.state === 'closed' ? 'thanks' : '';
    const sign = form && `${form} ${chat.current?.id} ${words.locale}`;
    this.closing.hidden = !form;
    if (this.form === sign) return;
    this.form = sign;
    fill(this.closing);
    if (form === 'thanks') fill(this.closing, h('p', { class: 'rated', role: 'status' }, words.t('rate.thanks')));
    if (form === 'ask') {
      part('forms').then(
        ({ rating }) => {
          if (this.form !== sign) return;
          fill(this.closing, rating(this.context));
          this.toBottom();
        },
        () => (this.form = ''),
      );
    }
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
    const name = chat.typing === 'agent' ? chat.typist || chat.agent || words.t('chat.support') : words.t('chat.assistant');
    fill(
      this.typing,
      h('span', { class: 'dots', role: 'img', 'aria-label': words.t('chat.typing', { name }) }, h('i'), h('i'), h('i')),
    );
  }

  // Only going up leaves the end: what grows below moves it away too.
  private scrolled(): void {
    const { scrollTop } = this.scroller;
    if (this.nearBottom()) this.atEnd = true;
    else if (scrollTop < this.top) this.atEnd = false;
    this.top = scrollTop;
  }

  private nearBottom(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
  }

  private toBottom(): void {
    this.atEnd = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

// An optimistic turn and the one the server made of it are the same element.
function keyOf(turn: Turn): string {
  return turn.client_id || turn.id;
}
