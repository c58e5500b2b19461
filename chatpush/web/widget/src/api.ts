// The browser half of the HTTP contract: every door below /v1/me/ the widget uses.

import { ApiError, fetchJson, type Session } from './session';
import type { Conversation, InboxItem, Kind, Preferences, Turn, TurnPromise, WidgetConfig } from './types';

export interface InboxPage {
  data: InboxItem[];
  has_more: boolean;
  unread: number;
}

export interface Receipt {
  delivery: string;
  kind: Kind;
}

export class Api {
  constructor(private session: Session) {}

  config(): Promise<WidgetConfig> {
    const query = this.session.key ? `?key=${encodeURIComponent(this.session.key)}` : '';
    return fetchJson(`${this.session.host}/v1/widget/config${query}`, { method: 'GET' });
  }

  inbox(limit: number, after = ''): Promise<InboxPage> {
    const query = new URLSearchParams({ limit: String(limit) });
    if (after) query.set('starting_after', after);
    return this.call('GET', `/inbox?${query}`);
  }

  receipts(receipts: Receipt[], leaving = false): Promise<{ unread: number }> {
    return this.call('POST', '/receipts', { receipts }, leaving);
  }

  // What was put away: 'archived' or 'snoozed'.
  shelf(state: string): Promise<InboxPage> {
    return this.call('GET', `/inbox?limit=50&state=${state}`);
  }

  putAway(delivery: string, verb: 'archive' | 'unarchive' | 'snooze', until?: Date): Promise<{ unread: number }> {
    return this.call('POST', `/inbox/${encodeURIComponent(delivery)}/${verb}`, until && { until: until.toISOString() });
  }

  why(delivery: string, locale: string): Promise<{ reasons?: { text: string }[] }> {
    return this.call('GET', `/inbox/${encodeURIComponent(delivery)}/why?locale=${encodeURIComponent(locale)}`);
  }

  readAll(): Promise<{ unread: number }> {
    return this.call('POST', '/inbox/read-all');
  }

  preferences(): Promise<Preferences> {
    return this.call('GET', '/preferences');
  }

  // Only what changed: what is left out stays. The words are those a consent was given or taken back in.
  savePreferences(changed: Preferences, words: string): Promise<Preferences> {
    return this.call('PUT', '/preferences', { ...changed, ...(words ? { consent_text: words } : {}) });
  }

  conversations(): Promise<{ data: Conversation[] }> {
    return this.call('GET', '/conversations');
  }

  openConversation(about: object | null, locale: string, prechat?: Record<string, string> | null): Promise<Conversation> {
    return this.call('POST', '/conversations', { ...(about ? { about } : {}), ...(prechat ? { prechat } : {}), locale });
  }

  conversation(id: string): Promise<Conversation> {
    return this.call('GET', place(id));
  }

  say(id: string, text: string, clientId: string, attachments: string[] = []): Promise<{ turn: Turn }> {
    const files = attachments.length ? { attachments } : {};
    return this.call('POST', `${place(id)}/turns`, { text, client_id: clientId, ...files });
  }

  typing(id: string): Promise<unknown> {
    return this.call('POST', `${place(id)}/typing`, { typing: true });
  }

  rate(id: string, score: number, comment: string): Promise<Conversation> {
    return this.call('POST', `${place(id)}/rating`, { score, comment });
  }

  transcript(id: string, email: string): Promise<{ email: string }> {
    return this.call('POST', `${place(id)}/transcript`, { email });
  }

  leaveMessage(id: string, email: string, text: string): Promise<{ turn: Turn }> {
    return this.call('POST', `${place(id)}/leave-message`, { email, text });
  }

  dropAttachment(id: string, attachment: string): Promise<unknown> {
    return this.call('DELETE', `${place(id)}/attachments/${encodeURIComponent(attachment)}`);
  }

  // Where files of a conversation go, and what proves that they may: for requests that show
  // their progress. Asked anew after a refusal, it brings another token.
  async files(id: string, refused = false): Promise<{ url: string; headers: Record<string, string> }> {
    const token = refused ? await this.session.renew(await this.session.token()) : await this.session.token();
    return { url: `${this.session.host}/v1/me${place(id)}/attachments`, headers: this.headers(token) };
  }

  async blob(path: string): Promise<Blob> {
    const headers = this.headers(await this.session.token());
    const answer = await fetch(this.session.host + path, { headers, credentials: 'omit' });
    if (!answer.ok) throw new ApiError(answer.status, 'no_file', 'the file cannot be fetched');
    return answer.blob();
  }

  handover(id: string): Promise<unknown> {
    return this.call('POST', `${place(id)}/handover`);
  }

  read(id: string, turn: string): Promise<unknown> {
    return this.call('POST', `${place(id)}/read`, turn ? { turn } : undefined);
  }

  stop(id: string): Promise<unknown> {
    return this.call('POST', `${place(id)}/stop`);
  }

  addPush(subscription: object): Promise<unknown> {
    return this.call('POST', '/push-subscriptions', subscription);
  }

  // With a token of its own: the session may be over.
  removePush(subscription: object, token: string): Promise<unknown> {
    return this.once(token, 'POST', '/push-subscriptions/remove', subscription, true);
  }

  promises(): Promise<{ data: TurnPromise[] }> {
    return this.call('GET', '/promises');
  }

  cancelPromise(id: string): Promise<unknown> {
    return this.call('DELETE', `/promises/${encodeURIComponent(id)}`);
  }

  join(visitorToken: string): Promise<unknown> {
    return this.call('POST', '/join', { visitor_token: visitorToken });
  }

  track(type: string, properties: Record<string, unknown>): Promise<unknown> {
    const { item, ...rest } = properties;
    return this.call('POST', '/events', { type, ...(item === undefined ? {} : { item }), properties: rest });
  }

  private async call<T>(method: string, path: string, body?: unknown, keepalive = false): Promise<T> {
    const token = await this.session.token();
    try {
      return await this.once<T>(token, method, path, body, keepalive);
    } catch (error) {
      if (!(error instanceof ApiError) || !error.unauthorized) throw error;
      const fresh = await this.session.renew(token);
      return this.once<T>(fresh, method, path, body, keepalive);
    }
  }

  private headers(token: string): Record<string, string> {
    const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
    if (this.session.key) headers['X-Chatpush-Key'] = this.session.key;
    return headers;
  }

  private once<T>(token: string, method: string, path: string, body: unknown, keepalive: boolean): Promise<T> {
    const headers = this.headers(token);
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    return fetchJson<T>(`${this.session.host}/v1/me${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      keepalive,
    });
  }
}

function place(conversation: string): string {
  return `/conversations/${encodeURIComponent(conversation)}`;
}
