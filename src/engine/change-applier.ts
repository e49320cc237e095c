/** Brings changed rows up to date in the shadow: one flush at a time, each behind its visibility barrier (rules 4 to 9). */

import type { PendingChange } from './change-map.ts';
import { older } from './change-map.ts';
import type { ChangeReceiver } from './change-receiver.ts';
import { assert, MigrationError } from './errors.ts';
import type { KeyRange, Position, RowKey } from './model.ts';
import type { RowWriter, TablePair } from './ports.ts';
import type { RangesInFlight } from './ranges-in-flight.ts';
import { retry, type RetryContext } from './retry.ts';
import { type Condition, forEachParallel } from './tasks.ts';

/**
 * So many statements' worth of keys are flushed at once; fewer wait for more, for at most the flush interval. Each of a backlog's hot
 * keys is then written a few times a second, not whenever one statement is full of them.
 */
const FULL_STATEMENTS = 4;
/** Rounds in a row in which a row still collides and nothing new is found in its way, before the migration stops. */
const FRUITLESS_ROUNDS_MAX = 25;

export interface ApplierOptions {
  readonly applyWorkers: number;
  /** Pause between flushes while little is pending and nobody waits, milliseconds. Bounds both lag and the number of small statements. */
  readonly flushIntervalMs: number;
}

/** A flush that runs now. */
export interface RunningFlush {
  readonly number: number;
  hasPassedBarrier: boolean;
}

interface Pick {
  readonly entries: ReadonlyMap<RowKey, PendingChange>;
  readonly position: Position;
  readonly reach: Position;
  readonly inFlight: ReadonlySet<KeyRange>;
  readonly flush: RunningFlush;
}

/**
 * A flush goes: pick (in one tick: map, position, reach, ranges in flight) → hold back keys of ranges in flight, or wait for
 * these ranges where the key order is not known → barrier: everything up to `reach` is visible → discard keys that a later
 * chunk will read → delete keys of the batch from the shadow → insert those that are not deletes → position moves on,
 * not past a key that was held back. A chunk that registers while a flush runs waits for that flush's barrier.
 *
 * Where the server changes rows in place, keys that were written and not deleted are neither deleted nor inserted but upserted, for
 * half of the price. What collides in that goes the usual way. A row that is gone by then stays until its delete comes by.
 */
export class ChangeApplier {
  readonly #receiver: ChangeReceiver;
  readonly #ranges: RangesInFlight;
  readonly #pair: TablePair;
  readonly #options: ApplierOptions;
  readonly #context: RetryContext;
  /** Shared with the receiver: what it takes in is news for the flusher too. */
  readonly #changed: Condition;
  #running: RunningFlush | null = null;
  #isHeld = false;
  #finishedNumber = 0;
  #demandedNumber = 0;
  /** What went in through the session of a cutover, whose transaction may still be undone. */
  #undecided: ReadonlyMap<RowKey, PendingChange>[] = [];
  #applied: Position;
  #keysApplied = 0;
  /** Keys that the last flush put back: another one at once would only do so again. */
  #keysHeldBack = 0;

  constructor(
    parts: { receiver: ChangeReceiver; ranges: RangesInFlight; pair: TablePair },
    options: ApplierOptions,
    context: RetryContext,
  ) {
    this.#receiver = parts.receiver;
    this.#changed = parts.receiver.progressed;
    this.#ranges = parts.ranges;
    this.#pair = parts.pair;
    this.#options = options;
    this.#context = context;
    this.#applied = parts.receiver.received;
  }

  /** Everything up to here is in the shadow, except rows that were in the way of others: what changed them is still to come. */
  get applied(): Position {
    return this.#applied;
  }

  get keysApplied(): number {
    return this.#keysApplied;
  }

  /** The flush that runs at this moment, for a chunk that registers now. */
  get running(): RunningFlush | null {
    return this.#running;
  }

  /** Resolves once that flush has passed its barrier (rule 3: that flush, not whichever runs). */
  async barrierPassed(flush: RunningFlush, signal: AbortSignal): Promise<void> {
    const hasPassed = (): boolean => flush.hasPassedBarrier;
    while (!hasPassed()) await this.#changed.becomes(hasPassed, signal);
  }

