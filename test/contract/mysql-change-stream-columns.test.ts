/** Columns beside the key: whatever their types and values, and however a row is logged, they do not shift the key. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asMigrationError } from '../../src/engine/errors.ts';
import { readTable } from '../../src/mysql/catalog.ts';
import { rowImageObstacles } from '../../src/mysql/obstacles-server.ts';
import { createSchema, never, type TestSchema } from '../support/adapter-server.ts';
import { plan } from '../support/plan-request.ts';
import { startServer, type Server } from '../support/servers.ts';
import { openStreamFixture, rowSettings, type StreamFixture } from '../support/stream-fixture.ts';

type Flavour = 'mysql' | 'mariadb';

/** Types with two values each, from the smallest to the largest. */
const types: readonly (readonly [type: string, one: string, other: string])[] = [
  ['TINYINT', '-128', '127'],
  ['SMALLINT UNSIGNED', '0', '65535'],
  ['MEDIUMINT', '-8388608', '1'],
  ['INT', '-1', '2147483647'],
  ['BIGINT UNSIGNED', '0', '18446744073709551615'],
  ['FLOAT', '-1.5', '3e38'],
  ['DOUBLE', '0', '-1e308'],
  ['DECIMAL(65,30)', '-1', '12345678901234567890123456789012345.5'],
  ['DECIMAL(5,2)', '0', '999.99'],
  ['BIT(1)', "b'0'", "b'1'"],
  ['BIT(12)', "b'1'", "b'111111111111'"],
  ['BIT(64)', '0', '18446744073709551615'],
  ['YEAR', '0', '2155'],
  ['DATE', "'0000-00-00'", "'9999-12-31'"],
  ['TIME', "'-838:59:59'", "'0'"],
  ['TIME(5)', "'-00:00:00.00001'", "'838:59:58.99999'"],
  ['DATETIME', "'0000-00-00'", "'9999-12-31 23:59:59'"],
  ['DATETIME(3)', "'2026-01-01 00:00:00.001'", "'1000-01-01'"],
  ['DATETIME(6)', "'2026-01-01 00:00:00.000001'", "'1000-01-01'"],
  ['TIMESTAMP NULL', "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"],
  ['TIMESTAMP(1) NULL', "'2026-01-01 00:00:00.1'", "'2026-01-01'"],
  ['TIMESTAMP(4) NULL', "'2026-01-01 00:00:00.0001'", "'2026-01-01'"],
  ['CHAR(1)', "''", "'€'"],
  ['CHAR(255) CHARACTER SET utf8mb4', "'a'", "REPEAT('😀', 255)"],
  ['CHAR(200) CHARACTER SET latin1', "'a'", "REPEAT('é', 200)"],
  ['CHAR(63) CHARACTER SET utf16', "'a'", "REPEAT('é', 63)"],
  ['VARCHAR(0)', "''", "''"],
  ['VARCHAR(63) CHARACTER SET utf8mb4', "''", "REPEAT('😀', 63)"],
  ['VARCHAR(64) CHARACTER SET utf8mb4', "'a'", "REPEAT('😀', 64)"],
  ['VARCHAR(2000) CHARACTER SET latin1', "''", "REPEAT('x', 2000)"],
  ['BINARY(0)', "''", "''"],
  ['BINARY(255)', "X'00'", "X'FF'"],
  ['VARBINARY(255)', "''", "REPEAT('y', 255)"],
  ['VARBINARY(256)', "X'0000'", "REPEAT('y', 256)"],
  ['TINYTEXT', "''", "REPEAT('t', 255)"],
  ['TEXT', "'t'", "REPEAT('t', 65535)"],
  ['MEDIUMTEXT', "''", "REPEAT('m', 70000)"],
  ['LONGTEXT', "'l'", "REPEAT('l', 100000)"],
  ['TINYBLOB', "X'00'", "REPEAT('b', 255)"],
  ['BLOB', "''", "REPEAT('b', 256)"],
  ['MEDIUMBLOB', "X'FF'", "REPEAT('b', 65536)"],
  ['LONGBLOB', "''", "REPEAT('b', 65537)"],
  ["ENUM('a','b')", "'a'", "'b'"],
  [`ENUM(${Array.from({ length: 300 }, (_, at) => `'e${at}'`).join()})`, "'e0'", "'e299'"],
  [`SET(${Array.from({ length: 9 }, (_, at) => `'s${at}'`).join()})`, "''", "'s0,s8'"],
  [`SET(${Array.from({ length: 64 }, (_, at) => `'s${at}'`).join()})`, "'s1'", "'s0,s63'"],
  ['JSON', "'{}'", `'{"a": [1, 2.5, null, "text that is longer than a byte"], "b": {"c": true}}'`],
  ['GEOMETRY', "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')"],
  ['POINT', "ST_GeomFromText('POINT(0 0)')", "ST_GeomFromText('POINT(-1 1e300)')"],
  ['LINESTRING', "ST_GeomFromText('LINESTRING(0 0, 1 1)')", "ST_GeomFromText('LINESTRING(0 0, 1 1, 2 2)')"],
  ['POLYGON', "ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')", 'NULL'],
  ['MULTIPOINT', "ST_GeomFromText('MULTIPOINT(0 0, 1 1)')", 'NULL'],
  ['MULTILINESTRING', "ST_GeomFromText('MULTILINESTRING((0 0, 1 1))')", 'NULL'],
  ['MULTIPOLYGON', "ST_GeomFromText('MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))')", 'NULL'],
  ['GEOMETRYCOLLECTION', "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')", 'NULL'],
];

