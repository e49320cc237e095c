/**
 * TABLE_MAP events: which table a number stands for, and how its columns lie in a row image. A watched table is compared with
 * what the catalog said when the stream was opened, so that rows of another definition are never read with this one.
 */

import { MigrationError } from '../engine/errors.ts';
import type { RowKey, TableName } from '../engine/model.ts';
import { expectedTypes, metadataBytes, TYPE, valueLayout, type LoggedType } from './binlog-column.ts';
import { brokenEvent, byteAt, EVENT, lengthEncoded, numberLE, type LogEvent } from './binlog-format.ts';
import { keyDecoder, type KeyDecoder } from './binlog-key.ts';
import type { Column } from './catalog.ts';
import type { KeyColumn } from './row-key.ts';

/** A table whose changes are wanted. */
export interface WatchedTable {
  readonly name: TableName;
  readonly columns: readonly Column[];
  readonly key: readonly KeyColumn[];
  /** Literal of each key column's default, for rows that the log holds without it; null where it is not known. */
  readonly defaults: readonly (string | null)[];
  /** Takes one change of the transaction in hand. */
  readonly take: (key: RowKey, kind: 'upsert' | 'delete') => void;
}

/** How to walk a row image of a watched table and find its key. */
export interface RowLayout {
  readonly table: WatchedTable;
  /** A column's bytes: a fixed number of them, or the size of the length prefix in front. */
  readonly isFixed: readonly boolean[];
  readonly sizes: readonly number[];
  /** Index into the key of each column, or -1. */
  readonly keyIndexes: readonly number[];
  readonly decoders: readonly KeyDecoder[];
  readonly jsonColumns: number;
}

/** What a table's number stands for: a layout for a watched table, null for any other. */
export interface MappedTable {
  /** The event's body without its number, to see cheaply that nothing has changed. */
  readonly raw: Buffer;
  readonly layout: RowLayout | null;
}

/** Reads a TABLE_MAP event, or gives `known` back when it says the same. */
export function readTableMap(event: LogEvent, known: MappedTable | undefined, watched: readonly WatchedTable[]): MappedTable {
  const { bytes, start, end } = event;
  const body = start + 6;
  if (known !== undefined && known.raw.length === end - body && known.raw.compare(bytes, body, end) === 0) return known;
  const raw = Buffer.from(bytes.subarray(body, end));
  const { schema, table, next } = readName(raw);
  const match = watched.find((candidate) => candidate.name.schema === schema && candidate.name.table === table);
  return { raw, layout: match === undefined ? null : readLayout(raw, next, match) };
}

/** The number of a table in TABLE_MAP and rows events. */
export function tableNumber(event: LogEvent): number {
  return numberLE(event.bytes, event.start, 6);
}

function readName(raw: Buffer): TableName & { readonly next: number } {
  const schemaEnd = 3 + byteAt(raw, 2);
  const tableEnd = schemaEnd + 2 + byteAt(raw, schemaEnd + 1);
  return {
    schema: raw.toString('utf8', 3, schemaEnd),
    table: raw.toString('utf8', schemaEnd + 2, tableEnd),
    next: tableEnd + 1,
  };
}

function readLayout(raw: Buffer, at: number, table: WatchedTable): RowLayout {
  const types = readTypes(raw, at);
  checkTypes(types, table);
  const layouts = types.map((type, index) => valueLayout(type, table.columns[index]));
  const keyIndexes = types.map((_, ordinal) => table.key.findIndex((column) => column.ordinal === ordinal));
  return {
    table,
    isFixed: layouts.map((layout) => layout.kind === 'fixed'),
    sizes: layouts.map((layout) => layout.size),
    keyIndexes,
    decoders: table.key.map((column) => {
      const type = types[column.ordinal];
      const layout = layouts[column.ordinal];
      if (type === undefined || layout === undefined) throw changed(table, `column ${column.name} is not in the log`);
      return keyDecoder(column, type, layout);
    }),
    jsonColumns: types.filter((type) => type.code === TYPE.JSON).length,
  };
}

function readTypes(raw: Buffer, at: number): readonly LoggedType[] {
  const count = lengthEncoded(raw, at);
  const metadata = lengthEncoded(raw, count.next + count.value);
  const types: LoggedType[] = [];
  let next = metadata.next;
  for (let index = 0; index < count.value; index += 1) {
    const code = byteAt(raw, count.next + index);
    const size = metadataBytes(code);
    if (size === null) throw brokenEvent(EVENT.TABLE_MAP, `column type ${code} is not known`);
    types.push({ code, metadata: numberLE(raw, next, size) });
    next += size;
  }
  if (next !== metadata.next + metadata.value || next > raw.length) {
    throw brokenEvent(EVENT.TABLE_MAP, 'its column metadata has another length');
  }
  return types;
}

function checkTypes(types: readonly LoggedType[], table: WatchedTable): void {
  if (types.length !== table.columns.length) {
    throw changed(table, `it has ${types.length} columns in the log and ${table.columns.length} in the plan`);
  }
  types.forEach((type, index) => {
    const column = table.columns[index];
    const expected = column === undefined ? null : expectedTypes(column);
    const isExpected = expected?.some((other) => other.code === type.code && other.metadata === type.metadata) ?? true;
    if (!isExpected) {
      const found = `type ${type.code}/${type.metadata}`;
      throw changed(table, `column ${column?.name} has ${found} in the log, which is not ${column?.columnType}`);
    }
  });
}

function changed(table: WatchedTable, what: string): MigrationError {
  const { schema, table: name } = table.name;
  const message = `The log shows another definition of ${schema}.${name} than the one that is being migrated: ${what}.`;
  return new MigrationError('SOURCE_CHANGED', message);
}