  /** Hands keys over to be read again, in this tick. They are in the shadow once a flush picked after this has finished. */
  reRead(keys: readonly RowKey[]): void {
    for (const key of keys) this.#receiver.map.addReRead(key);
    this.#changed.notify();
  }

  /** Demands a flush that is picked after this call, waits until it has finished, and says its number. */
  async flushPickedAfterNow(signal: AbortSignal): Promise<number> {
    const number = (this.#running?.number ?? this.#finishedNumber) + 1;
    this.#demandedNumber = Math.max(this.#demandedNumber, number);
    this.#changed.notify();
    const hasFinished = (): boolean => this.#finishedNumber >= number;
    while (!hasFinished()) await this.#changed.becomes(hasFinished, signal);
    return number;
  }

  /** Flushes whenever something is there, until the signal aborts. */
  async flushContinuously(signal: AbortSignal): Promise<void> {
    const isWanted = (): boolean => !this.#isHeld && this.#hasWork();
    for (;;) {
      while (!isWanted()) await this.#changed.becomes(isWanted, signal);
      await this.#flushOnce(this.#pair, signal);
      if (!this.#isUrgent()) await this.#rest(signal);
    }
  }

  /** Stops flushing and waits until none runs (rule 12). */
  async hold(signal: AbortSignal): Promise<void> {
    this.#isHeld = true;
    const isIdle = (): boolean => this.#running === null;
    while (!isIdle()) await this.#changed.becomes(isIdle, signal);
  }

  /** Goes on after a cutover attempt that did not swap: what its drain wrote may have been undone with it. */
  release(): void {
    // The newest first: what is in the map already decides.
    for (const entries of this.#undecided.splice(0).toReversed()) this.#putBack(entries);
    this.#isHeld = false;
    this.#changed.notify();
  }

  /**
   * Flushes through the session of a cutover, while held, until nothing is pending. The position stays, because only the swap makes
   * what was written last.
   */
  async flushAll(locked: RowWriter, signal: AbortSignal): Promise<void> {
    do await this.#flushOnce(locked, signal);
    while (this.#receiver.map.size > 0);
  }

  async #flushOnce(writer: RowWriter, signal: AbortSignal): Promise<void> {
    const pick = this.#pick();
    try {
      const heldFrom = await this.#flush(pick, writer, signal);
      const limit = older(pick.position, heldFrom) ?? pick.position;
      if (writer !== this.#pair) this.#undecided.push(pick.entries);
      else if (limit.order > this.#applied.order) this.#applied = limit;
      this.#finishedNumber = pick.flush.number;
    } catch (error) {
      // The next flush, if there is one, must find them again: the drain of a failed cutover attempt is one that goes on.
      this.#putBack(pick.entries);
      throw error;
    } finally {
      this.#running = null;
      this.#changed.notify();
    }
  }

  #putBack(entries: ReadonlyMap<RowKey, PendingChange>): void {
    for (const [key, entry] of entries) this.#receiver.map.putBack(key, entry);
  }

  /** In one tick (rule 4). */
  #pick(): Pick {
    const flush: RunningFlush = { number: this.#receiver.countPick(), hasPassedBarrier: false };
    this.#running = flush;
    const pick: Pick = {
      entries: this.#receiver.map.take(),
      position: this.#receiver.received,
      reach: this.#receiver.reach,
      inFlight: this.#ranges.snapshot(),
      flush,
    };
    this.#changed.notify();
    return pick;
  }

  /** Says the oldest place to resume of the keys that were held back, or null. */
  async #flush(pick: Pick, writer: RowWriter, signal: AbortSignal): Promise<Position | null> {
    const held = this.#pair.compareKeys === undefined ? null : this.#holdBack(pick);
    this.#keysHeldBack = held === null ? 0 : pick.entries.size - held.free.size;
    if (held === null) await this.#ranges.ended(pick.inFlight, signal);
    const batch = held?.free ?? pick.entries;
    if (pick.entries.size > 0) await this.#awaitVisible(pick.reach, signal);
    pick.flush.hasPassedBarrier = true;
    this.#changed.notify();
    const keys = [...batch.keys()].filter((key) => batch.get(key)?.kind === 're-read' || !this.#ranges.isAboveWatermark(key));
    const startedAt = this.#context.clock.now();
    const rowsInTheWay = await this.#bringUpToDate(keys, batch, writer, signal);
    if (keys.length > 0) {
      this.#keysApplied += keys.length;
      this.#context.observer({
        kind: 'changes-applied',
        keys: keys.length,
        durationMs: this.#context.clock.now() - startedAt,
        rowsInTheWay,
      });
    }
    return held?.heldFrom ?? null;
  }

  /** Puts the keys of ranges in flight back into the map. */
  #holdBack(pick: Pick): { readonly free: ReadonlyMap<RowKey, PendingChange>; readonly heldFrom: Position | null } {
    if (pick.inFlight.size === 0) return { free: pick.entries, heldFrom: null };
    const free = new Map<RowKey, PendingChange>();
    let heldFrom: Position | null = null;
    for (const [key, entry] of pick.entries) {
      if (this.#ranges.isOutside(key, pick.inFlight)) {
        free.set(key, entry);
      } else {
        this.#receiver.map.putBack(key, entry);
        heldFrom = older(heldFrom, entry.resumeFrom);
      }
    }
    return { free, heldFrom };
  }

  async #awaitVisible(reach: Position, signal: AbortSignal): Promise<void> {
    await retry('waiting for visibility', () => this.#receiver.stream.awaitVisible(reach, signal), this.#context, signal);
  }

  /** Delete phase, wholly before the insert phase (rule 7), and rows in place behind both. Says how many shadow rows were in the way. */
  async #bringUpToDate(
    keys: readonly RowKey[],
    batch: ReadonlyMap<RowKey, PendingChange>,
    writer: RowWriter,
    signal: AbortSignal,
  ): Promise<number> {
    const workers = writer === this.#pair ? this.#options.applyWorkers : 1;
    const each = (some: readonly RowKey[], work: (part: readonly RowKey[], inner: AbortSignal) => Promise<void>) =>
      forEachParallel(parts(some, writer.keysPerStatement), workers, work, signal);
    const collided: (readonly RowKey[])[] = [];
    const deleteAll = (some: readonly RowKey[]) => each(some, (part, inner) => this.#delete(part, writer, inner));
    const insertAll = (some: readonly RowKey[]) =>
      each(some, async (part, inner) => {
        if ((await this.#insert(part, writer, inner)) === 'collided') collided.push(part);
      });
    const upsertRows = writer.upsertRows?.bind(writer);
    const isUpserted = (key: RowKey): boolean => upsertRows !== undefined && batch.get(key)?.kind === 'upsert';
    const replaced = keys.filter((key) => !isUpserted(key));
    await deleteAll(replaced);
    await insertAll(replaced.filter((key) => batch.get(key)?.kind !== 'delete'));
    if (upsertRows !== undefined) {
      const refused: RowKey[] = [];
      await each(keys.filter(isUpserted), async (part, inner) => {
        // A repetition after an unknown outcome changes its own rows.
        const upsert = (): ReturnType<typeof upsertRows> => upsertRows(part, inner);
        if ((await this.#attempt('changing rows in place', writer, upsert, inner)) === 'collided') refused.push(...part);
      });
      await deleteAll(refused);
      await insertAll(refused);
    }
    let cleared = 0;
    // One after the other: a part may take out rows of another.
    for (const part of collided) cleared += await this.#insertClearing(part, writer, signal);
    return cleared;
  }

  /**
   * Inserts a part that collided, or stops on true duplicates (rule 8). Shadow rows in the way are older than the source, or rows of the
   * part that another part of the flush has put in, having them in another spelling. They are taken out; the older ones are read again
   * by the next flush, which knows more of the changes that moved them. So rows that took over each
   * other's values, however many, are worked off by one flush after another, and none holds more of them than are in the way of
   * its own. A part that collides again meanwhile is halved: where values move all the time, a large one would do so each time. Says how
   * many were in the way.
   */
  async #insertClearing(part: readonly RowKey[], writer: RowWriter, signal: AbortSignal): Promise<number> {
    const own = new Set(part);
    const cleared = new Set<RowKey>();
    for (let fruitless = 0; fruitless <= FRUITLESS_ROUNDS_MAX; fruitless++) {
      const explain = () => writer.explainCollision(part, signal);
      const cause = await this.#attempt('explaining a collision', writer, explain, signal);
      if (cause.kind === 'duplicates') throw this.#duplicateError(cause);
      if (cause.keys.some((key) => !cleared.has(key))) fruitless = 0;
      for (const key of cause.keys) cleared.add(key);
      for (const key of cause.respelled ?? []) own.add(key);
      // Known to be read again before they are gone. Not the part's own, which it puts in: nothing that is still to come changed them.
      this.reRead(cause.keys.filter((key) => !own.has(key)));
      for (const some of parts(cause.keys, writer.keysPerStatement)) await this.#delete(some, writer, signal);
      if ((await this.#insert(part, writer, signal)) === 'inserted') return cleared.size;
      if (part.length > 1) return cleared.size + (await this.#insertHalves(part, writer, signal));
    }
    const [row] = part;
    assert(row !== undefined, 'a part that collides has a row');
    throw new MigrationError(
      'CHUNK_STUCK',
      `The changed row ${this.#pair.describeKey(row)} still collides under a unique key, and in ${FRUITLESS_ROUNDS_MAX} rounds nothing new was found in its way. Resume; if it persists, look at its unique values.`,
    );
  }

  /** One after the other, as whole parts. */
  async #insertHalves(part: readonly RowKey[], writer: RowWriter, signal: AbortSignal): Promise<number> {
    let inTheWay = 0;
    for (const half of parts(part, Math.ceil(part.length / 2))) {
      const hasCollided = (await this.#insert(half, writer, signal)) === 'collided';
      if (hasCollided) inTheWay += await this.#insertClearing(half, writer, signal);
    }
    return inTheWay;
  }

  #duplicateError(cause: {
    readonly index: string;
    readonly values: string;
    readonly rows: readonly [RowKey, RowKey];
  }): MigrationError {
    const [first, second] = cause.rows.map((key) => this.#pair.describeKey(key));
    return new MigrationError(
      'DUPLICATE_KEY',
      `The rows ${first} and ${second} both have the value ${cause.values} under the unique key ${cause.index}. Correct one of them, then resume; no row was lost.`,
    );
  }

  async #delete(keys: readonly RowKey[], writer: RowWriter, signal: AbortSignal): Promise<void> {
    await this.#attempt('deleting changed rows', writer, () => writer.deleteRows(keys, signal), signal);
  }

  /** A repetition after an unknown outcome meets its own rows; deleting them first makes it safe. */
  async #insert(keys: readonly RowKey[], writer: RowWriter, signal: AbortSignal): Promise<'inserted' | 'collided'> {
    const insert = async (attempt: number): Promise<'inserted' | 'collided'> => {
      if (attempt > 1) await writer.deleteRows(keys, signal);
      return await writer.insertRows(keys, signal);
    };
    return await this.#attempt('inserting changed rows', writer, insert, signal);
  }

  /** Retries through the pool; never through the locked session, whose loss ends the cutover attempt. */
  async #attempt<Result>(
    what: string,
    writer: RowWriter,
    work: (attempt: number) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    return writer === this.#pair ? await retry(what, work, this.#context, signal) : await work(1);
  }

  #hasWork(): boolean {
    return this.#isUrgent() || this.#receiver.map.size > 0 || this.#receiver.received.order > this.#applied.order;
  }

  #isUrgent(): boolean {
    return this.#demandedNumber > this.#finishedNumber;
  }

  /** Waits out the flush interval, unless somebody demands a flush or some statements' worth has come since the last one. */
  async #rest(signal: AbortSignal): Promise<void> {
    const isFull = (): boolean => this.#receiver.map.size - this.#keysHeldBack >= FULL_STATEMENTS * this.#pair.keysPerStatement;
    const isWanted = (): boolean => this.#isUrgent() || isFull();
    await this.#changed.becomesWithin(isWanted, this.#options.flushIntervalMs, this.#context.clock, signal);
  }
}

/** Slices of at most `size` items. */
function parts<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  const slices: (readonly Item[])[] = [];
  for (let start = 0; start < items.length; start += size) slices.push(items.slice(start, start + size));
  return slices;
}
