/** Decides the plan of a migration: reads the source, lets the server try the ALTER, and chooses names, key and indexes. */

import { assert, MigrationError, unlessDenied } from '../engine/errors.ts';
import { migrationId } from '../engine/migration-id.ts';
import type { Family, FamilyMember, MigrationRequest, Plan, TableName } from '../engine/model.ts';
import { distinct, type Obstacle, PlanRefusedError } from '../engine/obstacles.ts';
import { readRoundTripMs } from '../sessions/round-trip.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { readAccount } from './account.ts';
import { findAttachedReplicas } from './attached-replicas.ts';
import { areSessionsBusy } from './busy-sessions.ts';
import { carriedForeignKeys, type ChangedTable, isOfSibling, isSameTable, nameOf } from './foreign-keys.ts';
import { findDependents } from './dependents.ts';
import { readHistograms } from './histograms.ts';
import { readHolderNotes } from './holder-source.ts';
import { readLogRetention } from './log-retention.ts';
import { readLogWriters } from './log-writers.ts';
import { readDisk } from './obstacles-disk.ts';
import { migrationObstacles } from './obstacles-table.ts';
import { surroundingObstacles } from './obstacles.ts';
import { findOldSnapshots } from './older-snapshots.ts';
import { tableNames } from './plan-names.ts';
import { planNotes, type PlanSurroundings, type ServerSurroundings } from './plan-notes.ts';
import { learnFacts, type PlanningFacts } from './planning-facts.ts';
import { hasReplicas } from './replicas.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { sourceIndexes } from './source-indexes.ts';
import { planHash } from './source-watch.ts';
import { quoteName, quoteTable } from './statements.ts';
import { readTriggerNames } from './triggers.ts';
import { addedUniques, deferrableIndexes } from './unique-indexes.ts';
import { findUnloggedSessions } from './unlogged-sessions.ts';

/** Younger ones are ordinary traffic. */
const oldSnapshotSeconds = 60;

/** Where names get their chance from; uniform in [0, 1). */
export interface PlannerOptions {
  readonly random: () => number;
}

/**
 * Decides the plan (`Database.plan`). Rejects with a PlanRefusedError where none can be made: no such table, clauses that are
 * not understood or that the server refuses, no shared key. Changes nothing; uses a temporary table of its own session, and where that
 * does not do an empty clone (clone-trial.ts).
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

/** Decides the plans of tables that are swapped together (`Families.plan`). Rejects and changes nothing as `makePlan`. */
export async function makeFamilyPlans(
  server: Server,
  requests: readonly MigrationRequest[],
  options: PlannerOptions,
  signal: AbortSignal,
): Promise<readonly Plan[]> {
  const tables = requests.map(({ table }) => table);
  const twice = tables.find((table, place) => tables.slice(0, place).some((other) => isSameTable(server, table, other)));
  if (twice !== undefined) {
    throw new MigrationError('BAD_USAGE', `${nameOf(twice)} is named twice: put all of its changes into one ALTER.`);
  }
  return await makePlans(server, requests, options, signal);
}

async function makePlans(
  server: Server,
  requests: readonly MigrationRequest[],
  { random }: PlannerOptions,
  signal: AbortSignal,
): Promise<readonly Plan[]> {
  await using session = await server.openSession({}, signal);
  const decisions: Omit<Decision, 'family' | 'changed'>[] = [];
  const obstacles: Obstacle[] = [];
  let around: ServerSurroundings | null = null;
  for (const request of requests) {
    const facts = await learnFacts({ session, server, request }, signal);
    if ('obstacles' in facts) {
      const account = await readAccount(session, signal);
      const asked = { server, account, schema: request.table.schema, tables: requests.length };
      obstacles.push(...(await earlierMigrations(session, { server, source: request.table }, signal)), ...facts.obstacles);
      obstacles.push(...(await surroundingObstacles(session, asked, signal)));
    } else {
      const source = { schema: facts.source.schema, table: facts.source.table };
      const id = migrationId(source, random);
      const member = { id, source, ...tableNames(source, id) };
      around ??= await lookAround(session, server, signal);
      const surroundings = await lookAroundTable(session, { server, request, facts, around }, signal);
      decisions.push({ server, request, facts, member, surroundings });
    }
  }
  if (obstacles.length > 0) throw new PlanRefusedError(distinct(obstacles));
  const members = decisions.map(({ member }) => member);
  const [first, ...others] = members;
  const family = first === undefined || others.length === 0 ? null : { id: first.id, members };
  const changed = decisions.map(({ facts, member: { source } }) => ({ source, kept: facts.map.kept }));
  return decisions.map((decision) => decidePlan({ ...decision, family, changed }));
}

/** The server may refuse a change only for what an earlier migration of the table has left, such as the name of a CHECK (MySQL). */
async function earlierMigrations(
  session: Session,
  { server, source }: { readonly server: Server; readonly source: TableName },
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  return await unlessDenied(() => migrationObstacles(session, { id: null, source, server }, signal), []);
}

