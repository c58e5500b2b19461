// The conversations: turns as they are said and streamed, and what the user does in them.

import type { Api } from './api';
import type { Loading } from './inbox';
import { ApiError } from './session';
import type { About, Action, ChatState, Conversation, Turn } from './types';

const TYPING_MS = 8_000;
// How long dots may stand for an answer that has not begun.
const THINKING_MS = 30_000;

export interface Channels {
  subscribe(channel: string, token: string): void;
  unsubscribe(channel: string): void;
}

interface Stream {
  seq: number;
  ahead: Map<number, string>;
}

export class Chat {
  list: Conversation[] = [];
  current: Conversation | null = null;
  turns: Turn[] = [];
  state: ChatState = 'assistant';
  agent = '';
  typing: 'assistant' | 'agent' | '' = '';
  loading: Loading = 'idle';
  handingOver = false;
  gonePromises = new Set<string>();
  about: About | null = null;
  // Whether its turns are on screen: then nothing in it counts as unread.
  watched = false;
  onChange: () => void = () => undefined;
  onTurn: (turn: Turn, conversation: Conversation) => void = () => undefined;
  onHint: (conversation: Conversation) => void = () => undefined;
  private streams = new Map<string, Stream>();
  private typingTimer = 0;
  private opening: Promise<Conversation> | null = null;

  constructor(
    private api: Api,
    private channels: Channels,
  ) {}

  get unread(): number {
    return this.list.reduce((sum, one) => sum + (one.unread_turns ?? 0), 0);
  }

  get streaming(): boolean {
    return this.turns.some((turn) => turn.streaming);
  }

  stop(): void {
    clearTimeout(this.typingTimer);
  }

  // The list alone: enough for the badge, until the chat is looked at.
  async loadList(): Promise<void> {
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
    this.begin();
    try {
      const { data } = await this.api.conversations();
      this.keep(data);
      const latest = data[0];
      if (latest) this.adopt(await this.api.conversation(latest.id));
      this.loading = 'ready';
    } catch {
      this.loading = 'failed';
    }
    this.onChange();
  }

  async select(id: string): Promise<void> {
    this.begin();
    try {
      this.adopt(await this.api.conversation(id));
      this.loading = 'ready';
    } catch {
      this.loading = 'failed';
    }
    this.onChange();
  }

  // Something may have been missed: take the whole conversation again.
  async refresh(): Promise<void> {
    const id = this.current?.id;
    if (!id) return;
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
    this.loading = 'loading';
    this.onChange();
    try {
      await this.ensure();
      this.loading = 'ready';
    } catch {
      this.loading = 'failed';
    }
    this.onChange();
  }

