/** Sessions that a migration would not get, at the latest at its swap, while its slot keeps the log. */

import type { Obstacle } from '../engine/obstacles.ts';
import { noFreeSession, SESSIONS_OF_PLAN, sessionsNeeded } from '../sessions/sessions-needed.ts';
import type { Session } from './session.ts';

/**
 * For so many tables that are swapped together. Needs no privilege: a session of others whose kind is not told is taken for one of
 * the usual kind. Limits of a role or a database do not hold for superusers, who get the places that are reserved, too.
 */
export async function sessionObstacles(session: Session, tables: number, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const needed = sessionsNeeded(tables);
  const rows = await session.query(
    `WITH me AS (SELECT oid, rolname, rolconnlimit, rolsuper FROM pg_roles WHERE rolname = session_user),
       clients AS (SELECT usesysid, datname, pid IN (SELECT pid FROM pg_stat_replication) AS replicates FROM pg_stat_activity
         WHERE usesysid IS NOT NULL AND datname IS NOT NULL AND coalesce(backend_type, 'client backend') IN ('client backend', 'walsender'))
     SELECT whole, setting, needed, greatest(free, 0) AS free FROM (
       SELECT 'the server' AS whole, 'max_connections' AS setting, ${needed - tables} AS needed, current_setting('max_connections')::int
         - CASE WHEN rolsuper THEN 0 ELSE ${reserved} END - (SELECT count(*) FROM clients WHERE NOT replicates) + ${SESSIONS_OF_PLAN} AS free FROM me
       UNION ALL SELECT 'the role ' || rolname, format('ALTER ROLE %I CONNECTION LIMIT', rolname), ${needed},
         rolconnlimit + ${SESSIONS_OF_PLAN} - (SELECT count(*) FROM clients WHERE usesysid = oid) FROM me WHERE rolconnlimit >= 0 AND NOT rolsuper
       UNION ALL SELECT 'the database ' || datname, format('ALTER DATABASE %I CONNECTION LIMIT', datname), ${needed},
         datconnlimit + ${SESSIONS_OF_PLAN} - (SELECT count(*) FROM clients WHERE datname = current_database())
         FROM pg_database WHERE datname = current_database() AND datconnlimit >= 0 AND NOT (SELECT rolsuper FROM me)) AS limits
     WHERE free < needed`,
    signal,
  );
  return rows.map(({ whole, setting, needed, free }) =>
    noFreeSession(needed ?? '', { whole: whole ?? '', free: free ?? '', setting: setting ?? '' }),
  );
}

/** Places of the server that are kept for others; `reserved_connections` is of 16. */
const reserved = `(current_setting('superuser_reserved_connections')::int + CASE WHEN EXISTS (SELECT FROM pg_roles AS r
  WHERE r.rolname = 'pg_use_reserved_connections' AND pg_has_role(session_user, r.oid, 'USAGE')) THEN 0
  ELSE coalesce(current_setting('reserved_connections', true), '0')::int END)`;
