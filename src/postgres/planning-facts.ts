/** What a plan is made from: the source, the clauses, what the server makes of them, and the key. */

import type { MigrationKey, MigrationRequest, TableName } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { readAlterClauses, type AlterReading } from './alter-clauses.ts';
import { probeAlter, type ProbedTable } from './alter-probe.ts';
import { isBookkeeping } from './bookkeeping.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { chooseKey } from './migration-key.ts';
import { changedKeyObstacles } from './obstacles-foreign-keys.ts';
import { privilegeObstacles } from './obstacles-table.ts';
import type { Session } from './session.ts';
import { quoteTable } from './statements.ts';

/** Everything that was learned for a plan. */
export interface PlanningFacts {
  readonly source: TableDescription;
  readonly reading: AlterReading;
  readonly probed: ProbedTable;
  readonly key: MigrationKey;
}

/** Reads what a plan is made of; the obstacles where that is not possible. */
export async function learnFacts(
  session: Session,
  request: MigrationRequest,
  signal: AbortSignal,
): Promise<PlanningFacts | { readonly obstacles: readonly Obstacle[] }> {
  const reading = readAlterClauses(request.clauses);
  const source = await readSource(session, request.table, signal);
  if ('code' in source) return { obstacles: [source, ...reading.problems] };
  const problems = [...kindObstacles(source), ...reading.problems];
  if (problems.length > 0) return { obstacles: problems };
  const probed = await probeAlter(session, source, reading, signal);
  if ('code' in probed) {
    const changed = await changedKeyObstacles(session, source, reading.text, signal);
    if (changed.length > 0) return { obstacles: changed };
    // Whoever is not the owner would grant what the server misses first, and be told of the next.
    const lacking = probed.code === 'MISSING_PRIVILEGE' ? await privilegeObstacles(session, source, signal) : [];
    return { obstacles: [...lacking, probed] };
  }
  const [database] = await session.query("SELECT current_setting('server_encoding') AS encoding", signal);
  const key = chooseKey({ source, probed, asked: request.options.key, encoding: database?.['encoding'] ?? '' });
  if ('code' in key) return { obstacles: [key] };
  return { source, reading, probed, key };
}

/** The table to change; the obstacle where there is none, or it is nobody's to change. */
export async function readSource(
  session: Session,
  table: TableName,
  signal: AbortSignal,
): Promise<TableDescription | Obstacle> {
  const name = `${table.schema}.${table.table}`;
  const source = await readTable(session, table, signal);
  if (source !== null && !isBookkeeping(table) && !/^pg_|^information_schema$/.test(table.schema)) return source;
  const message =
    source === null ? `${name} does not exist or is not a table.` : `${name} belongs to the server or to TableShift itself.`;
  return { code: 'TABLE_NOT_FOUND', message };
}

/** Kinds of tables of which not even an empty copy means anything. */
function kindObstacles(source: TableDescription): readonly Obstacle[] {
  const name = `${source.schema}.${source.table}`;
  if (source.kind === 'p') {
    const way = 'what needs no copy do by itself; for the rest, make another table, or change one partition after another';
    return [{ code: 'PARTITIONS', message: `${name} is partitioned, and is not copied: ${way}.` }];
  }
  const kinds: readonly (readonly [boolean, string])[] = [
    [source.kind === 'f', 'is a foreign table'],
    [source.persistence === 't', 'is a temporary table'],
    [source.persistence === 'u', 'is unlogged, so that its changes cannot be followed'],
    [source.isTyped, 'is a typed table'],
    [source.isInherited && !source.isPartition, 'inherits from another table, or another one from it'],
  ];
  const found = kinds
    .filter(([is]) => is)
    .map(([, what]): Obstacle => ({ code: 'UNSUPPORTED_TABLE', message: `${name} ${what}.` }));
  if (source.replicaIdentity === 'f' && source.columns.some(({ generated }) => generated === 'v')) {
    const message = `${name} has REPLICA IDENTITY FULL and a virtual generated column, so that the server refuses every UPDATE and DELETE once its changes are published: ALTER TABLE ${quoteTable(source)} REPLICA IDENTITY DEFAULT, or USING INDEX, first.`;
    found.push({ code: 'NO_REPLICA_IDENTITY', message });
  }
  const broken = source.indexes.filter(({ isValid }) => !isValid);
  return [
    ...found,
    ...broken.map((index) => ({ code: 'INVALID_INDEX' as const, message: `The index ${index.name} of ${name} is not valid.` })),
  ];
}
