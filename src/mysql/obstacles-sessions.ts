/** Sessions that a migration would not get, at the latest at its swap. */

import type { Obstacle } from '../engine/obstacles.ts';
import { noFreeSession, SESSIONS_OF_PLAN, sessionsNeeded } from '../sessions/sessions-needed.ts';
import type { Account } from './account.ts';
import type { Flavour } from './flavour.ts';
import type { Session } from './session.ts';

/**
 * For so many tables that are swapped together. Needs no privilege. The one session that the server keeps beyond its limit is for whoever
 * may end those of others.
 */
export async function sessionObstacles(
  session: Session,
  { account, tables, flavour }: { readonly account: Account; readonly tables: number; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const needed = sessionsNeeded(tables);
  const [limit] = await session.query('SELECT @@GLOBAL.max_connections AS most', signal);
  const [connected] = await session.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'", signal);
  const kept = account.grants.has(flavour.privileges.endSessions, null) ? 1 : 0;
  const free = Number(limit?.['most']) + kept - Number(connected?.['Value']) + SESSIONS_OF_PLAN;
  if (free >= needed) return [];
  return [noFreeSession(needed, { whole: 'the server', free: Math.max(0, free), setting: 'max_connections' })];
}
