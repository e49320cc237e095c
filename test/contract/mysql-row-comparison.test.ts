/** That comparing rows sees every value as the shadow holds it: nothing false is reported, and no single change is overlooked. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import { keyColumns, readTable } from '../../src/mysql/catalog.ts';
import { layoutOf } from '../../src/mysql/pair-layout.ts';
import type { Server } from '../../src/mysql/server.ts';
import { openPair, type TestPair } from '../support/adapter-pair.ts';
import { never, openAdapter } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';

/** A column's type before and after, values of it, and a value that the shadow must not be taken for equal with. */
type Case = readonly [from: string, to: string, values: readonly string[], other: string];

const utf8 = 'VARCHAR(20) CHARACTER SET utf8mb4';
const latin = 'VARCHAR(20) CHARACTER SET latin1';
const text = "'a', 'A', 'á', 'a ', '', 'ü€'".split(', ');

/** Types that are the same before and after. */
const unchanged: readonly Case[] = [
  ['INT', 'INT', ['0', '-5', '2147483647'], '7'],
  ['INT(6) ZEROFILL', 'INT(6) ZEROFILL', ['0', '42'], '43'],
  ['BIGINT UNSIGNED', 'BIGINT UNSIGNED', ['18446744073709551615', '0'], '18446744073709551614'],
  ['DECIMAL(65,30)', 'DECIMAL(65,30)', ['1.000000000000000000000000000001', '-0.5'], '1'],
  ['FLOAT', 'FLOAT', ['0.1', '16777217', '1e-38'], '16777214'],
  ['DOUBLE', 'DOUBLE', ['0.1', '1e300', '0.30000000000000004'], '0.3'],
  [utf8, utf8, text, "'b'"],
  [
    'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci',
    'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci',
    text,
    "'ä'",
  ],
  ['CHAR(4) CHARACTER SET utf8mb4', 'CHAR(4) CHARACTER SET utf8mb4', ["'a'", "''"], "'A'"],
  ['VARCHAR(20) CHARACTER SET ucs2', 'VARCHAR(20) CHARACTER SET ucs2', ["'ü€'", "''"], "'ü'"],
  ['VARCHAR(20) CHARACTER SET greek', 'VARCHAR(20) CHARACTER SET greek', ["'αβ'"], "'α'"],
  ['TEXT CHARACTER SET utf8mb4', 'TEXT CHARACTER SET utf8mb4', text, "'b'"],
  ['VARBINARY(20)', 'VARBINARY(20)', ["X'00FF'", "X''", "X'2C'"], "X'00FF00'"],
  ['BINARY(3)', 'BINARY(3)', ["X'61'", "X'000000'"], "X'616200'"],
  ['BLOB', 'BLOB', ["X'00FF'", "X''"], "X'FF'"],
  ['LONGBLOB', 'LONGBLOB', ["REPEAT('x', 100000)"], "REPEAT('x', 100001)"],
  ['DATE', 'DATE', ["'2026-01-02'", "'0000-00-00'", "'2026-00-00'"], "'2026-01-03'"],
  ['TIME(6)', 'TIME(6)', ["'-00:00:00.000001'", "'838:59:59'"], "'00:00:00.000001'"],
  ['DATETIME(3)', 'DATETIME(3)', ["'2026-01-02 03:04:05.678'", "'0000-00-00 00:00:00'"], "'2026-01-02 03:04:05.679'"],
  ['TIMESTAMP(2) NULL', 'TIMESTAMP(2) NULL', ["'2026-01-02 03:04:05.67'"], "'2026-01-02 03:04:05.68'"],
  ['YEAR', 'YEAR', ['0', '2026'], '2000'],
  ["ENUM('a','b','')", "ENUM('a','b','')", ["'a'", "''"], "'b'"],
  ["SET('a','b','c')", "SET('a','b','c')", ["'a,c'", "''"], "'a,b'"],
  ['BIT(64)', 'BIT(64)', ['18446744073709551615', '0'], '18446744073709551614'],
  ['GEOMETRY', 'GEOMETRY', ["ST_GeomFromText('POINT(1 2)')"], "ST_GeomFromText('POINT(1 2)', 4326)"],
  ['JSON', 'JSON', [`'{"a": [1.0, null]}'`, "'null'"], `'{"a": [1.5, null]}'`],
];

