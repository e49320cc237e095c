/** Names in lower case, as MySQL and MariaDB write them where case does not matter. */
import { expect, test } from 'vitest';
import { isSameInAnyCase, lowerCase } from '../../src/mysql/name-case.ts';

test.each([
  ['Orders', 'orders'],
  ['ΟΔΟΣ', 'οδοσ'],
  ['οδος', 'οδος'],
  ['İTEM', 'item'],
])('%s is %s in lower case, each character by itself', (name, lower) => {
  expect(lowerCase(name)).toBe(lower);
});

test('names that differ in more than case are two', () => {
  expect(isSameInAnyCase('Straße', 'STRAßE')).toBe(true);
  expect(isSameInAnyCase('Straße', 'STRASSE')).toBe(false);
});
