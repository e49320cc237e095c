/** Settings and surroundings of a server that keep a migration from being safe. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freeDisk } from '../../src/mysql/free-disk.ts';
import { findObstacles } from '../../src/mysql/obstacles.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { createSchema, never, openAdapter } from '../support/adapter-server.ts';
import { obstaclesOf, plan, shown } from '../support/plan-request.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';

const flavours = ['mysql', 'mariadb'] as const;

describe.each(flavours)('the settings of %s', (flavour) => {
  test('are obstacles, each by itself', async () => {
    const common = [
      '--binlog-format=STATEMENT',
      '--binlog-row-image=MINIMAL',
      '--binlog-ignore-db=tableshift',
      '--read-only=1',
    ];
    const own = flavour === 'mysql' ? ['--binlog-order-commits=OFF', '--gtid-mode=OFF', '--enforce-gtid-consistency=OFF'] : [];
    await using process = await startServer({ flavour, extraFlags: [...common, ...own] });
    await using server = await openAdapter(process.url);
    await using schema = await createSchema(process.url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY, a INT NOT NULL UNIQUE)`);
    expect(await obstaclesOf(server, schema, 'DROP PRIMARY KEY')).toEqual([
      ['BINLOG_NOT_ROW', 'The server logs statements: binlog_format is STATEMENT.'],
      ...(flavour === 'mysql'
        ? [['BINLOG_ORDER_COMMITS_OFF', 'binlog_order_commits is OFF and so are GTIDs (gtid_mode).']]
        : []),
      ['NOT_A_SOURCE', 'The server takes no writes: read_only is ON.'],
      ['BINLOG_FILTERED', 'Changes in the database tableshift are not logged: binlog-ignore-db has it.'],
      ['MINIMAL_ROW_IMAGE', 'The log does not have the migration key a of each changed row: binlog_row_image is MINIMAL.'],
    ]);
    expect((await obstaclesOf(server, schema, 'ADD b INT')).map(([code]) => code)).not.toContain('MINIMAL_ROW_IMAGE');
    const longer = await obstaclesOf(server, schema, 'DROP INDEX a, DROP PRIMARY KEY, ADD PRIMARY KEY (id, a)');
    expect(longer.map(([code]) => code)).toContain('MINIMAL_ROW_IMAGE');
  });

  test('that keep the schema out of the log, or leave a run too few sessions, are obstacles', async () => {
    await using process = await startServer({ flavour, extraFlags: ['--binlog-do-db=elsewhere', '--binlog-do-db=tableshift'] });
    await using server = await openAdapter(process.url);
    await using schema = await createSchema(process.url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    const filtered = ['BINLOG_FILTERED', `Changes in the database ${schema.name} are not logged: binlog-do-db lacks it.`];
    expect(await obstaclesOf(server, schema, 'ADD b INT')).toEqual([filtered]);
    // One more is kept for a user like this.
    await schema.application.run('SET GLOBAL max_connections = 15');
    const few = /^A run needs up to 16 sessions, and the server has \d+ free \(max_connections\)\.$/;
    expect(await obstaclesOf(server, schema, 'ADD b INT')).toEqual([filtered, ['NO_FREE_SESSION', expect.stringMatching(few)]]);
  });

  test('that have a table lie in a directory of its own are an obstacle', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tableshift-data-'));
    const extraFlags = flavour === 'mysql' ? [`--innodb-directories=${directory}`] : [];
    await using process = await startServer({ flavour, extraFlags });
    await using server = await openAdapter(process.url);
    await using schema = await createSchema(process.url);
    await schema.application.run(
      `CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY) COMMENT = 'no DATA DIRECTORY' DATA DIRECTORY = '${directory}'`,
    );
    expect(await obstaclesOf(server, schema, 'ADD b INT')).toEqual([
      ['DATA_DIRECTORY', expect.stringContaining(`${schema.name}.t lies in ${directory}`)],
    ]);
    await schema.application.run(`DROP TABLE ${schema.name}.t`);
    await rm(directory, { recursive: true });
  });

  test('without a binary log are obstacles', async () => {
    await using process = await startServer({ flavour, extraFlags: ['--skip-log-bin'] });
    await using server = await openAdapter(process.url);
    await using schema = await createSchema(process.url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    const found = await obstaclesOf(server, schema, 'ADD b INT');
    expect(found[0]).toEqual(['LOG_BIN_OFF', 'The server writes no binary log (log_bin is OFF).']);
  });

  test('of a replica that logs nothing of its source are an obstacle, and its source defers no index', async () => {
    await using source = await startServer({ flavour });
    await using replica = await startServer({
      flavour,
      replicaOf: source,
      extraFlags:
        flavour === 'mysql'
          ? ['--super-read-only=0', '--read-only=0', '--log-replica-updates=0']
          : ['--read-only=0', '--log-slave-updates=0'],
    });
    await using server = await openAdapter(replica.url);
    await using schema = await createSchema(replica.url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    const expected = [
      ['NOT_A_SOURCE', 'The server is a replica and does not log what it applies (log_replica_updates is OFF).'],
    ];
    expect(await obstaclesOf(server, schema, 'ADD b INT')).toEqual(expected);
    await using followed = await openAdapter(source.url);
    await using original = await createSchema(source.url);
    await original.application.run(`CREATE TABLE ${original.name}.t (id INT PRIMARY KEY, a INT, KEY k (a))`);
    const made = await plan({ server: followed, schema: original, clauses: 'ADD b INT' });
    expect(made.deferredIndexes).toEqual([]);
    expect(made.notes).toContainEqual(expect.stringContaining('A replica is attached'));
    const asked = await plan({ server: followed, schema: original, clauses: 'ADD b INT', options: { deferIndexes: 'always' } });
    expect(asked.deferredIndexes).toEqual(['k']);
    if (flavour === 'mysql') return;
    // By a connection that has a name it is one too.
    for (const statement of ['STOP SLAVE', 'RESET SLAVE ALL', "CHANGE MASTER 'named' TO MASTER_HOST = '127.0.0.1'"])
      await schema.application.run(statement);
    expect(await obstaclesOf(server, schema, 'ADD b INT')).toEqual(expected);
  });
});

test('a disk that is too small is an obstacle where MariaDB can tell', async () => {
  await using process = await startServer({ flavour: 'mariadb' });
  await using server = await openAdapter(process.url);
  await using schema = await createSchema(process.url);
  await schema.application.run("INSTALL SONAME 'disks'");
  await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
  const made = await plan({ server, schema, clauses: 'ADD b INT' });
  expect(shown(await findObstacles(server, made, never))).toEqual([]);
  const huge = { ...made, estimate: { rows: 1, dataBytes: 2 ** 60, indexBytes: 0 } };
  expect(shown(await findObstacles(server, huge, never))).toEqual([
    ['DISK_SPACE', expect.stringMatching(/^The shadow needs about 1099511627776 MiB, and the server has \d+ MiB free\.$/)],
  ]);
  await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
  const signal = freeDisk({ pool, plan: made, clock: systemClock });
  expect(await signal.sample(never)).toMatchObject({
    pressure: 0,
    detail: expect.stringMatching(/^\d+ MiB of \d+ MiB are free$/),
  });
});

test.each(['mysql', 'mariadb'] as const)('a %s that cannot tell its disk is no reason to rest', async (flavour) => {
  await using server = await openAdapter(sharedServer(flavour));
  await using schema = await createSchema(sharedServer(flavour));
  await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
  await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
  const signal = freeDisk({ pool, plan: await plan({ server, schema, clauses: 'ADD b INT' }), clock: systemClock });
  expect(await signal.sample(never)).toEqual({ pressure: 0, detail: 'the server does not tell how much is free' });
});

test.each([
  ['mysql', '--binlog-expire-logs-seconds=7200', '2 h (binlog_expire_logs_seconds)'],
  ['mariadb', '--expire-logs-days=0.5', '12 h (binlog_expire_logs_seconds)'],
] as const)('the plan on %s says when the log is kept for less than a day', async (flavour, flag, kept) => {
  await using process = await startServer({ flavour, extraFlags: [flag] });
  await using server = await openAdapter(process.url);
  await using schema = await createSchema(process.url);
  await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
  const note = `The server keeps its binary log for ${kept}: a run that is interrupted for longer cannot be resumed.`;
  expect((await plan({ server, schema, clauses: 'ADD b INT' })).notes).toContain(note);
  const day = flavour === 'mysql' ? 'binlog_expire_logs_seconds = 86400' : 'expire_logs_days = 1';
  await schema.application.run(`SET GLOBAL ${day}`);
  expect((await plan({ server, schema, clauses: 'ADD b INT' })).notes.join()).not.toContain('keeps its binary log');
});

test('a table that would have no primary key, on a server that wants one, is refused', async () => {
  await using process = await startServer({ flavour: 'mysql', extraFlags: ['--sql-require-primary-key=ON'] });
  await using server = await openAdapter(process.url);
  await using schema = await createSchema(process.url);
  await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT AUTO_INCREMENT PRIMARY KEY, a INT)`);
  await schema.application.run(`INSERT INTO ${schema.name}.t (a) VALUES (1)`);
  expect(await obstaclesOf(server, schema, 'DROP PRIMARY KEY, ADD UNIQUE u (id)')).toEqual([
    ['INVALID_ALTER', expect.stringContaining(`${schema.name}.t would have no primary key, and sql_require_primary_key is ON`)],
  ]);
  expect(await obstaclesOf(server, schema, 'ADD b INT')).toEqual([]);
});
