/** The keys that the change stream delivers are, letter by letter, those that a SELECT gives for the same rows. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyTextExpression, literalFromText, rowKey } from '../../src/mysql/row-key.ts';
import { createSchema, never, type TestSchema } from '../support/adapter-server.ts';
import { hostileKeys } from '../support/hostile-keys.ts';
import { startServer, type Server } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { openStreamFixture, rowSettings, type StreamFixture } from '../support/stream-fixture.ts';

type Flavour = 'mysql' | 'mariadb';

/** What only the whole server can be set to. */
const serverSettings: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: ['SET GLOBAL binlog_row_metadata = MINIMAL', 'SET GLOBAL binlog_row_metadata = FULL'],
  mariadb: ['NO_LOG/OFF', 'MINIMAL/ON', 'FULL/OFF'].map((pair) => {
    const [metadata, compression] = pair.split('/');
    return `SET GLOBAL binlog_row_metadata = ${metadata}, log_bin_compress = ${compression}, log_bin_compress_min_len = 10`;
  }),
};

describeSideBySide(['mysql', 'mariadb'], 'on', (flavour) => {
  let server: Server;
  let schema: TestSchema;
  let fixture: StreamFixture;

  beforeAll(async () => {
    server = await startServer({ flavour, extraFlags: ['--sync-binlog=0', '--innodb-flush-log-at-trx-commit=0'] });
    schema = await createSchema(server.url);
    await schema.application.run(`USE ${schema.name}`);
    await schema.application.run("SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'");
    fixture = await openStreamFixture(server.url, schema.name);
  });

  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    await schema?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  const types = hostileKeys.filter(({ only = flavour }) => only === flavour);
  const run = (sql: string): Promise<unknown> => schema.application.run(sql);

  async function selectedKeys(columns: readonly string[]): Promise<readonly string[]> {
    const key = await fixture.keyOf(schema.name, 't', columns);
    const rows = await fixture.session.query(
      `SELECT ${key.map((column, index) => `${keyTextExpression(column, '')} AS k${index}`).join(', ')} FROM ${schema.name}.t`,
      never,
    );
    return rows.map((row) => rowKey(key.map((column, index) => literalFromText(column, row[`k${index}`] ?? 'NULL'))));
  }

  test.each(types)('the keys of a $type column are delivered as they are selected', async ({ type, values }) => {
    await run('DROP TABLE IF EXISTS t');
    await run(
      `CREATE TABLE t (a VARCHAR(300) NULL, doc JSON NULL, k ${type} NOT NULL, note TEXT NULL, v INT NOT NULL DEFAULT 0, PRIMARY KEY (k))`,
    );
    for (const serverSetting of serverSettings[flavour]) {
      await run(serverSetting);
      const { changes, close } = await fixture.open({ schema: schema.name, table: 't', keyColumns: ['k'] });
      for (const setting of rowSettings[flavour]) {
        await run(setting);
        await run(
          `INSERT IGNORE INTO t (a, doc, k, note) VALUES ${values.map((value) => `(repeat('a', 200), '{"x": 1, "y": "long enough"}', ${value}, 'n')`).join()}`,
        );
        const keys = [...(await selectedKeys(['k']))].sort();
        expect(keys).toHaveLength(values.length);
        const sorted = async (): Promise<readonly string[]> => [...(await changes())].sort();
        expect([setting, await sorted()]).toEqual([setting, keys.map((key) => `upsert ${key}`)]);
        await run("UPDATE t SET doc = JSON_SET(doc, '$.x', 2), v = v + 1");
        expect([setting, await sorted()]).toEqual([setting, keys.map((key) => `upsert ${key}`)]);
        await run('DELETE FROM t');
        expect([setting, await sorted()]).toEqual([setting, keys.map((key) => `delete ${key}`)]);
      }
      await close();
    }
  });

  test.each(types.filter(({ isFound = true }) => isFound))(
    'a key of a $type column finds its row',
    async ({ type, values }) => {
      await run('DROP TABLE IF EXISTS t');
      await run(`CREATE TABLE t (k ${type} NOT NULL PRIMARY KEY, v INT NOT NULL DEFAULT 0)`);
      await run(`INSERT IGNORE INTO t (k) VALUES ${values.map((value) => `(${value})`).join()}`);
      const found: (string | null | undefined)[] = [];
      for (const key of await selectedKeys(['k'])) {
        const [row] = await fixture.session.query(`SELECT COUNT(*) AS n FROM ${schema.name}.t WHERE k IN (${key})`, never);
        found.push(row?.['n']);
      }
      expect(found).toEqual(values.map(() => '1'));
    },
  );

  test('the log of these tests has every kind of rows event that the server can write', async () => {
    const types = new Set<unknown>();
    for (const { Log_name: file } of await schema.application.run('SHOW BINARY LOGS')) {
      for (const { Event_type: type } of await schema.application.run(`SHOW BINLOG EVENTS IN '${String(file)}'`))
        types.add(type);
    }
    const kinds = ['Write', 'Update', 'Delete'];
    const expected = {
      mysql: [...kinds.map((kind) => `${kind}_rows`), 'Update_rows_partial', 'Transaction_payload'],
      mariadb: kinds.flatMap((kind) => [`${kind}_rows_v1`, `${kind}_rows_compressed_v1`]),
    };
    expect([...types]).toEqual(expect.arrayContaining(expected[flavour]));
  });

  test('a key of several columns is delivered in the order of the key, whatever the order in the table', async () => {
    await run('DROP TABLE IF EXISTS t');
    await run(
      'CREATE TABLE t (b VARBINARY(9) NOT NULL, v INT, a INT UNSIGNED NOT NULL, d DECIMAL(5,1) NOT NULL, PRIMARY KEY (d, a, b))',
    );
    const { changes } = await fixture.open({ schema: schema.name, table: 't', keyColumns: ['d', 'a', 'b'] });
    await run("INSERT INTO t VALUES (X'00', 1, 4294967295, -0.5), ('', 2, 0, 12)");
    expect(await changes()).toEqual(["upsert (-0.5,4294967295,X'00')", "upsert (12.0,0,X'')"]);
    expect([...(await selectedKeys(['d', 'a', 'b']))].sort()).toEqual(["(-0.5,4294967295,X'00')", "(12.0,0,X'')"]);
  });

  test('a changed key is a delete of the old and an upsert of the new one, with every row image', async () => {
    await run('DROP TABLE IF EXISTS t');
    await run('CREATE TABLE t (a INT NOT NULL, b VARCHAR(9) NOT NULL, v TEXT, PRIMARY KEY (a, b))');
    const { changes } = await fixture.open({ schema: schema.name, table: 't', keyColumns: ['a', 'b'] });
    for (const setting of rowSettings[flavour]) {
      await run(setting);
      await run("INSERT INTO t VALUES (1, 'x', 'v')");
      await run('UPDATE t SET a = 2');
      await run("UPDATE t SET b = 'X', v = 'w'");
      await run("UPDATE t SET v = 'z'");
      await run('DELETE FROM t');
      const charset = flavour === 'mysql' ? 'utf8mb4' : 'latin1';
      const key = (a: number, b: string): string => `(${a},_${charset} X'${b}')`;
      expect(await changes()).toEqual([
        `upsert ${key(1, '78')}`,
        `delete ${key(1, '78')}`,
        `upsert ${key(2, '78')}`,
        `delete ${key(2, '78')}`,
        `upsert ${key(2, '58')}`,
        `upsert ${key(2, '58')}`,
        `delete ${key(2, '58')}`,
      ]);
    }
  });
});
