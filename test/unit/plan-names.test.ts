import fc from 'fast-check';
import { expect, test } from 'vitest';
import { migrationId } from '../../src/engine/migration-id.ts';
import { tableNames } from '../../src/mysql/plan-names.ts';
import { seededRandom } from '../support/random.ts';

const source = (table: string): { schema: string; table: string } => ({ schema: 's', table });

test('an id has the readable part of the name and eight letters of chance', () => {
  expect(migrationId(source('Order Items, größe 2'), seededRandom('a'))).toMatch(/^orderitemsgre2[a-z0-9]{8}$/);
  expect(migrationId(source('日本'), seededRandom('a'))).toMatch(/^[a-z0-9]{8}$/);
});

test('two ids of one table differ', () => {
  const random = seededRandom('b');
  expect(migrationId(source('t'), random)).not.toBe(migrationId(source('t'), random));
});

test('an id has at most 24 characters, and names leave room for those of constraints and both come behind the source', () => {
  // Names of tables are of the Basic Multilingual Plane.
  const letter = fc.integer({ min: 0x20, max: 0xd7ff }).map((code) => String.fromCodePoint(code));
  fc.assert(
    fc.property(fc.string({ unit: letter, minLength: 1, maxLength: 64 }), fc.nat(), (table, seed) => {
      const id = migrationId(source(table), seededRandom(seed));
      const { shadow, retired } = tableNames(source(table), id);
      expect(id).toMatch(/^[a-z0-9]{8,24}$/);
      expect([shadow.table.length, retired.table.length].every((length) => `${'x'.repeat(length)}_ibfk_99`.length <= 64)).toBe(
        true,
      );
      expect(new Set([table, shadow.table, retired.table]).size).toBe(3);
      const isBehind = (name: string): boolean => Buffer.compare(Buffer.from(name), Buffer.from(table)) > 0;
      expect([isBehind(shadow.table), isBehind(retired.table)]).toEqual([true, true]);
    }),
  );
});

test('names of wide letters are short enough for a file', () => {
  const table = '中'.repeat(49);
  const { shadow, retired } = tableNames(source(table), migrationId(source(table), seededRandom('d')));
  const bytes = (name: string): number => name.replaceAll(/[^A-Za-z0-9_]/g, '@4e2d').length;
  expect([bytes(shadow.table), bytes(retired.table)]).toEqual([216, 216]);
});

test('long names that begin alike get names that differ', () => {
  const names = ['x'.repeat(63), 'y'].map((end) => `${'x'.repeat(63)}${end}`.slice(0, 64));
  const random = seededRandom('c');
  const made = names.flatMap((table) => {
    const { shadow, retired } = tableNames(source(table), migrationId(source(table), random));
    return [shadow.table, retired.table];
  });
  expect(new Set(made).size).toBe(4);
});
