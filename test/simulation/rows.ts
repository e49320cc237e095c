/** Rows of the simulated table: `id` is the migration key, `u` unique in source and shadow, `u2` unique where the ALTER adds it. */

import type { KeyRange, RowKey } from '../../src/engine/model.ts';

export interface Row {
  readonly key: number;
  /** Under a collation a key has two spellings that the server holds equal: `k7` and `K7`. Elsewhere always 0. */
  readonly spelling: 0 | 1;
  readonly u: number;
  readonly u2: number;
  readonly v: number;
  /** Place in the log of the transaction that wrote it; -1 for rows from before. Not a column: the judge's own mark. */
  readonly version: number;
}

/** Rows by key. Held immutable: whoever changes one makes a new one. */
export type Table = ReadonlyMap<number, Row>;

/** What one transaction did to one row. */
export interface RowWrite {
  readonly before: Row | null;
  readonly after: Row | null;
}

export function rowKey(key: number, spelling: 0 | 1): RowKey {
  return `${spelling === 0 ? 'k' : 'K'}${key}` as RowKey;
}

export function keyOf(row: Row): RowKey {
  return rowKey(row.key, row.spelling);
}

/** The key as the server compares it, whatever its spelling. */
export function keyNumber(key: RowKey): number {
  return Number(key.slice(1));
}

/** Whether two rows are equal column by column, bytes of the key included. */
export function hasEqualColumns(one: Row, other: Row): boolean {
  return (
    one.key === other.key && one.spelling === other.spelling && one.u === other.u && one.u2 === other.u2 && one.v === other.v
  );
}

/** The server's order of keys, as a place for each key number. */
export class KeyOrder {
  readonly #places: readonly number[];

  constructor(places: readonly number[]) {
    this.#places = places;
  }

  place(key: number): number {
    return this.#places[key] ?? key;
  }

  compare(a: RowKey, b: RowKey): number {
    return this.place(keyNumber(a)) - this.place(keyNumber(b));
  }

  compareNumbers(a: number, b: number): number {
    return this.place(a) - this.place(b);
  }

  includes(range: KeyRange, key: number): boolean {
    const place = this.place(key);
    if (range.after !== null && place <= this.place(keyNumber(range.after))) return false;
    return range.through === null || place <= this.place(keyNumber(range.through));
  }

  /** Rows of the range in key order. */
  within(table: Table, range: KeyRange): readonly Row[] {
    const rows: Row[] = [];
    for (const row of table.values()) if (this.includes(range, row.key)) rows.push(row);
    return rows.sort((a, b) => this.place(a.key) - this.place(b.key));
  }
}

/** A row as a trace shows it. */
export function showRow(row: Row | null | undefined): string {
  return row === null || row === undefined ? 'none' : `${keyOf(row)}(u=${row.u} u2=${row.u2} v=${row.v} @${row.version})`;
}
