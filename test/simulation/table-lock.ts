/** The metadata lock on source and shadow: statements and transactions share it, the cutover has it alone. First come, first served. */

export class LockRequest {
  readonly isExclusive: boolean;
  readonly owner: string;
  readonly onGranted: () => void;
  /** A session that the cutover may end: what its application then sees. */
  readonly onEnded: (() => void) | null;
  state: 'waiting' | 'granted' | 'released' = 'waiting';

  constructor(isExclusive: boolean, owner: string, onGranted: () => void, onEnded: (() => void) | null = null) {
    this.isExclusive = isExclusive;
    this.owner = owner;
    this.onGranted = onGranted;
    this.onEnded = onEnded;
  }
}

export class TableLock {
  readonly #holders = new Set<LockRequest>();
  #queue: LockRequest[] = [];

  /** Names of those who hold it. */
  get holders(): readonly string[] {
    return [...this.#holders].map((holder) => holder.owner);
  }

  get isHeldAlone(): boolean {
    return [...this.#holders].some((holder) => holder.isExclusive);
  }

  share(owner: string, onGranted: () => void, onEnded: (() => void) | null = null): LockRequest {
    return this.#request(new LockRequest(false, owner, onGranted, onEnded));
  }

  /** Ends the sessions that hold it and may be ended; their names. */
  endHolders(): readonly string[] {
    const ended = [...this.#holders].filter((holder) => holder.onEnded !== null);
    for (const holder of ended) {
      holder.onEnded?.();
      this.release(holder);
    }
    return ended.map((holder) => holder.owner);
  }

  takeAlone(owner: string, onGranted: () => void): LockRequest {
    return this.#request(new LockRequest(true, owner, onGranted));
  }

  /** A planted fault: has the lock at once, with everybody else still in. */
  seize(owner: string, onGranted: () => void): LockRequest {
    const request = new LockRequest(true, owner, onGranted);
    this.#grant(request);
    return request;
  }

  /** Gives the lock back, or leaves the queue. */
  release(request: LockRequest): void {
    if (request.state === 'waiting') this.#queue = this.#queue.filter((other) => other !== request);
    this.#holders.delete(request);
    request.state = 'released';
    this.#admit();
  }

  #request(request: LockRequest): LockRequest {
    this.#queue.push(request);
    this.#admit();
    return request;
  }

  #admit(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (next.isExclusive ? this.#holders.size > 0 : this.isHeldAlone) return;
      this.#queue.shift();
      this.#grant(next);
    }
  }

  #grant(request: LockRequest): void {
    request.state = 'granted';
    this.#holders.add(request);
    request.onGranted();
  }
}
