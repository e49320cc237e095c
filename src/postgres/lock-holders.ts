/** Who keeps us from locking a table: sessions and prepared transactions that hold a lock on it, as an operator would name them. */

import type { TableName } from '../engine/model.ts';
import { beginningOf, STATEMENT_CHARS_MAX } from '../sessions/statement-text.ts';
import type { Row, Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';

/** More names than this help nobody. */
const holdersMax = 10;

/** Whom to look for. */
export interface HolderSearch {
  readonly table: TableName;
  /** Of the table itself, or of the sequences that belong to it: whoever has drawn a number keeps a lock until his transaction ends. */
  readonly of: 'table' | 'sequences';
  /** Our own session. */
  readonly except: number;
  /**
   * Only those that will hardly let go in time: transactions that have been prepared, and sessions that rest in theirs, for longer,
   * and maintenance that has worked for longer, but not autovacuum, which gives way to us unless it prevents wraparound.
   */
  readonly hopelessAfterMs: number | null;
  /** Only sessions whose transaction has been open for longer. */
  readonly openLongerMs?: number;
}

/** A session or a prepared transaction that holds a lock. */
export interface LockHolder {
  /** Null: a prepared transaction. */
  readonly pid: number | null;
  /** When the session and its transaction began, which tells it from a later one with the same process id. */
  readonly startedAt: string | null;
  readonly transactionAt: string | null;
  /** Process, user, client, what it runs, since when. */
  readonly sentence: string;
  /** Why it must not be ended; null: it may be. */
  readonly immunity: string | null;
}

/** One sentence a holder: process, user, client, what it runs, since when. What users do whom we may not look at is not shown. */
export async function findLockHolders(session: Session, search: HolderSearch, signal: AbortSignal): Promise<readonly string[]> {
  return (await readLockHolders(session, search, signal)).slice(0, holdersMax).map(({ sentence }) => sentence);
}

/** A condition on the relation of a row of pg_locks, `l`. */
export function isSearched({ table, of }: HolderSearch): string {
  const oid = `pg_catalog.to_regclass(${quoteText(quoteTable(table))})`;
  const relations =
    of === 'table'
      ? oid
      : `SELECT objid FROM pg_catalog.pg_depend JOIN pg_catalog.pg_class AS s ON s.oid = objid AND s.relkind = 'S'
           WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
             AND refobjid = ${oid} AND deptype IN ('a', 'i')`;
  return `l.locktype = 'relation' AND l.granted AND l.relation IN (${relations})
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`;
}

/** All holders, with what is needed to end them. */
export async function readLockHolders(
  session: Session,
  search: HolderSearch,
  signal: AbortSignal,
): Promise<readonly LockHolder[]> {
  const { except, hopelessAfterMs, openLongerMs } = search;
  const longer = (since: string, ms: number): string => `clock_timestamp() - ${since} > interval '${Math.round(ms)} ms'`;
  const isHopeless =
    hopelessAfterMs === null
      ? 'true'
      : `(${longer('p.prepared', hopelessAfterMs)} OR (a.state LIKE 'idle in transaction%' AND ${longer('a.state_change', hopelessAfterMs)})
          OR (l.mode NOT IN (${modesOfRows}) AND ${longer('a.xact_start', hopelessAfterMs)}
            AND (a.backend_type <> 'autovacuum worker' OR ${preventsWraparound})))`;
  const isOld = openLongerMs === undefined ? 'true' : longer('a.xact_start', openLongerMs);
  const rows = await session.query(
    `SELECT ${sessionColumns}, p.gid, p.owner, a.application_name, a.backend_start::pg_catalog.text AS started_at,
       a.xact_start::pg_catalog.text AS transaction_at, pg_catalog.bool_or(l.mode NOT IN (${modesOfRows})) AS is_deliberate
     FROM pg_catalog.pg_locks AS l
     LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
     LEFT JOIN pg_catalog.pg_locks AS x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
       AND x.virtualtransaction = l.virtualtransaction
     LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = x.transactionid
     WHERE ${isSearched(search)} AND l.pid IS DISTINCT FROM ${except} AND ${isHopeless} AND ${isOld}
     GROUP BY a.pid, a.usename, a.backend_type, a.state, a.client_addr, a.client_port, a.xact_start, a.state_change, a.query, p.gid, p.owner,
       a.application_name, a.backend_start
     ORDER BY 1`,
    signal,
  );
  return rows.map((row) => ({
    pid: row['pid'] == null ? null : Number(row['pid']),
    startedAt: row['started_at'] ?? null,
    transactionAt: row['transaction_at'] ?? null,
    sentence: describeHolder(row),
    immunity: immunityOf(row),
  }));
}

/** Locks that statements on rows take; all others are of LOCK TABLE, of maintenance or of a change of the table. */
const modesOfRows = `'AccessShareLock', 'RowShareLock', 'RowExclusiveLock'`;
/** Of an autovacuum worker in a row `a` of pg_stat_activity. */
const preventsWraparound = "a.query LIKE '%(to prevent wraparound)'";
const backupPrograms = /dump|backup|barman|wal-g/i;

function immunityOf(row: Row): string | null {
  if (row['pid'] == null) return 'only COMMIT PREPARED or ROLLBACK PREPARED ends it';
  const kind = row['backend_type'] ?? null;
  if (kind === null || row['started_at'] == null) return 'this role may not look at it, which takes pg_read_all_stats';
  if (kind === 'autovacuum worker') {
    return row['prevents_wraparound'] === 't' ? 'it prevents wraparound' : 'it gives way by itself when the lock is waited for';
  }
  if (kind === 'parallel worker') return 'it ends with the process that it works for';
  if (kind !== 'client backend') return 'it belongs to the server itself';
  const program = row['application_name'] ?? '';
  if (program.startsWith('tableshift')) return 'it belongs to a migration';
  if (backupPrograms.test(program)) return 'it makes a backup';
  return row['is_deliberate'] === 't' ? 'it has locked the table on purpose, or is changing it' : null;
}

/**
 * Whom the creation of a replication slot waits for, in the process `pid`: transactions of the whole server that have written
 * and are older than `olderMs`, and whoever it waits for right now, which is all that a role without pg_monitor can see.
 */
export async function findSlotHolders(
  session: Session,
  { pid, olderMs }: { readonly pid: number; readonly olderMs: number },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const before = `clock_timestamp() - interval '${Math.round(olderMs)} ms'`;
  const sessions = await session.query(
    `SELECT ${sessionColumns} FROM pg_catalog.pg_stat_activity AS a
     WHERE a.pid = ANY (pg_catalog.pg_blocking_pids(${pid}))
       OR (a.backend_xid IS NOT NULL AND a.xact_start < ${before} AND a.pid <> ${pid})
     ORDER BY a.xact_start LIMIT ${holdersMax}`,
    signal,
  );
  const prepared = await session.query(
    `SELECT gid, owner FROM pg_catalog.pg_prepared_xacts WHERE prepared < ${before} ORDER BY prepared LIMIT ${holdersMax}`,
    signal,
  );
  return [...sessions, ...prepared].map(describeHolder);
}

/**
 * Behind whom a row `a` of pg_stat_activity is of: ` from 10.0.0.7`. Nothing where it is a process of the server itself, or of a user
 * whom we may not look at.
 */
export const fromClient =
  "coalesce(' from ' || CASE WHEN a.client_port = -1 THEN 'a local socket' ELSE pg_catalog.host(a.client_addr) END, '')";

/** What `describeSession` reads; the row of pg_stat_activity is `a`. */
export const sessionColumns = `a.pid, a.usename, a.backend_type, a.state, ${fromClient} AS client,
  pg_catalog.floor(extract(epoch FROM clock_timestamp() - a.xact_start)) AS transaction_seconds,
  pg_catalog.floor(extract(epoch FROM clock_timestamp() - a.state_change)) AS state_seconds,
  pg_catalog.left(a.query, ${STATEMENT_CHARS_MAX + 1}) AS statement, ${preventsWraparound} AS prevents_wraparound`;

/** `process 4711 of app from 10.0.0.7, idle in transaction for 5 s, in a transaction for 60 s: SELECT …`. */
export function describeSession(row: Row): string {
  const isWorker = row['backend_type'] === 'autovacuum worker';
  const who = isWorker
    ? `autovacuum (process ${row['pid'] ?? ''})`
    : `process ${row['pid'] ?? ''} of ${row['usename'] ?? 'the server'}${row['client'] ?? ''}`;
  const state = row['state'] ?? null;
  const doing = state === null ? '' : `, ${state === 'active' ? 'running' : state} for ${row['state_seconds'] ?? '0'} s`;
  const seconds = row['transaction_seconds'] ?? null;
  const since = seconds === null ? '' : `, in a transaction for ${seconds} s`;
  const statement = row['statement'] ?? '';
  // Whoever cancels it sees another one begin.
  const stays = isWorker && row['prevents_wraparound'] === 't' ? '; it gives way to nobody and has to come to its end' : '';
  return `${who}${doing}${since}${statement === '' ? '' : `: ${beginningOf(statement)}`}${stays}`;
}

function describeHolder(row: Row): string {
  if ((row['pid'] ?? null) !== null) return describeSession(row);
  return `the prepared transaction ${row['gid'] ?? ''} of ${row['owner'] ?? ''}, which waits to be committed or rolled back`;
}
