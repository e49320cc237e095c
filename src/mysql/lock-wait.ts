/** Statements that ask for metadata locks by themselves: an ALTER, a DROP. */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { StepOutcome } from '../engine/native-change.ts';
import { hasPassed } from '../sessions/pause.ts';
import type { Flavour } from './flavour.ts';
import { findLockHolders } from './lock-holders.ts';
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

/** Runs what asks for locks, and looks who is in the way while it waits. Rejects with any error but that of the lock. */
export async function askForLock(
  { session, observer, flavour, tables, lockTimeoutMs }: LockWait,
  run: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const settled = new AbortController();
  let blockers: readonly string[] = [];
  // Asked for while the lock is still waited for: whoever holds one now is in the way; afterwards it may be anybody.
  const looking = hasPassed(lockTimeoutMs * 0.75, settled.signal).then(async (isPassed) => {
    if (isPassed) blockers = await findLockHolders(observer, tables, { flavour, except: session.connectionId }, signal);
  });
  try {
    await run();
    return { kind: 'done' };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MigrationError) || error.code !== 'LOCK_WAIT') throw error;
    // Looking for blockers is a courtesy: its failure is no reason to fail.
    await looking.catch(() => undefined);
    return { kind: 'not-locked', blockers };
  } finally {
    settled.abort();
    await Promise.allSettled([looking]);
  }
}
