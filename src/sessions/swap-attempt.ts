/** How an attempt to swap ends, on whichever server: the statement that swaps is sent, and the sessions are closed. */

import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { CutoverOptions, CutoverOutcome } from '../engine/ports.ts';
import { disposeAll } from './disposal.ts';

/** Why an attempt was over before it asked for its lock: for whom it would be waited in vain, or for whom others should not wait. */
export function notAskedFor({ lockTimeoutMs }: Pick<CutoverOptions, 'lockTimeoutMs'>): string {
  return `the lock was not even asked for: it would not be had within ${lockTimeoutMs} ms`;
}

/** That the reply to the statement that swaps was lost. */
export interface UnknownSwap {
  readonly kind: 'unknown';
  readonly cause: MigrationError;
}

/** A session that can be ended on the server and be seen gone. */
interface EndableSession extends AsyncDisposable {
  execute(sql: string, signal: AbortSignal): Promise<unknown>;
  kill(): Promise<void>;
}

/** What makes the swap happen. */
export interface SwapStatement {
  readonly sql: string;
  readonly session: EndableSession;
  /** How the server's administrator finds the session: `connection 5`. */
  readonly sessionName: string;
  readonly sources: readonly TableName[];
}

/**
 * Sends it. Null when it was done; `unknown` when its reply was lost: the session is then gone. Not abortable but by the limit: its
 * outcome is wanted more than a quick end. Rejects with what the server said if it refused, or with SWAP_UNKNOWN if the session
 * cannot be shown to be gone.
 */
export async function sendSwap(
  { sql, session, sessionName, sources }: SwapStatement,
  limit: AbortSignal,
): Promise<UnknownSwap | null> {
  try {
    await session.execute(sql, limit);
    return null;
  } catch (thrown) {
    const error = asMigrationError(thrown);
    const isRefused = !limit.aborted && error.code !== 'CONNECTION_LOST' && error.code !== 'SESSION_STUCK';
    if (isRefused) throw error;
    try {
      await session.kill();
    } catch (cause) {
      const names = sources.map(({ schema, table }) => `${schema}.${table}`).join(', ');
      throw new MigrationError(
        'SWAP_UNKNOWN',
        `The swap of ${names} was sent, its outcome is not known, and its session could not be shown to have ended. Look at ${sessionName} and the tables before doing anything.`,
        { cause },
      );
    }
    return { kind: 'unknown', cause: error };
  }
}

/**
 * Ends the sessions of an attempt. After a swap a session that cannot be shown to have ended is none that could do harm, and
 * the outcome matters more; after anything else it is an error.
 */
export async function closeAttempt(sessions: readonly AsyncDisposable[], outcome: CutoverOutcome | null): Promise<void> {
  try {
    await disposeAll(sessions);
  } catch (error) {
    if (outcome?.kind !== 'swapped') throw error;
  }
}
