/**
 * Key columns from raw log bytes to the literals of row-key.ts, without decoding any character set. Formats: MySQL's
 * my_time.cc and decimal.cc; MariaDB's log differs only in the types that MySQL lacks.
 */

import { MigrationError } from '../engine/errors.ts';
import { DIGIT_BYTES, TYPE, type LoggedType, type ValueLayout } from './binlog-column.ts';
import { byteAt, numberBE, numberLE, uuidText } from './binlog-format.ts';
import type { KeyColumn } from './row-key.ts';

/** Literal of the value that begins at `at`, its length prefix included. */
export type KeyDecoder = (bytes: Buffer, at: number) => string;

/** The decoder for a key column as the log stores it. Rejects a type in the log that the column cannot have. */
export function keyDecoder(column: KeyColumn, type: LoggedType, layout: ValueLayout): KeyDecoder {
  const decoder = layout.kind === 'fixed' ? fixedDecoder(column, type, layout) : prefixedDecoder(column, layout);
  if (decoder === null) {
    const message = `Key column ${column.name} is a ${column.kind}, but the log has it as type ${layout.real}.`;
    throw new MigrationError('SOURCE_CHANGED', message);
  }
  return decoder;
}

function prefixedDecoder(column: KeyColumn, layout: ValueLayout): KeyDecoder | null {
  const { size, real } = layout;
  const isString = real === TYPE.STRING || real === TYPE.VARCHAR || real === TYPE.VAR_STRING;
  if (!isString && real !== TYPE.BLOB) return null;
  const whole = (text: (bytes: Buffer, from: number, to: number) => string): KeyDecoder => {
    return (bytes, at) => text(bytes, at + size, at + size + numberLE(bytes, at, size));
  };
  switch (column.kind) {
    case 'text': {
      const introducer = `_${column.charset ?? 'binary'} X'`;
      return whole((bytes, from, to) => `${introducer}${upperHex(bytes, from, to)}'`);
    }
    case 'binary': {
      const digits = 2 * (column.fixedBytes ?? 0);
      return whole((bytes, from, to) => `X'${upperHex(bytes, from, to).padEnd(digits, '0')}'`);
    }
    case 'uuid':
      return whole((bytes, from, to) => `'${uuidText(padded(bytes, from, to, 16), 0)}'`);
    case 'inet4':
      return whole((bytes, from, to) => `'${padded(bytes, from, to, 4).join('.')}'`);
    case 'inet6':
      return whole((bytes, from, to) => `'${inet6Text(padded(bytes, from, to, 16))}'`);
    default:
      return null;
  }
}

function fixedDecoder(column: KeyColumn, type: LoggedType, layout: ValueLayout): KeyDecoder | null {
  const { size, real } = layout;
  switch (column.kind) {
    case 'integer':
      return integerDecoder(real, column.isUnsigned);
    case 'bit':
      return real === TYPE.BIT ? (bytes, at) => unsignedBE(bytes, at, size) : null;
    case 'enum':
      return real === TYPE.ENUM ? (bytes, at) => String(numberLE(bytes, at, size)) : null;
    case 'set':
      return real === TYPE.SET ? (bytes, at) => (size < 8 ? String(numberLE(bytes, at, size)) : unsigned64(bytes, at)) : null;
    case 'year':
      return real === TYPE.YEAR ? (bytes, at) => String(byteAt(bytes, at) === 0 ? 0 : 1900 + byteAt(bytes, at)) : null;
    case 'decimal':
      return real === TYPE.NEWDECIMAL ? decimalDecoder(type.metadata & 0xff, type.metadata >> 8) : null;
    case 'date':
      return real === TYPE.DATE || real === TYPE.NEWDATE ? dateLiteral : null;
    case 'time':
    case 'datetime':
    case 'timestamp':
      return temporalDecoder(column, real);
    default:
      return null;
  }
}