const only: Readonly<Record<Flavour, typeof types>> = {
  mysql: [
    ['VECTOR(2)', "STRING_TO_VECTOR('[1,2]')", "STRING_TO_VECTOR('[-1]')"],
    ['VECTOR(2000)', "STRING_TO_VECTOR('[1]')", "STRING_TO_VECTOR(CONCAT('[', REPEAT('1,', 1999), '1]'))"],
    ['POINT SRID 4326', "ST_GeomFromText('POINT(1 2)', 4326)", 'NULL'],
  ],
  mariadb: [
    ['UUID', "'00000000-0000-1000-8000-000000000001'", "'ffffffff-ffff-4fff-bfff-ffffffffffff'"],
    ['INET4', "'0.0.0.0'", "'255.255.255.255'"],
    ['INET6', "'::'", "'ffff::1'"],
    ['VARCHAR(100) COMPRESSED', "'c'", "REPEAT('c', 100)"],
    ['VARBINARY(300) COMPRESSED', "''", "REPEAT('c', 300)"],
    ['TINYBLOB COMPRESSED', "''", "REPEAT('c', 200)"],
    ['TEXT COMPRESSED', "'c'", "REPEAT('c', 60000)"],
    ['LONGBLOB COMPRESSED', "''", "REPEAT('c', 70000)"],
  ],
};

