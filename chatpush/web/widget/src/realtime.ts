// Stay connected: WebSocket first, our long-poll where that is blocked.
//
// What is above sees one interface: subscribe to channels, get publications, and be
// told `fresh` whenever something may have been missed on a channel, so that it
// fetches that state again over HTTP. A transport is replaced without losing anything
// because taking up the new one is such a moment for every channel.

import { Emitter } from './emitter';
import { PollTransport } from './poll';
import type { Session } from './session';
import { SocketTransport } from './socket';

export const PERSONAL = '';

export interface TransportEvents {
  // The transport works: connected for the first time or again.
  up: null;
  // It lost its connection and tries again by itself.
  down: null;
  // One attempt to connect came to nothing.
  missed: null;
  // It will not try again: the identity was refused.
  refused: { message: string };
  publication: { channel: string; data: unknown };
  // Standing at the live end of this channel with nothing recovered: fetch the state.
  fresh: { channel: string };
}

export interface Transport {
  readonly name: 'websocket' | 'poll';
  readonly events: Emitter<TransportEvents>;
  start(): void;
  stop(): void;
  subscribe(channel: string, token: string): void;
  unsubscribe(channel: string): void;
}

export type ChannelTokens = (channel: string) => Promise<string>;

export interface RealtimeEvents {
  state: { state: 'connecting' | 'connected' | 'offline'; transport: string };
  publication: { channel: string; data: unknown };
  fresh: { channel: string };
  refused: { message: string };
}

const SOCKET_PATIENCE_MS = 4_000;
const SOCKET_MISSES = 2;
const OFFLINE_AFTER_MISSES = 2;
const PROBE_FIRST_MS = 60_000;
const PROBE_LAST_MS = 15 * 60_000;
const REFUSED_PAUSE_MS = 30_000;

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
    if (typeof WebSocket === 'function') this.use(this.socket());
    else this.use(this.poll());
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

  private socket(): Transport {
    return new SocketTransport(this.session, this.tokens);
  }

  private poll(): Transport {
    return new PollTransport(this.session, this.tokens);
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
    if (transport.name === 'websocket') this.waitForSocket();
    else this.planProbe();
  }

  private up(): void {
    clearTimeout(this.patience);
    this.misses = 0;
    this.become('connected');
  }

  private down(): void {
    this.become('connecting');
    if (this.transport?.name === 'websocket') this.waitForSocket();
  }

  private missed(): void {
    this.misses += 1;
    if (this.transport?.name === 'websocket' && this.misses >= SOCKET_MISSES) this.fallBack();
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

  private waitForSocket(): void {
    clearTimeout(this.patience);
    this.patience = window.setTimeout(() => this.fallBack(), SOCKET_PATIENCE_MS);
  }

  private fallBack(): void {
    clearTimeout(this.patience);
    if (this.transport?.name !== 'websocket') return;
    this.use(this.poll());
  }

  private planProbe(): void {
    clearTimeout(this.probe);
    if (typeof WebSocket !== 'function') return;
    const jitter = 0.75 + Math.random() / 2;
    this.probe = window.setTimeout(() => this.tryWebSocket(), this.probeDelay * jitter);
    this.probeDelay = Math.min(this.probeDelay * 2, PROBE_LAST_MS);
  }

  // Try a WebSocket beside the working long-poll, and move over only once it is connected.
  private tryWebSocket(): void {
    const candidate = this.socket();
    this.probing = candidate;
    const giveUp = () => {
      if (this.probing !== candidate) return;
      this.probing = null;
      candidate.stop();
      this.planProbe();
    };
    const timer = window.setTimeout(giveUp, SOCKET_PATIENCE_MS);
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
      this.use(this.socket());
    });
    candidate.start();
  }

  private become(state: 'connecting' | 'connected' | 'offline'): void {
    if (state === this.state && state !== 'connected') return;
    this.state = state;
    this.events.emit('state', { state, transport: this.transport?.name ?? '' });
  }
}
