/**
 * Checksums over rows. A row becomes one text that no other row gives, the text becomes a hash, and the hashes of many rows
 * become one number that does not depend on their order. Values stand in their own bytes, told apart by a mark that is made by
 * chance for each run, so that none of them has it in it; the mark is also what stands for NULL.
 *
 * The hash is not linear on purpose. An exclusive or of plain CRCs cannot see that two rows have swapped a value: for texts of
 * equal lengths CRC(ab) ^ CRC(cd) = CRC(ad) ^ CRC(cb), and swapped values are what a lost change of a unique column looks like.
 */

import type { Column } from './catalog.ts';
import { isMemberPrefix, typeFamily } from './conversions.ts';
import type { Flavour } from './flavour.ts';

/** Expression over a column, whose qualified and quoted name it is given. */
export type ColumnExpression = (name: string) => string;

/**
 * What the shadow's column would hold of a value of the source's, as an expression that gives the same text and bytes; null
 * where no expression is exact on every server, so that the server must convert by an assignment (probe.ts).
 */
export function sourceAsShadow(source: Column, shadow: Column): ColumnExpression | null {
  const [from, to] = [typeFamily(source), typeFamily(shadow)];
  if (from === null || to === null) return null;
  if (source.columnType === shadow.columnType && source.charset === shadow.charset) return asIs;
  return from === to ? withinFamily(source, shadow) : (acrossFamilies[from]?.[to]?.(source, shadow) ?? null);
}

/** A value in the text of a row. */
export interface HashedValue {
  readonly expression: string;
  /** The column that holds the value, or whose type the expression has. */
  readonly column: Column;
  /** May be NULL in one of the tables that are compared. */
  readonly isNullable: boolean;
}

/** The text of a row. Beginning with binary text makes all of it binary, so that no character set is converted to another. */
export function rowText(values: readonly HashedValue[], mark: string): string {
  return `CONCAT(CAST('${mark}' AS BINARY), ${values.map((value) => valueText(value, mark)).join(`, '${mark}', `)})`;
}

/** What a number, a date or a network address may have as text, a decimal with all its digits included. */
const SHORT_TEXT_BYTES = 80;
const HASH_BYTES = 64;
/** Of a mark (PairTables), which stands before each value and for NULL. */
const MARK_BYTES = 16;

/** No text of a row with these columns is longer. */
export function rowTextBytesMax(columns: readonly Column[]): number {
  return columns.reduce((sum, column) => sum + valueBytesMax(column) + 2 * MARK_BYTES, 0);
}

function valueBytesMax(column: Column): number {
  const family = typeFamily(column);
  if (family === 'text' || family === 'binary') return isLong(column) ? HASH_BYTES : (column.octetLength ?? HASH_BYTES);
  return SHORT_TEXT_BYTES;
}

function valueText({ expression, column, isNullable }: HashedValue, mark: string): string {
  const text = unmarkedText(expression, column);
  if (!isNullable) return text;
  // Network types as text, or MariaDB takes the mark for a value of the type.
  return ['uuid', 'inet4', 'inet6'].includes(column.dataType)
    ? `IFNULL(CONCAT(${text}), '${mark}')`
    : `IFNULL(${text}, '${mark}')`;
}

