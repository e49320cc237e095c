/**
 * The source table and its log. A transaction is logged at one moment and visible to new snapshots at a later one; row locks
 * last until it is visible, so the changes of one row, and of one unique value, become visible in log order in any case.
 */

import type { Change } from '../../src/engine/model.ts';
import type { Row, RowWrite, Table } from './rows.ts';
import { keyOf } from './rows.ts';
import type { World } from './world.ts';

/** What stands in the log. `index` is its place; places have no gaps. */
export type LogEntry =
  | {
      readonly kind: 'transaction';
      readonly index: number;
      readonly writes: readonly RowWrite[];
      readonly changes: readonly Change[];
    }
  | {
      readonly kind: 'xa-prepare';
      readonly index: number;
      readonly writes: readonly RowWrite[];
      readonly changes: readonly Change[];
    }
  | { readonly kind: 'xa-commit'; readonly index: number; readonly prepare: number; readonly changes: readonly Change[] }
  | { readonly kind: 'xa-rollback'; readonly index: number; readonly prepare: number }
  | { readonly kind: 'fence'; readonly index: number; readonly stream: number; readonly number: number }
  | { readonly kind: 'heartbeat'; readonly index: number };

/** A logged state of one row. */
interface Version {
  readonly index: number;
  readonly row: Row | null;
}

export class SourceTable {
  readonly log: LogEntry[] = [];
  /** The rows after everything logged. */
  readonly truth = new Map<number, Row>();
  /** The rows that a new snapshot sees. Replaced, never changed: a snapshot is a reference. */
  visible: Table = new Map();
  readonly #world: World;
  readonly #isVisibilityOrdered: boolean;
  readonly #history = new Map<number, Version[]>();
  readonly #states: { isReady: boolean; isVisible: boolean; readonly onVisible: () => void }[] = [];
  readonly #lockedKeys = new Map<number, number>();
  readonly #lockedUniques = new Map<number, number>();
  readonly #lockedAdded = new Map<number, number>();
  readonly #listeners = new Set<() => void>();
  #visibleThrough = 0;

  constructor(world: World, rows: readonly Row[], isVisibilityOrdered: boolean) {
    this.#world = world;
    this.#isVisibilityOrdered = isVisibilityOrdered;
    for (const row of rows) this.truth.set(row.key, row);
    this.visible = new Map(this.truth);
  }

  /** Calls `listener` whenever something was logged or became visible. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells the listeners that something else may have changed what they wait for. */
  wake(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Whether everything before this place in the log is visible. */
  isVisibleBefore(index: number): boolean {
    for (let place = this.#visibleThrough; place < index; place++) if (this.#states[place]?.isVisible !== true) return false;
    return true;
  }

  isVisible(index: number): boolean {
    return this.#states[index]?.isVisible === true;
  }

  /** XA transactions that were prepared before this place and are not visible yet, decided or not. */
  hasPreparedBefore(index: number): boolean {
    return this.log.some((entry) => entry.kind === 'xa-prepare' && entry.index < index && !this.isXaOver(entry.index));
  }

  /** Whether this prepared transaction was rolled back, or committed and is visible. */
  isXaOver(prepare: number): boolean {
    const end = this.endOfXa(prepare);
    return end !== undefined && (end.kind === 'xa-rollback' || this.isVisible(end.index));
  }

  endOfXa(prepare: number): LogEntry | undefined {
    return this.log.find((entry) => (entry.kind === 'xa-commit' || entry.kind === 'xa-rollback') && entry.prepare === prepare);
  }

  isKeyLocked(key: number): boolean {
    return this.#lockedKeys.has(key);
  }

  isUniqueLocked(u: number): boolean {
    return this.#lockedUniques.has(u);
  }

  /** Whether an unfinished transaction has or had this value in the column that becomes unique. The server does not lock it; writers may heed it. */
  isAddedUniqueInUse(u2: number): boolean {
    return this.#lockedAdded.has(u2);
  }

  /** Logs a transaction whose rows become visible after `lagMs`, or when `show` is called where that is null. Says its place. */
  commit(writes: readonly RowWrite[], lagMs: number | null, onVisible: () => void): number {
    const index = this.log.length;
    const stamped = this.#apply(writes, index);
    this.#lock(stamped);
    const onSeen = (): void => {
      this.#unlock(stamped);
      onVisible();
    };
    this.#append({ kind: 'transaction', index, writes: stamped, changes: changesOf(stamped) }, lagMs, stamped, onSeen);
    return index;
  }

  /** Logs XA PREPARE: the rows are in the log and locked, and nobody sees them. */
  prepare(writes: readonly RowWrite[]): number {
    const index = this.log.length;
    this.#lock(writes);
    this.#append({ kind: 'xa-prepare', index, writes, changes: changesOf(writes) }, 0, [], () => {});
    return index;
  }

  /** Logs XA COMMIT or XA ROLLBACK of a prepared transaction. */
  decide(prepare: number, isCommitted: boolean, lagMs: number, onVisible: () => void): void {
    const entry = this.log[prepare];
    if (entry?.kind !== 'xa-prepare') throw new Error(`No XA PREPARE at ${prepare}`);
    const index = this.log.length;
    const stamped = isCommitted ? this.#apply(entry.writes, index) : [];
    const onSeen = (): void => {
      this.#unlock(entry.writes);
      onVisible();
    };
    if (isCommitted) this.#append({ kind: 'xa-commit', index, prepare, changes: entry.changes }, lagMs, stamped, onSeen);
    else this.#append({ kind: 'xa-rollback', index, prepare }, 0, [], onSeen);
  }

  /** Logs a row of the bookkeeping: a fence or a heartbeat. Says its place. */
  note(
    entry: { readonly kind: 'fence'; readonly stream: number; readonly number: number } | { readonly kind: 'heartbeat' },
    lagMs: number,
  ): number {
    const index = this.log.length;
    this.#append({ ...entry, index }, lagMs, [], () => {});
    return index;
  }

  /** Logged states of a row, oldest first; the first transaction on it is the first entry. */
  versions(key: number): readonly Version[] {
    return this.#history.get(key) ?? [];
  }

  #apply(writes: readonly RowWrite[], index: number): readonly RowWrite[] {
    const stamped = writes.map(({ before, after }) => ({
      before,
      after: after === null ? null : { ...after, version: index },
    }));
    const touched = new Map<number, Row | null>();
    for (const { before, after } of stamped) {
      if (before !== null) touched.set(before.key, null);
      if (after !== null) touched.set(after.key, after);
    }
    for (const [key, row] of touched) {
      if (row === null) this.truth.delete(key);
      else this.truth.set(key, row);
      const versions = this.#history.get(key) ?? [];
      versions.push({ index, row });
      this.#history.set(key, versions);
    }
    return stamped;
  }

  #append(entry: LogEntry, lagMs: number | null, writes: readonly RowWrite[], onVisible: () => void): void {
    this.log.push(entry);
    this.#states.push({ isReady: false, isVisible: false, onVisible: () => this.#showRows(writes, onVisible) });
    this.#world.note(() => `log ${entry.index}: ${showEntry(entry)}`);
    if (lagMs !== null) this.#world.after(lagMs, 'visible', () => this.show(entry.index));
    this.wake();
  }

