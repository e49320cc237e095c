/** Why a run has ended is recorded, whatever it was about, for whoever lists the migrations or resumes it. */
import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import { runMigration } from '../../src/engine/migration.ts';
import type { Checkpoint, Phase } from '../../src/engine/model.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import type { TableClaim } from '../../src/engine/ports.ts';
import { NOTHING_VERIFIED } from '../../src/engine/verifier.ts';
import { openSimulatedFixture } from '../contract/simulated-fixture.ts';

const { signal } = new AbortController();

/** What is recorded of a run whose claim was made so that it fails. */
async function recordedOf(
  failing: (claim: TableClaim, checkpoint: Checkpoint) => unknown,
): Promise<{ readonly failure: string | null | undefined; readonly phase: Phase | undefined }> {
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
  const [record] = await fixture.database.listMigrations(signal);
  return { failure: record?.failure, phase: record?.checkpoint?.phase };
}

test('of a run that could not make its shadow', async () => {
  const createShadow = (): Promise<never> => Promise.reject(new MigrationError('SERVER_LIMIT', 'There is no room.'));
  const recorded = await recordedOf(({ pair }) => Object.assign(pair, { createShadow }));
  expect(recorded.failure).toBe('SERVER_LIMIT: There is no room.');
});

test('of a resume whose checkpoint was made for another plan', async () => {
  const recorded = await recordedOf(({ checkpoints }, checkpoint) =>
    checkpoints.save({ ...checkpoint, planHash: 'of another plan' }, signal),
  );
  expect(recorded.failure).toMatch(/^PLAN_CHANGED: The checkpoint of migration .* was made for another plan/);
});

test('of a resume to which the catalog does not tell whether the swap has happened', async () => {
  const hasSwapped = (): Promise<never> => Promise.reject(new MigrationError('SWAP_UNKNOWN', 'A table is missing.'));
  const recorded = await recordedOf(async ({ checkpoints, cutover }, checkpoint) => {
    await checkpoints.save(checkpoint, signal);
    Object.assign(cutover, { hasSwapped });
  });
  expect(recorded.failure).toBe('SWAP_UNKNOWN: A table is missing.');
});

test('of a run that ends after its swap, and that it was cleaning up', async () => {
  const hasSwapped = async (): Promise<boolean> => true;
  const unsettled = (): Promise<never> => Promise.reject(new MigrationError('INTERRUPTED', 'A signal came.'));
  const recorded = await recordedOf(async ({ checkpoints, cutover }, checkpoint) => {
    await checkpoints.save(checkpoint, signal);
    Object.assign(cutover, { hasSwapped, unsettled });
  });
  expect(recorded).toEqual({ failure: 'INTERRUPTED: A signal came.', phase: 'clean-up' });
});