/** Changes that an expression can follow. */
const followed: readonly Case[] = [
  ['INT', 'BIGINT UNSIGNED', ['0', '7'], '8'],
  ['INT(6) ZEROFILL', 'INT UNSIGNED', ['42'], '43'],
  ['INT', 'DECIMAL(12,3)', ['0', '-7'], '-7.001'],
  ['INT', utf8, ['-7', '0'], "'-7 '"],
  ['INT', 'INT(9) ZEROFILL', ['42'], '43'],
  ['DECIMAL(10,2)', 'DECIMAL(14,4)', ['1.25', '-0.5'], '1.2501'],
  ['DECIMAL(10,4)', 'DECIMAL(10,2)', ['1.2500'], '1.26'],
  ['FLOAT', 'DOUBLE', ['0.1', '16777217'], '0.1'],
  [utf8, 'VARCHAR(40) CHARACTER SET utf8mb4', text, "'b'"],
  [utf8, 'TEXT CHARACTER SET utf8mb4', text, "'b'"],
  [utf8, 'CHAR(20) CHARACTER SET utf8mb4', text, "'b'"],
  ['CHAR(4) CHARACTER SET utf8mb4', utf8, ["'a'", "''"], "'a '"],
  [latin, utf8, ["'a'", "'ü€'", "'a '"], "'u€'"],
  [utf8, latin, ["'a'", "'ü€'", "'a '"], "'u€'"],
  [latin, 'MEDIUMTEXT CHARACTER SET ucs2', ["'a'", "'ü€'"], "'u€'"],
  ['VARCHAR(20) CHARACTER SET utf8mb3', utf8, ["'ü€'", "'A'"], "'a'"],
  [utf8, 'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin', text, "'b'"],
  ['VARBINARY(4)', 'VARBINARY(9)', ["X'00FF'", "X'6100'"], "X'61'"],
  ['VARBINARY(4)', 'BINARY(6)', ["X'00FF'", "X'61'"], "X'62'"],
  ['BINARY(3)', 'BINARY(6)', ["X'61'"], "X'62'"],
  ['BINARY(3)', 'VARBINARY(6)', ["X'61'"], "X'61'"],
  ['BLOB', 'LONGBLOB', ["X'00FF'"], "X'00'"],
  ['TIME(6)', 'TIME(2)', ["'-00:00:01.256'", "'00:00:00.009'"], "'00:00:09'"],
  ['DATETIME(6)', 'DATETIME', ["'2026-01-02 03:04:05.678901'", "'2026-12-31 23:59:59.999999'"], "'2026-01-02 03:04:09'"],
  ['DATETIME', 'DATETIME(3)', ["'2026-01-02 03:04:05'", "'0000-00-00 00:00:00'"], "'2026-01-02 03:04:05.001'"],
  ['TIMESTAMP(6) NULL', 'TIMESTAMP(3) NULL', ["'2026-01-02 03:04:05.678901'"], "'2026-01-02 03:04:05'"],
  ['DATE', 'DATETIME', ["'2026-01-02'", "'0000-00-00'"], "'2026-01-02 00:00:01'"],
  ['YEAR', 'INT', ['0', '2026'], '2000'],
  ["ENUM('a','b')", "ENUM('a','b','c')", ["'a'", "'b'"], "'c'"],
  ["ENUM('a','é ')", utf8, ["'a'", "'é'"], "'e'"],
  ["ENUM('a','b')", 'INT', ["'a'", "'b'"], '3'],
  ["SET('a','b')", "SET('a','b','c')", ["'a,b'", "''"], "'c'"],
  ["SET('a','b')", latin, ["'a,b'", "''"], "'c'"],
  ['BIT(3)', 'BIT(64)', ['5'], '6'],
  ['BIT(3)', 'INT', ['5'], '6'],
];

/** Changes that only the server's own assignment gets right. */
const probed: readonly Case[] = [
  ['INT', 'DOUBLE', ['-7', '2147483647'], '8'],
  ['BIGINT', 'FLOAT', ['16777217'], '1'],
  ['DECIMAL(10,4)', 'INT', ['1.5000', '-2.5000'], '9'],
  ['DECIMAL(20,10)', 'DOUBLE', ['1.0000000001'], '1'],
  ['DOUBLE', 'FLOAT', ['0.1', '3.5'], '0.2'],
  ['DOUBLE', 'INT', ['3.5', '2.5'], '9'],
  ['INT UNSIGNED', 'BIT(32)', ['5'], '6'],
  ['YEAR', utf8, ['2026'], "'2027'"],
  [utf8, 'VARBINARY(80)', ["'ü€'"], "X'61'"],
  [latin, 'BLOB', ["'ü€'"], "X'61'"],
  [utf8, 'DECIMAL(10,2)', ["'1.50'"], '1.51'],
  [utf8, 'DOUBLE', ["'1e3'", "'0.1'"], '1001'],
  [utf8, 'DATE', ["'2026-01-02'", "'2026-1-3'"], "'2026-01-04'"],
  [utf8, 'DATETIME(3)', ["'2026-01-02 03:04:05'"], "'2026-01-02 03:04:06'"],
  [utf8, 'TIME', ["'1:2:3'"], "'01:02:04'"],
  [utf8, "ENUM('a','b')", ["'a'", "'B'"], "'b'"],
  [utf8, "SET('a','b')", ["'b,a'", "''"], "'a'"],
  ["ENUM('a','b')", "ENUM('b','a')", ["'a'", "'b'"], "'b'"],
  ["SET('a','b')", "SET('b','x','a')", ["'a,b'"], "'x'"],
  ['VARBINARY(9)', utf8, ["'ü'"], "'u'"],
  ['DATE', utf8, ["'2026-01-02'"], "'2026-01-03'"],
  ['TIME(2)', utf8, ["'-01:02:03.4'"], "'01:02:03.40'"],
  ['DATETIME(3)', 'VARCHAR(30) CHARACTER SET utf8mb4', ["'2026-01-02 03:04:05.678'"], "'2026-01-02'"],
  ['DATETIME', 'DATE', ["'2026-01-02 00:00:00'"], "'2026-01-03'"],
];

