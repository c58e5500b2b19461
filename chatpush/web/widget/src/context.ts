// What every view is given: the models, the words, and the few things a view may ask of the shell.

import type { Api } from './api';
import type { Chat } from './chat';
import type { Emitter } from './emitter';
import type { Words } from './i18n';
import type { Inbox } from './inbox';
import type { MakePane } from './pane';
import type { Session } from './session';
import type { About, Events, Tab, WidgetConfig } from './types';

export interface Context {
  api: Api;
  inbox: Inbox;
  chat: Chat;
  words: Words;
  config: WidgetConfig;
  events: Emitter<Events>;
  // Addresses in messages are relative to this page.
  base: string;
  show(tab: Tab): void;
  ask(about: About): void;
  // Whether this is a user the page knows, not a visitor.
  readonly signedIn: boolean;
  session: Session;
  // Where the service worker of Web Push is served on the page's own origin; '' if nowhere.
  pushWorker: string;
  setLocale(locale: string): Promise<void>;
  // Show a part as a pane over the panel.
  pane(make: () => Promise<MakePane>): void;
  preferences(): void;
  say(text: string): void;
}

export interface Clicked {
  delivery?: string;
  item?: string;
}

// Follow a link the way the page wants it: within the site in this tab, elsewhere in
// another, or not at all when a listener (a router of the page, say) prevents it.
export function follow(context: Context, event: MouseEvent, url: string, clicked: Clicked): void {
  let prevented = false;
  if (clicked.delivery) context.inbox.clicked(clicked.delivery);
  context.events.emit('click', {
    url,
    ...clicked,
    preventDefault: () => {
      prevented = true;
    },
  });
  if (prevented) event.preventDefault();
}

export function linkProps(url: string): Record<string, string> {
  const inside = new URL(url).origin === location.origin;
  return inside ? { href: url } : { href: url, target: '_blank', rel: 'noopener noreferrer' };
}
