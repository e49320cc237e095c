/** The contract of TablePair. */

import { describe, expect, test } from 'vitest';
import {
  claimWithShadow,
  during,
  EVERYTHING,
  insert,
  never,
  type OpenFixture,
  remove,
  rowsOf,
  update,
} from './port-fixture.ts';

export function describeTablePairContract(open: OpenFixture): void {
  describe('TablePair', () => {
    test('a shadow that was left behind is dropped when the shadow is created', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange(EVERYTHING, 'collide', never);
      await claim.pair.createShadow(never);
      expect(await f.rows('shadow')).toEqual([]);
    });

    test('finishing the shadow can be repeated and changes no row', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange(EVERYTHING, 'collide', never);
      await claim.pair.finishShadow(never);
      await claim.pair.finishShadow(never);
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 2, 3, 5, 9, 10));
    });

    test('keys are ordered as the server orders them', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      const compare = claim.pair.compareKeys;
      expect(compare).toBeDefined();
      expect(compare?.(f.key(9), f.key(10))).toBeLessThan(0);
      expect(compare?.(f.key(10), f.key(9))).toBeGreaterThan(0);
      expect(compare?.(f.key(5), f.key(5))).toBe(0);
    });

    test('the greatest key of the shadow is that in key order, and none where it is empty', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      expect(await claim.pair.greatestShadowKey(never)).toBeNull();
      await claim.pair.insertRows([f.key(9), f.key(10), f.key(2)], never);
      expect(await claim.pair.greatestShadowKey(never)).toBe(f.key(10));
    });

    test('the first and the last key of the source are known as numbers, and none where it is empty', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      const span = await claim.pair.readKeySpan?.(never);
      expect(span).toMatchObject({ first: 1n, last: 10n });
      expect(span?.valueOf(f.key(5))).toBe(5n);
      expect(span?.keyAt(5n)).toBe(f.key(5));
      await f.write(...[1, 2, 3, 5, 9, 10].map(remove));
      expect(await claim.pair.readKeySpan?.(never)).toBeNull();
    });

    test('a chunk ends at the row that the limit says, and nowhere where fewer are left', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      expect(await claim.pair.findChunkEnd(null, 1, never)).toBe(f.key(1));
      expect(await claim.pair.findChunkEnd(null, 6, never)).toBe(f.key(10));
      expect(await claim.pair.findChunkEnd(null, 7, never)).toBeNull();
      expect(await claim.pair.findChunkEnd(f.key(3), 2, never)).toBe(f.key(9));
      expect(await claim.pair.findChunkEnd(f.key(4), 2, never)).toBe(f.key(9));
      expect(await claim.pair.findChunkEnd(f.key(10), 1, never)).toBeNull();
    });

    test('a range is copied without its first and with its last key', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      const range = { after: f.key(2), through: f.key(9) };
      expect(await claim.pair.copyRange(range, 'collide', never)).toEqual({ kind: 'copied', rows: 3 });
      expect(await f.rows('shadow')).toEqual(rowsOf(3, 5, 9));
    });

    test('a range that is open at both ends is the whole table', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      expect(await claim.pair.copyRange(EVERYTHING, 'collide', never)).toEqual({ kind: 'copied', rows: 6 });
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 2, 3, 5, 9, 10));
    });

    test('a range that meets a row collides, and nothing is copied', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([f.key(3)], never);
      expect(await claim.pair.copyRange(EVERYTHING, 'collide', never)).toEqual({ kind: 'collided' });
      expect(await f.rows('shadow')).toEqual(rowsOf(3));
    });

    test('a range can leave out rows that are there', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([f.key(3)], never);
      await f.write(update(3, { v: 8 }));
      expect(await claim.pair.copyRange(EVERYTHING, 'skip', never)).toEqual({ kind: 'copied', rows: 5 });
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 2, 3, 5, 9, 10));
    });

    test('a range can leave out rows that were copied before', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange({ after: f.key(1), through: f.key(5) }, 'collide', never);
      await f.write(update(3, { v: 8 }));
      expect(await claim.pair.copyRange(EVERYTHING, 'skip', never)).toEqual({ kind: 'copied', rows: 3 });
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 2, 3, 5, 9, 10));
    });

    test('a range leaves out no row for another unique key than the migration key', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([f.key(3)], never);
      await f.write(update(3, { u: 31 }), update(5, { u: 30 }));
      expect(await claim.pair.copyRange(EVERYTHING, 'skip', never)).toEqual({ kind: 'collided' });
      expect(await f.rows('shadow')).toEqual(rowsOf(3));
    });

    test('a range with a row that does not fit is not copied, and the row is named', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await f.write(update(9, { v: -3 }));
      await expect(claim.pair.copyRange(EVERYTHING, 'collide', never)).rejects.toMatchObject({
        code: 'ROW_NOT_CONVERTIBLE',
        message: expect.stringMatching(/id = \D*9\b/),
      });
      expect(await f.rows('shadow')).toEqual([]);
    });

    test('copying, walking and comparing wait for no lock on a row of the source', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await during(f.lockRow(3), async () => {
        expect(await claim.pair.findChunkEnd(null, 3, never)).toBe(f.key(3));
        expect(await claim.pair.copyRange(EVERYTHING, 'collide', never)).toEqual({ kind: 'copied', rows: 6 });
        expect((await claim.pair.compareRange(EVERYTHING, never)).isEqual).toBe(true);
        expect(await claim.pair.findSourceKeys(EVERYTHING, never)).toHaveLength(6);
        expect(await claim.pair.findDifferences(EVERYTHING, 10, never)).toEqual([]);
      });
    });

    test('all keys of a range are found', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      const keys = await claim.pair.findSourceKeys({ after: f.key(1), through: f.key(9) }, never);
      expect(keys.toSorted((a, b) => a.localeCompare(b))).toEqual([2, 3, 5, 9].map(f.key));
    });

    test('ranges are equal that hold the same rows, and counted in both tables', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange({ after: null, through: f.key(5) }, 'collide', never);
      const first = { after: f.key(1), through: f.key(5) };
      expect(await claim.pair.compareRange(first, never)).toEqual({ isEqual: true, sourceRows: 3, shadowRows: 3 });
      expect(await claim.pair.compareRange(EVERYTHING, never)).toMatchObject({ isEqual: false, sourceRows: 6, shadowRows: 4 });
      await f.write(update(2, { v: 1 }));
      const comparison = await claim.pair.compareRange(first, never);
      expect(comparison).toMatchObject({ isEqual: false, sourceRows: 3, shadowRows: 3 });
      expect(comparison.differing ?? [f.key(2)]).toEqual([f.key(2)]);
    });

    test('values that went from one row to the other make a difference', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await f.write(update(1, { v: 1 }), update(2, { v: 2 }));
      await claim.pair.copyRange(EVERYTHING, 'collide', never);
      await f.write(update(1, { v: 2 }), update(2, { v: 1 }));
      expect((await claim.pair.compareRange(EVERYTHING, never)).isEqual).toBe(false);
    });

    test('keys that differ are found, at most as many as were asked for', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange(EVERYTHING, 'collide', never);
      await f.write(update(1, { v: 1 }), remove(3), insert(4));
      const keys = await claim.pair.findDifferences(EVERYTHING, 10, never);
      expect(keys.toSorted((a, b) => a.localeCompare(b))).toEqual([1, 3, 4].map(f.key));
      expect(await claim.pair.findDifferences(EVERYTHING, 2, never)).toHaveLength(2);
      expect(await claim.pair.findDifferences({ after: f.key(4), through: null }, 10, never)).toEqual([]);
    });

    test('a key is described by its column and value', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      expect(claim.pair.describeKey(f.key(9))).toMatch(/^id = \D?9$/);
    });
  });
}
