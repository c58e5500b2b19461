// Files on their way up, and how those that were sent look in a turn.

import type { Context } from '../context';
import { fill, h } from '../dom';
import { icon } from '../icons';
import type { Attachment, UploadRules } from '../types';

interface Upload {
  name: string;
  size: number;
  percent: number;
  request: XMLHttpRequest | null;
  done: Attachment | null;
  error: string;
}

// The files to be sent with the next turn.
export class Uploads {
  readonly element = h('ul', { class: 'uploads', hidden: true });
  private list: Upload[] = [];

  constructor(
    private context: Context,
    private rules: UploadRules,
    private onChange: (said: string) => void,
  ) {}

  get busy(): boolean {
    return this.list.some((one) => !one.done && !one.error);
  }

  get ready(): Attachment[] {
    return this.list.flatMap((one) => (one.done ? [one.done] : []));
  }

  add(files: Iterable<File>): void {
    const { t } = this.context.words;
    for (const file of files) {
      if (this.list.filter((one) => !one.error).length >= this.rules.per_turn) {
        this.context.say(t('upload.tooMany', { n: this.rules.per_turn }));
        return;
      }
      const upload: Upload = { name: file.name || 'file', size: file.size, percent: 0, request: null, done: null, error: '' };
      this.list.push(upload);
      const { name } = upload;
      if (file.size > this.rules.max_bytes) {
        this.fail(upload, t('upload.tooLarge', { name, size: sizeOf(this.rules.max_bytes, this.context) }));
      } else if (file.type && !this.rules.types.includes(file.type) && !file.type.startsWith('text/')) {
        this.fail(upload, t('upload.type', { name }));
      } else void this.send(upload, file, false);
    }
    this.draw('');
  }

  // Taken with a turn: the tray is empty again.
  take(): Attachment[] {
    const { ready } = this;
    this.list = [];
    this.draw('');
    return ready;
  }

  forget(): void {
    for (const { request } of this.list) request?.abort();
    this.list = [];
    this.draw('');
  }

  private async send(upload: Upload, file: File, again: boolean): Promise<void> {
    const { api, chat, words } = this.context;
    const failed = () => this.fail(upload, words.t('upload.failed', { name: upload.name }));
    try {
      const { id } = await chat.conversation();
      const { url, headers } = await api.files(id, again);
      if (!this.list.includes(upload)) return;
      const request = (upload.request = new XMLHttpRequest());
      request.open('POST', `${url}?name=${encodeURIComponent(upload.name)}`);
      request.setRequestHeader('Content-Type', 'application/octet-stream');
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.responseType = 'json';
      request.upload.onprogress = ({ loaded, total }) => {
        upload.percent = total ? Math.floor((loaded / total) * 100) : 0;
        this.draw('');
      };
      request.onerror = failed;
      request.onload = () => {
        upload.request = null;
        if (request.status === 401 && !again) void this.send(upload, file, true);
        else if (request.status === 201) {
          upload.done = request.response as Attachment;
          this.draw(words.t('upload.done', { name: upload.name }));
        } else if (request.status === 413 || request.status === 422) {
          this.fail(upload, words.t('upload.type', { name: upload.name }));
        } else failed();
      };
      request.send(file);
    } catch {
      failed();
    }
  }

  private fail(upload: Upload, error: string): void {
    upload.request = null;
    upload.error = error;
    this.draw(error);
  }

  private remove(upload: Upload): void {
    upload.request?.abort();
    this.list = this.list.filter((one) => one !== upload);
    const { current } = this.context.chat;
    if (upload.done && current) this.context.api.dropAttachment(current.id, upload.done.id).catch(() => undefined);
    this.draw('');
  }

  private draw(said: string): void {
    const { words } = this.context;
    this.element.hidden = this.list.length === 0;
    fill(this.element, this.list.map((upload) => {
      const { name, percent, done, error } = upload;
      return h(
        'li',
        { class: 'upload', 'data-state': error ? 'failed' : done ? 'done' : 'sending' },
        icon(error ? 'alert' : 'file', 18),
        h('span', { class: 'upload-name' }, error || name),
        !done && !error && h('progress', { max: 100, value: percent, 'aria-label': words.t('upload.progress', { name, percent }) }),
        h(
          'button',
          { class: 'icon-button', type: 'button', 'aria-label': words.t('upload.remove', { name }), onclick: () => this.remove(upload) },
          icon('close', 14),
        ),
      );
    }));
    this.onChange(said);
  }
}

const fetched = new WeakMap<Context, Map<string, Promise<string>>>();

// Files of a turn: pictures are shown, all can be downloaded. They open only for their
// user, so they are fetched with the user's token and live in this page alone.
export function files(context: Context, list: Attachment[]): HTMLElement {
  return h('ul', { class: 'files' }, list.map((file) => h('li', null, one(context, file))));
}

export function forgetFiles(context: Context): void {
  for (const address of fetched.get(context)?.values() ?? []) {
    address.then((url) => URL.revokeObjectURL(url), () => undefined);
  }
  fetched.delete(context);
}

function one(context: Context, file: Attachment): HTMLElement {
  const { words } = context;
  const label = words.t('upload.open', { name: file.name });
  const save = () =>
    address(context, file).then(
      (href) => h('a', { href, download: file.name }).click(),
      () => context.say(words.t('upload.gone')),
    );
  const chip = [icon('file', 18), h('span', { class: 'file-name' }, file.name), h('small', null, sizeOf(file.size, context))];
  const button = h('button', { class: 'file', type: 'button', 'aria-label': label, title: file.name, onclick: save }, chip);
  if (file.type.startsWith('image/')) {
    address(context, file).then(
      (src) => {
        const image = h('img', { alt: file.name });
        // A page whose policy forbids blob: pictures keeps the chip.
        image.onload = () => {
          button.classList.add('picture');
          fill(button, image);
        };
        image.src = src;
      },
      () => undefined,
    );
  }
  return button;
}

function address(context: Context, file: Attachment): Promise<string> {
  const known = fetched.get(context) ?? new Map<string, Promise<string>>();
  fetched.set(context, known);
  let found = known.get(file.id);
  if (!found) {
    found = context.api.blob(file.url).then((blob) => URL.createObjectURL(blob));
    known.set(file.id, found);
    found.catch(() => known.delete(file.id));
  }
  return found;
}

function sizeOf(bytes: number, { words }: Context): string {
  const unit = bytes < 1_000_000 ? 'kilobyte' : 'megabyte';
  const amount = bytes / (unit === 'kilobyte' ? 1_024 : 1_048_576);
  const digits = { maximumFractionDigits: amount < 10 ? 1 : 0 };
  return new Intl.NumberFormat(words.locale, { style: 'unit', unit, ...digits }).format(amount);
}
