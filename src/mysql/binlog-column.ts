/** Columns as a TABLE_MAP event describes them: a type code and two bytes of metadata, from which follows how a value is stored. */

import { type Column, isKeptAsHash, type TableDescription } from './catalog.ts';

/** Type codes of the log. Those from 140 on 141 are MariaDB's compressed columns. */
export const TYPE = {
  TINY: 1,
  SHORT: 2,
  LONG: 3,
  FLOAT: 4,
  DOUBLE: 5,
  TIMESTAMP: 7,
  LONGLONG: 8,
  INT24: 9,
  DATE: 10,
  TIME: 11,
  DATETIME: 12,
  YEAR: 13,
  NEWDATE: 14,
  VARCHAR: 15,
  BIT: 16,
  TIMESTAMP2: 17,
  DATETIME2: 18,
  TIME2: 19,
  BLOB_COMPRESSED: 140,
  VARCHAR_COMPRESSED: 141,
  VECTOR: 242,
  JSON: 245,
  NEWDECIMAL: 246,
  ENUM: 247,
  SET: 248,
  BLOB: 252,
  VAR_STRING: 253,
  STRING: 254,
  GEOMETRY: 255,
} as const;

/** The columns of a table as the log has them: behind all others a hidden one for each index that MariaDB keeps as a hash. */
export function loggedColumns({ columns, indexes }: TableDescription): readonly Column[] {
  const hashes = indexes.filter(isKeptAsHash);
  const hidden = hashes.map(
    (index, place): Column => ({ ...HASH_COLUMN, name: `(hash of ${index.name})`, ordinal: columns.length + place }),
  );
  return [...columns, ...hidden];
}

/** A column about which there is nothing to say: what differs is spread over it. */
export const NO_COLUMN: Column = {
  name: '',
  ordinal: 0,
  dataType: '',
  columnType: '',
  isNullable: false,
  isUnsigned: false,
  charset: null,
  collation: null,
  precision: 0,
  scale: 0,
  fractionalDigits: 0,
  length: null,
  octetLength: null,
  members: [],
  generated: 'none',
  isAutoIncrement: false,
  defaultText: null,
  definition: '',
};

const HASH_COLUMN = {
  ...NO_COLUMN,
  dataType: 'bigint',
  columnType: 'bigint unsigned',
  isNullable: true,
  isUnsigned: true,
  generated: 'virtual',
} as const;

/** A column's type in a TABLE_MAP event: the code and the metadata, little-endian where it has two bytes. */
export interface LoggedType {
  readonly code: number;
  readonly metadata: number;
}

/**
 * How a value lies in a row image: `fixed` in `size` bytes, or `prefixed` by its length in `size` bytes, little-endian.
 * `real` is the code with ENUM and SET told from the STRING that the log calls them.
 */
export interface ValueLayout {
  readonly kind: 'fixed' | 'prefixed';
  readonly size: number;
  readonly real: number;
}

const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [TYPE.TINY, 1],
  [TYPE.SHORT, 2],
  [TYPE.LONG, 4],
  [TYPE.FLOAT, 4],
  [TYPE.DOUBLE, 8],
  [TYPE.TIMESTAMP, 4],
  [TYPE.LONGLONG, 8],
  [TYPE.INT24, 3],
  [TYPE.DATE, 3],
  [TYPE.TIME, 3],
  [TYPE.DATETIME, 8],
  [TYPE.YEAR, 1],
  [TYPE.NEWDATE, 3],
]);

/** Types whose metadata is one byte, the size of the length prefix. */
const BLOB_LIKE: ReadonlySet<number> = new Set([TYPE.BLOB, TYPE.BLOB_COMPRESSED, TYPE.JSON, TYPE.GEOMETRY, TYPE.VECTOR]);

