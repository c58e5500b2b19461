// What every transport is, so that the widget above does not care which one carries it.

import type { Emitter } from './emitter';

export const PERSONAL = '';

// From the best to the one that gets through anywhere.
export const LADDER = ['websocket', 'http_stream', 'sse', 'poll'] as const;
export type Rung = (typeof LADDER)[number];

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
  readonly name: Rung;
  readonly events: Emitter<TransportEvents>;
  start(): void;
  stop(): void;
  subscribe(channel: string, token: string): void;
  unsubscribe(channel: string): void;
}

export type ChannelTokens = (channel: string) => Promise<string>;
