// The frame of it all, in a shadow root of its own: launcher, panel, tabs, toasts.
//
// Neither the page's styles nor its scripts reach in by accident, and nothing of ours
// leaks out: styles come as an adopted sheet, keys typed in our fields stay here.

import type { Context } from './context';
import { assign, fill, h } from './dom';
import { icon } from './icons';
import type { MakePane, Pane } from './pane';
import css from './styles.css';
import type { Position, Tab, ThemeMode } from './types';
import { ChatView } from './view-chat';
import { InboxView } from './view-inbox';
import { ToastView } from './view-toast';
import { initial } from './view-turn';

const TABS: Tab[] = ['inbox', 'chat'];
const FULL_SCREEN = '(max-width: 667px)';
const FOCUSABLE = 'a[href], button:not(:disabled), input, select, textarea, [tabindex="0"]';
const SNACK_MS = 5_000;

export class Shell {
  readonly host = document.createElement('chatpush-widget');
  readonly inbox: InboxView;
  readonly chat: ChatView;
  readonly toast: ToastView;
  isOpen = false;
  tab: Tab = 'inbox';
  onToggle: (open: boolean) => void = () => undefined;
  onLaunch: () => void = () => undefined;
  private root: HTMLElement;
  private launcher: HTMLButtonElement;
  private badge = h('span', { class: 'badge', hidden: true, 'aria-hidden': 'true' });
  private panel: HTMLElement;
  private head = h('header', { class: 'head' });
  private tabs = h('div', { class: 'tabs', role: 'tablist' });
  private net = h('div', { class: 'net', role: 'status', hidden: true });
  private snack = h('div', { class: 'snack', role: 'alert', hidden: true });
  private pane: Pane | null = null;
  private paneSlot = h('div', { class: 'pane-slot', hidden: true });
  // The pane that is being fetched; another one, or going back, makes it void.
  private paneAsked = 0;
  private beforePane: HTMLElement | null = null;
  private cameFrom: HTMLElement | null = null;
  private snackTimer = 0;
  private theme: ThemeMode = 'auto';
  private dark = matchMedia('(prefers-color-scheme: dark)');
  private keeper: MutationObserver | null = null;

  constructor(private context: Context) {
    this.inbox = new InboxView(context);
    this.chat = new ChatView(context);
    this.toast = new ToastView(context);
    this.launcher = h(
      'button',
      { class: 'launcher', type: 'button', 'aria-expanded': 'false', 'aria-haspopup': 'dialog', onclick: () => this.onLaunch() },
      h('span', { class: 'launcher-icon' }, icon('chat', 28), icon('down', 28)),
      this.badge,
    );
    this.panel = this.makePanel();
    this.root = h('div', { class: 'root' }, this.launcher, this.panel, this.toast.element);
    const shadow = this.host.attachShadow({ mode: 'open' });
    style(shadow);
    shadow.append(this.root);
    this.root.addEventListener('keydown', (event) => this.key(event));
    for (const name of ['keydown', 'keyup', 'keypress'] as const) this.root.addEventListener(name, keepTyping);
  }

  mount(): void {
    this.attach();
    // Pages that replace their body (Turbo, Astro …) must not lose the widget.
    this.keeper = new MutationObserver(() => this.attach());
    this.guard();
    this.dark.addEventListener('change', this.applyTheme);
    window.visualViewport?.addEventListener('resize', this.fitViewport);
    document.addEventListener('visibilitychange', this.settle);
    this.applyTheme();
    this.draw();
  }

  unmount(): void {
    this.keeper?.disconnect();
    this.dark.removeEventListener('change', this.applyTheme);
    window.visualViewport?.removeEventListener('resize', this.fitViewport);
    document.removeEventListener('visibilitychange', this.settle);
    this.inbox.destroy();
    this.toast.destroy();
    this.pane?.forget();
    this.host.remove();
  }

  look(options: { theme?: ThemeMode; position?: Position; accent?: string }): void {
    if (options.theme) this.theme = options.theme;
    if (options.position) this.root.dataset.side = options.position;
    // The page's own --chatpush-accent comes first: see the style sheet.
    if (options.accent) this.host.style.setProperty('--_accent', options.accent);
    this.applyTheme();
  }

  open(tab?: Tab): void {
    const was = this.isOpen;
    this.isOpen = true;
    if (tab) this.dropPane();
    if (tab) was ? this.showTab(tab) : (this.tab = tab);
    if (!was) {
      this.cameFrom = document.activeElement instanceof HTMLElement ? document.activeElement : null;
      this.toast.clear();
    }
    this.draw();
    if (!was) {
      this.focusIn();
      this.onToggle(true);
    }
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.dropPane();
    const focused = this.host.shadowRoot?.activeElement;
    const inside = focused !== null && focused !== undefined && focused !== this.launcher;
    this.draw();
    if (inside) this.focusBack();
    this.onToggle(false);
  }

