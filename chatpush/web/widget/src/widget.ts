// One running widget: the only place that constructs, and where the models meet the views.

import { Api } from './api';
import { Chat } from './chat';
import type { Context } from './context';
import { coalesced, type Emitter } from './emitter';
import { safeUrl } from './format';
import { Words } from './i18n';
import { Inbox } from './inbox';
import { loaded, part } from './parts';
import { leavePush, onPushClick, pushRecord, type PushClick } from './push';
import { Realtime } from './realtime';
import { PERSONAL } from './transport';
import { Receipts } from './receipts';
import { ApiError, Session } from './session';
import { recall, remember, sweep } from './storage';
import type { About, BootOptions, Conversation, Events, Position, Tab, ThemeMode, WidgetConfig } from './types';
import { speaker } from './view-turn';
import { Shell } from './view-shell';

// How long the first fetch waits for the connection, so that it need not be made twice.
const CONNECT_FIRST_MS = 1_200;
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;
const CLOCK_MS = 60_000;

interface Remembered {
  open: boolean;
  tab: Tab;
}

export class Widget {
  private session: Session;
  private api: Api;
  private receipts: Receipts;
  private inbox: Inbox;
  private chat: Chat;
  private realtime: Realtime;
  private words = new Words();
  private context: Context;
  private shell: Shell;
  private loaded = false;
  private stopped = false;
  private failures = 0;
  private timers = new Set<number>();
  private clock = 0;
  private lastUnread = '';
  private unlisten: () => void = () => undefined;
  private clicked: PushClick | null = null;

  constructor(
    private options: BootOptions,
    private events: Emitter<Events>,
    onAnother: () => void,
  ) {
    const { key = '', host = '', token, getToken } = options;
    this.session = new Session({ key, host, token, getToken }, onAnother);
    this.api = new Api(this.session);
    this.receipts = new Receipts(this.api);
    this.inbox = new Inbox(this.api, this.receipts);
    this.realtime = new Realtime(this.session, (channel) => this.chat.token(channel));
    this.chat = new Chat(this.api, this.realtime, () => this.words.locale);
    this.context = this.makeContext();
    this.shell = new Shell(this.context);
  }

  // Whether it is there to be opened: a language may have to be fetched first.
  drawn = false;

  async start(): Promise<void> {
    const own = recall<string>('localStorage', 'locale');
    await this.words.use(this.options.locale, own, navigator.language);
    if (this.stopped) return;
    this.drawn = true;
    this.wire();
    this.shell.mount();
    this.applyLook({});
    this.restore();
    this.clock = window.setInterval(() => this.shell.isOpen && this.drawAll(), CLOCK_MS);
    void this.configure();
    void this.connect();
  }

  // `forget` ends the session as well: nothing of this user stays in the browser. A visitor
  // who is about to sign in is `kept`, to be joined to the user.
  stop(forget: boolean, kept = false): void {
    this.stopped = true;
    clearInterval(this.clock);
    for (const timer of this.timers) clearTimeout(timer);
    this.realtime.stop();
    this.receipts.stop();
    this.chat.stop();
    this.shell.unmount();
    void loaded('uploads')?.then(({ forgetFiles }) => forgetFiles(this.context));
    this.unlisten();
    if (!forget) return;
    void leavePush(this.api, this.session.held);
    const stays = kept && !this.session.signedIn;
    this.receipts.forget();
    this.session.forget();
    sweep((name) => stays && name.startsWith('visitor:'));
  }

  // Says false when the new token is another user's: that needs another widget.
  update(options: BootOptions): boolean {
    if (!this.session.accept(options)) return false;
    this.options = { ...this.options, ...options };
    if (options.token || options.getToken) this.realtime.revive();
    this.applyLook(options);
    if (options.locale) void this.setLocale(options.locale);
    return true;
  }

  open(tab?: Tab): void {
    this.shell.open(tab ?? this.bestTab());
  }

  close(): void {
    this.shell.close();
  }

  toggle(): void {
    if (this.shell.isOpen) this.close();
    else this.open();
  }

  openConversation(about: About | null): void {
    this.shell.open('chat');
    void this.chat.start(about);
  }

  async setLocale(locale: string): Promise<void> {
    if (!(await this.words.use(locale))) {
      this.events.emit('error', { code: 'no_words', message: `the words of ${locale} cannot be fetched` });
    } else if (!this.stopped) this.shell.redraw();
  }

  track(type: string, properties: Record<string, unknown>): void {
    this.api.track(type, properties).catch((error: Error) => this.fail(error));
  }

  private get placeName(): string {
    return `place:${this.session.key}`;
  }