function integerDecoder(code: number, isUnsigned: boolean): KeyDecoder | null {
  switch (code) {
    case TYPE.TINY:
      return isUnsigned ? (bytes, at) => String(byteAt(bytes, at)) : (bytes, at) => String(bytes.readInt8(at));
    case TYPE.SHORT:
      return isUnsigned ? (bytes, at) => String(bytes.readUInt16LE(at)) : (bytes, at) => String(bytes.readInt16LE(at));
    case TYPE.INT24:
      return isUnsigned ? (bytes, at) => String(numberLE(bytes, at, 3)) : (bytes, at) => String(bytes.readIntLE(at, 3));
    case TYPE.LONG:
      return isUnsigned ? (bytes, at) => String(bytes.readUInt32LE(at)) : (bytes, at) => String(bytes.readInt32LE(at));
    case TYPE.LONGLONG:
      return isUnsigned ? unsigned64 : signed64;
    default:
      return null;
  }
}

/** Up to here the upper half of a 64-bit number leaves the whole exact as a JavaScript number. */
const UPPER_EXACT = 0x20_0000;

function unsigned64(bytes: Buffer, at: number): string {
  const upper = bytes.readUInt32LE(at + 4);
  if (upper < UPPER_EXACT) return String(upper * 0x1_0000_0000 + bytes.readUInt32LE(at));
  return String(bytes.readBigUInt64LE(at));
}

function signed64(bytes: Buffer, at: number): string {
  const upper = bytes.readInt32LE(at + 4);
  if (upper >= 0 && upper < UPPER_EXACT) return String(upper * 0x1_0000_0000 + bytes.readUInt32LE(at));
  return String(bytes.readBigInt64LE(at));
}

function unsignedBE(bytes: Buffer, at: number, size: number): string {
  if (size <= 6) return String(numberBE(bytes, at, size));
  return String((BigInt(numberBE(bytes, at, size - 4)) << 32n) | BigInt(bytes.readUInt32BE(at + size - 4)));
}

/** Groups of nine digits in four bytes each, the odd digits outermost; the sign bit inverted, a negative number inverted whole. */
function decimalDecoder(precision: number, scale: number): KeyDecoder {
  const whole = precision - scale;
  const widths = [whole % 9, ...nines(whole), ...nines(scale), scale % 9].filter((digits) => digits > 0);
  return (bytes, at) => {
    const isNegative = (byteAt(bytes, at) & 0x80) === 0;
    let next = at;
    let digits = '';
    for (const width of widths) {
      const size = DIGIT_BYTES[width] ?? 0;
      const signBit = next === at ? 2 ** (8 * size - 1) : 0;
      const stored = numberBE(bytes, next, size);
      const part = isNegative ? 2 ** (8 * size) - 1 - stored : stored;
      digits += String(part >= signBit ? part - signBit : part).padStart(width, '0');
      next += size;
    }
    const integral = digits.slice(0, whole).replace(/^0+/, '') || '0';
    return `${isNegative ? '-' : ''}${integral}${scale > 0 ? `.${digits.slice(whole)}` : ''}`;
  };
}

function nines(digits: number): readonly number[] {
  return Array.from({ length: Math.floor(digits / 9) }, () => 9);
}

function dateLiteral(bytes: Buffer, at: number): string {
  const packed = numberLE(bytes, at, 3);
  return `'${dateText(packed >> 9, (packed >> 5) & 15, packed & 31)}'`;
}

function temporalDecoder(column: KeyColumn, code: number): KeyDecoder | null {
  const { kind, scale } = column;
  if (kind === 'time' && code === TYPE.TIME2) return (bytes, at) => `'${timeText(bytes, at, scale)}'`;
  if (kind === 'datetime' && code === TYPE.DATETIME2) return (bytes, at) => `'${datetimeText(bytes, at, scale)}'`;
  if (kind === 'timestamp' && code === TYPE.TIMESTAMP2) {
    return (bytes, at) => `'${epochText(bytes.readUInt32BE(at))}${fractionText(bytes, at + 4, scale)}'`;
  }
  if (scale > 0) return null;
  if (kind === 'timestamp' && code === TYPE.TIMESTAMP) return (bytes, at) => `'${epochText(bytes.readUInt32LE(at))}'`;
  if (kind === 'time' && code === TYPE.TIME) return (bytes, at) => `'${oldTimeText(bytes.readIntLE(at, 3))}'`;
  if (kind === 'datetime' && code === TYPE.DATETIME) return (bytes, at) => `'${oldDatetimeText(bytes.readBigUInt64LE(at))}'`;
  return null;
}

