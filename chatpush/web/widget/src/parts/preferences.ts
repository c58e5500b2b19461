// What the user wants to be told, by which channels, when, and in which language. Every change is saved at once.

import { fill, h, keepingFocus } from '../dom';
import { LOCALES, type TextKey } from '../i18n';
import { group, type MakePane, Pane } from '../pane';
import { part } from '../parts';
import { leavePush } from '../push';
import type { Preferences, TurnPromise } from '../types';
import { promise } from '../view-turn';

type PushState = Awaited<ReturnType<typeof import('./push').state>>;

const SAVE_AFTER_MS = 350;
const QUIET_DEFAULT = { start: '22:00', end: '08:00' };
const CATEGORIES = ['marketing', 'alert'];
// Channels there are words for; those that plugins bring go by their names.
const CHANNELS = ['inbox', 'email', 'webpush', 'fcm', 'apns', 'apprise'];

export const make: MakePane = (context, onBack) => new PreferencesPane(context, 'prefs.title', onBack);

class PreferencesPane extends Pane {
  private preferences: Preferences | null = null;
  private promises: TurnPromise[] = [];
  private failed = false;
  private push: PushState = 'unavailable';
  private timer = 0;
  private categories = h('div', { class: 'categories' });
  // What is still to be saved, and the words that stood beside it.
  private unsaved: Preferences = {};
  private said = new Set<string>();
  private opening = '';

  async show(): Promise<void> {
    this.status.textContent = '';
    this.failed = false;
    this.draw();
    try {
      this.preferences = await this.context.api.preferences();
    } catch {
      this.failed = true;
    }
    this.draw();
    try {
      this.push = await (await part('push')).state(this.context);
      this.draw();
    } catch {
      // Then it is not offered.
    }
    try {
      this.promises = (await this.context.api.promises()).data ?? [];
      this.draw();
    } catch {
      // The pane is whole without them.
    }
  }

  // What was changed a moment ago is not to be lost with the pane.
  override left(): void {
    if (Object.keys(this.unsaved).length > 0) void this.save();
  }

  override forget(): void {
    clearTimeout(this.timer);
    super.forget();
  }

  protected fill(): void {
    if (this.failed) this.drawFailed(this.context.words.t('prefs.load.failed'), () => void this.show());
    else if (!this.preferences) this.drawLoading();
    else fill(this.body, this.form(this.preferences));
  }

  private form(preferences: Preferences): HTMLElement[] {
    const { words } = this.context;
    this.drawCategories();
    return [
      group(
        words.t('prefs.messages'),
        this.toggle('prefs.transactional', true, null),
        this.categories,
        this.toggle('prefs.personalized', preferences.personalized ?? true, (on) => this.change({ personalized: on })),
      ),
      ...(this.push === 'unavailable' ? [] : [group(words.t('push.title'), this.device())]),
      group(words.t('prefs.timing'), this.quiet(preferences)),
      group(words.t('prefs.language'), this.language()),
      ...(this.promises.length
        ? [group(words.t('prefs.promises'), this.promises.map((made) => h('div', { class: 'setting' }, promise(this.context, made, () => this.draw()))))]
        : []),
    ];
  }

  // Drawn by itself, so that an answer of the server disturbs nothing else; who stands in it stays there.
  private drawCategories(): void {
    const { categories = {}, channels = {} } = this.preferences ?? {};
    const shown = CATEGORIES.filter((one) => one === 'marketing' || one in categories);
    const rows = shown.flatMap((one) => this.category(one, categories[one] ?? false, channels[one] ?? {}));
    keepingFocus(this.categories, () => (fill(this.categories, rows), this.categories));
  }