  async say(text: string): Promise<void> {
    const turn: Turn = {
      id: '',
      by: 'user',
      text,
      at: new Date().toISOString(),
      client_id: newId(),
      fate: 'sending',
    };
    turn.id = `local_${turn.client_id}`;
    if (this.state === 'closed') this.leave();
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
    this.gonePromises.add(id);
    this.onChange();
    try {
      await this.api.cancelPromise(id);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return;
      this.gonePromises.delete(id);
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
    const more = (data.unread_turns ?? 0) > (one.unread_turns ?? 0);
    Object.assign(one, { state: data.state, unread_turns: data.unread_turns, last: data.last });
    if (this.watched && this.current?.id === data.id) one.unread_turns = 0;
    else if (more) this.onHint(one);
    this.onChange();
  }

  apply(channel: string, data: unknown): void {
    if (!this.current || this.current.channel !== channel) return;
    const event = data as { type: string } & Record<string, unknown>;
    if (event.type === 'turn') this.take(event.turn as Turn);
    else if (event.type === 'turn.delta') this.stream(event as never);
    else if (event.type === 'typing') this.setTyping(event.by as string, TYPING_MS);
    else if (event.type === 'state') {
      this.state = event.state as ChatState;
      this.agent = (event.agent as string | null) ?? '';
      if (this.state !== 'assistant') this.setTyping('', 0);
    }
    this.onChange();
  }

  markRead(): void {
    const one = this.list.find((each) => each.id === this.current?.id);
    if (one?.unread_turns) {
      one.unread_turns = 0;
      this.onChange();
    }
  }

  private keep(list: Conversation[]): void {
    const known = new Map(this.list.map((one) => [one.id, one]));
    this.list = list.map((one) => ({ ...one, unread_turns: one.unread_turns ?? known.get(one.id)?.unread_turns }));
  }

  private begin(): void {
    this.leave();
    this.loading = 'loading';
    this.onChange();
  }

  private leave(): void {
    if (this.current?.channel) this.channels.unsubscribe(this.current.channel);
    this.current = null;
    this.turns = [];
    this.streams.clear();
    this.state = 'assistant';
    this.agent = '';
    this.about = null;
    this.setTyping('', 0);
  }

  private adopt(conversation: Conversation): void {
    const same = this.current?.id === conversation.id;
    const mine = this.turns.filter((turn) => turn.fate);
    const token = conversation.token ?? '';
    this.current = { ...conversation };
    this.state = conversation.state ?? 'assistant';
    this.agent = conversation.agent ?? '';
    this.about = conversation.about ? { ...this.about, ...conversation.about } : this.about;
    const turns = conversation.turns ?? [];
    const arrived = new Set(turns.map((turn) => turn.client_id).filter(Boolean));
    this.turns = [...turns.map((turn) => this.resume(turn)), ...mine.filter((turn) => !arrived.has(turn.client_id))];
    const listed = this.list.find((one) => one.id === conversation.id);
    if (listed) Object.assign(listed, { channel: conversation.channel, state: conversation.state });
    else this.list = [{ ...conversation, turns: undefined }, ...this.list];
    if (!same && conversation.channel) this.channels.subscribe(conversation.channel, token);
    if (this.watched) this.markRead();
  }

  // A turn fetched while it is being streamed may hold less than we have read already.
  private resume(turn: Turn): Turn {
    if (!turn.streaming) {
      this.streams.delete(turn.id);
      return turn;
    }
    const read = this.turns.find((one) => one.id === turn.id);
    if (read && read.text.length > turn.text.length) return read;
    if (turn.seq !== undefined) this.streams.set(turn.id, { seq: turn.seq, ahead: new Map() });
    return turn;
  }

  private ensure(): Promise<Conversation> {
    if (this.current) return Promise.resolve(this.current);
    const { about } = this;
    const asked = about && (about.delivery || about.item) ? pickAbout(about) : null;
    this.opening ??= this.api
      .openConversation(asked)
      .then((conversation) => {
        this.adopt(conversation);
        return conversation;
      })
      .finally(() => (this.opening = null));
    return this.opening;
  }

  private async deliver(turn: Turn): Promise<void> {
    this.onChange();
    try {
      const { id } = await this.ensure();
      if (this.state === 'assistant') this.setTyping('assistant', THINKING_MS);
      this.onChange();
      const reply = await this.api.say(id, turn.text, turn.client_id ?? '');
      this.settle({ ...reply.turn, client_id: turn.client_id });
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
    const known = this.turns.find((one) => one.id === turn.id);
    if (turn.streaming && known?.text) return;
    if (turn.streaming) this.streams.set(turn.id, { seq: -1, ahead: new Map() });
    else this.streams.delete(turn.id);
    if (!this.settle(turn)) this.turns = [...this.turns, turn];
    if (turn.by !== 'user') this.setTyping('', 0);
    if (!turn.streaming && this.current) this.onTurn(turn, this.current);
  }

  // Pieces carry a number: a repeated one is dropped, one that came early waits for its turn.
  private stream({ turn: id, seq, text }: { turn: string; seq: number; text: string }): void {
    const turn = this.turns.find((one) => one.id === id);
    if (!turn?.streaming) return;
    const stream = this.streams.get(id) ?? { seq: -1, ahead: new Map<number, string>() };
    this.streams.set(id, stream);
    if (seq <= stream.seq) return;
    stream.ahead.set(seq, text);
    // Numbering may begin at 0 or 1, or we joined in the middle: the first piece sets the pace.
    if (stream.seq < 0) stream.seq = seq - 1;
    let added = '';
    while (stream.ahead.has(stream.seq + 1)) {
      stream.seq += 1;
      added += stream.ahead.get(stream.seq) ?? '';
      stream.ahead.delete(stream.seq);
    }
    if (added) this.turns = this.turns.map((one) => (one.id === id ? { ...one, text: one.text + added } : one));
  }

  private setTyping(by: string, forMs: number): void {
    clearTimeout(this.typingTimer);
    this.typing = by === 'assistant' || by === 'agent' ? by : '';
    if (!this.typing) return;
    this.typingTimer = window.setTimeout(() => {
      this.typing = '';
      this.onChange();
    }, forMs);
  }
}

function pickAbout(about: About): About {
  const asked: About = {};
  if (about.delivery) asked.delivery = about.delivery;
  if (about.item) asked.item = about.item;
  return asked;
}

function newId(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  // Not on https, where randomUUID is missing.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
