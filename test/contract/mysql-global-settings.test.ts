/** That no setting which a server gives its clients bends what our statements do. */
import { expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import { keyColumns, readTable } from '../../src/mysql/catalog.ts';
import { openDatabase } from '../../src/mysql/database.ts';
import { findObstacles } from '../../src/mysql/obstacles.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import { openTablePair } from '../../src/mysql/table-pair.ts';
import { createSchema, never, openAdapter } from '../support/adapter-server.ts';
import { plan } from '../support/plan-request.ts';
import { startServer } from '../support/servers.ts';

const isWaiting = "SHOW GLOBAL STATUS WHERE Variable_name = 'Innodb_row_lock_current_waits' AND Value > 0";

const everything = { after: null, through: null };

const settings = {
  sql_select_limit: '1',
  sql_big_selects: '0',
  max_join_size: '2',
  sql_auto_is_null: '1',
  sql_quote_show_create: '0',
  completion_type: '2',
  unique_checks: '0',
  max_error_count: '0',
  autocommit: '0',
  max_allowed_packet: '16384',
  sql_notes: '0',
};

test.each(['mysql', 'mariadb'] as const)(
  'a table is copied and compared on %s whatever its clients begin with',
  async (flavour) => {
    await using process = await startServer({ flavour });
    await using schema = await createSchema(process.url);
    const { application, name } = schema;
    await application.run(`USE ${name}`);
    await application.run('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE, `order` INT, v INT)');
    await application.run('INSERT INTO t VALUES (1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3), (4, 4, 4, 4)');
    await application.run(
      'CREATE TABLE wide (id INT PRIMARY KEY, a VARCHAR(9000), b VARCHAR(9000), v INT) CHARACTER SET latin1',
    );
    await application.run('CREATE TABLE keyed (k VARBINARY(1000) PRIMARY KEY, v INT)');
    await application.run("INSERT INTO keyed VALUES (REPEAT('k', 1000), 1), (REPEAT('l', 1000), 2)");
    await application.run('CREATE TABLE exact (id INT PRIMARY KEY, d DECIMAL(9, 4))');
    await application.run('INSERT INTO exact VALUES (1, 0.1234)');
    await application.run('CREATE TABLE overlong (k VARBINARY(3000) PRIMARY KEY, v INT)');
    await application.run("INSERT INTO wide VALUES (1, REPEAT('a', 9000), REPEAT('b', 9000), 1)");
    const own =
      flavour === 'mysql'
        ? { ...settings, transaction_read_only: '1' }
        : { ...settings, tx_read_only: '1', innodb_snapshot_isolation: '1', note_verbosity: "''", sql_if_exists: '1' };
    for (const [variable, value] of Object.entries(own)) await application.run(`SET GLOBAL ${variable} = ${value}`);
    await using server = await openAdapter(process.url);
    await using sessions = createSessionPool({ sizeMax: 2, open: (signal) => server.openSession({}, signal) });
    const open = async (table: string, clauses: string) => {
      const made = await plan({ server, schema, table, clauses });
      const source = await sessions.withSession((session) => readTable(session, made.source, never), never);
      if (source === null) throw new Error('The table is there.');
      const columns = keyColumns(source, made.key.columns);
      const pair = await openTablePair({ plan: made, keyColumns: columns, sessions, flavour: server.flavour }, never);
      await pair.createShadow(never);
      return { made, pair };
    };

    const { made, pair } = await open('t', 'MODIFY `order` BIGINT, ADD COLUMN n INT NOT NULL DEFAULT 7');
    expect(made.columns.map(({ source }) => source)).toEqual(['id', 'u', 'order', 'v']);
    expect(await findObstacles(server, made, never)).toEqual([
      expect.objectContaining({ code: 'SHADOW_EXISTS', message: expect.any(String) }),
    ]);
    expect(await pair.copyRange({ after: null, through: '2' as RowKey }, 'collide', never)).toEqual({
      kind: 'copied',
      rows: 2,
    });
    expect(await pair.findDifferences(everything, 10, never)).toEqual(['3', '4']);
    expect(await pair.copyRange(everything, 'skip', never)).toEqual({ kind: 'copied', rows: 2 });
    expect(await pair.findSourceKeys(everything, never)).toEqual(['1', '2', '3', '4']);
    await pair.deleteRows(['2', '3'] as RowKey[], never);
    expect(await pair.insertRows(['2', '3'] as RowKey[], never)).toBe('inserted');
    expect(await pair.insertRows(['2'] as RowKey[], never)).toBe('collided');
    await pair.deleteRows(['2'] as RowKey[], never);
    await application.run('BEGIN');
    await application.run(`INSERT INTO ${made.shadow.table} (id, u) VALUES (2, 9)`);
    const inserted = pair.insertRows(['2'] as RowKey[], never);
    while ((await application.run(isWaiting)).length === 0);
    await application.run('COMMIT');
    expect(await inserted).toBe('collided');
    await pair.deleteRows(['2'] as RowKey[], never);
    expect(await pair.insertRows(['2'] as RowKey[], never)).toBe('inserted');
    expect(await pair.compareRange(everything, never)).toEqual({ isEqual: true, sourceRows: 4, shadowRows: 4 });
    await pair.finishShadow(never);
    expect(await application.run(`SELECT id, u, \`order\`, v, n FROM ${made.shadow.table} ORDER BY id`)).toEqual(
      [1, 2, 3, 4].map((n) => ({ id: n, u: n, order: n, v: n, n: 7 })),
    );

    const wide = await open('wide', 'MODIFY v BIGINT');
    expect((await findObstacles(server, wide.made, never)).map(({ code }) => code)).toContain('PACKET_TOO_SMALL');
    expect(await wide.pair.copyRange(everything, 'collide', never)).toEqual({ kind: 'copied', rows: 1 });
    // Neither row has a text by which to compare it.
    expect((await wide.pair.compareRange(everything, never)).isEqual).toBe(false);
    expect(await wide.pair.findDifferences(everything, 10, never)).toEqual(['1']);

    const cut = await plan({ server, schema, table: 'exact', clauses: 'MODIFY d DECIMAL(9, 2)' });
    const wouldBeCut = { code: 'LOSSY_CONVERSION', message: expect.stringContaining('The row id = 1 of ') };
    expect(await findObstacles(server, cut, never)).toEqual([wouldBeCut]);

    // As many keys as fit into a statement.
    const keyed = await open('keyed', 'MODIFY v BIGINT');
    expect(await findObstacles(server, keyed.made, never)).toEqual([expect.objectContaining({ code: 'SHADOW_EXISTS' })]);
    expect(keyed.pair.keysPerStatement).toBe(2);
    const both = await keyed.pair.findSourceKeys(everything, never);
    expect(await keyed.pair.insertRows(both, never)).toBe('inserted');
    expect(await keyed.pair.findDifferingRows(both, never)).toEqual([]);
    const overlong = await plan({ server, schema, table: 'overlong', clauses: 'MODIFY v BIGINT' });
    const isTooLong = { code: 'PACKET_TOO_SMALL', message: expect.stringMatching(/^Statements on .*overlong may need/) };
    expect(await findObstacles(server, overlong, never)).toEqual([isTooLong]);

    // Where statements are logged a migration does not go on, and is given up nevertheless.
    await using database = await openDatabase(process.url, { defaultsFile: null, password: null, home: null }, never);
    await (await database.claim(made, 'start', never))[Symbol.asyncDispose]();
    await application.run("SET GLOBAL binlog_format = 'STATEMENT'");
    await expect(database.claim(made, 'resume', never)).rejects.toMatchObject({ code: 'LOGS_STATEMENTS' });
    await using claim = await database.claimToGiveUp(made, never);
    expect(await claim.discard(5000, never)).toEqual({ kind: 'done' });
    await claim.checkpoints.conclude('aborted', null, never);
  },
);
