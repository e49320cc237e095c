/** LOCK TABLES within a time limit, and what must be true of a session that holds it. */

import { inTheWay, MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { CutoverOptions } from '../engine/ports.ts';
import { Blockers } from './blockers.ts';
import { serverErrno } from './errors.ts';
import type { Flavour } from './flavour.ts';
import { asACourtesy } from '../sessions/lock-wait.ts';
import { hasPassed } from '../sessions/pause.ts';
import type { Session } from './session.ts';
import { nameList, quoteTable } from './statements.ts';

/** Who asks for what. */
export interface LockRequest {
  /** Will hold the lock. Takes several statements in one message. */
  readonly locker: Session;
  /** Looks around meanwhile. */
  readonly observer: Session;
  readonly flavour: Flavour;
  /** All tables to lock against readers and writers. */
  readonly tables: readonly TableName[];
  /** Of them, those that applications use. */
  readonly used: readonly TableName[];
  readonly options: Pick<CutoverOptions, 'lockTimeoutMs' | 'onBlockerEnded'>;
}

export type LockOutcome =
  /** `askedAt`, by `performance.now()`: since when others have waited. */
  { readonly kind: 'locked'; readonly askedAt: number } | { readonly kind: 'not-locked'; readonly blockers: readonly string[] };

/**
 * Settings for a session that will hold the lock. If this process freezes, the server itself ends what it left: the wait for
 * the lock after lock_wait_timeout, the idle session, and its locks with it, after wait_timeout.
 */
export function lockSettings({ holdTimeoutMs, lockTimeoutMs }: CutoverOptions): readonly string[] {
  return [`lock_wait_timeout = ${wholeSeconds(lockTimeoutMs)}`, `wait_timeout = ${wholeSeconds(holdTimeoutMs)}`];
}

/** The same for one that rests until another has the lock, and works then. */
export function helperSettings({ holdTimeoutMs, lockTimeoutMs }: CutoverOptions): readonly string[] {
  return lockSettings({ lockTimeoutMs, holdTimeoutMs: holdTimeoutMs + lookMs(lockTimeoutMs) + lockTimeoutMs });
}

/** Both servers count in whole seconds, at least one. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

/** A moment is looked for this often, and for this long at most. */
const [lookEachMs, lookMsMax] = [5, 10_000];

function lookMs(lockTimeoutMs: number): number {
  return Math.min(lockTimeoutMs, lookMsMax);
}

/**
 * Asks for the lock, at a moment at which nobody has read one of the tables in a transaction and may write it yet; where none is found
 * within `lockTimeoutMs`, nevertheless.
 *
 * From the request on new statements on these tables wait behind us, which is why it ends after `lockTimeoutMs`, KILL QUERY being what
 * makes it exact. A transaction that has only read a table, and now writes it, would wait for us while we wait for its end: the server
 * finds that circle at once and ends the transaction (error 1213), never our request, whatever its kind. When the lock is granted,
 * transactions that had written are over and their rows committed. After any other outcome the session may still have the lock, if it
 * was granted at the last moment: unlock it.
 */
export async function lockTables(request: LockRequest, signal: AbortSignal): Promise<LockOutcome> {
  return (await lockAtAGoodMoment(request, signal))?.result ?? (await ask(request, { sql: lockStatement(request) }, signal));
}

/** The same for work that can be done later: rejects with LOCK_WAIT where the lock is not had in time. `what`: the tables, as told then. */
export async function lockOrReject(what: string, request: LockRequest, signal: AbortSignal): Promise<void> {
  const lock = await lockTables(request, signal);
  if (lock.kind === 'locked') return;
  const message = `${what} could not be locked within ${request.options.lockTimeoutMs} ms.`;
  throw new MigrationError('LOCK_WAIT', `${message}${inTheWay(lock.blockers)}`);
}

/** The same at such a moment only; null where none was found, or the server has no way to ask so: then nothing is locked. */
export async function lockAtAGoodMoment(request: LockRequest, signal: AbortSignal): Promise<AtItsMoment<LockOutcome> | null> {
  const { lockTimeoutMs } = request.options;
  const gently = askingGently(request);
  if (gently === null) return null;
  return await atAGoodMoment({ lockTimeoutMs, ...gently, run: () => ask(request, gently, signal) }, signal);
}

/** What may be asked for again and again. */
export interface GentleRequest<Result> {
  readonly lockTimeoutMs: number;
  /** The error by which the server says that this is no moment for it, and that it has not been made. */
  readonly notNow: number;
  readonly run: () => Promise<Result>;
}

/** What came of it, after it was looked for such a moment for so long. */
export interface AtItsMoment<Result> {
  readonly result: Result;
  readonly soughtMs: number;
}

/** Null where no such moment was found within `lockTimeoutMs`, or the server says anything else against it. */
export async function atAGoodMoment<Result>(
  { lockTimeoutMs, notNow, run }: GentleRequest<Result>,
  signal: AbortSignal,
): Promise<AtItsMoment<Result> | null> {
  const startedAt = performance.now();
  let askedAt = startedAt;
  do {
    try {
      return { result: await run(), soughtMs: askedAt - startedAt };
    } catch (error) {
      signal.throwIfAborted();
      const errno = serverErrno(error);
      if (errno === null) throw error;
      // It does not tell who has read what, or not to this user: what is wrong beside will be said of the plain request.
      if (errno !== notNow) return null;
    }
    await hasPassed(lookEachMs, signal);
    signal.throwIfAborted();
    askedAt = performance.now();
  } while (askedAt < startedAt + lookMs(lockTimeoutMs));
  return null;
}

interface Asking {
  readonly sql: string;
  /** As in `GentleRequest`. */
  readonly notNow?: number;
}

/** ER_LOCK_WAIT_TIMEOUT: on MariaDB, of what must not wait at all. */
const wouldWait = 1205;
/** ER_DATA_OUT_OF_RANGE. */
const isOutOfRange = 1690;

function lockStatement({ tables }: LockRequest): string {
  return `LOCK TABLES ${tables.map((table) => `${quoteTable(table)} WRITE`).join(', ')}`;
}

/** Null where the server has no way to ask so. */
function askingGently(request: LockRequest): Required<Asking> | null {
  const statement = lockStatement(request);
  if (request.flavour.locksAtOnce) return { sql: `${statement} NOWAIT`, notNow: wouldWait };
  if (request.flavour.metadataLockSource !== 'performance_schema') return null;
  return unlessRead(request.used, statement);
}

/**
 * MySQL: two statements in one message, a query that fails at a wrong moment, and then the server leaves out the other. So it has a tenth
 * of a millisecond between the two, and not the way here and back as well.
 *
 * It fails while a transaction of several statements holds a lock on one of these tables, but not the one for writing each of them: it
 * may come to want that. And while a backup is made: no table changes its definition beside one, so that what is done under the lock
 * would wait for its end, and everybody for that.
 */
export function unlessRead(tables: readonly TableName[], statement: string): Required<Asking> {
  const query = `SELECT 9223372036854775807 + COUNT(*) FROM (
    SELECT l.OWNER_THREAD_ID FROM performance_schema.metadata_locks AS l
    LEFT JOIN performance_schema.events_transactions_current AS t ON t.THREAD_ID = l.OWNER_THREAD_ID
    WHERE l.LOCK_STATUS = 'GRANTED' AND (l.OBJECT_TYPE = 'BACKUP LOCK' AND l.LOCK_TYPE = 'SHARED'
      OR l.OBJECT_TYPE = 'TABLE' AND (l.OBJECT_SCHEMA, l.OBJECT_NAME) IN (${nameList(tables)})
        AND t.STATE = 'ACTIVE' AND t.AUTOCOMMIT = 'NO')
    GROUP BY l.OWNER_THREAD_ID
    HAVING COUNT(DISTINCT CASE WHEN l.LOCK_TYPE = 'SHARED_WRITE' THEN CONCAT_WS('.', l.OBJECT_SCHEMA, l.OBJECT_NAME) END) < ${tables.length}
  ) AS others`;
  return { sql: `${query}; ${statement}`, notNow: isOutOfRange };
}

/** Rejects with `notNow`, too. */
async function ask(request: LockRequest, { notNow, sql }: Asking, signal: AbortSignal): Promise<LockOutcome> {
  const { lockTimeoutMs, onBlockerEnded } = request.options;
  const inTheWay = new Blockers(request, onBlockerEnded);
  const settled = new AbortController();
  const limit = new AbortController();
  let blockers: readonly string[] = [];
  // Asked for while the lock is still waited for: whoever holds one now is in the way; afterwards it may be anybody.
  const look = async (): Promise<void> => {
    if (!(await hasPassed(lockTimeoutMs * 0.5, settled.signal))) return;
    if (inTheWay.areEnded) await inTheWay.end(settled.signal, signal);
    if (await hasPassed(lockTimeoutMs * 0.25, settled.signal)) blockers = await inTheWay.find(signal);
  };
  const looking = asACourtesy(look);
  const limiting = hasPassed(lockTimeoutMs, settled.signal).then((isPassed) => {
    if (isPassed) limit.abort(new MigrationError('LOCK_WAIT', `The lock was not had within ${lockTimeoutMs} ms.`));
  });
  const askedAt = performance.now();
  try {
    await request.locker.execute(sql, AbortSignal.any([signal, limit.signal]));
    return { kind: 'locked', askedAt };
  } catch (error) {
    signal.throwIfAborted();
    const isTimeout = error instanceof MigrationError && error.code === 'LOCK_WAIT' && serverErrno(error) !== notNow;
    if (!isTimeout) throw error;
    await looking;
    return { kind: 'not-locked', blockers };
  } finally {
    settled.abort();
    await Promise.allSettled([looking, limiting]);
  }
}
