import { describe, expect, test } from 'vitest';
import { parseTableName, readChange } from '../../src/mysql/asked-change.ts';

const orders = { schema: 'shop', table: 'orders' };

describe('a change', () => {
  test.each([
    ['ALTER TABLE orders ADD a int', null, 'shop', orders, 'ADD a int'],
    ['alter table `shop`.`orders` ADD a int;', null, null, orders, 'ADD a int'],
    ['/* hi */ ALTER TABLE shop.orders\n  ADD a int,\n  DROP b', null, null, orders, 'ADD a int,\n  DROP b'],
    ['ADD a int', 'orders', 'shop', orders, 'ADD a int'],
    ['ALTER COLUMN a SET DEFAULT 1', 'shop.orders', null, orders, 'ALTER COLUMN a SET DEFAULT 1'],
    ['ALTER TABLE orders ADD a int', 'shop.orders', 'other', orders, 'ADD a int'],
    ['ALTER TABLE `or``der` ADD a int', null, 'shop', { schema: 'shop', table: 'or`der' }, 'ADD a int'],
  ])('%j with --table %s in database %s is understood', (alter, table, database, ...[named, clauses]) => {
    expect(readChange({ alter, table, database })).toEqual({ table: named, clauses });
  });

  test.each([
    ['ADD a int', null, 'shop', 'No table is named: give a whole ALTER TABLE statement, or the table with --table.'],
    [
      'ALTER TABLE orders ADD a int',
      null,
      null,
      'The schema of orders is not known: write schema.orders, or name it in the URL.',
    ],
    ['ALTER TABLE orders ADD a int', 'customers', 'shop', 'The statement alters orders, but --table says customers.'],
    ['ALTER TABLE a.t ADD x int', 'b.t', null, 'The statement alters t, but --table says b.t.'],
    ['CREATE INDEX i ON t (a)', null, 'shop', 'Only ALTER TABLE is carried out; write CREATE INDEX as ADD INDEX.'],
    ["ADD a int COMMENT 'x", 'orders', 'shop', 'The SQL cannot be read: the text ends inside a string.'],
  ])('%j with --table %s in database %s is refused', (alter, table, database, message) => {
    expect(() => readChange({ alter, table, database })).toThrow(expect.objectContaining({ code: 'BAD_USAGE', message }));
  });

  test('of several statements at once is refused', () => {
    expect(() => readChange({ alter: 'ALTER TABLE t ADD a int; DROP TABLE t', table: null, database: 's' })).toThrow(
      expect.objectContaining({ code: 'BAD_USAGE' }),
    );
  });
});

describe("a table's name", () => {
  test.each([
    ['orders', { schema: null, table: 'orders' }],
    ['my-shop.my-orders', { schema: 'my-shop', table: 'my-orders' }],
    ['`my.shop`.orders', { schema: 'my.shop', table: 'orders' }],
    ['`a``b`', { schema: null, table: 'a`b' }],
  ])('%s is read', (text, name) => {
    expect(parseTableName(text)).toEqual(name);
  });

  test.each(['', 'a.b.c', '.b', 'a.', '`a', '``'])('%j is refused', (text) => {
    expect(() => parseTableName(text)).toThrow(expect.objectContaining({ code: 'BAD_USAGE' }));
  });
});
