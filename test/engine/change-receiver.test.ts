import { expect, test } from 'vitest';
import { ChangeReceiver } from '../../src/engine/change-receiver.ts';
import type { Change, Position, RowKey } from '../../src/engine/model.ts';
import type { ChangeBatch, ChangeStream } from '../../src/engine/ports.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

const START: Position = { order: 0, token: 'start' };

function batchOf(changes: readonly Change[]): ChangeBatch {
  return { changes, position: START, resumeFrom: START, reach: START, fence: null };
}

/** A stream that gives what it is given. */
class GivenStream implements ChangeStream {
  readonly start = START;
  give: (changes: readonly Change[]) => void = () => {};

  async *batches(signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    while (!signal.aborted) {
      yield batchOf(
        await new Promise<readonly Change[]>((resolve) => {
          this.give = resolve;
        }),
      );
    }
  }

  async placeFence(): Promise<never> {
    throw new Error('nobody asks for a fence here');
  }
  async awaitVisible(): Promise<void> {}
  async acknowledge(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

test('knows for how long no change has come, whatever else comes by', async () => {
  const clock = new VirtualClock();
  const stream = new GivenStream();
  const receiver = new ChangeReceiver(stream, { pendingKeysMax: 10, fenceTimeoutMs: 1000 }, { clock, observer: () => {} });
  void receiver.pull(new AbortController().signal);
  await clock.advance(700);
  stream.give([]);
  await clock.advance(300);
  expect(receiver.quietMs).toBe(1000);
  stream.give([{ kind: 'upsert', key: '1' as RowKey }]);
  await settle();
  expect(receiver.quietMs).toBe(0);
});
