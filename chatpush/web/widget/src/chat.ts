// The conversations: turns as they are said and streamed, and what the user does in them.

import type { Api } from './api';
import type { Loading } from './inbox';
import { ApiError } from './session';
import { Streams } from './streams';
import type { About, Action, Attachment, ChatState, Conversation, Standing, Turn, TurnPromise } from './types';

const TYPING_MS = 8_000;
// The other side is told that the user writes, this often while it goes on.
const TELL_TYPING_MS = 4_000;
// How long dots may stand for an answer that has not begun.
const THINKING_MS = 30_000;
// Reading is told once for turns that come close together.
const READ_LINGER_MS = 500;

type Told = Standing & Pick<Conversation, 'state' | 'agent'>;

export interface Channels {
  subscribe(channel: string, token: string): void;
  unsubscribe(channel: string): void;
}

export class Chat {
  list: Conversation[] = [];
  current: Conversation | null = null;
  turns: Turn[] = [];
  state: ChatState = 'assistant';
  agent = '';
  typing: 'assistant' | 'agent' | '' = '';
  typist = '';
  standing: Standing = {};
  // The last turn that the people on the other side have read.
  readByAgent = '';
  // What the user filled in before the first conversation.
  prechat: Record<string, string> | null = null;
  loading: Loading = 'idle';
  handingOver = false;
  // What became of promises; one that is not here is open.
  promiseStates = new Map<string, string>();
  about: About | null = null;
  // Whether its turns are on screen: then nothing in it counts as unread.
  watched = false;
  onChange: () => void = () => undefined;
  onTurn: (turn: Turn, conversation: Conversation) => void = () => undefined;
  onHint: (conversation: Conversation) => void = () => undefined;
  private streams = new Streams();
  // Turns that came on the channel while the conversation was being fetched.
  private live = new Map<string, Turn>();
  // The state that was told since then.
  private told: Told | null = null;
  private hints = new Map<string, Conversation>();
  private typingTimer = 0;
  private readTimer = 0;
  private toldTyping = 0;
  private opening: Promise<Conversation> | null = null;
  private fetching: Promise<void> | null = null;
  private sending: Promise<void> = Promise.resolve();
  // Grows whenever another conversation is turned to: what comes for the one before is not shown.
  private visit = 0;

  constructor(
    private api: Api,
    private channels: Channels,
    private locale: () => string,
  ) {}

  get unread(): number {
    return this.list.reduce((sum, one) => sum + (one.unread_turns ?? 0), 0);
  }

  get streaming(): boolean {
    return this.turns.some((turn) => turn.streaming);
  }

  stop(): void {
    clearTimeout(this.typingTimer);
    clearTimeout(this.readTimer);
  }

  // The list alone: enough for the badge, until the chat is looked at.
  async loadList(): Promise<void> {
    this.hints.clear();
    try {
      const { data } = await this.api.conversations();
      this.keep(data);
      if (this.watched) this.markRead();
      this.onChange();
    } catch {
      // The chat still opens; it will say itself that it cannot load.
    }
  }

  // Show the conversation going on, or an empty page to begin one. Once it has been
  // fetched, or could not be, only `again` fetches anew.
  async show(again = false): Promise<void> {
    if (this.loading === 'loading' || (this.loading !== 'idle' && !again)) return;
    this.hints.clear();
    await this.fetch(async () => {
      const { data } = await this.api.conversations();
      this.keep(data);
      return data[0] ? this.api.conversation(data[0].id) : null;
    });
  }

  select(id: string): Promise<void> {
    return this.fetch(() => this.api.conversation(id));
  }

  // Something may have been missed: take the whole conversation again.
  async refresh(): Promise<void> {
    const id = this.current?.id;
    if (!id) return;
    this.live.clear();
    this.told = null;
    try {
      const fresh = await this.api.conversation(id);
      if (this.current?.id === id) this.adopt(fresh);
      this.onChange();
    } catch {
      // What is on screen stays; the next fresh moment tries again.
    }
  }

  async token(channel: string): Promise<string> {
    const one = [this.current, ...this.list].find((each) => each?.channel === channel);
    if (!one) throw new ApiError(404, 'unknown_channel', channel);
    return (await this.api.conversation(one.id)).token ?? '';
  }

