// One message looked at: why it came, and how to put it away. And what was put away.

import type { Context } from '../context';
import { fill, h } from '../dom';
import { exactly, reasonOf } from '../format';
import type { TextKey } from '../i18n';
import { icon, type IconName } from '../icons';
import { group, type MakePane, Pane } from '../pane';
import type { InboxItem } from '../types';

const HOUR_MS = 60 * 60_000;
const MORNING = 9;

export function about(item: InboxItem): MakePane {
  return (context, onBack) => new MessagePane(context, onBack, item);
}

export const shelf: MakePane = (context, onBack) => new ShelfPane(context, 'shelf.title', onBack);

class MessagePane extends Pane {
  private reasons: string[] = [];

  constructor(
    context: Context,
    private leave: () => void,
    private item: InboxItem,
  ) {
    super(context, 'message.title', leave);
  }

  // What the server knows is added to what is plain from the message itself.
  async show(): Promise<void> {
    try {
      const { reasons } = await this.context.api.why(this.item.delivery, this.context.words.locale);
      this.reasons = (reasons ?? []).map(({ text }) => text);
      if (this.reasons.length) this.draw();
    } catch {
      // The category alone is an answer too.
    }
  }

  protected fill(): void {
    const { words } = this.context;
    const { item } = this;
    const preferences = () => this.context.preferences();
    fill(
      this.body,
      h('h3', { class: 'pane-name' }, item.title),
      group(
        words.t('message.why'),
        h('div', { class: 'setting' }, h('div', { class: 'why' }, this.why().map((text) => h('p', null, text)))),
        action('sliders', words.t('message.preferences'), preferences),
      ),
      group(
        words.t('message.later'),
        action('clock', words.t('message.later.hours'), () => this.putAway(new Date(Date.now() + 3 * HOUR_MS))),
        action('clock', words.t('message.later.tomorrow'), () => this.putAway(morning(1))),
        action('clock', words.t('message.later.week'), () => this.putAway(morning(8 - (new Date().getDay() || 7)))),
      ),
      group(words.t('message.archive'), action('archive', words.t('message.archive'), () => this.putAway())),
    );
  }

  private why(): string[] {
    const { words } = this.context;
    const { category = 'transactional', data } = this.item;
    if (this.reasons.length) return this.reasons;
    const plain = words.t(`message.why.${category in PLAIN ? category : 'transactional'}` as TextKey);
    const reasons = [...new Set((data?.items ?? []).map(reasonOf).filter(Boolean))];
    return reasons.length ? [plain, words.t('message.why.picks', { reasons: reasons.join(', ') })] : [plain];
  }

  private putAway(until?: Date): void {
    const { inbox, words } = this.context;
    inbox.putAway(this.item.delivery, until).then(
      () => {
        this.leave();
        this.context.say(until ? words.t('message.snoozed', { when: exactly(until.toISOString(), words) }) : words.t('message.archived'));
      },
      () => this.context.say(words.t('message.failed')),
    );
  }
}

const PLAIN = { transactional: 1, alert: 1, marketing: 1 };

class ShelfPane extends Pane {
  private shelves: Record<'snoozed' | 'archived', InboxItem[]> | null = null;
  private failed = false;

  async show(): Promise<void> {
    const { api } = this.context;
    this.failed = false;
    this.draw();
    try {
      const [snoozed, archived] = await Promise.all([api.shelf('snoozed'), api.shelf('archived')]);
      this.shelves = { snoozed: snoozed.data, archived: archived.data };
    } catch {
      this.failed = true;
    }
    this.draw();
  }

  protected fill(): void {
    const { words } = this.context;
    const { shelves } = this;
    if (this.failed) this.drawFailed(words.t('shelf.failed'), () => void this.show());
    else if (!shelves) this.drawLoading();
    else if (!shelves.snoozed.length && !shelves.archived.length) {
      fill(this.body, h('div', { class: 'empty' }, h('div', { class: 'empty-art' }, icon('archive', 30)), h('h3', null, words.t('shelf.empty'))));
    } else {
      fill(this.body, (['snoozed', 'archived'] as const).map((name) => shelves[name].length > 0 && group(words.t(`shelf.${name}`), shelves[name].map((item) => this.row(item)))));
    }
  }

  private row(item: InboxItem): HTMLElement {
    const { words } = this.context;
    const when = item.snoozed_until ? words.t('message.snoozed', { when: exactly(item.snoozed_until, words) }) : exactly(item.at, words);
    const back = h('button', { class: 'quiet', type: 'button', 'aria-label': `${words.t('message.back')}: ${item.title}`, onclick: () => void this.bringBack(item) }, words.t('message.back'));
    return h('div', { class: 'shelved' }, h('div', null, h('strong', null, item.title), h('small', null, when)), back);
  }

  private async bringBack(item: InboxItem): Promise<void> {
    try {
      await this.context.inbox.bringBack(item.delivery);
      await this.show();
      this.back.focus();
    } catch {
      this.context.say(this.context.words.t('message.failed'));
    }
  }
}

function action(name: IconName, text: string, onclick: () => void): HTMLElement {
  return h('button', { class: 'pane-action', type: 'button', onclick }, icon(name, 18), text);
}

// Nine o'clock here, so many days from today.
function morning(days: number): Date {
  const day = new Date();
  day.setDate(day.getDate() + days);
  day.setHours(MORNING, 0, 0, 0);
  return day;
}
