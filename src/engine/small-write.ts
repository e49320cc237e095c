/** What a write of next to nothing takes at present: the way to the server and back, and a commit. */

import { quantile } from './quantile.ts';

/** So many are looked at. */
const RECENT = 16;
/** A quarter of them took no longer: the others may have met a chunk, and what that adds is the chunk's. */
const UNDISTURBED = 0.25;
/** No way is longer, milliseconds: then the server was held up, as by a backup that locks all tables. */
const MAX_MS = 1000;
/** What the rows of a chunk take at least, milliseconds. */
const ROWS_MIN_MS = 1;

/**
 * A chunk takes as long, however few rows it has: on a server that is far away more than its rows do. It is what its rows take that an
 * application feels and that a smaller chunk would shorten.
 */
export class SmallWrite {
  #recent: readonly number[] = [];

  /** Takes in what one has taken, milliseconds. */
  observe(ms: number): void {
    this.#recent = [...this.#recent, ms].slice(-RECENT);
  }

  /** What of a chunk's time, milliseconds, its rows took. */
  beyond(chunkMs: number): number {
    return Math.max(ROWS_MIN_MS, chunkMs - Math.min(quantile(this.#recent, UNDISTURBED), MAX_MS));
  }
}
