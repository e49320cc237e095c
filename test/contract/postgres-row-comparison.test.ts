/** What the comparison of a range tells apart, and what it holds equal, by key and by hash, on the oldest and the newest PostgreSQL. */
import { describe, expect, test } from 'vitest';
import type { PairLayout } from '../../src/postgres/pair-layout.ts';
import { compareRange, findDifferences } from '../../src/postgres/row-comparison.ts';
import { type ComparedColumn, OWN_OPERATORS } from '../../src/postgres/row-key.ts';
import type { OwnedSession } from '../../src/postgres/session.ts';
import { createPostgresSchema, never, openPostgres } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';

/** Each with two values that are not the same, written as SQL; equal to each other by the type's own operators, where that can be. */
const different: readonly (readonly [type: string, one: string, other: string])[] = [
  ['integer', '0', 'NULL'],
  ['integer', '1', '-1'],
  // An integer's own hash folds its halves together.
  ['bigint', '1', '4294967296'],
  ['timestamp with time zone', `'2000-01-01 00:00:00.000001Z'`, `'2000-01-01 01:11:34.967296Z'`],
  ['numeric', '1.0', '1.00'],
  ['numeric(10,2)', '1.01', '1.02'],
  ['double precision', `'0'`, `'-0'`],
  ['real', '1.0000001', '1'],
  ['text', `''`, 'NULL'],
  ['text', `'a'`, `'a '`],
  ['text', `repeat('x', 100000)`, `repeat('x', 99999) || 'y'`],
  ['text COLLATE {schema}.careless', `'straße'`, `'STRASSE'`],
  ['character varying(20)[] COLLATE {schema}.careless', `'{straße}'`, `'{STRASSE}'`],
  ['character varying(20)', `'ä'`, `'a' || U&'\\0308'`],
  // By an operator of the user, too: see below.
  ['character varying(9)', `'a'`, `'A'`],
  ['character(4)', `'a'`, `'b'`],
  ['bpchar', `'a'`, `'a '`],
  ['name', `'a'`, `'A'`],
  ['bytea', `'\\x00'`, `'\\x0000'`],
  ['boolean', 'true', 'false'],
  ['"char"', `'a'`, `'b'`],
  ['uuid', `'00000000-0000-0000-0000-000000000001'`, `'00000000-0000-0000-0000-000000000002'`],
  ['interval', `'1 month'`, `'30 days'`],
  ['time(3) with time zone', `'12:00+00'`, `'13:00+01'`],
  ['bit(8)', `B'00000001'`, `B'00000010'`],
  ['bit varying', `B'0'`, `B'00'`],
  ['inet', `'10.0.0.1/8'`, `'10.0.0.1/9'`],
  ['json', `'{"a": 1}'`, `'{"a":1}'`],
  ['jsonb', `'{"a": 1.0}'`, `'{"a": 1.00}'`],
  ['xml', `'<a/>'`, `'<a />'`],
  ['integer[]', `'{1,2}'`, `'[0:1]={1,2}'`],
  ['int4range', `'[1,2)'`, `'[1,3)'`],
  ['{schema}.mood', `'sad'`, `'glad'`],
  ['{schema}.short', `'a'`, `'b'`],
  ['{schema}.pair', `ROW(1, 'a')`, `ROW(1, 'b')`],
  ['tsvector', `'a:1'`, `'a:2'`],
];

type Way = 'by key' | 'by hash';

const everywhere = (['postgres-15', 'postgres-18'] as const).flatMap((name) =>
  (['by key', 'by hash'] as const).map((way) => ({ name, way })),
);

