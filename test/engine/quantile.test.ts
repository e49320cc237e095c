import { expect, test } from 'vitest';
import { quantile } from '../../src/engine/quantile.ts';

test('a quantile is one of the values, whatever their order, and the greatest for the whole', () => {
  const values = [9, 100, 20, 1, 3];
  expect([0, 0.25, 0.5, 0.75, 0.9, 1].map((share) => quantile(values, share))).toEqual([1, 3, 9, 20, 100, 100]);
  expect(quantile([], 0.5)).toBe(0);
  expect(values).toEqual([9, 100, 20, 1, 3]);
});
