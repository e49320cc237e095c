/** Walks the source in key order and hands out adjoining ranges; knows which contiguous prefix of them is finished. */

import type { ChunkSize } from './chunk-size.ts';
import type { KeyRange, RowKey } from './model.ts';
import type { TablePair } from './ports.ts';
import { retry, type RetryContext } from './retry.ts';
import { Turnstile } from './tasks.ts';

/** A range that was handed out. `limitRows` is how many rows were asked for. */
export interface Chunk {
  readonly number: number;
  readonly range: KeyRange;
  readonly limitRows: number;
}

/**
 * The last range is open to infinity, so rows that are inserted behind the end while it is copied are in a range too (rule 9).
 * Ranges are handed out one at a time, in key order; they may finish in any order.
 */
export class Chunker {
  readonly #pair: TablePair;
  readonly #size: ChunkSize;
  readonly #context: RetryContext;
  readonly #turnstile = new Turnstile();
  readonly #finished = new Map<number, KeyRange>();
  #after: RowKey | null;
  #isAllHandedOut = false;
  #handedOut = 0;
  #prefixCount = 0;
  #prefixThrough: RowKey | null;
  #isComplete = false;

  /** Begins behind `after`; null: at the very first row. */
  constructor(pair: TablePair, size: ChunkSize, after: RowKey | null, context: RetryContext) {
    this.#pair = pair;
    this.#size = size;
    this.#after = after;
    this.#prefixThrough = after;
    this.#context = context;
  }

  /** End of the contiguous finished prefix, or null when there is none yet. */
  get finishedThrough(): RowKey | null {
    return this.#prefixThrough;
  }

  /** Whether every range to the open end is finished. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** The next range, or null when all are handed out. */
  async next(signal: AbortSignal): Promise<Chunk | null> {
    return await this.#turnstile.run(async () => {
      if (this.#isAllHandedOut) return null;
      const after = this.#after;
      const limitRows = this.#size.rows;
      const through = await retry(
        'finding the end of a chunk',
        () => this.#pair.findChunkEnd(after, limitRows, signal),
        this.#context,
        signal,
      );
      this.#after = through;
      this.#isAllHandedOut = through === null;
      return { number: this.#handedOut++, range: { after, through }, limitRows };
    });
  }

  /** Takes note that a range is done. */
  finish(chunk: Chunk): void {
    this.#finished.set(chunk.number, chunk.range);
    for (;;) {
      const range = this.#finished.get(this.#prefixCount);
      if (range === undefined) return;
      this.#finished.delete(this.#prefixCount);
      this.#prefixCount += 1;
      if (range.through === null) this.#isComplete = true;
      else this.#prefixThrough = range.through;
    }
  }
}
