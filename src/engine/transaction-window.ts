/** What the transactions of others were within some time, from two readings of the server's counters. */

import type { SessionTransactions } from './ports.ts';

/**
 * Sessions that are in a transaction for so much of the time, 0 to 1, leave little room for what makes each take longer. Half of the time
 * would be found by chance: a look of a tenth of a second is wrong by a third.
 */
export const BUSY_FROM = 0.3;

/** The counters at one moment. */
export interface TransactionReading {
  readonly atMs: number;
  readonly sessions: ReadonlyMap<string, SessionTransactions>;
}

/** The transactions of others within some time. */
export interface TransactionWindow {
  readonly count: number;
  /** What the usual one took: of the sessions' means the one in the middle, so that a few long ones do not count. */
  readonly usualMs: number;
  /** The share of the time in which a session was in a transaction, 0 to 1: of those that did anything, the one in the middle. */
  readonly busy: number;
}

/** What was read at this moment. */
export function readingOf(sessions: readonly SessionTransactions[], atMs: number): TransactionReading {
  return { atMs, sessions: new Map(sessions.map((session) => [session.id, session])) };
}

/** Null where no session has ended a transaction since. */
export function windowBetween(from: TransactionReading, to: TransactionReading): TransactionWindow | null {
  const elapsedMs = to.atMs - from.atMs;
  const sessions = [...to.sessions.values()]
    .map(({ busyMs, count, id }) => {
      const before = from.sessions.get(id);
      return { count: count - (before?.count ?? 0), busyMs: busyMs - (before?.busyMs ?? 0) };
    })
    .filter(({ busyMs, count }) => count > 0 && busyMs >= 0);
  const count = sessions.reduce((sum, session) => sum + session.count, 0);
  if (count === 0 || elapsedMs <= 0) return null;
  const busy = sessions.map(({ busyMs }) => Math.min(1, busyMs / elapsedMs)).sort((a, b) => a - b);
  return { count, usualMs: usualOf(sessions, count), busy: busy[Math.floor(busy.length / 2)] ?? 0 };
}

/** The mean of that session which half of all transactions belong to sessions not above. */
function usualOf(sessions: readonly { readonly count: number; readonly busyMs: number }[], count: number): number {
  const means = sessions.map(({ busyMs, count }) => ({ mean: busyMs / count, count })).sort((a, b) => a.mean - b.mean);
  let left = count / 2;
  for (const { mean, count } of means) {
    left -= count;
    if (left <= 0) return mean;
  }
  return 0;
}
