import { describe, expect, test } from 'vitest';
import { parseTableName, readChange } from '../../src/postgres/asked-change.ts';

const orders = { schema: 'shop', table: 'orders' };
const open = { schema: null, table: 'orders' };

describe('a change on PostgreSQL', () => {
  test.each([
    ['ALTER TABLE orders ADD a int', null, open, 'ADD a int'],
    ['alter table "shop"."orders" ADD a int;', null, orders, 'ADD a int'],
    ['/* hi */ ALTER TABLE Shop.ORDERS\n  ADD a int,\n  DROP b', null, orders, 'ADD a int,\n  DROP b'],
    ['ALTER TABLE IF EXISTS ONLY shop."Orders" DROP b', null, { schema: 'shop', table: 'Orders' }, 'DROP b'],
    ['ADD a int', 'orders', open, 'ADD a int'],
    ['ADD a int', '"Orders"', { schema: null, table: 'Orders' }, 'ADD a int'],
    ['ALTER COLUMN a SET DEFAULT 1', 'shop.orders', orders, 'ALTER COLUMN a SET DEFAULT 1'],
    ['ALTER TABLE orders ADD a int', 'shop.orders', orders, 'ADD a int'],
    ['ALTER TABLE shop.orders ADD a int', 'orders', orders, 'ADD a int'],
    ['ALTER TABLE "or""der" ADD a int', null, { schema: null, table: 'or"der' }, 'ADD a int'],
  ])('%j with --table %s is understood', (alter, table, ...[named, clauses]) => {
    expect(readChange({ alter, table })).toEqual({ table: named, clauses });
  });

  test.each([
    ['ADD a int', null, 'No table is named: give a whole ALTER TABLE statement, or the table with --table.'],
    ['ALTER TABLE orders ADD a int', 'customers', 'The statement alters orders, but --table says customers.'],
    ['ALTER TABLE "Orders" ADD a int', 'Orders', 'The statement alters Orders, but --table says Orders.'],
    ['ALTER TABLE a.t ADD x int', 'b.t', 'The statement alters t, but --table says b.t.'],
    [
      'CREATE INDEX i ON t (a)',
      null,
      'Only ALTER TABLE is carried out; the server builds an index beside the writers with CREATE INDEX CONCURRENTLY.',
    ],
    ["ADD a text DEFAULT 'x", 'orders', 'The SQL cannot be read: the text ends inside a string.'],
    ['ALTER TABLE t ADD a int; DROP TABLE t', null, 'Give one ALTER TABLE statement at a time.'],
  ])('%j with --table %s is refused', (alter, table, message) => {
    expect(() => readChange({ alter, table })).toThrow(expect.objectContaining({ code: 'BAD_USAGE', message }));
  });
});

describe("a table's name on PostgreSQL", () => {
  test.each([
    ['Orders', { schema: null, table: 'orders' }],
    ['my-shop.my-orders', { schema: 'my-shop', table: 'my-orders' }],
    ['"my.shop".orders', { schema: 'my.shop', table: 'orders' }],
    ['ÄB."a""B"', { schema: 'Äb', table: 'a"B' }],
  ])('%s is read', (text, name) => {
    expect(parseTableName(text)).toEqual(name);
  });

  test.each(['', 'a.b.c', '.b', 'a.', '"a', '""'])('%j is refused', (text) => {
    expect(() => parseTableName(text)).toThrow(expect.objectContaining({ code: 'BAD_USAGE' }));
  });
});
