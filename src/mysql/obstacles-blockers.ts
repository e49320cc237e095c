/** What is missing for ending sessions that are in the way of a cutover, where that is asked for. */

import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { type Account, readAccount } from './account.ts';
import type { Flavour } from './flavour.ts';
import { BREAK_SILENCE, findHolderSilence } from './holder-source.ts';
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
  const silence = await findHolderSilence(session, { table: plan.source, flavour }, signal);
  if (silence === null) return [];
  return silence === 'privilege'
    ? missingPrivileges(account, [['performance_schema', ['SELECT']]])
    : [unknown(BREAK_SILENCE[silence])];
}

function unknown(reason: string): Obstacle {
  const message = `--kill-blockers-after cannot know whom to end, for ${reason}.`;
  return { code: 'BLOCKERS_UNKNOWN', message };
}
