// A page above inbox and chat, with a way back: preferences, reasons, forms. Its contents
// are parts that are fetched when they are first wanted.

import type { Context } from './context';
import { fill, h } from './dom';
import type { TextKey } from './i18n';
import { icon } from './icons';

export abstract class Pane {
  readonly element: HTMLElement;
  readonly back: HTMLButtonElement;
  protected body = h('div', { class: 'pane-body' });
  protected status = h('span', { class: 'pane-status', role: 'status' });
  private heading = h('h2');

  constructor(
    protected context: Context,
    private title: TextKey,
    onBack: () => void,
  ) {
    this.back = h('button', { class: 'icon-button', type: 'button', onclick: onBack }, icon('back', 20));
    this.element = h('section', { class: 'view pane' }, h('div', { class: 'pane-head' }, this.back, this.heading, this.status), this.body);
  }

  // Called when it comes into sight.
  abstract show(): void | Promise<void>;
  protected abstract fill(): void;

  draw(): void {
    const { words } = this.context;
    this.heading.textContent = words.t(this.title);
    this.back.setAttribute('aria-label', words.t('panel.back'));
    this.fill();
  }

  // Called when the user goes back from it, or somewhere else.
  left(): void {}

  // Called after that, or when another user comes: nothing of theirs stays.
  forget(): void {
    fill(this.body);
  }

  protected drawLoading(): void {
    fill(this.body, h('div', { class: 'skeleton' }, h('i'), h('i'), h('i')));
  }

  protected drawFailed(text: string, again: () => void): void {
    const retry = h('button', { class: 'primary', type: 'button', onclick: again }, this.context.words.t('retry'));
    fill(this.body, h('div', { class: 'empty' }, h('h3', null, text), retry));
  }
}

export type MakePane = (context: Context, onBack: () => void) => Pane;

export function group(title: string, ...children: (HTMLElement | HTMLElement[])[]): HTMLElement {
  return h('div', { class: 'group', role: 'group', 'aria-label': title }, h('h3', null, title), h('div', { class: 'group-box' }, children.flat()));
}
