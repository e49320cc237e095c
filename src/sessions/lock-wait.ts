/** Statements that ask for locks by themselves, such as an ALTER or a DROP, and who is in their way. */

import { inTheWay, MigrationError } from '../engine/errors.ts';
import type { StepOutcome } from '../engine/native-change.ts';
import { hasPassed } from './pause.ts';

/** How a server is asked about one statement. */
export interface LockWait {
  /** The statement waits for its locks for so long. */
  readonly lockTimeoutMs: number;
  /** Asked while the lock is still waited for: whoever holds one now is in the way; afterwards it may be anybody. */
  readonly findBlockers: (signal: AbortSignal) => Promise<readonly string[]>;
  /** Whether it is the error of a statement that did not have its locks in time. */
  readonly isNotLocked: (error: MigrationError) => boolean;
}

/**
 * Work beside a wait, such as a look at who is in the way: its failure is no reason to fail, nor may it be one that nobody awaits yet,
 * which would end the process.
 */
export async function asACourtesy(work: () => Promise<void>): Promise<void> {
  await work().catch(() => undefined);
}

/** Runs what asks for locks, and looks who is in the way while it waits. Rejects with any error but that of the lock. */
export async function askForLock(
  { lockTimeoutMs, findBlockers, isNotLocked }: LockWait,
  run: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const settled = new AbortController();
  let blockers: readonly string[] = [];
  const look = async (): Promise<void> => {
    if (await hasPassed(lockTimeoutMs * 0.75, settled.signal)) blockers = await findBlockers(signal);
  };
  const looking = asACourtesy(look);
  try {
    await run();
    return { kind: 'done' };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MigrationError) || !isNotLocked(error)) throw error;
    await looking;
    return { kind: 'not-locked', blockers };
  } finally {
    settled.abort();
    await Promise.allSettled([looking]);
  }
}

/**
 * Work that wants the locks of its statements by the way, such as planning: where one of them is not had in time, the error says who
 * holds it. That is asked afterwards, so it is nobody where he has let go just now.
 */
export async function namingHolders<Result>(
  findHolders: () => Promise<readonly string[]>,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== 'LOCK_WAIT') throw error;
    let holders: readonly string[] = [];
    await asACourtesy(async () => {
      holders = await findHolders();
    });
    throw new MigrationError('LOCK_WAIT', `${error.message}${inTheWay(holders)}`, { cause: error });
  }
}