describe.each(everywhere)('on $name, $way', ({ name, way }) => {
  test('a range differs when one value in it does, and is equal when none does', async () => {
    const url = sharedServer(name);
    await using schema = await createPostgresSchema(url);
    await using server = await openPostgres(url);
    await using session = await server.openSession({}, never);
    await schema.application.run(
      `CREATE COLLATION ${schema.name}.careless (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
       CREATE TYPE ${schema.name}.mood AS ENUM ('sad', 'glad'); CREATE DOMAIN ${schema.name}.short AS varchar(9);
       CREATE TYPE ${schema.name}.pair AS (a integer, b text);
       CREATE FUNCTION ${schema.name}.alike(varchar, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT lower($1) = lower($2)';
       CREATE OPERATOR ${schema.name}.= (FUNCTION = ${schema.name}.alike, LEFTARG = varchar, RIGHTARG = varchar)`,
    );
    const verdicts: string[] = [];
    for (const [index, [type, one, other]] of different.entries()) {
      const columnType = type.replace('{schema}', schema.name);
      await schema.application.run(
        `CREATE TABLE ${schema.name}.a${index} (id integer, v ${columnType}); CREATE TABLE ${schema.name}.b${index} (LIKE ${schema.name}.a${index});
         INSERT INTO ${schema.name}.a${index} VALUES (1, ${one}), (2, ${one}); INSERT INTO ${schema.name}.b${index} VALUES (2, ${one}), (1, ${one})`,
      );
      const layout = layoutOf(way, schema.name, index, { v: columnType.replace(/ COLLATE.*/, '') });
      const before = await isEqual(session, layout);
      await schema.application.run(`UPDATE ${schema.name}.b${index} SET v = ${other} WHERE id = 2`);
      verdicts.push(`${type}: ${before ? 'equal' : 'differs'}, then ${(await isEqual(session, layout)) ? 'equal' : 'differs'}`);
    }
    expect(verdicts).toEqual(different.map(([type]) => `${type}: equal, then differs`));
  });

  test('values that changed places between two rows, or between two columns of a row, make a range differ', async () => {
    const url = sharedServer(name);
    await using schema = await createPostgresSchema(url);
    await using server = await openPostgres(url);
    await using session = await server.openSession({}, never);
    const types = { id: 'integer', n: 'bigint', t: 'text', u: 'text', j: 'json' };
    const layout = layoutOf(way, schema.name, 0, types);
    const change = async (changes: string): Promise<boolean> => {
      await schema.application.run(
        `DROP TABLE IF EXISTS ${schema.name}.a0, ${schema.name}.b0;
         CREATE TABLE ${schema.name}.a0 (id integer, n bigint, t text, u text, j json);
         INSERT INTO ${schema.name}.a0 VALUES (1, 10, 'a', NULL, '[1]'), (2, 20, 'b', '', '[2]');
         CREATE TABLE ${schema.name}.b0 AS TABLE ${schema.name}.a0; ${changes.replaceAll('TABLE', `${schema.name}.b0`)}`,
      );
      return await isEqual(session, layout);
    };
    expect(await change('')).toBe(true);
    expect(await change('UPDATE TABLE SET n = 30 - n')).toBe(false);
    // A sum of hashes that are sums themselves would notice about every other of these.
    for (let letter = 1; letter <= 20; letter += 1) {
      const swap = `UPDATE TABLE SET t = CASE id WHEN 1 THEN repeat('b', ${letter}) ELSE 'a' END`;
      const source = `UPDATE ${schema.name}.a0 SET t = CASE id WHEN 2 THEN repeat('b', ${letter}) ELSE 'a' END`;
      expect(await change(`${source}; ${swap}`)).toBe(false);
    }
    expect(await change(`UPDATE TABLE SET u = CASE WHEN u IS NULL THEN '' END`)).toBe(false);
    expect(await change(`UPDATE TABLE SET j = CASE id WHEN 1 THEN '[2]' ELSE '[1]' END::json`)).toBe(false);
    expect(await change('UPDATE TABLE SET t = u, u = t WHERE id = 1')).toBe(false);
    expect(await change('UPDATE TABLE SET t = u, u = t WHERE id = 2')).toBe(false);
    expect(await change(`UPDATE TABLE SET n = 1, id = 10 WHERE id = 1`)).toBe(false);
  });

  test('a value counts as what it is in the type of the shadow', async () => {
    const url = sharedServer(name);
    await using schema = await createPostgresSchema(url);
    await using server = await openPostgres(url);
    await using session = await server.openSession({}, never);
    await schema.application.run(
      `CREATE TABLE ${schema.name}.a0 (id integer, n integer, c character(3), j json);
       CREATE TABLE ${schema.name}.b0 (id bigint, n bigint, c character(9), j jsonb);
       INSERT INTO ${schema.name}.a0 VALUES (1, -5, 'é', '{"b":1, "a":2}'), (2, 5, '', NULL);
       INSERT INTO ${schema.name}.b0 SELECT id, n, c, j::jsonb FROM ${schema.name}.a0`,
    );
    expect(await isEqual(session, layoutOf(way, schema.name, 0, { n: 'bigint', c: 'character(9)', j: 'jsonb' }))).toBe(true);
    await schema.application.run(`UPDATE ${schema.name}.b0 SET n = 6 WHERE id = 2`);
    expect(await isEqual(session, layoutOf(way, schema.name, 0, { n: 'bigint', c: 'character(9)', j: 'jsonb' }))).toBe(false);
  });

  test('tables of as many columns as the server takes are compared', async () => {
    const url = sharedServer(name);
    await using schema = await createPostgresSchema(url);
    await using server = await openPostgres(url);
    await using session = await server.openSession({}, never);
    const kinds = ['bigint', 'text', 'json'];
    const types = Object.fromEntries(Array.from({ length: 1599 }, (_, place) => [`c${place}`, kinds[place % 3] ?? '']));
    const columns = Object.entries(types).map(([column, type]) => `${column} ${type}`);
    await schema.application.run(
      `CREATE TABLE ${schema.name}.a0 (id integer, ${columns.join(', ')}); CREATE TABLE ${schema.name}.b0 (LIKE ${schema.name}.a0);
       INSERT INTO ${schema.name}.a0 (id, c0, c1598) VALUES (1, 1, '{}'), (2, 2, '[]');
       INSERT INTO ${schema.name}.b0 (id, c0, c1598) VALUES (1, 1, '{}'), (2, 2, '[]')`,
    );
    const layout = layoutOf(way, schema.name, 0, types);
    expect(await isEqual(session, layout)).toBe(true);
    await schema.application.run(`UPDATE ${schema.name}.b0 SET c1598 = '{}' WHERE id = 2`);
    expect(await isEqual(session, layout)).toBe(false);
  });
});

