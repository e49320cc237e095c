/** Snapshots that are older than the new table: whoever reads it by one would find rows missing, so the swap waits for them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ReplicationConnection } from '../../src/postgres/replication-connection.ts';
import type { Server } from '../../src/postgres/server.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { claimPostgresTable } from '../support/postgres-claimed-table.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

const limits = { lockTimeoutMs: 2_000, holdTimeoutMs: 10_000 };

describeSideBySide(['postgres-15', 'postgres-18'], 'the cutover on', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgres(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const ordersSchema = async (): Promise<PostgresSchema> => {
    const schema = await createPostgresSchema(url);
    await schema.application.run(
      `CREATE TABLE ${schema.name}.orders (id integer PRIMARY KEY, v integer); INSERT INTO ${schema.name}.orders VALUES (1, 1), (2, 2), (3, 3)`,
    );
    return schema;
  };

  test('waits for a snapshot that is older than the new table, and names it', async () => {
    await using schema = await ordersSchema();
    await using reader = await openPostgresApplication(url);
    await using other = await openPostgresApplication(url);
    await reader.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    await using orders = await claimPostgresTable(server, { schema: schema.name, table: 'orders' });
    // Rests in its transaction, too, but keeps no snapshot.
    await other.run('BEGIN; SELECT 1');
    const tried = await orders.cutover.attempt({ ...limits, lockTimeoutMs: 300 }, () => Promise.resolve(), never);
    expect(tried).toEqual({
      kind: 'prevented',
      reason: 'transactions have a snapshot that is older than the new table',
      blockers: [expect.stringMatching(`^process ${reader.pid} of postgres .*, whose snapshot is older than the new table$`)],
    });
    const attempt = orders.cutover.attempt({ ...limits, lockTimeoutMs: 20_000 }, () => Promise.resolve(), never);
    await reader.run('COMMIT');
    expect((await attempt).kind).toBe('swapped');
    await reader.run('BEGIN ISOLATION LEVEL REPEATABLE READ');
    expect(await reader.run(`SELECT count(*) AS n FROM ${schema.name}.orders`)).toEqual([{ n: '3' }]);
    await reader.run('COMMIT');
    await other.run('COMMIT');
  });

  test('swaps past an old snapshot where that is asked for, which then finds no row', async () => {
    await using schema = await ordersSchema();
    await using reader = await openPostgresApplication(url);
    await reader.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    await using orders = await claimPostgresTable(server, { schema: schema.name, table: 'orders' });
    const attempt = orders.cutover.attempt({ ...limits, oldSnapshots: 'ignore' }, () => Promise.resolve(), never);
    expect((await attempt).kind).toBe('swapped');
    expect(await reader.run(`SELECT count(*) AS n FROM ${schema.name}.orders`)).toEqual([{ n: '0' }]);
    await reader.run('COMMIT');
  });

  test('waits for the snapshot in which a subscriber is about to copy the table', async () => {
    await using schema = await ordersSchema();
    await using orders = await claimPostgresTable(server, { schema: schema.name, table: 'orders' });
    await using subscriber = await ReplicationConnection.open(server.config, 'subscriber', never);
    await subscriber.command('BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ', never);
    await subscriber.command(`CREATE_REPLICATION_SLOT ${schema.name} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'use')`, never);
    await schema.application.run(`DELETE FROM ${orders.plan.shadow.schema}.orders`);
    await schema.application.run(`INSERT INTO ${orders.plan.shadow.schema}.orders SELECT id, v FROM ${schema.name}.orders`);
    const tried = await orders.cutover.attempt({ ...limits, lockTimeoutMs: 300 }, () => Promise.resolve(), never);
    expect(tried).toEqual({
      kind: 'prevented',
      reason: 'transactions have a snapshot that is older than the new table',
      blockers: [expect.stringMatching(/^process \d+ of postgres .*, whose snapshot is older than the new table$/)],
    });
    expect(await subscriber.command(`SELECT count(*) AS n FROM ${schema.name}.orders`, never)).toEqual([{ n: '3' }]);
    await subscriber.command('COMMIT', never);
    expect((await orders.cutover.attempt(limits, () => Promise.resolve(), never)).kind).toBe('swapped');
  });
});
