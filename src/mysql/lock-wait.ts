/** Statements that ask for metadata locks by themselves: an ALTER, a DROP. */

import type { TableName } from '../engine/model.ts';
import type { StepOutcome } from '../engine/native-change.ts';
import * as lockWait from '../sessions/lock-wait.ts';
import type { Flavour } from './flavour.ts';
import { findDeliberateHolders, findLockHolders } from './lock-holders.ts';
import type { Session } from './session.ts';

/** Who waits for what. */
export interface LockWait {
  /** Runs the statement, with a `lock_wait_timeout` of `lockTimeoutMs`. */
  readonly session: Session;
  /** Looks around meanwhile. */
  readonly observer: Session;
  readonly flavour: Flavour;
  /** All tables that the statement locks. */
  readonly tables: readonly TableName[];
  readonly lockTimeoutMs: number;
}

/** As in sessions/lock-wait.ts. */
export async function askForLock(
  { session, observer, flavour, tables, lockTimeoutMs }: LockWait,
  run: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const wait = {
    lockTimeoutMs,
    findBlockers: (looking: AbortSignal) =>
      findLockHolders(observer, tables, { flavour, except: session.connectionId }, looking),
    isNotLocked: ({ code }: { readonly code: string }) => code === 'LOCK_WAIT',
  };
  return await lockWait.askForLock(wait, run, signal);
}

/** As in sessions/lock-wait.ts, for work that wants the definition of tables: who reads or writes their rows is in nobody's way. */
export async function namingHolders<Result>(
  { session, flavour, tables }: Pick<LockWait, 'session' | 'flavour' | 'tables'>,
  work: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const from = { flavour, except: session.connectionId };
  return await lockWait.namingHolders(() => findDeliberateHolders(session, tables, from, signal), work);
}
