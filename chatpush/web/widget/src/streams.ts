// The numbered pieces of answers under way, put into order.

interface Stream {
  // The number of the last piece taken; -1 before the first.
  seq: number;
  ahead: Map<number, string>;
}

export class Streams {
  private open = new Map<string, Stream>();

  // `seq` is the number of the last piece already in the turn's text, when that is known.
  begin(turn: string, seq = -1): void {
    this.open.set(turn, { seq, ahead: new Map() });
  }

  end(turn: string): void {
    this.open.delete(turn);
  }

  clear(): void {
    this.open.clear();
  }

  // Returns what can be shown now: a repeated piece is dropped, an early one waits for its turn.
  take(turn: string, seq: number, text: string): string {
    if (!this.open.has(turn)) this.begin(turn);
    const stream = this.open.get(turn) as Stream;
    if (seq <= stream.seq) return '';
    // Numbering may begin at 0 or 1, or we joined in the middle: the first piece sets the pace.
    if (stream.seq < 0) stream.seq = seq - 1;
    stream.ahead.set(seq, text);
    let added = '';
    while (stream.ahead.has(stream.seq + 1)) {
      stream.seq += 1;
      added += stream.ahead.get(stream.seq) ?? '';
      stream.ahead.delete(stream.seq);
    }
    return added;
  }
}