  private makeContext(): Context {
    const { api, inbox, chat, words, events, session } = this;
    return {
      get signedIn() {
        return session.signedIn;
      },
      api,
      inbox,
      chat,
      words,
      events,
      session,
      pushWorker: this.options.serviceWorker ?? (session.host === location.origin ? '/chatpush-sw.js' : ''),
      config: {},
      base: document.baseURI,
      show: (tab) => this.shell.open(tab),
      ask: (about) => this.openConversation(about),
      setLocale: (locale) => {
        remember('localStorage', 'locale', locale);
        return this.setLocale(locale);
      },
      pane: (make) => void this.shell.showPane(make),
      preferences: () => void this.shell.showPane(() => part('preferences').then(({ make }) => make)),
      say: (text) => this.shell.say(text),
    };
  }

  private wire(): void {
    const { inbox, chat, realtime, receipts, shell, events } = this;
    const drawInbox = coalesced(() => !this.stopped && shell.inbox.draw());
    const drawChat = coalesced(() => !this.stopped && shell.chat.draw());
    const drawFrame = coalesced(() => !this.stopped && this.drawFrame());
    inbox.onChange = () => {
      drawInbox();
      drawFrame();
      this.leadOn();
    };
    chat.onChange = () => (drawChat(), drawFrame());
    receipts.onUnread = (count) => inbox.setUnread(count);
    inbox.onArrival = (item) => {
      events.emit('message', item);
      if (!shell.isOpen) shell.toast.message(item, () => this.reveal(item.delivery));
    };
    inbox.onGone = (delivery) => shell.toast.gone(delivery);
    inbox.onCommand = (item) => events.emit('command', item);
    chat.onTurn = (turn, { id }) => {
      shell.chat.announce(turn);
      events.emit('turn', { conversation: id, turn });
    };
    chat.onHint = (conversation) => this.hinted(conversation);
    realtime.events.on('publication', ({ channel, data }) => this.publication(channel, data));
    realtime.events.on('fresh', ({ channel }) => this.fresh(channel));
    realtime.events.on('state', (change) => {
      shell.setNet(change.state === 'offline');
      events.emit('connection', change);
    });
    realtime.events.on('refused', ({ message }) => events.emit('error', { code: 'refused', message }));
    shell.onLaunch = () => this.toggle();
    shell.onToggle = (open) => this.toggled(open);
  }

  private publication(channel: string, data: unknown): void {
    if (channel !== PERSONAL) this.chat.apply(channel, data);
    else if (!this.inbox.apply(data) && (data as { type?: string })?.type === 'conversation') {
      const hint = data as Parameters<Chat['hint']>[0];
      this.chat.hint(hint);
      this.events.emit('conversation', { id: hint.id, state: hint.state });
    }
  }

  private fresh(channel: string): void {
    if (channel !== PERSONAL) void this.chat.refresh();
    else this.load();
  }

  private load(): void {
    this.loaded = true;
    void this.inbox.load();
    if (this.chat.loading === 'failed') void this.chat.show(true);
    else void this.chat.loadList();
  }

  private async configure(): Promise<void> {
    let config: WidgetConfig;
    try {
      config = await this.api.config();
    } catch {
      return;
    }
    if (this.stopped || !config) return;
    this.context.config = config;
    const theme = typeof config.theme === 'string' ? { mode: config.theme as ThemeMode } : (config.theme ?? {});
    this.shell.look({
      accent: this.options.accent ? undefined : theme.accent,
      theme: this.options.theme ? undefined : theme.mode,
      position: this.options.position ? undefined : theme.position,
    });
    this.shell.redraw();
  }

