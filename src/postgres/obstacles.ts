/** Every reason to refuse a plan, found before anything is changed. */

import type { Plan } from '../engine/model.ts';
import { distinct, type Obstacle } from '../engine/obstacles.ts';
import { dependencyObstacles } from './obstacles-dependencies.ts';
import { eventTriggerObstacles } from './obstacles-event-triggers.ts';
import { foreignKeyObstacles, foreignKeyTrialObstacles } from './obstacles-foreign-keys.ts';
import { materializedQueryObstacles } from './materialized-views.ts';
import { leafObstacles, leafTrialObstacles } from './obstacles-leaf.ts';
import { partitionObstacles, unplacedRowObstacles } from './obstacles-partitions.ts';
import { serverObstacles } from './obstacles-server.ts';
import { sessionObstacles } from './obstacles-sessions.ts';
import {
  earlierObstacles,
  missingValueObstacles,
  preparedObstacles,
  privilegeObstacles,
  tableObstacles,
} from './obstacles-table.ts';
import { learnFacts, type PlanningFacts } from './planning-facts.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';

/**
 * All obstacles of plans whose tables are swapped together, or of a single one (`Database.findObstacles`), each once. Tries the
 * ALTERs in transactions that are rolled back.
 */
export async function findObstacles(server: Server, plans: readonly Plan[], signal: AbortSignal): Promise<readonly Obstacle[]> {
  await using session = await server.openSession({}, signal);
  const surroundings = await surroundingObstacles(session, plans.length, signal);
  const learned: { readonly plan: Plan; readonly facts: PlanningFacts }[] = [];
  const unlearned: Obstacle[] = [];
  for (const plan of plans) {
    const request = { table: plan.source, clauses: plan.clauses, options: plan.options };
    const facts = await learnFacts(session, request, signal);
    if ('obstacles' in facts) unlearned.push(...facts.obstacles);
    else learned.push({ plan, facts });
  }
  if (unlearned.length > 0) return distinct([...unlearned, ...surroundings]);
  const tables = learned.map(({ facts }) => facts);
  const found = [...surroundings];
  for (const { plan, facts } of learned) found.push(...(await obstaclesOfTable(session, { plan, facts, tables }, signal)));
  return distinct([...found, ...sharedNames(tables), ...(await foreignKeyTrialObstacles(session, tables, signal))]);
}

/** What does not depend on a plan: settings of the server, attributes and limits of the user. `tables`: how many are changed. */
export async function surroundingObstacles(
  session: Session,
  tables: number,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  return [...(await serverObstacles(session, tables, signal)), ...(await sessionObstacles(session, tables, signal))];
}

interface PlannedTable {
  readonly plan: Plan;
  readonly facts: PlanningFacts;
  /** Of all tables that are swapped together, this one among them. */
  readonly tables: readonly PlanningFacts[];
}

async function obstaclesOfTable(
  session: Session,
  { plan, facts, tables }: PlannedTable,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const { source, probed } = facts;
  const { kept, definition: altered } = probed;
  const siblings = tables.map((one) => one.source.oid).filter((oid) => oid !== source.oid);
  const scope = { source, altered, kept, siblings, options: plan.options };
  const dependencies = await dependencyObstacles(session, scope, signal);
  const isRecreating = plan.options.materializedViews === 'recreate' && siblings.length === 0 && dependencies.length === 0;
  const privileges = await privilegeObstacles(session, source, signal);
  const isHidden = privileges.some(({ code }) => code === 'ROW_SECURITY');
  return [
    ...privileges,
    ...(await tableObstacles(session, source, signal)),
    ...(await preparedObstacles(session, source, signal)),
    ...(isHidden ? [] : await missingValueObstacles(session, facts, signal)),
    ...(await eventTriggerObstacles(session, source, signal)),
    ...(await partitionObstacles(session, { source, altered }, signal)),
    ...(isHidden ? [] : await unplacedRowObstacles(session, facts, signal)),
    ...(await leafObstaclesOf(session, facts, siblings, signal)),
    ...(await foreignKeyObstacles(session, { source, kept }, signal)),
    ...dependencies,
    ...(isRecreating ? await materializedQueryObstacles(session, { source, altered }, signal) : []),
    ...(await earlierObstacles(session, plan, facts, signal)),
  ];
}

/** The trial says nothing more where the catalog alone forbids it. */
async function leafObstaclesOf(
  session: Session,
  facts: PlanningFacts,
  siblings: readonly number[],
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const { source, reading } = facts;
  if (source.leaf === undefined) return [];
  const { schema, table } = source;
  const name = `${schema}.${table}`;
  if (siblings.length > 0) {
    return [
      {
        code: 'PARTITIONS',
        message: `${name} is a partition, and is not swapped together with other tables; change it by itself.`,
      },
    ];
  }
  if (reading.partitioning !== null) {
    return [{ code: 'PARTITIONS', message: `${name} is a partition, and gets none of its own; detach it first.` }];
  }
  const found = await leafObstacles(session, source, signal);
  return found.length > 0 ? found : await leafTrialObstacles(session, facts, signal);
}

/** Names that two of the new tables would have in one schema; what is there already is unique. */
function sharedNames(tables: readonly PlanningFacts[]): readonly Obstacle[] {
  const owners = new Map<string, string>();
  const found: Obstacle[] = [];
  for (const { source, probed } of tables) {
    const { schema, table } = source;
    const { definition, relationsOfPartitions } = probed;
    const names = [...definition.indexes, ...definition.sequences].map(({ name }) => name);
    for (const name of [...names, ...relationsOfPartitions]) {
      const owner = owners.get(`${schema}.${name}`);
      const message = `The new tables of ${owner} and ${schema}.${table} would both have ${name}.`;
      if (owner === undefined) owners.set(`${schema}.${name}`, `${schema}.${table}`);
      else found.push({ code: 'NAME_TAKEN', message });
    }
  }
  return found;
}
