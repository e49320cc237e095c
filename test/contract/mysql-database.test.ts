/** The MySQL adapter as a whole: claims, records, and a migration by a user who may do no more than is documented. */
import { MigrationError } from '../../src/engine/errors.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { runMigration } from '../../src/engine/migration.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import type { MigrationId, Plan } from '../../src/engine/model.ts';
import type { Database } from '../../src/engine/ports.ts';
import { openDatabase } from '../../src/mysql/database.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { createSchema, never } from '../support/adapter-server.ts';
import { createBusyTable, readBusyRows, startWriters } from '../support/busy-rows.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { startProxy } from '../support/tcp-proxy.ts';

const login = { defaultsFile: null, password: null, home: null };

describe.each(['mysql', 'mariadb'] as const)('the adapter on %s', (flavour) => {
  const url = sharedServer(flavour);
  let database: Database;
  beforeAll(async () => {
    database = await openDatabase(url, login, never);
  });
  afterAll(() => database[Symbol.asyncDispose]());

  test('migrates a table under writers, as a user with the documented privileges only', async () => {
    await using schema = await createSchema(url);
    await createBusyTable(schema.application, schema.name);
    const user = `'${schema.name}'@'%'`;
    const xa = flavour === 'mysql' ? ', XA_RECOVER_ADMIN' : '';
    await schema.application.run(`CREATE USER ${user} IDENTIFIED BY 'geheim ü@:/'`);
    await schema.application.run(`GRANT REPLICATION SLAVE, REPLICATION CLIENT, PROCESS${xa} ON *.* TO ${user}`);
    await schema.application.run(
      `GRANT SELECT, INSERT, DELETE, CREATE, ALTER, DROP, LOCK TABLES, CREATE TEMPORARY TABLES, TRIGGER ON ${schema.name}.* TO ${user}`,
    );
    await schema.application.run(`GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON tableshift.* TO ${user}`);
    const { host } = new URL(url);
    const limited = `${flavour}://${schema.name}:${encodeURIComponent('geheim ü@:/')}@${host}/${schema.name}`;
    {
      await using own = await openDatabase(limited, login, never);
      const writers = startWriters(url, schema.name, 3);
      const plan = await planOrders(own, schema.name);
      expect(await own.findObstacles(plan, never)).toEqual([]);
      await using claim = await own.claim(plan, 'start', never);
      const result = await runMigration(
        { plan, claim, clock: systemClock, controls: new Controls(DEFAULT_OPTIONS), signals: [], observer: () => undefined },
        never,
      );
      await writers.stop();
      expect(result.blockedMs).toBeGreaterThan(0);
      expect(await readBusyRows(schema.application, schema.name)).toEqual(writers.expected);
    }
    await schema.application.run(`DROP USER ${user}`);
  });

  test('records a migration when it is claimed, shows whether it runs, and finds it again for a resume', async () => {
    await using schema = await createSchema(url);
    await createBusyTable(schema.application, schema.name);
    const plan = await planOrders(database, schema.name);
    const record = async (): Promise<unknown> => (await database.listMigrations(never)).find(({ id }) => id === plan.id);
    expect(await record()).toBe(undefined);
    {
      await using claim = await database.claim(plan, 'start', never);
      expect(await record()).toMatchObject({ plan, state: 'open', isRunning: true, checkpoint: null, failure: null });
      await expect(database.claim(plan, 'resume', never)).rejects.toMatchObject({ code: 'TABLE_CLAIMED' });
      await claim.checkpoints.conclude('open', new MigrationError('INTERRUPTED', 'ended by a signal'), never);
    }
    expect(await record()).toMatchObject({ state: 'open', isRunning: false, failure: 'INTERRUPTED: ended by a signal' });
    {
      await using claim = await database.claim(plan, 'resume', never);
      expect(await record()).toMatchObject({ state: 'open', isRunning: true, failure: null });
      await claim.checkpoints.conclude('aborted', null, never);
    }
    expect(await record()).toMatchObject({ state: 'aborted', isRunning: false });
  });

  test('refuses a second migration of a table whose first is unfinished, and a resume of what is not recorded so', async () => {
    await using schema = await createSchema(url);
    await createBusyTable(schema.application, schema.name);
    const plan = await planOrders(database, schema.name);
    {
      await using claim = await database.claim(plan, 'start', never);
      expect(claim.lost.aborted).toBe(false);
    }
    const other: Plan = { ...plan, id: `${plan.id.slice(0, 20)}x` as MigrationId };
    await expect(database.claim(other, 'start', never)).rejects.toMatchObject({
      code: 'OBSTACLE',
      obstacles: [{ code: 'MIGRATION_OPEN', message: `Migration ${plan.id} of ${schema.name}.orders is unfinished.` }],
    });
    await expect(database.claim(other, 'resume', never)).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' });
    await expect(database.claim({ ...plan, hash: 'another' }, 'resume', never)).rejects.toMatchObject({ code: 'PLAN_CHANGED' });
    await using claim = await database.claim(plan, 'resume', never);
    await claim.checkpoints.conclude('aborted', null, never);
  });

  test('lists migrations with one look at the process list, however many of them run', async () => {
    await using schema = await createSchema(url);
    await using another = await createSchema(url);
    for (const { name } of [schema, another]) await createBusyTable(schema.application, name);
    const plans = [await planOrders(database, schema.name), await planOrders(database, another.name)];
    const looks: string[] = [];
    await using proxy = await startProxy(url, (packet) => {
      if (packet.endsWith('SHOW PROCESSLIST')) looks.push(packet);
      return 'pass';
    });
    await using own = await openDatabase(`${proxy.url}?ssl-mode=DISABLED`, login, never);
    const claims = await Promise.all(plans.map((plan) => database.claim(plan, 'start', never)));
    looks.length = 0;
    const listed = (await own.listMigrations(never)).filter(({ id }) => plans.some((plan) => plan.id === id));
    expect(listed).toHaveLength(2);
    for (const one of listed) expect(one).toMatchObject({ isRunning: true, lastRun: { silentMs: expect.any(Number) } });
    expect(looks).toHaveLength(1);
    for (const claim of claims) {
      await claim.checkpoints.conclude('aborted', null, never);
      await claim[Symbol.asyncDispose]();
    }
  });

  test('takes away the sentry that a cutover of a dead run has left', async () => {
    await using schema = await createSchema(url);
    await createBusyTable(schema.application, schema.name);
    const plan = await planOrders(database, schema.name);
    const tables = async (): Promise<unknown> => (await schema.application.run(`SHOW TABLES FROM ${schema.name}`)).length;
    {
      await using claim = await database.claim(plan, 'start', never);
      expect(claim.lost.aborted).toBe(false);
    }
    await schema.application.run(
      `CREATE TABLE ${schema.name}.${plan.retired.table} (id INT) COMMENT 'TableShift: keeps the name for migration ${plan.id}'`,
    );
    expect(await tables()).toBe(2);
    await using claim = await database.claim(plan, 'resume', never);
    expect(await tables()).toBe(1);
    await claim.checkpoints.conclude('aborted', null, never);
  });

  test('samples the running threads as a reason to slow down', async () => {
    await using schema = await createSchema(url);
    await createBusyTable(schema.application, schema.name);
    await using claim = await database.claim(await planOrders(database, schema.name), 'start', never);
    const [signal] = claim.throttleSignals;
    const sample = await signal?.sample(never);
    expect(signal?.name).toBe('running threads');
    expect(sample?.detail).toMatch(/^\d+ threads are running, the limit is 64$/);
    expect(sample?.pressure).toBeGreaterThan(0);
    await claim.checkpoints.conclude('aborted', null, never);
  });
});

function planOrders(database: Database, schema: string): Promise<Plan> {
  const request = {
    table: { schema, table: 'orders' },
    clauses: 'ADD COLUMN extra INT NOT NULL DEFAULT 7, ADD KEY (v)',
    options: { deferIndexes: 'auto' as const, key: null },
  };
  return database.plan(request, never);
}