/** Rows are found by `id`; with a collation that may take different values for equal they are not joined by it. */
function layoutOf(way: Way, schema: string, index: number, types: Readonly<Record<string, string>>): PairLayout {
  const collation = way === 'by key' ? '0' : null;
  const id: ComparedColumn = {
    name: 'id',
    attnum: 1,
    type: 'integer',
    literalType: 'integer',
    operators: OWN_OPERATORS,
    collation,
  };
  return {
    source: { schema, table: `a${index}` },
    shadow: { schema, table: `b${index}` },
    shadowRows: `${schema}.b${index}`,
    key: [id],
    shadowKey: [id],
    shadowKeyIndex: ['id'],
    isUpsertable: false,
    columns: Object.entries(types).map(([name, shadowType]) => ({ shadow: name, shadowType, expression: name })),
    generated: [],
    uniques: [],
    userSettings: `SET LOCAL search_path = pg_catalog, ${schema}; `,
  };
}

const EVERYTHING = { after: null, through: null };

/** Whichever way a range is compared, it is equal when and only when no key differs. */
async function isEqual(session: OwnedSession, layout: PairLayout): Promise<boolean> {
  const comparison = await compareRange(session, layout, EVERYTHING, never);
  expect(comparison).toMatchObject({ sourceRows: 2, shadowRows: 2 });
  const keys = await findDifferences(session, layout, { range: EVERYTHING, limitRows: 10 }, never);
  expect(keys.length === 0).toBe(comparison.isEqual);
  expect(comparison.differing ?? keys).toEqual(keys);
  return comparison.isEqual;
}
