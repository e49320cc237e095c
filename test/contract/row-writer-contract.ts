/** The contract of RowWriter, and what holds for every member that returns a promise. */

import { describe, expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import type { TableClaim } from '../../src/engine/ports.ts';
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

export function describeRowWriterContract(open: OpenFixture): void {
  describe('every member', () => {
    test('a call whose signal has aborted rejects with its reason and does nothing', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      const reason = new Error('enough');
      await expect(claim.pair.copyRange(EVERYTHING, 'collide', AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await f.rows('shadow')).toEqual([]);
    });

    test('a call that is aborted rejects, and nothing of it is still running', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      const reason = new Error('enough');
      await during(f.lockShadow(), async () => {
        const stop = new AbortController();
        const copied = claim.pair.copyRange(EVERYTHING, 'collide', stop.signal);
        setImmediate(() => stop.abort(reason));
        await expect(copied).rejects.toBe(reason);
      });
      expect(await f.rows('shadow')).toEqual([]);
    });
  });

  describe('RowWriter', () => {
    test('deleting rows takes them from the shadow, absent ones are fine, and it can be repeated', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange(EVERYTHING, 'collide', never);
      await claim.pair.deleteRows([f.key(2), f.key(4), f.key(9)], never);
      await claim.pair.deleteRows([f.key(2), f.key(4), f.key(9)], never);
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 3, 5, 10));
      expect(await f.rows('source')).toEqual(rowsOf(1, 2, 3, 5, 9, 10));
    });

    test('inserting rows takes those that the source has', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      expect(await claim.pair.insertRows([f.key(9), f.key(4), f.key(1)], never)).toBe('inserted');
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 9));
    });

    test('inserting rows that are all gone inserts none', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      expect(await claim.pair.insertRows([f.key(4), f.key(77)], never)).toBe('inserted');
      expect(await f.rows('shadow')).toEqual([]);
    });

    test('inserted rows are as they were committed before the call', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await f.write(update(1, { v: 7 }), remove(2), insert(4));
      expect(await claim.pair.insertRows([1, 2, 3, 4].map(f.key), never)).toBe('inserted');
      expect(await f.rows('shadow')).toEqual([
        { id: 1, u: 10, u2: 100, v: 7 },
        { id: 3, u: 30, u2: 300, v: 0 },
        { id: 4, u: 40, u2: 400, v: 0 },
      ]);
    });

    test('inserting a row that is there collides, and nothing is inserted', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([f.key(2)], never);
      expect(await claim.pair.insertRows([f.key(1), f.key(2), f.key(3)], never)).toBe('collided');
      expect(await f.rows('shadow')).toEqual(rowsOf(2));
    });

    test('inserting a row whose unique value another row of the shadow holds collides, and nothing is inserted', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([f.key(2)], never);
      await f.write(update(2, { u: 21 }), update(3, { u: 20 }));
      expect(await claim.pair.insertRows([f.key(1), f.key(3)], never)).toBe('collided');
      expect(await f.rows('shadow')).toEqual(rowsOf(2));
    });

    test('upserting rows changes those that are there, inserts those that are not, and leaves alone what the source has lost', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([1, 2, 3].map(f.key), never);
      await f.write(update(1, { u: 11, v: 7 }), remove(2), insert(4));
      expect(await upsert(claim, [1, 2, 4, 5, 77].map(f.key))).toBe('upserted');
      expect(await f.rows('shadow')).toEqual([
        { id: 1, u: 11, u2: 100, v: 7 },
        { id: 2, u: 20, u2: 200, v: 0 },
        { id: 3, u: 30, u2: 300, v: 0 },
        { id: 4, u: 40, u2: 400, v: 0 },
        ...rowsOf(5),
      ]);
    });

    test('upserting a row whose unique value another row of the shadow holds collides, and nothing is changed', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([f.key(1), f.key(2)], never);
      // The one that has the value now is not there yet, and then it is.
      await f.write(update(1, { v: 7 }), update(2, { u: 21 }), update(3, { u: 20 }));
      expect(await upsert(claim, [f.key(1), f.key(3)])).toBe('collided');
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 2));
      await f.write(update(3, { u: 31 }));
      expect(await upsert(claim, [f.key(3)])).toBe('upserted');
      await f.write(update(3, { u: 20 }));
      expect(await upsert(claim, [f.key(1), f.key(3)])).toBe('collided');
      expect(await f.rows('shadow')).toEqual([...rowsOf(1, 2), { id: 3, u: 31, u2: 300, v: 0 }]);
    });

    test('upserting a row that does not fit the new definition collides, and nothing is changed', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([f.key(1), f.key(3)], never);
      await f.write(update(1, { v: 7 }), update(3, { v: -1 }));
      expect(await upsert(claim, [f.key(1), f.key(3)])).toBe('collided');
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 3));
    });

    test('upserting a row does not wait for a lock on the row of the source', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([f.key(1)], never);
      await during(f.lockRow(1), async () => {
        expect(await upsert(claim, [f.key(1), f.key(2)])).toBe('upserted');
      });
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 2));
    });

    test('two rows that the change makes duplicates collide, and nothing is inserted', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await f.write(update(3, { u2: 100 }));
      expect(await claim.pair.insertRows([f.key(1), f.key(2), f.key(3)], never)).toBe('collided');
      expect(await f.rows('shadow')).toEqual([]);
    });

    test('a row that does not fit the new definition is named, and nothing is inserted', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await f.write(update(3, { v: -1 }));
      await expect(claim.pair.insertRows([f.key(1), f.key(3)], never)).rejects.toMatchObject({
        code: 'ROW_NOT_CONVERTIBLE',
        message: expect.stringMatching(/id = \D*3\b/),
      });
      expect(await f.rows('shadow')).toEqual([]);
    });

    test('inserting a row does not wait for a lock on the row of the source', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await during(f.lockRow(2), async () => {
        expect(await claim.pair.insertRows([f.key(1), f.key(2)], never)).toBe('inserted');
      });
      expect(await f.rows('shadow')).toEqual(rowsOf(1, 2));
    });

    test.for([{ asked: [3] }, { asked: [3, 1] }])(
      'a collision of $asked is explained by two source rows with the same value',
      async ({ asked }) => {
        await using f = await open();
        await using claim = await claimWithShadow(f);
        await claim.pair.insertRows([f.key(1)], never);
        await f.write(update(3, { u2: 100 }));
        expect(await claim.pair.insertRows([f.key(3)], never)).toBe('collided');
        const cause = await claim.pair.explainCollision(asked.map(f.key), never);
        expect(cause).toMatchObject({ kind: 'duplicates', index: 'u2', values: expect.stringContaining('100') });
        expect(cause.kind === 'duplicates' && [...cause.rows].sort((a, b) => a.localeCompare(b))).toEqual([f.key(1), f.key(3)]);
      },
    );

    test('two of the keys themselves are duplicates, although the shadow has neither', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await f.write(update(3, { u2: 100 }));
      const cause = await claim.pair.explainCollision([f.key(1), f.key(3)], never);
      expect(cause).toMatchObject({ kind: 'duplicates', index: 'u2' });
    });

    test('a collision without duplicates in the source is explained by the shadow rows in the way', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.insertRows([f.key(2), f.key(5)], never);
      await f.write(update(2, { u: 21 }), update(5, { u2: 501 }), update(3, { u: 20, u2: 500 }));
      const cause = await claim.pair.explainCollision([f.key(3)], never);
      expect(cause.kind === 'in-the-way' && [...cause.keys].sort((a, b) => a.localeCompare(b))).toEqual([f.key(2), f.key(5)]);
    });

    test('nothing is in the way where nothing collides', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      expect(await claim.pair.explainCollision([f.key(3)], never)).toEqual({ kind: 'in-the-way', keys: [] });
    });

    test('rows differ that are missing, left over or unequal', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange({ after: null, through: f.key(5) }, 'collide', never);
      await f.write(update(1, { v: 5 }), remove(2));
      const differing = await claim.pair.findDifferingRows([1, 2, 3, 4].map(f.key), never);
      expect([...differing].sort((a, b) => a.localeCompare(b))).toEqual([f.key(1), f.key(2)]);
      expect(await claim.pair.findDifferingRows([f.key(9), f.key(4)], never)).toEqual([f.key(9)]);
    });
  });
}

/** Of a pair whose key is one number. */
async function upsert({ pair }: TableClaim, keys: readonly RowKey[]): Promise<string> {
  if (pair.upsertRows === undefined) throw new Error('This pair does not change rows in place.');
  return await pair.upsertRows(keys, never);
}
