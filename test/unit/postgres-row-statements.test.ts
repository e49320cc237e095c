/** Conditions on the migration key of PostgreSQL: types of literals, and operators of types that are not the server's own. */
import { expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import type { PairLayout } from '../../src/postgres/pair-layout.ts';
import { type ComparedColumn, keyLiterals, type KeyOperators, OWN_OPERATORS, rowKey } from '../../src/postgres/row-key.ts';
import {
  chunkEndStatement,
  greatestShadowKeyStatement,
  keysCondition,
  rangeCondition,
} from '../../src/postgres/row-statements.ts';

const citext: KeyOperators = {
  less: 'OPERATOR(x.<)',
  lessOrEqual: 'OPERATOR(x.<=)',
  equal: 'OPERATOR(x.=)',
  greaterOrEqual: 'OPERATOR(x.>=)',
  greater: 'OPERATOR(x.>)',
};

function column(name: string, type: string, operators = OWN_OPERATORS): ComparedColumn {
  return { name, attnum: 1, type, literalType: type, operators, collation: '0' };
}

const key = (text: string): RowKey => text as RowKey;

test('a range of one column compares with literals of its type', () => {
  const id = column('id', 'public.pair');
  expect(rangeCondition([id], { after: key("'(1,a)'"), through: key("'(2,b)'") })).toBe(
    `"id" OPERATOR(pg_catalog.>) '(1,a)'::public.pair AND "id" OPERATOR(pg_catalog.<=) '(2,b)'::public.pair`,
  );
  expect(rangeCondition([id], { after: null, through: null })).toBe('true');
});

test('a range of several columns is the row comparison of the server', () => {
  expect(rangeCondition([column('a', 'integer'), column('b', 'text')], { after: key("('1','it''s')"), through: null })).toBe(
    `("a", "b") OPERATOR(pg_catalog.>) ('1'::integer, 'it''s'::text)`,
  );
});

test('a range over a type of an extension names its operators, and is spelt out where another column has others', () => {
  expect(rangeCondition([column('a', 'x.citext', citext)], { after: key("'a'"), through: null })).toBe(
    `"a" OPERATOR(x.>) 'a'::x.citext`,
  );
  const pair = [column('a', 'x.citext', citext), column('b', 'integer')];
  expect(rangeCondition(pair, { after: key("('a','1')"), through: null })).toBe(
    `"a" OPERATOR(x.>=) 'a'::x.citext AND ("a" OPERATOR(x.>) 'a'::x.citext OR ("a" OPERATOR(x.=) 'a'::x.citext AND "b" OPERATOR(pg_catalog.>) '1'::integer))`,
  );
  expect(rangeCondition(pair, { after: null, through: key("('a','1')") })).toBe(
    `"a" OPERATOR(x.<=) 'a'::x.citext AND ("a" OPERATOR(x.<) 'a'::x.citext OR ("a" OPERATOR(x.=) 'a'::x.citext AND "b" OPERATOR(pg_catalog.<=) '1'::integer))`,
  );
});

test('keys of a type of an extension are found by its operator', () => {
  expect(keysCondition([column('a', 'integer')], [key("'1'"), key("'2'")])).toBe(
    `"a" OPERATOR(pg_catalog.=) ANY (ARRAY['1', '2']::integer[])`,
  );
  expect(keysCondition([column('a', 'integer[]')], [key("'{1}'"), key("'{2}'")])).toBe(
    `("a" OPERATOR(pg_catalog.=) '{1}'::integer[] OR "a" OPERATOR(pg_catalog.=) '{2}'::integer[])`,
  );
  expect(keysCondition([column('a', 'x.citext', citext)], [key("'a'"), key("'b'")])).toBe(
    `"a" OPERATOR(x.=) ANY (ARRAY['a', 'b']::x.citext[])`,
  );
  expect(keysCondition([column('a', 'x.citext', citext), column('b', 'integer')], [key("('a','1')")])).toBe(
    `EXISTS (SELECT FROM (VALUES ('a','1')) AS tableshift_key(tableshift_0, tableshift_1) WHERE ` +
      `"a" OPERATOR(x.=) tableshift_key.tableshift_0::x.citext AND "b" OPERATOR(pg_catalog.=) tableshift_key.tableshift_1::integer)`,
  );
});

test('the literals of a key are taken apart whatever stands in them', () => {
  const texts = ['', "'", '\\', "\\'", "','", "('1','2')", 'E', '\n', "E'\\\\'", '🐬', 'a'];
  const literals = keyLiterals(rowKey(texts));
  expect(literals).toHaveLength(texts.length);
  expect(literals[3]).toBe(String.raw`E'\\'''`);
  expect(literals).toEqual(texts.map((text) => rowKey([text])));
  expect(texts.map((text) => keyLiterals(rowKey([text])))).toEqual(literals.map((literal) => [literal]));
});

test('a key column with the name of one of our columns is ordered by its value, not by its text', () => {
  const k0 = [column('k0', 'integer')];
  const table = { schema: 's', table: 't' };
  const layout: PairLayout = {
    ...{ source: table, shadow: table, shadowRows: 's.t', key: k0, shadowKey: k0, shadowKeyIndex: ['k0'] },
    ...{ columns: [], isUpsertable: false, generated: [], uniques: [], userSettings: '' },
  };
  expect(chunkEndStatement(layout, null, 10)).toContain('ORDER BY "t"."k0" OFFSET 9 LIMIT 1');
  expect(greatestShadowKeyStatement(layout)).toContain('ORDER BY "t"."k0" DESC LIMIT 1');
});
