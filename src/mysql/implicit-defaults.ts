/**
 * What the server's own ALTER puts into the rows of a table for a column that it adds. Where that is NOT NULL and has no DEFAULT, it is
 * the zero of its type; in strict mode an INSERT has to name it.
 */

import type { Column, TableDescription } from './catalog.ts';
import { typeFamily } from './conversions.ts';
import { isWord } from './create-statement.ts';
import { tokenise } from './sql-tokens.ts';

/** A column of the shadow and the literal of its value. */
export interface ImplicitDefault {
  readonly column: string;
  readonly literal: string;
}

/** Those of the columns that the change adds. */
export function implicitDefaults(shadow: TableDescription, addedColumns: readonly string[]): readonly ImplicitDefault[] {
  return shadow.columns
    .filter((column) => addedColumns.includes(column.name) && lacksDefault(column))
    .flatMap((column) => {
      const literal = zeroOf(column);
      return literal === null ? [] : [{ column: column.name, literal }];
    });
}

/**
 * Whether a row that gets no value for the column holds the same in it whatever the session: NULL, a literal, or the zero of its type.
 * Then the server has nothing to compute for it, and nothing to say. A literal date depends on the time zone and on sql_mode.
 */
export function hasConstantDefault(column: Column): boolean {
  if (column.isAutoIncrement || column.generated !== 'none' || !constantFamilies.has(typeFamily(column))) return false;
  const tokens = tokenise(column.definition);
  const place = tokens.findIndex((token) => isWord(token, 'DEFAULT'));
  if (place === -1) return true;
  if (numberLiteral.test(column.definition.slice(tokens[place]?.end))) return true;
  const [literal, next] = tokens.slice(place + 1);
  // Behind a literal of an expression comes an operator.
  return (literal?.kind === 'string' || isWord(literal, 'NULL')) && (next === undefined || next.kind === 'word');
}

const numberLiteral = /^\s*-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?=\s+[a-z]|$)/i;

const constantFamilies: ReadonlySet<ReturnType<typeof typeFamily>> = new Set([
  ...(['integer', 'decimal', 'float', 'bit', 'text', 'binary', 'enum', 'set'] as const),
]);

function lacksDefault(column: Column): boolean {
  if (column.isNullable || column.isAutoIncrement || column.generated !== 'none') return false;
  return !tokenise(column.definition).some((token) => isWord(token, 'DEFAULT'));
}

/** Null where the server itself knows none. */
function zeroOf(column: Column): string | null {
  switch (typeFamily(column)) {
    case 'integer':
    case 'decimal':
    case 'float':
    case 'bit':
    case 'year':
      return '0';
    case 'text':
    case 'binary':
    case 'set':
      return "''";
    // The first member, by its number.
    case 'enum':
      return '1';
    case 'date':
      return "'0000-00-00'";
    case 'time':
      return "'00:00:00'";
    case 'datetime':
    case 'timestamp':
      return "'0000-00-00 00:00:00'";
    case 'json':
      return "'null'";
    case 'uuid':
      return "'00000000-0000-0000-0000-000000000000'";
    case 'inet4':
      return "'0.0.0.0'";
    case 'inet6':
      return "'::'";
    case 'geometry':
    case 'vector':
    case null:
      return null;
  }
}
