/** What is missing for ending sessions that are in the way of a cutover, where that is asked for. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { type Account, readAccount } from './account.ts';
import { serverErrno } from './errors.ts';
import type { Flavour } from './flavour.ts';
import { surely } from './lock-holders.ts';
import { missingPrivileges } from './obstacles-privileges.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';

/** Empty where sessions can be found and ended. Some are still spared by the server: those of users with SYSTEM_USER. */
export async function blockerObstacles(server: Server, plan: Plan, signal: AbortSignal): Promise<readonly Obstacle[]> {
  await using session = await server.openSession({}, signal);
  const { flavour } = server;
  const account = await readAccount(session, signal);
  return [
    ...missingPrivileges(account, [[null, [flavour.privileges.endSessions]]]),
    ...(await unknownHolders(session, { plan, account, flavour }, signal)),
  ];
}

async function unknownHolders(
  session: Session,
  { plan, account, flavour }: { readonly plan: Plan; readonly account: Account; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  try {
    await session.query(`${surely(flavour)([plan.source], session.connectionId)} LIMIT 1`, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (serverErrno(error) === null) throw error;
    if (!flavour.isMariaDb && error instanceof MigrationError && error.code === 'ACCESS_DENIED') {
      return missingPrivileges(account, [['performance_schema', ['SELECT']]]);
    }
    return [unknown(flavour.isMariaDb ? missingPlugin : instrumentOff)];
  }
  if (flavour.isMariaDb) return [];
  const enabled = await session.query(
    `SELECT 1 FROM performance_schema.setup_instruments WHERE NAME = 'wait/lock/metadata/sql/mdl' AND ENABLED = 'YES'`,
    signal,
  );
  return enabled.length > 0 ? [] : [unknown(instrumentOff)];
}

const missingPlugin = "the plug-in METADATA_LOCK_INFO is not loaded: INSTALL SONAME 'metadata_lock_info'";
const instrumentOff =
  'performance_schema is off, or its instrument wait/lock/metadata/sql/mdl: turn both on in the configuration of the server';

function unknown(reason: string): Obstacle {
  const message = `--kill-blockers-after cannot know whom to end, for ${reason}.`;
  return { code: 'BLOCKERS_UNKNOWN', message };
}
