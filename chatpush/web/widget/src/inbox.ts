// What the user has been sent: the list, its unread count, and what was done with each item.

import type { Api } from './api';
import type { Receipts } from './receipts';
import type { InboxItem } from './types';

const PAGE = 20;
const KEEP = 200;

export type Loading = 'idle' | 'loading' | 'ready' | 'failed';

interface Arrival extends InboxItem {
  type: string;
  unread?: number;
  // A snoozed message that is back.
  returned?: string | null;
}

export class Inbox {
  items: InboxItem[] = [];
  unread = 0;
  hasMore = false;
  loading: Loading = 'idle';
  loadingMore = false;
  onChange: () => void = () => undefined;
  onArrival: (item: InboxItem) => void = () => undefined;
  onGone: (delivery: string) => void = () => undefined;
  onCommand: (item: InboxItem) => void = () => undefined;
  private again = false;
  // What came and what was taken back while a page was being fetched: newer than the page.
  private came = new Set<string>();
  private gone = new Set<string>();

  constructor(
    private api: Api,
    private receipts: Receipts,
  ) {}

  get(delivery: string): InboxItem | undefined {
    return this.items.find((item) => item.delivery === delivery);
  }

  // Fetch the newest page and lay it over what we have. Asked during a fetch, it fetches once more.
  async load(): Promise<void> {
    if (this.loading === 'loading') {
      this.again = true;
      return;
    }
    const first = this.loading === 'idle' || this.loading === 'failed';
    this.loading = 'loading';
    this.came.clear();
    this.gone.clear();
    if (first) this.onChange();
    try {
      const page = await this.api.inbox(PAGE);
      const missed = first ? undefined : this.newIn(page.data);
      this.dropGone(page.data, page.has_more);
      this.merge(page.data);
      if (first || this.items.length <= PAGE) this.hasMore = page.has_more;
      this.unread = page.unread;
      this.loading = 'ready';
      if (missed) this.onArrival(missed);
    } catch {
      this.loading = first && this.items.length === 0 ? 'failed' : 'ready';
    }
    this.onChange();
    if (this.again) {
      this.again = false;
      await this.load();
    }
  }

  async more(): Promise<void> {
    const last = this.items[this.items.length - 1];
    if (!last || this.loadingMore) return;
    this.loadingMore = true;
    this.onChange();
    try {
      const page = await this.api.inbox(PAGE, last.delivery);
      this.merge(page.data);
      this.hasMore = page.has_more;
    } catch {
      // The button stays, and can be pressed again.
    }
    this.loadingMore = false;
    this.onChange();
  }

  // Take one publication of the personal channel; says whether it was about the inbox.
  apply(data: unknown): boolean {
    const arrival = data as Arrival;
    switch (arrival?.type) {
      case 'message':
        this.arrive(arrival);
        break;
      case 'message.updated':
        this.update(arrival);
        break;
      case 'message.deleted':
        this.items = this.items.filter((item) => item.delivery !== arrival.delivery);
        this.gone.add(arrival.delivery);
        this.onGone(arrival.delivery);
        break;
      case 'unread':
        if (arrival.returned) void this.load();
        break;
      default:
        return false;
    }
    if (typeof arrival.unread === 'number') this.unread = arrival.unread;
    // The page being fetched may be older than this: fetch it once more.
    if (this.loading === 'loading') this.again = true;
    this.onChange();
    return true;
  }

  seen(delivery: string): void {
    const item = this.get(delivery);
    if (!item || item.seen) return;
    this.look(item);
    this.receipts.add(delivery, 'seen');
    this.onChange();
  }

  clicked(delivery: string): void {
    const item = this.get(delivery);
    if (item) this.look(item);
    if (item) item.clicked = true;
    this.receipts.add(delivery, 'clicked', true);
    this.onChange();
  }

  dismiss(delivery: string): void {
    const item = this.get(delivery);
    if (!item) return;
    this.look(item);
    this.items = this.items.filter((other) => other !== item);
    this.receipts.add(delivery, 'dismissed');
    this.onChange();
  }

