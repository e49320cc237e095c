/** The claim on a table (rule 10): one live run a table, and nothing of a predecessor left once it is taken. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MigrationId, TableName } from '../../src/engine/model.ts';
import { createBookkeeping } from '../../src/postgres/bookkeeping.ts';
import { claimName, findClaimHolder, takeClaim } from '../../src/postgres/claim.ts';
import { clientConfig } from '../../src/postgres/connection.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import type { Server } from '../../src/postgres/server.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  openPostgresWithBookkeeping,
} from '../support/postgres-adapter.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy } from '../support/tcp-proxy.ts';

const migration = 'm1' as MigrationId;
const login = { password: null, defaultsFile: null, home: null, environment: {} };

describeSideBySide(['postgres-15', 'postgres-18'], 'the claim on a table of', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgresWithBookkeeping(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('is refused to a second live run, naming the first', async () => {
    await using schema = await createPostgresSchema(url);
    const table = tableOf(schema.name);
    await using first = await takeClaim(server, { table, migration }, never);
    await using session = await first.openSession({}, never);
    const holder = await findClaimHolder(session, claimName(table), never);
    const second = takeClaim(server, { table, migration: 'm2' as MigrationId }, never);
    await expect(second).rejects.toMatchObject({
      code: 'TABLE_CLAIMED',
      message: expect.stringMatching(
        new RegExp(
          `claimed by migration m1, running on .+ \\(process ${process.pid}\\) since 2.+Z, server process ${holder} of postgres from 127.0.0.1`,
        ),
      ),
    });
    expect(first.lost.aborted).toBe(false);
  });

  test('can be taken again after it was given back, and on another table at any time', async () => {
    await using schema = await createPostgresSchema(url);
    const table = tableOf(schema.name);
    const first = await takeClaim(server, { table, migration }, never);
    await using other = await takeClaim(server, { table: { ...table, table: 'other' }, migration }, never);
    await first[Symbol.asyncDispose]();
    await using second = await takeClaim(server, { table, migration }, never);
    expect([other.lost.aborted, second.lost.aborted]).toEqual([false, false]);
  });

  // What takes long is waited for together, each on a table of its own.
  test.concurrent('ends every session of a predecessor that died without a word, its replication connection included', async () => {
    await using schema = await createPostgresSchema(url);
    const table = tableOf(schema.name);
    const slot = `slot_${schema.name}`;
    await schema.application.run(`CREATE TABLE ${schema.name}.orders (id int)`);
    await schema.application.run(`CREATE PUBLICATION ${slot} FOR TABLE ${schema.name}.orders`);
    await schema.application.run(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    await using proxy = await startProxy(url);
    await using far = await openPostgres(proxy.url);
    const dead = await takeClaim(far, { table, migration }, never);
    const worker = await dead.openSession({}, never);
    await worker.execute(`BEGIN; INSERT INTO ${schema.name}.orders VALUES (1)`, never);
    const sender = new pg.Client({ ...clientConfig(far.config, 'tableshift'), replication: 'database' } as pg.ClientConfig);
    sender.on('error', () => undefined);
    await sender.connect();
    await dead.mark(async (sql) => (await sender.query<Record<string, unknown>>(sql)).rows, never);
    sender
      .query(`START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names '${slot}')`)
      .catch(() => undefined);
    const isStreaming = `SELECT active FROM pg_replication_slots WHERE slot_name = '${slot}'`;
    await expect.poll(() => schema.application.run(isStreaming)).toEqual([{ active: 't' }]);
    proxy.freeze();

    await using successor = await takeClaim(server, { table, migration }, never);
    expect(await schema.application.run(isStreaming)).toEqual([{ active: 'f' }]);
    expect(await server.ender.observe(worker.identity)).toBe('gone');
    await schema.application.run(`SET lock_timeout = 100; BEGIN; LOCK TABLE ${schema.name}.orders; COMMIT`);
    expect(await schema.application.run(`SELECT * FROM ${schema.name}.orders`)).toEqual([]);
    expect(successor.lost.aborted).toBe(false);

    proxy.forgetConnections();
    await expect(dead.openSession({}, never)).rejects.toMatchObject({ code: 'CLAIM_LOST' });
    await expect.poll(() => dead.lost.aborted).toBe(true);
    expect(dead.lost.reason).toMatchObject({ code: 'CLAIM_LOST' });
    await worker[Symbol.asyncDispose]();
    await dead[Symbol.asyncDispose]();
    await schema.application.run(`SELECT pg_drop_replication_slot('${slot}')`);
  });

  test.concurrent('outlives a cut connection when nobody else has taken it, and is there for whoever asks at once', async () => {
    await using schema = await createPostgresSchema(url);
    const table = tableOf(schema.name);
    await using claim = await takeClaim(server, { table, migration }, never);
    await using watcher = await server.openSession({}, never);
    const holder = await findClaimHolder(watcher, claimName(table), never);
    await schema.application.run(`SELECT pg_terminate_backend(${holder}, 5000)`);
    await using session = await claim.openSession({}, never);
    await claim.check(session, never);
    expect(await findClaimHolder(watcher, claimName(table), never)).not.toBe(holder);
    expect(claim.lost.aborted).toBe(false);
  });

  test.concurrent('is lost when another run took it while the connection was down', async () => {
    await using schema = await createPostgresSchema(url);
    const table = tableOf(schema.name);
    await using claim = await takeClaim(server, { table, migration }, never);
    await using working = await claim.openSession({}, never);
    await using watcher = await server.openSession({}, never);
    const holder = await findClaimHolder(watcher, claimName(table), never);
    await schema.application.run(`SELECT pg_terminate_backend(${holder}, 5000)`);
    await using successor = await takeClaim(server, { table, migration }, never);
    await expect.poll(() => claim.lost.aborted).toBe(true);
    expect(claim.lost.reason).toMatchObject({ code: 'CLAIM_LOST' });
    await expect(working.query('SELECT 1', never)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(claim.openSession({}, never)).rejects.toMatchObject({ code: 'CLAIM_LOST' });
    expect(successor.lost.aborted).toBe(false);
  });

  test('can be checked inside a transaction, as it is at that moment', async () => {
    await using schema = await createPostgresSchema(url);
    const table = tableOf(schema.name);
    await using claim = await takeClaim(server, { table, migration }, never);
    await using session = await server.openSession({}, never);
    await session.execute('BEGIN', never);
    await claim.check(session, never);
    const holder = await findClaimHolder(session, claimName(table), never);
    await schema.application.run(`SELECT pg_terminate_backend(${holder}, 5000)`);
    await using successor = await takeClaim(server, { table, migration: 'm2' as MigrationId }, never);
    await expect(claim.check(session, never)).rejects.toMatchObject({ code: 'CLAIM_LOST' });
    expect(successor.lost.aborted).toBe(false);
    await session.execute('ROLLBACK', never);
  });
});

describe('the claim', () => {
  test('outlives a restart of the server', async () => {
    await using own = await startServer({ flavour: 'postgres', version: 18 });
    await using server = await openPostgres(own.url);
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, never);
    await using claim = await takeClaim(server, { table: tableOf('app'), migration }, never);
    await own.kill9();
    await own.restart();
    await using working = await claim.openSession({}, never);
    await claim.check(working, never);
    expect(claim.lost.aborted).toBe(false);
  });

  test('is refused on a standby, and lost when one took over, although nobody else has taken it', async () => {
    await using source = await startServer({ flavour: 'postgres', version: 15 });
    {
      await using server = await openPostgres(source.url);
      await using session = await server.openSession({}, never);
      await createBookkeeping(session, never);
    }
    await using standby = await startServer({ flavour: 'postgres', version: 15, replicaOf: source });
    // As if the address belonged to whichever of the two is the primary.
    await using proxy = await startProxy(source.url);
    await using far = await openPostgres(proxy.url);
    const claim = await takeClaim(far, { table: tableOf('app'), migration }, never);
    await using application = await openPostgresApplication(standby.url);
    await expect.poll(() => application.run('SELECT token FROM tableshift.claims')).toHaveLength(1);
    await using following = await openPostgres(standby.url);
    await using follower = await openDatabase(standby.url, login, never);
    const request = { table: tableOf('app'), clauses: 'ADD a int', options: { deferIndexes: 'auto', key: null } } as const;
    const tries = [
      takeClaim(following, { table: tableOf('app'), migration }, never),
      follower.plan(request, never),
      Promise.resolve(follower.native?.find(request, never)),
    ];
    for (const refused of tries) {
      await expect(refused).rejects.toMatchObject({ code: 'OBSTACLE', obstacles: [{ code: 'NOT_A_SOURCE' }] });
    }
    await source.kill9();
    await application.run('SELECT pg_promote()');
    proxy.redirect(standby.url);
    await expect.poll(() => claim.lost.aborted).toBe(true);
    expect(claim.lost.reason).toMatchObject({
      code: 'CLAIM_LOST',
      message: expect.stringContaining('a standby has taken over'),
    });
    await claim[Symbol.asyncDispose]();
  });

  test('is the same for the same name, letter by letter', () => {
    const table = { schema: 'Shop', table: 'Orders' };
    expect(claimName(table)).toBe(claimName({ ...table }));
    expect(claimName(table)).not.toBe(claimName({ schema: 'shop', table: 'orders' }));
    expect(claimName({ schema: 'a', table: 'bc' })).not.toBe(claimName({ schema: 'ab', table: 'c' }));
  });
});

function tableOf(schema: string): TableName {
  return { schema, table: 'orders' };
}