/** How many bytes of metadata a type has in a TABLE_MAP event; null: the type is not known. */
export function metadataBytes(code: number): number | null {
  switch (code) {
    case TYPE.FLOAT:
    case TYPE.DOUBLE:
    case TYPE.TIMESTAMP2:
    case TYPE.DATETIME2:
    case TYPE.TIME2:
      return 1;
    case TYPE.VARCHAR:
    case TYPE.VARCHAR_COMPRESSED:
    case TYPE.BIT:
    case TYPE.NEWDECIMAL:
    case TYPE.ENUM:
    case TYPE.SET:
    case TYPE.VAR_STRING:
    case TYPE.STRING:
      return 2;
    default:
      if (BLOB_LIKE.has(code)) return 1;
      return FIXED_BYTES.has(code) ? 0 : null;
  }
}

/** How values of a type lie in a row image. `column` is what the catalog says, for MariaDB's old temporal types. */
export function valueLayout(type: LoggedType, column: Column | undefined): ValueLayout {
  const { code, metadata } = type;
  const low = metadata & 0xff;
  const high = metadata >> 8;
  const fixed = (size: number, real = code): ValueLayout => ({ kind: 'fixed', size, real });
  const prefixed = (size: number, real = code): ValueLayout => ({ kind: 'prefixed', size, real });
  if (BLOB_LIKE.has(code)) return prefixed(low);
  switch (code) {
    case TYPE.TIMESTAMP2:
      return fixed(4 + fractionBytes(low));
    case TYPE.DATETIME2:
      return fixed(5 + fractionBytes(low));
    case TYPE.TIME2:
      return fixed(3 + fractionBytes(low));
    case TYPE.TIMESTAMP:
    case TYPE.TIME:
    case TYPE.DATETIME:
      return fixed(oldTemporalBytes(code, column?.fractionalDigits ?? 0));
    case TYPE.BIT:
      return fixed(high + (low > 0 ? 1 : 0));
    case TYPE.NEWDECIMAL:
      return fixed(decimalBytes(low, high));
    case TYPE.ENUM:
    case TYPE.SET:
      return fixed(high);
    case TYPE.VARCHAR:
    case TYPE.VAR_STRING:
    case TYPE.VARCHAR_COMPRESSED:
      return prefixed(metadata < 256 ? 1 : 2);
    case TYPE.STRING: {
      const real = low | 0x30;
      if (real === TYPE.ENUM || real === TYPE.SET) return fixed(high, real);
      const longest = (((low & 0x30) ^ 0x30) << 4) | high;
      return prefixed(longest < 256 ? 1 : 2);
    }
    default:
      return fixed(FIXED_BYTES.get(code) ?? 0);
  }
}

/** Bytes that hold this many digits of fractional seconds. */
function fractionBytes(digits: number): number {
  return (digits + 1) >> 1;
}

/** Bytes that hold 0 to 9 decimal digits. */
export const DIGIT_BYTES: readonly number[] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/** Bytes of a DECIMAL value. */
function decimalBytes(precision: number, scale: number): number {
  const part = (digits: number): number => Math.floor(digits / 9) * 4 + (DIGIT_BYTES[digits % 9] ?? 0);
  return part(precision - scale) + part(scale);
}

/**
 * MariaDB with mysql56_temporal_format=OFF, and tables from before 10.1, keep fractions in the old types, with more bytes and no
 * word of it in the metadata (sql/field.cc, Field_timestamp_hires and its kin).
 */
function oldTemporalBytes(code: number, digits: number): number {
  const sizes: Readonly<Record<number, readonly number[]>> = {
    [TYPE.TIMESTAMP]: [4, 5, 5, 6, 6, 7, 7],
    [TYPE.TIME]: [3, 4, 4, 5, 5, 5, 6],
    [TYPE.DATETIME]: [8, 6, 6, 7, 7, 7, 8],
  };
  return sizes[code]?.[digits] ?? 0;
}

