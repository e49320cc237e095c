/**
 * The migration key in both tables, as conditions and selections. The plan sees to it that its columns keep their values and
 * text form (migration-key.ts), so the same literals serve for both.
 *
 * Of a recollated key (key-collation.ts) the tables hold different spellings equal, and order them differently. Its rows are
 * found by the index, and then told apart by the bytes of their key in the source's character set, in both tables alike:
 * what the engine takes for two keys are two keys to each statement. Ranges are then those of the source; the shadow has an
 * order of its own (row-comparison.ts).
 *
 * Ranges are spelled out column by column, because neither server walks an index for `(a, b) > (1, 2)`; for
 * `(a, b) IN ((1, 2), …)` both do.
 */

import { assert } from '../engine/errors.ts';
import type { KeyRange, RowKey } from '../engine/model.ts';
import { isSameOrder, type TextCollation } from './key-collation.ts';
import { keyTextOf, literalFromText, rowKey, type KeyColumn } from './row-key.ts';
import type { Row } from './session.ts';
import { quoteName } from './statements.ts';

/** A column of the key in both tables. */
export interface KeyPart {
  readonly column: KeyColumn;
  readonly shadowName: string;
  /** Members of an ENUM in the shadow, which has the source's and perhaps more; else 0. */
  readonly memberCount: number;
  /** Collations of an ENUM or SET whose members' texts do not tell rows apart in both tables alike; else null. */
  readonly members: { readonly source: TextCollation; readonly shadow: TextCollation } | null;
  /** Null for all kinds but text. */
  readonly text: KeyText | null;
}

/** A text column of the key in both tables. */
export interface KeyText {
  /** Declared length in the source, characters. */
  readonly length: number;
  readonly source: TextCollation;
  readonly shadow: TextCollation;
}

/** Which table a condition or selection is about. */
export type Side = 'source' | 'shadow';

/** Whether the shadow compares or orders keys in another way than the source. */
export function isRecollated(parts: readonly KeyPart[]): boolean {
  return parts.some(({ text }) => text !== null && !isSameOrder(text.source, text.shadow));
}

/** Condition for the rows with these keys. */
export function keysCondition(parts: readonly KeyPart[], side: Side, keys: readonly RowKey[]): string {
  const tuples = keys.map((key) => splitKey(key, parts.length));
  const compared = tuples.map((tuple) => tuple.map((literal, place) => comparable(parts[place], side, literal)));
  const found = amongCondition(
    parts,
    parts.map((part) => nameOf(part, side, '')),
    compared,
  );
  if (!isRecollated(parts)) return found;
  const spelled = tuples.map((tuple) => tuple.map((literal, place) => spelledLiteral(parts[place], literal)));
  const isSpelled = amongCondition(
    parts,
    parts.map((part) => spelling(part, side, '')),
    spelled,
  );
  return `${found} AND ${isSpelled}`;
}

function amongCondition(parts: readonly KeyPart[], names: readonly string[], tuples: readonly (readonly string[])[]): string {
  const [only] = names;
  if (names.length === 1 && only !== undefined) return `${only} IN (${tuples.map((values) => values.join('')).join(', ')})`;
  // MySQL compares the number of an ENUM's or SET's member inside of parentheses with its text.
  if (parts.some((part) => ['enum', 'set'].includes(part.column.kind))) {
    const alternatives = tuples.map(
      (values) => `(${names.map((name, place) => `${name} = ${values[place] ?? ''}`).join(' AND ')})`,
    );
    return `(${alternatives.join(' OR ')})`;
  }
  return `(${names.join(', ')}) IN (${tuples.map((values) => `(${values.join(', ')})`).join(', ')})`;
}

/**
 * Condition for the rows in the range, in the order of this table; `TRUE` for the whole of it. `prefix` is the table with a dot,
 * or ''.
 */
export function rangeCondition(parts: readonly KeyPart[], side: Side, range: KeyRange, prefix = ''): string {
  const names = parts.map((part) => nameOf(part, side, prefix));
  const conditions = [
    ...(range.after === null ? [] : [beyond(parts, names, literalsFor(parts, side, range.after), '>')]),
    ...(range.through === null ? [] : [beyond(parts, names, literalsFor(parts, side, range.through), '<=')]),
  ];
  return conditions.length === 0 ? 'TRUE' : conditions.join(' AND ');
}

/**
 * What to select so that `keyFromRow` makes the row key: one column a part, named `key_0`, `key_1`, …. Also a row of the
 * shadow gives the key of the source's row from which it stems.
 */
