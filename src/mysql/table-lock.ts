/** LOCK TABLES within a time limit, and what must be true of a session that holds it. */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { CutoverOptions } from '../engine/ports.ts';
import { Blockers } from './blockers.ts';
import type { Flavour } from './flavour.ts';
import { hasPassed } from '../sessions/pause.ts';
import type { Session } from './session.ts';
import { quoteTable } from './statements.ts';

/** Who asks for what. */
export interface LockRequest {
  /** Will hold the lock. */
  readonly locker: Session;
  /** Looks around meanwhile. */
  readonly observer: Session;
  readonly flavour: Flavour;
  /** All tables to lock against readers and writers. */
  readonly tables: readonly TableName[];
  readonly options: Pick<CutoverOptions, 'lockTimeoutMs' | 'onBlockerEnded'>;
}

export type LockOutcome = { readonly kind: 'locked' } | { readonly kind: 'not-locked'; readonly blockers: readonly string[] };

/**
 * Settings for a session that will hold the lock. If this process freezes, the server itself ends what it left: the wait for
 * the lock after lock_wait_timeout, the idle session, and its locks with it, after wait_timeout.
 */
export function lockSettings(options: CutoverOptions): readonly string[] {
  return [
    `lock_wait_timeout = ${wholeSeconds(options.lockTimeoutMs)}`,
    `wait_timeout = ${wholeSeconds(options.holdTimeoutMs)}`,
  ];
}

/** Both servers count in whole seconds, at least one. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

/**
 * Asks for the lock. From here on new statements on these tables wait behind us, which is why it ends after `lockTimeoutMs`,
 * KILL QUERY being what makes it exact. When it is granted, transactions that had written are over and their rows committed.
 * After any other outcome the session may still have the lock, if it was granted at the last moment: unlock it.
 */
export async function lockTables(request: LockRequest, signal: AbortSignal): Promise<LockOutcome> {
  const { locker, tables } = request;
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
  const looking = look();
  const limiting = hasPassed(lockTimeoutMs, settled.signal).then((isPassed) => {
    if (isPassed) limit.abort(new MigrationError('LOCK_WAIT', `The lock was not had within ${lockTimeoutMs} ms.`));
  });
  try {
    const list = tables.map((table) => `${quoteTable(table)} WRITE`).join(', ');
    await locker.execute(`LOCK TABLES ${list}`, AbortSignal.any([signal, limit.signal]));
    return { kind: 'locked' };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MigrationError) || error.code !== 'LOCK_WAIT') throw error;
    await looking.catch(() => undefined);
    return { kind: 'not-locked', blockers };
  } finally {
    settled.abort();
    // Looking for blockers is a courtesy: its failure is no reason to fail.
    await Promise.allSettled([looking, limiting]);
  }
}
