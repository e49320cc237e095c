/** Batches of changes: whole transactions in log order, with positions from which a reader would receive them again. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Fence, RowKey } from '../../src/engine/model.ts';
import type { ChangeBatch } from '../../src/engine/ports.ts';
import { BatchQueue, changeBytes } from '../../src/mysql/binlog-batches.ts';
import { LogPosition } from '../../src/mysql/position.ts';

const at = (order: number): LogPosition =>
  new LogPosition(order, { server: 's', file: 'log.1', offset: 100 * order, history: null, read: null });
const fence = (number: number): Fence => number as Fence;
const upsert = (text: string): { key: RowKey; kind: 'upsert' } => ({ key: text as RowKey, kind: 'upsert' });
const roomy = { changesMax: 1000, bytesMax: 1_000_000 };

/** One transaction, from behind `order - 1` to behind `order`. */
function put(queue: BatchQueue, order: number, keys: readonly string[], passing: Fence | null = null): void {
  queue.begin(at(order - 1), at(order), false);
  for (const key of keys) queue.add(upsert(key));
  queue.end(at(order), passing);
}

function shown(batch: ChangeBatch | null): unknown {
  if (batch === null) return null;
  const { changes, position, resumeFrom, reach, fence } = batch;
  return [changes.map(({ key }) => key).join(''), resumeFrom.order, position.order, reach.order, fence];
}

test('transactions that wait share a batch, and nothing comes twice', () => {
  const queue = new BatchQueue(at(0), roomy);
  expect(queue.take()).toBe(null);
  put(queue, 1, ['a', 'b']);
  put(queue, 2, ['c'], fence(7));
  expect(shown(queue.take())).toEqual(['abc', 0, 2, 2, 7]);
  expect(queue.take()).toBe(null);
});

test('a transaction that fills the queue by itself is handed out in parts', () => {
  const key = 'k'.repeat(100);
  const queue = new BatchQueue(at(0), { changesMax: 1000, bytesMax: 40 * changeBytes(upsert(key)) });
  queue.begin(at(0), at(1), false);
  let taken = 0;
  for (let number = 0; number < 200; number += 1) {
    queue.add(upsert(key));
    if (!queue.isFull) continue;
    while (!queue.isHalfEmpty) taken += queue.take()?.changes.length ?? Number.NaN;
  }
  queue.end(at(1), null);
  for (let batch = queue.take(); batch !== null; batch = queue.take()) taken += batch.changes.length;
  expect(taken).toBe(200);
});

test('a transaction without changes is news of the position and the fence', () => {
  const queue = new BatchQueue(at(0), roomy);
  put(queue, 1, [], fence(1));
  expect(shown(queue.take())).toEqual(['', 1, 1, 1, 1]);
  put(queue, 2, []);
  expect(shown(queue.take())).toEqual(['', 2, 2, 2, 1]);
});

test('the transaction in hand is not in a batch before it ends', () => {
  const queue = new BatchQueue(at(0), roomy);
  put(queue, 1, ['a']);
  queue.begin(at(1), at(2), false);
  queue.add(upsert('b'));
  expect(shown(queue.take())).toEqual(['a', 0, 1, 1, null]);
  expect(queue.take()).toBe(null);
  queue.end(at(2), null);
  expect(shown(queue.take())).toEqual(['b', 1, 2, 2, null]);
});

test('a transaction larger than a batch comes in parts that keep the position before it and reach behind it', () => {
  const queue = new BatchQueue(at(0), { changesMax: 2, bytesMax: 1_000_000 });
  put(queue, 1, ['a', 'b', 'c', 'd', 'e'], fence(3));
  expect(shown(queue.take())).toEqual(['ab', 0, 0, 1, null]);
  expect(shown(queue.take())).toEqual(['cd', 0, 0, 1, null]);
  expect(shown(queue.take())).toEqual(['e', 0, 1, 1, 3]);
  expect(queue.take()).toBe(null);
});

