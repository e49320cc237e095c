/** The swap where RENAME TABLE works under LOCK TABLES: MySQL from 8.0.13 on. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import type { CutoverOptions } from '../engine/ports.ts';
import { timeLimit } from '../sessions/pause.ts';
import { sendSwap, type UnknownSwap } from '../sessions/swap-attempt.ts';
import type { SwapResult } from './cutover-attempt.ts';
import { serverErrno } from './errors.ts';
import { nameOf } from './foreign-keys.ts';
import type { OwnedSession } from './session.ts';
import { quoteTable } from './statements.ts';

/** Beyond the session's own lock_wait_timeout, after which a RENAME is either in its last step or hangs. */
const graceMs = 10_000;

/**
 * The RENAME of all tables that are swapped together, in this order. It is atomic, and in the log as one statement. Under LOCK
 * TABLES it takes the exclusive locks of all names, for which only statements that look at definitions can make it wait. Not safe
 * to run twice: the second run would fail, as the shadows are gone.
 */
function renameStatement(plans: SwappedPlans): string {
  const pairs = plans.map((plan) => {
    const [source, shadow, retired] = [quoteTable(plan.source), quoteTable(plan.shadow), quoteTable(plan.retired)];
    return `${source} TO ${retired}, ${shadow} TO ${source}`;
  });
  return `RENAME TABLE /* ${swapMark(plans[0])} */ ${pairs.join(', ')}`;
}

/** Those of all tables that one RENAME swaps. */
export type SwappedPlans = readonly [Plan, ...Plan[]];

/**
 * A comment in the RENAME, by which a reader of the log knows it for ours: the same for all tables that are swapped together, as
 * the stream of each ends there.
 */
export function swapMark({ id, family }: Plan): string {
  return `TableShift swaps migration ${family?.id ?? id}`;
}

/** How long a step of the swap may take. The swap is not abortable: its outcome is wanted more than a quick end. */
export function swapLimit(options: CutoverOptions): AbortSignal {
  const ms = options.lockTimeoutMs + graceMs;
  return timeLimit(ms, `The server did not answer a step of the swap within ${ms / 1000} s.`);
}

/**
 * Swaps and unlocks through the session that holds the lock. Rejects if the swap has certainly not happened. `beforeUnlock` must not
 * reject.
 */
export async function swapInOneSession(
  plans: SwappedPlans,
  locker: OwnedSession,
  { options, beforeUnlock }: { readonly options: CutoverOptions; readonly beforeUnlock: () => Promise<void> },
): Promise<SwapResult> {
  const failure = await rename(plans, locker, options).catch((error: unknown) => {
    throw serverErrno(error) === tableExists ? retiredNameTaken(plans, error) : error;
  });
  if (failure !== null) return failure;
  await beforeUnlock();
  await unlock(locker, options);
  return { kind: 'swapped' };
}

/** Sends the RENAME (`sendSwap`). */
export function rename(plans: SwappedPlans, session: OwnedSession, options: CutoverOptions): Promise<UnknownSwap | null> {
  const sources = plans.map(({ source }) => source);
  const sessionName = `connection ${session.connectionId}`;
  return sendSwap({ sql: renameStatement(plans), session, sessionName, sources }, swapLimit(options));
}

/** ER_TABLE_EXISTS_ERROR. */
export const tableExists = 1050;

/** Somebody's table has the retired table's name. */
export function retiredNameTaken(plans: readonly Plan[], cause?: unknown): MigrationError {
  const names = plans.map(({ retired }) => nameOf(retired)).join(' or ');
  return new MigrationError(
    'SWAP_UNKNOWN',
    `A table ${names} exists already that is not ours. Look at it and at ${plans.map(({ source }) => source.table).join(', ')} before doing anything.`,
    { cause },
  );
}

/** Lets the writers go on; if the session breaks instead, the server does that. */
export async function unlock(locker: OwnedSession, options: CutoverOptions): Promise<void> {
  try {
    await locker.execute('UNLOCK TABLES', swapLimit(options));
  } catch {
    // Its end is checked when the sessions of the attempt are closed.
    await locker.kill().catch(() => undefined);
  }
}