const only = {
  mysql: {
    unchanged: [
      ['VECTOR(2)', 'VECTOR(2)', ["STRING_TO_VECTOR('[1,2]')"], "STRING_TO_VECTOR('[1,3]')"],
      ['POINT SRID 4326', 'POINT SRID 4326', ["ST_GeomFromText('POINT(1 2)', 4326)"], "ST_GeomFromText('POINT(2 1)', 4326)"],
      ['DOUBLE', 'DOUBLE', ['-0e0'], '0e0'],
    ],
    followed: [['POINT', 'GEOMETRY', ["ST_GeomFromText('POINT(1 2)')"], "ST_GeomFromText('POINT(1 3)')"]],
    probed: [
      ['JSON', 'LONGTEXT CHARACTER SET utf8mb4', [`'{"a": 1.0}'`], `'{"a": 1}'`],
      [utf8, 'INT', ["'42'", "' 7'"], '8'],
      [utf8, 'JSON', [`'{"b":1.0, "a" : 0.1}'`], `'{"a": 0.1, "b": 2}'`],
    ],
  },
  mariadb: {
    unchanged: [
      ['UUID', 'UUID', ["'00000000-0000-1000-8000-000000000001'"], "'00000000-0000-1000-8000-000000000002'"],
      ['INET6', 'INET6', ["'::1'"], "'::2'"],
    ],
    followed: [],
    probed: [
      ['UUID', 'CHAR(36) CHARACTER SET utf8mb4', ["'00000000-0000-1000-8000-000000000001'"], "'x'"],
      [
        'CHAR(36) CHARACTER SET utf8mb4',
        'UUID',
        ["'00000000-0000-1000-8000-00000000000A'"],
        "'00000000-0000-1000-8000-000000000002'",
      ],
      ['INET6', utf8, ["'0:0::1'"], "'::2'"],
    ],
  },
} as const satisfies Record<string, Record<string, readonly Case[]>>;

