/** How many sessions a run has at the most. */

import type { Obstacle } from '../engine/obstacles.ts';

/**
 * With two workers of each kind, at the swap: 14 on MySQL and 15 on MariaDB, and one that ends a statement; 16 on PostgreSQL, one of them
 * for replication. Of these, five are there once, however many tables are swapped together.
 */
const OF_TABLE = 11;
const OF_RUN = 5;

/** For so many tables that are swapped together. */
export function sessionsNeeded(tables: number): number {
  return OF_RUN + tables * OF_TABLE;
}

/** Those that a plan has open itself, and a run has too: the one that ends others, and the one that asks. */
export const SESSIONS_OF_PLAN = 2;

/** `whole`: what has not so many free; `setting`: what says how many it has. */
export function noFreeSession(
  needed: number | string,
  { whole, free, setting }: { readonly whole: string; readonly free: number | string; readonly setting: string },
): Obstacle {
  return {
    code: 'NO_FREE_SESSION',
    message: `A run needs up to ${needed} sessions, and ${whole} has ${free} free (${setting}).`,
  };
}