/** The types that the log must name for a column of the catalog; null where the catalog does not say enough. */
export function expectedTypes(column: Column): readonly LoggedType[] | null {
  const { dataType, columnType } = column;
  const just = (code: number, metadata = 0): readonly LoggedType[] => [{ code, metadata }];
  const simple = SIMPLE_TYPES[dataType];
  if (simple !== undefined) return just(simple.code, simple.metadata);
  const isCompressed = /\bcompressed\b/i.test(columnType);
  const blobBytes =
    ['tiny', '', 'medium', 'long'].findIndex((size) => dataType === `${size}text` || dataType === `${size}blob`) + 1;
  if (blobBytes > 0) return just(isCompressed ? TYPE.BLOB_COMPRESSED : TYPE.BLOB, blobBytes);
  switch (dataType) {
    case 'decimal':
      return just(TYPE.NEWDECIMAL, column.precision | (column.scale << 8));
    case 'bit': {
      const bits = Number(/\d+/.exec(columnType)?.[0] ?? 1);
      return just(TYPE.BIT, (bits & 7) | ((bits >> 3) << 8));
    }
    case 'time':
      return [{ code: TYPE.TIME2, metadata: column.fractionalDigits }, ...just(TYPE.TIME)];
    case 'datetime':
      return [{ code: TYPE.DATETIME2, metadata: column.fractionalDigits }, ...just(TYPE.DATETIME)];
    case 'timestamp':
      return [{ code: TYPE.TIMESTAMP2, metadata: column.fractionalDigits }, ...just(TYPE.TIMESTAMP)];
    case 'enum':
    case 'set': {
      const members = column.members.length;
      const setBytes = (members + 7) >> 3;
      const bytes = dataType === 'enum' ? (members < 256 ? 1 : 2) : setBytes > 4 ? 8 : setBytes;
      return just(TYPE.STRING, (dataType === 'enum' ? TYPE.ENUM : TYPE.SET) | (bytes << 8));
    }
    case 'varchar':
    case 'varbinary':
      return column.octetLength === null
        ? null
        : just(isCompressed ? TYPE.VARCHAR_COMPRESSED : TYPE.VARCHAR, column.octetLength + (isCompressed ? 1 : 0));
    case 'char':
    case 'binary':
      return column.octetLength === null ? null : just(TYPE.STRING, stringMetadata(column.octetLength));
    default:
      return null;
  }
}

function stringMetadata(octets: number): number {
  return (TYPE.STRING ^ ((octets & 0x300) >> 4)) | ((octets & 0xff) << 8);
}

const SIMPLE_TYPES: Readonly<Record<string, LoggedType>> = {
  tinyint: { code: TYPE.TINY, metadata: 0 },
  smallint: { code: TYPE.SHORT, metadata: 0 },
  mediumint: { code: TYPE.INT24, metadata: 0 },
  int: { code: TYPE.LONG, metadata: 0 },
  bigint: { code: TYPE.LONGLONG, metadata: 0 },
  float: { code: TYPE.FLOAT, metadata: 4 },
  double: { code: TYPE.DOUBLE, metadata: 8 },
  year: { code: TYPE.YEAR, metadata: 0 },
  date: { code: TYPE.DATE, metadata: 0 },
  json: { code: TYPE.JSON, metadata: 4 },
  vector: { code: TYPE.VECTOR, metadata: 4 },
  geometry: { code: TYPE.GEOMETRY, metadata: 4 },
  point: { code: TYPE.GEOMETRY, metadata: 4 },
  linestring: { code: TYPE.GEOMETRY, metadata: 4 },
  polygon: { code: TYPE.GEOMETRY, metadata: 4 },
  multipoint: { code: TYPE.GEOMETRY, metadata: 4 },
  multilinestring: { code: TYPE.GEOMETRY, metadata: 4 },
  multipolygon: { code: TYPE.GEOMETRY, metadata: 4 },
  geomcollection: { code: TYPE.GEOMETRY, metadata: 4 },
  geometrycollection: { code: TYPE.GEOMETRY, metadata: 4 },
  uuid: { code: TYPE.STRING, metadata: stringMetadata(16) },
  inet6: { code: TYPE.STRING, metadata: stringMetadata(16) },
  inet4: { code: TYPE.STRING, metadata: stringMetadata(4) },
};
