/** Decides the plan of a migration: reads the source, lets the server try the ALTER, and chooses names, key and indexes. */

import { assert } from '../engine/errors.ts';
import { migrationId } from '../engine/migration-id.ts';
import type { ColumnPair, MigrationRequest, Plan, TableName } from '../engine/model.ts';
import { distinct, type Obstacle, PlanRefusedError } from '../engine/obstacles.ts';
import { readRoundTripMs, roundTripNotes } from '../sessions/round-trip.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { copyStatements, partitionedCopy } from './create-statement.ts';
import { readHolderNotes } from './holder-source.ts';
import { boundStatement } from './leaf-partition.ts';
import { namingHolders } from './lock-wait.ts';
import { diskNotes, readLogRetention, retentionNotes } from './log-retention.ts';
import { surroundingObstacles } from './obstacles.ts';
import { newSegmentNotes } from './new-segments.ts';
import { tableNames } from './plan-names.ts';
import { dependentNotes, foreignKeyNotes, materializedViewNotes, planNotes } from './plan-notes.ts';
import { learnFacts, type PlanningFacts } from './planning-facts.ts';
import { readRowEstimate } from './row-estimate.ts';
import { refuseStandby, type Server } from './server.ts';
import type { Session } from './session.ts';
import { plainSchema } from './shadow.ts';
import { planHash } from './source-watch.ts';
import { quoteName, quoteTable } from './statements.ts';
import { addedUniques, deferrableIndexes } from './unique-indexes.ts';

/** Where names get their chance from; uniform in [0, 1). */
export interface PlannerOptions {
  readonly random: () => number;
}

/**
 * Decides the plan (`Database.plan`). Rejects with a PlanRefusedError where none can be made: no such table, clauses that are
 * not understood or that the server refuses, no shared key. Tries the ALTER in a transaction that is rolled back.
 */
export async function makePlan(
  server: Server,
  request: MigrationRequest,
  options: PlannerOptions,
  signal: AbortSignal,
): Promise<Plan> {
  const [plan] = await makePlans(server, [request], options, signal);
  assert(plan !== undefined, 'one request has one plan');
  return plan;
}

/** Decides the plans of tables that are swapped together, each as if it were alone. Rejects and changes nothing as `makePlan`. */
export async function makePlans(
  server: Server,
  requests: readonly MigrationRequest[],
  { random }: PlannerOptions,
  signal: AbortSignal,
): Promise<readonly Plan[]> {
  refuseStandby(server);
  await using session = await server.openSession({}, signal);
  const plans: Plan[] = [];
  const obstacles: Obstacle[] = [];
  for (const request of requests) {
    const learned = await namingHolders(session, request.table, () => learnFacts(session, request, signal), signal);
    if ('obstacles' in learned) {
      obstacles.push(...learned.obstacles, ...(await surroundingObstacles(session, requests.length, signal)));
    } else {
      const rows = await readRowEstimate(session, learned.source, signal);
      const facts = { ...learned, source: { ...learned.source, estimatedRows: rows } };
      const siblings = requests.filter((one) => one !== request).map(({ table }) => table);
      const plan = decidePlan(server, { request, random }, facts);
      plans.push({ ...plan, notes: [...plan.notes, ...(await tableNotes(session, { plan, facts, siblings }, signal))] });
    }
  }
  if (obstacles.length > 0) throw new PlanRefusedError(distinct(obstacles));
  const retention = await readLogRetention(session, signal);
  const around = [
    ...roundTripNotes(await readRoundTripMs(session, systemClock, signal)),
    ...(await readHolderNotes(session, signal)),
  ];
  return plans.map((plan) => ({
    ...plan,
    notes: [...plan.notes, ...around, ...diskNotes(plan.estimate), ...retentionNotes(retention, plan.estimate)],
  }));
}

/** What has to be asked for. `siblings`: tables that are swapped together with this one. */
async function tableNotes(
  session: Session,
  asked: { readonly plan: Plan; readonly facts: PlanningFacts; readonly siblings: readonly TableName[] },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { plan, facts, siblings } = asked;
  return [
    ...(await dependentNotes(session, facts.source, signal)),
    ...(await materializedViewNotes(session, facts.source, plan.options, signal)),
    ...(await foreignKeyNotes(session, facts.source, siblings, signal)),
    ...(await newSegmentNotes(session, plan.estimate, signal)),
  ];
}

function decidePlan(
  server: Server,
  { request, random }: PlannerOptions & { readonly request: MigrationRequest },
  facts: PlanningFacts,
): Plan {
  const { source, reading, probed, key } = facts;
  const sourceName = { schema: source.schema, table: source.table };
  const id = migrationId(sourceName, random);
  const names = tableNames(sourceName, id);
  const keptAttnums = new Set(probed.kept.map(([column]) => column.attnum));
  const built = {
    source: sourceName,
    clauses: reading.text,
    options: request.options,
    strategy: 'shadow' as const,
    key,
    columns: columnPairs(facts),
    droppedColumns: source.columns.filter(({ attnum }) => !keptAttnums.has(attnum)).map(({ name }) => name),
    addedColumns: probed.definition.columns.slice(probed.kept.length).map(({ name }) => name),
    addedUniques: addedUniques(source, probed),
    deferredIndexes: request.options.deferIndexes === 'never' ? [] : deferrableIndexes(probed.definition, key),
  };
  const statements = [`CREATE SCHEMA ${quoteName(names.shadow.schema)}`, ...shadowStatements(facts, names.shadow)];
  return {
    id,
    hash: planHash(built, source),
    ...built,
    ...names,
    conversion: server.conversionSettings,
    shadowDefinition: statements.join(';\n'),
    server: { flavour: server.flavour.name, version: server.flavour.version },
    estimate: { rows: source.estimatedRows, dataBytes: source.dataBytes, indexBytes: source.indexBytes },
    notes: planNotes(facts),
  };
}

/** One with partitions is made from a plain copy, which goes away again. */
function shadowStatements({ source, reading, probed }: PlanningFacts, shadow: TableName): readonly string[] {
  const { schema, table } = shadow;
  const { ownClauses, partitioning } = reading;
  const plain = partitioning === null ? shadow : { schema: plainSchema(schema), table };
  const altered = ownClauses === '' ? [] : [`ALTER TABLE ${quoteTable(plain)} ${ownClauses}`];
  const statements = [...copyStatements(source, plain.schema), ...altered];
  if (partitioning === null) {
    return source.leaf === undefined ? statements : [...statements, boundStatement(source.leaf, quoteTable(shadow))];
  }
  const copy = partitionedCopy({ ...probed.plain, schema: plain.schema }, schema, partitioning);
  return [
    `CREATE SCHEMA ${quoteName(plain.schema)}`,
    ...statements,
    ...[copy.table, ...copy.parts, ...copy.partitions, ...copy.ofPartitions],
    `DROP TABLE ${quoteTable(plain)}`,
    `DROP SCHEMA ${quoteName(plain.schema)}`,
  ];
}

/** What is generated in the shadow cannot be written. */
function columnPairs({ probed }: PlanningFacts): readonly ColumnPair[] {
  return probed.kept
    .filter(([, shadow]) => shadow.generated === '')
    .map(([source, shadow]) => {
      const using = probed.usings.get(source.name);
      return { source: source.name, shadow: shadow.name, ...(using === undefined ? {} : { using }) };
    });
}