test('a transaction can be dropped while no part of it has been cut off', () => {
  const queue = new BatchQueue(at(0), { changesMax: 3, bytesMax: 1_000_000 });
  put(queue, 1, ['a']);
  queue.begin(at(1), at(2), false);
  queue.add(upsert('x'));
  expect(queue.abandon()).toBe(true);
  queue.end(at(2), null);
  expect(shown(queue.take())).toEqual(['a', 0, 2, 2, null]);
  queue.begin(at(2), at(3), false);
  for (const key of ['x', 'y', 'z', 'w']) queue.add(upsert(key));
  expect(queue.abandon()).toBe(false);
  queue.end(at(3), null);
  expect(shown(queue.take())).toEqual(['xyz', 2, 2, 3, null]);
  expect(shown(queue.take())).toEqual(['', 3, 3, 3, null]);
});

test('changes that an older position would bring again hold the batch back to it', () => {
  const queue = new BatchQueue(at(5), roomy);
  put(queue, 6, ['a']);
  // What XA COMMIT delivers was logged before its PREPARE.
  queue.begin(at(2), at(7), false);
  queue.add(upsert('b'));
  queue.end(at(7), null);
  expect(shown(queue.take())).toEqual(['ab', 2, 7, 7, null]);
});

test('it is full above its bytes, half empty at half of them, and counts what waits in parts too', () => {
  const bytes = changeBytes(upsert('k'));
  const queue = new BatchQueue(at(0), { changesMax: 2, bytesMax: 8 * bytes });
  put(
    queue,
    1,
    Array.from({ length: 8 }, () => 'k'),
  );
  expect([queue.isFull, queue.isHalfEmpty]).toEqual([false, false]);
  put(queue, 2, ['k']);
  expect([queue.isFull, queue.isHalfEmpty]).toEqual([true, false]);
  queue.take();
  queue.take();
  expect([queue.isFull, queue.isHalfEmpty]).toEqual([false, false]);
  queue.take();
  expect([queue.isFull, queue.isHalfEmpty]).toEqual([false, true]);
  queue.take();
  expect(shown(queue.take())).toEqual(['k', 1, 2, 2, null]);
});

test('who waits is woken by the end of a transaction, and by a call', async () => {
  const queue = new BatchQueue(at(0), roomy);
  const first = queue.wait();
  put(queue, 1, ['a']);
  await first;
  expect(shown(queue.take())).toEqual(['a', 0, 1, 1, null]);
  const second = queue.wait();
  queue.wakeNow();
  await second;
  expect(queue.take()).toBe(null);
});

test('whatever is put in and taken out when, each change comes once, in order, behind no position that forgets it', () => {
  const steps = fc.array(fc.oneof(fc.nat(7), fc.constant('take' as const)), { maxLength: 40 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 4 }), (script, changesMax) => {
      const queue = new BatchQueue(at(0), { changesMax, bytesMax: 1_000_000 });
      const expected: string[] = [];
      const taken: ChangeBatch[] = [];
      let order = 0;
      for (const step of script) {
        if (step === 'take') {
          const batch = queue.take();
          if (batch !== null) taken.push(batch);
          continue;
        }
        order += 1;
        const keys = Array.from({ length: step }, (_, place) => `${order}.${place}`);
        expected.push(...keys);
        put(queue, order, keys);
      }
      for (let batch = queue.take(); batch !== null; batch = queue.take()) taken.push(batch);
      expect(taken.flatMap(({ changes }) => changes.map(({ key }) => String(key)))).toEqual(expected);
      let position = 0;
      for (const { changes, ...batch } of taken) {
        const orders = changes.map(({ key }) => Number(String(key).split('.')[0]));
        // Transaction n is received again from any position before n.
        expect(Math.min(...orders, Number.POSITIVE_INFINITY)).toBeGreaterThan(batch.resumeFrom.order);
        expect(Math.max(...orders, 0)).toBeLessThanOrEqual(batch.reach.order);
        expect(batch.position.order).toBeGreaterThanOrEqual(position);
        expect(batch.resumeFrom.order).toBeLessThanOrEqual(batch.position.order);
        expect(batch.reach.order).toBeGreaterThanOrEqual(batch.position.order);
        position = batch.position.order;
      }
      expect(position).toBe(order);
    }),
    { numRuns: 500, seed: 3 },
  );
});
