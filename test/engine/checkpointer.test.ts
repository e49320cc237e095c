import { expect, test } from 'vitest';
import { ChangeReceiver } from '../../src/engine/change-receiver.ts';
import { Checkpointer } from '../../src/engine/checkpointer.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { Checkpoint, Position } from '../../src/engine/model.ts';
import type { ChangeBatch, ChangeStream } from '../../src/engine/ports.ts';
import { awaitingLocks } from '../../src/engine/retry.ts';
import { runWithBackground } from '../../src/engine/tasks.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

const POSITION: Position = { order: 0, token: 'start' };

class SilentStream implements ChangeStream {
  readonly start = POSITION;
  async *batches(): AsyncGenerator<ChangeBatch> {}
  async placeFence(): Promise<never> {
    throw new Error('never asked');
  }
  async awaitVisible(): Promise<void> {}
  async acknowledge(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

test('a run that ends does not wait for a checkpoint that waits for a lock', async () => {
  const clock = new VirtualClock();
  const lock = new MigrationError('LOCK_WAIT', 'Somebody has locked the bookkeeping.');
  const load = async (): Promise<null> => null;
  let noteBegin = (): void => {};
  const saveBegun = new Promise<void>((resolve) => {
    noteBegin = resolve;
  });
  const save = async (): Promise<never> => {
    noteBegin();
    throw lock;
  };
  const store = { load, save, conclude: async (): Promise<void> => {} };
  const context = awaitingLocks({ clock, observer: () => {} });
  const limits = { pendingKeysMax: 1, fenceTimeoutMs: 1, quietAfterMs: 1 };
  const receiver = new ChangeReceiver(new SilentStream(), limits, context);
  const snapshot = { checkpoint: {} as Checkpoint, position: POSITION };
  const checkpointer = new Checkpointer(store, receiver, () => snapshot, context);
  let breakNow = (): void => {};
  const breaking = new Promise<void>((resolve) => {
    breakNow = resolve;
  });
  const stream = async (): Promise<void> => {
    await breaking;
    throw new MigrationError('STREAM_BROKEN', 'The log is gone.');
  };
  const saving = (signal: AbortSignal): Promise<void> => checkpointer.saveContinuously(() => 0, signal);
  const phases = async (signal: AbortSignal): Promise<void> => {
    await saveBegun;
    await checkpointer.save(signal);
  };
  const run = runWithBackground(phases, [saving, stream], new AbortController().signal);
  let told: unknown = null;
  run.catch((error: unknown) => {
    told = error;
  });
  await clock.advance(0);
  breakNow();
  await settle();
  expect(told).toMatchObject({ code: 'STREAM_BROKEN' });
});
