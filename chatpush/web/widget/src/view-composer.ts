// Where the user writes: grows with the text, sends by Enter, leaves an input method alone,
// and takes files that are chosen, dropped or pasted.

import type { Context } from './context';
import { fill, h } from './dom';
import { icon } from './icons';
import { part, type Parts } from './parts';
import type { Attachment } from './types';

type Uploads = InstanceType<Parts['uploads']['Uploads']>;

const TALLEST_PX = 132;
const LONGEST = 4000;

export class Composer {
  readonly element: HTMLFormElement;
  readonly field: HTMLTextAreaElement;
  private button: HTMLButtonElement;
  private attach: HTMLButtonElement;
  private picker = h('input', { type: 'file', multiple: true, hidden: true, tabindex: -1, onchange: () => this.picked() });
  private tray = h('div', { class: 'tray' });
  private said = h('div', { class: 'upload-said', role: 'status' });
  private uploads: Uploads | null = null;
  private streaming = false;

  constructor(
    private context: Context,
    private onSend: (text: string, files: Attachment[]) => void,
    private onStop: () => void,
  ) {
    this.field = h('textarea', {
      rows: 1,
      dir: 'auto',
      maxlength: LONGEST,
      enterkeyhint: 'send',
      oninput: () => this.typed(),
      onpaste: (event: ClipboardEvent) => this.pasted(event),
      onkeydown: (event: KeyboardEvent) => this.key(event),
    });
    this.button = h('button', { class: 'send', type: 'submit' });
    this.attach = h('button', { class: 'icon-button attach', type: 'button', hidden: true, onclick: () => this.picker.click() }, icon('clip', 20));
    const submit = (event: Event) => {
      event.preventDefault();
      this.submit();
    };
    this.element = h(
      'form',
      { class: 'composer', onsubmit: submit },
      this.tray,
      h('div', { class: 'composer-row' }, this.attach, this.picker, this.field, this.button),
      this.said,
    );
  }

  // What is dropped onto `area` is sent too.
  takeDrops(area: HTMLElement): void {
    const carries = (event: DragEvent) => Boolean(this.rules && event.dataTransfer?.types.includes('Files'));
    const over = (on: boolean) => (event: DragEvent) => {
      if (!carries(event)) return;
      event.preventDefault();
      area.classList.toggle('dropping', on);
    };
    area.addEventListener('dragover', over(true));
    area.addEventListener('dragleave', over(false));
    area.addEventListener('drop', (event) => {
      if (!carries(event)) return;
      over(false)(event);
      void this.add([...(event.dataTransfer?.files ?? [])]);
    });
  }

  draw(streaming: boolean): void {
    const { words } = this.context;
    this.attach.hidden = !this.rules;
    this.attach.title = words.t('chat.attach');
    this.attach.setAttribute('aria-label', words.t('chat.attach'));
    this.picker.setAttribute('aria-label', words.t('chat.attach'));
    this.picker.accept = this.rules?.types.join(',') ?? '';
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

  // Another conversation: what was to be sent in this one is not.
  dropFiles(): void {
    this.uploads?.forget();
  }

  private get rules() {
    return this.context.config.attachments;
  }

  private async add(files: File[]): Promise<void> {
    const { rules, context } = this;
    if (!rules || files.length === 0) return;
    try {
      const { Uploads } = await part('uploads');
      this.uploads ??= new Uploads(context, rules, (said: string) => {
        if (said) this.said.textContent = said;
        this.fit();
      });
      fill(this.tray, this.uploads.element);
      this.uploads.add(files);
    } catch {
      context.say(context.words.t('part.failed'));
    }
  }

  private picked(): void {
    void this.add([...(this.picker.files ?? [])]);
    this.picker.value = '';
    this.field.focus();
  }

  private pasted(event: ClipboardEvent): void {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || !this.rules) return;
    event.preventDefault();
    void this.add(files);
  }

  private typed(): void {
    this.context.chat.typed();
    this.fit();
  }

  private submit(): void {
    const text = this.field.value.trim();
    if (this.uploads?.busy) return;
    if (!text && !this.uploads?.ready.length) {
      if (this.streaming) this.onStop();
      return;
    }
    this.clear();
    this.onSend(text, this.uploads?.take() ?? []);
  }

  private key(event: KeyboardEvent): void {
    // While an input method composes (Chinese, Japanese …), Enter chooses a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit();
  }

  private fit(): void {
    const { field, button } = this;
    const nothing = field.value.trim() === '' && !this.uploads?.ready.length;
    button.disabled = (!this.streaming && nothing) || Boolean(this.uploads?.busy);
    field.style.height = 'auto';
    const wanted = field.scrollHeight;
    field.style.height = wanted ? `${Math.min(wanted, TALLEST_PX)}px` : '';
    field.style.overflowY = wanted > TALLEST_PX ? 'auto' : 'hidden';
  }
}