  private category(name: string, overall: boolean, row: Record<string, boolean>): HTMLElement[] {
    const { words } = this.context;
    const key = `prefs.${name}` as TextKey;
    const names = Object.keys(row);
    const on = names.length ? names.some((channel) => row[channel]) : overall;
    const toggle = this.toggle(key, on, (wanted) => this.turnCategory(name, wanted));
    if (!on || names.length < 2) return [toggle];
    const label = words.t('prefs.channels');
    const choices = names.map((channel) =>
      h(
        'button',
        {
          type: 'button',
          class: 'choice',
          'data-name': `${name}.${channel}`,
          'aria-pressed': String(row[channel]),
          onclick: () => this.turnChannel(name, channel, !row[channel]),
        },
        this.channel(channel),
      ),
    );
    return [
      toggle,
      h('div', { class: 'setting channels', role: 'group', 'aria-label': `${words.t(key)}: ${label}` }, h('small', null, label), choices),
    ];
  }

  private channel(name: string): string {
    return CHANNELS.includes(name) ? this.context.words.t(`channel.${name}` as TextKey) : name;
  }

  private turnCategory(name: string, on: boolean): void {
    const { categories = {}, channels = {} } = this.preferences ?? {};
    this.opening = on ? name : '';
    // Each channel of a category that is on was closed by itself: then it opens with all of them.
    if (on && categories[name] && channels[name]) this.openAll(name);
    else this.consent(name, '', { categories: { [name]: on } }, every(channels[name], on));
  }

  private turnChannel(name: string, channel: string, on: boolean): void {
    const row = { ...this.preferences?.channels?.[name], [channel]: on };
    if (Object.values(row).some(Boolean)) this.consent(name, channel, { channels: { [name]: { [channel]: on } } }, row);
    else this.turnCategory(name, false);
  }

  private openAll(name: string): void {
    this.opening = '';
    const row = every(this.preferences?.channels?.[name], true);
    this.consent(name, '', { categories: { [name]: true }, channels: { [name]: row } }, row);
  }

  // Show at once what will hold, and keep the words for whoever has to prove it.
  private consent(name: string, channel: string, changed: Preferences, row: Record<string, boolean>): void {
    const { words } = this.context;
    const key = `prefs.${name}` as TextKey;
    const about = `${words.t(key)}: ${words.t(`${key}.text` as TextKey)}`;
    this.said.add(channel ? `${about} (${this.channel(channel)})` : about);
    const { categories, channels } = this.preferences ?? {};
    this.change(changed);
    this.preferences = {
      ...this.preferences,
      categories: { ...categories, ...changed.categories },
      channels: channels && { ...channels, [name]: row },
    };
    this.drawCategories();
  }

  private device(): HTMLElement {
    const denied = this.push === 'denied';
    const row = this.toggle('prefs.push', this.push === 'on', denied ? null : (on) => void this.turn(on));
    if (denied) row.querySelector('small')?.replaceChildren(this.context.words.t('prefs.push.denied'));
    return row;
  }

  private async turn(on: boolean): Promise<void> {
    const { context } = this;
    try {
      if (on) this.push = await (await part('push')).turnOn(context);
      else {
        await leavePush(context.api, context.session.held);
        this.push = 'off';
      }
    } catch {
      context.say(context.words.t('prefs.push.failed'));
    }
    this.draw();
    this.body.querySelector<HTMLElement>('[data-name="prefs.push"]')?.focus();
  }

  private quiet(preferences: Preferences): HTMLElement[] {
    const { words } = this.context;
    const hours = preferences.quiet_hours ?? null;
    const rows = [
      this.toggle('prefs.quiet', hours !== null, (on) => {
        this.change({ quiet_hours: on ? QUIET_DEFAULT : null });
        this.draw();
        this.body.querySelector<HTMLElement>('[data-name="prefs.quiet"]')?.focus();
      }),
    ];
    if (hours) {
      const time = (name: 'start' | 'end', label: string) =>
        h(
          'label',
          null,
          h('span', null, label),
          h('input', {
            type: 'time',
            value: hours[name],
            required: true,
            onchange: ({ target }: Event) => {
              const { value } = target as HTMLInputElement;
              const current = this.preferences?.quiet_hours ?? QUIET_DEFAULT;
              if (value) this.change({ quiet_hours: { ...current, [name]: value } });
            },
          }),
        );
      rows.push(h('div', { class: 'setting times' }, time('start', words.t('prefs.quiet.from')), time('end', words.t('prefs.quiet.to'))));
    }
    return rows;
  }

