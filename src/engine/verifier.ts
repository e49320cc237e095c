/** Proves that source and shadow hold the same rows, chunk by chunk, while both change (rule 14). */

import type { ChangeApplier } from './change-applier.ts';
import type { ChangeReceiver } from './change-receiver.ts';
import { type Chunk, Chunker, type ChunkerParts } from './chunker.ts';
import { MigrationError } from './errors.ts';
import type { KeyRange, RowKey, VerificationProgress } from './model.ts';
import type { RowWriter } from './ports.ts';
import { retry, type RetryContext } from './retry.ts';
import { Condition, runTogether } from './tasks.ts';
import type { Done, Throttler } from './throttler.ts';

/** Keys of one range that are judged one by one; a range with more is compared again as a whole. */
const KEYS_PER_RANGE_MAX = 1000;
/** Rounds in which a difference may turn out to be a change in flight. */
const ROUNDS_MAX = 8;
/** Rows that may be repaired in all before the tables count as different. */
const REPAIRS_MAX = 1000;
/** Keys that wait to be judged before ranges are compared no further. */
const SUSPECTS_MAX = 2 * KEYS_PER_RANGE_MAX;
/** Whole passes, the last of which must find nothing. */
const PASSES_MAX = 4;

export interface VerifierParts extends ChunkerParts {
  readonly receiver: ChangeReceiver;
  readonly applier: ChangeApplier;
  readonly throttler: Throttler;
}

export const NOTHING_VERIFIED: VerificationProgress = {
  pass: 1,
  verifiedThrough: null,
  rowsCompared: 0,
  repairedInPass: 0,
  repairedTotal: 0,
  isClean: false,
};

/** A range that differed, and its keys that did. */
interface Suspected {
  readonly chunk: Chunk;
  readonly rows: number;
  readonly durationMs: number;
  readonly keys: readonly RowKey[];
}

/**
 * A pass compares every range. A range that differs is drilled down to its keys. These are judged beside the next comparisons,
 * those of several ranges together, for a judgement mostly waits: fence, a flush picked behind it, compare again; if it still
 * differs, receive up to a new fence, and only a key of which no change came in since that pick is a real difference. Real
 * differences are repaired by reading the row again, and the pass is repeated, until a whole pass finds none. Keys that kept
 * changing stay open and are compared under the cutover lock.
 */
export class Verifier {
  readonly #parts: VerifierParts;
  readonly #context: RetryContext;
  readonly #open: Set<RowKey>;
  readonly #changed = new Condition();
  #suspected: readonly Suspected[] = [];
  #chunker: Chunker;
  #progress: VerificationProgress;

  constructor(parts: VerifierParts, progress: VerificationProgress, context: RetryContext) {
    this.#parts = parts;
    this.#context = context;
    this.#progress = progress;
    this.#open = new Set(progress.open);
    this.#chunker = new Chunker(parts, progress.verifiedThrough, context);
  }

