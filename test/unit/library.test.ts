import { getEventListeners, once } from 'node:events';
import { describe, expect, test } from 'vitest';
import {
  type ChangeOptions,
  cleanUp,
  type CleanUpOptions,
  Controls,
  DEFAULT_OPTIONS,
  type FamilyOptions,
  listEvents,
  listMigrations,
  migrate,
  migrateFamily,
  MigrationError,
  type MigrationEvent,
  type MigrationId,
  planFamily,
  type Plan,
  planMigration,
  resumeMigration,
} from '../../src/index.ts';
import { inCall } from '../../src/caller.ts';
import { run } from '../../src/claimed-run.ts';
import type { Database } from '../../src/engine/ports.ts';

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
    ['table', 3, 'table must be a text; it is 3'],
    ['url', new URL(change.url), 'url must be a text; it is object'],
    ['password', 4711, 'password must be a text or a function that gives one; it is number'],
    ['signal', {}, 'signal must be an AbortSignal; it is object'],
    ['controls', {}, 'controls must be made by new Controls(…); it is object'],
    ['replicas', 'db2', 'replicas must be a list of URLs; it is string'],
    ['pace', { copyWorker: 3 }, 'There is no setting copyWorker.'],
  ] as const)('refuses a change whose %s is %s before it connects', async ([name, value, told]) => {
    const asked = { ...change, [name]: value } as unknown as ChangeOptions;
    const refusal = { code: 'BAD_USAGE', message: expect.stringContaining(told) };
    await expect(planMigration(asked)).rejects.toMatchObject(refusal);
  });

  test('keeps an old table where what is said of its soak is no length of time', async () => {
    for (const [name, value] of [
      ['soakMs', Number.NaN],
      ['soakMs', 1e16],
      ['soakMs', null],
      ['isNow', 'false'],
      ['id', undefined],
    ] as const) {
      const asked = { url: change.url, id: 'm1', [name]: value } as unknown as CleanUpOptions;
      const message = expect.stringContaining(`The setting ${name} must be `);
      await expect(cleanUp(asked)).rejects.toMatchObject({ code: 'BAD_USAGE', message });
    }
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
    for (const changes of [undefined, 'ab', [null, null]]) {
      const asked = { url: change.url, changes } as unknown as FamilyOptions;
      await expect(planFamily(asked)).rejects.toMatchObject({ code: 'BAD_USAGE' });
    }
  });

  test('rejects with nothing but a MigrationError, also where it is given nothing', async () => {
    for (const call of [planMigration, migrate, migrateFamily, resumeMigration, listMigrations, listEvents, cleanUp]) {
      await expect((call as (options?: object) => Promise<unknown>)()).rejects.toMatchObject({ code: 'BAD_USAGE' });
    }
  });

  const boom = new Error('boom');
  test.each([
    ['throws', () => fail()],
    ['rejects', async () => await Promise.reject(boom)],
  ] as const)('is interrupted by a function of the caller that %s, which the engine does not see', async (_, observer) => {
    const asked = { url: change.url, id: 'm1', observer: observer as () => void } satisfies CleanUpOptions;
    const event: MigrationEvent = { kind: 'finished', id: 'm1' as MigrationId };
    const call = inCall<CleanUpOptions, void>(asked, async (options, signal) => {
      options.observer?.(event);
      if (!signal.aborted) await once(signal, 'abort');
      options.observer?.(event);
      signal.throwIfAborted();
    });
    const message = 'The run was ended, because observer of the caller failed: boom';
    await expect(call).rejects.toMatchObject({ code: 'INTERRUPTED', message, cause: boom });
  });

  test('changes nothing where onStart has ended the call, and gives the claim back', async () => {
    const ended: string[] = [];
    const claim = { [Symbol.asyncDispose]: async () => void ended.push('claim') };
    const database = { checkLoadLimits: async () => undefined, claim: async () => claim } as unknown as Database;
    const end = new AbortController();
    const reason = new MigrationError('INTERRUPTED', 'onStart failed');
    const options = { controls: new Controls(DEFAULT_OPTIONS), onStart: () => end.abort(reason) };
    const plans = [{ id: 'm1' }] as unknown as readonly Plan[];
    await expect(run({ database, plans, purpose: 'start' }, options, end.signal)).rejects.toBe(reason);
    expect(ended).toEqual(['claim']);
  });

  function fail(): never {
    throw boom;
  }
});
