/** Sessions whose writes the log does not have as rows. */

import { unlessDenied } from '../engine/errors.ts';
import type { Flavour } from './flavour.ts';
import type { Session } from './session.ts';

/** A session of a client with a setting of its own. */
export interface UnloggedSession {
  readonly connectionId: number;
  readonly user: string;
  readonly setting: 'binlog_format' | 'sql_log_bin';
}

/** More of them help nobody. */
const sessionsMax = 20;

/** Those that are connected now. MariaDB does not tell, nor does MySQL to a user who may not read performance_schema: then none. */
export async function findUnloggedSessions(
  session: Session,
  flavour: Flavour,
  signal: AbortSignal,
): Promise<readonly UnloggedSession[]> {
  if (flavour.isMariaDb) return [];
  const rows = await unlessDenied(
    () =>
      session.query(
        `SELECT t.PROCESSLIST_ID AS connection_id, t.PROCESSLIST_USER AS user, v.VARIABLE_NAME AS setting
      FROM performance_schema.variables_by_thread AS v JOIN performance_schema.threads AS t USING (THREAD_ID)
      WHERE (v.VARIABLE_NAME = 'sql_log_bin' AND v.VARIABLE_VALUE = 'OFF'
        OR v.VARIABLE_NAME = 'binlog_format' AND v.VARIABLE_VALUE <> 'ROW') AND t.PROCESSLIST_ID <> CONNECTION_ID()
      ORDER BY t.PROCESSLIST_ID LIMIT ${sessionsMax}`,
        signal,
      ),
    [],
  );
  return rows.map((row) => ({
    connectionId: Number(row['connection_id']),
    user: row['user'] ?? '',
    setting: row['setting'] === 'sql_log_bin' ? 'sql_log_bin' : 'binlog_format',
  }));
}