  showTab(tab: Tab): void {
    const onTabs = this.tabs.contains(this.host.shadowRoot?.activeElement ?? null);
    this.tab = tab;
    this.draw();
    if (onTabs) this.tabs.querySelector<HTMLElement>('[aria-selected=true]')?.focus();
  }

  setNet(offline: boolean): void {
    this.net.hidden = !offline;
    this.net.textContent = offline ? this.context.words.t('net.offline') : '';
  }

  setBadge(count: number): void {
    const { words } = this.context;
    this.badge.hidden = count === 0 || this.isOpen;
    this.badge.textContent = count > 99 ? '99+' : String(count);
    const label = count ? words.t('launcher.unread', { n: count }) : words.t('launcher.open');
    this.launcher.setAttribute('aria-label', this.isOpen ? words.t('launcher.close') : label);
  }

  say(text: string): void {
    this.snack.textContent = text;
    this.snack.hidden = false;
    clearTimeout(this.snackTimer);
    this.snackTimer = window.setTimeout(() => (this.snack.hidden = true), SNACK_MS);
  }

  redraw(): void {
    this.inbox.redraw();
    this.chat.redraw();
    this.pane?.draw();
    this.draw();
  }

  // Draw the frame. The views draw themselves when their models change.
  draw(): void {
    const { words, inbox, chat } = this.context;
    this.host.lang = words.locale;
    this.root.lang = words.locale;
    this.root.dir = words.direction;
    this.root.toggleAttribute('data-open', this.isOpen);
    this.launcher.setAttribute('aria-expanded', String(this.isOpen));
    assign(this.panel, {
      'aria-label': words.t('panel.label'),
      'aria-hidden': this.isOpen ? null : 'true',
      'aria-modal': this.isOpen && matchMedia(FULL_SCREEN).matches ? 'true' : null,
    });
    this.setBadge(inbox.unread + chat.unread);
    this.drawHead();
    this.drawTabs();
    const covered = this.pane !== null;
    this.paneSlot.hidden = !covered;
    this.head.hidden = covered;
    this.inbox.element.hidden = covered || this.tab !== 'inbox';
    this.chat.element.hidden = covered || this.tab !== 'chat';
    this.settle();
  }

  private settle = (): void => {
    const shown = this.isOpen && !this.pane;
    this.inbox.setShowing(shown && this.tab === 'inbox');
    this.chat.setShowing(shown && this.tab === 'chat');
    if (shown && this.tab === 'chat') void this.context.chat.show();
  };

  private attach(): void {
    if (this.host.isConnected) return;
    document.body?.append(this.host);
    this.fitViewport();
    this.guard();
  }

  private guard(): void {
    this.keeper?.observe(document.documentElement, { childList: true });
    if (document.body) this.keeper?.observe(document.body, { childList: true });
  }

  private makePanel(): HTMLElement {
    this.inbox.element.id = 'view-inbox';
    this.chat.element.id = 'view-chat';
    for (const tab of TABS) {
      assign(this[tab].element, { role: 'tabpanel', 'aria-labelledby': `tab-${tab}` });
    }
    return h(
      'section',
      { class: 'panel', role: 'dialog' },
      this.head,
      this.net,
      this.inbox.element,
      this.chat.element,
      this.paneSlot,
      this.snack,
    );
  }

  private drawHead(): void {
    const { words, config } = this.context;
    const own = words.pick<string>(config.name);
    const name = own || words.t('panel.label');
    const sign = `${name}\0${words.locale}`;
    if (this.head.dataset.sign === sign) return;
    this.head.dataset.sign = sign;
    fill(
      this.head,
      h(
        'div',
        { class: 'brand' },
        h('span', { class: 'mark', 'aria-hidden': 'true' }, own ? initial(own) : icon('chat', 18)),
        h('h2', { dir: 'auto' }, name),
        h(
          'button',
          {
            class: 'icon-button',
            type: 'button',
            'aria-label': words.t('panel.preferences'),
            title: words.t('panel.preferences'),
            onclick: () => this.context.preferences(),
          },
          icon('sliders', 20),
        ),
        h(
          'button',
          { class: 'icon-button', type: 'button', 'aria-label': words.t('panel.close'), title: words.t('panel.close'), onclick: () => this.close() },
          icon('close', 20),
        ),
      ),
      this.tabs,
    );
  }

