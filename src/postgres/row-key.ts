/**
 * Row keys as SQL literals. The change stream makes them from the text that the server sends, the keyset walk from the text that
 * it selects, both under the same output settings, and both must agree letter by letter, because the engine compares keys as
 * text. One column is a quoted literal without a type, `'42'`; several stand in parentheses, `('1','a')`. A literal takes the
 * type of the column that it is compared with.
 */

import type { RowKey } from '../engine/model.ts';
import { quoteName, quoteText } from './statements.ts';

/** A column of the migration key, as the source has it. */
export interface KeyColumn {
  readonly name: string;
  readonly attnum: number;
  /** As `format_type` writes it: `bigint`, `character varying(40)`. */
  readonly type: string;
}

/** A column of the key as the key's index compares it. */
export interface ComparedColumn extends KeyColumn {
  /** That of a literal: without length and precision, which would cut it off, and that under a domain, whose checks may be newer. */
  readonly literalType: string;
  readonly operators: KeyOperators;
  /** Number of its collation, `0` without one; null where that takes different texts for equal. */
  readonly collation: string | null;
}

/**
 * As SQL, with the schema: `OPERATOR(pg_catalog.<)`, or that of an extension. What converts rows searches the schemas of the user, where
 * an operator for exactly this type (`varchar`, an enum) would stand in for the server's own.
 */
export interface KeyOperators {
  readonly less: string;
  readonly lessOrEqual: string;
  readonly equal: string;
  readonly greaterOrEqual: string;
  readonly greater: string;
}

/** Those of the server's own types. */
export const OWN_OPERATORS: KeyOperators = {
  less: 'OPERATOR(pg_catalog.<)',
  lessOrEqual: 'OPERATOR(pg_catalog.<=)',
  equal: 'OPERATOR(pg_catalog.=)',
  greaterOrEqual: 'OPERATOR(pg_catalog.>=)',
  greater: 'OPERATOR(pg_catalog.>)',
};

/**
 * SQL expression that selects what `rowKey` takes. `prefix` is an alias with its dot, or ''. `concat` calls the type's output
 * function, as the change stream does; a cast to text would not: it says `true` for `t`, adds `/32` to an inet and strips a char(n).
 */
export function keyTextExpression(column: KeyColumn, prefix: string): string {
  return `pg_catalog.concat(${prefix}${quoteName(column.name)})`;
}

/** The key of a row from the texts of its columns, in key order. */
export function rowKey(texts: readonly string[]): RowKey {
  const literals = texts.map(quoteText);
  const [only] = literals;
  return (literals.length === 1 && only !== undefined ? only : `(${literals.join(',')})`) as RowKey;
}

/** The literals of a key, in key order. */
export function keyLiterals(key: RowKey): readonly string[] {
  return key.match(/E'[^'\\]*(?:(?:''|\\\\)[^'\\]*)*'|'[^']*(?:''[^']*)*'/g) ?? [];
}

/** Keys of rows that were selected with `keyTexts`, as `k0`, `k1`, …. */
export function keysFromRows(
  key: readonly KeyColumn[],
  rows: readonly Readonly<Record<string, string | null>>[],
): readonly RowKey[] {
  return rows.map((row) => rowKey(key.map((_, index) => row[`k${index}`] ?? '')));
}

/** As an operator reads it: `id = 42`, or `a = 1, b = 'x'`. */
export function describeKey(key: readonly KeyColumn[], text: RowKey): string {
  const [only] = key;
  if (key.length === 1 && only !== undefined) return `${only.name} = ${unquotedNumber(text)}`;
  return `(${key.map(({ name }) => name).join(', ')}) = ${text}`;
}

function unquotedNumber(literal: string): string {
  return /^'-?\d+'$/.test(literal) ? literal.slice(1, -1) : literal;
}