async function lookAround(session: Session, server: Server, signal: AbortSignal): Promise<ServerSurroundings> {
  return {
    hasReplicas: await hasReplicas(session, server.flavour, signal),
    attachedReplicas: await findAttachedReplicas(session, server, signal),
    unloggedSessions: await findUnloggedSessions(session, server.flavour, signal),
    oldSnapshots: await findOldSnapshots(session, { secondsMin: oldSnapshotSeconds }, signal),
    disk: await readDisk(session, signal),
    logRetention: await readLogRetention(session, signal),
    logWriters: await readLogWriters(session, signal),
    roundTripMs: await readRoundTripMs(session, systemClock, signal),
  };
}

async function lookAroundTable(
  session: Session,
  { server, request: { options }, facts: { source, probed }, around }: Learned,
  signal: AbortSignal,
): Promise<PlanSurroundings> {
  const { deferIndexes } = options;
  const { flavour } = server;
  const isAsked = deferIndexes === 'auto' && !around.hasReplicas && deferrableIndexes(probed.definition, flavour).length > 0;
  const isBusy = isAsked && (await areSessionsBusy(session, systemClock, signal));
  return {
    ...around,
    isBusy,
    isDeferring: deferIndexes === 'always' || (deferIndexes === 'auto' && !around.hasReplicas && !isBusy),
    deferIndexes,
    dependents: await findDependents(session, { table: source, flavour }, signal),
    histograms: await readHistograms(session, { table: source, flavour }, signal),
    triggers: await readTriggerNames(session, source, signal),
    holderNotes: await readHolderNotes(session, { table: source, flavour }, signal),
  };
}

/** What is known of one of the tables before anything is decided. */
interface Learned {
  readonly server: Server;
  readonly request: MigrationRequest;
  readonly facts: PlanningFacts;
  readonly around: ServerSurroundings;
}

interface Decision {
  readonly server: Server;
  readonly request: MigrationRequest;
  readonly facts: PlanningFacts;
  readonly member: FamilyMember;
  readonly surroundings: PlanSurroundings;
  /** Null where the table is swapped alone. */
  readonly family: Family | null;
  /** All tables that are swapped together. */
  readonly changed: readonly ChangedTable[];
}

function decidePlan({ server, request, facts: learned, member, surroundings, family, changed }: Decision): Plan {
  const { id, source: sourceName, shadow, retired } = member;
  const joining = family === null ? {} : { family };
  // A key between two of the tables is the child's, so that it is guarded and named once.
  const ownKeys = learned.foreignKeys?.filter((key) => !isOfSibling(server, { source: sourceName, ...joining }, key)) ?? null;
  const facts = { ...learned, foreignKeys: ownKeys };
  const { source, reading, probed, map, key } = facts;
  const foreignKeys = carriedForeignKeys(ownKeys ?? [], { server, changed });
  const built = {
    source: sourceName,
    clauses: reading.text,
    options: request.options,
    strategy: 'shadow' as const,
    key,
    columns: map.pairs,
    droppedColumns: map.dropped,
    addedColumns: map.added,
    addedUniques: addedUniques(facts),
    deferredIndexes: surroundings.isDeferring ? deferrableIndexes(probed.definition, server.flavour) : [],
    shadowDefinition: shadowDefinition(facts, shadow),
    ...(foreignKeys.length === 0 ? {} : { foreignKeys }),
  };
  return {
    id,
    hash: planHash(built, source),
    ...built,
    shadow,
    retired,
    computing: facts.computing,
    sourceIndexes: sourceIndexes(source),
    ...joining,
    server: { flavour: server.flavour.name, version: server.flavour.version },
    estimate: { rows: source.estimatedRows, dataBytes: source.dataBytes, indexBytes: source.indexBytes },
    notes: planNotes(facts, surroundings),
  };
}

/** The statement that makes the empty shadow; two of them where its whole text is not known beforehand. */
function shadowDefinition({ source, reading, probed }: PlanningFacts, shadow: Plan['shadow']): string {
  if (!probed.isExact) {
    return `CREATE TABLE ${quoteTable(shadow)} LIKE ${quoteTable(source)};\nALTER TABLE ${quoteTable(shadow)} ${reading.text}`;
  }
  return probed.definition.createStatement
    .replace(/^CREATE (?:TEMPORARY )?TABLE `(?:[^`]|``)*`/, () => `CREATE TABLE ${quoteTable(shadow)}`)
    .replaceAll(checkPrefix(probed.definition.table), () => checkPrefix(shadow.table));
}

/** What the quoted names begin with that MySQL gives to CHECK constraints of a table. */
function checkPrefix(table: string): string {
  return quoteName(`${table}_chk_`).slice(0, -1);
}
