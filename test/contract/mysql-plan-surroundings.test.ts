/** What a plan says of the server and its sessions. */
import { describe, expect, test } from 'vitest';
import { readLogWriters } from '../../src/mysql/log-writers.ts';
import { findOldSnapshots } from '../../src/mysql/older-snapshots.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSchema, never, openAdapter } from '../support/adapter-server.ts';
import { claimTable } from '../support/claimed-table.ts';
import { plan } from '../support/plan-request.ts';
import { sharedServer } from '../support/shared-servers.ts';

describe.each(['mysql', 'mariadb'] as const)('a plan on %s', (flavour) => {
  test('says where commits may wait for the redo log', async () => {
    const url = sharedServer(flavour);
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    const off = await schema.application.run(
      "SHOW GLOBAL VARIABLES WHERE Variable_name = 'innodb_log_writer_threads' AND Value = 'OFF'",
    );
    const { notes } = await plan({ server, schema, clauses: 'ADD b INT' });
    expect(notes.filter((note) => note.includes('innodb_log_writer_threads'))).toHaveLength(off.length);
  });

  test('that has to wait for the table too long says who has locked it', async () => {
    const url = sharedServer(flavour);
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.t (id INT PRIMARY KEY)`);
    await application.run(`LOCK TABLES ${name}.t WRITE`);
    const impatient: Server = {
      ...server,
      openSession: (options, signal) => server.openSession({ ...options, settings: ['lock_wait_timeout = 1'] }, signal),
    };
    const error: unknown = await plan({ server: impatient, schema, clauses: 'ADD b INT' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'LOCK_WAIT',
      message: expect.stringMatching(
        new RegExp(`exceeded.* In the way: connection ${application.connectionId} of root from [^;]*\\.$`),
      ),
    });
    await application.run('UNLOCK TABLES');
  });
});

test.each([
  ['mysql', { areOn: expect.any(Boolean), spinFrom: expect.any(Number), processors: expect.any(Number) }],
  ['mariadb', { areOn: null, spinFrom: null, processors: null }],
] as const)('%s tells of its log writers and counts its processors, or tells neither', async (flavour, expected) => {
  await using server = await openAdapter(sharedServer(flavour));
  await using session = await server.openSession({}, never);
  expect(await readLogWriters(session, never)).toEqual(expected);
});

describe.each(['mysql', 'mariadb'] as const)('statistics about values on %s', (flavour) => {
  test('stay with the old table, which a plan says', async () => {
    const url = sharedServer(flavour);
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.t (id INT PRIMARY KEY, a INT, b INT)`);
    await application.run(`INSERT INTO ${name}.t VALUES (1, 1, 1), (2, 2, 2)`);
    const gather = flavour === 'mysql' ? 'UPDATE HISTOGRAM ON a, b' : 'PERSISTENT FOR COLUMNS (a, b) INDEXES ()';
    await application.run(`ANALYZE TABLE ${name}.t ${gather}`);
    const { notes } = await plan({ server, schema, clauses: 'ADD c INT' });
    const again = gather.replace('a, b', '`a`, `b`');
    expect(notes).toContain(
      `Statistics about values (a, b) stay with the old table: gather them again after the swap, by ANALYZE TABLE \`${name}\`.\`t\` ${again}.`,
    );
  });
});

test.each(['mysql', 'mariadb'] as const)(
  'an open transaction that keeps its view of the rows is found on %s',
  async (flavour) => {
    const url = sharedServer(flavour);
    await using server = await openAdapter(url);
    await using session = await server.openSession({}, never);
    await using schema = await createSchema(url);
    const { application } = schema;
    const found = async (secondsMin: number): Promise<boolean> =>
      (await findOldSnapshots(session, { secondsMin }, never)).some((sentence) =>
        sentence.startsWith(`connection ${application.connectionId} of root from `),
      );
    await application.run('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    await application.run('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    expect(await found(0)).toBe(false);
    await application.run('ROLLBACK');
    await application.run('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await application.run('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    expect(await found(0)).toBe(true);
    expect(await found(3600)).toBe(false);
  },
);

test.each([
  ['mysql', `VARCHAR(20) AS (DATE_FORMAT(d, '%W')) STORED`, 'Donnerstag'],
  ['mariadb', 'BIGINT AS (UNIX_TIMESTAMP(d)) STORED', 1_767_250_800],
] as const)(
  'a stored generated column on %s is computed anew as by an ALTER that copies, which a plan says, and is no difference',
  async (flavour, column, stored) => {
    const url = sharedServer(flavour);
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    const { application, name } = schema;
    for (const table of ['t', 'twin']) {
      await application.run("SET time_zone = '+05:00', lc_time_names = 'de_DE'");
      await application.run(
        `CREATE TABLE ${name}.${table} (id INT PRIMARY KEY, d DATETIME NOT NULL, g ${column}, v INT AS (id + 1) STORED)`,
      );
      await application.run(`INSERT INTO ${name}.${table} (id, d) VALUES (1, '2026-01-01 12:00:00')`);
      await application.run('SET time_zone = @@GLOBAL.time_zone, lc_time_names = @@GLOBAL.lc_time_names');
    }
    const change = { schema: name, table: 't', clauses: 'ADD b INT' };
    const valueIn = (table: string): Promise<unknown> => application.run(`SELECT g FROM ${table}`);
    await using claimed = await claimTable(server, change);
    expect(claimed.plan.notes.filter((note) => note.includes('computed anew'))).toEqual([
      'g: it is computed anew, in the zone and the language of the server; what sessions with others have stored changes.',
    ]);
    await application.run(`ALTER TABLE ${name}.twin ADD b INT, ALGORITHM=COPY`);
    expect(await valueIn(`${name}.t`)).toEqual([{ g: stored }]);
    expect(await valueIn(`${name}.${claimed.plan.shadow.table}`)).toEqual(await valueIn(`${name}.twin`));
    expect(await valueIn(`${name}.twin`)).not.toEqual([{ g: stored }]);
    expect(await claimed.pair.compareRange({ after: null, through: null }, never)).toMatchObject({ isEqual: true });
  },
);

describe('a plan that notes what sessions do', () => {
  test('names those whose writes are not in the log as rows', async () => {
    const url = sharedServer('mysql');
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    await schema.application.run('SET sql_log_bin = 0');
    await schema.application.run("SET binlog_format = 'STATEMENT'");
    const { notes } = await plan({ server, schema, clauses: 'ADD b INT' });
    const { connectionId } = schema.application;
    await schema.application.run('SET sql_log_bin = 1');
    expect(notes).toEqual(
      expect.arrayContaining([
        `Connection ${connectionId} of root logs nothing (sql_log_bin is OFF): only the verification notices what it writes to the table.`,
        `Connection ${connectionId} of root logs statements (binlog_format is not ROW): the migration stops at what it writes to the table.`,
      ]),
    );
  });
});
