// Tell the server what became of deliveries: each fact once, in batches, also when the page goes away.

import type { Api, Receipt } from './api';
import { ApiError } from './session';
import { recall, remember } from './storage';
import type { Kind } from './types';

const LINGER_MS = 200;
const BATCH = 50;
const KEEP = 300;
const LAST_BACKOFF_MS = 60_000;

export class Receipts {
  private queue: Receipt[] = [];
  private told = new Set<string>();
  private timer = 0;
  private sending = false;
  private failures = 0;
  private memory = '';
  onUnread: (unread: number) => void = () => undefined;

  constructor(private api: Api) {}

  // Recalls what this tab has told already, so that a reload does not tell it again.
  start(user: string): void {
    this.memory = `told:${user}`;
    for (const fact of recall<string[]>('sessionStorage', this.memory) ?? []) this.told.add(fact);
    window.addEventListener('pagehide', this.leave);
    document.addEventListener('visibilitychange', this.hide);
  }

  stop(): void {
    this.flush(true);
    clearTimeout(this.timer);
    window.removeEventListener('pagehide', this.leave);
    document.removeEventListener('visibilitychange', this.hide);
  }

  // `urgent` is for what happens as the page may be leaving, such as a click on a link.
  add(delivery: string, kind: Kind, urgent = false): void {
    const fact = `${kind}:${delivery}`;
    if (this.told.has(fact)) return;
    this.told.add(fact);
    this.queue.push({ delivery, kind });
    if (urgent) this.flush(true);
    else this.plan(LINGER_MS);
  }

  // It has changed and is new again: what was told of it before does not count.
  renew(delivery: string): void {
    for (const kind of ['seen', 'clicked', 'dismissed']) this.told.delete(`${kind}:${delivery}`);
  }

  forget(): void {
    this.told.clear();
    if (this.memory) remember('sessionStorage', this.memory, null);
    this.memory = '';
  }

  private leave = (): void => this.flush(true);

  private hide = (): void => {
    if (document.hidden) this.flush(true);
  };

  private plan(wait: number): void {
    if (this.timer) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.flush(false);
    }, wait);
  }

  private flush(leaving: boolean): void {
    if (this.queue.length === 0 || (this.sending && !leaving)) return;
    const batch = this.queue.splice(0, BATCH);
    this.sending = true;
    this.api
      .receipts(batch, leaving)
      .then(({ unread }) => {
        this.failures = 0;
        this.save();
        if (typeof unread === 'number') this.onUnread(unread);
      })
      .catch((error: unknown) => this.failed(batch, error))
      .finally(() => {
        this.sending = false;
        if (this.queue.length) this.plan(this.failures ? this.backoff() : LINGER_MS);
      });
  }

  private failed(batch: Receipt[], error: unknown): void {
    this.failures += 1;
    const status = error instanceof ApiError ? error.status : 0;
    // The server understood and refused: repeating would not help.
    if (status >= 400 && status < 500 && status !== 401 && status !== 429) return;
    this.queue = [...batch, ...this.queue].slice(-KEEP);
  }

  private backoff(): number {
    return Math.min(LAST_BACKOFF_MS, 1000 * 2 ** Math.min(this.failures, 10));
  }

  private save(): void {
    if (this.memory) remember('sessionStorage', this.memory, [...this.told].slice(-KEEP));
  }
}
