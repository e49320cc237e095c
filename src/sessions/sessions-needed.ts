/** How many sessions a run has at the most. */

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
