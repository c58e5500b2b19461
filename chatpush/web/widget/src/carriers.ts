// Three ways to move lines of the client protocol: WebSocket, HTTP stream and SSE.
//
// The last two only come; what goes is posted to /emulation with the name the connect
// reply gave to the session.

export interface CarrierEvents {
  lines(text: string): void;
  closed(code: number, reason: string): void;
}

export interface Carrier {
  send(lines: string): void;
  // Commands of this session go by requests of their own from now on.
  named(session: string, node: string): void;
  close(): void;
}

export type CarrierName = 'websocket' | 'http_stream' | 'sse';

const LOST = 0;

// `first` is sent as soon as there is a way.
export function carry(name: CarrierName, host: string, query: string, first: string, on: CarrierEvents): Carrier {
  const address = `${host}/connection/${name}${query}`;
  if (name === 'websocket') return socket(address.replace(/^http/, 'ws'), first, on);
  const start = name === 'sse' ? events : stream;
  const stop = start(address, first, on);
  let session = {};
  return {
    send(data) {
      const body = JSON.stringify({ ...session, data });
      const headers = { 'Content-Type': 'application/json' };
      fetch(`${host}/emulation`, { method: 'POST', headers, body, credentials: 'omit' }).then(
        (answer) => answer.ok || on.closed(LOST, 'the session is gone'),
        () => on.closed(LOST, 'unreachable'),
      );
    },
    named(name, node) {
      session = { session: name, node };
    },
    close: stop,
  };
}

function socket(address: string, first: string, on: CarrierEvents): Carrier {
  const ws = new WebSocket(address);
  ws.onopen = () => ws.send(first);
  ws.onmessage = ({ data }) => on.lines(String(data));
  ws.onclose = ({ code, reason }) => on.closed(code, reason);
  return {
    send: (lines) => ws.readyState === WebSocket.OPEN && ws.send(lines),
    named: () => undefined,
    close() {
      ws.onclose = ws.onmessage = ws.onopen = null;
      ws.close();
    },
  };
}

function events(address: string, first: string, on: CarrierEvents): () => void {
  const source = new EventSource(`${address}${address.includes('?') ? '&' : '?'}cf_connect=${encodeURIComponent(first)}`);
  source.onmessage = ({ data }) => on.lines(String(data));
  // It would reconnect by itself with the old cursor.
  source.onerror = () => {
    source.close();
    on.closed(LOST, 'the stream broke');
  };
  return () => {
    source.onmessage = source.onerror = null;
    source.close();
  };
}

function stream(address: string, first: string, on: CarrierEvents): () => void {
  const abort = new AbortController();
  const read = async () => {
    const headers = { Accept: 'application/json', 'Content-Type': 'application/json' };
    const init: RequestInit = { method: 'POST', headers, body: first, credentials: 'omit', signal: abort.signal };
    const { ok, body } = await fetch(address, init);
    if (!ok || !body) return;
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const end = rest.lastIndexOf('\n');
      if (end < 0) continue;
      const whole = rest.slice(0, end);
      rest = rest.slice(end + 1);
      on.lines(whole);
    }
  };
  const over = () => abort.signal.aborted || on.closed(LOST, 'the stream ended');
  read().then(over, over);
  return () => abort.abort();
}
