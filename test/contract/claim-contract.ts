/** The contract of Database, TableClaim and CheckpointStore. */

import { MigrationError } from '../../src/engine/errors.ts';
import { describe, expect, test } from 'vitest';
import type { Checkpoint, MigrationId } from '../../src/engine/model.ts';
import { claimWithShadow, during, EVERYTHING, never, type OpenFixture } from './port-fixture.ts';

export function describeClaimContract(open: OpenFixture): void {
  describe('Database', () => {
    test('a plan names the key, the columns and the unique key that the change adds', async () => {
      await using f = await open();
      expect(f.plan.key.columns).toEqual(['id']);
      expect(f.plan.columns.map((column) => column.source)).toEqual(['id', 'u', 'u2', 'v']);
      expect(f.plan.addedUniques).toHaveLength(1);
    });

    test('planning and looking for obstacles changes nothing', async () => {
      await using f = await open();
      expect(await f.database.findObstacles(f.plan, never)).toEqual([]);
      expect(await f.rows('shadow')).toBeNull();
      expect((await f.database.listMigrations(never)).filter((one) => one.id === f.plan.id)).toEqual([]);
    });

    test('a claim to start records the migration, open and running', async () => {
      await using f = await open();
      await during(f.database.claim(f.plan, 'start', never), async () => {
        const [record] = (await f.other.listMigrations(never)).filter((one) => one.id === f.plan.id);
        expect(record).toMatchObject({ plan: f.plan, state: 'open', checkpoint: null, isRunning: true, failure: null });
      });
    });

    test('a claim to start that is repeated finds the migration recorded by the one before, and records it once', async () => {
      await using f = await open();
      const first = await f.database.claim(f.plan, 'start', never);
      await first[Symbol.asyncDispose]();
      await using second = await f.other.claim(f.plan, 'start', never);
      expect(second.lost.aborted).toBe(false);
      const records = (await f.other.listMigrations(never)).filter((one) => one.id === f.plan.id);
      expect(records).toMatchObject([{ plan: f.plan, state: 'open', checkpoint: null, isRunning: true }]);
    });

    test('a claim to resume finds the migration recorded', async () => {
      await using f = await open();
      const first = await f.database.claim(f.plan, 'start', never);
      await first[Symbol.asyncDispose]();
      await using second = await f.other.claim(f.plan, 'resume', never);
      expect(second.lost.aborted).toBe(false);
    });

    test('a claim to resume what was never recorded is refused', async () => {
      await using f = await open();
      const unknown = { ...f.plan, id: 'neverrecorded' as MigrationId };
      await expect(f.database.claim(unknown, 'resume', never)).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' });
    });

    test('a claim is refused while another live run has it', async () => {
      await using f = await open();
      await during(f.database.claim(f.plan, 'start', never), async () => {
        await expect(f.other.claim(f.plan, 'resume', never)).rejects.toMatchObject({ code: 'TABLE_CLAIMED' });
      });
    });

    test('a migration that gave its claim back is not running', async () => {
      await using f = await open();
      const claim = await f.database.claim(f.plan, 'start', never);
      await claim[Symbol.asyncDispose]();
      const [record] = (await f.other.listMigrations(never)).filter((one) => one.id === f.plan.id);
      expect(record).toMatchObject({ state: 'open', isRunning: false });
    });

    // These two wait for long, each on a table of its own.
    test.concurrent('a claim that resolves has seen every statement of a silent predecessor end', async () => {
      await using f = await open();
      const claim = await claimWithShadow(f);
      await during(f.lockShadow(), async () => {
        // It waits on the server for the lock when its process falls silent.
        claim.pair.copyRange(EVERYTHING, 'collide', never).catch(() => undefined);
        await f.freeze();
        const successor = await f.other.claim(f.plan, 'resume', never);
        await successor[Symbol.asyncDispose]();
      });
      expect(await f.rows('shadow')).toEqual([]);
    });

    test.concurrent('a claim that another process took while this one was silent is lost', async () => {
      await using f = await open();
      const claim = await f.database.claim(f.plan, 'start', never);
      await f.freeze();
      await during(f.other.claim(f.plan, 'resume', never), async () => {
        await f.cutConnections();
        await aborted(claim.lost);
      });
      expect(claim.lost.reason).toMatchObject({ code: 'CLAIM_LOST' });
    });
  });

  describe('CheckpointStore', () => {
    test('there is no checkpoint at first', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      expect(await claim.checkpoints.load(never)).toBeNull();
    });

    test('a checkpoint that was saved is what a resume loads', async () => {
      await using f = await open();
      const first = await f.database.claim(f.plan, 'start', never);
      await first.checkpoints.save({ ...CHECKPOINT, rowsCopied: 1 }, never);
      await first.checkpoints.save(CHECKPOINT, never);
      await first[Symbol.asyncDispose]();
      await using second = await f.other.claim(f.plan, 'resume', never);
      expect(await second.checkpoints.load(never)).toEqual(CHECKPOINT);
    });

    test('a run that failed leaves its reason and stays open', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await claim.checkpoints.conclude('open', new MigrationError('DUPLICATE_KEY', 'two rows'), never);
      const [record] = (await f.other.listMigrations(never)).filter((one) => one.id === f.plan.id);
      expect(record).toMatchObject({ state: 'open', failure: 'DUPLICATE_KEY: two rows' });
    });

    test.for(['done', 'aborted'] as const)('a migration that was concluded as %s can not be resumed', async (state) => {
      await using f = await open();
      const claim = await f.database.claim(f.plan, 'start', never);
      await claim.checkpoints.conclude(state, null, never);
      await claim[Symbol.asyncDispose]();
      const [record] = (await f.other.listMigrations(never)).filter((one) => one.id === f.plan.id);
      expect(record).toMatchObject({ state, isRunning: false, failure: null });
      await expect(f.database.claim(f.plan, 'resume', never)).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' });
    });
  });
}

const CHECKPOINT: Checkpoint = {
  planHash: 'hash',
  phase: 'copy',
  copiedThrough: null,
  isCopyComplete: false,
  rowsCopied: 42,
  position: "'quoted' and \\ more",
  verification: {
    pass: 1,
    verifiedThrough: null,
    rowsCompared: 0,
    repairedInPass: 0,
    repairedTotal: 0,
    isClean: false,
  },
};

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
}
