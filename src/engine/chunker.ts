/** Walks the source in key order and hands out adjoining ranges; knows which contiguous prefix of them is finished. */

import type { ChunkSize } from './chunk-size.ts';
import type { KeyRange, RowKey } from './model.ts';
import type { KeySpan, TablePair } from './ports.ts';
import { retry, type RetryContext } from './retry.ts';
import { Turnstile } from './tasks.ts';

/**
 * The share of the values from one key to another that rows must have, for the end of a chunk to be computed. The next chunk may then
 * have four times as many rows as were wanted, where they lie closer.
 */
const DENSITY_MIN = 0.25;

/** A range that was handed out. `limitRows` is how many rows were wanted: about so many where its end was computed, else at most. */
export interface Chunk {
  readonly number: number;
  readonly range: KeyRange;
  readonly limitRows: number;
}

export interface ChunkerParts {
  readonly pair: TablePair;
  readonly size: ChunkSize;
  /** Null where keys are no numbers. */
  readonly keySpan: () => KeySpan | null;
}

/**
 * The last range is open to infinity, so rows that are inserted behind the end while it is copied are in a range too (rule 9).
 * Ranges are handed out one at a time, in key order; they may finish in any order.
 *
 * The server is asked where a range ends, unless keys are numbers that lie close: then the end is computed from how close they lay in
 * the chunk that finished last. Gaps, and what lies behind the last key that was there at the beginning, are asked for.
 */
export class Chunker {
  readonly #pair: TablePair;
  readonly #size: ChunkSize;
  readonly #keySpan: () => KeySpan | null;
  readonly #context: RetryContext;
  readonly #turnstile = new Turnstile();
  readonly #finished = new Map<number, KeyRange>();
  #after: RowKey | null;
  #isAllHandedOut = false;
  #handedOut = 0;
  #prefixCount = 0;
  #prefixThrough: RowKey | null;
  #isComplete = false;
  /** Rows for each value of the key, in the chunk that finished last. */
  #density = 0;

  /** Begins behind `after`; null: at the very first row. */
  constructor({ pair, size, keySpan }: ChunkerParts, after: RowKey | null, context: RetryContext) {
    this.#pair = pair;
    this.#size = size;
    this.#keySpan = keySpan;
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
      const through = this.#computeEnd(after, limitRows) ?? (await this.#findEnd(after, limitRows, signal));
      this.#after = through;
      this.#isAllHandedOut = through === null;
      return { number: this.#handedOut++, range: { after, through }, limitRows };
    });
  }

  /** Takes note that a range is done. `rows`: how many it had at least; null where nobody counted them. */
  finish(chunk: Chunk, rows: number | null): void {
    this.#observeDensity(chunk.range, rows);
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

  async #findEnd(after: RowKey | null, limitRows: number, signal: AbortSignal): Promise<RowKey | null> {
    const find = (): Promise<RowKey | null> => this.#pair.findChunkEnd(after, limitRows, signal);
    return await retry('finding the end of a chunk', find, this.#context, signal);
  }

  /** Null where it must be asked for. A range has no more rows than values, so never more than the most that a chunk may have. */
  #computeEnd(after: RowKey | null, limitRows: number): RowKey | null {
    const span = this.#keySpan();
    if (after === null || span === null || this.#density < DENSITY_MIN) return null;
    const values = Math.min(Math.round(limitRows / this.#density), this.#size.rowsMax);
    const end = span.valueOf(after) + BigInt(values);
    return end < span.last ? span.keyAt(end) : null;
  }

  #observeDensity({ after, through }: KeyRange, rows: number | null): void {
    const span = this.#keySpan();
    if (after === null || through === null || span === null || rows === null) return;
    this.#density = rows / Number(span.valueOf(through) - span.valueOf(after));
  }
}
