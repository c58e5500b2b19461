// The centrifuge client over WebSocket, HTTP stream or SSE; it reconnects, recovers and refreshes by itself.

import { Centrifuge, UnauthorizedError } from 'centrifuge';
import { Emitter } from './emitter';
import { expired, type Session } from './session';
import { type ChannelTokens, PERSONAL, type Rung, type Transport, type TransportEvents } from './transport';

const FIRST_TERMINAL_CODE = 3500;

export class CentrifugeTransport implements Transport {
  readonly events = new Emitter<TransportEvents>();
  private client: Centrifuge;
  private wasUp = false;
  private stopped = false;
  private lastToken = '';

  constructor(
    private session: Session,
    private tokens: ChannelTokens,
    readonly name: Exclude<Rung, 'poll'>,
  ) {
    const query = session.key ? `?key=${encodeURIComponent(session.key)}` : '';
    const host = name === 'websocket' ? session.host.replace(/^http/, 'ws') : session.host;
    this.client = new Centrifuge([{ transport: name, endpoint: `${host}/connection/${name}${query}` }], {
      emulationEndpoint: `${session.host}/emulation`,
      name: 'chatpush-widget',
      version: __VERSION__,
      getToken: () => this.token(),
      minReconnectDelay: 400,
      maxReconnectDelay: 20_000,
      timeout: 5_000,
    });
    this.listen();
  }

  start(): void {
    this.client.connect();
  }

  stop(): void {
    this.stopped = true;
    this.client.disconnect();
  }

  subscribe(channel: string, token: string): void {
    if (this.client.getSubscription(channel)) return;
    const subscription = this.client.newSubscription(channel, {
      token: token || undefined,
      getToken: () => this.tokens(channel),
    });
    subscription.on('publication', ({ data }) => this.events.emit('publication', { channel, data }));
    subscription.on('subscribed', ({ wasRecovering, recovered }) => {
      if (!wasRecovering || !recovered) this.events.emit('fresh', { channel });
    });
    subscription.on('error', () => undefined);
    subscription.subscribe();
  }

  unsubscribe(channel: string): void {
    const subscription = this.client.getSubscription(channel);
    if (!subscription) return;
    subscription.unsubscribe();
    this.client.removeSubscription(subscription);
  }

  private listen(): void {
    const { client } = this;
    client.on('connected', () => {
      this.wasUp = true;
      this.events.emit('up', null);
    });
    client.on('connecting', () => {
      if (this.wasUp) this.events.emit('down', null);
      this.wasUp = false;
    });
    client.on('error', ({ type }) => {
      if (!this.wasUp && (type === 'transport' || type === 'connect' || type === 'connectToken')) {
        this.events.emit('missed', null);
      }
    });
    client.on('disconnected', ({ code, reason }) => this.disconnected(code, reason));
    client.on('publication', ({ data }) => this.events.emit('publication', { channel: PERSONAL, data }));
    client.on('subscribed', ({ wasRecovering, recovered }) => {
      if (!wasRecovering || !recovered) this.events.emit('fresh', { channel: PERSONAL });
    });
  }

  private async token(): Promise<string> {
    const token = await this.session.token();
    // centrifuge asks again when the last one expired, or when state was lost on the
    // server: only the first makes a visitor somebody new.
    const worn = expired(token) || (token === this.lastToken && this.session.renewable);
    try {
      this.lastToken = worn ? await this.session.renew(token) : token;
    } catch (error) {
      if (error instanceof Error && 'unauthorized' in error && error.unauthorized) throw new UnauthorizedError('');
      throw error;
    }
    return this.lastToken;
  }

  private disconnected(code: number, reason: string): void {
    if (this.stopped) return;
    this.wasUp = false;
    if (code >= FIRST_TERMINAL_CODE || code === 1) this.events.emit('refused', { message: reason });
    else this.events.emit('missed', null);
  }
}
