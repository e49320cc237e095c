/** Who keeps others from locking tables: the sessions that hold metadata locks on them, as an operator would name them. */

import type { TableName } from '../engine/model.ts';
import { beginningOf, STATEMENT_CHARS_MAX } from '../sessions/statement-text.ts';
import { serverErrno } from './errors.ts';
import type { Flavour } from './flavour.ts';
import type { Row, Session } from './session.ts';
import { nameList, quoteText } from './statements.ts';

/** More names than this help nobody. */
const holdersMax = 10;
/** Whoever has changed more rows than this would take longer to roll back than writers may wait. */
const rowsModifiedMax = 100_000;

/** A session, or a transaction without one, that holds a lock in the way. */
export interface LockHolder {
  /** Null: a prepared transaction whose session is gone. */
  readonly connectionId: number | null;
  /** What tells it from a later one with the same number. */
  readonly identity: string;
  /** Connection, user, host, what it runs, since when. */
  readonly sentence: string;
  /** As far as the server tells. */
  readonly hasWritten: boolean;
  /** Why it must not be ended; null: it may be. */
  readonly immunity: string | null;
}

/** From where to look, and how far. */
export interface HolderSearch {
  readonly flavour: Flavour;
  /** Our own session. */
  readonly except: number;
}

/** One sentence a holder. Never rejects for lack of a table or privilege; then it is empty. */
export async function findLockHolders(
  session: Session,
  tables: readonly TableName[],
  from: HolderSearch,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const holders = await readLockHolders(session, tables, { ...from, limit: holdersMax }, signal);
  return holders.map(({ sentence }) => sentence);
}

/**
 * At most `limit` holders. Where the server does not list metadata locks, the sessions that may be it. Never rejects for lack of
 * a table or privilege; then it is empty.
 */
export async function readLockHolders(
  session: Session,
  tables: readonly TableName[],
  from: HolderSearch & { readonly limit: number },
  signal: AbortSignal,
): Promise<readonly LockHolder[]> {
  for (const source of [surely(from.flavour), fromTransactions]) {
    try {
      return (await readRows(session, `${source(tables, from.except)} LIMIT ${from.limit}`, signal)).map(readHolder);
    } catch (error) {
      signal.throwIfAborted();
      // The table is unknown or may not be read.
      if (serverErrno(error) === null) throw error;
    }
  }
  return [];
}

/**
 * Who else keeps the definition of a table that only we use from being changed, a backup of all tables included: one sentence a holder.
 * None where the server does not tell for certain. Never rejects but for an abort or a lost session.
 */
export async function findForeignHolders(
  session: Session,
  table: TableName,
  from: HolderSearch,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rows = await readSurely(session, [table], from, signal);
  return sentencesOf(rows.filter((row) => row['isOurs'] !== '1'));
}

/** Who has locked one of these tables on purpose, or changes it, or makes a backup: as `findForeignHolders`. */
export async function findDeliberateHolders(
  session: Session,
  tables: readonly TableName[],
  from: HolderSearch,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rows = await readSurely(session, tables, from, signal);
  return sentencesOf(rows.filter((row) => row['isDeliberate'] === '1' || isBackup(row)));
}

/** Because of whom a swap, or an ALTER, need not even ask for its lock; one sentence a holder. */
export interface HopelessHolders {
  /** Who makes a backup, beside which tables can be written and locked, but not renamed. */
  readonly backups: readonly string[];
  /** Who holds a lock and has done nothing for longer than was asked, or is prepared and waits to be decided. */
  readonly resting: readonly string[];
}

/** As `findForeignHolders`. */
export async function findHopelessHolders(
  session: Session,
  tables: readonly TableName[],
  { longerMs, ...from }: HolderSearch & { readonly longerMs: number },
  signal: AbortSignal,
): Promise<HopelessHolders> {
  const rows = await readSurely(session, tables, from, signal);
  const isIdle = (row: Row): boolean => row['command'] === 'Sleep' && Number(row['seconds'] ?? 0) * 1_000 > longerMs;
  const isResting = (row: Row): boolean => row['isOurs'] !== '1' && (isWithoutSession(row) || isIdle(row));
  return { backups: sentencesOf(rows.filter(isBackup)), resting: sentencesOf(rows.filter(isResting)) };
}

