import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import {
  type ChangeOptions,
  listEvents,
  MigrationError,
  type MigrationId,
  migrateFamily,
  planFamily,
  planMigration,
} from '../../src/index.ts';

describe('the library', () => {
  const change = { url: 'mysql://root@127.0.0.1:1/shop', alter: 'ALTER TABLE t ADD a INT' };

  test('takes any reason of an abort for an interruption', async () => {
    for (const reason of [new Error('enough'), 'enough']) {
      await expect(planMigration({ ...change, signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
        code: 'INTERRUPTED',
        message: 'The caller ended the run: enough',
      });
    }
  });

  test('keeps a reason that says more', async () => {
    const reason = new MigrationError('ABORTED', 'Given up.');
    await expect(planMigration({ ...change, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  test('refuses a pace that no run could keep to before it connects, and takes what is undefined for not said', async () => {
    await expect(planMigration({ ...change, pace: { copyWorkers: 0 } })).rejects.toMatchObject({ code: 'BAD_USAGE' });
    const pace = { copyWorkers: undefined } as object;
    await expect(planMigration({ ...change, pace })).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  test.for([
    ['alter', undefined, 'alter must be a text; it is undefined'],
    ['strategy', 'shaddow', 'strategy must be one of auto, native, shadow; it is shaddow'],
    ['deferIndexes', true, 'deferIndexes must be one of auto, always, never; it is true'],
    ['materializedViews', 'drop', 'materializedViews must be one of refuse, recreate; it is drop'],
  ] as const)('refuses a change whose %s is %s before it connects', async ([name, value, told]) => {
    const asked = { ...change, [name]: value } as unknown as ChangeOptions;
    const refusal = { code: 'BAD_USAGE', message: expect.stringContaining(told) };
    await expect(planMigration(asked)).rejects.toMatchObject(refusal);
  });

  test('refuses a number of events that cannot be read', async () => {
    const id = 'm1' as MigrationId;
    for (const eventsMax of [0, 1.5, Number.NaN]) {
      await expect(listEvents({ url: change.url, id, eventsMax })).rejects.toMatchObject({ code: 'BAD_USAGE' });
    }
  });

  test('refuses a family of one table before it connects, and lets go of the signal', async () => {
    const { signal } = new AbortController();
    for (const call of [migrateFamily, planFamily]) {
      await expect(call({ url: change.url, changes: [change], signal })).rejects.toMatchObject({ code: 'BAD_USAGE' });
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
