/** What keeps a shadow from being made or finished for a while: writes that outgrow the build of its indexes, and a backup. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import { keyColumns, readTable } from '../../src/mysql/catalog.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import { openTablePair } from '../../src/mysql/table-pair.ts';
import { openPair } from '../support/adapter-pair.ts';
import { type Application, never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { type Server as TestServer, startServer } from '../support/servers.ts';

const everything = { after: null, through: null };

describe.each(['mysql', 'mariadb'] as const)('on %s', (flavour) => {
  let process: TestServer;
  let server: Server;
  beforeAll(async () => {
    // As small as they can be.
    const extraFlags = ['--innodb-online-alter-log-max-size=65536', '--innodb-sort-buffer-size=65536'];
    process = await startServer({ flavour, extraFlags });
    server = await openAdapter(process.url);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await process[Symbol.asyncDispose]();
  });

  /** Asks again until somebody waits for a lock on the metadata of a table. */
  const waitsInLine = async (application: Application, statement: string): Promise<void> => {
    const sql = `SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for%lock' AND INFO LIKE '${statement}%'`;
    while ((await application.run(sql)).length === 0);
  };

  test('an index build that more is written to than the server keeps is done again, and changes wait for it', async () => {
    await using t = await openPair({
      server,
      url: process.url,
      before: [
        'CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(80), v INT, KEY by_a (a))',
        'CREATE TABLE digits (n INT PRIMARY KEY)',
        'INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)',
        `INSERT INTO t SELECT n, SHA2(n, 256), n FROM (
           SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 1 AS n
           FROM digits a, digits b, digits c, digits d, (SELECT n FROM digits WHERE n < 6) e) AS numbers`,
      ],
      clauses: 'MODIFY v BIGINT',
      options: { deferIndexes: 'always' },
    });
    await t.pair.copyRange(everything, 'collide', never);
    await using user = await openApplication(process.url);
    await using writer = await openApplication(process.url);
    for (const one of [user, writer]) await one.run(`USE ${t.schema.name}`);

    // The build waits for the user at its begin; the writer stands behind it in the line, and writes as soon as it has begun.
    await user.run('BEGIN');
    await user.run('SELECT 1 FROM t_ts_new LIMIT 1');
    const building = new AbortController();
    const first = t.pair.finishShadow(never).finally(() => {
      building.abort();
    });
    const failed = expect(first).rejects.toMatchObject({
      code: 'SERVER_BUSY',
      message: expect.stringContaining('innodb_online_alter_log_max_size'),
    });
    await waitsInLine(t.application, 'ALTER TABLE');
    const write = async (): Promise<void> => {
      // In transactions of their own: MariaDB logs the writes of each for the build when it is committed.
      while (!building.signal.aborted) await writer.run("UPDATE t_ts_new SET a = CONCAT(SUBSTR(a, 2), 'x') WHERE id <= 1000");
    };
    const written = write();
    await waitsInLine(t.application, 'UPDATE t_ts_new');
    await user.run('COMMIT');
    await written;
    await failed;
    await writer.run('UPDATE t_ts_new SET a = SHA2(id, 256)');

    await user.run('BEGIN');
    await user.run('SELECT 1 FROM t_ts_new LIMIT 1');
    const done: string[] = [];
    const second = t.pair.finishShadow(never).then(() => done.push('finished'));
    await waitsInLine(t.application, 'ALTER TABLE');
    const change = t.pair.deleteRows(['7' as RowKey], never).then(() => done.push('changed'));
    await user.run('COMMIT');
    await Promise.all([second, change]);
    expect(done).toEqual(['finished', 'changed']);
    expect(await t.pair.insertRows(['7' as RowKey], never)).toBe('inserted');
    expect((await t.pair.compareRange(everything, never)).isEqual).toBe(true);
    expect(await t.application.run("SHOW INDEX FROM t_ts_new WHERE Key_name = 'by_a'")).toHaveLength(1);
  });

  test('a backup that lets nobody define tables is told of, and the shadow can be made and finished after it', async () => {
    await using t = await openPair({
      server,
      url: process.url,
      before: ['CREATE TABLE t (id INT PRIMARY KEY, v INT, KEY by_v (v))'],
      clauses: 'MODIFY v BIGINT',
      options: { deferIndexes: 'always' },
      createsShadow: false,
    });
    const settings = ['lock_wait_timeout = 1'];
    await using sessions = createSessionPool({ sizeMax: 2, open: (signal) => server.openSession({ settings }, signal) });
    const source = await sessions.withSession((session) => readTable(session, t.plan.source, never), never);
    if (source === null) throw new Error('The table is there.');
    const columns = keyColumns(source, t.plan.key.columns);
    const pair = await openTablePair({ plan: t.plan, keyColumns: columns, sessions, flavour: server.flavour }, never);
    const [begin, end] =
      flavour === 'mysql'
        ? [['LOCK INSTANCE FOR BACKUP'], 'UNLOCK INSTANCE']
        : [['BACKUP STAGE START', 'BACKUP STAGE BLOCK_DDL'], 'BACKUP STAGE END'];
    const held = {
      code: 'LOCK_WAIT',
      message: expect.stringContaining(flavour === 'mysql' ? `connection ${t.application.connectionId} of root` : 'error 1205'),
    };
    const finish = (): Promise<void> => pair.finishShadow(never);
    // With the index built already the statistics are left, which MySQL does not gather beside a backup.
    const statistics = flavour === 'mysql' ? [finish] : [];
    for (const work of [() => pair.createShadow(never), finish, ...statistics]) {
      for (const statement of begin) await t.application.run(statement);
      await expect(work()).rejects.toMatchObject(held);
      await t.application.run(end);
      await work();
    }
    expect(await t.application.run("SHOW INDEX FROM t_ts_new WHERE Key_name = 'by_v'")).toHaveLength(1);
  });
});
