import { describe, expect, test } from 'vitest';
import { drainTogether } from '../../src/engine/drains.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { RowKey } from '../../src/engine/model.ts';
import type { Drain, RowWriter } from '../../src/engine/ports.ts';
import { Condition } from '../../src/engine/tasks.ts';
import { settle } from '../support/virtual-clock.ts';

const never = new AbortController().signal;
const late = new MigrationError('STATEMENT_TIMEOUT', 'The drain took too long.');

/** Tables whose fences come, and whose statements end, when the test says so; and what happened, in its order. */
function lockedTables() {
  const seen: string[] = [];
  const over = new Set<string>();
  const changed = new Condition();
  const take = async (what: string, signal: AbortSignal): Promise<void> => {
    seen.push(what);
    while (!over.has(what)) await changed.changed(signal);
  };
  const writer = (table: string): RowWriter => ({
    keysPerStatement: 10,
    deleteRows: (keys, signal) => take(`${table} deletes ${keys.join()}`, signal),
    insertRows: async () => 'inserted',
    explainCollision: async () => ({ kind: 'in-the-way', keys: [] }),
    findDifferingRows: async (keys) => keys,
  });
  const drain =
    (table: string): Drain =>
    async (locked, signal) => {
      await take(`${table} places its fence`, signal);
      for (const key of ['1', '2']) await locked.deleteRows([key as RowKey], signal);
      seen.push(`${table} is drained`);
    };
  const end = async (what: string): Promise<void> => {
    over.add(what);
    changed.notify();
    await settle();
  };
  return { seen, end, drains: ['a', 'b'].map(drain), writers: ['a', 'b'].map(writer) };
}

describe('drains of tables that are locked together', () => {
  test('place their fences at once, wait for nobody else’s, and take turns at the session call by call', async () => {
    const { seen, end, drains, writers } = lockedTables();
    const drained = drainTogether(drains, writers, never);
    await settle();
    expect(seen).toEqual(['a places its fence', 'b places its fence']);
    await end('b places its fence');
    expect(seen.splice(0)).toContain('b deletes 1');
    await end('a places its fence');
    expect(seen).toEqual([]);
    await end('b deletes 1');
    await end('a deletes 1');
    await end('b deletes 2');
    await end('a deletes 2');
    expect(seen).toEqual(['a deletes 1', 'b deletes 2', 'b is drained', 'a deletes 2', 'a is drained']);
    await drained;
  });

  test('wait with their writing for what has the first turn, and write nothing when that fails', async () => {
    const { seen, end, drains, writers } = lockedTables();
    const looked = new Condition();
    const look = async (signal: AbortSignal): Promise<void> => {
      await looked.changed(signal);
      throw late;
    };
    const drained = drainTogether(drains, writers, never, look);
    const outcome = drained.catch((error: unknown) => error);
    await end('a places its fence');
    await end('b places its fence');
    expect(seen).toEqual(['a places its fence', 'b places its fence']);
    looked.notify();
    expect(await outcome).toBe(late);
    expect(seen).toEqual(['a places its fence', 'b places its fence']);
  });

  test('end when one of them fails, and of those that waited for their turn nothing is sent', async () => {
    const { seen, end, drains, writers } = lockedTables();
    let fail = (): void => undefined;
    const failing = new Promise<void>((_, reject) => (fail = () => reject(late)));
    const drained = drainTogether([...drains, () => failing], [...writers, ...writers.slice(1)], never);
    await end('a places its fence');
    await end('b places its fence');
    expect(await Promise.race([drained, settle().then(() => 'waiting')])).toBe('waiting');
    fail();
    await expect(drained).rejects.toBe(late);
    expect(seen).toEqual(['a places its fence', 'b places its fence', 'a deletes 1']);
  });
});
