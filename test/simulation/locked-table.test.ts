/** Whoever locks the whole table, to compress or to load it, keeps the application waiting too, and may take an hour. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import { runMigration } from '../../src/engine/migration.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { openSimulatedFixture } from '../contract/simulated-fixture.ts';

const { signal } = new AbortController();

test('a run waits for a lock of others for as long as they hold it, whatever it is about to do', async () => {
  await using fixture = await openSimulatedFixture({ dialect: 'postgres', isVisibilityOrdered: false });
  await using claim = await fixture.database.claim(fixture.plan, 'start', signal);
  const { pair } = claim;
  const held = <Arguments extends readonly unknown[], Result>(work: (...args: Arguments) => Promise<Result>) => {
    let refusals = 20;
    return (...args: Arguments): Promise<Result> => {
      refusals -= 1;
      return refusals < 0 ? work(...args) : Promise.reject(new MigrationError('LOCK_WAIT', 'Somebody has locked the table.'));
    };
  };
  Object.assign(pair, {
    findChunkEnd: held(pair.findChunkEnd.bind(pair)),
    copyRange: held(pair.copyRange.bind(pair)),
    compareRange: held(pair.compareRange.bind(pair)),
  });
  const retried = new Map<string, number>();
  const { rowsCopied } = await runMigration(
    {
      ...{ plan: fixture.plan, claim, clock: fixture.clock, signals: [] },
      controls: new Controls({ ...DEFAULT_OPTIONS, latency: null }),
      observer: (event) => {
        if (event.kind === 'retrying') retried.set(event.what, (retried.get(event.what) ?? 0) + 1);
      },
    },
    signal,
  );
  expect(rowsCopied).toBe((await fixture.rows('retired'))?.length);
  expect([...retried.values()].filter((times) => times === 20).length).toBeGreaterThanOrEqual(3);
});
