/** Changes that MySQL and MariaDB carry out by themselves: found by trying them on an empty clone. */

import { MigrationError } from '../engine/errors.ts';
import type { MigrationRequest } from '../engine/model.ts';
import type { NativeChange, NativePlan, NoNativeWay } from '../engine/native-change.ts';
import { PlanRefusedError } from '../engine/obstacles.ts';
import { type AlterClause, type AlterReading, readAlterClauses } from './alter-clauses.ts';
import type { TableDescription } from './catalog.ts';
import { isSameTable, nameOf, readForeignKeys } from './foreign-keys.ts';
import { isSameInAnyCase } from './name-case.ts';
import { NativeFinder } from './native-finder.ts';
import { findPartitionChange } from './native-partitions.ts';
import { runStep } from './native-step.ts';
import { NativeTrials } from './native-trial.ts';
import { leads } from './obstacles-foreign-keys.ts';
import { readVariables, variableObstacles } from './obstacles-server.ts';
import { checkProblems, findSource } from './planning-facts.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { quoteText } from './statements.ts';

/** The cheap ways of a server. Each call uses sessions of its own, for calls are rare. */
export function createNativeChange(server: Server): Pick<NativeChange, 'find' | 'run'> {
  return {
    find: (request, signal) => findIfAllowed(server, request, signal),
    run: (step, plan, lockTimeoutMs, signal) => runStep(server, { step, plan, lockTimeoutMs }, signal),
  };
}

/** What the user may not ask for is not sure to be cheap; the obstacles of the shadow name the privileges. */
async function findIfAllowed(
  server: Server,
  request: MigrationRequest,
  signal: AbortSignal,
): Promise<NativePlan | NoNativeWay> {
  try {
    return await findNativePlan(server, request, signal);
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== 'ACCESS_DENIED') throw error;
    return { clause: request.clauses, reason: `the user may not find out: ${error.message}` };
  }
}

async function findNativePlan(
  server: Server,
  request: MigrationRequest,
  signal: AbortSignal,
): Promise<NativePlan | NoNativeWay> {
  await using session = await server.openSession({}, signal);
  const reading = readAlterClauses(request.clauses);
  const source = await findSource(session, request.table, signal);
  if ('code' in source) throw new PlanRefusedError([source]);
  const wrongServer = variableObstacles(await readVariables(session, signal)).filter(({ code }) =>
    ['NOT_A_SOURCE', 'CLUSTERED_SERVER'].includes(code),
  );
  if (wrongServer.length > 0) throw new PlanRefusedError(wrongServer);
  const hindrance = await hindranceOf({ server, session, source, reading }, signal);
  if (hindrance !== null) return hindrance;
  const name = { schema: source.schema, table: source.table };
  const trials = await NativeTrials.open(session, { source: name, flavour: server.flavour }, signal);
  const partitions = reading.clauses.find((clause) => clause.kind === 'partitions');
  if (partitions !== undefined) return await findPartitionChange({ server, trials, source, clause: partitions }, signal);
  return await new NativeFinder({ server, session, trials, source: name, reading }).find(signal);
}

interface Asked {
  readonly server: Server;
  readonly session: Session;
  readonly source: TableDescription;
  readonly reading: AlterReading;
}

/** What is known without asking the server for its ways. */
async function hindranceOf({ server, session, source, reading }: Asked, signal: AbortSignal): Promise<NoNativeWay | null> {
  const [problem] = [...reading.problems, ...checkProblems(source, reading, server)];
  if (problem !== undefined) return { clause: reading.text, reason: problem.message };
  if (source.engine.toLowerCase() !== 'innodb') {
    return { clause: reading.text, reason: `only InnoDB has cheap ways, and the table's engine is ${source.engine}` };
  }
  if (source.isSystemVersioned) return { clause: reading.text, reason: 'the table keeps the history of its rows' };
  const partitioning = reading.clauses.find((clause) => clause.kind === 'partitioning');
  if (partitioning !== undefined) {
    return { clause: partitioning.text, reason: 'the server would copy all rows into other partitions while writers wait' };
  }
  const asked = { server, session, source, reading };
  return (await foreignKeyHindrance(asked, signal)) ?? (await triggerHindrance(asked, signal));
}

/** The clone has no foreign keys, so that the server lets go of it what they need. */
async function foreignKeyHindrance(
  { server, session, source, reading }: Asked,
  signal: AbortSignal,
): Promise<NoNativeWay | null> {
  const going = reading.clauses.filter(
    ({ kind, text }) => kind === 'drop-column' || (kind === 'change-index' && /^DROP\b/i.test(text)),
  );
  if (going.length === 0) return null;
  const table = { schema: source.schema, table: source.table };
  for (const key of await readForeignKeys(session, { server, table }, signal)) {
    const sides = [
      ...(isSameTable(server, key.child, table) ? [key.columns] : []),
      ...(isSameTable(server, key.parent, table) ? [key.parentColumns] : []),
    ];
    const clause = going.find((clause) => sides.some((columns) => isNeeded(clause, columns, source)));
    if (clause !== undefined) {
      return { clause: clause.text, reason: `the foreign key ${key.name} of ${nameOf(key.child)} needs what would be dropped` };
    }
  }
  return null;
}

/** Whether a foreign key over these columns needs what the clause drops. */
function isNeeded(clause: AlterClause, columns: readonly string[], { indexes }: TableDescription): boolean {
  if (clause.kind === 'drop-column') return columns.some((column) => isSameInAnyCase(column, clause.column));
  if (clause.kind !== 'change-index') return false;
  const dropped = indexes.filter(({ name }) => isSameInAnyCase(name, clause.index));
  const left = indexes.filter(
    (index) => !dropped.includes(index) && (index.isUnique || !dropped.some(({ isUnique }) => isUnique)),
  );
  return leads(dropped, columns) && !leads(left, columns);
}

/** The server lets a column go that a trigger names; after that the statements that fire the trigger fail. */
async function triggerHindrance({ session, source, reading }: Asked, signal: AbortSignal): Promise<NoNativeWay | null> {
  for (const clause of reading.clauses) {
    const column = columnGoing(clause);
    if (column === null) continue;
    // Reads the catalog only.
    const [trigger] = await session.query(
      `SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS
       WHERE EVENT_OBJECT_SCHEMA = ${quoteText(source.schema)} AND EVENT_OBJECT_TABLE = ${quoteText(source.table)}
         AND LOCATE(LOWER(${quoteText(column)}), LOWER(ACTION_STATEMENT)) > 0 LIMIT 1`,
      signal,
    );
    if (trigger === undefined) continue;
    const reason = `the trigger ${trigger['name'] ?? ''} seems to name the column ${column} and would fail; alter the trigger first`;
    return { clause: clause.text, reason };
  }
  return null;
}

/** The column that is no longer there by its name. */
function columnGoing(clause: AlterClause): string | null {
  if (clause.kind === 'drop-column') return clause.column;
  return clause.kind === 'rename-column' && !isSameInAnyCase(clause.from, clause.to) ? clause.from : null;
}
