/** A table under migration on PostgreSQL as the adapter has it after the copy: claimed, with a shadow, ready for the cutover. */
import { randomUUID } from 'node:crypto';
import type { MigrationId, Plan, RowKey, TableName } from '../../src/engine/model.ts';
import type { Cutover } from '../../src/engine/ports.ts';
import { createBookkeeping } from '../../src/postgres/bookkeeping.ts';
import { takeClaim, type Claim } from '../../src/postgres/claim.ts';
import { createCutover } from '../../src/postgres/cutover.ts';
import type { Server } from '../../src/postgres/server.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import type { CarryOver } from '../../src/postgres/swap.ts';
import { openTablePair, type PostgresTablePair } from '../../src/postgres/table-pair.ts';
import { never } from './postgres-adapter.ts';

/** Disposing it gives the claim back and drops what is not in the source's schema. */
export interface ClaimedPostgresTable extends AsyncDisposable {
  readonly plan: Plan;
  readonly claim: Claim;
  readonly pair: PostgresTablePair;
  readonly cutover: Cutover;
}

/** Nothing belongs to the table but its rows. */
export const nothingElse: CarryOver = {
  makeReady: async () => undefined,
  findUnready: async () => [],
  findOuter: async () => [],
  findRoots: async () => [],
  findPartners: async () => ({ children: [], parents: [], between: [] }),
  readAhead: async () => undefined,
  prepare: async () => [],
  beforeSwap: async () => [],
  afterSwap: async () => undefined,
  findChanged: async () => [],
};

/** Claims a table with the key `id integer` and the column `v`, gives it a shadow with another column, `extra`, and copies. */
export async function claimPostgresTable(
  server: Server,
  source: TableName,
  carryOver: CarryOver = nothingElse,
): Promise<ClaimedPostgresTable> {
  const id = `m${randomUUID().slice(0, 8)}` as MigrationId;
  const plan = {
    id,
    hash: 'hash',
    source,
    options: { key: null, deferIndexes: 'auto' },
    shadow: { schema: `tableshift_${id}`, table: source.table },
    retired: { schema: `tableshift_retired_${id}`, table: source.table },
    key: {
      index: `${source.table}_pkey`,
      columns: ['id'],
      shadowColumns: ['id'],
      shadowIndex: `${source.table}_pkey`,
      isOrderKnown: true,
    },
    columns: ['id', 'v'].map((name) => ({ source: name, shadow: name })),
  } as unknown as Plan;
  const clean = async (): Promise<void> => {
    await using session = await server.openSession({}, never);
    await session.execute(
      `DROP SCHEMA IF EXISTS ${plan.shadow.schema} CASCADE; DROP SCHEMA IF EXISTS ${plan.retired.schema} CASCADE`,
      never,
    );
  };
  {
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, never);
  }
  const claim = await takeClaim(server, { table: source, migration: id }, never);
  const sessions = createSessionPool({ sizeMax: 2, open: (signal) => claim.openSession({}, signal) });
  const pair = openTablePair({
    plan,
    keyColumns: [{ name: 'id', attnum: 1, type: 'integer' }],
    sessions,
    conversionSettings: server.conversionSettings,
  });
  const shadow = `${plan.shadow.schema}.${source.table}`;
  const creation = `CREATE SCHEMA ${plan.shadow.schema};
    CREATE TABLE ${shadow} (LIKE ${source.schema}.${source.table} INCLUDING ALL);
    ALTER TABLE ${shadow} ADD COLUMN extra integer NOT NULL DEFAULT 7`;
  await sessions.withSession((session) => session.execute(creation, never), never);
  await pair.copyRange({ after: null, through: null }, 'collide', never);
  const cutover = createCutover({
    flavour: server.flavour,
    plan,
    claim,
    lockedWriter: (session) => pair.lockedWriter(session),
    carryOver,
  });
  return {
    plan,
    claim,
    pair,
    cutover,
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      await claim[Symbol.asyncDispose]();
      await clean();
    },
  };
}

/** The keys 1 to `last` of an integer key. */
export function keysThrough(last: number): RowKey[] {
  return Array.from({ length: last }, (_, index) => `'${index + 1}'` as RowKey);
}
