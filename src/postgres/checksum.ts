/**
 * A 64-bit hash of a row, as the shadow's types see it. What the server writes out as text costs it several times what it costs
 * to hash the bytes, so only types whose bytes are not known to be their whole value are hashed as text.
 *
 *   text       hashed by itself; under "C", for under other collations texts can be equal that are not the same
 *   binary     what the server would send of it, which is its whole value. Texts are not among these: sending converts them
 *   the rest   written out as text
 *
 * The server's hash of a record adds up hashes of its fields, so that a value that changed places with that of another row
 * would not show in a sum over both: it is hashed once more. That of an integer folds eight bytes into four: it gets the bytes.
 */

import type { CarriedColumn } from './pair-layout.ts';

/** As `format_type` writes them, without modifier. */
const binaryTypes: ReadonlySet<string> = new Set([
  ...['smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision', 'money', 'oid', 'boolean', '"char"', 'uuid'],
  ...['date', 'time without time zone', 'time with time zone', 'interval', 'bytea', 'bit', 'bit varying'],
  ...['timestamp without time zone', 'timestamp with time zone', 'inet', 'cidr', 'macaddr', 'macaddr8'],
]);
const textTypes: ReadonlySet<string> = new Set(['text', 'character varying', 'character', 'name']);

/** Of a row of the source. */
export function sourceRowHash(columns: readonly CarriedColumn[]): string {
  return rowHash(columns, ({ expression, shadowType }) => `(${expression})::${shadowType}`);
}

/** Of a row of the shadow. */
export function shadowRowHash(columns: readonly CarriedColumn[]): string {
  return rowHash(columns, ({ shadow }) => shadow);
}

function rowHash(columns: readonly CarriedColumn[], valueOf: (column: CarriedColumn) => string): string {
  const valuesOf = (kind: Kind): readonly string[] => columns.filter((column) => kindOf(column) === kind).map(valueOf);
  const binary = valuesOf('binary');
  const rest = valuesOf('rest');
  const fields = [
    ...(binary.length > 0 ? [`pg_catalog.record_send(ROW(${binary.join(', ')}))`] : []),
    ...valuesOf('text').map((value) => `${value} COLLATE pg_catalog."C"`),
    ...(rest.length > 0 ? [`ROW(${rest.join(', ')})::text COLLATE pg_catalog."C"`] : []),
  ];
  return hashed(`pg_catalog.int8send(${hashed(fields.join(', '))})`);
}

function hashed(fields: string): string {
  return `pg_catalog.hash_record_extended(ROW(${fields}), 0)`;
}

/** How much of a value the server can take as bytes. */
export type Kind = 'binary' | 'text' | 'rest';

export function kindOf({ shadowType }: CarriedColumn): Kind {
  const type = shadowType.replace(/ ?\([\d,-]+\)/, '');
  if (binaryTypes.has(type)) return 'binary';
  return textTypes.has(type) ? 'text' : 'rest';
}
