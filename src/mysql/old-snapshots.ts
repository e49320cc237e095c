/**
 * Transactions that have kept their view of the rows for long. After the swap they look into the new table, whose rows are
 * younger than that view, and find them missing without an error; the server's own ALTER gives them error 1412.
 */

import { MigrationError } from '../engine/errors.ts';
import type { Session } from './session.ts';

/** A transaction of a client that reads rows as they were when it began. */
export interface OldSnapshot {
  readonly connectionId: number;
  readonly user: string;
  /** As the server prints it. */
  readonly since: string;
}

/** More of them help nobody. */
const snapshotsMax = 20;

/** Those that are that old, of whatever tables they read. Without the privilege PROCESS, none. Takes no locks. */
export async function findOldSnapshots(
  session: Session,
  { secondsMin }: { readonly secondsMin: number },
  signal: AbortSignal,
): Promise<readonly OldSnapshot[]> {
  try {
    // Times are in the zone of the machine.
    const rows = await session.query(
      `SELECT p.ID AS connection_id, p.USER AS user, x.trx_started AS since
      FROM information_schema.INNODB_TRX AS x JOIN information_schema.PROCESSLIST AS p ON p.ID = x.trx_mysql_thread_id
      WHERE x.trx_isolation_level IN ('REPEATABLE READ', 'SERIALIZABLE') AND p.ID <> CONNECTION_ID()
        AND x.trx_started <= CONVERT_TZ(NOW(), '+00:00', 'SYSTEM') - INTERVAL ${secondsMin} SECOND
      ORDER BY x.trx_started, p.ID LIMIT ${snapshotsMax}`,
      signal,
    );
    return rows.map((row) => ({
      connectionId: Number(row['connection_id']),
      user: row['user'] ?? '',
      since: row['since'] ?? '',
    }));
  } catch (error) {
    if (error instanceof MigrationError && error.code === 'ACCESS_DENIED') return [];
    throw error;
  }
}
