// What is asked of the user in a form: before a conversation, while nobody is there, for a
// transcript, and how it was.

import type { Context } from '../context';
import { fill, h } from '../dom';
import type { TextKey } from '../i18n';
import { icon } from '../icons';
import { type MakePane, Pane } from '../pane';
import type { FormField } from '../types';

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;
const LONGEST = 2000;
const SCORES = [1, 2, 3, 4, 5];
let numbers = 0;

interface Asked {
  name: string;
  type: FormField['type'];
  label: string;
  required: boolean;
  options?: string[];
}

type Answers = Record<string, string>;

// A form whose fields say themselves what is wrong with them, where a screen reader looks for it.
class Form {
  readonly element: HTMLFormElement;
  private fields = new Map<string, { asked: Asked; input: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement; note: HTMLElement }>();
  private note = h('p', { class: 'form-note', role: 'alert', hidden: true });
  private button: HTMLButtonElement;

  constructor(
    private context: Context,
    asked: Asked[],
    submit: TextKey,
    private onSubmit: (answers: Answers) => Promise<void>,
  ) {
    this.button = h('button', { class: 'primary', type: 'submit' }, context.words.t(submit));
    const onsubmit = (event: Event) => {
      event.preventDefault();
      void this.submit();
    };
    this.element = h('form', { class: 'form', novalidate: true, onsubmit }, asked.map((one) => this.field(one)), this.note, this.button);
  }

  focus(): void {
    [...this.fields.values()][0]?.input.focus();
  }

  private field(asked: Asked): HTMLElement {
    const id = `field-${++numbers}`;
    const shared = { id, name: asked.name, 'aria-required': String(asked.required), maxlength: LONGEST, 'aria-describedby': `${id}-note` };
    const { t } = this.context.words;
    const input =
      asked.type === 'textarea'
        ? h('textarea', { ...shared, rows: 4 })
        : asked.type === 'select'
          ? h('select', { ...shared, maxlength: null }, h('option', { value: '' }, t('form.choose')), (asked.options ?? []).map((one) => h('option', { value: one }, one)))
          : h('input', { ...shared, type: asked.type, autocomplete: asked.type === 'email' ? 'email' : 'on' });
    const note = h('span', { class: 'field-note', id: `${id}-note` });
    this.fields.set(asked.name, { asked, input, note });
    const label = h('label', { for: id }, asked.label, !asked.required && h('small', null, ` (${t('form.optional')})`));
    return h('div', { class: 'field' }, label, input, note);
  }

  private async submit(): Promise<void> {
    const { t } = this.context.words;
    const answers: Answers = {};
    let wrong: HTMLElement | null = null;
    for (const [name, { asked, input, note }] of this.fields) {
      const value = input.value.trim();
      answers[name] = value;
      const problem = !value && asked.required ? t('form.required') : value && asked.type === 'email' && !EMAIL.test(value) ? t('form.email') : '';
      note.textContent = problem;
      input.setAttribute('aria-invalid', String(problem !== ''));
      if (problem) wrong ??= input;
    }
    if (wrong) {
      wrong.focus();
      return;
    }
    this.button.disabled = true;
    this.note.hidden = true;
    try {
      await this.onSubmit(answers);
    } catch {
      this.note.textContent = t('form.failed');
      this.note.hidden = false;
    }
    this.button.disabled = false;
  }
}

export function prechat(context: Context, fields: FormField[], onDone: () => void): HTMLElement {
  const { words, chat } = context;
  const asked = fields.map(({ labels, ...field }) => ({ ...field, label: words.pick(labels) ?? field.name }));
  const form = new Form(context, asked, 'form.start', async (answers) => {
    chat.prechat = answers;
    try {
      await chat.conversation();
    } catch (error) {
      chat.prechat = null;
      throw error;
    }
    onDone();
  });
  return h('div', { class: 'prechat' }, h('h3', null, words.t('prechat.title')), h('p', null, words.t('prechat.text')), form.element);
}

class FormPane extends Pane {
  private done = '';
  private form: Form | null = null;

  constructor(
    context: Context,
    private name: 'leave' | 'transcript',
    onBack: () => void,
  ) {
    super(context, `${name}.title`, onBack);
  }

  show(): void {
    this.form?.focus();
  }

  protected fill(): void {
    const { words } = this.context;
    if (this.done) {
      fill(this.body, h('div', { class: 'empty', role: 'status' }, h('div', { class: 'empty-art' }, icon('mail', 30)), h('h3', null, this.done)));
      return;
    }
    const email: Asked = { name: 'email', type: 'email', label: words.t('leave.email'), required: true };
    const text: Asked = { name: 'text', type: 'textarea', label: words.t('leave.message'), required: true };
    this.form = new Form(this.context, this.name === 'leave' ? [email, text] : [email], 'form.send', (answers) => this.send(answers));
    fill(this.body, h('p', { class: 'pane-text' }, words.t(`${this.name}.text`)), this.form.element);
  }

  private async send({ email, text }: Answers): Promise<void> {
    const { chat, api, words } = this.context;
    if (this.name === 'leave') await chat.leaveMessage(email, text);
    else await api.transcript((await chat.conversation()).id, email);
    this.done = words.t(`${this.name}.done`, { email });
    this.draw();
    this.back.focus();
  }
}

export const leaveMessage: MakePane = (context, onBack) => new FormPane(context, 'leave', onBack);
export const transcript: MakePane = (context, onBack) => new FormPane(context, 'transcript', onBack);

// How was it? A choice of five and a word; asked once, where the conversation ended.
export function rating(context: Context): HTMLElement {
  const { words, chat, events } = context;
  const name = `score-${++numbers}`;
  const comment = h('textarea', { rows: 2, maxlength: LONGEST, 'aria-label': words.t('rate.comment'), placeholder: words.t('rate.comment') });
  const more = h('div', { class: 'rate-more', hidden: true }, comment, h('button', { class: 'primary', type: 'submit' }, words.t('form.send')));
  const choices = SCORES.map((score) =>
    h(
      'label',
      { class: 'star', title: words.t(`rate.${score}` as TextKey) },
      h('input', { type: 'radio', name, value: score, 'aria-label': words.t(`rate.${score}` as TextKey), onchange: () => reveal(more) }),
      icon('star', 26),
    ),
  );
  const onsubmit = async (event: Event) => {
    event.preventDefault();
    const chosen = form.querySelector<HTMLInputElement>('input:checked');
    if (!chosen) return;
    try {
      const score = Number(chosen.value);
      await chat.rate(score, comment.value.trim());
      events.emit('rated', { conversation: chat.current?.id ?? '', score });
    } catch {
      context.say(words.t('form.failed'));
    }
  };
  const form = h('form', { class: 'rate', onsubmit }, h('fieldset', null, h('legend', null, words.t('rate.question')), h('div', { class: 'stars' }, choices)), more);
  return form;
}

function reveal(element: HTMLElement): void {
  element.hidden = false;
  element.scrollIntoView({ block: 'nearest' });
}