/** Empty where the server does not tell. */
async function readSurely(
  session: Session,
  tables: readonly TableName[],
  { flavour, except }: HolderSearch,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  try {
    return await readRows(session, `${surely(flavour)(tables, except)} LIMIT ${holdersMax}`, signal);
  } catch (error) {
    if (serverErrno(error) === null) throw error;
    return [];
  }
}

/** A session that ends while the server looks seems to be a transaction without one: such are only those that are there twice. */
async function readRows(session: Session, statement: string, signal: AbortSignal): Promise<readonly Row[]> {
  const rows = await session.query(statement, signal);
  const first = new Set(rows.filter(isWithoutSession).map((row) => row['thread']));
  if (first.size === 0) return rows;
  return (await session.query(statement, signal)).filter((row) => !isWithoutSession(row) || first.has(row['thread']));
}

/** A prepared transaction whose session is gone. */
function isWithoutSession(row: Row): boolean {
  return (row['id'] ?? null) === null && row['isInternal'] !== '1';
}

function sentencesOf(rows: readonly Row[]): readonly string[] {
  return rows.map((row) => readHolder(row).sentence);
}

function isBackup(row: Row): boolean {
  return row['isBackup'] === '1';
}

/** The statement that lists who holds a lock for certain; it fails where the server does not tell, or not to this user. */
export function surely({ metadataLockSource }: Flavour): (tables: readonly TableName[], except: number) => string {
  return metadataLockSource === 'performance_schema' ? fromPerformanceSchema : fromMetadataLockInfo;
}

/** Locks that statements on rows take; all others are of LOCK TABLES, FLUSH TABLES or a change of the table. */
const ofRows = ['SHARED', 'SHARED_HIGH_PRIO', 'SHARED_READ', 'SHARED_WRITE', 'SHARED_WRITE_LOW_PRIO'];
/** Stages of a backup; locks of ordinary statements are MDL_BACKUP_ as well. */
const ofBackups = ['START', 'FLUSH', 'WAIT_FLUSH', 'WAIT_DDL', 'WAIT_COMMIT', 'FTWRL1', 'FTWRL2'];

/**
 * MySQL. The instrument wait/lock/metadata/sql/mdl is on by default. The last statement of an idle session is shown as well. Threads of
 * the server have no session: purging, which locks a table with indexed virtual columns while it is written, and lets go when somebody
 * waits, for instance. Only what `main` holds belongs to transactions that were prepared before the server was started.
 */
