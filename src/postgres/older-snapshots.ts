/** Snapshots that transactions on PostgreSQL hold: src/sessions/older-snapshots.ts says why a swap waits for them. */

import type { HeldSnapshot } from '../sessions/older-snapshots.ts';
import { describeSession, sessionColumns } from './lock-holders.ts';
import type { Session } from './session.ts';

/**
 * Snapshots by what tells them apart; that of the asking session is left out, and those of vacuums and of standbys. A transaction
 * in READ COMMITTED has one while a statement runs, and does not show what it is. What sessions do whom we may not look at is not shown.
 */
export async function readSnapshots(session: Session, signal: AbortSignal): Promise<ReadonlyMap<string, HeldSnapshot>> {
  // A sender process has one from when a subscriber, or a reader of changes, has made its slot until it has copied the tables.
  const rows = await session.query(
    `SELECT ${sessionColumns}, pg_catalog.concat_ws(' ', a.pid, a.backend_start, a.xact_start, a.backend_xmin) AS name
     FROM pg_catalog.pg_stat_activity AS a
     WHERE a.backend_xmin IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid() AND a.usesysid IS NOT NULL
       AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'walsender')
       AND a.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`,
    signal,
  );
  return new Map(
    rows.map((row) => [
      row['name'] ?? '',
      {
        sessionId: Number(row['pid']),
        sentence: describeSession(row),
        isResting: (row['state'] ?? '').startsWith('idle in transaction'),
      },
    ]),
  );
}
