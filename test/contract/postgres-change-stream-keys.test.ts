/** The keys that the change stream delivers are, letter by letter, those that a SELECT gives for the same rows. */
import { describe, expect, test } from 'vitest';
import { readTable } from '../../src/postgres/catalog.ts';
import { type KeyColumn, keysFromRows, keyTextExpression } from '../../src/postgres/row-key.ts';
import { never } from '../support/postgres-adapter.ts';
import { postgresStreamVersions, usePostgresStreamWorld } from '../support/stream-postgres.ts';

/** Types that a key can have, each with values whose text is easily got wrong. */
const keyTypes: readonly (readonly [string, readonly string[]])[] = [
  ['bigint', ['-9223372036854775808', '0', '9223372036854775807']],
  ['numeric', ["'-0.00'", '1.10', "'1e-30'", "'123456789012345678901234567890.5'", "'NaN'", "'Infinity'"]],
  ['double precision', ['0.1', "'-0'", "'1e300'", "'5e-324'", "'NaN'", "'-Infinity'", '0.1::real']],
  ['real', ['0.1', '16777217', "'1e-45'"]],
  ['boolean', ['true', 'false']],
  ['text', ["''", "' '", "E'it''s \\\\ \\n\\t'", "'ä𝄞'", "'NULL'", "'null'", "E'\\u0001'"]],
  ['text COLLATE "C"', ["'a'", "'A'", "'a '"]],
  ['character(5)', ["'ab'", "'ab  c'", "''"]],
  ['character varying(9)', ["'ab '", "' ab'"]],
  ['"char"', ["'a'", "E'\\u0001'"]],
  ['bytea', ["'\\x'", "'\\x00ff27'", "'\\x5c78'"]],
  ['uuid', ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"]],
  ['date', ["'2026-03-04'", "'0044-03-15 BC'", "'infinity'", "'99999-01-01'"]],
  ['time', ["'24:00'", "'00:00:00.000001'"]],
  ['timestamp', ["'2026-03-04 05:06:07.123456'", "'-infinity'", "'0044-03-15 12:00 BC'"]],
  ['timestamptz', ["'2026-03-04 05:06:07.1+05:30'", "'infinity'", "'294276-12-31 23:59:59+00'"]],
  ['interval', ["'1 year -2 days 03:04:05.006'", "'-00:00:01'", "'0'", "'1 mon'"]],
  ['inet', ["'10.1.2.3'", "'10.1.2.3/8'", "'::1'", "'::ffff:1.2.3.4'"]],
  ['cidr', ["'10.0.0.0/8'", "'10.1.2.3'"]],
  ['macaddr', ["'08:00:2b:01:02:03'"]],
  ['bit(3)', ["B'101'", "B'000'"]],
  ['bit varying', ["B''", "B'0011'"]],
  ['integer[]', ["'{}'", "'{1,NULL,3}'", "'[0:1]={1,2}'"]],
  ['text[]', [`'{"a,b","\\"","NULL",NULL,""}'`]],
  ['jsonb', [`'{"b": 1, "a": [1.0, "x"]}'`, "'null'"]],
  ['int4range', ["'[1,5)'", "'empty'", "'(,)'"]],
  ['pg_lsn', ["'16/B374D848'"]],
  ['oid', ['4294967295']],
  ['money', ["'-1234.56'", "'0'"]],
  ['name', ["'a b'"]],
  ['tsvector', ["'a:1 b:2A'"]],
  ['mood', ["'it''s ok'", "'sad'"]],
  ['pair', ["ROW(1, 'a b')", "ROW(NULL, '')"]],
  ['positive', ['5']],
];

describe.each(postgresStreamVersions)('on PostgreSQL %i', (version) => {
  const world = usePostgresStreamWorld(version);

  const prepare = async (): Promise<void> => {
    await world().run('DROP TABLE IF EXISTS t; DROP TYPE IF EXISTS mood, pair; DROP DOMAIN IF EXISTS positive');
    await world().run("CREATE TYPE mood AS ENUM ('it''s ok', 'sad'); CREATE TYPE pair AS (a integer, b text)");
    await world().run('CREATE DOMAIN positive AS integer CHECK (VALUE > 0)');
  };

  const selectedKeys = async (columns: readonly string[]): Promise<readonly string[]> => {
    const { fixture, schema } = world();
    await using session = await fixture.adapter.openSession({}, never);
    const description = await readTable(session, { schema, table: 't' }, never);
    const key: readonly KeyColumn[] = columns.flatMap((name) => description?.columns.filter((c) => c.name === name) ?? []);
    const texts = key.map((column, index) => `${keyTextExpression(column, '')} AS k${index}`).join(', ');
    return keysFromRows(key, await session.query(`SELECT ${texts} FROM ${schema}.t`, never));
  };

  const sorted = (texts: readonly string[]): readonly string[] => texts.toSorted();

  test.each(keyTypes)('the keys of a column of type %s are delivered as they are selected', async (type, values) => {
    const { run, open } = world();
    await prepare();
    await run(`CREATE TABLE t (a text, k ${type} PRIMARY KEY, v integer DEFAULT 0)`);
    const { changes } = await open({ keyColumns: ['k'] });
    await run(`INSERT INTO t (k) VALUES ${values.map((value) => `(${value})`).join()}`);
    const keys = sorted(await selectedKeys(['k']));
    expect(keys).toHaveLength(values.length);
    expect(sorted(await changes())).toEqual(keys.map((key) => `upsert ${key}`));
    await run('UPDATE t SET v = v + 1');
    expect(sorted(await changes())).toEqual(keys.map((key) => `upsert ${key}`));
    await run('DELETE FROM t');
    expect(sorted(await changes())).toEqual(keys.map((key) => `delete ${key}`));
  });

  test('a key of several columns is delivered in the order of the key, whatever the order in the table', async () => {
    const { run, open } = world();
    await prepare();
    await run('CREATE TABLE t (b text NOT NULL, v integer, a bigint NOT NULL, d date NOT NULL, PRIMARY KEY (d, a, b))');
    const { changes } = await open({ keyColumns: ['d', 'a', 'b'] });
    await run("INSERT INTO t VALUES ('it''s', 1, 5, '2026-01-01')");
    await run('UPDATE t SET a = 6');
    await run('UPDATE t SET v = 6');
    expect(await changes()).toEqual([
      "upsert ('2026-01-01','5','it''s')",
      "delete ('2026-01-01','5','it''s')",
      "upsert ('2026-01-01','6','it''s')",
      "upsert ('2026-01-01','6','it''s')",
    ]);
    expect(await selectedKeys(['d', 'a', 'b'])).toEqual(["('2026-01-01','6','it''s')"]);
  });

  test('a key that is stored outside of its row is delivered with every change, also where the log leaves it out', async () => {
    const { run, open } = world();
    await prepare();
    await run('CREATE TABLE t (k text PRIMARY KEY, v integer, w text)');
    await run('ALTER TABLE t ALTER k SET STORAGE EXTERNAL');
    const { changes } = await open({ keyColumns: ['k'] });
    const key = 'k'.repeat(2400);
    await run(`INSERT INTO t VALUES ('${key}', 0, repeat('w', 100000))`);
    await run('UPDATE t SET v = 1');
    await run(`UPDATE t SET k = '${key}2'`);
    await run('DELETE FROM t');
    expect(await changes()).toEqual([
      ...[`upsert '${key}'`, `upsert '${key}'`, `delete '${key}'`, `upsert '${key}2'`, `delete '${key}2'`],
    ]);
  });

  test.each([
    ['of an index of its own', 'CREATE UNIQUE INDEX i ON t (k); ALTER TABLE t REPLICA IDENTITY USING INDEX i', ['k']],
    ['of the whole row', 'ALTER TABLE t REPLICA IDENTITY FULL', null],
  ] as const)('the key is delivered with a replica identity %s', async (_what, statements, columns) => {
    const { run, open } = world();
    await prepare();
    await run(`CREATE TABLE t (id integer PRIMARY KEY, k text NOT NULL, w text); ${statements}`);
    const { changes } = await open({ keyColumns: ['k'], columns });
    await run("INSERT INTO t VALUES (1, 'a', repeat('w', 100000))");
    await run("UPDATE t SET k = 'b'");
    await run('UPDATE t SET id = 2');
    await run('DELETE FROM t');
    expect(await changes()).toEqual(["upsert 'a'", "delete 'a'", "upsert 'b'", "upsert 'b'", "delete 'b'"]);
  });
});