function fromPerformanceSchema(tables: readonly TableName[], except: number): string {
  return `SELECT l.thread, t.PROCESSLIST_ID AS id, t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host,
      t.PROCESSLIST_COMMAND AS command, t.PROCESSLIST_TIME AS seconds,
      LEFT(COALESCE(t.PROCESSLIST_INFO, s.SQL_TEXT), ${STATEMENT_CHARS_MAX + 1}) AS statement, x.trx_started AS transactionSince, 1 AS isSure,
      l.isBackup, l.isDeliberate, x.trx_rows_modified AS rowsModified, e.XA_STATE = 'PREPARED' AS isPrepared,
      t.THREAD_ID IS NOT NULL AND t.NAME <> 'thread/sql/main' AND (t.TYPE = 'BACKGROUND' OR t.PROCESSLIST_USER IS NULL) AS isInternal,
      t.NAME AS threadName,
      EXISTS (SELECT 1 FROM performance_schema.metadata_locks AS u WHERE u.OBJECT_TYPE = 'USER LEVEL LOCK'
        AND u.OBJECT_NAME LIKE 'tableshift:%' AND u.OWNER_THREAD_ID = l.thread) AS isOurs,
      (SELECT MAX(a.ATTR_VALUE) FROM performance_schema.session_connect_attrs AS a
        WHERE a.PROCESSLIST_ID = t.PROCESSLIST_ID AND a.ATTR_NAME = 'program_name') AS program
    FROM (SELECT OWNER_THREAD_ID AS thread, MAX(OBJECT_TYPE <> 'TABLE') AS isBackup,
        MAX(OBJECT_TYPE = 'TABLE' AND LOCK_TYPE NOT IN (${textList(ofRows)})) AS isDeliberate
      FROM performance_schema.metadata_locks
      WHERE LOCK_STATUS = 'GRANTED' AND (OBJECT_TYPE = 'TABLE' AND (OBJECT_SCHEMA, OBJECT_NAME) IN (${nameList(tables)})
        OR OBJECT_TYPE IN ('GLOBAL', 'BACKUP LOCK') AND LOCK_TYPE = 'SHARED')
      GROUP BY OWNER_THREAD_ID) AS l
    LEFT JOIN performance_schema.threads AS t ON t.THREAD_ID = l.thread
    LEFT JOIN performance_schema.events_statements_current AS s ON s.THREAD_ID = l.thread
      AND COALESCE(s.NESTING_EVENT_TYPE, 'TRANSACTION') = 'TRANSACTION'
    LEFT JOIN performance_schema.events_transactions_current AS e ON e.THREAD_ID = l.thread AND e.STATE = 'ACTIVE'
    LEFT JOIN information_schema.INNODB_TRX AS x ON x.trx_mysql_thread_id = t.PROCESSLIST_ID
    WHERE NOT (t.PROCESSLIST_ID <=> ${except})
    ORDER BY t.PROCESSLIST_TIME DESC, id`;
}

/** MariaDB with the plug-in METADATA_LOCK_INFO, which lists granted locks only. */
function fromMetadataLockInfo(tables: readonly TableName[], except: number): string {
  return `SELECT p.ID AS thread, p.ID AS id, p.USER AS user, p.HOST AS host, p.COMMAND AS command, p.TIME AS seconds,
      LEFT(p.INFO, ${STATEMENT_CHARS_MAX + 1}) AS statement, x.trx_started AS transactionSince, 1 AS isSure,
      l.isBackup, l.isDeliberate, x.trx_rows_modified AS rowsModified, 0 AS isPrepared, 0 AS isInternal,
      p.ID IN (SELECT THREAD_ID FROM information_schema.METADATA_LOCK_INFO
        WHERE LOCK_TYPE = 'User lock' AND TABLE_SCHEMA LIKE 'tableshift:%') AS isOurs, NULL AS program
    FROM (SELECT THREAD_ID AS thread, MAX(LOCK_TYPE = 'Backup lock') AS isBackup,
        MAX(LOCK_TYPE <> 'Backup lock' AND LOCK_MODE NOT IN (${textList(ofRows.map((mode) => `MDL_${mode}`))})) AS isDeliberate
      FROM information_schema.METADATA_LOCK_INFO
      WHERE LOCK_TYPE = 'Table metadata lock' AND (TABLE_SCHEMA, TABLE_NAME) IN (${nameList(tables)})
        OR LOCK_TYPE = 'Backup lock' AND LOCK_MODE IN (${textList(ofBackups.map((stage) => `MDL_BACKUP_${stage}`))})
      GROUP BY THREAD_ID) AS l
    JOIN information_schema.PROCESSLIST AS p ON p.ID = l.thread
    LEFT JOIN information_schema.INNODB_TRX AS x ON x.trx_mysql_thread_id = p.ID
    WHERE p.ID <> ${except}
    ORDER BY p.TIME DESC, id`;
}

