/** The binary log as bytes: event types, the event header, and how numbers are stored. */

import { MigrationError } from '../engine/errors.ts';

/** Event types by their number in the log; MariaDB's own are above 159. */
export const EVENT = {
  QUERY: 2,
  STOP: 3,
  ROTATE: 4,
  INTVAR: 5,
  APPEND_BLOCK: 9,
  DELETE_FILE: 11,
  RAND: 13,
  USER_VAR: 14,
  FORMAT_DESCRIPTION: 15,
  XID: 16,
  BEGIN_LOAD_QUERY: 17,
  EXECUTE_LOAD_QUERY: 18,
  TABLE_MAP: 19,
  WRITE_ROWS_V1: 23,
  UPDATE_ROWS_V1: 24,
  DELETE_ROWS_V1: 25,
  INCIDENT: 26,
  HEARTBEAT: 27,
  ROWS_QUERY: 29,
  WRITE_ROWS: 30,
  UPDATE_ROWS: 31,
  DELETE_ROWS: 32,
  GTID: 33,
  ANONYMOUS_GTID: 34,
  PREVIOUS_GTIDS: 35,
  TRANSACTION_CONTEXT: 36,
  VIEW_CHANGE: 37,
  XA_PREPARE: 38,
  PARTIAL_UPDATE_ROWS: 39,
  TRANSACTION_PAYLOAD: 40,
  HEARTBEAT_V2: 41,
  GTID_TAGGED: 42,
  ANNOTATE_ROWS: 160,
  BINLOG_CHECKPOINT: 161,
  MARIADB_GTID: 162,
  MARIADB_GTID_LIST: 163,
  START_ENCRYPTION: 164,
  QUERY_COMPRESSED: 165,
  WRITE_ROWS_COMPRESSED_V1: 166,
  UPDATE_ROWS_COMPRESSED_V1: 167,
  DELETE_ROWS_COMPRESSED_V1: 168,
  WRITE_ROWS_COMPRESSED: 169,
  UPDATE_ROWS_COMPRESSED: 170,
  DELETE_ROWS_COMPRESSED: 171,
} as const;

/** Length of the header in front of every event. */
export const HEADER_BYTES = 19;
/** An event that the server made for this connection; it is not in the file, so it has no place there. */
export const FLAG_ARTIFICIAL = 0x20;
/** A reader that does not know the event's type may pass it over. */
export const FLAG_IGNORABLE = 0x80;

/** One event: its header decoded, its body as an interval of a buffer. Valid only while the call that got it runs. */
export interface LogEvent {
  readonly type: number;
  readonly flags: number;
  /** Bytes in the file, header and checksum included. */
  readonly length: number;
  /** Low 32 bits of the offset behind the event; 0 where there is none. */
  readonly nextOffset: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** The event that begins at `start` and whose last `checksumBytes` before `end` are its checksum. */
export function eventAt(bytes: Buffer, start: number, end: number, checksumBytes: number): LogEvent {
  if (end - start < HEADER_BYTES + checksumBytes) throw brokenEvent(byteAt(bytes, start + 4), 'it is shorter than its header');
  const event: LogEvent = {
    type: byteAt(bytes, start + 4),
    flags: bytes.readUInt16LE(start + 17),
    length: bytes.readUInt32LE(start + 9),
    nextOffset: bytes.readUInt32LE(start + 13),
    bytes,
    start: start + HEADER_BYTES,
    end: end - checksumBytes,
  };
  if (event.length !== end - start) throw brokenEvent(event.type, `it says ${event.length} bytes and has ${end - start}`);
  return event;
}

/** What is thrown when an event does not have the shape that its type must have: going on could miss changes. */
export function brokenEvent(type: number, what: string): MigrationError {
  return new MigrationError('UNKNOWN_LOG_EVENT', `An event of type ${type} in the log cannot be read: ${what}.`);
}

/** The byte at an index; past the end 0, which the check of every event's length then finds. */
export function byteAt(bytes: Buffer, at: number): number {
  return bytes[at] ?? 0;
}

/** Big-endian unsigned number of up to six bytes. */
export function numberBE(bytes: Buffer, at: number, length: number): number {
  let value = 0;
  for (let index = 0; index < length; index += 1) value = value * 256 + byteAt(bytes, at + index);
  return value;
}

/** Little-endian unsigned number of up to six bytes. */
export function numberLE(bytes: Buffer, at: number, length: number): number {
  let value = 0;
  for (let index = length - 1; index >= 0; index -= 1) value = value * 256 + byteAt(bytes, at + index);
  return value;
}

/** A length-encoded integer: its value and the index behind it. */
export function lengthEncoded(bytes: Buffer, at: number): { readonly value: number; readonly next: number } {
  const first = byteAt(bytes, at);
  if (first < 0xfb) return { value: first, next: at + 1 };
  const length = first === 0xfc ? 2 : first === 0xfd ? 3 : 6;
  return { value: numberLE(bytes, at + 1, length), next: at + 1 + (first === 0xfe ? 8 : length) };
}

/** Whether bit `index` of a bitmap is set, lowest bit of the first byte first. */
export function hasBit(bytes: Buffer, bitmap: number, index: number): boolean {
  return (byteAt(bytes, bitmap + (index >> 3)) & (1 << (index & 7))) !== 0;
}

/** 16 bytes as a UUID in lower case. */
export function uuidText(bytes: Buffer, at: number): string {
  const hex = bytes.toString('hex', at, at + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
