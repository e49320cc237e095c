/** The shadow's definition against the oracle: what the server's own ALTER makes of the same table. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import type { Server } from '../../src/mysql/server.ts';
import { withBuildSettings } from '../../src/mysql/shadow.ts';
import { openPair } from '../support/adapter-pair.ts';
import { createSchema, never, openAdapter, openApplication, type Application } from '../support/adapter-server.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';

const everything = { after: null, through: null };

describe.each(['mysql', 'mariadb'] as const)('the shadow on %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** SHOW CREATE TABLE, as if the table were called `t`. */
  const definition = async (application: Application, table: string): Promise<string> => {
    const [row] = await application.run(`SHOW CREATE TABLE ${table}`);
    return String(row?.['Create Table']).replaceAll(`\`${table}`, '`t');
  };

  /** The definition of `t` after the server's own ALTER. */
  const native = async (before: readonly string[], clauses: string): Promise<string> => {
    await using schema = await createSchema(url);
    await schema.application.run(`USE ${schema.name}`);
    for (const statement of before) await schema.application.run(statement);
    await schema.application.run(`ALTER TABLE t ${clauses}`);
    return await definition(schema.application, 't');
  };

  const rich = `CREATE TABLE t (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    a INT DEFAULT 7 COMMENT 'it''s a, (b) KEY \`x\`',
    b VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT 'x,y',
    c ENUM('a,', 'b)') NULL,
    d DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
    e JSON,
    f INT GENERATED ALWAYS AS (a + 1) VIRTUAL,
    g INT GENERATED ALWAYS AS (a * 2) STORED,
    h INT INVISIBLE DEFAULT 3,
    p POINT NOT NULL,
    x TEXT,
    \`we\`\`ird, (name)\` INT,
    PRIMARY KEY (id),
    UNIQUE KEY u (b, a),
    KEY ka (a DESC, b(5)) COMMENT 'k, (',
    FULLTEXT KEY ft (x),
    KEY kb (\`we\`\`ird, (name)\`, c),
    SPATIAL KEY sp (p),
    KEY kc (g),
    KEY \`k\`\`d\` (f),
    CHECK (a < 100)
  ) ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=utf8mb4 COMMENT='the, (table)' ROW_FORMAT=DYNAMIC STATS_PERSISTENT=1`;
  const plain =
    'CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b INT, KEY ka (a), KEY kb (b, a), UNIQUE KEY ub (b))';

  const counted = 'CREATE TABLE t (id INT PRIMARY KEY, n INT AUTO_INCREMENT, a INT, KEY ka (a), KEY kn (n), KEY kb (a, n))';

  describe.each(['never', 'always'] as const)('with indexes deferred %s', (deferIndexes) => {
    test.each([
      ['a column that is widened', plain, 'MODIFY a BIGINT'],
      ['a column that is added and indexed', plain, 'ADD c INT FIRST, ADD KEY kc (c), DROP KEY ka'],
      ['an index that is renamed', plain, 'RENAME INDEX ka TO kz, COMMENT = "new"'],
      ['an index that the counter needs', counted, 'MODIFY a BIGINT'],
      ['a counter that is raised', plain, 'AUTO_INCREMENT = 1000'],
      ['another character set', plain.replace(', a INT', ', a VARCHAR(9) DEFAULT "x"'), 'CONVERT TO CHARACTER SET utf8mb4'],
    ])('ends as the server’s own ALTER would: %s', async (_, table, clauses) => {
      await using t = await openPair({ server, url, before: [table], clauses, options: { deferIndexes } });
      await t.pair.copyRange(everything, 'collide', never);
      await t.pair.finishShadow(never);
      expect(await definition(t.application, 't_ts_new')).toBe(await native([table], clauses));
    });

    test('ends with all that a table can have', async () => {
      const clauses = 'ADD n INT AFTER a, MODIFY c ENUM("a,", "b)", "c"), ADD KEY kn (n)';
      await using t = await openPair({ server, url, before: [rich], clauses, options: { deferIndexes } });
      await t.application.run("INSERT INTO t (id, b, p, x) VALUES (5, 'q', POINT(1, 2), 'some words')");
      await t.pair.copyRange(everything, 'collide', never);
      await t.pair.finishShadow(never);
      expect(await definition(t.application, 't_ts_new')).toBe(await native([rich], clauses));
      expect((await t.pair.compareRange(everything, never)).isEqual).toBe(true);
    });
  });

  test('is empty, takes the place of one that was left, and has the source’s counter', async () => {
    await using t = await openPair({
      server,
      url,
      before: [plain, 'ALTER TABLE t AUTO_INCREMENT = 500'],
      clauses: 'ADD c INT',
    });
    await t.application.run('DROP TABLE t_ts_new');
    await t.application.run('CREATE TABLE t_ts_new (other INT)');
    await t.pair.createShadow(never);
    await t.application.run('INSERT INTO t_ts_new (a) VALUES (1)');
    expect(await t.application.run('SELECT * FROM t_ts_new')).toEqual([{ id: 500, a: 1, b: null, c: null }]);
    await t.pair.createShadow(never);
    expect(await t.application.run('SELECT * FROM t_ts_new')).toEqual([]);
  });

  test('that somebody has dropped it since is told', async () => {
    await using t = await openPair({ server, url, before: [plain, 'INSERT INTO t VALUES (1, 2, 3)'], clauses: 'ADD c INT' });
    await t.pair.createShadow(never);
    await t.pair.copyRange(everything, 'collide', never);
    await t.application.run('DROP TABLE t_ts_new');
    await expect(t.pair.compareRange(everything, never)).rejects.toMatchObject({ code: 'SHADOW_CHANGED' });
  });

  test('that somebody has renamed the source since is told, as the log tells it', async () => {
    await using t = await openPair({ server, url, before: [plain, 'INSERT INTO t VALUES (1, 2, 3)'], clauses: 'ADD c INT' });
    await t.pair.createShadow(never);
    await t.pair.copyRange(everything, 'collide', never);
    await t.application.run('RENAME TABLE t TO elsewhere');
    const isGone = { code: 'SOURCE_CHANGED', message: expect.stringMatching(/\.t does not exist any more/) };
    await expect(t.pair.findSourceKeys(everything, never)).rejects.toMatchObject(isGone);
    await expect(t.pair.copyRange(everything, 'collide', never)).rejects.toMatchObject(isGone);
    await expect(t.pair.insertRows(['1' as RowKey], never)).rejects.toMatchObject(isGone);
  });

  test('ends with invisible indexes and checks that are not enforced', async (context) => {
    context.skip(flavour === 'mariadb', 'MariaDB has neither');
    const table =
      'CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, KEY ka (a) INVISIBLE, KEY kb (b), CHECK (a > 5) /*!80016 NOT ENFORCED */)';
    const clauses = 'ADD KEY kc (a, b) INVISIBLE, ALTER INDEX ka VISIBLE, MODIFY b BIGINT';
    await using t = await openPair({ server, url, before: [table], clauses, options: { deferIndexes: 'always' } });
    await t.pair.finishShadow(never);
    expect(await definition(t.application, 't_ts_new')).toBe(await native([table], clauses));
    await t.application.run('INSERT INTO t VALUES (1, 1, 1), (2, 2, 2147483647)');
    expect(await t.pair.copyRange(everything, 'collide', never)).toEqual({ kind: 'copied', rows: 2 });
    expect(await t.pair.explainCollision(['1' as RowKey], never)).toEqual({ kind: 'in-the-way', keys: ['1'] });
  });

  test('uses up none of the row versions that instant changes may take', async (context) => {
    context.skip(flavour === 'mariadb', 'MariaDB does not count them');
    await using t = await openPair({ server, url, before: [plain], clauses: 'ADD c INT FIRST, DROP a' });
    const rows = await t.application.run(
      `SELECT TOTAL_ROW_VERSIONS AS versions FROM information_schema.INNODB_TABLES WHERE NAME = '${t.schema.name}/t_ts_new'`,
    );
    expect(rows.map((row) => Number(row['versions']))).toEqual([0]);
  });

  test('is finished while it is written, more than once, and by a process that did not make it', async () => {
    const values = Array.from({ length: 2000 }, (_, n) => `(${n + 1}, ${n}, ${n})`);
    await using t = await openPair({
      server,
      url,
      before: [plain, `INSERT INTO t VALUES ${values.join(', ')}`],
      clauses: 'MODIFY a BIGINT',
      options: { deferIndexes: 'always' },
    });
    expect(t.plan.deferredIndexes).toEqual(['ka', 'kb']);
    const names = async (): Promise<readonly string[]> => {
      const rows = await t.application.run('SHOW INDEX FROM t_ts_new');
      return [...new Set(rows.map((row) => String(row['Key_name'])))];
    };
    expect(await names()).toEqual(['PRIMARY', 'ub']);
    await t.pair.copyRange(everything, 'collide', never);
    await using other = await openApplication(url);
    await other.run(`USE ${t.schema.name}`);
    const stop = new AbortController();
    const rewrite = async (): Promise<number> => {
      let rounds = 0;
      for (; !stop.signal.aborted; rounds += 1) {
        const some = [`${1 + (rounds % 2000)}` as RowKey];
        await t.pair.deleteRows(some, never);
        await t.pair.insertRows(some, never);
      }
      return rounds;
    };
    const rewriting = rewrite();
    await t.pair.finishShadow(never);
    await t.pair.finishShadow(never);
    stop.abort();
    expect(await rewriting).toBeGreaterThan(0);
    expect(await names()).toEqual(['PRIMARY', 'ub', 'ka', 'kb']);
    expect(await t.pair.compareRange(everything, never)).toEqual({ isEqual: true, sourceRows: 2000, shadowRows: 2000 });
    const [statistics] = await t.application.run(
      `SELECT n_rows FROM mysql.innodb_table_stats WHERE database_name = '${t.schema.name}' AND table_name = 't_ts_new'`,
    );
    expect(Number(statistics?.['n_rows'])).toBeGreaterThan(1500);
  });
});

