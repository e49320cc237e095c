/** Giving a session back as it was found, also after an abort or an error. */

import { MigrationError } from '../engine/errors.ts';
import { timeLimit } from '../sessions/pause.ts';
import type { Session } from './session.ts';

/** Rolling back a chunk takes about as long as copying it; a session that needs longer is ended. */
const limitMs = 60_000;

/** Runs the statements although the caller's signal may have aborted. On a session that broke, which is not used again, it does nothing. */
export async function restoreSession(session: Session, statements: readonly string[]): Promise<void> {
  const signal = timeLimit(limitMs, `The server did not give a session back as it was within ${limitMs / 1000} s.`);
  try {
    for (const statement of statements) await session.execute(statement, signal);
  } catch (error) {
    if (!(error instanceof MigrationError && error.code === 'CONNECTION_LOST')) throw error;
  }
}
