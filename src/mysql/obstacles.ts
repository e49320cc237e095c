/** Every reason to refuse a plan, found before anything is changed. */

import { unlessDenied } from '../engine/errors.ts';
import type { MigrationRequest, Plan } from '../engine/model.ts';
import { distinct, type Obstacle } from '../engine/obstacles.ts';
import { type Account, readAccount } from './account.ts';
import { accountObstacles } from './obstacles-account.ts';
import { computingObstacles } from './obstacles-computing.ts';
import { diskObstacles } from './obstacles-disk.ts';
import { type Asked, foreignKeyObstacles, relayObstacles } from './obstacles-foreign-keys.ts';
import { packetObstacles } from './obstacles-packet.ts';
import { privilegeObstacles } from './obstacles-privileges.ts';
import { conversionObstacles } from './obstacles-rows.ts';
import { sampleObstacles } from './obstacles-sample.ts';
import { sequenceObstacles } from './obstacles-sequences.ts';
import { sessionObstacles } from './obstacles-sessions.ts';
import {
  filterObstacles,
  keyringObstacles,
  primaryKeyObstacles,
  readVariables,
  replicaObstacles,
  rowImageObstacles,
  variableObstacles,
} from './obstacles-server.ts';
import { checkNameObstacles, definitionObstacles, documentNumberObstacles, earlierObstacles } from './obstacles-table.ts';
import { triggerObstacles } from './obstacles-triggers.ts';
import { learnFacts, type PlanningFacts } from './planning-facts.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';

/** All obstacles of a plan (`Database.findObstacles`). Changes nothing, as `makePlan`. */
export function findObstacles(server: Server, plan: Plan, signal: AbortSignal): Promise<readonly Obstacle[]> {
  return findFamilyObstacles(server, [plan], signal);
}

/** All obstacles of plans whose tables are swapped together (`Families.findObstacles`). Changes nothing, as `findObstacles`. */
export async function findFamilyObstacles(
  server: Server,
  plans: readonly Plan[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  await using session = await server.openSession({}, signal);
  const found: Obstacle[] = [];
  const members: { readonly plan: Plan; readonly facts: PlanningFacts }[] = [];
  const surroundings: Obstacle[] = [];
  const account = await readAccount(session, signal);
  for (const plan of plans) {
    const asked = { server, account, schema: plan.source.schema, tables: plans.length };
    surroundings.push(...(await surroundingObstacles(session, asked, signal)));
    const facts = await learnFacts({ session, server, request: requestOf(plan) }, signal);
    if ('obstacles' in facts) found.push(...facts.obstacles);
    else members.push({ plan, facts });
  }
  // What becomes of one table's keys depends on all of them.
  if (found.length > 0) return distinct([...found, ...surroundings]);
  found.push(...surroundings);
  for (const member of members) {
    // The session has one temporary copy, of the table that it learned last.
    if (members.length > 1) await learnFacts({ session, server, request: requestOf(member.plan) }, signal);
    found.push(...(await tableObstacles(session, { server, account, ...member, members, surroundings }, signal)));
  }
  if (members.length > 1) found.push(...relayObstacles({ server, account, members }));
  return distinct(found);
}

function requestOf({ source, clauses, options }: Plan): MigrationRequest {
  return { table: source, clauses, options };
}

interface AskedTable extends Asked {
  readonly surroundings: readonly Obstacle[];
}

async function tableObstacles(session: Session, asked: AskedTable, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const { facts, plan, server, account, surroundings } = asked;
  const variables = await readVariables(session, signal);
  const found = [
    ...rowImageObstacles(variables, facts.source, plan),
    ...primaryKeyObstacles(variables, facts),
    ...definitionObstacles(facts),
    ...checkNameObstacles(facts),
    ...documentNumberObstacles(facts),
  ];
  const questions: readonly (() => Promise<readonly Obstacle[]>)[] = [
    () => foreignKeyObstacles(session, asked, signal),
    () => triggerObstacles(session, { plan, account, flavour: server.flavour }, signal),
    () => earlierObstacles(session, { plan, server }, signal),
    () => computingObstacles(session, facts, signal),
    () => packetObstacles(session, facts, signal),
    () =>
      diskObstacles(
        session,
        asked.members.map((member) => member.plan),
        signal,
      ),
  ];
  for (const ask of questions) found.push(...(await unlessKnown(ask, surroundings)));
  found.push(...sequenceObstacles(facts, account), ...conversionObstacles(facts));
  return isTriable([...surroundings, ...found]) ? [...found, ...(await sampleObstacles(session, facts, signal))] : found;
}

interface AskedSurroundings {
  readonly server: Server;
  readonly account: Account;
  readonly schema: string;
  /** How many are swapped together. */
  readonly tables: number;
}

/** What does not depend on a plan: settings of the server, and privileges and limits of the user. */
export async function surroundingObstacles(
  session: Session,
  { server, account, schema, tables }: AskedSurroundings,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const { flavour } = server;
  const variables = await readVariables(session, signal);
  const privileges = privilegeObstacles(account, { schema, flavour });
  const found = [...variableObstacles(variables), ...privileges];
  found.push(...(await unlessKnown(() => replicaObstacles(session, { variables, flavour }, signal), privileges)));
  found.push(...(await unlessKnown(() => filterObstacles(session, { schema, server }, signal), privileges)));
  found.push(...(await keyringObstacles(session, variables, signal)));
  found.push(...(await accountObstacles(session, { account, tables, flavour }, signal)));
  found.push(...(await sessionObstacles(session, { account, tables, flavour }, signal)));
  return found;
}

/** Without row logging, writing to a temporary table would be logged; and what is refused already need not be tried. */
function isTriable(found: readonly Obstacle[]): boolean {
  const codes: readonly Obstacle['code'][] = ['LOSSY_CONVERSION', 'BINLOG_NOT_ROW', 'UNSUPPORTED_ENGINE'];
  return !found.some(({ code }) => codes.includes(code));
}

/** What may not be asked is answered by the privileges that are missing. */
async function unlessKnown(ask: () => Promise<readonly Obstacle[]>, known: readonly Obstacle[]): Promise<readonly Obstacle[]> {
  return known.some(({ code }) => code === 'MISSING_PRIVILEGE') ? await unlessDenied(ask, []) : await ask();
}
