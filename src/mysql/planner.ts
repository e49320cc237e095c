/** Decides the plan of a migration: reads the source, lets the server try the ALTER, and chooses names, key and indexes. */

import { createHash } from 'node:crypto';
import type { MigrationRequest, Plan } from '../engine/model.ts';
import { PlanRefusedError } from '../engine/obstacles.ts';
import { findAttachedReplicas } from './attached-replicas.ts';
import type { TableDescription } from './catalog.ts';
import { carriedForeignKeys } from './foreign-keys.ts';
import { readCreateStatement } from './create-statement.ts';
import { findDependents } from './dependents.ts';
import { readLogRetention } from './log-retention.ts';
import { readDisk } from './obstacles-disk.ts';
import { surroundingObstacles } from './obstacles.ts';
import { migrationId, tableNames } from './plan-names.ts';
import { planNotes, type PlanSurroundings } from './plan-notes.ts';
import { learnFacts, type PlanningFacts } from './planning-facts.ts';
import { hasReplicas } from './replicas.ts';
import type { Server } from './server.ts';
import { quoteTable } from './statements.ts';
import { readTriggers } from './triggers.ts';
import { addedUniques, deferrableIndexes } from './unique-indexes.ts';
import { findUnloggedSessions } from './unlogged-sessions.ts';

/** Where names get their chance from; uniform in [0, 1). */
export interface PlannerOptions {
  readonly random: () => number;
}

/**
 * Decides the plan (`Database.plan`). Rejects with a PlanRefusedError where none can be made: no such table, clauses that are
 * not understood or that the server refuses, no shared key. Changes nothing; uses a temporary table of its own session.
 */
export async function makePlan(
  server: Server,
  request: MigrationRequest,
  options: PlannerOptions,
  signal: AbortSignal,
): Promise<Plan> {
  await using session = await server.openSession({}, signal);
  const learned = await learnFacts({ session, server, request }, signal);
  if ('obstacles' in learned) {
    const { schema } = request.table;
    throw new PlanRefusedError([...learned.obstacles, ...(await surroundingObstacles(session, { server, schema }, signal))]);
  }
  const replicas = await hasReplicas(session, server.flavour, signal);
  const { deferIndexes } = request.options;
  return decidePlan({
    server,
    request,
    options,
    facts: learned,
    surroundings: {
      hasReplicas: replicas,
      attachedReplicas: await findAttachedReplicas(session, server, signal),
      isDeferring: deferIndexes === 'always' || (deferIndexes === 'auto' && !replicas),
      deferIndexes,
      unloggedSessions: await findUnloggedSessions(session, server.flavour, signal),
      disk: await readDisk(session, signal),
      logRetention: await readLogRetention(session, signal),
      dependents: await findDependents(session, { table: learned.source, flavour: server.flavour }, signal),
      triggers: (await readTriggers(session, learned.source, signal)).map(({ name }) => name),
    },
  });
}

interface Decision {
  readonly server: Server;
  readonly request: MigrationRequest;
  readonly options: PlannerOptions;
  readonly facts: PlanningFacts;
  readonly surroundings: PlanSurroundings;
}

function decidePlan({ server, request, options, facts, surroundings }: Decision): Plan {
  const { source, reading, probed, map, key } = facts;
  const sourceName = { schema: source.schema, table: source.table };
  const id = migrationId(sourceName, options.random);
  const names = tableNames(sourceName, id);
  const foreignKeys = carriedForeignKeys(facts.foreignKeys ?? [], { server, source: sourceName, kept: map.kept });
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
    deferredIndexes: surroundings.isDeferring ? deferrableIndexes(probed.definition) : [],
    shadowDefinition: shadowDefinition(facts, names.shadow),
    ...(foreignKeys.length === 0 ? {} : { foreignKeys }),
  };
  return {
    id,
    hash: hashOf({ ...built, shadowDefinition: null, definition: definitionOf(source) }),
    ...built,
    ...names,
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
    .replace(/^CREATE TEMPORARY TABLE `[^`]*`/, () => `CREATE TABLE ${quoteTable(shadow)}`)
    .replaceAll('`_tableshift_probe_chk_', () => `\`${shadow.table}_chk_`);
}

/** The source's definition without the next AUTO_INCREMENT value. */
function definitionOf(source: TableDescription): unknown {
  const { columns, otherElements, options } = readCreateStatement(source.createStatement);
  return { columns: [...columns], otherElements, options };
}

function hashOf(built: unknown): string {
  return createHash('sha256').update(JSON.stringify(built)).digest('hex');
}
