// A typed event emitter whose listeners cannot break whoever emits.

export class Emitter<E extends object> {
  private listeners = new Map<keyof E, Set<(value: never) => void>>();

  on<K extends keyof E>(event: K, listener: (value: E[K]) => void): () => void {
    const set = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, set);
    set.add(listener as (value: never) => void);
    return () => this.off(event, listener);
  }

  off<K extends keyof E>(event: K, listener: (value: E[K]) => void): void {
    this.listeners.get(event)?.delete(listener as (value: never) => void);
  }

  emit<K extends keyof E>(event: K, value: E[K]): void {
    for (const listener of [...(this.listeners.get(event) ?? [])]) {
      try {
        (listener as (value: E[K]) => void)(value);
      } catch (error) {
        console.error('chatpush: a listener failed', error);
      }
    }
  }
}

// Run `work` once soon, however often it is asked for: the views draw this way.
export function coalesced(work: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    const run = () => {
      asked = false;
      work();
    };
    // A hidden page gets no animation frames, but its badge must still be right.
    if (document.hidden) setTimeout(run, 50);
    else requestAnimationFrame(run);
  };
}
