// The client protocol in JSON over a carrier: connect, subscribe, recover, refresh, come back.
//
// A place per channel (epoch and offset) is all the state there is. After a cut the same
// places are asked for again; where the server cannot fill the gap, `fresh` is said.

import { carry, type Carrier, type CarrierName } from './carriers';
import { Emitter } from './emitter';
import { expired, type Session } from './session';
import { type ChannelTokens, PERSONAL, type Transport, type TransportEvents } from './transport';

const FIRST_TERMINAL_CODE = 3500;
const LAST_TERMINAL_CODE = 3999;
const TOKEN_EXPIRED = 109;
const FIRST_RESUBSCRIBE_CODE = 2500;
const REPLY_MS = 5_000;
const FIRST_BACKOFF_MS = 400;
const LAST_BACKOFF_MS = 20_000;
const PING_GRACE_MS = 10_000;
// Timers hold no more than 24 days.
const LONGEST_SECONDS = 2_000_000;

interface Publication {
  data: unknown;
  offset?: number;
}

interface Standing {
  epoch?: string;
  offset?: number;
  recoverable?: boolean;
  recovered?: boolean;
  was_recovering?: boolean;
  publications?: Publication[];
  expires?: boolean;
  ttl?: number;
}

interface ConnectReply {
  ping?: number;
  pong?: boolean;
  session?: string;
  node?: string;
  expires?: boolean;
  ttl?: number;
  subs?: Record<string, Standing>;
}

interface Push {
  channel?: string;
  pub?: Publication;
  subscribe?: Standing;
  unsubscribe?: { code: number };
  disconnect?: { code: number; reason: string };
}

interface Reply {
  id?: number;
  error?: { code: number; message: string; temporary?: boolean };
  push?: Push;
  connect?: ConnectReply;
  subscribe?: Standing;
  refresh?: { expires?: boolean; ttl?: number };
  sub_refresh?: { expires?: boolean; ttl?: number };
}

interface Place {
  token: string;
  epoch: string;
  offset: number;
  recoverable: boolean;
  // The server said no, and has been asked once more with another token since.
  denied: boolean;
  refresh: number;
}

export class StreamTransport implements Transport {
  readonly events = new Emitter<TransportEvents>();
  private carrier: Carrier | null = null;
  // The personal channel and whatever else the server subscribes us to.
  private given = new Map<string, Place>();
  private own = new Map<string, Place>();
  private waiting = new Map<number, (reply: Reply | null) => void>();
  private number = 0;
  private attempt = 0;
  private failures = 0;
  private up = false;
  private running = false;
  private pong = false;
  private ping = 0;
  private lastToken = '';
  private timers = { silence: 0, again: 0, refresh: 0 };