  // Begin anew. With `about` the server is told at once, so that its first words can be about it.
  async start(about: About | null = null): Promise<void> {
    this.leave();
    this.about = about;
    this.loading = 'ready';
    this.onChange();
    if (!about) return;
    await this.fetch(() => this.openNew(), false);
  }

  async say(text: string, attachments: Attachment[] = []): Promise<void> {
    const turn: Turn = {
      id: '',
      by: 'user',
      text,
      at: new Date().toISOString(),
      client_id: newId(),
      attachments,
      fate: 'sending',
    };
    turn.id = `local_${turn.client_id}`;
    this.turns = [...this.turns, turn];
    await this.deliver(turn);
  }

  // The same client id goes again, so a turn that did arrive is not said twice.
  async retry(id: string): Promise<void> {
    const turn = this.turns.find((one) => one.id === id && one.fate === 'failed');
    if (!turn) return;
    turn.fate = 'sending';
    await this.deliver(turn);
  }

  choose(action: Action): Promise<void> {
    return this.say(action.value || action.label);
  }

  // The conversation there is, or a new one.
  conversation(): Promise<Conversation> {
    return this.ensure();
  }

  // The user writes: whoever waits for it may know. An assistant does not.
  typed(): void {
    const id = this.current?.id;
    if (!id || this.state !== 'agent' || Date.now() - this.toldTyping < TELL_TYPING_MS) return;
    this.toldTyping = Date.now();
    this.api.typing(id).catch(() => undefined);
  }

  async rate(score: number, comment: string): Promise<void> {
    const { id } = await this.ensure();
    this.standing = { ...this.standing, ...standingOf(await this.api.rate(id, score, comment)) };
    this.onChange();
  }

  async leaveMessage(email: string, text: string): Promise<void> {
    const { id } = await this.ensure();
    await this.api.leaveMessage(id, email, text);
    await this.refresh();
  }

  async handover(): Promise<void> {
    if (this.handingOver) return;
    this.handingOver = true;
    this.onChange();
    try {
      const { id } = await this.ensure();
      await this.api.handover(id);
      if (this.state === 'assistant') this.state = 'waiting';
    } finally {
      this.handingOver = false;
      this.onChange();
    }
  }

  async stopStream(): Promise<void> {
    if (this.current) await this.api.stop(this.current.id);
  }

  async cancelPromise(id: string): Promise<void> {
    this.promiseStates.set(id, 'cancelled');
    this.onChange();
    try {
      await this.api.cancelPromise(id);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return;
      this.promiseStates.delete(id);
      this.onChange();
      throw error;
    }
  }

  // A hint from the personal channel, so that a closed chat can show its badge.
  hint(data: { id: string; state: ChatState; unread_turns?: number; last?: string }): void {
    let one = this.list.find((each) => each.id === data.id);
    if (!one) {
      one = { id: data.id };
      this.list = [one, ...this.list];
    }
    const more = data.last && (data.unread_turns ?? 0) > (one.unread_turns ?? 0);
    Object.assign(one, { state: data.state, unread_turns: data.unread_turns, last: data.last || one.last });
    this.hints.set(one.id, one);
    if (this.watched && this.current?.id === data.id) one.unread_turns = 0;
    else if (more) this.onHint(one);
    this.onChange();
  }

  apply(channel: string, data: unknown): void {
    if (!this.current || this.current.channel !== channel) return;
    const event = data as { type: string } & Record<string, unknown>;
    if (event.type === 'turn') this.take(event.turn as Turn);
    else if (event.type === 'turn.delta') this.stream(event as never);
    else if (event.type === 'promise') this.learn(event.promise as TurnPromise);
    else if (event.type === 'typing') this.setTyping(event.by as string, TYPING_MS, event.name as string);
    else if (event.type === 'read') {
      if (event.by === 'agent') this.readByAgent = String(event.turn);
    } else if (event.type === 'state') {
      this.told = event as Told;
      this.stand(this.told);
      if (this.state !== 'assistant') this.setTyping('', 0);
    }
    this.onChange();
  }

  // What is on screen has been read: here at once, and on the server a moment later.
  markRead(): void {
    const one = this.list.find((each) => each.id === this.current?.id);
    if (!one?.unread_turns) return;
    one.unread_turns = 0;
    this.tellRead();
    this.onChange();
  }

