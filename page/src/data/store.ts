// A value that changes, with those who want to know it.

export class Store<T extends object> {
  private heard = new Set<() => void>();

  constructor(public now: T) {}

  /** Changes some fields, and takes others away. */
  set(fields: Partial<T>, ...without: (keyof T)[]): void {
    const next = { ...this.now, ...fields };
    for (const name of without) delete next[name];
    this.now = next;
    for (const heard of this.heard) heard();
  }

  subscribe(heard: () => void): () => void {
    this.heard.add(heard);
    return () => this.heard.delete(heard);
  }
}
