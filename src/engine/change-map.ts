/** Changed keys that wait to be applied: one entry a key, however hot the row. */

import type { Change, Position, RowKey } from './model.ts';

/**
 * `upsert` and `delete` are the last change of the key in log order. `re-read` is right whatever the truth is; it stands for
 * keys that came from elsewhere than the stream (chunks handed over, repairs) and absorbs what comes later.
 */
export type PendingKind = 'upsert' | 'delete' | 're-read';

export interface PendingChange {
  readonly kind: PendingKind;
  /** Where reading must begin to receive the oldest change in this entry again; null for a `re-read` that no change was merged into. */
  readonly resumeFrom: Position | null;
}

/** A map from key to what is to be done about it. Keys enter in log order (rule 6). */
export class ChangeMap {
  #entries = new Map<RowKey, PendingChange>();

  get size(): number {
    return this.#entries.size;
  }

  /** A change from the stream. */
  add(change: Change, resumeFrom: Position): void {
    const before = this.#entries.get(change.key);
    const kind = before?.kind === 're-read' ? 're-read' : change.kind;
    this.#entries.set(change.key, {
      kind,
      resumeFrom: before === undefined ? resumeFrom : older(before.resumeFrom, resumeFrom),
    });
  }

  /** A key to be read again for another reason than a change. */
  addReRead(key: RowKey): void {
    this.#entries.set(key, { kind: 're-read', resumeFrom: this.#entries.get(key)?.resumeFrom ?? null });
  }

  /** Everything there is; the map is empty afterwards. */
  take(): ReadonlyMap<RowKey, PendingChange> {
    const taken = this.#entries;
    this.#entries = new Map();
    return taken;
  }

  /** Gives back an entry that was taken and not applied. What came in since is newer and decides, but the oldest place to resume stays. */
  putBack(key: RowKey, entry: PendingChange): void {
    const newer = this.#entries.get(key);
    if (newer === undefined) {
      this.#entries.set(key, entry);
      return;
    }
    const kind = entry.kind === 're-read' ? 're-read' : newer.kind;
    this.#entries.set(key, { kind, resumeFrom: older(entry.resumeFrom, newer.resumeFrom) });
  }
}

/** The older of two positions, where null stands for none. */
export function older(a: Position | null, b: Position | null): Position | null {
  if (a === null) return b;
  if (b === null) return a;
  return b.order < a.order ? b : a;
}
