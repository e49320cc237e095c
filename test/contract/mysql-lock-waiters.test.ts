/** Who waits for a lock of ours on MySQL and MariaDB, as a reason to rest. */
import { describe, expect, test } from 'vitest';
import { lockWaiters } from '../../src/mysql/lock-waiters.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { createSchema, never, openAdapter, openApplication, type Application } from '../support/adapter-server.ts';
import { claimTable } from '../support/claimed-table.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';

const nobody = { pressure: 0, detail: 'nobody waits for a lock of ours' };

describe.each(['mysql', 'mariadb'] as const)('on %s', (flavour) => {
  const url = sharedServer(flavour);

  test('who waits for our session is a stop and is named, who waits for others is none', async () => {
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    const table = `${schema.name}.orders`;
    await schema.application.run(`CREATE TABLE ${table} (id INT PRIMARY KEY, v INT)`);
    await using orders = await claimTable(server, { schema: schema.name, table: 'orders', clauses: 'ADD b INT' });
    await using pool = createSessionPool({ sizeMax: 2, open: (signal) => orders.claim.openSession({}, signal) });
    const signal = lockWaiters({ pool, server, plan: orders.plan, clock: systemClock });
    expect(await signal.sample(never)).toEqual(nobody);

    await using other = await openApplication(url);
    await using waiter = await openApplication(url);
    await other.run('BEGIN');
    await other.run(`SELECT * FROM ${table}`);
    const forOther = waiter.run(`LOCK TABLES ${table} WRITE`);
    await expect.poll(() => isWaiting(schema.application, waiter)).toBe(true);
    expect(await signal.sample(never)).toEqual(nobody);
    await other.run('ROLLBACK');
    await forOther;
    await waiter.run('UNLOCK TABLES');

    {
      await using ours = await orders.claim.openSession({}, never);
      await ours.execute('BEGIN', never);
      await ours.query(`SELECT COUNT(*) AS n FROM ${table}`, never);
      const forUs = waiter.run(`LOCK TABLES ${table} WRITE`);
      await expect.poll(() => isWaiting(schema.application, waiter)).toBe(true);
      const sample = await signal.sample(never);
      expect(sample.pressure).toBe(1);
      expect(sample.detail).toMatch(
        new RegExp(
          `^waiting for a lock of ours: connection ${waiter.connectionId} of root from \\S+, waiting for \\d+ s: LOCK TABLES ${table} WRITE$`,
        ),
      );
      await ours.execute('ROLLBACK', never);
      await forUs;
      await waiter.run('UNLOCK TABLES');
    }
    expect(await signal.sample(never)).toEqual(nobody);
  });
});

test('the thread of MySQL that gathers statistics may wait for our lock, and is no reason to rest', async () => {
  const url = sharedServer('mysql');
  await using server = await openAdapter(url);
  await using schema = await createSchema(url);
  const table = `${schema.name}.t`;
  await schema.application.run(`CREATE TABLE ${table} (id INT PRIMARY KEY, v INT)`);
  await using claimed = await claimTable(server, { schema: schema.name, table: 't', clauses: 'ADD b INT' });
  await using pool = createSessionPool({ sizeMax: 1, open: (signal) => claimed.claim.openSession({}, signal) });
  const signal = lockWaiters({ pool, server, plan: claimed.plan, clock: systemClock });
  await using ours = await claimed.claim.openSession({}, never);
  await ours.execute(`LOCK TABLES ${table} WRITE`, never);
  const values = Array.from({ length: 500 }, (_, id) => `(${id}, 0)`);
  await ours.execute(`INSERT INTO ${table} VALUES ${values.join(', ')}`, never);
  const waiting = `SELECT t.NAME AS name FROM performance_schema.metadata_locks AS w
     JOIN performance_schema.threads AS t ON t.THREAD_ID = w.OWNER_THREAD_ID
     WHERE w.LOCK_STATUS = 'PENDING' AND w.OBJECT_SCHEMA = '${schema.name}'`;
  await expect
    .poll(() => schema.application.run(waiting), { timeout: 30_000 })
    .toEqual([{ name: 'thread/innodb/dict_stats_thread' }]);
  expect(await signal.sample(never)).toEqual(nobody);
  await ours.execute('UNLOCK TABLES', never);
});

test('a user who may not look, and a MariaDB without the plug-in, get no answer, which is no reason to rest', async () => {
  const untold = { pressure: 0, detail: 'the server does not tell who waits for locks' };
  await using schema = await createSchema(sharedServer('mysql'));
  await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
  await using owner = await openAdapter(sharedServer('mysql'));
  await using orders = await claimTable(owner, { schema: schema.name, table: 't', clauses: 'ADD b INT' });
  const user = `${schema.name}_user`;
  await schema.application.run(`CREATE USER ${user}@'%' IDENTIFIED BY ''`);
  await schema.application.run(`GRANT SELECT ON ${schema.name}.* TO ${user}@'%'`);
  const limited = new URL(sharedServer('mysql'));
  limited.username = user;
  await using mariadb = await startServer({ flavour: 'mariadb', extraFlags: ['--metadata-lock-info=OFF'] });
  for (const url of [limited.href, mariadb.url]) {
    await using server = await openAdapter(url);
    await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
    const signal = lockWaiters({ pool, server, plan: orders.plan, clock: systemClock });
    await using blocker = await openApplication(url === mariadb.url ? url : sharedServer('mysql'));
    await using waiter = await openApplication(url === mariadb.url ? url : sharedServer('mysql'));
    if (url === mariadb.url) {
      await blocker.run(`CREATE DATABASE ${schema.name}`);
      await blocker.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    }
    await blocker.run(`LOCK TABLES ${schema.name}.t READ`);
    const waiting = waiter.run(`LOCK TABLES ${schema.name}.t WRITE`);
    await expect.poll(() => isWaiting(blocker, waiter)).toBe(true);
    expect(await signal.sample(never)).toEqual(untold);
    expect(await signal.sample(never)).toEqual(untold);
    await blocker.run('UNLOCK TABLES');
    await waiting;
    await waiter.run('UNLOCK TABLES');
  }
  await schema.application.run(`DROP USER ${user}@'%'`);
});

/** Whether this connection waits for a metadata lock. */
async function isWaiting(application: Application, { connectionId }: Application): Promise<boolean> {
  const rows = await application.run('SHOW PROCESSLIST');
  return rows.some((row) => row['Id'] === connectionId && row['State'] === 'Waiting for table metadata lock');
}