  private language(): HTMLElement {
    const { words } = this.context;
    const choose = (locale: string) => {
      this.change({ locale });
      void this.context.setLocale(locale).then(() => {
        this.draw();
        this.body.querySelector<HTMLElement>(`[data-locale="${locale}"]`)?.focus();
      });
    };
    return h(
      'div',
      { class: 'setting languages', role: 'group', 'aria-label': words.t('prefs.language') },
      LOCALES.map((locale) =>
        h(
          'button',
          {
            type: 'button',
            class: 'choice',
            lang: locale,
            'data-locale': locale,
            'aria-pressed': String(locale === words.locale),
            onclick: () => choose(locale),
          },
          languageName(locale),
        ),
      ),
    );
  }

  private toggle(name: TextKey, on: boolean, change: ((on: boolean) => void) | null): HTMLElement {
    const { words } = this.context;
    const press = ({ currentTarget }: Event) => {
      const button = currentTarget as HTMLElement;
      const next = button.getAttribute('aria-checked') !== 'true';
      button.setAttribute('aria-checked', String(next));
      change?.(next);
    };
    return h(
      'button',
      {
        class: 'setting toggle',
        type: 'button',
        role: 'switch',
        'data-name': name,
        'aria-checked': String(on),
        disabled: change === null,
        onclick: press,
      },
      h('span', { class: 'setting-text' }, h('strong', null, words.t(name)), h('small', null, words.t(`${name}.text` as TextKey))),
      h('span', { class: 'switch', 'aria-hidden': 'true' }),
    );
  }

  private change(changed: Preferences): void {
    this.preferences = { ...this.preferences, ...changed };
    this.unsaved = merged(this.unsaved, changed);
    this.status.textContent = this.context.words.t('prefs.saving');
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.save(), SAVE_AFTER_MS);
  }

  private async save(): Promise<void> {
    const { words, api } = this.context;
    clearTimeout(this.timer);
    const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const changed = { ...this.unsaved, ...(timezone ? { timezone } : {}) };
    const said = [...this.said].join('\n');
    this.unsaved = {};
    this.said.clear();
    try {
      const answer = await api.savePreferences(changed, said);
      this.status.textContent = words.t('prefs.saved');
      if (Object.keys(this.unsaved).length === 0) this.take(answer);
    } catch {
      // What did not come through is what the next change brings along.
      this.unsaved = merged(changed, this.unsaved);
      said.split('\n').filter(Boolean).forEach((one) => this.said.add(one));
      this.status.textContent = '';
      this.context.say(words.t('prefs.failed'));
    }
  }

  // The server knows what was said of single channels before; a switch that was turned on stays on.
  private take(answer: Preferences): void {
    this.preferences = answer;
    const name = this.opening;
    this.opening = '';
    const row = answer.channels?.[name];
    if (row && !Object.values(row).some(Boolean)) this.openAll(name);
    else this.drawCategories();
  }
}

function every(row: Record<string, boolean> | undefined, on: boolean): Record<string, boolean> {
  return Object.fromEntries(Object.keys(row ?? {}).map((channel) => [channel, on]));
}

// Two changes as one, the later one counting: a "no" to all takes back the "yes" of a channel just before it.
function merged(before: Preferences, later: Preferences): Preferences {
  const channels = { ...before.channels };
  for (const [name, on] of Object.entries(later.categories ?? {}))
    if (!on) channels[name] = Object.fromEntries(Object.entries(channels[name] ?? {}).filter(([, open]) => !open));
  for (const [name, row] of Object.entries(later.channels ?? {})) channels[name] = { ...channels[name], ...row };
  const categories = { ...before.categories, ...later.categories };
  return {
    ...before,
    ...later,
    ...(Object.keys(categories).length ? { categories } : {}),
    ...(Object.keys(channels).length ? { channels } : {}),
  };
}

function languageName(locale: string): string {
  const script = locale === 'zh-CN' ? 'zh-Hans' : locale;
  try {
    return new Intl.DisplayNames([script], { type: 'language' }).of(script) ?? locale;
  } catch {
    return locale;
  }
}
