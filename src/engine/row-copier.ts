/** Copies the existing rows, several chunks at a time, without a lock on the source. */

import type { ChangeApplier } from './change-applier.ts';
import type { ChangeReceiver } from './change-receiver.ts';
import type { ChunkSize } from './chunk-size.ts';
import type { Chunk, Chunker } from './chunker.ts';
import type { TablePair } from './ports.ts';
import type { RangesInFlight } from './ranges-in-flight.ts';
import { retry, type RetryContext } from './retry.ts';
import type { Done, Throttler } from './throttler.ts';

/** After a collision this many chunks leave out existing rows from the first try on: rows that changed are often neighbours. */
const CAREFUL_CHUNKS = 8;

export interface RowCopierParts {
  readonly pair: TablePair;
  readonly chunker: Chunker;
  readonly size: ChunkSize;
  readonly ranges: RangesInFlight;
  readonly applier: ChangeApplier;
  readonly receiver: ChangeReceiver;
  readonly throttler: Throttler;
}

/**
 * A chunk goes: register its range and remember the flush that runs (one tick) → wait for that flush's barrier → copy in one
 * statement → deregister when the outcome is known (rule 3). A chunk that meets rows already there leaves out those with an
 * equal migration key; one that still collides gives its keys to the applier and is finished when these are in the shadow.
 */
export class RowCopier {
  readonly #parts: RowCopierParts;
  readonly #context: RetryContext;
  #rowsCopied: number;
  #rowsUnderWay = 0;
  #carefulChunks = 0;

  /** `isResumed`: the shadow may hold rows of a predecessor beyond the finished prefix. */
  constructor(parts: RowCopierParts, rowsCopied: number, isResumed: boolean, context: RetryContext) {
    this.#parts = parts;
    this.#context = context;
    this.#rowsCopied = rowsCopied;
    this.#carefulChunks = isResumed ? CAREFUL_CHUNKS : 0;
  }

  get rowsCopied(): number {
    return this.#rowsCopied;
  }

  /** About so many are being copied. */
  get rowsUnderWay(): number {
    return this.#rowsUnderWay;
  }

  /** Copies until every range is finished. */
  async run(signal: AbortSignal): Promise<void> {
    const copyNext = async (inner: AbortSignal): Promise<Done | null> => {
      const chunk = await this.#parts.chunker.next(inner);
      return chunk === null ? null : await this.#copy(chunk, inner);
    };
    await this.#parts.throttler.work(copyNext, signal);
  }

  async #copy(chunk: Chunk, signal: AbortSignal): Promise<Done> {
    const { ranges, applier, receiver, chunker, size } = this.#parts;
    ranges.register(chunk.range);
    const flush = applier.running;
    let startedAt = 0;
    let rows: number | 'handed over';
    try {
      if (flush !== null) await applier.barrierPassed(flush, signal);
      startedAt = this.#context.clock.now();
      this.#rowsUnderWay += chunk.limitRows;
      rows = await this.#copyRange(chunk, signal).finally(() => {
        this.#rowsUnderWay -= chunk.limitRows;
      });
    } finally {
      ranges.deregister(chunk.range);
    }
    const durationMs = this.#context.clock.now() - startedAt;
    const busyMs = receiver.smallWrite.beyond(durationMs);
    if (rows === 'handed over') {
      await applier.flushPickedAfterNow(signal);
    } else {
      this.#rowsCopied += rows;
      size.observe(chunk.limitRows, rows, busyMs);
    }
    chunker.finish(chunk, rows === 'handed over' ? null : rows);
    const copied = rows === 'handed over' ? 0 : rows;
    this.#context.observer({ kind: 'chunk-copied', rows: copied, durationMs, isCollided: rows === 'handed over' });
    return { rows: copied, busyMs };
  }

  async #copyRange(chunk: Chunk, signal: AbortSignal): Promise<number | 'handed over'> {
    const { pair, applier } = this.#parts;
    const isCareful = this.#carefulChunks > 0;
    if (isCareful) this.#carefulChunks -= 1;
    const copy = (existing: 'collide' | 'skip') => async (attempt: number) =>
      // A repetition may meet the rows of a try whose outcome was lost.
      await pair.copyRange(chunk.range, attempt > 1 ? 'skip' : existing, signal);
    const first = await retry('copying a chunk', copy(isCareful ? 'skip' : 'collide'), this.#context, signal);
    if (first.kind === 'copied') return first.rows;
    this.#carefulChunks = CAREFUL_CHUNKS;
    const second = await retry('copying a chunk', copy('skip'), this.#context, signal);
    if (second.kind === 'copied') return second.rows;
    const keys = await retry(
      'reading the keys of a chunk',
      () => pair.findSourceKeys(chunk.range, signal),
      this.#context,
      signal,
    );
    applier.reRead(keys);
    return 'handed over';
  }
}