  private tellRead(): void {
    clearTimeout(this.readTimer);
    const id = this.current?.id;
    if (!id) return;
    this.readTimer = window.setTimeout(() => {
      const last = this.turns.filter((turn) => !turn.fate && !turn.streaming).pop();
      if (this.watched && this.current?.id === id) this.api.read(id, last?.id ?? '').catch(() => undefined);
    }, READ_LINGER_MS);
  }

  // A promise the server no longer lists has been kept, taken back or has run out.
  private async checkPromises(): Promise<void> {
    const shown = this.turns.flatMap((turn) => (turn.promise ? [turn.promise.id] : []));
    if (shown.every((id) => this.promiseStates.has(id))) return;
    try {
      const open = new Set((await this.api.promises()).data.map((one) => one.id));
      for (const id of shown) if (!open.has(id) && !this.promiseStates.has(id)) this.promiseStates.set(id, 'expired');
      this.onChange();
    } catch {
      // They stay as they are shown until the next look.
    }
  }

  // An end is final: what was fetched a moment before it cannot undo it.
  private learn({ id, state }: Pick<TurnPromise, 'id' | 'state'>): void {
    if (state && state !== 'pending') this.promiseStates.set(id, state);
  }

  private keep(list: Conversation[]): void {
    // A hint that came during the fetch is newer than what was fetched.
    const newer = ({ id }: Conversation) => {
      const hint = this.hints.get(id);
      return hint && { state: hint.state, unread_turns: hint.unread_turns, last: hint.last };
    };
    this.list = list.map((one) => ({ ...one, ...newer(one) }));
  }

  private stand(told: Told): void {
    this.state = told.state ?? 'assistant';
    this.agent = told.agent ?? '';
    this.standing = standingOf(told);
  }

  private fetch(get: () => Promise<Conversation | null>, leave = true): Promise<void> {
    if (leave) this.leave();
    this.loading = 'loading';
    this.onChange();
    const { visit } = this;
    const found = get();
    this.fetching = found.then(
      (conversation) => this.fetched(visit, 'ready', conversation),
      () => this.fetched(visit, 'failed', null),
    );
    return this.fetching;
  }

  private fetched(visit: number, loading: Loading, conversation: Conversation | null): void {
    if (visit !== this.visit) return;
    if (conversation && conversation.id !== this.current?.id) this.adopt(conversation);
    this.loading = loading;
    this.onChange();
  }

  private leave(): void {
    if (this.current?.channel) this.channels.unsubscribe(this.current.channel);
    this.visit++;
    this.current = this.opening = this.fetching = null;
    this.turns = [];
    this.streams.clear();
    this.live.clear();
    this.told = null;
    this.state = 'assistant';
    this.agent = this.readByAgent = '';
    // Whether people are there is true of the next conversation too.
    this.standing = { office: this.standing.office };
    this.about = null;
    this.setTyping('', 0);
  }

  private adopt(conversation: Conversation): void {
    const same = this.current?.id === conversation.id;
    const mine = this.turns.filter((turn) => turn.fate);
    const token = conversation.token ?? '';
    this.current = { ...conversation };
    // What was told during the fetch is newer than what was fetched.
    this.stand(this.told ?? conversation);
    this.readByAgent = conversation.read?.agent ?? '';
    this.about = conversation.about ? { ...this.about, ...conversation.about } : this.about;
    const turns = conversation.turns ?? [];
    for (const { promise } of turns) if (promise) this.learn(promise);
    const arrived = new Set(turns.map((turn) => turn.client_id).filter(Boolean));
    const fetched = new Set(turns.map((turn) => turn.id));
    const newer = this.turns.filter((turn) => !turn.fate && this.live.has(turn.id) && !fetched.has(turn.id));
    this.turns = [
      ...turns.map((turn) => this.resume(turn)).filter((turn) => turn.streaming || !isEmpty(turn)),
      ...newer,
      ...mine.filter((turn) => !arrived.has(turn.client_id)),
    ];
    const listed = this.list.find((one) => one.id === conversation.id);
    if (listed) Object.assign(listed, { channel: conversation.channel, state: this.state });
    else this.list = [{ ...conversation, turns: undefined }, ...this.list];
    void this.checkPromises();
    if (!same && conversation.channel) this.channels.subscribe(conversation.channel, token);
    if (this.watched) this.markRead();
  }

  // A turn fetched while it is being streamed may hold less than we have read already.
  private resume(turn: Turn): Turn {
    const live = this.live.get(turn.id);
    if (live && !live.streaming) return live;
    if (!turn.streaming) {
      this.streams.end(turn.id);
      return turn;
    }
    const read = this.turns.find((one) => one.id === turn.id);
    if (read && read.text.length > turn.text.length) return read;
    this.streams.begin(turn.id, turn.seq);
    return turn;
  }

