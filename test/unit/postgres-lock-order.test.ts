/** In which order the cutover on PostgreSQL locks tables. */
import { expect, test } from 'vitest';
import type { KeyEnd, Partners } from '../../src/postgres/foreign-keys.ts';
import { lockOrder } from '../../src/postgres/table-lock.ts';

const end = (table: string): KeyEnd => ({ schema: 's', table, oid: 0, columns: [] });
const names = (tables: readonly { readonly table: string }[]): string => tables.map(({ table }) => table).join(' ');

function turns(sources: string, between: readonly string[], count: number): readonly string[] {
  const partners: Partners = {
    parents: [end('above')],
    children: [end('below')],
    between: between.map((key) => {
      const [child = '', parent = ''] = key.split(' ');
      return { child: end(child), parent: end(parent) };
    }),
  };
  return Array.from({ length: count }, (_, attempts) => {
    const order = lockOrder(sources.split(' ').map(end), partners, attempts);
    return `${order.isGated ? 'gate: ' : ''}${names([...order.before, ...order.sources, ...order.after])}`;
  });
}

test('a table alone takes turns with what foreign keys tie to it', () => {
  expect(turns('t', [], 5)).toEqual(['t above below', 'below t above', 'above below t', 'above t below', 't above below']);
});

test('several tables are gated from the parents down at every other attempt, and take turns at the others', () => {
  const gate = 'gate: above customers orders items below';
  expect(turns('orders items customers', ['items orders', 'orders customers', 'items customers'], 8)).toEqual([
    ...[gate, 'customers orders items above below', gate, 'below items orders customers above'],
    ...[gate, 'above below items orders customers', gate, 'above customers orders items below'],
  ]);
});

test('tables that refer to each other in a circle are all locked, as they come', () => {
  expect(turns('a b c', ['a b', 'b c', 'c a'], 1)).toEqual(['gate: above a c b below']);
});
