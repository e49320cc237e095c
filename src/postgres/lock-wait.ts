/** Statements that ask for the lock on a table by themselves: an ALTER, a DROP. */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { StepOutcome } from '../engine/native-change.ts';
import { hasPassed } from '../sessions/pause.ts';
import { describeSession, findLockHolders, sessionColumns } from './lock-holders.ts';
import type { Session } from './session.ts';

/** Who waits for what. */
export interface LockWait {
  /** Runs the statement, with a `lock_timeout` of `lockTimeoutMs`. */
  readonly session: Session;
  /** Looks around meanwhile. */
  readonly observer: Session;
  readonly table: TableName;
  readonly lockTimeoutMs: number;
  /** Whether the server ends the statement soon after the lock timeout, however it spends its time. */
  readonly isEndedSoon: boolean;
}

/** More names than this help nobody. */
const blockersMax = 10;

/** Runs what asks for a lock, and looks who is in the way while it does. Rejects with any error but that of the lock. */
export async function askForLock(
  { session, observer, table, lockTimeoutMs, isEndedSoon }: LockWait,
  run: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const settled = new AbortController();
  let blockers: readonly string[] = [];
  const looking = hasPassed(lockTimeoutMs * 0.75, settled.signal).then(async (isPassed) => {
    if (isPassed) blockers = await findBlockers(observer, { pid: session.pid, table }, signal);
  });
  try {
    await run();
    return { kind: 'done' };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MigrationError)) throw error;
    const isLate = isEndedSoon && error.code === 'STATEMENT_TIMEOUT';
    if (error.code !== 'LOCK_WAIT' && error.code !== 'DEADLOCK' && !isLate) throw error;
    await looking.catch(() => undefined);
    return { kind: 'not-locked', blockers };
  } finally {
    settled.abort();
    // Looking for blockers is a courtesy: its failure is no reason to fail.
    await Promise.allSettled([looking]);
  }
}

/** Whom a session waits for right now; who has a lock on the table where that is not known, as for prepared transactions. */
async function findBlockers(
  observer: Session,
  { pid, table }: { readonly pid: number; readonly table: TableName },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rows = await observer.query(
    `SELECT ${sessionColumns} FROM pg_catalog.pg_stat_activity AS a
     WHERE a.pid = ANY (pg_catalog.pg_blocking_pids(${pid})) ORDER BY a.xact_start LIMIT ${blockersMax}`,
    signal,
  );
  if (rows.length > 0) return rows.map(describeSession);
  return await findLockHolders(observer, { table, of: 'table', except: pid, restingLongerMs: null }, signal);
}