  private drawTabs(): void {
    const { words, inbox, chat } = this.context;
    const counts: Record<Tab, number> = { inbox: inbox.unread, chat: chat.unread };
    if (!this.tabs.childElementCount) {
      for (const tab of TABS) {
        const button = h('button', { type: 'button', role: 'tab', id: `tab-${tab}`, 'aria-controls': `view-${tab}`, onclick: () => this.showTab(tab) });
        this.tabs.append(button);
      }
      this.tabs.addEventListener('keydown', (event) => this.tabKey(event));
    }
    this.tabs.dataset.tab = this.tab;
    TABS.forEach((tab, index) => {
      const button = this.tabs.children[index] as HTMLElement;
      const chosen = tab === this.tab;
      assign(button, { 'aria-selected': String(chosen), tabindex: chosen ? 0 : -1 });
      fill(button, words.t(`tab.${tab}`), counts[tab] > 0 && !(chosen && this.isOpen) && h('span', { class: 'count' }, counts[tab] > 99 ? '99+' : String(counts[tab])));
    });
  }

  private tabKey(event: KeyboardEvent): void {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    this.showTab(this.tab === 'inbox' ? 'chat' : 'inbox');
  }

  async showPane(fetch: () => Promise<MakePane>): Promise<void> {
    const asked = ++this.paneAsked;
    const { activeElement } = this.host.shadowRoot ?? {};
    try {
      const make = await fetch();
      if (asked !== this.paneAsked) return;
      const pane = make(this.context, () => this.leavePane());
      if (!this.pane) this.beforePane = activeElement instanceof HTMLElement ? activeElement : null;
      this.goFromPane();
      this.pane = pane;
    } catch {
      this.say(this.context.words.t('part.failed'));
      return;
    }
    fill(this.paneSlot, this.pane.element);
    this.isOpen ? this.draw() : this.open();
    this.pane.draw();
    this.pane.back.focus();
    void this.pane.show();
  }

  // Back to where one was, or to the head of the panel.
  leavePane(): void {
    const target = this.beforePane;
    this.dropPane();
    this.draw();
    // It may have been drawn anew meanwhile.
    const place = target?.dataset.place;
    const same = target?.isConnected ? target : place && this.root.querySelector<HTMLElement>(`[data-place="${CSS.escape(place)}"]`);
    (same || this.head.querySelector<HTMLElement>('.icon-button'))?.focus();
  }

  private dropPane(): void {
    this.paneAsked += 1;
    this.goFromPane();
    this.pane = this.beforePane = null;
    fill(this.paneSlot);
  }

  private goFromPane(): void {
    this.pane?.left();
    this.pane?.forget();
  }

  // Where the panel is all there is on screen, the keyboard stays in it.
  private trap(event: KeyboardEvent): void {
    if (event.key !== 'Tab' || this.panel.getAttribute('aria-modal') !== 'true') return;
    const usable = [...this.panel.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((one) => one.getClientRects().length);
    const [first, last] = [usable[0], usable[usable.length - 1]];
    const from = event.shiftKey ? first : last;
    if (this.host.shadowRoot?.activeElement !== from) return;
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  }

  private key(event: KeyboardEvent): void {
    this.trap(event);
    if (event.key !== 'Escape' || event.isComposing || !this.isOpen) return;
    event.stopPropagation();
    if (this.pane) this.leavePane();
    else this.close();
  }

  private focusIn(): void {
    if (this.tab === 'chat') this.chat.composer.field.focus({ preventScroll: true });
    else this.tabs.querySelector<HTMLElement>('[aria-selected=true]')?.focus({ preventScroll: true });
  }

  private focusBack(): void {
    const target = this.cameFrom;
    const usable = target && target !== document.body && target !== this.host && target.isConnected;
    (usable ? target : this.launcher).focus({ preventScroll: true });
  }

  private applyTheme = (): void => {
    const dark = this.theme === 'dark' || (this.theme === 'auto' && this.dark.matches);
    this.root.dataset.theme = dark ? 'dark' : 'light';
  };

  // On a phone the keyboard covers half the page: the panel keeps to what is left.
  private fitViewport = (): void => {
    const height = window.visualViewport?.height;
    if (height) this.root.style.setProperty('--viewport', `${Math.round(height)}px`);
  };
}

function style(shadow: ShadowRoot): void {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets = [sheet];
  } catch {
    // Browsers before 2023: an element, which a strict content policy may refuse.
    const element = document.createElement('style');
    element.textContent = css;
    shadow.append(element);
  }
}

// The page's shortcuts are not for what is typed here.
function keepTyping(event: KeyboardEvent): void {
  const target = event.composedPath()[0];
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement) event.stopPropagation();
}
