import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { MigrationError, migrateFamily, planFamily, planMigration } from '../../src/index.ts';

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

  test('refuses a family of one table before it connects, and lets go of the signal', async () => {
    const { signal } = new AbortController();
    for (const call of [migrateFamily, planFamily]) {
      await expect(call({ url: change.url, changes: [change], signal })).rejects.toMatchObject({ code: 'BAD_USAGE' });
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
