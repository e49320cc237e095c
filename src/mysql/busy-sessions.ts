/** Whether the sessions of others have little room left, as far as can be told within a moment. */

import type { Clock } from '../engine/ports.ts';
import { BUSY_FROM, readingOf, windowBetween } from '../engine/transaction-window.ts';
import type { Session } from './session.ts';
import { readTransactionTimes } from './transaction-times.ts';

/** For how long they are watched. */
const WATCH_MS = 100;
/** Fewer transactions in that time are no load. */
const TOO_FEW = 20;

/** True where many transactions come and keep the sessions busy. Takes a moment; false at once where there are no sessions of others. */
export async function areSessionsBusy(
  session: Session,
  clock: Pick<Clock, 'now' | 'sleep'>,
  signal: AbortSignal,
): Promise<boolean> {
  const before = await readTransactionTimes(session, signal);
  if (before === null || before.length === 0) return false;
  const from = readingOf(before, clock.now());
  await clock.sleep(WATCH_MS, signal);
  const after = await readTransactionTimes(session, signal);
  const window = windowBetween(from, readingOf(after ?? [], clock.now()));
  return window !== null && window.count >= TOO_FEW && window.busy >= BUSY_FROM;
}