  constructor(
    private session: Session,
    private tokens: ChannelTokens,
    readonly name: CarrierName,
  ) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    window.addEventListener('online', this.retryNow);
    void this.connect();
  }

  stop(): void {
    this.running = false;
    window.removeEventListener('online', this.retryNow);
    this.cut();
  }

  subscribe(channel: string, token: string): void {
    if (this.own.has(channel)) return;
    const place = stand(token);
    this.own.set(channel, place);
    if (this.up) void this.join(channel, place);
  }

  unsubscribe(channel: string): void {
    const place = this.own.get(channel);
    if (!place) return;
    clearTimeout(place.refresh);
    this.own.delete(channel);
    if (this.up) void this.command({ unsubscribe: { channel } });
  }

  private retryNow = (): void => {
    if (!this.up && this.timers.again) void this.connect();
  };

  private async connect(): Promise<void> {
    this.cut();
    const attempt = this.attempt;
    let token: string;
    try {
      token = await this.token();
    } catch (error) {
      if (attempt !== this.attempt) return;
      if (error instanceof Error && 'unauthorized' in error && error.unauthorized) this.refuse(error.message);
      else this.missed();
      return;
    }
    if (attempt !== this.attempt || !this.running) return;
    const subs: Record<string, object> = {};
    for (const [channel, place] of this.given) if (place.recoverable) subs[channel] = recovery(place);
    const query = this.session.key ? `?key=${encodeURIComponent(this.session.key)}` : '';
    const id = ++this.number;
    const first = JSON.stringify({ id, connect: { token, name: 'chatpush-widget', version: __VERSION__, subs } });
    const mine = <A extends unknown[]>(react: (...args: A) => void) => (...args: A) => {
      if (attempt === this.attempt) react(...args);
    };
    const reply = this.reply(id);
    this.carrier = carry(this.name, this.session.host, query, first, {
      lines: mine((text) => this.lines(text)),
      closed: mine((code, reason) => this.closed(code, reason)),
    });
    const answer = await reply;
    if (attempt !== this.attempt) return;
    if (answer?.connect) this.connected(answer.connect);
    else if (!answer?.error || answer.error.temporary) this.missed();
    else if (answer.error.code === TOKEN_EXPIRED) this.expire(token);
    else this.refuse(answer.error.message);
  }

  // The server says the token is too old: the next attempt brings another one.
  private expire(token: string): void {
    this.session.renew(token).then(
      () => this.missed(),
      () => this.refuse('token expired'),
    );
  }

  private connected({ session, node, subs, ping, pong, expires, ttl }: ConnectReply): void {
    this.up = true;
    this.failures = 0;
    this.pong = Boolean(pong);
    this.ping = ping ?? 0;
    if (session) this.carrier?.named(session, node ?? '');
    this.listen();
    if (expires && ttl) this.timers.refresh = later(ttl, () => void this.refresh());
    this.events.emit('up', null);
    for (const channel of [...this.given.keys()]) if (!subs?.[channel]) this.given.delete(channel);
    for (const [channel, standing] of Object.entries(subs ?? {})) this.give(channel, standing);
    for (const [channel, place] of this.own) void this.join(channel, place);
  }

  private give(channel: string, standing: Standing): void {
    const place = this.given.get(channel) ?? stand('');
    this.given.set(channel, place);
    this.settle(PERSONAL, place, standing);
  }

  private async join(channel: string, place: Place): Promise<void> {
    const attempt = this.attempt;
    const there = () => attempt === this.attempt && this.own.get(channel) === place;
    const renew = async () => {
      try {
        place.token = await this.tokens(channel);
      } catch {
        place.token = '';
      }
    };
    if (!place.token || expired(place.token)) await renew();
    if (!there()) return;
    const { token } = place;
    const answer = await this.command({ subscribe: { channel, token, ...(place.recoverable ? recovery(place) : {}) } });
    if (!there()) return;
    if (answer?.subscribe) {
      const { expires, ttl } = answer.subscribe;
      if (expires && ttl) place.refresh = later(ttl, () => void this.refreshChannel(channel, place));
      this.settle(channel, place, answer.subscribe);
      return;
    }
    const code = answer?.error?.code;
    if (answer?.error && !answer.error.temporary && code !== TOKEN_EXPIRED) {
      // Not ours, or its place is lost: once more with nothing remembered, then never.
      if (place.denied) return;
      Object.assign(place, stand(''), { denied: true });
    } else if (code === TOKEN_EXPIRED) place.token = '';
    place.refresh = window.setTimeout(() => there() && void this.join(channel, place), this.backoff());
  }

  // Where we stand now, what came in between, and whether something may be missing.
  private settle(channel: string, place: Place, standing: Standing): void {
    place.denied = false;
    place.recoverable = Boolean(standing.recoverable);
    place.epoch = standing.epoch ?? '';
    if (!standing.was_recovering || !standing.recovered) {
      place.offset = standing.offset ?? 0;
      this.events.emit('fresh', { channel });
    }
    for (const publication of standing.publications ?? []) this.publish(channel, place, publication);
    place.offset = Math.max(place.offset, standing.offset ?? 0);
  }

  private publish(channel: string, place: Place | undefined, { data, offset }: Publication): void {
    if (place && offset) place.offset = offset;
    this.events.emit('publication', { channel, data });
  }

  private lines(text: string): void {
    this.listen();
    for (const line of text.split('\n')) {
      if (!line) continue;
      let reply: Reply;
      try {
        reply = JSON.parse(line) as Reply;
      } catch {
        this.closed(0, 'not JSON');
        return;
      }
      if (reply.id) this.waiting.get(reply.id)?.(reply);
      else if (reply.push) this.push(reply.push);
      else if (this.pong) this.carrier?.send('{}');
    }
  }

  private push({ channel = '', pub, subscribe, unsubscribe, disconnect }: Push): void {
    const own = this.own.get(channel);
    if (pub) this.publish(own ? channel : PERSONAL, own ?? this.given.get(channel), pub);
    else if (subscribe) this.give(channel, subscribe);
    else if (unsubscribe) {
      this.given.delete(channel);
      if (own && unsubscribe.code >= FIRST_RESUBSCRIBE_CODE) void this.join(channel, own);
      else if (own) this.own.delete(channel);
    } else if (disconnect) this.closed(disconnect.code, disconnect.reason);
  }

  private async refresh(): Promise<void> {
    try {
      const token = await this.session.renew(this.lastToken);
      this.lastToken = token;
      const answer = await this.command({ refresh: { token } });
      const { expires, ttl } = answer?.refresh ?? {};
      if (expires && ttl && this.up) this.timers.refresh = later(ttl, () => void this.refresh());
    } catch {
      // The server will end the connection, and coming back asks again.
    }
  }

  private async refreshChannel(channel: string, place: Place): Promise<void> {
    try {
      place.token = await this.tokens(channel);
      const answer = await this.command({ sub_refresh: { channel, token: place.token } });
      const { expires, ttl } = answer?.sub_refresh ?? {};
      if (expires && ttl && this.own.get(channel) === place) {
        place.refresh = later(ttl, () => void this.refreshChannel(channel, place));
      }
    } catch {
      // The server will end the subscription, which makes us join again.
    }
  }

  private command(command: object): Promise<Reply | null> {
    const id = ++this.number;
    const reply = this.reply(id);
    this.carrier?.send(JSON.stringify({ id, ...command }));
    return reply;
  }

  private reply(id: number): Promise<Reply | null> {
    return new Promise((resolve) => {
      const done = (reply: Reply | null) => {
        clearTimeout(timer);
        this.waiting.delete(id);
        resolve(reply);
      };
      const timer = window.setTimeout(() => done(null), REPLY_MS);
      this.waiting.set(id, done);
    });
  }

  private async token(): Promise<string> {
    const token = await this.session.token();
    // Asked again for the same one: the page may have a better one by now. Only an old
    // token makes a visitor somebody new.
    const worn = expired(token) || (token === this.lastToken && this.session.renewable);
    this.lastToken = worn ? await this.session.renew(token) : token;
    return this.lastToken;
  }

  // A server that pings and is not heard any more is gone, whatever the network says.
  private listen(): void {
    clearTimeout(this.timers.silence);
    if (!this.up || !this.ping) return;
    this.timers.silence = window.setTimeout(() => this.closed(0, 'no ping'), this.ping * 1000 + PING_GRACE_MS);
  }

  private closed(code: number, reason: string): void {
    if (code >= FIRST_TERMINAL_CODE && code <= LAST_TERMINAL_CODE) this.refuse(reason);
    else this.missed();
  }

  private missed(): void {
    const was = this.up;
    this.cut();
    if (!this.running) return;
    // Before the listeners: they may replace or stop us.
    this.timers.again = window.setTimeout(() => void this.connect(), was ? Math.random() * FIRST_BACKOFF_MS : this.backoff());
    this.events.emit(was ? 'down' : 'missed', null);
  }

  private refuse(message: string): void {
    this.cut();
    this.events.emit('refused', { message });
  }

  // End this attempt and whatever waits for it.
  private cut(): void {
    this.attempt += 1;
    this.up = false;
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    this.timers.again = 0;
    for (const { refresh } of this.own.values()) clearTimeout(refresh);
    this.carrier?.close();
    this.carrier = null;
    for (const done of [...this.waiting.values()]) done(null);
  }

  private backoff(): number {
    this.failures += 1;
    const grown = Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.failures, 10));
    return grown * (0.5 + Math.random() / 2);
  }
}

function stand(token: string): Place {
  return { token, epoch: '', offset: 0, recoverable: false, denied: false, refresh: 0 };
}

function recovery({ epoch, offset }: Place): object {
  return { recover: true, epoch, offset };
}

function later(seconds: number, work: () => void): number {
  return window.setTimeout(work, Math.min(seconds, LONGEST_SECONDS) * 1000);
}
