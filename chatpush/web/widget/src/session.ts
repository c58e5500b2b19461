// Who this browser is: a signed-in user by a JWT of the page, or an anonymous visitor.
//
// Nobody is ever mixed up: a token of another user makes another session (see
// accept), and ending a session forgets its visitor.

import { recall, remember } from './storage';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterSeconds = 0,
  ) {
    super(message);
  }

  get unauthorized(): boolean {
    return this.status === 401;
  }
}

interface Visitor {
  user: string;
  token: string;
}

export interface Credentials {
  host: string;
  key: string;
  token?: string;
  getToken?: () => Promise<string> | string;
}

export class Session {
  private current: string;
  private pending: Promise<string> | null = null;

  // `onAnother` is called when a visitor's token was refused and a new visitor took its place.
  constructor(
    private credentials: Credentials,
    private onAnother: () => void = () => undefined,
  ) {
    this.current = credentials.token ?? '';
  }

  get user(): string {
    return subject(this.current);
  }

  // The token as it stands, without asking for another.
  get held(): string {
    return this.current;
  }

  get host(): string {
    return this.credentials.host;
  }

  get key(): string {
    return this.credentials.key;
  }

  // The page can be asked for a new token of the same user at any time.
  get renewable(): boolean {
    return this.credentials.getToken !== undefined;
  }

  // Take a fresh token of the same user; says false when it is somebody else's.
  accept({ token, getToken }: Partial<Credentials>): boolean {
    if (token && this.current && subject(token) !== this.user) return false;
    if (getToken) this.credentials.getToken = getToken;
    if (token) this.credentials.token = this.current = token;
    return true;
  }

  async token(): Promise<string> {
    return this.current || this.renew('');
  }

  // Replace a token the server refused. Many callers may ask at once: one request is made.
  renew(refused: string): Promise<string> {
    if (this.current && this.current !== refused) return Promise.resolve(this.current);
    this.pending ??= this.obtain(refused).finally(() => (this.pending = null));
    return this.pending;
  }

  forget(): void {
    this.current = '';
  }

  get signedIn(): boolean {
    return this.user !== '' && !isVisitor(this.user);
  }

  // The token of the visitor this browser was before its user signed in; '' if there is none.
  get formerVisitor(): string {
    return this.signedIn ? (recall<Visitor>('localStorage', this.visitorName)?.token ?? '') : '';
  }

  dropVisitor(): void {
    remember('localStorage', this.visitorName, null);
  }

  private get visitorName(): string {
    return `visitor:${this.key}`;
  }

  private async obtain(refused: string): Promise<string> {
    const { getToken } = this.credentials;
    if (getToken) {
      const token = await getToken();
      if (!token) throw new ApiError(401, 'no_token', 'getToken returned no token');
      if (this.user && subject(token) !== this.user) {
        throw new ApiError(401, 'other_user', 'getToken returned a token of another user: call boot again');
      }
      this.current = token;
      return token;
    }
    if (this.credentials.token) throw new ApiError(401, 'token_refused', 'the token is not valid any more');
    const before = this.user;
    this.current = await this.visitor(refused);
    if (before && before !== this.user) this.onAnother();
    return this.current;
  }

  private async visitor(refused: string): Promise<string> {
    const known = recall<Visitor>('localStorage', this.visitorName);
    if (known?.token && known.token !== refused && !expired(known.token)) return known.token;
    const visitor = await fetchJson<Visitor>(`${this.host}/v1/visitors`, {
      method: 'POST',
      headers: this.keyHeaders(),
      body: JSON.stringify({
        locale: navigator.language,
        timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC',
      }),
    });
    remember('localStorage', this.visitorName, visitor);
    return visitor.token;
  }

  keyHeaders(): Record<string, string> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json' };
    if (this.key) headers['X-Chatpush-Key'] = this.key;
    return headers;
  }
}

// One HTTP exchange in JSON with a deadline; every failure is an ApiError.
export async function fetchJson<T>(url: string, init: RequestInit, deadlineMs = 15_000): Promise<T> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), deadlineMs);
  const outer = init.signal;
  const onOuter = () => abort.abort();
  outer?.addEventListener('abort', onOuter);
  try {
    const response = await fetch(url, { ...init, credentials: 'omit', signal: abort.signal });
    const text = await response.text();
    let body: unknown = null;
    try {
      body = text ? JSON.parse(text) : null;
    } catch {
      if (response.ok) throw new ApiError(response.status, 'bad_answer', 'the server did not answer in JSON');
    }
    if (response.ok) return body as T;
    const problem = (body ?? {}) as { code?: string; detail?: string; title?: string };
    throw new ApiError(
      response.status,
      problem.code ?? 'http_error',
      problem.detail ?? problem.title ?? `HTTP ${response.status}`,
      Number(response.headers.get('Retry-After')) || 0,
    );
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, abort.signal.aborted ? 'timeout' : 'unreachable', 'the server cannot be reached');
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', onOuter);
  }
}

function claims(token: string): { sub?: string; exp?: number } {
  try {
    const part = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as { sub?: string; exp?: number };
  } catch {
    return {};
  }
}

function isVisitor(user: string): boolean {
  return user.startsWith('visitor_');
}

export function subject(token: string): string {
  return String(claims(token).sub ?? '');
}

export function expired(token: string, now = Date.now()): boolean {
  const { exp } = claims(token);
  return exp !== undefined && exp * 1000 < now + 30_000;
}