  get progress(): VerificationProgress {
    const verifiedThrough = this.#progress.isClean ? null : this.#chunker.finishedThrough;
    return { ...this.#progress, verifiedThrough, open: [...this.#open] };
  }

  /** Whether anything was compared, by this run or one before it: what was found is to be followed to its end. */
  get hasBegun(): boolean {
    const { pass, rowsCompared, verifiedThrough } = this.progress;
    return pass > 1 || rowsCompared > 0 || verifiedThrough !== null;
  }

  /**
   * Runs passes until one is clean, or until `mayGoOn` says no: then no further range is begun, and another call goes on from there.
   * Runs only when copying has ended, so that no key is held back.
   */
  async run(signal: AbortSignal, mayGoOn: () => boolean = () => true): Promise<void> {
    while (!this.#progress.isClean) {
      await this.#pass(mayGoOn, signal);
      if (!this.#chunker.isComplete) return;
      const { pass, repairedInPass, rowsCompared, repairedTotal } = this.#progress;
      if (repairedInPass === 0) {
        this.#progress = { ...this.#progress, isClean: true };
        this.#context.observer({ kind: 'verification-passed', pass, rows: rowsCompared, repaired: repairedTotal });
        return;
      }
      if (pass >= PASSES_MAX)
        throw this.#differenceError(`${repairedInPass} rows differed again in pass ${pass}, after repair`);
      this.#begin(pass + 1);
    }
  }

  #begin(pass: number): void {
    this.#progress = { ...NOTHING_VERIFIED, pass, repairedTotal: this.#progress.repairedTotal };
    this.#open.clear();
    this.#chunker = new Chunker(this.#parts, null, this.#context);
  }

  /** Forgets what was compared, so that `run` compares everything once more. What was repaired before goes on counting. */
  restart(): void {
    this.#begin(1);
  }

  /** Under the cutover lock, after the last flush: what stayed open must agree now. One repair is allowed. */
  async settle(locked: RowWriter, reApply: (keys: readonly RowKey[]) => Promise<void>, signal: AbortSignal): Promise<void> {
    const differing = await differingKeys(locked, [...this.#open], signal);
    if (differing.length === 0) return;
    this.#noteDifferences(differing);
    await reApply(differing);
    const still = await differingKeys(locked, differing, signal);
    if (still.length > 0) throw this.#differenceError(`rows differ under the cutover lock: ${this.#describe(still)}`);
  }

  async #pass(mayGoOn: () => boolean, signal: AbortSignal): Promise<void> {
    const state = { isCompared: false };
    const verifyNext = async (inner: AbortSignal): Promise<Done | null> => {
      while (this.#suspectedKeys > SUSPECTS_MAX) await this.#changed.changed(inner);
      if (!mayGoOn()) return null;
      const chunk = await this.#chunker.next(inner);
      return chunk === null ? null : await this.#verify(chunk, inner);
    };
    const compare = async (inner: AbortSignal): Promise<void> => {
      await this.#parts.throttler.work(verifyNext, inner);
      state.isCompared = true;
      this.#changed.notify();
    };
    const judge = async (inner: AbortSignal): Promise<void> => {
      for (;;) {
        while (this.#suspected.length === 0 && !state.isCompared) await this.#changed.changed(inner);
        if (this.#suspected.length === 0) return;
        await this.#judgeSuspected(inner);
      }
    };
    await runTogether([compare, judge], signal);
  }

  async #verify(chunk: Chunk, signal: AbortSignal): Promise<Done> {
    const startedAt = this.#context.clock.now();
    const comparison = await this.#compareRange(chunk.range, signal);
    const durationMs = this.#context.clock.now() - startedAt;
    const busyMs = this.#parts.receiver.smallWrite.beyond(durationMs);
    this.#parts.size.observe(chunk.limitRows, comparison.sourceRows, busyMs);
    const compared = { chunk, rows: comparison.sourceRows, durationMs };
    const done = { rows: comparison.sourceRows, busyMs };
    if (comparison.isEqual) {
      this.#finish(compared, true);
      return done;
    }
    const { differing } = comparison;
    const isFew = differing !== undefined && differing.length <= KEYS_PER_RANGE_MAX;
    const keys = isFew ? differing : await this.#findSuspects(chunk.range, signal);
    this.#suspected = [...this.#suspected, { ...compared, keys }];
    this.#changed.notify();
    return done;
  }

  #finish({ chunk, rows, durationMs }: Omit<Suspected, 'keys'>, isEqual: boolean): void {
    this.#chunker.finish(chunk, rows);
    this.#progress = { ...this.#progress, rowsCompared: this.#progress.rowsCompared + rows };
    this.#context.observer({ kind: 'range-verified', rows, durationMs, isEqual });
  }

  /** None where the range turned out to be equal. */
  async #findSuspects(range: KeyRange, signal: AbortSignal): Promise<readonly RowKey[]> {
    for (let round = 1; round <= ROUNDS_MAX; round++) {
      const limit = KEYS_PER_RANGE_MAX + 1;
      const keys = await retry(
        'finding differences',
        () => this.#parts.pair.findDifferences(range, limit, signal),
        this.#context,
        signal,
      );
      if (keys.length <= KEYS_PER_RANGE_MAX) return keys;
      await this.#parts.receiver.passFence(signal);
      await this.#parts.applier.flushPickedAfterNow(signal);
      if ((await this.#compareRange(range, signal)).isEqual) return [];
    }
    throw this.#differenceError(`more than ${KEYS_PER_RANGE_MAX} rows of one range differ`);
  }

  /** All that wait to be. They count as waiting until they have been judged. */
  async #judgeSuspected(signal: AbortSignal): Promise<void> {
    const judged = [...this.#suspected];
    await this.#judge([...new Set(judged.flatMap(({ keys }) => keys))], signal);
    this.#suspected = this.#suspected.slice(judged.length);
    for (const suspected of judged) this.#finish(suspected, false);
    this.#changed.notify();
  }

  get #suspectedKeys(): number {
    return this.#suspected.reduce((sum, { keys }) => sum + keys.length, 0);
  }

  async #judge(suspects: readonly RowKey[], signal: AbortSignal): Promise<void> {
    const { receiver, applier, pair } = this.#parts;
    const watched = new Set(suspects);
    let open = suspects;
    receiver.watch(suspects);
    try {
      for (let round = 1; round <= ROUNDS_MAX && open.length > 0; round++) {
        await receiver.passFence(signal);
        const pick = await applier.flushPickedAfterNow(signal);
        open = await retry('comparing rows', () => differingKeys(pair, open, signal), this.#context, signal);
        if (open.length === 0) return;
        await receiver.passFence(signal);
        const real = open.filter((key) => !receiver.hasChangedSincePick(key, pick));
        if (real.length > 0) await this.#repair(real, signal);
        open = open.filter((key) => receiver.hasChangedSincePick(key, pick));
        // A row that has been spelled anew since goes on under its new key, whose changes were not watched so far.
        const respelled = open.filter((key) => !watched.has(key));
        receiver.watch(respelled);
        for (const key of respelled) watched.add(key);
      }
    } finally {
      receiver.unwatch([...watched]);
    }
    for (const key of open) this.#open.add(key);
  }

  async #repair(keys: readonly RowKey[], signal: AbortSignal): Promise<void> {
    this.#noteDifferences(keys);
    if (this.#progress.repairedTotal > REPAIRS_MAX) {
      throw this.#differenceError(`more than ${REPAIRS_MAX} rows differ, among them ${this.#describe(keys)}`);
    }
    this.#parts.applier.reRead(keys);
    await this.#parts.applier.flushPickedAfterNow(signal);
  }

  #noteDifferences(keys: readonly RowKey[]): void {
    const { pass, repairedInPass, repairedTotal } = this.#progress;
    this.#progress = {
      ...this.#progress,
      repairedInPass: repairedInPass + keys.length,
      repairedTotal: repairedTotal + keys.length,
    };
    this.#context.observer({ kind: 'difference-found', keys: keys.map((key) => this.#parts.pair.describeKey(key)), pass });
  }

  async #compareRange(range: KeyRange, signal: AbortSignal) {
    return await retry('comparing a range', () => this.#parts.pair.compareRange(range, signal), this.#context, signal);
  }

  #describe(keys: readonly RowKey[]): string {
    const shown = keys.slice(0, 5).map((key) => this.#parts.pair.describeKey(key));
    return keys.length > shown.length ? `${shown.join('; ')} and ${keys.length - shown.length} more` : shown.join('; ');
  }

  #differenceError(what: string): MigrationError {
    return new MigrationError('TABLES_DIFFER', `Source and shadow differ: ${what}. The tables were not swapped.`);
  }
}

/** The keys that differ, in statements of the writer's size. */
async function differingKeys(writer: RowWriter, keys: readonly RowKey[], signal: AbortSignal): Promise<readonly RowKey[]> {
  const differing: RowKey[] = [];
  for (let start = 0; start < keys.length; start += writer.keysPerStatement) {
    differing.push(...(await writer.findDifferingRows(keys.slice(start, start + writer.keysPerStatement), signal)));
  }
  return differing;
}