/** Where neither can be read: open transactions, and running statements that name a table. Those that wait do not block. */
function fromTransactions(tables: readonly TableName[], except: number): string {
  return `SELECT p.ID AS thread, p.ID AS id, p.USER AS user, p.HOST AS host, p.COMMAND AS command, p.TIME AS seconds,
      LEFT(p.INFO, ${STATEMENT_CHARS_MAX + 1}) AS statement, x.trx_started AS transactionSince, 0 AS isSure
    FROM information_schema.PROCESSLIST AS p
    LEFT JOIN information_schema.INNODB_TRX AS x ON x.trx_mysql_thread_id = p.ID
    WHERE (x.trx_id IS NOT NULL OR ${tables.map(({ table }) => `LOCATE(${quoteText(table)}, p.INFO) > 0`).join(' OR ')}) AND p.ID NOT IN (${except}, CONNECTION_ID())
      AND COALESCE(p.STATE, '') <> 'Waiting for table metadata lock'
    ORDER BY p.TIME DESC, id`;
}

function textList(texts: readonly string[]): string {
  return texts.map(quoteText).join(', ');
}

function readHolder(row: Row): LockHolder {
  const id = row['id'] ?? null;
  return {
    connectionId: id === null ? null : Number(id),
    identity: `${row['thread'] ?? ''} ${id ?? ''}`,
    sentence: id === null ? describeThread(row) : describeSession(row),
    hasWritten: Number(row['rowsModified'] ?? 0) > 0,
    immunity: immunityOf(row),
  };
}

/** Of the server's own sessions. */
export const systemUsers = ['system user', 'event_scheduler', 'mysql.session', 'mysql.sys', 'mysql.infoschema', 'mariadb.sys'];
/** Replication, event workers, and whatever else the server does by itself. */
const systemCommands = /^(Daemon|Connect|Binlog Dump|Register Slave|Register Replica|Slave_|Replica_)/;
const backupPrograms = /dump|backup/i;
/** What dumping clients put into the statement that reads a table; MariaDB knows no names of programs. */
const backupStatement = /^SELECT \/\*!40001 SQL_NO_CACHE \*\//;

function immunityOf(row: Row): string | null {
  if (isWithoutSession(row) || row['isPrepared'] === '1')
    return 'only XA COMMIT or XA ROLLBACK ends it; XA RECOVER has its name';
  if (row['isSure'] !== '1') return 'the server does not tell whether it holds the lock';
  if (row['isOurs'] === '1') return 'it belongs to a migration';
  const user = row['user'] ?? '';
  if (row['isInternal'] === '1' || systemUsers.includes(user) || systemCommands.test(row['command'] ?? '')) {
    return 'it belongs to the server itself';
  }
  const isBackup = backupPrograms.test(row['program'] ?? '') || backupStatement.test(row['statement'] ?? '');
  if (row['isBackup'] === '1' || isBackup) return 'it makes a backup';
  if (row['isDeliberate'] === '1') return 'it has locked the table on purpose, or is changing it';
  const rows = Number(row['rowsModified'] ?? 0);
  return rows > rowsModifiedMax ? `it has changed ${rows} rows, which would take long to roll back` : null;
}

function describeThread(row: Row): string {
  if (isWithoutSession(row)) return 'a prepared XA transaction, which waits to be committed or rolled back';
  return `the server itself (${row['threadName'] ?? 'a thread'})`;
}

/** `connection 5 of app from 10.0.0.7:33060, idle for 5 s in a transaction since 2026-01-31 12:00:00: SELECT …`. */
export function describeSession(row: Row): string {
  const who = `connection ${row['id'] ?? ''} of ${row['user'] ?? ''} from ${row['host'] ?? ''}`;
  const seconds = Math.max(0, Number(row['seconds'] ?? 0));
  const doing = row['command'] === 'Sleep' ? `idle for ${seconds} s` : `running for ${seconds} s`;
  const transactionSince = row['transactionSince'] ?? null;
  const since = transactionSince === null ? '' : ` in a transaction since ${transactionSince}`;
  const statement = row['statement'] ?? null;
  const text = statement === null ? '' : `: ${beginningOf(statement)}`;
  return `${row['isSure'] === '1' ? '' : 'perhaps '}${who}, ${doing}${since}${text}`;
}
