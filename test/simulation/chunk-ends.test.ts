/** One round trip a chunk, and a time to go that follows the keys: both need to know the first and the last key from the first chunk on. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { runMigration } from '../../src/engine/migration.ts';
import type { RowKey } from '../../src/engine/model.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import type { KeySpan } from '../../src/engine/ports.ts';
import { openSimulatedFixture } from '../contract/simulated-fixture.ts';

const { signal } = new AbortController();

test('a run that begins computes where its chunks end, and asks only where keys lie far apart', async () => {
  await using fixture = await openSimulatedFixture({});
  await using claim = await fixture.database.claim(fixture.plan, 'start', signal);
  const { pair } = claim;
  let computed = 0;
  const read = pair.readKeySpan?.bind(pair);
  const readKeySpan = async (inner: AbortSignal): Promise<KeySpan | null> => {
    const span = (await read?.(inner)) ?? null;
    if (span === null) return null;
    const keyAt = (value: bigint): RowKey => {
      computed += 1;
      return span.keyAt(value);
    };
    return { ...span, keyAt };
  };
  Object.assign(pair, { readKeySpan });
  const controls = new Controls({ ...DEFAULT_OPTIONS, latency: null, copyWorkers: 1, chunkRowsFirst: 1, chunkRowsMax: 1 });
  const observer = (): void => undefined;
  await runMigration({ plan: fixture.plan, claim, clock: fixture.clock, signals: [], controls, observer }, signal);
  expect(computed).toBeGreaterThan(0);
});