export function keySelection(parts: readonly KeyPart[], side: Side, prefix = ''): string {
  const isExact = isRecollated(parts);
  return parts
    .map((part, place) => {
      const name = nameOf(part, side, prefix);
      const value = isExact && side === 'shadow' ? inCharset(name, part.text?.shadow, part.text?.source) : name;
      return `${keyTextOf(part.column, value)} AS key_${place}`;
    })
    .join(', ');
}

/** The same parts for keys as the shadow spells them: only for selecting them, and for ranges of the shadow. */
export function shadowSpelled(parts: readonly KeyPart[]): readonly KeyPart[] {
  return parts.map((part) => {
    if (part.text === null) return part;
    const { shadow } = part.text;
    return { ...part, column: { ...part.column, charset: shadow.charset }, text: { ...part.text, source: shadow } };
  });
}

/** The row key from a row that `keySelection` selected. */
export function keyFromRow(parts: readonly KeyPart[], row: Row): RowKey {
  return rowKey(
    parts.map(({ column }, place) => {
      const text = row[`key_${place}`];
      assert(text != null, `the server gave no value of ${column.name}`);
      return literalFromText(column, text);
    }),
  );
}

/**
 * What is equal for all spellings of a key that the server holds equal, as further selected columns `same_0`, `same_1`, …; only
 * text has several spellings, and those of a recollated key are keys of their own.
 */
export function samenessSelection(parts: readonly KeyPart[], side: Side): string {
  const isExact = isRecollated(parts);
  return parts
    .map((part, place) => {
      const name = nameOf(part, side, '');
      const value = part.text !== null && !isExact ? `HEX(WEIGHT_STRING(${name} AS CHAR(${part.text.length})))` : 'NULL';
      return `${value} AS same_${place}`;
    })
    .join(', ');
}

/** The identity of a row's key to its collation, from a row that both selections gave. */
export function samenessFromRow(parts: readonly KeyPart[], row: Row): string {
  return parts.map((_, place) => row[`same_${place}`] ?? row[`key_${place}`] ?? '').join('/');
}

/** Tables with a dot behind them, and which of the two is looked up by its index. */
export interface Join {
  readonly source: string;
  readonly shadow: string;
  readonly lookUp: Side;
}

/** Condition that joins a row of the source with its row in the shadow. */
export function joinCondition(parts: readonly KeyPart[], join: Join): string {
  const isExact = isRecollated(parts);
  return parts
    .map((part) => {
      const [source, shadow] = [nameOf(part, 'source', join.source), nameOf(part, 'shadow', join.shadow)];
      if (part.members !== null) {
        const { source: from, shadow: to } = part.members;
        // By its text a row is looked up, and by its number it is known.
        const isFound =
          join.lookUp === 'shadow' ? `${shadow} = ${asText(source, from, to)}` : `${source} = ${asText(shadow, to, from)}`;
        return `${isFound} AND CAST(${shadow} AS UNSIGNED) = CAST(${source} AS UNSIGNED)`;
      }
      if (part.text === null || !isExact) return `${shadow} = ${source}`;
      const { source: from, shadow: to } = part.text;
      const found =
        join.lookUp === 'shadow' ? `${shadow} = ${asText(source, from, to)}` : `${source} = ${asText(shadow, to, from)}`;
      // In the shadow's character set, which has all characters of the source's.
      return `${found} AND HEX(${shadow}) = HEX(${inCharset(source, from, to)})`;
    })
    .join(' AND ');
}

/** Whether a row of the shadow has a key that a row of the source can have. */
export function spellableCondition(parts: readonly KeyPart[], shadowPrefix: string): string {
  const conditions = parts.flatMap((part) => {
    if (part.text === null || part.text.source.charset === part.text.shadow.charset) return [];
    const { source, shadow } = part.text;
    const name = nameOf(part, 'shadow', shadowPrefix);
    return [`HEX(${inCharset(inCharset(name, shadow, source), source, shadow)}) = HEX(${name})`];
  });
  return conditions.length === 0 ? 'TRUE' : conditions.join(' AND ');
}

/** Columns of the key in one table, for ORDER BY. */
export function keyOrder(parts: readonly KeyPart[], side: Side, prefix: string, direction: 'ASC' | 'DESC'): string {
  return parts.map((part) => `${nameOf(part, side, prefix)} ${direction}`).join(', ');
}