describe.each(['mysql', 'mariadb'] as const)('comparing on %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  describe.each([
    ['values of unchanged types', true, [...unchanged, ...only[flavour].unchanged]],
    ['values that an expression follows into the new type', true, [...followed, ...only[flavour].followed]],
    ['values that only an assignment brings into the new type', false, [...probed, ...only[flavour].probed]],
  ] as const)('%s', (_, isComparable, cases: readonly Case[]) => {
    let t: TestPair;
    const rows = Math.max(...cases.map(([, , values]) => values.length)) + 1;
    beforeAll(async () => {
      const columns = cases.map(([from], place) => `c${place} ${from}`);
      const values = Array.from(
        { length: rows },
        (_, row) => `(${[row, ...cases.map(([, , values]) => values[row] ?? 'NULL')].join(', ')})`,
      );
      t = await openPair({
        server,
        url,
        before: [
          'SET NAMES utf8mb4',
          "SET sql_mode = ''",
          `CREATE TABLE t (id INT PRIMARY KEY, ${columns.join(', ')}) CHARACTER SET utf8mb4`,
          `INSERT INTO t VALUES ${values.join(', ')}`,
        ],
        clauses: cases.map(([, to], place) => `MODIFY c${place} ${to}`).join(', '),
      });
      await t.pair.copyRange({ after: null, through: null }, 'collide', never);
    });
    afterAll(async () => t[Symbol.asyncDispose]());

    test('takes the way that is right for them', async () => {
      const [source, shadow] = await t.sessions.withSession(
        async (session) => [await readTable(session, t.plan.source, never), await readTable(session, t.plan.shadow, never)],
        never,
      );
      if (source == null || shadow == null) throw new Error('Both tables exist.');
      const keys = keyColumns(source, t.plan.key.columns);
      const layout = layoutOf({ plan: t.plan, keyColumns: keys, source, shadow, flavour: server.flavour, mark: 'm' });
      const followed = layout.columns.filter((column) => column.source.name !== 'id' && column.asShadow !== null);
      expect(followed.map((column) => `${column.source.columnType} → ${column.shadow.columnType}`).length).toBe(
        isComparable ? cases.length : 0,
      );
    });

    test('finds them equal right after the copy', async () => {
      expect(await t.pair.findDifferences({ after: null, through: null }, 100, never)).toEqual([]);
      expect(await t.pair.compareRange({ after: null, through: null }, never)).toEqual({
        isEqual: true,
        sourceRows: rows,
        shadowRows: rows,
      });
    });

    test.each(cases.map(([from, to, values, other], place) => ({ from, to, values, other, place })))(
      'sees that $from as $to is not $other, and not NULL',
      async ({ other, place }) => {
        for (const value of [other, 'NULL']) {
          await t.application.run(`UPDATE t_ts_new SET c${place} = ${value} WHERE id = 0`);
          const comparison = await t.pair.compareRange({ after: null, through: null }, never);
          expect(comparison.isEqual).toBe(false);
          expect(await t.pair.findDifferences({ after: null, through: null }, 100, never)).toEqual(['0']);
          await t.application.run(`DELETE FROM t_ts_new WHERE id = 0`);
          expect(await t.pair.insertRows(['0' as never], never)).toBe('inserted');
        }
      },
    );
  });

  test('takes a zero date for a value, although it may not be NULL', async () => {
    await using t = await openPair({
      server,
      url,
      before: [
        "SET sql_mode = ''",
        'CREATE TABLE t (d DATE NOT NULL, id INT NOT NULL, v INT, PRIMARY KEY (d, id))',
        "INSERT INTO t VALUES ('0000-00-00', 1, 1), ('0000-00-00', 2, 2), ('2024-01-01', 1, 1), ('2024-01-01', 2, 2)",
      ],
      clauses: 'MODIFY v BIGINT',
    });
    const everything = { after: null, through: null };
    await t.pair.copyRange(everything, 'collide', never);
    await t.application.run("DELETE FROM t_ts_new WHERE d > '2000-01-01' AND id = 2");
    expect(await t.pair.findDifferences(everything, 100, never)).toHaveLength(1);
    expect(await t.pair.copyRange(everything, 'skip', never)).toEqual({ kind: 'copied', rows: 1 });
    expect(await t.pair.findDifferences(everything, 100, never)).toEqual([]);
    await t.application.run("INSERT INTO t_ts_new VALUES ('0000-00-00', 3, 3)");
    expect(await t.pair.findDifferences(everything, 100, never)).toHaveLength(1);
  });

  // MariaDB refuses an invisible column without a value of its own.
  test('makes its probe of a table whose key is invisible and counted by the server', async () => {
    await using t = await openPair({
      server,
      url,
      before: [
        'CREATE TABLE t (id INT NOT NULL INVISIBLE AUTO_INCREMENT PRIMARY KEY, a DOUBLE)',
        'INSERT INTO t (a) VALUES (1.5), (2.5)',
      ],
      clauses: 'MODIFY a FLOAT',
    });
    await t.pair.copyRange({ after: null, through: null }, 'collide', never);
    await t.application.run('UPDATE t_ts_new SET a = 3.5 WHERE id = 2');
    expect(await t.pair.findDifferences({ after: null, through: null }, 100, never)).toEqual(['2']);
  });

  test('makes its probe of a table with a new column that the server counts', async () => {
    await using t = await openPair({
      server,
      url,
      before: ['CREATE TABLE t (id INT PRIMARY KEY, a DOUBLE)', 'INSERT INTO t VALUES (1, 1.5), (2, 2.5)'],
      clauses: 'MODIFY a FLOAT, ADD COLUMN n INT NOT NULL AUTO_INCREMENT, ADD UNIQUE KEY by_n (n)',
    });
    await t.pair.copyRange({ after: null, through: null }, 'collide', never);
    await t.application.run('UPDATE t_ts_new SET a = 3.5 WHERE id = 2');
    expect(await t.pair.findDifferences({ after: null, through: null }, 100, never)).toEqual(['2']);
    const one = '1' as RowKey;
    expect(await t.pair.insertRows([one], never)).toBe('collided');
    expect(await t.pair.explainCollision([one], never)).toEqual({ kind: 'in-the-way', keys: ['1'] });
  });
});
