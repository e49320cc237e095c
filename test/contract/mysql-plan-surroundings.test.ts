/** What a plan says of the server and its sessions. */
import { describe, expect, test } from 'vitest';
import { createSchema, openAdapter } from '../support/adapter-server.ts';
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
});

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
