/**
 * Changes on their way from the log to the one who applies them. The reader puts in, transaction by transaction; the consumer
 * takes out whole transactions, or parts of one that is larger than a batch. Bounded in bytes: the reader looks at `isFull`.
 */

import type { ChangeBatch } from '../engine/ports.ts';
import type { Change, Fence } from '../engine/model.ts';
import type { LogPosition } from './position.ts';

/** How much may wait. */
export interface BatchLimits {
  /** Changes in one batch, at most. */
  readonly changesMax: number;
  /** Estimated bytes of all changes that wait, above which the reader stops. */
  readonly bytesMax: number;
}

/** What a change costs beside its key: the object, its place in an array, the header of a string. */
const CHANGE_BYTES = 72;

/** The estimated size of a change in memory. */
export function changeBytes(change: Change): number {
  return CHANGE_BYTES + change.key.length;
}

interface Sealed {
  readonly batch: ChangeBatch;
  readonly bytes: number;
}

export class BatchQueue {
  readonly #limits: BatchLimits;
  readonly #sealed: Sealed[] = [];
  /** Not sealed yet: `whole` of them belong to finished transactions, the rest to the one in hand. */
  #changes: Change[] = [];
  #whole = 0;
  #bytes = 0;
  #sealedBytes = 0;
  /** From where the whole ones, and those of the transaction in hand, would be received again. */
  #wholeFrom: LogPosition | null = null;
  #openFrom: LogPosition;
  #openReach: LogPosition;
  #hasSealedPart = false;
  #position: LogPosition;
  #reach: LogPosition;
  #fence: Fence | null = null;
  #hasNews = false;
  #waiter: (() => void) | null = null;
  #isWaking = false;

  constructor(start: LogPosition, limits: BatchLimits) {
    this.#limits = limits;
    this.#openFrom = start;
    this.#openReach = start;
    this.#position = start;
    this.#reach = start;
  }

  /** Whether the reader should stop until the consumer has taken half of what waits. */
  get isFull(): boolean {
    return this.#bytes + this.#sealedBytes > this.#limits.bytesMax;
  }

  get isHalfEmpty(): boolean {
    return this.#bytes + this.#sealedBytes <= this.#limits.bytesMax / 2;
  }

  /** A transaction begins, or is received again: `reach` is behind it, and its changes would come again from `from`. */
  begin(from: LogPosition, reach: LogPosition, isAgain: boolean): void {
    this.#openFrom = from;
    this.#openReach = reach;
    if (!isAgain) this.#hasSealedPart = false;
  }

  /** A change of the transaction in hand. */
  add(change: Change): void {
    this.#changes.push(change);
    this.#bytes += changeBytes(change);
    // By bytes too: a part that fills the queue by itself would never be taken, as it is not whole.
    if (this.#changes.length >= this.#limits.changesMax || this.#bytes >= this.#limits.bytesMax / 4) this.#seal();
  }

  /** The transaction in hand is complete; reading may go on from `position` once everything up to here is applied. */
  end(position: LogPosition, fence: Fence | null): void {
    if (this.#changes.length > this.#whole) {
      const older = this.#wholeFrom;
      this.#wholeFrom = older === null || this.#openFrom.order < older.order ? this.#openFrom : older;
      this.#whole = this.#changes.length;
    }
    this.#position = position;
    this.#reach = this.#openReach;
    if (fence !== null) this.#fence = fence;
    this.#hasNews = true;
    this.#wake();
  }

  /** Drops the transaction in hand. False: a part of it is beyond recall. */
  abandon(): boolean {
    for (const change of this.#changes.splice(this.#whole)) this.#bytes -= changeBytes(change);
    return !this.#hasSealedPart;
  }

  /** The same position at another place: the log went on in the next file. */
  move(position: LogPosition): void {
    this.#position = position;
  }

  /** The oldest batch, or null when nothing has happened since the last one. */
  take(): ChangeBatch | null {
    const oldest = this.#sealed.shift();
    if (oldest !== undefined) {
      this.#sealedBytes -= oldest.bytes;
      return oldest.batch;
    }
    if (this.#whole === 0 && !this.#hasNews) return null;
    const { batch } = this.#cutWhole();
    this.#hasNews = false;
    return batch;
  }

  /** Resolves when `take` may have something, or at `wakeNow`. */
  async wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiter = resolve;
    });
  }

  /** Ends a wait. */
  wakeNow(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    this.#isWaking = false;
    waiter?.();
  }

  /** After the events that have already arrived, so that they share a batch. */
  #wake(): void {
    if (this.#waiter === null || this.#isWaking) return;
    this.#isWaking = true;
    setImmediate(() => this.wakeNow());
  }

  #seal(): void {
    const sealed = this.#whole > 0 ? this.#cutWhole() : this.#cutPart();
    this.#sealed.push(sealed);
    this.#sealedBytes += sealed.bytes;
    this.#wake();
  }

  #cutWhole(): Sealed {
    const rest = this.#changes;
    const changes = rest.length === this.#whole ? rest : rest.slice(0, this.#whole);
    const bytes = this.#forget(changes, rest.length === this.#whole ? [] : rest.slice(this.#whole));
    const position = this.#position;
    const reach = this.#reach;
    const fence = this.#fence;
    const resumeFrom = this.#wholeFrom !== null && this.#wholeFrom.order < position.order ? this.#wholeFrom : position;
    this.#whole = 0;
    this.#wholeFrom = null;
    return { batch: { changes, position, resumeFrom, reach, fence }, bytes };
  }

  #cutPart(): Sealed {
    const changes = this.#changes;
    const position = this.#position;
    const fence = this.#fence;
    const reach = this.#openReach;
    const bytes = this.#forget(changes, []);
    const resumeFrom = this.#openFrom.order < position.order ? this.#openFrom : position;
    this.#hasSealedPart = true;
    return { batch: { changes, position, resumeFrom, reach, fence }, bytes };
  }

  #forget(cut: readonly Change[], rest: Change[]): number {
    const bytes = cut.reduce((sum, change) => sum + changeBytes(change), 0);
    this.#changes = rest;
    this.#bytes -= bytes;
    return bytes;
  }
}
