// Stay connected: WebSocket first, then HTTP stream, SSE, and our long-poll where all of these are blocked.
//
// What is above sees one interface: subscribe to channels, get publications, and be
// told `fresh` whenever something may have been missed on a channel, so that it
// fetches that state again over HTTP. A transport is replaced without losing anything
// because taking up the new one is such a moment for every channel.

import { Emitter } from './emitter';
import { PollTransport } from './poll';
import type { Session } from './session';
import { StreamTransport } from './stream-transport';
import { type ChannelTokens, LADDER, type Rung, type Transport } from './transport';

export interface RealtimeEvents {
  state: { state: 'connecting' | 'connected' | 'offline'; transport: string };
  publication: { channel: string; data: unknown };
  fresh: { channel: string };
  refused: { message: string };
}

const PATIENCE_MS = 4_000;
const MISSES = 2;
const OFFLINE_AFTER_MISSES = 2;
const PROBE_FIRST_MS = 60_000;
const PROBE_LAST_MS = 15 * 60_000;
const REFUSED_PAUSE_MS = 30_000;

function available(name: Rung): boolean {
  if (name === 'websocket') return typeof WebSocket === 'function';
  if (name === 'http_stream') return typeof ReadableStream === 'function';
  return name === 'poll' || typeof EventSource === 'function';
}

export class Realtime {
  readonly events = new Emitter<RealtimeEvents>();
  private channels = new Map<string, string>();
  private transport: Transport | null = null;
  private misses = 0;
  private patience = 0;
  private probe = 0;
  private probing: Transport | null = null;
  private probeDelay = PROBE_FIRST_MS;
  private refusedAt = 0;
  private dead = false;
  private state: 'connecting' | 'connected' | 'offline' = 'connecting';

  constructor(
    private session: Session,
    private tokens: ChannelTokens,
  ) {}

  get connected(): boolean {
    return this.state === 'connected';
  }

  start(): void {
    this.use(this.rung(LADDER.find(available) ?? 'poll'));
  }

  stop(): void {
    clearTimeout(this.patience);
    clearTimeout(this.probe);
    this.probing?.stop();
    this.transport?.stop();
    this.probing = this.transport = null;
  }

  subscribe(channel: string, token: string): void {
    this.channels.set(channel, token);
    this.transport?.subscribe(channel, token);
  }

  unsubscribe(channel: string): void {
    this.channels.delete(channel);
    this.transport?.unsubscribe(channel);
  }

  private rung(name: Rung): Transport {
    if (name === 'poll') return new PollTransport(this.session, this.tokens);
    return new StreamTransport(this.session, this.tokens, name);
  }

  private use(transport: Transport): void {
    this.transport?.stop();
    this.transport = transport;
    this.misses = 0;
    const mine = <T>(react: (value: T) => void) => (value: T) => {
      if (this.transport === transport) react(value);
    };
    transport.events.on('up', mine(() => this.up()));
    transport.events.on('down', mine(() => this.down()));
    transport.events.on('missed', mine(() => this.missed()));
    transport.events.on('refused', mine((value) => void this.refused(value.message)));
    transport.events.on('publication', mine((value) => this.events.emit('publication', value)));
    transport.events.on('fresh', mine((value) => this.events.emit('fresh', value)));
    for (const [channel, token] of this.channels) transport.subscribe(channel, token);
    transport.start();
    if (transport.name !== 'poll') this.beImpatient();
    if (transport.name !== 'websocket') this.planProbe();
  }

  private up(): void {
    clearTimeout(this.patience);
    this.misses = 0;
    this.become('connected');
  }

  private down(): void {
    this.become('connecting');
    if (this.transport?.name !== 'poll') this.beImpatient();
  }

  private missed(): void {
    this.misses += 1;
    if (this.transport?.name !== 'poll' && this.misses >= MISSES) this.fallBack();
    else if (this.misses >= OFFLINE_AFTER_MISSES) this.become('offline');
  }

  // A refused token is replaced once; if the next is refused too, stay away.
  private async refused(message: string): Promise<void> {
    const transport = this.transport;
    const again = Date.now() - this.refusedAt > REFUSED_PAUSE_MS;
    this.refusedAt = Date.now();
    clearTimeout(this.patience);
    this.become('offline');
    try {
      if (!again) throw new Error(message);
      await this.session.renew(await this.session.token());
      if (this.transport === transport) this.start();
    } catch {
      this.dead = true;
      this.events.emit('refused', { message });
    }
  }

  // There is another token: one that was refused for good may have a successor.
  revive(): void {
    if (!this.dead) return;
    this.dead = false;
    this.refusedAt = 0;
    this.start();
  }

  private beImpatient(): void {
    clearTimeout(this.patience);
    this.patience = window.setTimeout(() => this.fallBack(), PATIENCE_MS);
  }

  private fallBack(): void {
    clearTimeout(this.patience);
    if (!this.transport || this.transport.name === 'poll') return;
    const below = LADDER.slice(LADDER.indexOf(this.transport.name) + 1);
    this.use(this.rung(below.find(available) ?? 'poll'));
  }

  private planProbe(): void {
    clearTimeout(this.probe);
    if (typeof WebSocket !== 'function') return;
    const jitter = 0.75 + Math.random() / 2;
    this.probe = window.setTimeout(() => this.tryWebSocket(), this.probeDelay * jitter);
    this.probeDelay = Math.min(this.probeDelay * 2, PROBE_LAST_MS);
  }

  // Try a WebSocket beside the transport that works, and move over only once it is connected.
  private tryWebSocket(): void {
    const candidate = this.rung('websocket');
    this.probing = candidate;
    const giveUp = () => {
      if (this.probing !== candidate) return;
      this.probing = null;
      candidate.stop();
      this.planProbe();
    };
    const timer = window.setTimeout(giveUp, PATIENCE_MS);
    candidate.events.on('missed', () => {
      clearTimeout(timer);
      giveUp();
    });
    candidate.events.on('up', () => {
      clearTimeout(timer);
      if (this.probing !== candidate) return;
      this.probing = null;
      this.probeDelay = PROBE_FIRST_MS;
      candidate.stop();
      this.use(this.rung('websocket'));
    });
    candidate.start();
  }

  private become(state: 'connecting' | 'connected' | 'offline'): void {
    if (state === this.state && state !== 'connected') return;
    this.state = state;
    this.events.emit('state', { state, transport: this.transport?.name ?? '' });
  }
}