  // The conversation there is, the one being fetched, or a new one.
  private async ensure(): Promise<Conversation> {
    await this.fetching;
    return this.current ?? this.openNew();
  }

  private openNew(): Promise<Conversation> {
    const { about, visit } = this;
    this.opening ??= this.api
      .openConversation(about ? pickAbout(about) : null, this.locale(), this.prechat)
      .then((conversation) => {
        if (visit === this.visit) this.adopt(conversation);
        return conversation;
      })
      .finally(() => {
        if (visit === this.visit) this.opening = null;
      });
    return this.opening;
  }

  // One after the other, so that no turn overtakes another on its way; each where it was said.
  private deliver(turn: Turn): Promise<void> {
    this.onChange();
    const place = this.current ? Promise.resolve(this.current) : this.ensure();
    place.catch(() => undefined);
    this.sending = this.sending.then(() => this.send(turn, place));
    return this.sending;
  }

  private async send(turn: Turn, place: Promise<Conversation>): Promise<void> {
    try {
      const { id } = await place;
      const here = () => this.current?.id === id;
      if (here() && this.state === 'assistant' && turn.text) this.setTyping('assistant', THINKING_MS);
      this.onChange();
      const files = (turn.attachments ?? []).map((one) => one.id);
      const reply = await this.api.say(id, turn.text, turn.client_id ?? '', files);
      this.settle({ ...reply.turn, client_id: turn.client_id });
      // Speaking opens a closed conversation again.
      if (here() && this.state === 'closed') this.state = 'assistant';
    } catch {
      turn.fate = 'failed';
      this.setTyping('', 0);
    }
    this.onChange();
  }

  private settle(turn: Turn): boolean {
    const index = this.turns.findIndex(
      (one) => one.id === turn.id || (turn.client_id && one.client_id === turn.client_id),
    );
    if (index < 0) return false;
    this.turns = this.turns.map((one, at) => (at === index ? { ...turn, fate: undefined } : one));
    return true;
  }

  private take(turn: Turn): void {
    this.live.set(turn.id, turn);
    const known = this.turns.find((one) => one.id === turn.id);
    if (turn.streaming && known?.text) return;
    if (turn.streaming) this.streams.begin(turn.id, turn.seq);
    else this.streams.end(turn.id);
    if (!turn.streaming && isEmpty(turn)) {
      // What was streamed has been taken back: a person took over meanwhile.
      this.turns = this.turns.filter((one) => one.id !== turn.id);
      return;
    }
    if (!this.settle(turn)) this.turns = [...this.turns, turn];
    if (turn.by !== 'user') this.setTyping('', 0);
    if (turn.streaming || !this.current) return;
    if (turn.by !== 'user') {
      void this.checkPromises();
      if (this.watched) this.tellRead();
    }
    this.onTurn(turn, this.current);
  }

  private stream({ turn: id, seq, text }: { turn: string; seq: number; text: string }): void {
    if (!this.turns.some((turn) => turn.id === id && turn.streaming)) return;
    const added = this.streams.take(id, seq, text);
    if (added) this.turns = this.turns.map((one) => (one.id === id ? { ...one, text: one.text + added } : one));
  }

  private setTyping(by: string, forMs: number, name = ''): void {
    if (by === 'user') return;
    clearTimeout(this.typingTimer);
    this.typist = name;
    this.typing = by === 'assistant' || by === 'agent' ? by : '';
    if (!this.typing) return;
    this.typingTimer = window.setTimeout(() => {
      this.typing = '';
      this.onChange();
    }, forMs);
  }
}

// The chat is about the item if there is one; the message it came in then counts as replied to.
function pickAbout({ item, delivery }: About): About | null {
  if (!item && !delivery) return null;
  return { ...(item ? { item } : {}), ...(delivery ? { delivery } : {}) };
}

function standingOf({ position, office, may_rate, rating }: Standing): Standing {
  return { position, office, may_rate, rating };
}

function isEmpty(turn: Turn): boolean {
  return !turn.text && !turn.attachments?.length && !turn.promise && !turn.cards?.length && !turn.actions?.length;
}

function newId(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  // Not on https, where randomUUID is missing.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
