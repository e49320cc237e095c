/** A table under migration as the adapter has it after the copy: claimed, with a shadow, ready for the cutover. */
import type { Plan, RowKey } from '../../src/engine/model.ts';
import type { Cutover, CutoverOptions, RowWriter } from '../../src/engine/ports.ts';
import { fenceTableDefinition } from '../../src/mysql/binlog-fences.ts';
import { createBookkeeping } from '../../src/mysql/bookkeeping.ts';
import { keyColumns, readTable } from '../../src/mysql/catalog.ts';
import { takeClaim, type Claim } from '../../src/mysql/claim.ts';
import type { CutoverParts } from '../../src/mysql/cutover-attempt.ts';
import { createCutover } from '../../src/mysql/cutover.ts';
import { makePlan } from '../../src/mysql/planner.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import { checkSource } from '../../src/mysql/source-watch.ts';
import { openTablePair, type LockablePair } from '../../src/mysql/table-pair.ts';
import { bookkeepingSchema } from '../../src/sessions/bookkeeping.ts';
import { never } from './adapter-server.ts';

/** Disposing it gives the claim back and leaves the tables. */
export interface ClaimedTable extends AsyncDisposable {
  readonly plan: Plan;
  readonly claim: Claim;
  readonly pair: LockablePair;
  readonly cutover: Cutover;
}

/** What a stream of its changes has seen, for there is none. */
export type LogSeen = Pick<CutoverParts, 'indexChanges'>;

export const nothingSeen: LogSeen = { indexChanges: () => 0 };

/** Plans, claims, creates the shadow and copies all rows there are. */
export async function claimTable(
  server: Server,
  change: { schema: string; table: string; clauses: string },
  log: LogSeen = nothingSeen,
  beforeShadow: () => Promise<unknown> = () => Promise.resolve(),
): Promise<ClaimedTable> {
  const { schema, table, clauses } = change;
  const request = { table: { schema, table }, clauses, options: { deferIndexes: 'never' as const, key: null } };
  const plan = await makePlan(server, request, { random: Math.random }, never);
  const claimed = await reclaimTable(server, plan, log);
  await beforeShadow();
  await claimed.pair.createShadow(never);
  await claimed.pair.copyRange({ after: null, through: null }, 'collide', never);
  return claimed;
}

/** Claims a table for a plan that was made before, as a resume does. */
export async function reclaimTable(server: Server, plan: Plan, log: LogSeen = nothingSeen): Promise<ClaimedTable> {
  {
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, [fenceTableDefinition(bookkeepingSchema)], never);
  }
  const claim = await takeClaim(server, { table: plan.source, migration: plan.id }, never);
  const sessions = createSessionPool({ sizeMax: 2, open: (signal) => claim.openSession({}, signal) });
  const source = await sessions.withSession((session) => readTable(session, plan.source, never), never);
  const hasKey = source !== null && plan.key.columns.every((name) => source.columns.some((column) => column.name === name));
  const columns = hasKey ? keyColumns(source, plan.key.columns) : [];
  const pair = await openTablePair({ plan, keyColumns: columns, sessions, flavour: server.flavour }, never);
  const cutover = createCutover({
    server,
    plan,
    claim,
    prepareWriter: (session, signal) => pair.prepareWriter(session, signal),
    followIndexes: (signal) => pair.followIndexes(signal),
    checkDefinitions: async (session, signal) =>
      await pair.checkShadow(session, await checkSource(session, plan, signal), signal),
    indexChanges: log.indexChanges,
    undecided: () => [],
  });
  return {
    plan,
    claim,
    pair,
    cutover,
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      await claim[Symbol.asyncDispose]();
    },
  };
}

/** The keys 1 to `last` of an integer key. */
export function keysThrough(last: number): RowKey[] {
  return Array.from({ length: last }, (_, index) => String(index + 1) as RowKey);
}

/** Attempts until the tables are swapped: one that finds them in use is followed by another. */
export async function swapTables(
  cutover: Cutover,
  limits: CutoverOptions,
  drain: (locked: RowWriter) => Promise<void> = async () => {},
): Promise<void> {
  while ((await cutover.attempt(limits, drain, never)).kind !== 'swapped');
}
