/** Why a run has ended is recorded, whatever it was about, for whoever lists the migrations or resumes it. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import { runMigration } from '../../src/engine/migration.ts';
import type { Checkpoint } from '../../src/engine/model.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import type { TableClaim } from '../../src/engine/ports.ts';
import { NOTHING_VERIFIED } from '../../src/engine/verifier.ts';
import { openSimulatedFixture } from '../contract/simulated-fixture.ts';

const { signal } = new AbortController();

/** What is recorded of a run whose claim was made so that it fails. */
async function recordedOf(failing: (claim: TableClaim, checkpoint: Checkpoint) => unknown): Promise<string | null | undefined> {
  await using fixture = await openSimulatedFixture({});
  await using claim = await fixture.database.claim(fixture.plan, 'start', signal);
  await failing(claim, {
    ...{ planHash: fixture.plan.hash, phase: 'cutover', copiedThrough: null, isCopyComplete: true, rowsCopied: 0 },
    ...{ position: '0', verification: NOTHING_VERIFIED },
  });
  const controls = new Controls({ ...DEFAULT_OPTIONS, latency: null });
  const observer = (): void => undefined;
  const run = runMigration({ plan: fixture.plan, claim, clock: fixture.clock, signals: [], controls, observer }, signal);
  await expect(run).rejects.toBeInstanceOf(MigrationError);
  return (await fixture.database.listMigrations(signal))[0]?.failure;
}

test('of a run that could not make its shadow', async () => {
  const createShadow = (): Promise<never> => Promise.reject(new MigrationError('SERVER_LIMIT', 'There is no room.'));
  expect(await recordedOf(({ pair }) => Object.assign(pair, { createShadow }))).toBe('SERVER_LIMIT: There is no room.');
});

test('of a resume to which the catalog does not tell whether the swap has happened', async () => {
  const hasSwapped = (): Promise<never> => Promise.reject(new MigrationError('SWAP_UNKNOWN', 'A table is missing.'));
  const recorded = await recordedOf(async ({ checkpoints, cutover }, checkpoint) => {
    await checkpoints.save(checkpoint, signal);
    Object.assign(cutover, { hasSwapped });
  });
  expect(recorded).toBe('SWAP_UNKNOWN: A table is missing.');
});
