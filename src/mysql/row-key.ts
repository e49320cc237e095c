/**
 * Row keys as SQL literals. The change stream makes them from raw log bytes, the keyset walk from selected text, and both must
 * agree letter by letter, because the engine compares keys as text. Canonical form of one column:
 *
 *   integer, bit, enum (ordinal), set (bit mask), year   decimal digits                  42   -7
 *   decimal                                               as the server prints it         12.50
 *   text                                                  introducer and upper-case hex   _utf8mb4 X'61'
 *   binary                                                upper-case hex, BINARY(n) padded to n bytes   X'6100'
 *   date, time, datetime, timestamp                       quoted, all fractional digits of the column, UTC   '2026-01-01 00:00:00.000000'
 *   uuid, inet4, inet6 (MariaDB)                          quoted, as the server prints it
 *
 * Several columns stand in parentheses: `(1,_latin1 X'61')`. Literals never pass through a character set conversion here.
 */

import type { RowKey } from '../engine/model.ts';
import { quoteName } from './statements.ts';

export type KeyColumnKind =
  | 'integer'
  | 'bit'
  | 'enum'
  | 'set'
  | 'year'
  | 'decimal'
  | 'text'
  | 'binary'
  | 'date'
  | 'time'
  | 'datetime'
  | 'timestamp'
  | 'uuid'
  | 'inet4'
  | 'inet6';

/** A column of the migration key, as the source has it. */
export interface KeyColumn {
  readonly name: string;
  readonly kind: KeyColumnKind;
  /** Position among the table's columns in the log's table map, from 0 (virtual and invisible columns count). */
  readonly ordinal: number;
  readonly isUnsigned: boolean;
  /** Character set of a text column, as in the introducer. */
  readonly charset: string | null;
  /** Length of a BINARY(n) in bytes; null where values have their own length. */
  readonly fixedBytes: number | null;
  /** Digits of fractional seconds of a temporal column, of the fraction of a decimal one; else 0. */
  readonly scale: number;
  /** Digits in all of a decimal column; else 0. */
  readonly precision: number;
}

/** SQL expression (ASCII text or NULL) that selects what `literalFromText` takes. `prefix` is an alias with its dot, or ''. */
export function keyTextExpression(column: KeyColumn, prefix: string): string {
  return keyTextOf(column, `${prefix}${quoteName(column.name)}`);
}

/** The same for any expression of the column's type, such as its DEFAULT(). */
export function keyTextOf(column: KeyColumn, expression: string): string {
  switch (column.kind) {
    case 'text':
    case 'binary':
      return `HEX(${expression})`;
    case 'bit':
    case 'enum':
    case 'set':
    case 'year':
      // Not by `+ 0`, which MySQL computes as a double for a SET.
      return `CAST(${expression} AS UNSIGNED)`;
    case 'integer':
    case 'decimal':
    case 'date':
    case 'time':
    case 'datetime':
    case 'timestamp':
    case 'uuid':
    case 'inet4':
    case 'inet6':
      return expression;
  }
}

/** Literal of one column from the text that `keyTextExpression` selected. */
export function literalFromText(column: KeyColumn, text: string): string {
  switch (column.kind) {
    case 'text':
      return `_${column.charset ?? 'binary'} X'${text}'`;
    case 'binary':
      return `X'${text}'`;
    case 'date':
    case 'time':
    case 'datetime':
    case 'timestamp':
    case 'uuid':
    case 'inet4':
    case 'inet6':
      return `'${text}'`;
    case 'integer':
    case 'decimal':
      // ZEROFILL only shows in text.
      return text.replace(/^0+(?=\d)/, '');
    case 'bit':
    case 'enum':
    case 'set':
    case 'year':
      return text;
  }
}

/** The key of a row from the literals of its columns, in key order. */
export function rowKey(literals: readonly string[]): RowKey {
  const [only] = literals;
  return (literals.length === 1 && only !== undefined ? only : `(${literals.join(',')})`) as RowKey;
}
