/** Tables that are only swapped together, of which some have swapped: whoever could settle must not, and whoever waits must not wait for good. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { runFamily } from '../../src/engine/family-run.ts';
import type { MigrationRun } from '../../src/engine/migration.ts';
import type { MigrationId, Plan } from '../../src/engine/model.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { NOTHING_VERIFIED } from '../../src/engine/verifier.ts';
import { openSimulatedFixture } from '../contract/simulated-fixture.ts';

test('nothing is settled, and nothing is done, where the catalog says that one has swapped and the other has not', async () => {
  const stop = new AbortController();
  const { signal } = stop;
  await using one = await openSimulatedFixture({});
  await using other = await openSimulatedFixture({});
  const members = [one, other].map(({ plan }, place) => ({ ...plan, id: `m${place}` as MigrationId }));
  const [swapped, waiting] = members.map((plan): Plan => ({ ...plan, family: { id: 'm0' as MigrationId, members } }));
  if (swapped === undefined || waiting === undefined) throw new Error('there are two');
  await using claim = await one.database.claim(swapped, 'start', signal);
  await using claimOfOther = await other.database.claim(waiting, 'start', signal);
  await claim.checkpoints.save(
    {
      ...{ planHash: swapped.hash, phase: 'cutover', copiedThrough: null, isCopyComplete: true, rowsCopied: 0 },
      ...{ position: '0', verification: NOTHING_VERIFIED },
    },
    signal,
  );
  const told: string[] = [];
  Object.assign(claim.cutover, { hasSwapped: async () => true, unsettled: async () => ['A key is to be validated.'] });
  const controls = new Controls({ ...DEFAULT_OPTIONS, latency: null });
  const observer: MigrationRun['observer'] = ({ kind }) => {
    told.push(kind);
    // The other would wait for this one for good.
    if (kind === 'settling' || kind === 'finished') stop.abort(new Error('one of them goes on alone'));
  };
  const runs: readonly MigrationRun[] = [
    { plan: swapped, claim, clock: one.clock, signals: [], controls, observer },
    { plan: waiting, claim: claimOfOther, clock: other.clock, signals: [], controls, observer },
  ];
  const attempt = (): never => {
    throw new Error('there is nothing to be swapped');
  };
  await expect(runFamily(runs, { attempt }, signal)).rejects.toMatchObject({ code: 'SWAP_UNKNOWN' });
  for (const { database } of [one, other]) {
    const [record] = await database.listMigrations(signal);
    expect(record).toMatchObject({ state: 'open', failure: expect.stringMatching(/^SWAP_UNKNOWN: /) });
  }
  expect(told).not.toContain('settling');
});
