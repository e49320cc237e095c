/** Replicas that nobody named, as the server tells of them. */
import { expect, test } from 'vitest';
import { migrate, planMigration } from '../../src/index.ts';
import { fenceTableDefinition } from '../../src/mysql/binlog-fences.ts';
import { createBookkeeping } from '../../src/mysql/bookkeeping.ts';
import { type FoundReplicas, foundReplicas } from '../../src/mysql/found-replicas.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { bookkeepingSchema } from '../../src/sessions/bookkeeping.ts';
import { never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { type Server, type ServerOptions, startServer } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

interface Source extends AsyncDisposable {
  /** With a limit of two seconds. */
  find(named?: readonly string[]): FoundReplicas;
}

async function openSource(url: string): Promise<Source> {
  const server = await openAdapter(url);
  const source = createSessionPool({ sizeMax: 3, open: (signal) => server.openSession({}, signal) });
  await source.withSession((session) => createBookkeeping(session, [fenceTableDefinition(bookkeepingSchema)], never), never);
  return {
    find: (named = []) => foundReplicas({ server, source, lagMaxMs: () => 2_000, clock: systemClock, named }),
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** MySQL tells of each replica, MariaDB only of those that say where they are. */
function replicaOptions(flavour: 'mysql' | 'mariadb', replicaOf: Server): ServerOptions {
  return { flavour, replicaOf, ...(flavour === 'mariadb' ? { extraFlags: ['--report-host=127.0.0.1'] } : {}) };
}

describeSideBySide(['mysql', 'mariadb'], 'found replicas on', (flavour) => {
  test('are waited for like those that are named, and are told', async () => {
    await using server = await startServer({ flavour });
    await using replica = await startServer(replicaOptions(flavour, server));
    await using source = await openSource(server.url);
    await using found = source.find();
    const name = `127.0.0.1:${replica.port}`;
    await expect
      .poll(() => found.sample(never))
      .toEqual({
        pressure: 0,
        lag: { ms: 0, limitMs: 2000 },
        detail: `replica ${name}: it is 0.0 s behind, the limit is 2 s`,
        notice: `copying waits for ${name}, which follow this server, to be less than 2 s behind`,
      });
    await using application = await openApplication(replica.url);
    await application.run(flavour === 'mysql' ? 'STOP REPLICA SQL_THREAD' : 'STOP SLAVE SQL_THREAD');
    expect(await found.sample(never)).toMatchObject({
      pressure: 1,
      detail: `replica ${name}: it does not replicate at the moment`,
    });
  });

  test('that the login of the run may not ask are a warning and no stop', async () => {
    await using server = await startServer({ flavour });
    await using application = await openApplication(server.url);
    await application.run('SET sql_log_bin = 0');
    await application.run(`CREATE USER tableshift@'%' IDENTIFIED BY ''`);
    await application.run(`GRANT ALL ON *.* TO tableshift@'%'`);
    await using replica = await startServer(replicaOptions(flavour, server));
    await using source = await openSource(server.url.replace('root@', 'tableshift@'));
    await using found = source.find();
    const { warning, ...sample } = await found.sample(never);
    expect(sample).toEqual({ pressure: 0, detail: 'there is none to wait for' });
    expect(warning).toMatch(
      new RegExp(`^replica 127\\.0\\.0\\.1:${replica.port} cannot be asked: .*Access denied.*--replicas`),
    );
  });

  test('that are delayed on purpose are not waited for', async () => {
    await using server = await startServer({ flavour });
    await using replica = await startServer(replicaOptions(flavour, server));
    await using application = await openApplication(replica.url);
    for (const statement of {
      mysql: ['STOP REPLICA', 'CHANGE REPLICATION SOURCE TO SOURCE_DELAY = 3600', 'START REPLICA'],
      mariadb: ['STOP SLAVE', 'CHANGE MASTER TO MASTER_DELAY = 3600', 'START SLAVE'],
    }[flavour]) {
      await application.run(statement);
    }
    await using source = await openSource(server.url);
    await using observer = await openApplication(server.url);
    const list = flavour === 'mysql' ? 'SHOW REPLICAS' : 'SHOW SLAVE HOSTS';
    await expect.poll(() => observer.run(list)).toHaveLength(1);
    await using found = source.find();
    const { pressure, warning } = await found.sample(never);
    expect(pressure).toBe(0);
    expect(warning).toContain('it is delayed on purpose, by 3600 s');
  });

  test('that are named have a signal of their own, and are left to it', async () => {
    await using server = await startServer({ flavour });
    await using replica = await startServer(replicaOptions(flavour, server));
    await using source = await openSource(server.url);
    await using found = source.find([`127.0.0.1:${replica.port}`]);
    expect(await found.sample(never)).toEqual({ pressure: 0, detail: 'there is none to wait for' });
  });

  test('that filter by database get all of a migration, and those that would get half of it are an obstacle', async () => {
    await using server = await startServer({ flavour });
    const options = replicaOptions(flavour, server);
    const extraFlags = [...(options.extraFlags ?? []), '--replicate-do-db=shop'];
    await using replica = await startServer({ ...options, extraFlags });
    await using application = await openApplication(server.url);
    await application.run('CREATE DATABASE shop');
    await application.run('USE shop');
    await application.run('CREATE TABLE t (id INT PRIMARY KEY, a INT)');
    await application.run('INSERT INTO t VALUES (1, 10)');
    const change = { url: `${server.url}shop`, strategy: 'shadow' } as const;
    await migrate({ ...change, alter: 'ALTER TABLE t MODIFY a BIGINT' });
    await application.run('INSERT INTO t VALUES (2, 4000000000)');
    await using follower = await openApplication(replica.url);
    const read = async (): Promise<unknown> => await follower.run('SELECT * FROM shop.t ORDER BY id').catch(() => null);
    await expect.poll(read).toEqual([
      { id: 1, a: 10 },
      { id: 2, a: 4000000000 },
    ]);
    for (const statement of {
      mysql: ['STOP REPLICA SQL_THREAD', 'CHANGE REPLICATION FILTER REPLICATE_DO_TABLE = (shop.t)', 'START REPLICA'],
      mariadb: ['STOP SLAVE', "SET GLOBAL replicate_do_table = 'shop.t'", 'START SLAVE'],
    }[flavour]) {
      await follower.run(statement);
    }
    const asked = { ...change, alter: 'ALTER TABLE t MODIFY a DECIMAL(12)' };
    for (const how of [{ isFindingReplicas: true }, { isFindingReplicas: false, replicas: [replica.url] }]) {
      const { obstacles } = await planMigration({ ...asked, ...how });
      expect(obstacles).toEqual([
        { code: 'REPLICA_FILTERED', message: expect.stringContaining(`127.0.0.1:${replica.port} applies`) },
      ]);
    }
  });

  test('that die are no stop any more', async () => {
    await using server = await startServer({ flavour });
    await using replica = await startServer(replicaOptions(flavour, server));
    await using source = await openSource(server.url);
    await using found = source.find();
    await expect.poll(async () => (await found.sample(never)).notice).toBeDefined();
    await replica.kill9();
    const { pressure, warning } = await found.sample(never);
    expect(pressure).toBe(0);
    expect(warning).toContain(`127.0.0.1:${replica.port} cannot be asked: `);
  });
});
