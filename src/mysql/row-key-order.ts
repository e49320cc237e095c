/**
 * The server's own order of row keys, in JavaScript, for the kinds of columns where it is provably the same. It runs once for
 * each changed key, so it compares the canonical text without building values where it can.
 */

import type { RowKey } from '../engine/model.ts';
import type { KeyColumn, KeyColumnKind } from './row-key.ts';

type Comparison = (a: string, b: string) => number;

/**
 * Compares two keys of these columns as the server orders them: negative, zero, positive. Undefined where JavaScript does not
 * know that order exactly: text (collations), ENUM and SET, TIME, network addresses and UUIDs.
 */
export function compareKeysFor(columns: readonly KeyColumn[]): ((a: RowKey, b: RowKey) => number) | undefined {
  const comparisons: Comparison[] = [];
  for (const column of columns) {
    const comparison = comparisonOf(column.kind);
    if (comparison === undefined) return undefined;
    comparisons.push(comparison);
  }
  const [only] = comparisons;
  if (comparisons.length === 1) return only;
  return (a, b) => {
    const left = literalsOf(a);
    const right = literalsOf(b);
    for (const [place, compare] of comparisons.entries()) {
      const order = compare(left[place] ?? '', right[place] ?? '');
      if (order !== 0) return order;
    }
    return 0;
  };
}

function comparisonOf(kind: KeyColumnKind): Comparison | undefined {
  switch (kind) {
    case 'integer':
    case 'bit':
    case 'year':
    case 'decimal':
      return compareNumbers;
    case 'binary':
    case 'date':
    case 'datetime':
    case 'timestamp':
      return compareText;
    case 'text':
    case 'enum':
    case 'set':
    case 'time':
    case 'uuid':
    case 'inet4':
    case 'inet6':
      return undefined;
  }
}

/** The literals of a key of several columns. None of the kinds whose order is known has a comma in its literal. */
function literalsOf(key: RowKey): readonly string[] {
  return key.slice(1, -1).split(',');
}

/** A number of at most this many characters is exact as a double, and so is the order of two such numbers. */
const exactCharacters = 15;

/** Decimal numbers of equal scale. */
function compareNumbers(a: string, b: string): number {
  if (a.length <= exactCharacters && b.length <= exactCharacters) return Number(a) - Number(b);
  const left = scaled(a);
  const right = scaled(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

function scaled(text: string): bigint {
  return BigInt(text.replace('.', ''));
}

/**
 * Dates have all their digits, so they order as text. So do bytes in hexadecimal: the quote that ends a shorter value comes before every
 * digit, and a value comes before those that it begins.
 */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
