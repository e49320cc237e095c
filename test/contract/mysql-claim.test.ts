/** The claim on a table (rule 10): one live run a table, and nothing of a predecessor left once it is taken. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MigrationId, TableName } from '../../src/engine/model.ts';
import { createBookkeeping } from '../../src/mysql/bookkeeping.ts';
import { claimName, findClaimHolder, takeClaim } from '../../src/mysql/claim.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSchema, never, openAdapter } from '../support/adapter-server.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy } from '../support/tcp-proxy.ts';

const migration = 'm1' as MigrationId;

describeSideBySide(['mysql', 'mariadb'], 'the claim on a table of', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, [], never);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('is refused to a second live run, naming the first', async () => {
    await using schema = await createSchema(url);
    const table = tableOf(schema.name);
    await using first = await takeClaim(server, { table, migration }, never);
    await using session = await first.openSession({}, never);
    const holder = await findClaimHolder(session, claimName(server, table), never);
    const second = takeClaim(server, { table, migration: 'm2' as MigrationId }, never);
    await expect(second).rejects.toMatchObject({
      code: 'TABLE_CLAIMED',
      message: expect.stringMatching(
        new RegExp(
          `claimed by migration m1, running on .+ \\(process ${process.pid}\\) since 2.+Z, connection ${holder} of root`,
        ),
      ),
    });
    expect(first.lost.aborted).toBe(false);
  });

  test('can be taken again after it was given back, and on another table at any time', async () => {
    await using schema = await createSchema(url);
    const table = tableOf(schema.name);
    const first = await takeClaim(server, { table, migration }, never);
    await using other = await takeClaim(server, { table: { ...table, table: 'other' }, migration }, never);
    await first[Symbol.asyncDispose]();
    await using second = await takeClaim(server, { table, migration }, never);
    expect([other.lost.aborted, second.lost.aborted]).toEqual([false, false]);
  });

  // What takes long is waited for together, each on a table of its own.
  test.concurrent('ends every session of a predecessor that died without a word, and sees its transaction rolled back', async () => {
    await using schema = await createSchema(url);
    const table = tableOf(schema.name);
    await using proxy = await startProxy(url);
    await using far = await openAdapter(proxy.url);
    const dead = await takeClaim(far, { table, migration }, never);
    const worker = await dead.openSession({}, never);
    await worker.execute(`CREATE TABLE ${schema.name}.orders (id INT PRIMARY KEY AUTO_INCREMENT, v CHAR(200), KEY (v))`, never);
    await worker.execute('SET autocommit = 0', never);
    await worker.execute(
      `INSERT INTO ${schema.name}.orders (v)
       SELECT UUID() FROM information_schema.COLLATIONS a, information_schema.COLLATIONS b LIMIT 30000`,
      never,
    );
    proxy.freeze();

    await using successor = await takeClaim(server, { table, migration }, never);
    await schema.application.run('SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED');
    expect(await schema.application.run(`SELECT COUNT(*) AS n FROM ${schema.name}.orders`)).toEqual([{ n: 0 }]);
    expect(await server.ender.observe(worker.identity)).toBe('gone');
    expect(successor.lost.aborted).toBe(false);

    proxy.forgetConnections();
    await expect(dead.openSession({}, never)).rejects.toMatchObject({ code: 'CLAIM_LOST' });
    await expect.poll(() => dead.lost.aborted).toBe(true);
    expect(dead.lost.reason).toMatchObject({ code: 'CLAIM_LOST' });
    await worker[Symbol.asyncDispose]();
    await dead[Symbol.asyncDispose]();
  });

  test.concurrent('outlives a cut connection when nobody else has taken it', async () => {
    await using schema = await createSchema(url);
    const table = tableOf(schema.name);
    await using claim = await takeClaim(server, { table, migration }, never);
    await using watcher = await server.openSession({}, never);
    const holder = await findClaimHolder(watcher, claimName(server, table), never);
    await schema.application.run(`KILL ${holder}`);
    await expect.poll(() => findClaimHolder(watcher, claimName(server, table), never)).not.toBe(holder);
    await expect.poll(() => findClaimHolder(watcher, claimName(server, table), never)).not.toBe(null);
    await using session = await claim.openSession({}, never);
    await claim.check(session, never);
    expect(claim.lost.aborted).toBe(false);
  });

  test.concurrent('outlives a crash and restart of the server', async () => {
    await using own = await startServer({ flavour });
    await using adapter = await openAdapter(own.url);
    {
      await using session = await adapter.openSession({}, never);
      await createBookkeeping(session, [], never);
    }
    await using claim = await takeClaim(adapter, { table: tableOf('shop'), migration }, never);
    await own.kill9();
    await own.restart();
    const held = async (): Promise<boolean> => {
      await using session = await claim.openSession({}, never);
      await claim.check(session, never);
      return true;
    };
    await expect.poll(() => held().catch(() => false)).toBe(true);
    expect(claim.lost.aborted).toBe(false);
  });

  test.concurrent('is lost when another run took it while the connection was down', async () => {
    await using schema = await createSchema(url);
    const table = tableOf(schema.name);
    await using claim = await takeClaim(server, { table, migration }, never);
    await using working = await claim.openSession({}, never);
    await using watcher = await server.openSession({}, never);
    const holder = await findClaimHolder(watcher, claimName(server, table), never);
    await schema.application.run(`KILL ${holder}`);
    await using successor = await takeClaim(server, { table, migration }, never);
    await expect.poll(() => claim.lost.aborted).toBe(true);
    expect(claim.lost.reason).toMatchObject({ code: 'CLAIM_LOST' });
    await expect(working.query('SELECT 1', never)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(claim.openSession({}, never)).rejects.toMatchObject({ code: 'CLAIM_LOST' });
    expect(successor.lost.aborted).toBe(false);
  });

  test('takes names that the server holds for the same table as the same', () => {
    const table = { schema: 'Shop', table: 'Orders' };
    const lower = { schema: 'shop', table: 'orders' };
    expect(claimName({ ignoresNameCase: true }, table)).toBe(claimName({ ignoresNameCase: true }, lower));
    expect(claimName({ ignoresNameCase: false }, table)).not.toBe(claimName({ ignoresNameCase: false }, lower));
    expect(claimName({ ignoresNameCase: true }, table)).toMatch(/^tableshift:[0-9a-f]{32}$/);
  });
});

function tableOf(schema: string): TableName {
  return { schema, table: 'orders' };
}
