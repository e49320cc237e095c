/** The order of keys where JavaScript can tell it exactly as the server does. */

import type { RowKey } from '../engine/model.ts';
import type { KeyColumn } from './row-key.ts';

/** As `format_type` writes them. */
export const integerTypes: ReadonlySet<string> = new Set(['smallint', 'integer', 'bigint']);
/** Their text is lower-case hexadecimal of a fixed form, or of bytes in order, so that letters compare as the bytes do. */
const byText: ReadonlySet<string> = new Set(['uuid', 'bytea']);

export function isWholeNumber(key: readonly KeyColumn[]): boolean {
  return key.length === 1 && integerTypes.has(key[0]?.type ?? '');
}

/** A comparison for keys of one column of an integer type, uuid or bytea; undefined for any other key. */
export function compareKeysFor(key: readonly KeyColumn[]): ((a: RowKey, b: RowKey) => number) | undefined {
  const [only] = key;
  if (only === undefined || key.length !== 1) return undefined;
  if (integerTypes.has(only.type)) return compareIntegers;
  return byText.has(only.type) ? compareTexts : undefined;
}

/** Quoted decimal numbers; exact beyond 2^53. */
function compareIntegers(a: RowKey, b: RowKey): number {
  const [first, second] = [a.slice(1, -1), b.slice(1, -1)];
  if (first.length <= 15 && second.length <= 15) return Number(first) - Number(second);
  const [left, right] = [BigInt(first), BigInt(second)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function compareTexts(a: RowKey, b: RowKey): number {
  const [first, second] = [content(a), content(b)];
  return first < second ? -1 : first > second ? 1 : 0;
}

/** Without introducer and quotes, which would come after a digit. */
function content(literal: string): string {
  return literal.slice(literal.indexOf("'") + 1, -1);
}
