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
      `SELECT trx_mysql_thread_id AS connection_id, trx_started AS since FROM information_schema.INNODB_TRX
      WHERE trx_isolation_level IN ('REPEATABLE READ', 'SERIALIZABLE') AND trx_mysql_thread_id <> CONNECTION_ID()
        AND trx_started <= CONVERT_TZ(NOW(), '+00:00', 'SYSTEM') - INTERVAL ${secondsMin} SECOND
      ORDER BY trx_started, trx_mysql_thread_id`,
      signal,
    );
    if (rows.length === 0) return [];
    // Not information_schema: on MySQL it fails whenever any session runs a statement with a character beyond the BMP (3854).
    const processes = await session.query('SHOW PROCESSLIST', signal);
    const users = new Map(processes.map((process) => [process['Id'], process['User'] ?? '']));
    return rows
      .flatMap(({ connection_id: id, since }) => {
        const user = users.get(id ?? null);
        return user === undefined ? [] : { connectionId: Number(id), user, since: since ?? '' };
      })
      .slice(0, snapshotsMax);
  } catch (error) {
    if (error instanceof MigrationError && error.code === 'ACCESS_DENIED') return [];
    throw error;
  }
}
