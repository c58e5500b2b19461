// The shapes that travel between the server and the widget, and the page's own options.

export type Kind = 'delivered' | 'seen' | 'clicked' | 'dismissed';
export type ChatState = 'assistant' | 'waiting' | 'agent' | 'closed';
export type Tab = 'inbox' | 'chat';

export interface Card {
  id: string;
  title: string;
  price?: number | string | null;
  currency?: string | null;
  image?: string | null;
  url?: string | null;
  reason?: string | { text?: string } | null;
}

export interface Action {
  id: string;
  label: string;
  value?: string;
  url?: string | null;
}

export interface InboxItem {
  delivery: string;
  message?: string;
  category?: string;
  template?: string;
  title: string;
  body: string;
  url?: string | null;
  image?: string | null;
  format?: 'plain' | 'card' | 'recommendation';
  data?: { items?: Card[]; [key: string]: unknown } | null;
  actions?: Action[] | null;
  collapse_key?: string | null;
  // A command to the page: not shown, not kept, not counted.
  silent?: boolean;
  // false: it does not count as unread; a number: what the app's icon shows.
  badge?: boolean | number;
  // How long its preview stays.
  display_seconds?: number | null;
  snoozed_until?: string | null;
  at: string;
  seen?: boolean;
  clicked?: boolean;
  dismissed?: boolean;
}

export interface Source {
  title: string;
  url?: string | null;
  quote?: string | null;
}

export interface TurnPromise {
  id: string;
  text: string;
  until?: string | null;
  state?: string | null;
}

export interface Attachment {
  id: string;
  name: string;
  type: string;
  // In bytes.
  size: number;
  url: string;
}

export interface Turn {
  id: string;
  by: 'user' | 'assistant' | 'agent' | 'system';
  name?: string | null;
  text: string;
  at: string;
  sources?: Source[] | null;
  actions?: Action[] | null;
  cards?: Card[] | null;
  promise?: TurnPromise | null;
  attachments?: Attachment[] | null;
  streaming?: boolean;
  seq?: number;
  client_id?: string | null;
  // Only on this side: how far an optimistic turn has come.
  fate?: 'sending' | 'failed';
}

export interface About {
  delivery?: string | null;
  item?: string | null;
  title?: string | null;
  image?: string | null;
}

// How a conversation stands for its user; told with it and with every change of its state.
export interface Standing {
  position?: number | null;
  office?: { open: boolean; opens_at: string | null };
  may_rate?: boolean;
  rating?: { score: number } | null;
}

export interface Conversation extends Standing {
  read?: { user: string | null; agent: string | null };
  id: string;
  channel?: string;
  token?: string;
  state?: ChatState;
  agent?: string | null;
  turns?: Turn[];
  about?: About | null;
  unread_turns?: number;
  last?: string | null;
  at?: string | null;
  updated_at?: string | null;
  created_at?: string | null;
}

export interface Preferences {
  categories?: Record<string, boolean>;
  // Whether a category comes by a channel: a row for each category.
  channels?: Record<string, Record<string, boolean>>;
  quiet_hours?: { start: string; end: string } | null;
  timezone?: string | null;
  locale?: string | null;
  personalized?: boolean;
}

export interface WidgetConfig {
  name?: string | Record<string, string> | null;
  locale?: string;
  theme?: { accent?: string; mode?: ThemeMode; position?: Position } | string | null;
  greeting?: string | Record<string, string> | null;
  suggestions?: string[] | Record<string, string[]> | null;
  attachments?: UploadRules | null;
  push?: { public_key: string } | null;
  prechat?: { whom: 'visitors' | 'everyone'; fields: FormField[] } | null;
}

export interface UploadRules {
  max_bytes: number;
  types: string[];
  per_turn: number;
}

export interface FormField {
  name: string;
  type: 'text' | 'email' | 'textarea' | 'select';
  labels: Record<string, string>;
  required: boolean;
  options: string[];
}

export type ThemeMode = 'auto' | 'light' | 'dark';
export type Position = 'left' | 'right';

export interface BootOptions {
  key?: string;
  host?: string;
  token?: string;
  getToken?: () => Promise<string> | string;
  locale?: string;
  theme?: ThemeMode;
  position?: Position | 'bottom-left' | 'bottom-right';
  accent?: string;
  // Where the page serves the service worker, when chatpush is on another origin.
  serviceWorker?: string;
  // false: what a visitor said stays the visitor's when the user signs in.
  join?: boolean;
}

export interface Events {
  ready: { user: string };
  opened: { tab: Tab };
  closed: Record<string, never>;
  message: InboxItem;
  unread: { count: number; inbox: number; chat: number };
  turn: { conversation: string; turn: Turn };
  conversation: { id: string; state: ChatState };
  command: InboxItem;
  rated: { conversation: string; score: number };
  click: { url: string; delivery?: string; item?: string; preventDefault: () => void };
  connection: { state: 'connecting' | 'connected' | 'offline'; transport: string };
  error: { message: string; code: string };
}
