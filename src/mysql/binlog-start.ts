/** Where a stream begins, and what it must know of the server and the table before. */

import { assert, MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { Column } from './catalog.ts';
import { serverErrno } from './errors.ts';
import type { Flavour } from './flavour.ts';
import {
  begunAnew,
  GtidHistory,
  isLaterFile,
  type LogFile,
  LogPosition,
  OFFSET_MAX,
  parseLogFile,
  parseToken,
  type LogPlace,
} from './position.ts';
import { keyTextOf, literalFromText, type KeyColumn } from './row-key.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

export interface StartOptions {
  readonly server: { readonly flavour: Flavour };
  readonly source: TableName;
  readonly columns: readonly Column[];
  readonly key: readonly KeyColumn[];
  /** Token to go on from, or null for the present end of the log. */
  readonly from: string | null;
}

export interface StreamStart {
  readonly position: LogPosition;
  /** Literals of the key columns' defaults; null where there is none or it cannot be known. */
  readonly defaults: readonly (string | null)[];
  /** Character sets by the numbers of their collations, for statement texts. */
  readonly charsets: ReadonlyMap<number, string>;
}

/** Finds the place and checks that the server has what follows it. Reads only; takes no locks. */
export async function findStart(session: Session, options: StartOptions, signal: AbortSignal): Promise<StreamStart> {
  const { flavour } = options.server;
  const identity = await findIdentity(session, flavour, signal);
  const place = options.from === null ? await findEnd(session, flavour, identity, signal) : parseToken(options.from);
  const read = options.from === null ? null : parseLogFile(options.from);
  if (options.from !== null) await checkPlace(session, { identity, place, read }, signal);
  const defaults: (string | null)[] = [];
  for (const column of options.key) defaults.push(await findDefault(session, options, column, signal));
  return {
    position: new LogPosition(0, {
      server: identity.server,
      file: place.kind === 'file' ? place.file : '',
      offset: place.kind === 'file' ? place.offset : 0,
      history: place.kind === 'gtid' ? GtidHistory.from(place.executed) : null,
      read,
    }),
    defaults,
    charsets: await findCharsets(session, signal),
  };
}

/** Offsets are of one server; MariaDB before 11 has no better name for it than its id. */
interface Identity {
  readonly server: string;
  readonly isGtidOn: boolean;
}

async function findIdentity(session: Session, flavour: Flavour, signal: AbortSignal): Promise<Identity> {
  const sql = flavour.isMariaDb
    ? "SELECT @@GLOBAL.server_id AS server, 'OFF' AS gtidMode"
    : 'SELECT @@GLOBAL.server_uuid AS server, @@GLOBAL.gtid_mode AS gtidMode';
  const [row] = await session.query(sql, signal);
  return { server: row?.['server'] ?? '', isGtidOn: row?.['gtidMode'] === 'ON' };
}

/** What is in gtid_executed is visible; what is logged and not yet in it will be sent. So with GTIDs there is no gap at the start. */
async function findEnd(session: Session, flavour: Flavour, identity: Identity, signal: AbortSignal): Promise<LogPlace> {
  if (identity.isGtidOn) {
    const [row] = await session.query('SELECT @@GLOBAL.gtid_executed AS executed', signal);
    return { kind: 'gtid', executed: row?.['executed'] ?? '' };
  }
  const [row] = await session.query(flavour.shows.logStatus, signal);
  const file = row?.['File'];
  if (file == null) throw new MigrationError('STREAM_BROKEN', 'The server writes no binary log; set log_bin and restart it.');
  return endOfLog(identity.server, file, row?.['Position'] ?? '');
}

/** The place that the server says its log is at. Rejects one from which no reading can be asked for. */
export function endOfLog(server: string, file: string, position: string): LogPlace {
  const offset = Number(position);
  assert(Number.isSafeInteger(offset), `the log is at ${file}:${position}`);
  if (offset <= OFFSET_MAX) return { kind: 'file', server, file, offset };
  const message = `The server's log file ${file} is over 4 GiB, and no place so far in it can be asked for without GTIDs. Run FLUSH BINARY LOGS, then resume.`;
  throw new MigrationError('STREAM_BROKEN', message);
}

interface AskedPlace {
  readonly identity: Identity;
  readonly place: LogPlace;
  readonly read: LogFile | null;
}

async function checkPlace(session: Session, { identity, place, read }: AskedPlace, signal: AbortSignal): Promise<void> {
  if (place.kind === 'file') {
    if (place.server === identity.server) return;
    const message = `The checkpoint is a place in the log of server ${place.server}, but this is server ${identity.server}. Resume there.`;
    throw new MigrationError('STREAM_BROKEN', message);
  }
  if (!identity.isGtidOn) {
    throw new MigrationError(
      'STREAM_BROKEN',
      'The checkpoint names transactions by GTID, but gtid_mode is not ON. Set it, then resume.',
    );
  }
  const executed = quoteText(place.executed);
  const [row] = await session.query(
    `SELECT GTID_SUBTRACT(@@GLOBAL.gtid_purged, ${executed}) AS purged, GTID_SUBTRACT(${executed}, @@GLOBAL.gtid_executed) AS unknown`,
    signal,
  );
  if ((row?.['purged'] ?? '') !== '') {
    const message = `The server has purged transactions that the migration still needs: ${row?.['purged']}.`;
    throw new MigrationError('LOG_PURGED', message);
  }
  if ((row?.['unknown'] ?? '') !== '') {
    if (read?.server === identity.server) {
      const message = `The server does not know transactions any more that it had sent: ${row?.['unknown']}. Its log was begun anew (RESET), or cut off, and changes may be gone with it.`;
      throw new MigrationError('LOG_PURGED', message);
    }
    const message = `The checkpoint has transactions that this server does not have: ${row?.['unknown']}. Resume on the server that does.`;
    throw new MigrationError('STREAM_BROKEN', message);
  }
  if (read?.server === identity.server) await checkSameLog(session, { executed: place.executed, read }, signal);
}

/**
 * Rejects with LOG_PURGED where the log was begun anew and has given the numbers of the checkpoint's transactions to others since. The
 * place is in the file that was read last, so the next one says of itself that all of them come before it; not those that the server
 * took over without their log. Where there is no next file the log is read from that one, and `checkLogFile` judges it.
 */
async function checkSameLog(
  session: Session,
  { executed, read }: { readonly executed: string; readonly read: LogFile },
  signal: AbortSignal,
): Promise<void> {
  const files = await session.query('SHOW BINARY LOGS', signal);
  const next = files.map((row) => row['Log_name'] ?? '').find((name) => isLaterFile(name, read.file));
  if (next === undefined) return;
  const events = await session.query(`SHOW BINLOG EVENTS IN '${next.replaceAll("'", "''")}' LIMIT 3`, signal);
  const before = events.find((row) => row['Event_type'] === 'Previous_gtids')?.['Info'] ?? '';
  const own = executed.split(',').filter((part) => part.trim().startsWith(read.server));
  const [row] = await session.query(
    `SELECT GTID_SUBTRACT(${quoteText(own.join(','))}, CONCAT_WS(',', ${quoteText(before)}, @@GLOBAL.gtid_purged)) AS missing`,
    signal,
  );
  if ((row?.['missing'] ?? '') === '') return;
  throw begunAnew(read.file);
}

/**
 * With binlog_row_image=MINIMAL an inserted row lacks columns that were left to a constant default, also in the key (seen on MySQL
 * 9.7 and MariaDB 10.11; expressions and CURRENT_TIMESTAMP are logged). DEFAULT() needs a row to be computed on: in an empty
 * table it stays unknown, and such an insert then stops the stream.
 */
async function findDefault(
  session: Session,
  options: StartOptions,
  key: KeyColumn,
  signal: AbortSignal,
): Promise<string | null> {
  const column = options.columns.find(({ name }) => name === key.name);
  const { defaultText = null, isAutoIncrement = false } = column ?? {};
  if (defaultText === null || isAutoIncrement || /^current_timestamp/i.test(defaultText)) return null;
  const text = keyTextOf(key, `DEFAULT(${quoteName(key.name)})`);
  try {
    const [row] = await session.query(`SELECT ${text} AS literal FROM ${quoteTable(options.source)} LIMIT 1`, signal);
    const literal = row?.['literal'] ?? null;
    return literal === null ? null : literalFromText(key, literal);
  } catch (error) {
    signal.throwIfAborted();
    if (serverErrno(error) === null) throw error;
    return null;
  }
}

async function findCharsets(session: Session, signal: AbortSignal): Promise<ReadonlyMap<number, string>> {
  const rows = await session.query(
    'SELECT ID AS id, CHARACTER_SET_NAME AS charset FROM information_schema.COLLATIONS WHERE ID IS NOT NULL',
    signal,
  );
  return new Map(rows.map((row) => [Number(row['id']), row['charset'] ?? '']));
}
