/** What about the server and the user stands in the way of any migration. */

import type { Obstacle } from '../engine/obstacles.ts';
import { publishedForAll } from './published.ts';
import type { Session } from './session.ts';

/** Transaction ids that must be left; the server stops taking writes with 3 million left, and warns at 40. */
const idsLeftMin = 100_000_000;

/** Amazon RDS and Aurora let the members of this role replicate, and give the attribute to nobody. */
const isReplicatorOnRds =
  "EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication' AND pg_has_role(current_user, oid, 'MEMBER'))";

/** For so many tables, each of which has a slot of its own. Needs no privilege. */
export async function serverObstacles(session: Session, tables: number, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const [row] = await session.query(
    `SELECT current_setting('wal_level') AS wal_level,
      (SELECT bool_or(pending_restart) FROM pg_settings WHERE name = 'wal_level') AS is_restart_pending,
      current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots) AS slots_free,
      current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication) AS senders_free,
      (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user) OR ${isReplicatorOnRds} AS can_replicate,
      has_database_privilege(current_database(), 'CREATE') AS can_create, has_database_privilege(current_database(), 'TEMPORARY') AS has_temporary, current_user AS username, current_database() AS database,
      current_setting('synchronous_standby_names') AS standbys, current_setting('session_replication_role') = 'replica' AS is_replica,
      (SELECT greatest(age(datfrozenxid), mxid_age(datminmxid)) FROM pg_database WHERE datname = current_database()) AS age`,
    signal,
  );
  const found: Obstacle[] = [];
  const refuse = (is: boolean, code: Obstacle['code'], message: string): void => {
    if (is) found.push({ code, message });
  };
  const { wal_level: walLevel, username, database } = row ?? {};
  refuse(
    row?.['standbys']?.includes('*') === true,
    'SYNCHRONOUS_STANDBY',
    `synchronous_standby_names is ${row?.['standbys'] ?? ''}, which means every reader of the log.`,
  );
  const pending = row?.['is_restart_pending'] === 't' ? ', and another value waits for the server to be restarted' : '';
  refuse(walLevel !== 'logical', 'WAL_LEVEL', `wal_level is ${walLevel ?? 'unknown'}${pending}.`);
  const room = [
    { free: Number(row?.['slots_free']), what: 'replication slots', setting: 'max_replication_slots' },
    { free: Number(row?.['senders_free']), what: 'sender processes', setting: 'max_wal_senders' },
  ];
  for (const { free, what, setting } of room) {
    refuse(free < 1, 'NO_FREE_SLOT', `All ${what} of the server are taken (${setting}).`);
    const some = `${tables} ${what} are needed, one for each table, and the server has ${free} free (${setting}).`;
    refuse(free >= 1 && free < tables, 'NO_FREE_SLOT', some);
  }
  refuse(row?.['can_replicate'] !== 't', 'MISSING_PRIVILEGE', `The role ${username ?? ''} lacks the attribute REPLICATION.`);
  refuse(
    row?.['is_replica'] === 't',
    'MISSING_PRIVILEGE',
    `The role ${username ?? ''} has session_replication_role = replica, under which the server leaves deferrable constraints unchecked, and may not change it: ALTER ROLE ${username ?? ''} RESET session_replication_role (or ALTER DATABASE), or GRANT SET ON PARAMETER session_replication_role.`,
  );
  refuse(
    row?.['can_create'] !== 't',
    'MISSING_PRIVILEGE',
    `The role ${username ?? ''} lacks the privilege CREATE on the database ${database ?? ''}.`,
  );
  refuse(
    row?.['has_temporary'] !== 't',
    'MISSING_PRIVILEGE',
    `The role ${username ?? ''} lacks the privilege TEMPORARY on the database ${database ?? ''}.`,
  );
  found.push(...(await publishedForAll(session, 'the shadow', signal)));
  const left = 2 ** 31 - Number(row?.['age'] ?? 0);
  refuse(left < idsLeftMin, 'WRAPAROUND_NEAR', `The database ${database ?? ''} has ${left} transaction ids left.`);
  return found;
}
