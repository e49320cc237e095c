/** Events that carry no rows: where transactions begin and end, statements, the next file, and how the events are to be read. */

import { inflateMariadb } from './binlog-compression.ts';
import { brokenEvent, byteAt, EVENT, HEADER_BYTES, numberLE, uuidText, type LogEvent } from './binlog-format.ts';
import { formatXid, type LoggedStatement } from './binlog-statement.ts';

/** How many bytes of checksum the events behind a FORMAT_DESCRIPTION event have. It is read anew from each, for a server may switch. */
export function checksumBytes(bytes: Buffer, end: number): number {
  const algorithm = byteAt(bytes, end - 5);
  if (algorithm > 1) throw brokenEvent(EVENT.FORMAT_DESCRIPTION, `checksum algorithm ${algorithm} is not known`);
  return algorithm === 1 ? 4 : 0;
}

/** Lengths of the fixed part of those events that are read here: another length means another format, 0 that there are none. */
const POST_HEADER_BYTES: readonly (readonly [type: number, bytes: number])[] = [
  [EVENT.QUERY, 13],
  [EVENT.TABLE_MAP, 8],
  [EVENT.WRITE_ROWS_V1, 8],
  [EVENT.UPDATE_ROWS_V1, 8],
  [EVENT.DELETE_ROWS_V1, 8],
  [EVENT.WRITE_ROWS, 10],
  [EVENT.UPDATE_ROWS, 10],
  [EVENT.DELETE_ROWS, 10],
  [EVENT.PARTIAL_UPDATE_ROWS, 10],
];

/** Rejects a file whose format is not the one that is read here (binlog version 4, since MySQL 5.0). */
export function checkFormat(event: LogEvent): void {
  const { bytes, start } = event;
  const version = bytes.readUInt16LE(start);
  const headerBytes = byteAt(bytes, start + 56);
  if (version !== 4 || headerBytes !== HEADER_BYTES) throw brokenEvent(event.type, `log version ${version}/${headerBytes}`);
  for (const [type, expected] of POST_HEADER_BYTES) {
    const found = byteAt(bytes, start + 56 + type);
    if (found !== 0 && found !== expected)
      throw brokenEvent(event.type, `events of type ${type} have ${found} fixed bytes, not ${expected}`);
  }
}

/** When a file was begun, from its FORMAT_DESCRIPTION event: seconds since 1970. */
export function begunAt({ bytes, start }: LogEvent): number {
  return bytes.readUInt32LE(start - HEADER_BYTES);
}

/** The file and offset that a ROTATE event names. */
export function readRotate(event: LogEvent): { readonly file: string; readonly offset: number } {
  return { file: event.bytes.toString('utf8', event.start + 8, event.end), offset: numberLE(event.bytes, event.start, 6) };
}

/** A transaction's global id: the source as GtidHistory takes it, and its number. */
export interface Gtid {
  readonly source: string;
  readonly number: bigint;
}

/** Remembers the last source's text, because nearly all transactions have the same. */
export class GtidReader {
  readonly #uuid = Buffer.alloc(16);
  #source = '';

