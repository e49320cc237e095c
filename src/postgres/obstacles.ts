/** Every reason to refuse a plan, found before anything is changed. */

import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { dependencyObstacles } from './obstacles-dependencies.ts';
import { foreignKeyObstacles, foreignKeyTrialObstacles } from './obstacles-foreign-keys.ts';
import { serverObstacles } from './obstacles-server.ts';
import { migrationObstacles, nameObstacles, privilegeObstacles, tableObstacles } from './obstacles-table.ts';
import { learnFacts } from './planning-facts.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';

/** All obstacles of a plan (`Database.findObstacles`). Tries the ALTER in a transaction that is rolled back. */
export async function findObstacles(server: Server, plan: Plan, signal: AbortSignal): Promise<readonly Obstacle[]> {
  await using session = await server.openSession({}, signal);
  const surroundings = await surroundingObstacles(session, signal);
  const request = { table: plan.source, clauses: plan.clauses, options: plan.options };
  const facts = await learnFacts(session, request, signal);
  if ('obstacles' in facts) return [...facts.obstacles, ...surroundings];
  return [
    ...surroundings,
    ...(await privilegeObstacles(session, facts.source, signal)),
    ...(await tableObstacles(session, facts.source, signal)),
    ...(await foreignKeyObstacles(session, { source: facts.source, kept: facts.probed.kept }, signal)),
    ...(await foreignKeyTrialObstacles(session, facts, signal)),
    ...(await dependencyObstacles(
      session,
      { source: facts.source, altered: facts.probed.definition, kept: facts.probed.kept },
      signal,
    )),
    ...(await nameObstacles(session, plan, facts, signal)),
    ...(await migrationObstacles(session, plan, signal)),
  ];
}

/** What does not depend on a plan: settings of the server and attributes of the user. */
export function surroundingObstacles(session: Session, signal: AbortSignal): Promise<readonly Obstacle[]> {
  return serverObstacles(session, signal);
}
