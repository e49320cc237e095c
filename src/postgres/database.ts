/** PostgreSQL as the engine sees it: everything of this folder, put together. */

import { assert, MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { Database, MigrationRecord, TableClaim, UnreadableMigration } from '../engine/ports.ts';
import { lastRunOf } from '../sessions/claims.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { readMigrations } from './bookkeeping.ts';
import { claimName, findClaimHolder, readClaimSigns } from './claim.ts';
import type { ClaimContext, DatabaseOptions } from './claimed-table.ts';
import { claimToGiveUp } from './clean-up.ts';
import { connectionConfig } from './connection-config.ts';
import { createEventLog } from './event-log.ts';
import { createFamilies } from './families.ts';
import { blockerObstacles } from './obstacles-blockers.ts';
import { createNativeChange } from './native-change.ts';
import { createNativeClaims } from './native-claim.ts';
import { findObstacles } from './obstacles.ts';
import { makePlan } from './planner.ts';
import { openServer, type Server } from './server.ts';
import { createRetiredTables } from './retired-tables.ts';
import { readUnsettled } from './settlement.ts';
import { quoteText } from './statements.ts';
import { findStrays } from './strays.ts';
import { claimTables } from './table-claims.ts';
import { checkLoadLimits } from './throttle-signals.ts';

/** The port, and what the entry asks before there is a plan. */
export interface PostgresDatabase extends Database {
  /** The first schema of the search path that has a relation of this name, or else the first at all. Rejects with BAD_USAGE. */
  findSchema(table: string, signal: AbortSignal): Promise<string>;
}

/** Connects and finds out what the server is. Rejects with BAD_USAGE, ACCESS_DENIED, UNREACHABLE or SERVER_BUSY. */
export async function openDatabase(url: string, options: DatabaseOptions, signal: AbortSignal): Promise<PostgresDatabase> {
  const server = await openServer(await connectionConfig(url, options), signal);
  const planner = { random: () => systemClock.random() };
  const findAll = async (plans: readonly Plan[], signal: AbortSignal): Promise<readonly Obstacle[]> => [
    ...(await findObstacles(server, plans, signal)),
    ...(options.isKillingBlockers === true ? await blockerObstacles(server, signal) : []),
  ];
  return {
    findSchema: (table, signal) => findSchema(server, table, signal),
    plan: (request, signal) => makePlan(server, request, planner, signal),
    findObstacles: (plan, signal) => findAll([plan], signal),
    claim: (plan, purpose, signal) => claimTable({ server, options }, plan, purpose, signal),
    families: createFamilies({ server, options }, { planner, findObstacles: findAll }),
    claimToGiveUp: (plan, signal) => claimToGiveUp(server, plan, signal),
    checkLoadLimits: (limits, signal) => checkLoadLimits(server, limits, signal),
    listMigrations: (signal) => listMigrations(server, signal),
    findUnreadable: (signal) => findUnreadable(server, signal),
    findStrays: (signal) => findStrays(server, signal),
    retiredTables: createRetiredTables(server),
    native: { ...createNativeChange(server), ...createNativeClaims(server) },
    eventLog: createEventLog(server),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function findSchema(server: Server, table: string, signal: AbortSignal): Promise<string> {
  const [first] = server.searchPath;
  if (first === undefined) {
    throw new MigrationError(
      'BAD_USAGE',
      `The schema of ${table} is not known, for the search path names none that exists: write schema.${table}.`,
    );
  }
  await using session = await server.openSession({}, signal);
  const rows = await session.query(
    `SELECT nspname AS schema FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
     WHERE relname = ${quoteText(table)} AND nspname IN (${server.searchPath.map(quoteText).join(', ')})`,
    signal,
  );
  const schemas = rows.map((row) => row['schema']);
  return server.searchPath.find((schema) => schemas.includes(schema)) ?? first;
}

async function findUnreadable(server: Server, signal: AbortSignal): Promise<readonly UnreadableMigration[]> {
  await using session = await server.openSession({}, signal);
  return (await readMigrations(session, null, signal)).unreadable;
}

async function listMigrations(server: Server, signal: AbortSignal): Promise<readonly MigrationRecord[]> {
  await using session = await server.openSession({}, signal);
  const { readable: recorded } = await readMigrations(session, null, signal);
  const records: MigrationRecord[] = [];
  for (const record of recorded) {
    if (record.state !== 'open') {
      records.push({ ...record, isRunning: false, lastRun: null, unsettled: [] });
      continue;
    }
    const name = claimName(record.plan.source);
    const holder = await findClaimHolder(session, name, signal);
    const lastRun = lastRunOf(record, await readClaimSigns(session, name, holder, signal));
    const unsettled = await readUnsettled(session, record.id, signal);
    records.push({ ...record, isRunning: holder !== null, lastRun, unsettled });
  }
  return records;
}

async function claimTable(
  context: ClaimContext,
  plan: Plan,
  purpose: 'start' | 'resume',
  signal: AbortSignal,
): Promise<TableClaim> {
  const [table] = await claimTables(context, [plan], purpose, signal);
  assert(table !== undefined, 'a plan that is claimed gives a claimed table');
  return table;
}
