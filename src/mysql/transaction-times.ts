/** What the transactions of others take, from the counters of performance_schema. */

import type { SessionTransactions, TableClaim } from '../engine/ports.ts';
import { untilUntold } from './errors.ts';
import type { Session, SessionPool } from './session.ts';

/** Counters are in picoseconds. */
const PER_MS = 1e9;

/** Asks no more once the server has not told. */
export function transactionTimes(pool: SessionPool): NonNullable<TableClaim['readTransactions']> {
  return untilUntold((signal: AbortSignal) => pool.withSession((session) => readTransactionTimes(session, signal), signal), []);
}

/**
 * Reads them in one statement. Rejects as `isUntold` where performance_schema is off, as it is on MariaDB by default, does not count
 * transactions, or may not be read.
 */
export async function readTransactionTimes(session: Session, signal: AbortSignal): Promise<readonly SessionTransactions[]> {
  const rows = await session.query(statement, signal);
  return rows.map((row) => ({
    id: row['id'] ?? '',
    count: Number(row['transactions']),
    busyMs: Number(row['picoseconds']) / PER_MS,
  }));
}

/** Sessions of clients, without ours. */
const statement = `SELECT e.THREAD_ID AS id, e.COUNT_STAR AS transactions, e.SUM_TIMER_WAIT AS picoseconds
  FROM performance_schema.events_transactions_summary_by_thread_by_event_name AS e
  JOIN performance_schema.threads AS t ON t.THREAD_ID = e.THREAD_ID
  WHERE e.COUNT_STAR > 0 AND t.TYPE = 'FOREGROUND' AND t.PROCESSLIST_ID IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM performance_schema.session_connect_attrs AS a
      WHERE a.PROCESSLIST_ID = t.PROCESSLIST_ID AND a.ATTR_NAME = 'program_name' AND a.ATTR_VALUE = 'tableshift')`;
