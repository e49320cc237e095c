/** What is missing for ending sessions that are in the way of a cutover, where that is asked for. */

import type { Obstacle } from '../engine/obstacles.ts';
import type { Server } from './server.ts';

/** Empty where sessions can be looked at and ended. Those of superusers the server still spares, unless we are one. */
export async function blockerObstacles(server: Server, signal: AbortSignal): Promise<readonly Obstacle[]> {
  await using session = await server.openSession({}, signal);
  const [row] = await session.query(
    `SELECT current_user AS username, pg_has_role('pg_signal_backend', 'USAGE') AS can_end, pg_has_role('pg_read_all_stats', 'USAGE') AS can_look`,
    signal,
  );
  const missing = [
    ...(row?.['can_end'] === 't' ? [] : ['pg_signal_backend']),
    ...(row?.['can_look'] === 't' ? [] : ['pg_read_all_stats']),
  ].join(', ');
  if (missing === '') return [];
  const user = row?.['username'] ?? '';
  const message = `The role ${user} is no member of ${missing}, which --kill-blockers-after takes: GRANT ${missing} TO ${user};`;
  return [{ code: 'MISSING_PRIVILEGE', message }];
}
