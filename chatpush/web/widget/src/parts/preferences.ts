// What the user wants to be told, when, and in which language. Every change is saved at once.

import { fill, h } from '../dom';
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

export const make: MakePane = (context, onBack) => new PreferencesPane(context, 'prefs.title', onBack);

class PreferencesPane extends Pane {
  private preferences: Preferences | null = null;
  private promises: TurnPromise[] = [];
  private failed = false;
  private push: PushState = 'unavailable';
  private timer = 0;

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
    const categories = preferences.categories ?? {};
    const shown = CATEGORIES.filter((name) => name === 'marketing' || name in categories);
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
      ...(this.push === 'unavailable' ? [] : [group(words.t('push.title'), this.device())]),
      group(words.t('prefs.timing'), this.quiet(preferences)),
      group(words.t('prefs.language'), this.language()),
      ...(this.promises.length
        ? [group(words.t('prefs.promises'), this.promises.map((made) => h('div', { class: 'setting' }, promise(this.context, made, () => this.draw()))))]
        : []),
    ];
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

function languageName(locale: string): string {
  const script = locale === 'zh-CN' ? 'zh-Hans' : locale;
  try {
    return new Intl.DisplayNames([script], { type: 'language' }).of(script) ?? locale;
  } catch {
    return locale;
  }
}
