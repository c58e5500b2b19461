// The head of the chat: who answers, the way to a person, and the other conversations.

import type { Context } from './context';
import { fill, h } from './dom';
import { exactly, when } from './format';
import { icon } from './icons';
import { part } from './parts';
import type { Conversation, Turn } from './types';

export class Banner {
  readonly element = h('div', { class: 'banner' });
  readonly history = h('div', { class: 'history', hidden: true });
  private historyOpen = false;

  // `onBegin` is called when the user has chosen where to go on; `asking` says whether there
  // is a form to fill in first.
  constructor(
    private context: Context,
    private onBegin: () => void,
    private asking: () => boolean,
  ) {}

  draw(): void {
    this.drawState();
    this.drawHistory();
  }

  private drawState(): void {
    const { chat, words } = this.context;
    const { element } = this;
    const sign = JSON.stringify([chat.state, chat.agent, chat.handingOver, chat.list.length, this.historyOpen, words.locale, chat.standing, this.asking()]);
    if (element.dataset.sign === sign) return;
    element.dataset.sign = sign;
    element.dataset.state = chat.state;
    const held = element.contains(rootOf(element).activeElement);
    fill(
      element,
      h(
        'div',
        { class: 'banner-state', role: 'status' },
        h('span', { class: 'presence', 'aria-hidden': 'true' }),
        h('div', null, chat.state === 'assistant' && h('strong', null, words.t('chat.assistant')), h('span', null, this.stateText())),
      ),
      this.person(),
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
    if (held) element.querySelector<HTMLElement>('button')?.focus();
  }

  private get away(): boolean {
    const { chat } = this.context;
    return chat.standing.office?.open === false;
  }

  private stateText(): string {
    const { chat, words } = this.context;
    const { position, office } = chat.standing;
    if (chat.state === 'agent') return words.t('chat.state.agent', { name: chat.agent || words.t('chat.support') });
    if (chat.state === 'closed') return words.t('chat.state.closed');
    if (chat.state === 'assistant') return words.t('chat.state.assistant');
    if (this.away) return office?.opens_at ? words.t('chat.awayUntil', { when: exactly(office.opens_at, words) }) : words.t('chat.away');
    return position ? words.t('chat.position', { n: position }) : words.t('chat.state.waiting');
  }

  // The way to a person: at once, or by a message while nobody is there.
  private person(): HTMLElement | null {
    const { chat, words } = this.context;
    const offered = chat.state === 'assistant' || (chat.state === 'waiting' && this.away);
    if (!offered || this.asking()) return null;
    const onclick = () => (this.away ? this.context.pane(() => part('forms').then((forms) => forms.leaveMessage)) : this.handover());
    return h(
      'button',
      { class: 'pill soft person', type: 'button', disabled: chat.handingOver, onclick },
      icon(this.away ? 'mail' : 'person', 15),
      words.t(this.away ? 'chat.leave' : 'chat.person'),
    );
  }

  private handover(): void {
    const { chat, words } = this.context;
    chat.handover().catch(() => this.context.say(words.t('chat.handover.failed')));
    this.onBegin();
  }

  private toggleHistory(open = !this.historyOpen): void {
    this.historyOpen = open;
    if (open) void this.context.chat.loadList();
    this.draw();
  }

  private drawHistory(): void {
    const { chat, words } = this.context;
    this.history.hidden = !this.historyOpen;
    if (!this.historyOpen) return;
    const begin = () => {
      this.toggleHistory(false);
      void chat.start();
      this.onBegin();
    };
    const mail = () => {
      this.toggleHistory(false);
      this.context.pane(() => part('forms').then((forms) => forms.transcript));
    };
    const row = (name: 'plus' | 'mail', text: string, onclick: () => void) =>
      h('button', { class: 'history-entry begin', type: 'button', onclick }, icon(name, 16), text);
    fill(
      this.history,
      row('plus', words.t('chat.new'), begin),
      chat.current && row('mail', words.t('transcript.title'), mail),
      chat.list.map((one) => this.entry(one)),
    );
  }

  private entry(one: Conversation): HTMLElement {
    const { chat, words } = this.context;
    const current = one.id === chat.current?.id;
    const at = one.updated_at ?? one.at ?? one.created_at;
    const pick = () => {
      this.toggleHistory(false);
      if (!current) void chat.select(one.id);
    };
    const text = one.last || (current && chat.turns.length ? lastText(chat.turns) : words.t('chat.untitled'));
    return h(
      'button',
      { class: 'history-entry', type: 'button', 'aria-current': current && 'true', onclick: pick },
      h('span', { class: 'history-text' }, text),
      one.unread_turns ? h('span', { class: 'count' }, String(one.unread_turns)) : null,
      h('small', null, current ? words.t('chat.current') : at ? when(at, words) : ''),
    );
  }
}

function lastText(turns: Turn[]): string {
  return turns[turns.length - 1].text.replace(/[*_`#]/g, '').slice(0, 80);
}

function rootOf(element: Element): DocumentOrShadowRoot {
  return element.getRootNode() as unknown as DocumentOrShadowRoot;
}
