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

  readAll(): Promise<{ unread: number }> {
    return this.call('POST', '/inbox/read-all');
  }

  preferences(): Promise<Preferences> {
    return this.call('GET', '/preferences');
  }

  savePreferences(preferences: Preferences): Promise<Preferences> {
    return this.call('PUT', '/preferences', preferences);
  }

  conversations(): Promise<{ data: Conversation[] }> {
    return this.call('GET', '/conversations');
  }

  openConversation(about: object | null, locale: string): Promise<Conversation> {
    return this.call('POST', '/conversations', about ? { about, locale } : { locale });
  }

  conversation(id: string): Promise<Conversation> {
    return this.call('GET', `/conversations/${encodeURIComponent(id)}`);
  }

  say(id: string, text: string, clientId: string): Promise<{ turn: Turn }> {
    return this.call('POST', `/conversations/${encodeURIComponent(id)}/turns`, { text, client_id: clientId });
  }

  handover(id: string): Promise<unknown> {
    return this.call('POST', `/conversations/${encodeURIComponent(id)}/handover`);
  }

  read(id: string): Promise<unknown> {
    return this.call('POST', `/conversations/${encodeURIComponent(id)}/read`);
  }

  stop(id: string): Promise<unknown> {
    return this.call('POST', `/conversations/${encodeURIComponent(id)}/stop`);
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

  private once<T>(token: string, method: string, path: string, body: unknown, keepalive: boolean): Promise<T> {
    const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
    if (this.session.key) headers['X-Chatpush-Key'] = this.session.key;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    return fetchJson<T>(`${this.session.host}/v1/me${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      keepalive,
    });
  }
}