  /** Reads a GTID event. */
  read(event: LogEvent): Gtid {
    const { bytes, start } = event;
    if (this.#source === '' || bytes.compare(this.#uuid, 0, 16, start + 1, start + 17) !== 0) {
      bytes.copy(this.#uuid, 0, start + 1, start + 17);
      this.#source = uuidText(bytes, start + 1);
    }
    return { source: this.#source, number: bytes.readBigInt64LE(start + 17) };
  }
}

/**
 * Reads a GTID_TAGGED event (MySQL 8.3): a message of numbered fields, each number and value in a variable number of bytes
 * (libs/mysql/serialization). Field 0 flags, 1 the UUID byte by byte, 2 the number (zigzag), 3 the tag.
 */
export function readTaggedGtid(event: LogEvent): Gtid {
  const { bytes } = event;
  let at = event.start;
  const varint = (): bigint => {
    const first = byteAt(bytes, at);
    let more = 0;
    while (more < 8 && ((first >> more) & 1) === 1) more += 1;
    let rest = 0n;
    for (let index = more; index > 0; index -= 1) rest = (rest << 8n) | BigInt(byteAt(bytes, at + index));
    at += 1 + more;
    if (at > event.end) throw brokenEvent(event.type, 'it ends within a number');
    return more === 8 ? rest : (BigInt(first) >> BigInt(more + 1)) | (rest << BigInt(7 - more));
  };
  const version = varint();
  varint();
  const lastNeeded = varint();
  if (version !== 1n || lastNeeded > 12n)
    throw brokenEvent(event.type, `it has version ${version} and fields up to ${lastNeeded}`);
  let field = varint();
  if (field === 0n) {
    varint();
    field = varint();
  }
  if (field !== 1n) throw brokenEvent(event.type, 'it has no UUID');
  const uuid = Buffer.from(Array.from({ length: 16 }, () => Number(varint())));
  if (varint() !== 2n) throw brokenEvent(event.type, 'it has no number');
  const zigzag = varint();
  const number = (zigzag & 1n) === 1n ? -(zigzag >> 1n) - 1n : zigzag >> 1n;
  let tag = '';
  if (at < event.end && varint() === 3n) {
    const length = Number(varint());
    tag = bytes.toString('latin1', at, at + length);
  }
  return { source: tag === '' ? uuidText(uuid, 0) : `${uuidText(uuid, 0)}:${tag}`, number };
}

/** What a MariaDB GTID event says about the group that it begins. */
export interface MariadbGroup {
  /** One statement, with no event that ends the group. */
  readonly isStandalone: boolean;
  /** The id of the transaction that the group prepares, else null. */
  readonly preparedXid: string | null;
}

const MARIADB_GROUP = { STANDALONE: 1, GROUP_COMMIT_ID: 2, PREPARED_XA: 64 } as const;

/** Reads a MariaDB GTID event (sql/log_event.cc, Gtid_log_event). */
export function readMariadbGroup(event: LogEvent): MariadbGroup {
  const { bytes, start } = event;
  const flags = byteAt(bytes, start + 12);
  const isStandalone = (flags & MARIADB_GROUP.STANDALONE) !== 0;
  if ((flags & MARIADB_GROUP.PREPARED_XA) === 0) return { isStandalone, preparedXid: null };
  const at = start + 13 + ((flags & MARIADB_GROUP.GROUP_COMMIT_ID) !== 0 ? 8 : 0);
  return { isStandalone, preparedXid: xidAt(bytes, at + 6, { format: at, lengths: at + 4, lengthBytes: 1 }) };
}

/** What an XA_PREPARE event says: which transaction, and whether it was committed at once (`XA COMMIT … ONE PHASE`). */
export function readXaPrepare(event: LogEvent): { readonly isOnePhase: boolean; readonly xid: string } {
  const { bytes, start } = event;
  const xid = xidAt(bytes, start + 13, { format: start + 1, lengths: start + 5, lengthBytes: 4 });
  return { isOnePhase: byteAt(bytes, start) !== 0, xid };
}

function xidAt(bytes: Buffer, data: number, at: { format: number; lengths: number; lengthBytes: number }): string {
  const gtrid = numberLE(bytes, at.lengths, at.lengthBytes);
  const bqual = numberLE(bytes, at.lengths + at.lengthBytes, at.lengthBytes);
  const middle = data + gtrid;
  return formatXid(bytes.subarray(data, middle), bytes.subarray(middle, middle + bqual), bytes.readInt32LE(at.format));
}

/** Where the parts of a QUERY event are: reading the text of each BEGIN would cost more than all the rest of a small transaction. */
interface QueryParts {
  readonly status: number;
  readonly schema: number;
  readonly text: number;
}

function queryParts(event: LogEvent): QueryParts {
  const { bytes, start, type } = event;
  // LOAD DATA has 13 bytes more: the file's number, the place of its name in the text, what to do with duplicates.
  const status = start + (type === EVENT.EXECUTE_LOAD_QUERY ? 26 : 13);
  const schema = status + bytes.readUInt16LE(start + 11);
  return { status, schema, text: schema + byteAt(bytes, start + 8) + 1 };
}

/** Whether a QUERY event is just the word BEGIN. */
export function isBegin(event: LogEvent): boolean {
  const { bytes, end } = event;
  const { text } = queryParts(event);
  return end - text === 5 && bytes.readUInt32BE(text) === 0x42454749 && byteAt(bytes, text + 4) === 0x4e;
}

/** What is needed to read a statement's text. */
export interface StatementOptions {
  /** Character sets by the numbers of their collations. */
  readonly charsets: ReadonlyMap<number, string>;
}

/** The statement of a QUERY, QUERY_COMPRESSED or EXECUTE_LOAD_QUERY event. */
export function readStatement(event: LogEvent, options: StatementOptions): LoggedStatement {
  const { bytes, end, type } = event;
  const parts = queryParts(event);
  const status = readStatus(bytes, parts.status, parts.schema);
  const text = type === EVENT.QUERY_COMPRESSED ? inflateMariadb(bytes, parts.text, end) : bytes.subarray(parts.text, end);
  const charset = status.collation === null ? 'utf8mb4' : (options.charsets.get(status.collation) ?? 'utf8mb4');
  return {
    sql: decodeText(text, charset),
    schema: bytes.toString('utf8', parts.schema, parts.text - 1),
    hasAnsiQuotes: (status.sqlMode & 4) !== 0,
    hasPlainBackslash: (status.sqlMode & 0x10_0000) !== 0,
  };
}

/** The session's sql_mode (its lower half) and character set: they stand among the first of a statement's status variables. */
function readStatus(bytes: Buffer, from: number, to: number): { readonly sqlMode: number; readonly collation: number | null } {
  let sqlMode = 0;
  let at = from;
  while (at < to) {
    const field = byteAt(bytes, at);
    at += 1;
    if (field === STATUS.CHARSET) return { sqlMode, collation: bytes.readUInt16LE(at) };
    if (field === STATUS.FLAGS || field === STATUS.AUTO_INCREMENT) at += 4;
    else if (field === STATUS.CATALOG) at += byteAt(bytes, at) + 2;
    else if (field === STATUS.CATALOG_NZ || field === STATUS.TIME_ZONE) at += byteAt(bytes, at) + 1;
    else if (field === STATUS.SQL_MODE) {
      sqlMode = bytes.readUInt32LE(at);
      at += 8;
    } else break;
  }
  return { sqlMode, collation: null };
}

const STATUS = { FLAGS: 0, SQL_MODE: 1, CATALOG: 2, AUTO_INCREMENT: 3, CHARSET: 4, TIME_ZONE: 5, CATALOG_NZ: 6 } as const;

/** What is not ASCII in a character set that has no decoder here becomes U+FFFD, which stands for any name that is not ASCII. */
function decodeText(text: Buffer, charset: string): string {
  const decoder = DECODERS[charset];
  if (decoder !== undefined) return new TextDecoder(decoder).decode(text);
  return text.toString('latin1').replace(/[\u0080-\u00ff]/g, '\ufffd');
}

/** Decoders for the character sets that statements are likely to be in. */
const DECODERS: Readonly<Record<string, string>> = {
  utf8mb4: 'utf-8',
  utf8mb3: 'utf-8',
  utf8: 'utf-8',
  ascii: 'utf-8',
  binary: 'utf-8',
  latin1: 'windows-1252',
  gbk: 'gbk',
  gb2312: 'gbk',
  gb18030: 'gb18030',
  big5: 'big5',
  sjis: 'shift_jis',
  cp932: 'shift_jis',
  ujis: 'euc-jp',
  eucjpms: 'euc-jp',
  euckr: 'euc-kr',
  latin2: 'iso-8859-2',
  cp1250: 'windows-1250',
  cp1251: 'windows-1251',
  cp1256: 'windows-1256',
  cp1257: 'windows-1257',
  greek: 'iso-8859-7',
  hebrew: 'iso-8859-8',
  koi8r: 'koi8-r',
  koi8u: 'koi8-u',
};
