/** Partitioned tables on MySQL and MariaDB: which rows have a partition, what is refused, and what the swap keeps. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrateFamily } from '../../src/index.ts';
import { partitionCondition } from '../../src/mysql/partitions.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSchema, openAdapter, type TestSchema } from '../support/adapter-server.ts';
import { obstaclesOf, plan, refusal } from '../support/plan-request.ts';
import { sharedServer } from '../support/shared-servers.ts';

describe.each(['mysql', 'mariadb'] as const)('partitions on %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const withTables = async (...statements: readonly string[]): Promise<TestSchema> => {
    const schema = await createSchema(url);
    await schema.application.run(`USE ${schema.name}`);
    for (const statement of statements) await schema.application.run(statement);
    return schema;
  };

  const columns = `(id INT NOT NULL, n INT, u INT UNSIGNED, d DATE, \`s,(\` VARCHAR(10) CHARACTER SET latin1, b VARBINARY(5), t TIMESTAMP NULL, g INT AS (n * 2))`;
  const forms: readonly string[] = [
    'RANGE (n) (PARTITION p VALUES LESS THAN (-5), PARTITION q VALUES LESS THAN (10))',
    'RANGE (g + 1) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION p VALUES LESS THAN (10))',
    'RANGE (g) SUBPARTITION BY KEY (id) (PARTITION p VALUES LESS THAN (10) (SUBPARTITION a, SUBPARTITION b))',
    "RANGE (TO_DAYS(d)) (PARTITION p VALUES LESS THAN (TO_DAYS('2020-01-01')))",
    "RANGE (UNIX_TIMESTAMP(t)) (PARTITION p VALUES LESS THAN (UNIX_TIMESTAMP('2020-01-01 00:00:00')))",
    "RANGE COLUMNS (d) (PARTITION p VALUES LESS THAN ('2020-01-01') COMMENT 'VALUES LESS THAN MAXVALUE, (')",
    "RANGE COLUMNS (`s,(`, n) (PARTITION p VALUES LESS THAN ('b', 5), PARTITION q VALUES LESS THAN ('ö', 9))",
    "RANGE COLUMNS (`s,(`, n, u) (PARTITION p VALUES LESS THAN ('b', MAXVALUE, 3))",
    "RANGE COLUMNS (b) (PARTITION p VALUES LESS THAN ('b'), PARTITION q VALUES LESS THAN (X'C3'))",
    'LIST (n) (PARTITION p VALUES IN (-7, 9), PARTITION q VALUES IN (NULL))',
    'LIST (u MOD 5) (PARTITION p VALUES IN (0, 1), PARTITION q VALUES IN (4))',
    "LIST COLUMNS (`s,(`) (PARTITION p VALUES IN ('A', 'ö', ''), PARTITION q VALUES IN ('it''s\\\\'))",
    "LIST COLUMNS (n, d) (PARTITION p VALUES IN ((9, '2020-01-01'), (NULL, NULL)), PARTITION q VALUES IN ((-7, '2019-12-31')))",
    'RANGE (n) (PARTITION p VALUES LESS THAN (1), PARTITION q VALUES LESS THAN MAXVALUE)',
    'RANGE COLUMNS (n, u) (PARTITION p VALUES LESS THAN (MAXVALUE, 1))',
    'KEY (id) PARTITIONS 3',
    'LINEAR HASH (n) PARTITIONS 3',
    ...(flavour === 'mariadb' ? ['LIST (n) (PARTITION p VALUES IN (1), PARTITION q DEFAULT)'] : []),
  ];

  test('a row is known to have none exactly where the server finds none', async () => {
    await using schema = await withTables(`CREATE TABLE plain ${columns}`);
    const { application } = schema;
    await application.run(`INSERT INTO plain (id, n, u, d, \`s,(\`, b, t) VALUES
      (1, NULL, NULL, NULL, NULL, NULL, NULL), (2, -7, 4, '2019-12-31', 'a', 'a', '2019-12-31 23:59:59'),
      (3, 9, 5, '2020-01-01', 'ö', X'C2FF', '2020-01-01 00:00:00'), (4, 10, 7, '2020-01-02', 'b', X'C3', '2030-01-01'),
      (5, 4, 3, '1999-01-01', 'b', '', '2001-01-01'), (6, -5, 0, '2019-01-01', 'it''s\\\\', 'zzz', '2019-06-01'), (7, 5, 1, '2020-01-01', '', 'b', NULL)`);
    const idsIn = async (from: string): Promise<unknown[]> =>
      (await application.run(`SELECT id FROM ${from} ORDER BY id`)).map((row) => row['id']);
    for (const form of forms) {
      await application.run(`CREATE TABLE parts ${columns} PARTITION BY ${form}`);
      await application.run('INSERT IGNORE INTO parts (id, n, u, d, `s,(`, b, t) SELECT id, n, u, d, `s,(`, b, t FROM plain');
      const [shown] = await application.run('SHOW CREATE TABLE parts');
      const condition = partitionCondition(String(shown?.['Create Table']).split('\n) ')[1] ?? '');
      const taken = await idsIn('parts');
      expect(await idsIn(`plain WHERE ${condition ?? 'TRUE'}`), form).toEqual(taken);
      expect(condition === null, form).toBe(taken.length === 7);
      await application.run('DROP TABLE parts');
    }
  });

  test('the plan has tried the change on a clone with partitions, of which nothing stays', async () => {
    await using schema = await withTables(
      'CREATE TABLE t (id INT, a INT, PRIMARY KEY (id, a)) PARTITION BY HASH (a) PARTITIONS 2',
      'CREATE TABLE plain (id INT PRIMARY KEY, a INT NOT NULL)',
    );
    const { shadowDefinition, notes } = await plan({ server, schema, clauses: 'ADD b INT' });
    expect(shadowDefinition).toMatch(/^CREATE TABLE `.*`\.`.*` \([^]*`b` int[^]*PARTITION BY HASH \(`a`\)\s+PARTITIONS 2/);
    expect(notes.join()).not.toContain('beforehand');
    const says = async (table: string, clauses: string): Promise<string> =>
      (await refusal({ server, schema, table, clauses })).map(({ code, message }) => `${code}: ${message}`).join();
    expect(await says('plain', 'PARTITION BY HASH (a)')).toMatch(/^INVALID_ALTER: .*all columns in the table's partitioning/);
    expect(await says('t', 'DROP COLUMN a')).toMatch(/^INVALID_ALTER: /);
    expect(await says('t', 'ADD PARTITION PARTITIONS 2')).toMatch(/^PARTITIONS: “ADD PARTITION PARTITIONS 2” .*PARTITION BY …/);
    expect(await says('t', 'COALESCE PARTITION 1')).toMatch(/^PARTITIONS: .*copies rows while writers wait\. Write the whole/);
    expect(await says('t', 'TRUNCATE PARTITION p0')).toMatch(/^PARTITIONS: .*must be run by itself/);
    expect((await schema.application.run('SHOW TABLES')).length).toBe(2);
  });

  test('a table with foreign keys gets none, and options that a copy would lose are to be written out', async () => {
    await using schema = await withTables(
      'CREATE TABLE parent (id INT PRIMARY KEY)',
      'CREATE TABLE t (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES parent (id))',
    );
    const message = `${schema.name}.t would be partitioned, and no foreign key of or to a partitioned table can be: t_ibfk_1.`;
    expect(await obstaclesOf(server, schema, 'PARTITION BY KEY (id) PARTITIONS 2')).toContainEqual(['FOREIGN_KEYS', message]);
    // MySQL takes only directories that it was started with.
    if (flavour === 'mysql') return;
    const directory = await mkdtemp(join(tmpdir(), 'tableshift-'));
    const parts = `PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (10) DATA DIRECTORY '${directory}')`;
    await schema.application.run(`CREATE TABLE placed (id INT PRIMARY KEY) ${parts}`);
    const placed = { server, schema, table: 'placed' };
    expect(await refusal({ ...placed, clauses: 'ADD b INT' })).toMatchObject([
      { code: 'PARTITIONS', message: expect.stringContaining('would lose options of the partitions') },
    ]);
    expect((await plan({ ...placed, clauses: `ADD b INT ${parts}` })).shadowDefinition).toContain('DATA DIRECTORY');
    await schema.application.run('DROP TABLE placed');
    await rm(directory, { recursive: true });
  });

  test('a family may have partitioned members', async () => {
    await using schema = await withTables(
      'CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, v INT) PARTITION BY HASH (id) PARTITIONS 3',
      'CREATE TABLE b (id INT PRIMARY KEY, v INT)',
      'INSERT INTO a VALUES (1, 1), (2, 2), (30, 3)',
      'INSERT INTO b SELECT * FROM a',
      'DELETE FROM a WHERE id = 30',
    );
    const { application, name } = schema;
    const change = (table: string, alter: string): { table: string; alter: string } => ({ table: `${name}.${table}`, alter });
    await migrateFamily({
      url,
      changes: [change('a', 'MODIFY id BIGINT AUTO_INCREMENT'), change('b', 'PARTITION BY KEY (id) PARTITIONS 2')],
    });
    await application.run('INSERT INTO a (v) VALUES (4)');
    expect(await application.run('SELECT id, v FROM a ORDER BY id')).toEqual(
      [1, 2, 31].map((id, at) => ({ id, v: [1, 2, 4][at] })),
    );
    expect(await application.run('SELECT COUNT(*) AS rows_found FROM b')).toEqual([{ rows_found: 3 }]);
    const partitions = await application.run(
      `SELECT TABLE_NAME AS name, COUNT(PARTITION_NAME) AS parts FROM information_schema.PARTITIONS
       WHERE TABLE_SCHEMA = '${name}' AND TABLE_NAME IN ('a', 'b') GROUP BY TABLE_NAME ORDER BY TABLE_NAME`,
    );
    expect(partitions).toEqual([
      { name: 'a', parts: 3 },
      { name: 'b', parts: 2 },
    ]);
  });
});
