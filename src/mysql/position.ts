/**
 * Where reading of the binary log can go on. A checkpoint keeps a token:
 *
 *   gtid:<GTID set>                        MySQL with gtid_mode=ON: the transactions that were received
 *   file:<server>:<file name>:<offset>     else: the place behind the last of them, on that server only
 *
 * and behind it, once a file was read, `@<server>/<file name>/<when it was begun>`: see `checkLogFile`.
 */

import { GtidSet } from '@vlasky/zongji';
import { MigrationError } from '../engine/errors.ts';
import type { Position } from '../engine/model.ts';

/** A place to begin reading, as the server is asked for it. */
export type LogPlace =
  | { readonly kind: 'gtid'; readonly executed: string }
  | { readonly kind: 'file'; readonly server: string; readonly file: string; readonly offset: number };

/** A file of a server's log, and when it was begun, in seconds since 1970: RESET begins others of the same names. */
export interface LogFile {
  readonly server: string;
  readonly file: string;
  readonly begunAt: number;
}

/** The greatest offset that the replication protocol can ask for without GTIDs. */
export const OFFSET_MAX = 0xffff_ffff;

/** The token of a place, with the file that was read last. */
export function formatToken(place: LogPlace, read: LogFile | null): string {
  const at = place.kind === 'gtid' ? `gtid:${place.executed}` : `file:${place.server}:${place.file}:${place.offset}`;
  return read === null ? at : `${at}@${read.server}/${encodeURIComponent(read.file)}/${read.begunAt}`;
}

/** The place that a token names. A text that is none is a fault of ours. */
export function parseToken(token: string): LogPlace {
  const file = /^file:([^:]*):(.+):(\d+)(?:@[^@:]*)?$/.exec(token);
  if (file !== null) {
    const [, server = '', name = '', offset = ''] = file;
    return { kind: 'file', server, file: name, offset: Number(offset) };
  }
  const gtid = /^gtid:([^@]*)/.exec(token);
  if (gtid !== null) return { kind: 'gtid', executed: GtidSet.parse(gtid[1] ?? '').toString() };
  throw new MigrationError('INTERNAL', `The checkpoint holds no position of a MySQL log: ${token}.`);
}

/** The file that was read last, where the token names one. */
export function parseLogFile(token: string): LogFile | null {
  const match = /@([^@:/]*)\/([^@:/]+)\/(\d+)$/.exec(token);
  if (match === null) return null;
  const [, server = '', file = '', begunAt = ''] = match;
  return { server, file: decodeURIComponent(file), begunAt: Number(begunAt) };
}

/**
 * Rejects with LOG_PURGED the file `next` of a log that was begun anew since `read` was read. A server takes a place of the old log
 * for one in the new as soon as that has grown as far, and what was logged up to there would be missed. `read` is of no use on another
 * server, or for files of another name.
 */
export function checkLogFile(read: LogFile | null, next: LogFile): void {
  if (read === null || read.server !== next.server) return;
  if (!isLaterFile(read.file, next.file) && (next.file !== read.file || next.begunAt === read.begunAt)) return;
  throw begunAnew(read.file);
}

/** Whether one file of a log comes behind another; never where their names differ in more than the number. */
export function isLaterFile(one: string, other: string): boolean {
  const [later, earlier] = [one, other].map((file) => /^(.*)\.(\d+)$/.exec(file));
  return later?.[1] === earlier?.[1] && Number(later?.[2]) > Number(earlier?.[2]);
}

/** LOG_PURGED. */
export function begunAnew(file: string): MigrationError {
  const message = `The server's log was begun anew (RESET) since ${file} was read, and changes may be gone with it.`;
  return new MigrationError('LOG_PURGED', message);
}

/** Consecutive numbers of one source, and the runs before. */
interface Run {
  readonly source: string;
  readonly first: bigint;
  readonly last: bigint;
  readonly older: Run | null;
  readonly depth: number;
}

/** After how many runs a history is folded into text again; bounds the cost of making that text. */
const RUNS_MAX = 256;

/**
 * A growing GTID set that never changes: each transaction gives a new one, for the price of one small object, because the set
 * itself is only made when its text is asked for.
 */
export class GtidHistory {
  /** The set before the first run. */
  readonly #root: string;
  /** The newest run of consecutive numbers of one source, and those before it. */
  readonly #run: Run | null;

  private constructor(root: string, run: Run | null) {
    this.#root = root;
    this.#run = run;
  }

  /** From the text of a set. */
  static from(executed: string): GtidHistory {
    return new GtidHistory(GtidSet.parse(executed).toString(), null);
  }

  /** With one more transaction. `source` is the UUID, with `:tag` behind it where there is one. */
  with(source: string, number: bigint): GtidHistory {
    const run = this.#run;
    if (run?.source === source && number === run.last + 1n) {
      const { first, older, depth } = run;
      return new GtidHistory(this.#root, { source, first, last: number, older, depth });
    }
    if (run !== null && run.depth >= RUNS_MAX) return GtidHistory.from(this.toString()).with(source, number);
    return new GtidHistory(this.#root, { source, first: number, last: number, older: run, depth: (run?.depth ?? 0) + 1 });
  }

  /** The set as the server writes it. */
  toString(): string {
    const parts: string[] = this.#root === '' ? [] : [this.#root];
    for (let run = this.#run; run !== null; run = run.older) parts.push(`${run.source}:${run.first}-${run.last}`);
    return GtidSet.parse(parts.join(',')).toString();
  }
}

/** A position of one opened stream. `order` counts transactions: n is behind the n-th that was received. */
export class LogPosition implements Position {
  readonly order: number;
  readonly server: string;
  readonly file: string;
  readonly offset: number;
  readonly history: GtidHistory | null;
  /** The file that was read last; null before the first. */
  readonly read: LogFile | null;
  #text: string | null = null;

  constructor(order: number, at: Pick<LogPosition, 'server' | 'file' | 'offset' | 'history' | 'read'>) {
    this.order = order;
    this.server = at.server;
    this.file = at.file;
    this.offset = at.offset;
    this.history = at.history;
    this.read = at.read;
  }

  get place(): LogPlace {
    if (this.history !== null) return { kind: 'gtid', executed: this.history.toString() };
    return { kind: 'file', server: this.server, file: this.file, offset: this.offset };
  }

  get token(): string {
    this.#text ??= formatToken(this.place, this.read);
    return this.#text;
  }
}