  // Nothing works without knowing who this is, so this alone is tried until it does.
  private async connect(): Promise<void> {
    try {
      await this.session.token();
    } catch (error) {
      if (this.stopped) return;
      this.fail(error as Error);
      this.shell.setNet(true);
      if (!this.loaded) this.inbox.loading = 'failed';
      this.inbox.onChange();
      const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.failures++);
      this.later(wait, () => void this.connect());
      return;
    }
    if (this.stopped) return;
    this.shell.setNet(false);
    await this.settleIn();
    if (this.stopped) return;
    this.receipts.start(this.session.user);
    this.realtime.start();
    this.unlisten = onPushClick((click) => this.pushed(click));
    this.later(CONNECT_FIRST_MS, () => {
      if (!this.loaded) this.load();
    });
    if (this.shell.isOpen && this.shell.tab === 'chat') void this.chat.show();
    this.events.emit('ready', { user: this.session.user });
  }

  // Whoever used this browser before leaves nothing behind but, as a visitor, their past.
  private async settleIn(): Promise<void> {
    const { user, signedIn, formerVisitor } = this.session;
    sweep((name) => !name.startsWith('told:') || name === `told:${user}`);
    if (pushRecord() && pushRecord()?.user !== user) await leavePush(this.api, '');
    if (!signedIn || !formerVisitor) return;
    if (this.options.join !== false) {
      try {
        await this.api.join(formerVisitor);
      } catch (error) {
        // Refused is final; whoever could not be asked is asked at the next start.
        if (!(error instanceof ApiError) || error.status < 400 || error.status >= 500) return;
      }
    }
    this.session.dropVisitor();
  }

  private hinted({ id, last }: Conversation): void {
    if (this.shell.isOpen && this.shell.tab === 'chat') return;
    const name = this.chat.agent || this.words.pick<string>(this.context.config.name) || this.words.t('chat.support');
    const turn = this.chat.current?.id === id ? this.chat.turns[this.chat.turns.length - 1] : undefined;
    if (this.shell.isOpen) return;
    this.shell.toast.turn(turn && turn.by !== 'user' ? speaker(turn, this.context) : name, last ?? '', () => {
      this.shell.open('chat');
      if (this.chat.current && this.chat.current.id !== id) void this.chat.select(id);
    });
  }

  // Ask this browser's user for notifications, from a button of the page; or turn them off.
  async push(wanted: boolean): Promise<void> {
    if (!wanted) return leavePush(this.api, this.session.held);
    try {
      await (await part('push')).turnOn(this.context);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  private pushed(click: PushClick): void {
    this.inbox.clicked(click.delivery);
    this.clicked = click;
    this.leadOn();
  }

  // To where the clicked notification points: a page, or the message itself once it is here.
  private leadOn(): void {
    const { clicked } = this;
    if (!clicked || this.inbox.loading !== 'ready') return;
    this.clicked = null;
    const { delivery, url } = clicked;
    const own = safeUrl(url, this.context.base);
    if (!this.inbox.get(delivery)?.url) this.reveal(delivery);
    else if (own && own !== location.href) {
      let prevented = false;
      this.events.emit('click', { url: own, delivery, preventDefault: () => (prevented = true) });
      if (!prevented) location.assign(own);
    }
  }

  private reveal(delivery: string): void {
    this.shell.open('inbox');
    this.shell.inbox.draw();
    this.shell.inbox.reveal(delivery);
  }

  private bestTab(): Tab {
    if (this.inbox.unread > 0) return 'inbox';
    if (this.chat.unread > 0) return 'chat';
    const known = recall<Remembered>('sessionStorage', this.placeName)?.tab;
    return known ?? (this.inbox.items.length ? 'inbox' : 'chat');
  }

  private toggled(open: boolean): void {
    this.keepPlace();
    if (open) {
      this.events.emit('opened', { tab: this.shell.tab });
      if (this.inbox.loading === 'failed' && this.loaded) void this.inbox.load();
    } else this.events.emit('closed', {});
  }

  private keepPlace(): void {
    const { isOpen: open, tab } = this.shell;
    remember('sessionStorage', this.placeName, { open, tab });
  }

  // Following a link within the site keeps the panel open, where there is room for both.
  private restore(): void {
    const place = recall<Remembered>('sessionStorage', this.placeName);
    if (place?.open && !matchMedia('(max-width: 1023px)').matches) this.shell.open(place.tab);
  }

  private drawFrame(): void {
    this.shell.draw();
    if (this.shell.isOpen) this.keepPlace();
    const unread = { inbox: this.inbox.unread, chat: this.chat.unread };
    const sign = `${unread.inbox}/${unread.chat}`;
    if (sign === this.lastUnread) return;
    this.lastUnread = sign;
    this.events.emit('unread', { count: unread.inbox + unread.chat, ...unread });
  }

  private drawAll(): void {
    this.shell.inbox.draw();
    this.shell.chat.draw();
  }

  private applyLook({ theme, position, accent }: BootOptions): void {
    const side = (position ?? this.options.position)?.replace('bottom-', '') as Position | undefined;
    this.shell.look({ theme: theme ?? this.options.theme, position: side ?? 'right', accent: accent ?? this.options.accent });
  }

  private later(wait: number, work: () => void): void {
    const timer = window.setTimeout(() => {
      this.timers.delete(timer);
      if (!this.stopped) work();
    }, wait);
    this.timers.add(timer);
  }

  private fail(error: Error): void {
    const code = 'code' in error ? String(error.code) : 'error';
    this.events.emit('error', { code, message: error.message });
  }
}
