/** The contract of Cutover. */

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

/** Transactions of tests beside these, on the same server, are no matter. */
const LIMITS = { lockTimeoutMs: 2000, holdTimeoutMs: 5000, oldSnapshots: 'ignore' } as const;

export function describeCutoverContract(open: OpenFixture): void {
  describe('Cutover', () => {
    test('a cutover swaps source and shadow, and the source becomes the retired table', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange({ after: null, through: f.key(5) }, 'collide', never);
      const outcome = await claim.cutover.attempt(LIMITS, async () => {}, never);
      expect(outcome).toEqual({ kind: 'swapped', blockedMs: expect.any(Number) });
      expect(await f.rows('source')).toEqual(rowsOf(1, 2, 3, 5));
      expect(await f.rows('retired')).toEqual(rowsOf(1, 2, 3, 5, 9, 10));
      expect(await f.rows('shadow')).toBeNull();
      expect(await claim.cutover.hasSwapped(never)).toBe(true);
    });

    test('nothing has been swapped before', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      expect(await claim.cutover.hasSwapped(never)).toBe(false);
    });

    test('writers wait while the drain runs and go on in the new table', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange(EVERYTHING, 'collide', never);
      const order: string[] = [];
      let written: Promise<void> = Promise.resolve();
      const drain = async (): Promise<void> => {
        written = f.write(insert(4)).then(() => {
          order.push('written');
        });
        await claim.checkpoints.load(never);
        order.push('drained');
      };
      const outcome = await claim.cutover.attempt(LIMITS, drain, never);
      await written;
      expect(outcome.kind).toBe('swapped');
      expect(order).toEqual(['drained', 'written']);
      expect((await f.rows('source'))?.map((row) => row.id)).toEqual([1, 2, 3, 4, 5, 9, 10]);
      expect(await f.rows('retired')).toEqual(rowsOf(1, 2, 3, 5, 9, 10));
    });

    test('the drain works through the lock', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange(EVERYTHING, 'collide', never);
      await f.write(update(1, { v: 4 }), remove(2), insert(4));
      let differing: readonly string[] = [];
      const outcome = await claim.cutover.attempt(
        LIMITS,
        async (locked) => {
          differing = await locked.findDifferingRows([1, 2, 3, 4].map(f.key), never);
          await locked.deleteRows([1, 2, 4].map(f.key), never);
          expect(await locked.insertRows([f.key(1), f.key(4)], never)).toBe('inserted');
          expect(await locked.explainCollision([f.key(1)], never)).toEqual({ kind: 'in-the-way', keys: [f.key(1)] });
        },
        never,
      );
      expect(outcome.kind).toBe('swapped');
      expect(differing.toSorted((a, b) => a.localeCompare(b))).toEqual([1, 2, 4].map(f.key));
      expect(await f.rows('source')).toEqual([
        { id: 1, u: 10, u2: 100, v: 4 },
        { id: 3, u: 30, u2: 300, v: 0 },
        { id: 4, u: 40, u2: 400, v: 0 },
        { id: 5, u: 50, u2: 500, v: 0 },
        { id: 9, u: 90, u2: 900, v: 0 },
        { id: 10, u: 100, u2: 1000, v: 0 },
      ]);
    });

    test('a fence that the drain places comes by behind everything that was written before the lock', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await using stream = await claim.openChangeStream(null, never);
      await claim.pair.createShadow(never);
      await f.write(insert(4));
      const seen: string[] = [];
      await claim.cutover.attempt(
        LIMITS,
        async () => {
          const fence = await stream.placeFence(never);
          for await (const batch of stream.batches(never)) {
            seen.push(...batch.changes.map((change) => `${change.kind} ${change.key}`));
            await stream.awaitVisible(batch.reach, never);
            if (batch.fence !== null && batch.fence >= fence) return;
          }
        },
        never,
      );
      expect(seen).toEqual([`upsert ${f.key(4)}`]);
    });

    test('a lock that is not had in time changes nothing, names who is in the way, and lets writers go on', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      let drains = 0;
      await during(f.useSource(), async () => {
        const outcome = await claim.cutover.attempt(
          { ...LIMITS, lockTimeoutMs: 1000 },
          async () => {
            drains += 1;
          },
          never,
        );
        expect(outcome).toEqual({ kind: 'not-locked', blockers: [expect.any(String)] });
        await f.write(update(1, { v: 1 }));
      });
      expect(drains).toBe(0);
      expect(await f.rows('shadow')).toEqual([]);
      expect(await claim.cutover.hasSwapped(never)).toBe(false);
    });

    test('sessions in the way are ended where that is asked for, each is told, and the swap happens', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      const ended: string[] = [];
      await during(f.useSource(), async () => {
        const onBlockerEnded = (blocker: string): void => {
          ended.push(blocker);
        };
        const outcome = await claim.cutover.attempt({ ...LIMITS, onBlockerEnded }, async () => {}, never);
        expect(outcome.kind).toBe('swapped');
      });
      expect(ended).toEqual([expect.any(String)]);
    });

    test('the reason of a failed drain is passed on, and writers go on in the old table', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      const reason = new Error('the drain failed');
      const attempt = claim.cutover.attempt(LIMITS, () => Promise.reject(reason), never);
      await expect(attempt).rejects.toBe(reason);
      await f.write(insert(4));
      expect((await f.rows('source'))?.map((row) => row.id)).toEqual([1, 2, 3, 4, 5, 9, 10]);
      expect(await f.rows('retired')).toBeNull();
      expect(await claim.cutover.hasSwapped(never)).toBe(false);
    });

    test('a lock that is held too long is ended by the server, and writers go on in the old table', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      let isWritten = false;
      const attempt = claim.cutover.attempt(
        { ...LIMITS, holdTimeoutMs: 1000 },
        async () => {
          await f.write(insert(4));
          isWritten = true;
        },
        never,
      );
      await expect(attempt).rejects.toMatchObject({ isTransient: true });
      expect(isWritten).toBe(true);
      expect(await claim.cutover.hasSwapped(never)).toBe(false);
    });

    test('an attempt that is aborted rejects with the reason and leaves writers free', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      const stop = new AbortController();
      const reason = new Error('enough');
      await during(f.useSource(), async () => {
        const attempt = claim.cutover.attempt({ ...LIMITS, lockTimeoutMs: 60_000 }, async () => {}, stop.signal);
        setImmediate(() => stop.abort(reason));
        await expect(attempt).rejects.toBe(reason);
      });
      await f.write(update(1, { v: 1 }));
      expect(await claim.cutover.hasSwapped(never)).toBe(false);
    });

    test('what the swap has left is settled once; then the retired table is found, and is gone when it was dropped', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await claim.pair.copyRange(EVERYTHING, 'collide', never);
      await claim.cutover.attempt(LIMITS, async () => {}, never);
      const left = await claim.cutover.unsettled(never);
      const settled: string[] = [];
      await claim.cutover.settle((what) => settled.push(what), never);
      await claim.cutover.settle((what) => settled.push(`again: ${what}`), never);
      expect(settled).toEqual(left);
      expect(await claim.cutover.unsettled(never)).toEqual([]);
      await claim.checkpoints.conclude('done', null, never);
      const [retired] = (await f.other.retiredTables.find(never)).filter((one) => one.id === f.plan.id);
      expect(retired).toMatchObject({ id: f.plan.id, table: f.plan.retired });
      if (retired === undefined) return;
      expect(await f.other.retiredTables.drop(retired, LIMITS.lockTimeoutMs, never)).toEqual({ kind: 'done' });
      expect(await f.other.retiredTables.drop(retired, LIMITS.lockTimeoutMs, never)).toEqual({ kind: 'done' });
      expect(await f.rows('retired')).toBeNull();
      expect(await f.rows('source')).toEqual(rowsOf(1, 2, 3, 5, 9, 10));
    });
  });
}