test.each(['mysql', 'mariadb'] as const)('a default in local time means the zone of the %s server', async (flavour) => {
  await using own = await startServer({ flavour, extraFlags: ['--default-time-zone=+02:00'] });
  await using server = await openAdapter(own.url);
  await using t = await openPair({
    server,
    url: own.url,
    before: [
      'CREATE TABLE t (id INT PRIMARY KEY)',
      'INSERT INTO t VALUES (1)',
      'CREATE TABLE n LIKE t',
      'INSERT INTO n VALUES (1)',
    ],
    clauses: "ADD d TIMESTAMP NOT NULL DEFAULT '2026-01-02 03:04:05'",
  });
  await t.pair.copyRange(everything, 'collide', never);
  await t.application.run("ALTER TABLE n ADD d TIMESTAMP NOT NULL DEFAULT '2026-01-02 03:04:05'");
  const rows = await t.application.run('SELECT UNIX_TIMESTAMP(d) AS d FROM t_ts_new UNION ALL SELECT UNIX_TIMESTAMP(d) FROM n');
  expect(rows.map((row) => Number(row['d']))).toEqual([1767315845, 1767315845]);
  const zone = await t.sessions.withSession((session) => session.query('SELECT @@time_zone AS zone', never), never);
  expect(zone).toEqual([{ zone: '+00:00' }]);
});

test('indexes are built with a larger buffer of MySQL, by one of its threads where that is to be gentle, and nothing stays so', async () => {
  await using server = await openAdapter(sharedServer('mysql'));
  await using session = await server.openSession({}, never);
  const read = async () => {
    const names = ['buffer_size', 'threads'].map((name) => `@@innodb_ddl_${name} AS ${name}`);
    const [row] = await session.query(`SELECT ${names.join(', ')}, @@innodb_parallel_read_threads AS readers`, never);
    return row;
  };
  const during = async (isGentle: boolean): Promise<unknown> => {
    const seen: unknown[] = [];
    await withBuildSettings(session, { isGentle, work: async () => void seen.push(await read()) }, never);
    return seen[0];
  };
  const before = await read();
  expect(await during(true)).toEqual({ buffer_size: '67108864', threads: '1', readers: '1' });
  expect(await during(false)).toEqual({ ...before, buffer_size: '67108864' });
  expect(await read()).toEqual(before);
  await session.execute('SET SESSION innodb_ddl_buffer_size = 134217728', never);
  expect(await during(false)).toMatchObject({ buffer_size: '134217728' });
});
