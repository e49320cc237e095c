/** The ranges that are being copied now, and how far copying has ever reached: what hold-back and discarding are decided by. */

import type { KeyRange, RowKey } from './model.ts';
import { Condition } from './tasks.ts';

type CompareKeys = (a: RowKey, b: RowKey) => number;

/** How far ranges have ever been registered: nowhere, up to a key, or to the open end. */
type Watermark =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'through'; readonly key: RowKey }
  | { readonly kind: 'everything' };

/** A range stays registered from before its statement is sent until its outcome is known (rule 3). */
export class RangesInFlight {
  readonly #compareKeys: CompareKeys | undefined;
  readonly #ranges = new Set<KeyRange>();
  readonly #ended = new Condition();
  #watermark: Watermark = { kind: 'nothing' };

  constructor(compareKeys: CompareKeys | undefined) {
    this.#compareKeys = compareKeys;
  }

  /** Registers a range. Identity counts: the same object deregisters it. */
  register(range: KeyRange): void {
    this.#ranges.add(range);
    this.raiseWatermark(range.through);
  }

  deregister(range: KeyRange): void {
    this.#ranges.delete(range);
    this.#ended.notify();
  }

  /** Counts everything up to `through` (null: everything) as registered once; a resume does so with what its predecessor left (rule 9). */
  raiseWatermark(through: RowKey | null): void {
    if (through === null) {
      this.#watermark = { kind: 'everything' };
      return;
    }
    if (this.#watermark.kind === 'everything') return;
    if (
      this.#watermark.kind === 'through' &&
      this.#compareKeys !== undefined &&
      this.#compareKeys(through, this.#watermark.key) <= 0
    )
      return;
    this.#watermark = { kind: 'through', key: through };
  }

  /** The ranges in flight at this moment. */
  snapshot(): ReadonlySet<KeyRange> {
    return new Set(this.#ranges);
  }

  /** Resolves once none of `ranges` is in flight any more. */
  async ended(ranges: ReadonlySet<KeyRange>, signal: AbortSignal): Promise<void> {
    while ([...ranges].some((range) => this.#ranges.has(range))) await this.#ended.changed(signal);
  }

  /** Whether the key can be told apart from every range in `ranges`; false where the order is not known and there are any. */
  isOutside(key: RowKey, ranges: ReadonlySet<KeyRange>): boolean {
    const compare = this.#compareKeys;
    if (compare === undefined) return ranges.size === 0;
    for (const { after, through } of ranges) {
      const isBehindStart = after === null || compare(key, after) > 0;
      const isUpToEnd = through === null || compare(key, through) <= 0;
      if (isBehindStart && isUpToEnd) return false;
    }
    return true;
  }

  /** Whether the key is certainly in a part that no range ever reached, so that a later chunk will read it (rule 9). */
  isAboveWatermark(key: RowKey): boolean {
    if (this.#compareKeys === undefined) return false;
    switch (this.#watermark.kind) {
      case 'nothing':
        return true;
      case 'everything':
        return false;
      case 'through':
        return this.#compareKeys(key, this.#watermark.key) > 0;
    }
  }
}
