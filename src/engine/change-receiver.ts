/** Takes the changes out of the stream, at our own pace, and knows how far it has come. */

import { ChangeMap } from './change-map.ts';
import { MigrationError } from './errors.ts';
import type { Fence, Position, RowKey } from './model.ts';
import type { ChangeStream } from './ports.ts';
import { retry, type RetryContext } from './retry.ts';
import { SmallWrite } from './small-write.ts';
import { Condition } from './tasks.ts';

/**
 * Batches that are small are pulled after a rest: whoever waits for a change waits for the next flush anyway, and each batch wakes
 * the process. So many changes in one batch are no small one: a backlog is read without rests.
 */
const REST_MS = 50;
const REST_CHANGES_MAX = 500;

export interface ReceiverOptions {
  /** Keys waiting to be applied beyond which nothing more is pulled from the stream. The bound on our memory. */
  readonly pendingKeysMax: number;
  /** For how long nothing may come out of the stream while a committed fence is waited for, milliseconds. */
  readonly fenceTimeoutMs: number;
  /** The table counts as not written when no change of it has come for so long, milliseconds. */
  readonly quietAfterMs: number;
}

/**
 * The receiving end of one change stream. `pull` runs from the first read of the source until the swap; the applier takes the
 * map. All state changes in one tick a batch, and `progressed` tells of it.
 */
export class ChangeReceiver {
  readonly stream: ChangeStream;
  readonly map = new ChangeMap();
  readonly progressed = new Condition();
  readonly smallWrite = new SmallWrite();
  readonly #options: ReceiverOptions;
  readonly #context: RetryContext;
  /** Per watched key, the number of picks that had been taken when its last change came in. */
  readonly #watched = new Map<RowKey, number>();
  #received: Position;
  #reach: Position;
  #fence: Fence | null = null;
  #picks = 0;
  #changedAt = Number.NEGATIVE_INFINITY;
  /** When the stream has given something, or was asked again after it had to wait for us. */
  #heardAt: number;
  #isPulling = true;
  /** Those who wait for a fence. */
  #fencesAwaited = 0;

  constructor(stream: ChangeStream, options: ReceiverOptions, context: RetryContext) {
    this.stream = stream;
    this.#options = options;
    this.#context = context;
    this.#received = stream.start;
    this.#reach = stream.start;
    this.#heardAt = context.clock.now();
  }

  /** Behind the last wholly received transaction. */
  get received(): Position {
    return this.#received;
  }

  /** Just behind the last transaction of which anything was received; at least the start (rule 1). */
  get reach(): Position {
    return this.#reach;
  }

  /** Whether an application writes the table at present: whether a change of it was received lately. */
  get isTableWritten(): boolean {
    return this.#context.clock.now() - this.#changedAt < this.#options.quietAfterMs;
  }

  /** Counts a pick of the applier and says its number; changes that come in later are told apart by it. */
  countPick(): number {
    return ++this.#picks;
  }

  /** Pulls batches until the signal aborts. Waits while the map is full; the applier goes on meanwhile. */
  async pull(signal: AbortSignal): Promise<void> {
    try {
      for await (const batch of this.stream.batches(signal)) {
        if (batch.changes.length > 0) this.#changedAt = this.#context.clock.now();
        for (const change of batch.changes) {
          this.map.add(change, batch.resumeFrom);
          if (this.#watched.has(change.key)) this.#watched.set(change.key, this.#picks);
        }
        this.#received = batch.position;
        this.#reach = batch.reach;
        this.#fence = batch.fence;
        this.progressed.notify();
        while (this.#isHoldingUp) await this.progressed.changed(signal);
        this.#heardAt = this.#context.clock.now();
        if (batch.changes.length <= REST_CHANGES_MAX) await this.#rest(signal);
      }
    } catch (error) {
      // Between drain and the outcome of the swap our own RENAME comes by; it counts only if the swap did not happen.
      while (!this.#isPulling) await this.progressed.changed(signal);
      throw error;
    }
    signal.throwIfAborted();
    throw new MigrationError('STREAM_BROKEN', 'The change stream ended by itself. Resume the migration.');
  }

  /** Stops pulling once the drain is complete, so that what the swap itself logs is not taken for a foreign change. */
  stopPulling(): void {
    this.#isPulling = false;
  }

  /** Goes on after a swap that did not happen. */
  pullOn(): void {
    this.#isPulling = true;
    this.progressed.notify();
  }

  /** A fence is a small write: what it takes is noted. */
  async placeFence(signal: AbortSignal): Promise<Fence> {
    const startedAt = this.#context.clock.now();
    const fence = await this.stream.placeFence(signal);
    this.smallWrite.observe(this.#context.clock.now() - startedAt);
    return fence;
  }

  /**
   * Places a fence and waits until everything committed before this call has been received, for as long as anything comes: a
   * large transaction, or the log of a whole night, may be before it. Another fence is tried where nothing does.
   */
  async passFence(signal: AbortSignal): Promise<void> {
    this.#fencesAwaited += 1;
    this.progressed.notify();
    const pass = async (): Promise<void> => await this.#awaitFence(await this.placeFence(signal), signal);
    try {
      await retry('waiting for a fence', pass, this.#context, signal);
    } finally {
      this.#fencesAwaited -= 1;
    }
  }

  /** Begins to note when changes of these keys come in. */
  watch(keys: readonly RowKey[]): void {
    for (const key of keys) this.#watched.set(key, -1);
  }

  unwatch(keys: readonly RowKey[]): void {
    for (const key of keys) this.#watched.delete(key);
  }

  /** Whether a change of this watched key came in after the pick with that number had been taken. */
  hasChangedSincePick(key: RowKey, pick: number): boolean {
    return (this.#watched.get(key) ?? Number.POSITIVE_INFINITY) >= pick;
  }

  /** Unless somebody waits for a fence. */
  async #rest(signal: AbortSignal): Promise<void> {
    const isAwaited = (): boolean => this.#fencesAwaited > 0;
    await this.progressed.becomesWithin(isAwaited, REST_MS, this.#context.clock, signal);
  }

  /** Nothing more is pulled at present. */
  get #isHoldingUp(): boolean {
    return this.map.size >= this.#options.pendingKeysMax || !this.#isPulling;
  }

  async #awaitFence(fence: Fence, signal: AbortSignal): Promise<void> {
    const { fenceTimeoutMs } = this.#options;
    const { clock } = this.#context;
    const since = clock.now();
    const hasCome = (): boolean => this.#fence !== null && this.#fence >= fence;
    for (;;) {
      const silentMs = this.#isHoldingUp ? 0 : clock.now() - Math.max(since, this.#heardAt);
      if (silentMs >= fenceTimeoutMs) break;
      await this.progressed.becomesWithin(hasCome, fenceTimeoutMs - silentMs, clock, signal);
      if (hasCome()) return;
    }
    this.stream.readAnew?.();
    // Whoever else waits gives the next connection as much time.
    this.#heardAt = clock.now();
    throw new MigrationError(
      'FENCE_LOST',
      `Nothing has come out of the change stream for ${Math.round(fenceTimeoutMs / 1000)} s, not even a fence. Look for a stalled log, or a standby that it waits for (PostgreSQL: synchronized_standby_slots).`,
    );
  }
}
