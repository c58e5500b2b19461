// The long-poll transport: POST /connection/poll, again and again, on one cursor.
//
// A lost reply loses nothing, because the same cursor is asked for again. A change of
// the channels ends the waiting request and starts one that answers at once, so that
// the new channel has a place to stand before its state is fetched.

import { Emitter } from './emitter';
import { PERSONAL, type ChannelTokens, type Transport, type TransportEvents } from './transport';
import { ApiError, fetchJson, type Session } from './session';

const HOLD_SECONDS = 25;
const GRACE_MS = 15_000;
const LIMIT = 100;
const FIRST_BACKOFF_MS = 500;
const LAST_BACKOFF_MS = 30_000;

interface PollReply {
  cursor: string;
  grant?: string;
  publications?: { channel: string; data: unknown }[];
  gaps?: string[];
}

export class PollTransport implements Transport {
  readonly name = 'poll';
  readonly events = new Emitter<TransportEvents>();
  private channels = new Map<string, string>();
  // Channels that no reply has placed on the cursor yet.
  private unplaced = new Set<string>([PERSONAL]);
  private cursor = '';
  private grant = '';
  private running = false;
  private up = false;
  private failures = 0;
  private waiting: AbortController | null = null;
  private wake: (() => void) | null = null;

  constructor(
    private session: Session,
    private tokens: ChannelTokens,
  ) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    window.addEventListener('online', this.retryNow);
    void this.loop();
  }

  stop(): void {
    this.running = false;
    window.removeEventListener('online', this.retryNow);
    this.waiting?.abort();
    this.wake?.();
  }

  subscribe(channel: string, token: string): void {
    if (this.channels.has(channel)) return;
    this.channels.set(channel, token);
    this.unplaced.add(channel);
    this.grant = '';
    this.waiting?.abort();
  }

  unsubscribe(channel: string): void {
    if (!this.channels.delete(channel)) return;
    this.unplaced.delete(channel);
    this.grant = '';
    this.waiting?.abort();
  }

  private retryNow = (): void => this.wake?.();

  private async loop(): Promise<void> {
    while (this.running) {
      const abort = (this.waiting = new AbortController());
      try {
        const placing = [...this.unplaced];
        const reply = await this.ask(abort.signal, placing.length > 0);
        if (!this.running) return;
        this.failures = 0;
        if (!abort.signal.aborted) this.take(reply, placing);
      } catch (error) {
        if (!this.running) return;
        if (abort.signal.aborted) continue;
        if (!(await this.recover(error))) return;
      }
    }
  }

  private async ask(signal: AbortSignal, atOnce: boolean): Promise<PollReply> {
    const body: Record<string, unknown> = {
      cursor: this.cursor,
      channels: [...this.channels].map(([channel, token]) => ({ channel, token })),
      timeout: atOnce ? 0 : HOLD_SECONDS,
      limit: LIMIT,
    };
    if (this.grant) body.grant = this.grant;
    else body.token = await this.session.token();
    return fetchJson<PollReply>(
      `${this.session.host}/connection/poll`,
      { method: 'POST', headers: this.session.keyHeaders(), body: JSON.stringify(body), signal },
      HOLD_SECONDS * 1000 + GRACE_MS,
    );
  }

  private take(reply: PollReply, placing: string[]): void {
    this.cursor = reply.cursor;
    this.grant = reply.grant ?? '';
    if (!this.up) {
      this.up = true;
      this.events.emit('up', null);
    }
    for (const { channel, data } of reply.publications ?? []) {
      this.events.emit('publication', { channel: this.known(channel), data });
    }
    const fresh = new Set((reply.gaps ?? []).map((channel) => this.known(channel)));
    for (const channel of placing) if (this.unplaced.delete(channel)) fresh.add(channel);
    for (const channel of fresh) this.events.emit('fresh', { channel });
  }

  // The server names the personal channel; above here it is simply the personal one.
  private known(channel: string): string {
    return this.channels.has(channel) ? channel : PERSONAL;
  }

  // Says whether to go on asking.
  private async recover(error: unknown): Promise<boolean> {
    const problem = error instanceof ApiError ? error : new ApiError(0, 'unreachable', String(error));
    const dismissed = problem.code === 'dismissed';
    if (problem.unauthorized && this.grant && !dismissed) {
      this.grant = '';
      return true;
    }
    this.failures += 1;
    if (dismissed || (problem.unauthorized && this.failures > 1)) {
      this.running = false;
      this.events.emit('refused', { message: problem.message });
      return false;
    }
    try {
      if (problem.unauthorized) {
        await this.session.renew(await this.session.token());
        return true;
      }
      if (problem.status === 403) await this.renewChannels();
      // The server cannot read our cursor any more: stand anew at the live end.
      if (problem.status === 400 || problem.status === 409 || problem.status === 410) this.startOver();
    } catch {
      // What could not be renewed now is tried again after the pause.
    }
    if (this.up) this.events.emit('down', null);
    this.up = false;
    this.events.emit('missed', null);
    await this.pause(problem.retryAfterSeconds * 1000);
    return true;
  }

  private startOver(): void {
    this.cursor = this.grant = '';
    this.unplaced = new Set([PERSONAL, ...this.channels.keys()]);
  }

  private async renewChannels(): Promise<void> {
    for (const channel of [...this.channels.keys()]) {
      try {
        this.channels.set(channel, await this.tokens(channel));
      } catch (error) {
        // Not ours any more: without it the others go on.
        if (error instanceof ApiError && error.status >= 400 && error.status < 500) this.channels.delete(channel);
      }
    }
  }

  private pause(atLeastMs: number): Promise<void> {
    const grown = Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.failures, 10));
    const wait = Math.max(atLeastMs, grown * (0.5 + Math.random() / 2));
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
