// What the user wants to be told, when, and in which language. Every change is saved at once.

import type { Context } from './context';
import { fill, h } from './dom';
import { LOCALES, type TextKey } from './i18n';
import { icon } from './icons';
import type { Preferences, TurnPromise } from './types';
import { promise } from './view-turn';

const SAVE_AFTER_MS = 350;
const QUIET_DEFAULT = { start: '22:00', end: '08:00' };
const LANGUAGE_NAMES: Record<string, string> = { en: 'English', 'zh-CN': '简体中文' };
const CATEGORIES = ['marketing', 'alert'];

export class PreferencesView {
  readonly element = h('section', { class: 'view prefs', hidden: true });
  private body = h('div', { class: 'prefs-body' });
  private status = h('span', { class: 'prefs-status', role: 'status' });
  private title = h('h2');
  private back = h('button', { class: 'icon-button', type: 'button', onclick: () => this.onBack() }, icon('back', 20));
  private preferences: Preferences | null = null;
  private promises: TurnPromise[] = [];
  private failed = false;
  private timer = 0;

  constructor(
    private context: Context,
    private onBack: () => void,
  ) {
    this.element.append(h('div', { class: 'prefs-head' }, this.back, this.title, this.status), this.body);
  }

  async show(): Promise<void> {
    this.status.textContent = '';
    this.failed = false;
    this.draw();
    this.back.focus();
    try {
      this.preferences = await this.context.api.preferences();
    } catch {
      this.failed = true;
    }
    this.draw();
    try {
      this.promises = (await this.context.api.promises()).data ?? [];
      this.draw();
    } catch {
      // The pane is whole without them.
    }
  }

  forget(): void {
    clearTimeout(this.timer);
    this.preferences = null;
    this.promises = [];
  }

  draw(): void {
    const { words } = this.context;
    this.title.textContent = words.t('prefs.title');
    this.back.setAttribute('aria-label', words.t('panel.back'));
    if (this.failed) {
      fill(
        this.body,
        h('div', { class: 'empty' }, h('h3', null, words.t('prefs.load.failed')), h('button', { class: 'primary', type: 'button', onclick: () => void this.show() }, words.t('retry'))),
      );
    } else if (!this.preferences) fill(this.body, h('div', { class: 'skeleton' }, h('i'), h('i'), h('i')));
    else fill(this.body, this.form(this.preferences));
  }

  private form(preferences: Preferences): HTMLElement[] {
    const { words } = this.context;
    const categories = preferences.categories ?? {};
    const shown = CATEGORIES.filter((name) => name === 'marketing' || name in categories);
    const language = this.language(preferences);
    return [
      group(
        words.t('prefs.messages'),
        this.toggle('prefs.transactional', true, null),
        shown.map((name) =>
          this.toggle(`prefs.${name}` as TextKey, categories[name] ?? false, (on) =>
            this.change({ categories: { ...this.preferences?.categories, [name]: on } }),
          ),
        ),
        this.toggle('prefs.personalized', preferences.personalized ?? true, (on) => this.change({ personalized: on })),
      ),
      group(words.t('prefs.timing'), this.quiet(preferences)),
      group(words.t('prefs.language'), language),
      ...(this.promises.length
        ? [group(words.t('prefs.promises'), this.promises.map((made) => h('div', { class: 'setting' }, promise(this.context, made, () => this.draw()))))]
        : []),
    ];
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

  private language(preferences: Preferences): HTMLElement {
    const { words } = this.context;
    const choose = (locale: string) => {
      this.change({ locale });
      this.context.setLocale(locale);
      this.draw();
      this.body.querySelector<HTMLElement>(`[data-locale="${locale}"]`)?.focus();
    };
    void preferences;
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
          LANGUAGE_NAMES[locale] ?? locale,
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

  private change(part: Partial<Preferences>): void {
    const { words, api } = this.context;
    this.preferences = { ...this.preferences, ...part };
    this.status.textContent = words.t('prefs.saving');
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      api.savePreferences({ ...this.preferences, ...(timezone ? { timezone } : {}) }).then(
        () => (this.status.textContent = words.t('prefs.saved')),
        () => {
          this.status.textContent = '';
          this.context.say(words.t('prefs.failed'));
        },
      );
    }, SAVE_AFTER_MS);
  }
}

function group(title: string, ...children: (HTMLElement | HTMLElement[])[]): HTMLElement {
  return h('div', { class: 'group', role: 'group', 'aria-label': title }, h('h3', null, title), h('div', { class: 'group-box' }, children.flat()));
}