  /** Ends the wait of a logged transaction: it becomes visible, behind earlier ones where that is ordered. */
  show(index: number): void {
    const state = this.#states[index];
    if (state === undefined) return;
    state.isReady = true;
    if (!this.#isVisibilityOrdered) {
      this.#become(index);
    } else {
      for (let place = this.#visibleThrough; this.#states[place]?.isReady === true; place++) this.#become(place);
    }
    this.wake();
  }

  #become(index: number): void {
    const state = this.#states[index];
    if (state === undefined || state.isVisible) return;
    state.isVisible = true;
    while (this.#states[this.#visibleThrough]?.isVisible === true) this.#visibleThrough += 1;
    this.#world.note(() => `visible ${index}`);
    state.onVisible();
  }

  #showRows(writes: readonly RowWrite[], onVisible: () => void): void {
    if (writes.length > 0) {
      const rows = new Map(this.visible);
      for (const { before, after } of writes) {
        if (before !== null && before.key !== after?.key) rows.delete(before.key);
        if (after !== null) rows.set(after.key, after);
      }
      this.visible = rows;
    }
    onVisible();
  }

  #lock(writes: readonly RowWrite[]): void {
    for (const row of rowsOf(writes)) {
      this.#lockedKeys.set(row.key, (this.#lockedKeys.get(row.key) ?? 0) + 1);
      this.#lockedUniques.set(row.u, (this.#lockedUniques.get(row.u) ?? 0) + 1);
      this.#lockedAdded.set(row.u2, (this.#lockedAdded.get(row.u2) ?? 0) + 1);
    }
  }

  #unlock(writes: readonly RowWrite[]): void {
    for (const row of rowsOf(writes)) {
      release(this.#lockedKeys, row.key);
      release(this.#lockedUniques, row.u);
      release(this.#lockedAdded, row.u2);
    }
  }
}

function release(locks: Map<number, number>, item: number): void {
  const left = (locks.get(item) ?? 0) - 1;
  if (left <= 0) locks.delete(item);
  else locks.set(item, left);
}

function rowsOf(writes: readonly RowWrite[]): readonly Row[] {
  return writes.flatMap(({ before, after }) => [before, after]).filter((row) => row !== null);
}

/** The row events of a transaction, by key only. A changed key, and a changed spelling, is a delete and an upsert. */
function changesOf(writes: readonly RowWrite[]): readonly Change[] {
  const changes: Change[] = [];
  for (const { before, after } of writes) {
    const isSameKey = before !== null && after !== null && keyOf(before) === keyOf(after);
    if (before !== null && !isSameKey) changes.push({ key: keyOf(before), kind: 'delete' });
    if (after !== null) changes.push({ key: keyOf(after), kind: 'upsert' });
  }
  return changes;
}

function showEntry(entry: LogEntry): string {
  switch (entry.kind) {
    case 'transaction':
    case 'xa-prepare':
    case 'xa-commit':
      return `${entry.kind} ${entry.changes.map((change) => `${change.kind} ${change.key}`).join(', ')}`;
    case 'xa-rollback':
      return `xa-rollback of ${entry.prepare}`;
    case 'fence':
      return `fence ${entry.number} of stream ${entry.stream}`;
    case 'heartbeat':
      return 'heartbeat';
  }
}