/** Hours, minutes and seconds in 10, 6 and 6 bits above the fraction, offset so that the bytes order as the values do. */
function timeText(bytes: Buffer, at: number, scale: number): string {
  const fractionSize = (scale + 1) >> 1;
  const packed = numberBE(bytes, at, 3 + fractionSize) - 0x80_0000 * 256 ** fractionSize;
  const magnitude = Math.abs(packed);
  const clock = Math.floor(magnitude / 256 ** fractionSize);
  const text = `${pad(clock >> 12)}:${pad((clock >> 6) & 63)}:${pad(clock & 63)}`;
  return `${packed < 0 ? '-' : ''}${text}${digitsText(magnitude % 256 ** fractionSize, fractionSize, scale)}`;
}

function datetimeText(bytes: Buffer, at: number, scale: number): string {
  const packed = numberBE(bytes, at, 5) - 0x80_0000_0000;
  const days = Math.floor(packed / 0x2_0000);
  const clock = packed % 0x2_0000;
  const months = days >> 5;
  const date = dateText(Math.floor(months / 13), months % 13, days & 31);
  return `${date} ${pad(clock >> 12)}:${pad((clock >> 6) & 63)}:${pad(clock & 63)}${fractionText(bytes, at + 5, scale)}`;
}

function fractionText(bytes: Buffer, at: number, scale: number): string {
  const size = (scale + 1) >> 1;
  return digitsText(numberBE(bytes, at, size), size, scale);
}

/** A fraction is stored in pairs of digits; an odd number of them leaves a 0 behind the last. */
function digitsText(value: number, size: number, scale: number): string {
  return scale === 0
    ? ''
    : `.${String(value)
        .padStart(2 * size, '0')
        .slice(0, scale)}`;
}

function epochText(seconds: number): string {
  if (seconds === 0) return '0000-00-00 00:00:00';
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
}

function oldTimeText(value: number): string {
  const clock = Math.abs(value);
  return `${value < 0 ? '-' : ''}${pad(Math.floor(clock / 10_000))}:${pad(Math.floor(clock / 100) % 100)}:${pad(clock % 100)}`;
}

function oldDatetimeText(value: bigint): string {
  const text = String(value).padStart(14, '0');
  return text.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, '$1-$2-$3 $4:$5:$6');
}

function dateText(year: number, month: number, day: number): string {
  return `${String(year).padStart(4, '0')}-${pad(month)}-${pad(day)}`;
}

function pad(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

function upperHex(bytes: Buffer, from: number, to: number): string {
  return bytes.toString('hex', from, to).toUpperCase();
}

/** The log leaves trailing zero bytes out. */
function padded(bytes: Buffer, from: number, to: number, length: number): Buffer {
  const whole = Buffer.alloc(length);
  bytes.copy(whole, 0, from, to);
  return whole;
}

/**
 * As MariaDB prints an IPv6 address (sql_type_inet.cc): lower-case groups without leading zeros, the first longest run of zero
 * groups as `::` even if it is one group, and IPv4-mapped and IPv4-compatible addresses with dots.
 */
function inet6Text(address: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(2 * index));
  const gap = longestZeroRun(groups);
  const dotted = address.subarray(12).join('.');
  if (gap.start === 0 && gap.length === 6) return `::${dotted}`;
  if (gap.start === 0 && gap.length === 5 && groups[5] === 0xffff) return `::ffff:${dotted}`;
  const hex = groups.map((group) => group.toString(16));
  if (gap.length === 0) return hex.join(':');
  return `${hex.slice(0, gap.start).join(':')}::${hex.slice(gap.start + gap.length).join(':')}`;
}

function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start += 1) {
    let length = 0;
    while (groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  return best;
}
