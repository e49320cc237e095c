/** Transactions that end whatever becomes of what is done in them. */

import type { Session } from './session.ts';

/** Runs work in one that is committed: all of it happens or nothing. */
export async function inTransaction(session: Session, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  await session.execute('BEGIN', signal);
  try {
    await work();
    await session.execute('COMMIT', signal);
  } catch (error) {
    await rollBack(session);
    throw error;
  }
}

/** Begins one of which nothing stays: disposing it rolls it back. */
export async function beginTrial(session: Session, signal: AbortSignal): Promise<AsyncDisposable> {
  await session.execute('BEGIN', signal);
  return { [Symbol.asyncDispose]: () => rollBack(session) };
}

/** Despite an abort. A broken session has no transaction any more. */
async function rollBack(session: Session): Promise<void> {
  await session.execute('ROLLBACK', new AbortController().signal).catch(() => undefined);
}
