/** The arithmetic of the benches: what many measurements come to. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { histogram, median, medianBy, percentile, ratio } from '../../bench/statistics.ts';

test('a percentile is a value that was measured, by nearest rank', () => {
  const values = [50, 10, 40, 20, 30];
  expect([0, 0.2, 0.21, 0.5, 0.95, 1].map((share) => percentile(values, share))).toEqual([10, 10, 20, 30, 50, 50]);
  expect(values, 'which are left in their order').toEqual([50, 10, 40, 20, 30]);
  expect(() => percentile([], 0.5)).toThrow('no percentile of nothing');
});

test('the median of an even number of values is the lower one in the middle, so that it was measured', () => {
  expect(median([4, 1, 3, 2])).toBe(2);
  expect(medianBy([{ seconds: 9 }, { seconds: 1 }, { seconds: 5 }], ({ seconds }) => seconds)).toEqual({ seconds: 5 });
  expect(() => medianBy([{ seconds: Number.NaN }], ({ seconds }) => seconds)).toThrow('no median');
});

test('a histogram counts from an edge up to the next, and puts what is out of range into the first and the last bin', () => {
  expect(histogram([-1, 0, 9.9, 10, 19, 20, 1000], [0, 10, 20])).toEqual([
    { from: 0, to: 10, count: 3 },
    { from: 10, to: 20, count: 2 },
    { from: 20, to: null, count: 2 },
  ]);
});

test('a histogram loses no value', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true })), (values) => {
      expect(histogram(values, [0, 1, 10, 100]).reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
    }),
  );
});

test('at least the asked share of the values is at most the percentile, and no smaller value does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), fc.integer({ min: 1, max: 100 }), (values, percent) => {
      const found = percentile(values, percent / 100);
      const upTo = (limit: number): number => values.filter((value) => value <= limit).length;
      const below = values.filter((value) => value < found).length;
      expect(100 * upTo(found)).toBeGreaterThanOrEqual(percent * values.length);
      expect(100 * below).toBeLessThan(percent * values.length + 1e-6);
    }),
  );
});

test('there is no ratio to nothing', () => {
  expect([ratio(3, 2), ratio(null, 2), ratio(3, null), ratio(3, 0)]).toEqual([1.5, null, null, null]);
});
