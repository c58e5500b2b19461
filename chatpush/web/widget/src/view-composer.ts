// Where the user writes: grows with the text, sends by Enter, leaves an input method alone.

import type { Context } from './context';
import { fill, h } from './dom';
import { icon } from './icons';

const TALLEST_PX = 132;
const LONGEST = 4000;

export class Composer {
  readonly element: HTMLFormElement;
  readonly field: HTMLTextAreaElement;
  private button: HTMLButtonElement;
  private streaming = false;

  constructor(
    private context: Context,
    private onSend: (text: string) => void,
    private onStop: () => void,
  ) {
    this.field = h('textarea', {
      rows: 1,
      maxlength: LONGEST,
      enterkeyhint: 'send',
      oninput: () => this.fit(),
      onkeydown: (event: KeyboardEvent) => this.key(event),
    });
    this.button = h('button', { class: 'send', type: 'submit' });
    const submit = (event: Event) => {
      event.preventDefault();
      this.submit();
    };
    this.element = h('form', { class: 'composer', onsubmit: submit }, this.field, this.button);
  }

  draw(streaming: boolean): void {
    const { words } = this.context;
    this.streaming = streaming;
    this.field.placeholder = words.t('chat.placeholder');
    this.field.setAttribute('aria-label', words.t('chat.placeholder'));
    const kind = streaming ? 'stop' : 'send';
    const label = words.t(streaming ? 'chat.stop' : 'chat.send');
    if (this.button.dataset.kind !== kind) {
      this.button.dataset.kind = kind;
      fill(this.button, icon(kind, 20) as unknown as HTMLElement);
    }
    this.button.setAttribute('aria-label', label);
    this.button.title = label;
    this.fit();
  }

  clear(): void {
    this.field.value = '';
    this.fit();
  }

  private submit(): void {
    const text = this.field.value.trim();
    if (this.streaming && !text) {
      this.onStop();
      return;
    }
    if (!text) return;
    this.clear();
    this.onSend(text);
  }

  private key(event: KeyboardEvent): void {
    // While an input method composes (Chinese, Japanese …), Enter chooses a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit();
  }

  private fit(): void {
    const { field, button } = this;
    button.disabled = !this.streaming && field.value.trim() === '';
    field.style.height = 'auto';
    const wanted = field.scrollHeight;
    field.style.height = wanted ? `${Math.min(wanted, TALLEST_PX)}px` : '';
    field.style.overflowY = wanted > TALLEST_PX ? 'auto' : 'hidden';
  }
}
