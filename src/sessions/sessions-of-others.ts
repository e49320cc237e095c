/** How busy the sessions of applications are, from who is in a transaction at the moments at which it is looked. */

import type { Clock } from '../engine/ports.ts';

/** Looks further back than that hardly count. */
const MEMORY_MS = 20_000;
/** What is held to be so at first, and the looks at a session that this counts. */
const AT_FIRST = { busy: 0.2, looks: 8 } as const;
/** Up to that share of the time they are idle; from that share on a worker rests so many times as long as it worked. */
const [idleUpTo, busyFrom, restWhileBusy] = [0.2, 0.4, 3];

/** One look at the sessions of others that were at work of late. */
export interface SessionsSeen {
  readonly count: number;
  /** Of them, those in a transaction at that moment. */
  readonly inTransaction: number;
}

/** A single look at four sessions says next to nothing, so it is the mean of some twenty. */
export class SessionsOfOthers {
  readonly #clock: Pick<Clock, 'now'>;
  #looks: number = AT_FIRST.looks;
  #busyLooks: number = AT_FIRST.looks * AT_FIRST.busy;
  #lookedAt: number;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#lookedAt = clock.now();
  }

  see({ count, inTransaction }: SessionsSeen): void {
    const now = this.#clock.now();
    const kept = Math.exp((this.#lookedAt - now) / MEMORY_MS);
    this.#looks = this.#looks * kept + count;
    this.#busyLooks = this.#busyLooks * kept + inTransaction;
    this.#lookedAt = now;
  }

  /** The share of the time in which one of them is in a transaction, 0 to 1. */
  get busy(): number {
    return this.#looks < 1 ? 0 : this.#busyLooks / this.#looks;
  }

  /** So many times as long as it worked a worker rests, from `whileIdle` on. Measured: docs/decisions/workers-and-latency.md. */
  restRatio(whileIdle: number): number {
    const way = Math.min(1, Math.max(0, (this.busy - idleUpTo) / (busyFrom - idleUpTo)));
    return whileIdle + way * (restWhileBusy - whileIdle);
  }
}
