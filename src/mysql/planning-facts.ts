/** What a plan is made from: the source, the clauses, what the server makes of them, the columns and the key. */

import { unlessDenied } from '../engine/errors.ts';
import type { ComputingSettings, MigrationKey, MigrationRequest, TableName } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { readAlterClauses, type AlterReading } from './alter-clauses.ts';
import { probeAlter, type ProbedTable } from './alter-probe.ts';
import { isBookkeeping } from './bookkeeping.ts';
import { keyColumns, readTable, type TableDescription } from './catalog.ts';
import type { CopiedColumns } from './client-settings.ts';
import { probeOnClone } from './clone-trial.ts';
import { mapColumns, type ColumnMap } from './column-map.ts';
import type { ConversionSetting } from './conversions.ts';
import { checkNames, readCreateStatement } from './create-statement.ts';
import { type ForeignKey, readForeignKeys } from './foreign-keys.ts';
import { namingHolders } from './lock-wait.ts';
import { chooseKey } from './migration-key.ts';
import { lowerCase } from './name-case.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';

/** Everything that was learned for a plan. */
export interface PlanningFacts {
  readonly source: TableDescription;
  readonly reading: AlterReading;
  readonly probed: ProbedTable;
  readonly map: ColumnMap;
  readonly key: MigrationKey;
  readonly setting: ConversionSetting;
  readonly computing: ComputingSettings;
  /** Of the source and to it; null where the user may not see them. */
  readonly foreignKeys: readonly ForeignKey[] | null;
}

/** Reads what a plan is made of; the obstacles where that is not possible. */
export async function learnFacts(
  { session, server, request }: { readonly session: Session; readonly server: Server; readonly request: MigrationRequest },
  signal: AbortSignal,
): Promise<PlanningFacts | { readonly obstacles: readonly Obstacle[] }> {
  const reading = readAlterClauses(request.clauses);
  const source = await findSource(session, request.table, signal);
  if ('code' in source) return { obstacles: [source, ...reading.problems] };
  const problems = [...reading.problems, ...versioningProblem(source), ...checkProblems(source, reading, server)];
  problems.push(...partitionsProblem(reading));
  if (problems.length > 0) return { obstacles: problems };
  const wait = { session, flavour: server.flavour, tables: [{ schema: source.schema, table: source.table }] };
  const copied = await namingHolders(wait, () => probeAlter(session, source, reading, signal), signal);
  if ('code' in copied) return { obstacles: [copied] };
  const probed = await probeOnClone({ server, source, reading, probed: copied }, signal);
  if ('code' in probed) return { obstacles: [probed] };
  const map = mapColumns(source, probed.definition, reading.clauses);
  if (map.problems.length > 0) return { obstacles: map.problems };
  const key = chooseKey({ source, shadow: probed.definition, pairs: map.pairs, asked: request.options.key });
  if ('code' in key) return { obstacles: [key] };
  const table = { schema: source.schema, table: source.table };
  const foreignKeys = await unlessDenied(() => readForeignKeys(session, { server, table }, signal), null);
  return { source, reading, probed, map, key, ...(await readSettings(session, server, signal)), foreignKeys };
}

/** What is carried over, as the layout of the pair will have it. */
export function copiedColumns({ source, key, map }: PlanningFacts): CopiedColumns {
  return {
    key: keyColumns(source, key.columns),
    pairs: map.kept.flatMap(([from, to]) => (to.generated === 'none' ? { source: from, shadow: to } : [])),
  };
}

/** The table, which neither the server nor TableShift itself needs; else the obstacle. */
export async function findSource(session: Session, name: TableName, signal: AbortSignal): Promise<TableDescription | Obstacle> {
  const { schema, table } = name;
  const source = await unlessDenied(() => readTable(session, name, signal), 'denied' as const);
  if (source === 'denied') return { code: 'MISSING_PRIVILEGE', message: `The user may not read ${schema}.${table}.` };
  if (source !== null && !isBookkeeping(name) && !systemSchemas.includes(schema.toLowerCase())) return source;
  const message =
    source === null
      ? `${schema}.${table} does not exist or is not a base table.`
      : `${schema}.${table} belongs to the server or to TableShift itself.`;
  return { code: 'TABLE_NOT_FOUND', message };
}

const systemSchemas: readonly string[] = ['mysql', 'sys', 'information_schema', 'performance_schema'];

function versioningProblem(source: TableDescription): readonly Obstacle[] {
  if (!source.isSystemVersioned) return [];
  const message = `${source.schema}.${source.table} keeps the history of its rows (system versioning), which would be lost.`;
  return [{ code: 'SYSTEM_VERSIONED', message }];
}

/** A shadow would have the partitions, but what is in those that are dropped cannot be told from what is not. */
function partitionsProblem({ clauses, text }: AlterReading): readonly Obstacle[] {
  if (!clauses.some((clause) => clause.kind === 'partitions')) return [];
  const message = `“${text}” needs no copy of the table where the server does it by itself (--strategy native); else write the whole partitioning as it shall be: PARTITION BY ….`;
  return [{ code: 'PARTITIONS', message }];
}

/** MySQL names CHECK constraints uniquely in a schema, so the shadow's have names of their own, by which no clause can call them. */
export function checkProblems(source: TableDescription, reading: AlterReading, server: Server): readonly Obstacle[] {
  if (server.flavour.isMariaDb) return [];
  const names = checkNames(readCreateStatement(source.createStatement)).map(lowerCase);
  return reading.clauses.flatMap((clause): readonly Obstacle[] => {
    if (clause.kind !== 'change-constraint' || !names.includes(lowerCase(clause.constraint))) return [];
    const message = `The CHECK constraint ${clause.constraint} of ${source.schema}.${source.table} cannot be changed this way; run “${clause.text}” by itself, which needs no copy of the table.`;
    return [{ code: 'UNSUPPORTED_CLAUSE', message }];
  });
}

async function readSettings(
  session: Session,
  server: Server,
  signal: AbortSignal,
): Promise<Pick<PlanningFacts, 'setting' | 'computing'>> {
  const [row] = await session.query(
    `SELECT @@global.time_zone AS zone, @@system_time_zone AS system_zone, @@session.sql_mode AS mode,
      @@global.explicit_defaults_for_timestamp AS explicit_timestamps`,
    signal,
  );
  const zone = row?.['zone'] === 'SYSTEM' ? row['system_zone'] : row?.['zone'];
  const setting = {
    isMariaDb: server.flavour.isMariaDb,
    isServerUtc: ['UTC', 'GMT', '+00:00', 'Etc/UTC', 'Universal', 'Zulu'].includes(zone ?? ''),
    hasExplicitTimestamps: row?.['explicit_timestamps'] === '1',
  };
  return { setting, computing: { timeZone: row?.['zone'] ?? 'SYSTEM', sqlMode: row?.['mode'] ?? '' } };
}
