/**
 * How long a session may hold the locks of a cutover, by this process's own time. Where the process itself hangs in the middle, the
 * server ends the session: `lockSettings` in the adapters' table-lock.ts says when.
 */

import { MigrationError } from '../engine/errors.ts';

/** Who holds the locks, and for how long it may. */
export interface Hold {
  readonly holder: { kill(): Promise<void> };
  readonly holdTimeoutMs: number;
}

/**
 * Runs work under the locks. When the time is over the holder is ended, which lets go of them, and this rejects with
 * STATEMENT_TIMEOUT once the work has failed by that.
 */
export async function withinHoldTime<Result>(
  { holder, holdTimeoutMs }: Hold,
  work: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const killed: Promise<void>[] = [];
  const timer = setTimeout(() => {
    const killing = holder.kill();
    // Reported below, or by closing the session.
    killing.catch(() => undefined);
    killed.push(killing);
  }, holdTimeoutMs);
  try {
    return await work();
  } catch (error) {
    if (killed.length === 0) throw error;
    await Promise.all(killed);
    signal.throwIfAborted();
    throw new MigrationError(
      'STATEMENT_TIMEOUT',
      `Draining took longer than the ${holdTimeoutMs} ms for which the lock may be held, so writers were let go on in the old table; wait for a calmer time, or give a longer --cutover-hold-timeout.`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}