/** The key as an operator reads it: `id = 42`, `shop = 3, code = 'a'`. */
export function describeKey(columns: readonly KeyColumn[], key: RowKey): string {
  const values = splitKey(key, columns.length);
  return columns.map((column, place) => `${column.name} = ${readable(values[place] ?? '')}`).join(', ');
}

function nameOf(part: KeyPart, side: Side, prefix: string): string {
  return `${prefix}${quoteName(side === 'source' ? part.column.name : part.shadowName)}`;
}

/** The literals of a row key. None has a comma or a parenthesis in it. */
function splitKey(key: RowKey, count: number): readonly string[] {
  const values = count === 1 ? [key] : key.slice(1, -1).split(',');
  assert(values.length === count, `a row key has ${values.length} parts instead of ${count}`);
  return values;
}

/** The key's literals, to be compared with the columns of this table. */
function literalsFor(parts: readonly KeyPart[], side: Side, key: RowKey): readonly string[] {
  return splitKey(key, parts.length).map((literal, place) => comparable(parts[place], side, literal));
}

/**
 * A text in another character set than the shadow's is converted by name: servers refuse a literal that they cannot convert, but
 * compare what CONVERT makes of it. As utf8mb4 a text in utf8mb3 says the same, but MySQL warns of every literal in the old one.
 */
function comparable(part: KeyPart | undefined, side: Side, literal: string): string {
  const modern = literal.replace(/^_(?:utf8|utf8mb3) /, '_utf8mb4 ');
  const shadow = part?.text?.shadow;
  const isForeign = shadow !== undefined && !literal.startsWith(`_${shadow.charset} `) && part !== undefined;
  if (side === 'source' || !isForeign || !isRecollated([part])) return modern;
  return `CONVERT(${modern} USING ${shadow.charset}) COLLATE ${shadow.collation}`;
}

/** What is equal only for the same bytes, in the source's character set: text in hexadecimal, other kinds as they are. */
function spelling(part: KeyPart, side: Side, prefix: string): string {
  const name = nameOf(part, side, prefix);
  if (part.text === null) return name;
  return `HEX(${side === 'source' ? name : inCharset(name, part.text.shadow, part.text.source)})`;
}

function spelledLiteral(part: KeyPart | undefined, literal: string): string {
  return part?.text == null ? literal : literal.replace(/^\w+ X/, '');
}

function inCharset(expression: string, from: TextCollation | undefined, to: TextCollation | undefined): string {
  return from === undefined || from.charset === to?.charset ? expression : `CONVERT(${expression} USING ${to?.charset})`;
}

/** A value of one table, to be compared as the other does. */
function asText(expression: string, from: TextCollation, to: TextCollation): string {
  return isSameText(from, to) ? expression : `${inCharset(expression, from, to)} COLLATE ${to.collation}`;
}

function isSameText(one: TextCollation, other: TextCollation): boolean {
  return one.charset === other.charset && one.collation === other.collation;
}

/** `>`: the rows behind the key; `<=`: those up to it. */
function beyond(parts: readonly KeyPart[], names: readonly string[], values: readonly string[], operator: '>' | '<='): string {
  const equal = names.map((name, place) => `${name} = ${values[place] ?? ''}`);
  const alternatives = parts.map((part, place) => {
    const isLast = place === parts.length - 1;
    const last = compared(part, names[place] ?? '', isLast || operator === '>' ? operator : '<', values[place] ?? '');
    return [...equal.slice(0, place), last].join(' AND ');
  });
  return parts.length === 1 ? alternatives.join('') : `(${alternatives.map((one) => `(${one})`).join(' OR ')})`;
}

function compared(part: KeyPart, name: string, operator: '<' | '<=' | '>', literal: string): string {
  if (part.column.kind !== 'enum') return `${name} ${operator} ${literal}`;
  // Only for equality do the servers look up the number of a member in an index. 0 marks an invalid value.
  const given = Number(literal);
  const [from, to] = operator === '>' ? [given + 1, part.memberCount] : [0, operator === '<' ? given - 1 : given];
  const numbers = Array.from({ length: Math.max(0, to - from + 1) }, (_, place) => from + place);
  return numbers.length === 0 ? 'FALSE' : `${name} IN (${numbers.join(', ')})`;
}

function readable(literal: string): string {
  const match = /^_(utf8|utf8mb3|utf8mb4|latin1|ascii) X'([0-9A-F]*)'$/.exec(literal);
  if (match === null) return literal;
  const text = Buffer.from(match[2] ?? '', 'hex').toString(match[1] === 'latin1' ? 'latin1' : 'utf8');
  return `'${text}'`;
}
