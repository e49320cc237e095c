/** Triggers of the table on MySQL and MariaDB: they come with the swap, and no write passes without them. */
import { describe, expect, test } from 'vitest';
import type { Cutover, RowWriter } from '../../src/engine/ports.ts';
import { migrate } from '../../src/index.ts';
import { createSchema, never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { claimTable, keysThrough, reclaimTable, swapTables } from '../support/claimed-table.ts';
import { killedClient } from '../support/killed-client.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { startServer } from '../support/servers.ts';
import { startProxy } from '../support/tcp-proxy.ts';
import { countedKeys, openTriggerShop, startCountingWriters } from '../support/trigger-shop.ts';

/** Transactions of tests beside these, on the same server, are no matter. */
const limits = { lockTimeoutMs: 3_000, holdTimeoutMs: 10_000, oldSnapshots: 'ignore' } as const;
const clauses = 'ADD COLUMN extra INT NOT NULL DEFAULT 7 FIRST';

test('a swap in two sessions is called off for who waits to drop a trigger of the table, which names no table', async () => {
  const url = sharedServer('mariadb');
  await using server = await openAdapter(url);
  await using schema = await createSchema(url);
  const { application, name } = schema;
  await application.run(`CREATE TABLE ${name}.orders (id INT PRIMARY KEY, v INT)`);
  await application.run(`CREATE TRIGGER ${name}.doubled BEFORE INSERT ON ${name}.orders FOR EACH ROW SET NEW.v = 2 * NEW.v`);
  await using claimed = await claimTable(server, { schema: name, table: 'orders', clauses });
  await using other = await openApplication(url);
  const isWaiting = `SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ${other.connectionId} AND STATE LIKE '%metadata lock'`;
  let dropping: Promise<unknown> = Promise.resolve();
  const whileDropped = async (): Promise<void> => {
    dropping = other.run(`DROP TRIGGER ${name}.doubled`);
    await expect.poll(() => application.run(isWaiting)).toHaveLength(1);
  };
  const reason = `connection ${other.connectionId} waits to change the table: DROP TRIGGER ${name}.doubled`;
  expect(await claimed.cutover.attempt(limits, whileDropped, never)).toEqual({ kind: 'prevented', reason, blockers: [] });
  await dropping;
  await swapTables(claimed.cutover, limits);
  await claimed.cutover.settle(() => undefined, never);
  expect(await application.run(`SHOW TRIGGERS FROM ${name}`)).toEqual([]);
});

test('a RENAME that MariaDB carries out is let end by itself, or the table would be one that nobody can use', async () => {
  // Others on a shared server would wait for the prepared transaction.
  await using own = await startServer({ flavour: 'mariadb' });
  await using server = await openAdapter(own.url);
  await using schema = await createSchema(own.url);
  const { application } = schema;
  await application.run(`USE ${schema.name}`);
  // For longer than it takes when it need not wait.
  const isInside = "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE 'RENAME%' AND TIME_MS > 500";
  for (const prepared of ['t', 's']) {
    for (const table of ['t', 's']) {
      await application.run(`CREATE TABLE ${table} (id INT PRIMARY KEY)`);
      await application.run(`CREATE TRIGGER fires_${table} AFTER INSERT ON ${table} FOR EACH ROW SET @fired = NEW.id`);
    }
    const client = await openApplication(own.url);
    const change = `INSERT INTO ${schema.name}.${prepared} VALUES (1)`;
    for (const statement of ["XA START 'a'", change, "XA END 'a'", "XA PREPARE 'a'"]) await client.run(statement);
    await client[Symbol.asyncDispose]();
    const isConnected = `SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ${client.connectionId}`;
    await expect.poll(() => application.run(isConnected)).toEqual([]);

    await using session = await server.openSession({ schema: schema.name, settings: ['innodb_lock_wait_timeout = 2'] }, never);
    const abort = new AbortController();
    const renaming = session.execute('RENAME TABLE t TO u, s TO t', abort.signal).then(
      () => 'done',
      () => 'ended',
    );
    await expect.poll(() => application.run(isInside)).toHaveLength(1);
    if (prepared === 't') await session.kill();
    else abort.abort();
    expect(await renaming).toBe('ended');
    await application.run("XA ROLLBACK 'a'");
    await application.run('INSERT INTO t VALUES (2)');
    expect(await application.run('SELECT @fired AS fired')).toEqual([{ fired: 2 }]);
    await application.run('DROP TABLE t, s');
  }
});

describe.each(['mysql', 'mariadb'] as const)('triggers on %s', (flavour) => {
  const url = sharedServer(flavour);

  test('are after a migration as they were, and have fired once for each write meanwhile, also of other triggers', async () => {
    await using shop = await openTriggerShop(url);
    await shop.run("INSERT INTO orders SELECT 100 + seq, seq, '' FROM (SELECT 1 AS seq UNION SELECT 2) AS numbers");
    const before = await shop.triggers();
    const writers = startCountingWriters(url, shop);
    let fed = 0;
    const feeding: Promise<unknown>[] = [];
    await migrate({
      url,
      table: `${shop.name}.orders`,
      alter: clauses,
      strategy: 'shadow',
      observer: (event) => {
        if (event.kind === 'phase-entered') feeding.push(shop.run(`INSERT INTO feed VALUES (${-(fed += 1)})`));
      },
    });
    await Promise.all(feeding);
    await writers.goOn(20);
    const expected = new Map(await writers.stop());
    for (const number of [1, 2, ...Array.from({ length: fed }, (_, index) => -1 - index)]) expected.set(`insert ${number}`, 1);
    expect(await shop.triggers()).toEqual(before);
    expect(await shop.firings()).toEqual(expected);
    expect(await shop.run(`SELECT id, note, extra FROM orders WHERE id < 0 OR id > ${countedKeys} ORDER BY id DESC`)).toEqual(
      [102, 101, ...Array.from({ length: fed }, (_, index) => -1 - index)].map((id) => ({ id, note: '\\ü;', extra: 7 })),
    );
  });
  // Where the process is killed: before the server gets the statement, or right after.
  const places = [
    ['the making of a stand-in', /a stand-in for/, 'cut-after'],
    ['the swap', /RENAME TABLE/, 'cut-before'],
    ['the swap', /RENAME TABLE/, 'cut-after'],
    ['the drop of the retired trigger', /DROP TRIGGER `inserted/, 'cut-after'],
    ['the making of the trigger', /TRIGGER `?inserted.*PRECEDES/s, 'cut-after'],
    ['the drop of a stand-in', /DROP TRIGGER `tableshift/, 'cut-after'],
  ] as const;

  test.concurrent.each(places)(
    'fire once for each write when the process dies at %s (%s, %s), and a resume puts them right',
    async (place, ...kill) => {
      await using shop = await openTriggerShop(url);
      const before = await shop.triggers();
      const client = killedClient(...kill);
      await using proxy = await startProxy(`${url}?ssl-mode=DISABLED`, client.judge);
      await using far = await openAdapter(proxy.url);
      const change = { schema: shop.name, table: 'orders', clauses };
      // A transaction that began to read before the swap still sees the catalog of that time.
      await using old = await openApplication(url);
      await old.run('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      await old.run('BEGIN');
      await old.run(`SELECT * FROM ${shop.name}.feed`);
      const writers = startCountingWriters(url, shop);
      const orders = await claimTable(far, change);
      client.arm();
      const dying = swapAndSettle(orders.cutover).catch(() => undefined);
      await client.killed;
      await writers.goOn(20);
      await old.run(`INSERT INTO ${shop.name}.orders (id, v, note) VALUES (500, 500, '')`);
      await old.run('COMMIT');

      await using server = await openAdapter(url);
      const successor = await reclaimTable(server, orders.plan);
      if (!(await successor.cutover.hasSwapped(never))) {
        await successor.pair.createShadow(never);
        await successor.pair.copyRange({ after: null, through: null }, 'collide', never);
      }
      if (!(await successor.cutover.hasSwapped(never))) await swapTables(successor.cutover, limits, drain);
      const left = await successor.cutover.unsettled(never);
      const settled: string[] = [];
      await successor.cutover.settle((what) => settled.push(what), never);
      expect(settled).toEqual(left);
      expect(await successor.cutover.unsettled(never)).toEqual([]);
      const expected = await writers.stop();
      expect(await shop.triggers()).toEqual(before);
      // MySQL shows that transaction no trigger that was made after it began to read (docs/decisions/mysql-triggers.md).
      const isTwice = flavour === 'mysql' && place === 'the making of the trigger';
      expect(await shop.firings()).toEqual(new Map([...expected, ['insert 500', isTwice ? 2 : 1]]));
      await successor[Symbol.asyncDispose]();
      client.disarm();
      await dying;
      await orders[Symbol.asyncDispose]();
    },
  );
});

async function swapAndSettle(cutover: Cutover): Promise<void> {
  await swapTables(cutover, limits, drain);
  await cutover.settle(() => undefined, never);
}

/** Brings every row up to date that writers can have touched. */
async function drain(locked: RowWriter): Promise<void> {
  const keys = [...keysThrough(countedKeys), ...keysThrough(500).slice(-1)];
  await locked.deleteRows(keys, never);
  await locked.insertRows(keys, never);
}
