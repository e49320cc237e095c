/** A range of which more rows differ than are judged one by one. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { runMigration } from '../../src/engine/migration.ts';
import type { KeyRange, RowKey } from '../../src/engine/model.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import type { RangeComparison } from '../../src/engine/ports.ts';
import { rowKey } from './rows.ts';
import { openSimulatedFixture } from '../contract/simulated-fixture.ts';

const { signal } = new AbortController();
const MANY: readonly RowKey[] = Array.from({ length: 1001 }, (_, key) => rowKey(key, 0));

/** A run whose first range differs in so many rows, in `rounds` looks at it; a row is written at each of these. */
async function runWith(rounds: number) {
  await using fixture = await openSimulatedFixture({ deliveryLagMs: 40 });
  await using claim = await fixture.database.claim(fixture.plan, 'start', signal);
  const { pair } = claim;
  const compare = pair.compareRange.bind(pair);
  let left = rounds;
  let looks = 0;
  const compared: boolean[] = [];
  const compareRange = async (range: KeyRange, inner: AbortSignal): Promise<RangeComparison> => {
    const found = await compare(range, inner);
    if (looks > 0) compared.push(found.isEqual);
    return left > 0 ? { ...found, isEqual: false } : found;
  };
  const findDifferences = async (): Promise<readonly RowKey[]> => {
    left -= 1;
    looks += 1;
    await fixture.write({ kind: 'update', id: 1, set: { v: 100 + looks } });
    return MANY;
  };
  Object.assign(pair, { compareRange, findDifferences });
  const events: MigrationEvent[] = [];
  const ended = await runMigration(
    {
      ...{ plan: fixture.plan, claim, clock: fixture.clock, signals: [], observer: (event) => events.push(event) },
      controls: new Controls({ ...DEFAULT_OPTIONS, latency: null }),
    },
    signal,
  ).catch((error: unknown) => error);
  return { ended, events, compared, looks };
}

test('is compared again as a whole once what was committed is applied, and is equal then', async () => {
  const { ended, events, compared, looks } = await runWith(2);
  expect(ended).toMatchObject({ rowsRepaired: 0 });
  expect([looks, compared.slice(0, 2)]).toEqual([2, [true, true]]);
  expect(events.filter(({ kind }) => kind === 'difference-found')).toEqual([]);
});

test('ends the run where that goes on', async () => {
  const { ended, looks } = await runWith(100);
  expect(ended).toMatchObject({ code: 'TABLES_DIFFER', message: expect.stringContaining('more than 1000 rows of one range') });
  expect(looks).toBe(8);
});
