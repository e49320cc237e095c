/** Whether the sessions of others have little room left, as far as can be told within a moment. */

import type { Clock } from '../engine/ports.ts';
import { BUSY_FROM, readingOf, type TransactionReading, windowBetween } from '../engine/transaction-window.ts';
import { untilUntold } from './errors.ts';
import type { Session } from './session.ts';
import { readTransactionTimes } from './transaction-times.ts';

/** For how long they are watched. */
const WATCH_MS = 100;
/** Where none of them has ended a transaction after this time, they are not watched any longer. */
const GLANCE_MS = 30;
/** Fewer transactions in that time are no load. */
const TOO_FEW = 20;

/** True where many transactions come and keep the sessions busy. Takes a moment; false at once where there are no sessions of others. */
export async function areSessionsBusy(
  session: Session,
  clock: Pick<Clock, 'now' | 'sleep'>,
  signal: AbortSignal,
): Promise<boolean> {
  const times = untilUntold(() => readTransactionTimes(session, signal), []);
  const read = async (): Promise<TransactionReading> => readingOf(await times(), clock.now());
  const from = await read();
  if (from.sessions.size === 0) return false;
  await clock.sleep(GLANCE_MS, signal);
  if (windowBetween(from, await read()) === null) return false;
  await clock.sleep(WATCH_MS - GLANCE_MS, signal);
  const window = windowBetween(from, await read());
  return window !== null && window.count >= TOO_FEW && window.busy >= BUSY_FROM;
}
