/**
 * The messages of pgoutput, protocol version 1, from bytes. Only what a key-only reader needs is decoded: of a row, the text of
 * the key columns. A message of an unknown kind is told as such and never skipped.
 * Source: PostgreSQL manual, "Logical Replication Message Formats".
 */

import type { Lsn } from './position.ts';

/** A row's column values as text; null: NULL; undefined: unchanged and not sent. */
export type Tuple = readonly (string | null | undefined)[];

export interface Relation {
  readonly id: number;
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly { readonly name: string }[];
  /** All that the message says; the same text means that nothing has changed. */
  readonly description: string;
}

export type Message =
  | { readonly kind: 'begin'; readonly finalLsn: Lsn; readonly xid: number }
  | { readonly kind: 'commit'; readonly endLsn: Lsn }
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'insert'; readonly relationId: number; readonly after: Tuple }
  | { readonly kind: 'update'; readonly relationId: number; readonly before: Tuple | null; readonly after: Tuple }
  | { readonly kind: 'delete'; readonly relationId: number; readonly before: Tuple }
  | { readonly kind: 'truncate' }
  | { readonly kind: 'message'; readonly prefix: string; readonly content: string }
  | { readonly kind: 'other' }
  | { readonly kind: 'unknown'; readonly type: string };

/** What a frame of the replication stream is: log data, or a sign of life, with or without a request to answer. */
export type FrameKind = 'data' | 'keepalive' | 'request' | 'unknown';

/** Of a frame's first byte, and of a keepalive's last. */
export function frameKind(bytes: Buffer): FrameKind {
  if (bytes[0] === 0x77 /* w */) return 'data';
  if (bytes[0] !== 0x6b /* k */) return 'unknown';
  return bytes[17] === 1 ? 'request' : 'keepalive';
}

/** How far the server has come with a frame of log data or a sign of life. A number, like a position's order: one comes with each row. */
export function frameEnd(bytes: Buffer): number {
  const at = bytes[0] === 0x77 ? 9 : 1;
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

/** The message in a frame of log data, as a view on the driver's buffer, which it uses again: to be read at once. */
export function framePayload(bytes: Buffer): Buffer {
  return bytes.subarray(25);
}

/**
 * A standby status update: everything up to `written` was received, up to `flushed` is durable here. A reply that is requested
 * comes as a keepalive.
 */
export function statusUpdate(written: Lsn, flushed: Lsn, isReplyRequested: boolean): Buffer {
  const bytes = Buffer.alloc(34);
  bytes.write('r', 0, 'latin1');
  bytes.writeBigUInt64BE(written, 1);
  bytes.writeBigUInt64BE(flushed, 9);
  bytes.writeBigUInt64BE(flushed, 17);
  // The server only shows the client's time; microseconds since 2000-01-01 would need a clock here.
  bytes.writeBigInt64BE(0n, 25);
  bytes.writeUInt8(isReplyRequested ? 1 : 0, 33);
  return bytes;
}

/** Reads a payload. */
export function parseMessage(payload: Buffer): Message {
  const type = String.fromCharCode(payload[0] ?? 0);
  switch (type) {
    case 'B':
      return { kind: 'begin', finalLsn: payload.readBigUInt64BE(1), xid: payload.readUInt32BE(17) };
    case 'C':
      return { kind: 'commit', endLsn: payload.readBigUInt64BE(10) };
    case 'R':
      return { kind: 'relation', relation: parseRelation(payload) };
    case 'I':
    case 'U':
    case 'D':
      return parseRow(type, payload);
    case 'T':
      return { kind: 'truncate' };
    case 'M':
      return parseLogicalMessage(payload);
    case 'O':
    case 'Y':
      return { kind: 'other' };
    default:
      return { kind: 'unknown', type };
  }
}

function parseRow(type: 'I' | 'U' | 'D', payload: Buffer): Message {
  const relationId = payload.readUInt32BE(1);
  const first = String.fromCharCode(payload[5] ?? 0);
  const { tuple, end } = parseTuple(payload, 6);
  if (type === 'I') return { kind: 'insert', relationId, after: tuple };
  if (type === 'D') return { kind: 'delete', relationId, before: tuple };
  if (first === 'N') return { kind: 'update', relationId, before: null, after: tuple };
  return { kind: 'update', relationId, before: tuple, after: parseTuple(payload, end + 1).tuple };
}

function parseTuple(payload: Buffer, start: number): { readonly tuple: Tuple; readonly end: number } {
  const count = payload.readInt16BE(start);
  const tuple: (string | null | undefined)[] = [];
  let at = start + 2;
  for (let column = 0; column < count; column++) {
    const kind = payload[at++];
    if (kind === 0x74 /* t */) {
      const length = payload.readInt32BE(at);
      tuple.push(payload.toString('utf8', at + 4, at + 4 + length));
      at += 4 + length;
    } else {
      tuple.push(kind === 0x6e /* n */ ? null : undefined);
    }
  }
  return { tuple, end: at };
}

function parseRelation(payload: Buffer): Relation {
  const schema = readText(payload, 5);
  const table = readText(payload, schema.end);
  const count = payload.readInt16BE(table.end + 1);
  const columns: { name: string }[] = [];
  let at = table.end + 3;
  for (let column = 0; column < count; column++) {
    // Before the name: a byte of flags.
    const name = readText(payload, at + 1);
    columns.push({ name: name.text });
    // Behind the name: the type and its modifier, four bytes each.
    at = name.end + 8;
  }
  const description = payload.toString('latin1', 1);
  return { id: payload.readUInt32BE(1), schema: schema.text, table: table.text, columns, description };
}

function parseLogicalMessage(payload: Buffer): Message {
  const prefix = readText(payload, 10);
  const length = payload.readInt32BE(prefix.end);
  return { kind: 'message', prefix: prefix.text, content: payload.toString('utf8', prefix.end + 4, prefix.end + 4 + length) };
}

/** Text up to its zero byte; `end` is behind that. */
function readText(payload: Buffer, start: number): { readonly text: string; readonly end: number } {
  const zero = payload.indexOf(0, start);
  return { text: payload.toString('utf8', start, zero), end: zero + 1 };
}