describe.each(['mysql', 'mariadb'] as const)('on %s', (flavour) => {
  let server: Server;
  let schema: TestSchema;
  let fixture: StreamFixture;

  beforeAll(async () => {
    server = await startServer({ flavour, extraFlags: ['--sync-binlog=0', '--innodb-flush-log-at-trx-commit=0'] });
    schema = await createSchema(server.url);
    await run(`USE ${schema.name}`);
    await run("SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'");
    fixture = await openStreamFixture(server.url, schema.name);
  });

  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    await schema?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  const run = (sql: string): Promise<unknown> => schema.application.run(sql);
  const key = (id: number, name: string): string => `(${id},X'${Buffer.from(name).toString('hex').toUpperCase()}')`;

  test.each(rowSettings[flavour])('a key among columns of every type is found after %s', async (setting) => {
    const all = [...types, ...only[flavour]];
    await run('DROP TABLE IF EXISTS t');
    const columns = all.map(([type], at) => `c${at} ${type}`);
    const middle = Math.floor(columns.length / 2);
    await run(
      `CREATE TABLE t (${[
        ...columns.slice(0, middle),
        'id INT NOT NULL',
        'g INT GENERATED ALWAYS AS (id + 1) VIRTUAL',
        'h VARCHAR(300) GENERATED ALWAYS AS (REPEAT(id, 200)) STORED',
        ...columns.slice(middle),
        'k VARBINARY(9) NOT NULL',
        'z VARCHAR(20)',
        'PRIMARY KEY (id, k)',
      ].join(', ')}) ROW_FORMAT = DYNAMIC`,
    );
    const names = all.map((_, at) => `c${at}`).join(', ');
    const insert = (id: number, values: readonly string[]): Promise<unknown> =>
      run(`INSERT INTO t (${names}, id, k, z) VALUES (${values.join(', ')}, ${id}, 'k${id}', 'end')`);
    await run(setting);
    const { changes, close } = await fixture.open({ schema: schema.name, table: 't', keyColumns: ['id', 'k'] });
    await insert(
      1,
      all.map(([, one]) => one),
    );
    await insert(
      2,
      all.map(([, , other]) => other),
    );
    await insert(
      3,
      all.map(() => 'NULL'),
    );
    await insert(
      4,
      all.map(([, one], at) => (at % 2 === 0 ? one : 'NULL')),
    );
    const keys = [1, 2, 3, 4].map((id) => key(id, `k${id}`));
    expect(await changes()).toEqual(keys.map((one) => `upsert ${one}`));
    for (const [at, [type, one, other]] of all.entries()) {
      if (one === other) continue;
      await run(`UPDATE t SET c${at} = CASE id WHEN 1 THEN ${other} WHEN 2 THEN NULL WHEN 3 THEN ${one} END WHERE id < 4`);
      const expected = keys.slice(0, 3).map((one) => `upsert ${one}`);
      const found = await changes();
      // Where one of the two is NULL, the second row has not changed.
      expect([type, found]).toEqual([type, other === 'NULL' ? [expected[0], expected[2]] : expected]);
    }
    await run("UPDATE t SET id = id + 10, k = 'moved', z = NULL");
    const moved = [11, 12, 13, 14].map((id) => key(id, 'moved'));
    expect(await changes()).toEqual(keys.flatMap((old, at) => [`delete ${old}`, `upsert ${moved[at]}`]));
    await run('DELETE FROM t');
    expect(await changes()).toEqual(moved.map((one) => `delete ${one}`));
    await close();
  });

  test('columns that the server hides do not disturb the key', async () => {
    await run('DROP TABLE IF EXISTS t');
    const hidden = {
      mysql: 'KEY f ((a + 1)), UNIQUE KEY g ((LOWER(x))), KEY tags ((CAST(j AS UNSIGNED ARRAY)))',
      mariadb: 'UNIQUE KEY f (x), UNIQUE KEY g (b, a)',
    }[flavour];
    await run(
      `CREATE TABLE t (a INT, id INT NOT NULL PRIMARY KEY, x ${flavour === 'mysql' ? 'VARCHAR(30)' : 'TEXT'}, b BLOB, j JSON, ${hidden})`,
    );
    const { changes, close } = await fixture.open({ schema: schema.name, table: 't', keyColumns: ['id'] });
    for (const setting of rowSettings[flavour]) {
      await run(setting);
      await run("INSERT INTO t VALUES (1, 10, 'x', 'b', '[1, 2]'), (NULL, 20, NULL, NULL, NULL), (3, 30, '', '', '[]')");
      await run("UPDATE t SET x = 'y', b = 'c' WHERE id = 20");
      await run('UPDATE t SET id = id + 1, a = 7');
      await run('DELETE FROM t');
      expect([setting, await changes()]).toEqual([
        setting,
        [
          ...[10, 20, 30].map((id) => `upsert ${id}`),
          'upsert 20',
          ...[10, 20, 30].flatMap((id) => [`delete ${id}`, `upsert ${id + 1}`]),
          ...[11, 21, 31].map((id) => `delete ${id}`),
        ],
      ]);
    }
    await close();
  });

  test.each<[string, string, string]>([
    ['the primary key', 'PRIMARY', 'b INT NOT NULL UNIQUE, a INT PRIMARY KEY'],
    ['another key beside a primary key', 'b', 'b INT NOT NULL UNIQUE, a INT PRIMARY KEY'],
    ['the first of several unique keys', 'z', 'b INT NOT NULL, a INT NOT NULL, UNIQUE z (b), UNIQUE a (a)'],
    ['the second of several unique keys', 'a', 'b INT NOT NULL, a INT NOT NULL, UNIQUE z (b), UNIQUE a (a)'],
    ['a key behind one that may be NULL', 'b', 'a INT UNIQUE, b INT NOT NULL UNIQUE'],
    ['a key behind a prefix', 'b', 'a VARCHAR(9) NOT NULL, b INT NOT NULL, UNIQUE a (a(3)), UNIQUE b (b)'],
    ['the wider of two keys, which comes first', 'w', 'a INT NOT NULL, b INT NOT NULL, UNIQUE w (a, b), UNIQUE v (b)'],
  ])(
    '%s is in a minimal image of a changed row just where no obstacle says that it is not',
    async (_name, index, definition) => {
      await run('DROP TABLE IF EXISTS t');
      await run(`CREATE TABLE t (v INT, ${definition})`);
      const made = await plan({ server: fixture.server, schema, clauses: 'ADD x INT', options: { key: index } });
      const source = await readTable(fixture.session, made.source, never);
      if (source === null) throw new Error('The table exists.');
      const obstacles = rowImageObstacles(new Map([['binlog_row_image', 'MINIMAL']]), source, made);
      await run('SET SESSION binlog_row_image = FULL');
      await run('INSERT INTO t (v, a, b) VALUES (1, 5, 6)');
      const { changes, failure, close } = await fixture.open({ schema: schema.name, table: 't', keyColumns: made.key.columns });
      await run('SET SESSION binlog_row_image = MINIMAL');
      await run('UPDATE t SET v = 2');
      await run('DELETE FROM t');
      const isLogged = obstacles.length === 0;
      const outcome = isLogged ? (await changes()).join(' ') : asMigrationError(await failure()).code;
      const rowKey = made.key.columns.length === 2 ? '(5,6)' : made.key.columns[0] === 'a' ? '5' : '6';
      expect(outcome).toBe(isLogged ? `upsert ${rowKey} delete ${rowKey}` : 'UNKNOWN_LOG_EVENT');
      await close();
    },
  );
});
