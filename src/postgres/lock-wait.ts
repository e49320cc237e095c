/** Statements that ask for the lock on a table by themselves: an ALTER, a DROP. */

import type { TableName } from '../engine/model.ts';
import type { StepOutcome } from '../engine/native-change.ts';
import * as lockWait from '../sessions/lock-wait.ts';
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

/** As in sessions/lock-wait.ts. */
export async function askForLock(
  { session, observer, table, lockTimeoutMs, isEndedSoon }: LockWait,
  run: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const failures = ['LOCK_WAIT', 'DEADLOCK', ...(isEndedSoon ? ['STATEMENT_TIMEOUT'] : [])];
  const wait = {
    lockTimeoutMs,
    findBlockers: (looking: AbortSignal) => findBlockers(observer, { pid: session.pid, table }, looking),
    isNotLocked: ({ code }: { readonly code: string }) => failures.includes(code),
  };
  return await lockWait.askForLock(wait, run, signal);
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
  return await findLockHolders(observer, { table, of: 'table', except: pid, hopelessAfterMs: null }, signal);
}

/** As in sessions/lock-wait.ts, for work that wants the definition of a table. */
export async function namingHolders<Result>(
  session: Session,
  table: TableName,
  work: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const search = { table, of: 'table', except: session.pid, hopelessAfterMs: null } as const;
  return await lockWait.namingHolders(() => findLockHolders(session, search, signal), work);
}
