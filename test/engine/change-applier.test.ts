import { expect, test } from 'vitest';
import { ChangeApplier } from '../../src/engine/change-applier.ts';
import { ChangeReceiver } from '../../src/engine/change-receiver.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import type { RowKey } from '../../src/engine/model.ts';
import type { ChangeStream, TablePair } from '../../src/engine/ports.ts';
import { RangesInFlight } from '../../src/engine/ranges-in-flight.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const start = { order: 0, token: 'start' };
const { signal } = new AbortController();

/** An applier to which changes of these keys have come, and what it has received. */
function applierOf(
  keys: readonly string[],
  inserting: Partial<TablePair>,
  awaitVisible = async (): Promise<void> => undefined,
) {
  const pair = {
    keysPerStatement: 10,
    describeKey: (one: RowKey) => `id = ${one}`,
    deleteRows: async () => undefined,
    ...inserting,
  } as unknown as TablePair;
  const clock = new VirtualClock();
  const events: MigrationEvent[] = [];
  const context = { clock, observer: (event: MigrationEvent): void => void events.push(event) };
  const limits = { pendingKeysMax: 10, fenceTimeoutMs: 1000, quietAfterMs: 1000 };
  const stream = { start, awaitVisible } as unknown as ChangeStream;
  const receiver = new ChangeReceiver(stream, limits, context);
  for (const key of keys) receiver.map.add({ key: key as RowKey, kind: 'upsert' }, start);
  const parts = { receiver, ranges: new RangesInFlight(undefined), pair };
  const applier = new ChangeApplier(parts, { applyWorkers: 1, flushIntervalMs: 100 }, context);
  return { applier, clock, events, pair, receiver };
}

test('a row that goes on colliding although nothing is in its way stops the migration, after a bounded number of tries', async () => {
  let inserts = 0;
  const { applier, pair, receiver } = applierOf(['7'], {
    async insertRows() {
      inserts += 1;
      return 'collided';
    },
    explainCollision: async () => ({ kind: 'in-the-way', keys: [] }),
  });
  await expect(applier.flushAll(pair, signal)).rejects.toMatchObject({
    code: 'CHUNK_STUCK',
    message: expect.stringContaining('The changed row id = 7 still collides under a unique key'),
  });
  expect(inserts).toBe(27);
  expect(receiver.map.size).toBe(1);
});

test('rows that collide with others each time, as values move all the while, go in by smaller and smaller parts', async () => {
  const inserted: RowKey[] = [];
  let tries = 0;
  let inTheWay = 0;
  const { applier, pair, receiver } = applierOf(['1', '2', '3', '4', '5', '6', '7', '8'], {
    async insertRows(keys) {
      tries += 1;
      if (tries > 100) throw new Error('This would go on for ever.');
      if (keys.length > 3) return 'collided';
      inserted.push(...keys);
      return 'inserted';
    },
    explainCollision: async () => ({ kind: 'in-the-way', keys: [`other ${++inTheWay}` as RowKey] }),
  });
  await applier.flushAll(pair, signal);
  expect(inserted).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', 'other 1', 'other 2', 'other 3']);
  expect(receiver.map.size).toBe(0);
});

test('a row that two spellings of its key are to bring up to date is there once that is done, and not taken out and read again', async () => {
  const done: string[] = [];
  let isThere = false;
  const { applier, pair } = applierOf(['K7', 'k7'], {
    keysPerStatement: 1,
    async deleteRows(keys) {
      isThere = false;
      done.push(`delete ${keys.join()}`);
    },
    async insertRows(keys) {
      done.push(`insert ${keys.join()}`);
      if (isThere) return 'collided';
      isThere = true;
      return 'inserted';
    },
    explainCollision: async () => ({ kind: 'in-the-way', keys: ['K7' as RowKey], respelled: ['K7' as RowKey] }),
  });
  await applier.flushAll(pair, signal);
  expect(done).toEqual(['delete K7', 'delete k7', 'insert K7', 'insert k7', 'delete K7', 'insert k7']);
});

test('changes that stay invisible for minutes, as while a synchronous standby is away, are waited for and then applied', async () => {
  let looks = 0;
  const inserted: RowKey[] = [];
  const { applier, clock, events, pair } = applierOf(
    ['7'],
    {
      async insertRows(keys) {
        inserted.push(...keys);
        return 'inserted';
      },
    },
    async () => {
      looks += 1;
      if (looks <= 5) throw new MigrationError('VISIBILITY_TIMEOUT', 'It did not become visible within 60 s.');
    },
  );
  const flushed = applier.flushAll(pair, signal);
  await clock.advance(60_000);
  await flushed;
  expect([looks, inserted]).toEqual([6, ['7']]);
  expect(events.map((event) => event.kind === 'retrying' && event.code)).toEqual([
    ...Array<string>(5).fill('VISIBILITY_TIMEOUT'),
    false,
  ]);
});