  // Out of the list: for good, or until a time, when it comes back by itself.
  async putAway(delivery: string, until?: Date): Promise<void> {
    const { unread } = await this.api.putAway(delivery, until ? 'snooze' : 'archive', until);
    this.items = this.items.filter((item) => item.delivery !== delivery);
    this.unread = unread;
    this.onChange();
  }

  async bringBack(delivery: string): Promise<void> {
    const { unread } = await this.api.putAway(delivery, 'unarchive');
    this.unread = unread;
    await this.load();
  }

  async readAll(): Promise<void> {
    const unread = this.items.filter((item) => !item.seen);
    const count = this.unread;
    for (const item of unread) item.seen = true;
    this.unread = 0;
    this.onChange();
    try {
      this.setUnread((await this.api.readAll()).unread);
    } catch (error) {
      for (const item of unread) item.seen = false;
      this.setUnread(count);
      throw error;
    }
  }

  setUnread(count: number): void {
    if (this.unread === count) return;
    this.unread = count;
    this.onChange();
  }

  private look(item: InboxItem): void {
    if (!item.seen && item.badge !== false) this.unread = Math.max(0, this.unread - 1);
    item.seen = true;
  }

  private arrive(arrival: Arrival): void {
    if (arrival.silent) {
      this.receipts.add(arrival.delivery, 'delivered');
      this.onCommand(arrival);
      return;
    }
    if (typeof arrival.badge === 'number') setAppBadge(arrival.badge);
    const known = this.get(arrival.delivery);
    this.receipts.add(arrival.delivery, 'delivered');
    if (known) {
      Object.assign(known, arrival);
      return;
    }
    const { collapse_key: key } = arrival;
    if (key) this.items = this.items.filter((item) => item.collapse_key !== key);
    this.came.add(arrival.delivery);
    const item: InboxItem = { seen: false, ...arrival };
    this.items = [item, ...this.items].slice(0, KEEP);
    this.onArrival(item);
  }

  private update(arrival: Arrival): void {
    const known = this.get(arrival.delivery);
    if (!known) return;
    this.receipts.renew(arrival.delivery);
    Object.assign(known, { seen: false, clicked: false }, arrival);
  }

  // The newest message that came while the connection was away: it has not been shown yet.
  private newIn(page: InboxItem[]): InboxItem | undefined {
    const newest = this.items.length ? Date.parse(this.items[0].at) : 0;
    return page.find((item) => !item.seen && !this.get(item.delivery) && Date.parse(item.at) > newest);
  }

  // What lies within the newest page's span but is not on it was taken back meanwhile.
  private dropGone(page: InboxItem[], hasMore: boolean): void {
    const listed = new Set(page.map((item) => item.delivery));
    const oldest = hasMore && page.length ? Date.parse(page[page.length - 1].at) : 0;
    this.items = this.items.filter((item) => {
      return listed.has(item.delivery) || this.came.has(item.delivery) || Date.parse(item.at) < oldest;
    });
  }

  private merge(page: InboxItem[]): void {
    const byDelivery = new Map(this.items.map((item) => [item.delivery, item]));
    for (const item of page) {
      if (this.gone.has(item.delivery)) continue;
      const known = byDelivery.get(item.delivery);
      if (!item.seen) this.receipts.add(item.delivery, 'delivered');
      // What was seen here a moment ago may not have reached the server yet.
      byDelivery.set(item.delivery, { ...item, seen: item.seen || known?.seen, clicked: item.clicked || known?.clicked });
    }
    this.items = [...byDelivery.values()]
      .filter((item) => !item.dismissed)
      .sort((a, b) => Date.parse(b.at) - Date.parse(a.at))
      .slice(0, KEEP);
  }
}

// The number on the icon of an installed page; where there is none, nothing happens.
function setAppBadge(count: number): void {
  (navigator as { setAppBadge?: (count: number) => Promise<void> }).setAppBadge?.(count).catch(() => undefined);
}