function unmarkedText(expression: string, column: Column): string {
  switch (typeFamily(column)) {
    case 'integer':
    case 'decimal':
      // Without the zeros in front that ZEROFILL prints.
      return column.columnType.includes('zerofill') ? `${expression} + 0` : expression;
    case 'float':
      // All digits: FLOAT prints only six.
      return `${expression} * 1e0`;
    case 'bit':
    case 'enum':
    case 'set':
      return asNumber(expression);
    case 'text':
    case 'binary':
      return isLong(column) ? `SHA2(${expression}, 256)` : expression;
    case 'json':
    case 'geometry':
    case 'vector':
    case null:
      return `SHA2(${expression}, 256)`;
    case 'year':
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

/** The hash of a row's text: 64 bits or more. See docs/decisions/mysql-rows.md. */
export function rowHash(text: string, flavour: Flavour): string {
  switch (flavour.rowHash) {
    case 'sha2':
      return `SHA2(${text}, 256)`;
    case 'crc':
      // Two polynomials; the product takes the linearity away.
      return `CRC32(${text}) * CRC32C(${text})`;
    case 'half-sha2':
      return `CAST(CONV(LEFT(SHA2(${text}, 256), 16), 16, 10) AS UNSIGNED)`;
  }
}

/** Whether the hashes of both sides cost less than looking each row of one up in the other. */
export function isHashCheap(flavour: Flavour): boolean {
  return flavour.rowHash !== 'half-sha2';
}

/**
 * Aggregate that makes one number of row hashes, in any order. A row without a hash, whose text the server could not make (isLong), gets
 * one by chance: it is equal to no other row, whereas BIT_XOR would pass it over. An integer, for beside a double all would become doubles,
 * which do not hold 64 bits.
 */
export function combineHashes(hash: string, flavour: Flavour): string {
  return flavour.rowHash === 'sha2'
    ? `HEX(BIT_XOR(UNHEX(IFNULL(${hash}, SHA2(UUID(), 256)))))`
    : `BIT_XOR(IFNULL(${hash}, CAST(RAND() * 9007199254740991 AS UNSIGNED)))`;
}

/**
 * Values that go into the row's text as a hash of their own: the text of a row must stay below max_allowed_packet, beyond which
 * CONCAT gives NULL.
 */
function isLong(column: Column): boolean {
  return /text|blob/.test(column.dataType) && !column.dataType.startsWith('tiny');
}

const asIs: ColumnExpression = (name) => name;

function withinFamily(source: Column, shadow: Column): ColumnExpression | null {
  switch (typeFamily(source)) {
    case 'integer':
      return withoutZerofill(source);
    case 'decimal':
      return (name) => `CAST(${name} AS DECIMAL(${shadow.precision},${shadow.scale}))`;
    case 'float':
      return source.columnType === 'float' && shadow.columnType === 'double' ? (name) => `${name} * 1e0` : null;
    case 'text':
      return asText(source, shadow);
    case 'binary':
      return shadow.dataType === 'binary' ? (name) => `CAST(${name} AS BINARY(${shadow.length ?? 0}))` : asIs;
    case 'enum':
    case 'set':
      return isMemberPrefix(source, shadow) ? asIs : null;
    case 'time':
      return (name) => `CAST(${name} AS TIME(${shadow.fractionalDigits}))`;
    case 'datetime':
    case 'timestamp':
      return (name) => `CAST(${name} AS DATETIME(${shadow.fractionalDigits}))`;
    case 'bit':
    case 'geometry':
    case 'year':
      return asIs;
    case 'date':
    case 'json':
    case 'uuid':
    case 'inet4':
    case 'inet6':
    case 'vector':
    case null:
      return null;
  }
}

type Family = NonNullable<ReturnType<typeof typeFamily>>;

const acrossFamilies: Partial<Record<Family, Partial<Record<Family, typeof sourceAsShadow>>>> = {
  integer: {
    decimal: (_, shadow) => (name) => `CAST(${name} AS DECIMAL(${shadow.precision},${shadow.scale}))`,
    text: (_, shadow) => (name) => `CONVERT(CONCAT(${name}) USING ${shadow.charset ?? 'binary'})`,
  },
  bit: { integer: () => asNumber },
  year: { integer: () => asNumber },
  enum: { integer: () => asNumber, text: asText },
  set: { integer: () => asNumber, text: asText },
  date: { datetime: (_, shadow) => (name) => `CAST(${name} AS DATETIME(${shadow.fractionalDigits}))` },
};

/** Not by `+ 0`, which MySQL computes as a double for a SET. */
function asNumber(name: string): string {
  return `CAST(${name} AS UNSIGNED)`;
}

function withoutZerofill(column: Column): ColumnExpression {
  return column.columnType.includes('zerofill') ? (name) => `${name} + 0` : asIs;
}

/** CHAR gives its values without the spaces at their end, whatever was put in. */
function asText(source: Column, shadow: Column): ColumnExpression {
  const isConverted = source.charset !== shadow.charset || typeFamily(source) !== 'text';
  const losesSpaces = shadow.dataType === 'char' && source.dataType !== 'char';
  return (name) => {
    const text = isConverted ? `CONVERT(${name} USING ${shadow.charset ?? 'binary'})` : name;
    return losesSpaces ? `TRIM(TRAILING ' ' FROM ${text})` : text;
  };
}
