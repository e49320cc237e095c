import { expect, test } from 'vitest';
import { ChangeApplier } from '../../src/engine/change-applier.ts';
import { ChangeReceiver } from '../../src/engine/change-receiver.ts';
import type { RowKey } from '../../src/engine/model.ts';
import type { ChangeStream, TablePair } from '../../src/engine/ports.ts';
import { RangesInFlight } from '../../src/engine/ranges-in-flight.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

test('a row that goes on colliding although nothing is in its way stops the migration, after a bounded number of tries', async () => {
  const start = { order: 0, token: 'start' };
  const key = '7' as RowKey;
  let inserts = 0;
  const pair = {
    keysPerStatement: 10,
    describeKey: (one: RowKey) => `id = ${one}`,
    deleteRows: async () => undefined,
    insertRows: async () => {
      inserts += 1;
      return 'collided';
    },
    explainCollision: async () => ({ kind: 'in-the-way', keys: [] }),
  } as unknown as TablePair;
  const context = { clock: new VirtualClock(), observer: (): void => undefined };
  const limits = { pendingKeysMax: 10, fenceTimeoutMs: 1000, quietAfterMs: 1000 };
  const stream = { start, awaitVisible: async () => undefined } as unknown as ChangeStream;
  const receiver = new ChangeReceiver(stream, limits, context);
  receiver.map.add({ key, kind: 'upsert' }, start);
  const parts = { receiver, ranges: new RangesInFlight(undefined), pair };
  const applier = new ChangeApplier(parts, { applyWorkers: 1, flushIntervalMs: 100 }, context);
  await expect(applier.flushAll(pair, new AbortController().signal)).rejects.toMatchObject({
    code: 'CHUNK_STUCK',
    message: expect.stringContaining('1 changed rows still collide under a unique key'),
  });
  expect(inserts).toBe(27);
  expect(receiver.map.size).toBe(1);
});
