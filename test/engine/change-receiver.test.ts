import { expect, test } from 'vitest';
import { ChangeReceiver } from '../../src/engine/change-receiver.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import type { Change, Fence, Position, RowKey } from '../../src/engine/model.ts';
import type { ChangeBatch, ChangeStream } from '../../src/engine/ports.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

const SIGNAL = new AbortController().signal;
const START: Position = { order: 0, token: 'start' };

function batchOf(changes: readonly Change[], fence: Fence | null): ChangeBatch {
  return { changes, position: START, resumeFrom: START, reach: START, fence };
}

/** A stream that gives what it is given. */
class GivenStream implements ChangeStream {
  readonly start = START;
  give: (changes: readonly Change[]) => void = () => {};
  /** How often it was asked for a batch. */
  asked = 0;
  fence: Fence | null = null;
  readAnew?: () => void;

  async *batches(signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    while (!signal.aborted) {
      this.asked += 1;
      yield batchOf(
        await new Promise<readonly Change[]>((resolve) => {
          this.give = resolve;
        }),
        this.fence,
      );
    }
  }

  async placeFence(): Promise<Fence> {
    this.fence = 1 as Fence;
    return this.fence;
  }
  async awaitVisible(): Promise<void> {}
  async acknowledge(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

const changesOf = (count: number): readonly Change[] =>
  Array.from({ length: count }, (_, number) => ({ kind: 'upsert', key: String(number) as RowKey }));

function receiving() {
  const clock = new VirtualClock();
  const stream = new GivenStream();
  const limits = { pendingKeysMax: 10_000, fenceTimeoutMs: 1000, quietAfterMs: 1000 };
  const retried: MigrationEvent[] = [];
  const receiver = new ChangeReceiver(stream, limits, { clock, observer: (event) => retried.push(event) });
  void receiver.pull(SIGNAL);
  return { clock, stream, receiver, retried };
}

/** Batches that come before the fence does. */
async function giveWithoutFence(stream: GivenStream, changes: readonly Change[]): Promise<void> {
  stream.fence = null;
  stream.give(changes);
  await settle();
}

test('rests after a few changes before it asks for more, and not while there is a backlog', async () => {
  const { clock, stream } = receiving();
  await settle();
  stream.give(changesOf(5_000));
  await settle();
  expect(stream.asked).toBe(2);
  stream.give(changesOf(3));
  await settle();
  expect(stream.asked).toBe(2);
  await clock.advance(50);
  expect(stream.asked).toBe(3);
});

test('notes what a fence takes, as of any small write', async () => {
  const { clock, stream, receiver } = receiving();
  const place = stream.placeFence.bind(stream);
  stream.placeFence = async () => {
    await clock.sleep(30, SIGNAL);
    return await place();
  };
  const placed = receiver.placeFence(SIGNAL);
  await clock.advance(30);
  await placed;
  expect(receiver.smallWrite.beyond(100)).toBe(70);
});

test('asks at once while somebody waits for a fence', async () => {
  const { stream, receiver } = receiving();
  await settle();
  stream.give(changesOf(1));
  await settle();
  expect(stream.asked).toBe(1);
  const passed = receiver.passFence(SIGNAL);
  await settle();
  expect(stream.asked).toBe(2);
  stream.give([]);
  await expect(passed).resolves.toBeUndefined();
});

test('the table counts as written from a change on until none has come for a while, whatever else comes by', async () => {
  const { clock, stream, receiver } = receiving();
  expect(receiver.isTableWritten).toBe(false);
  stream.give([{ kind: 'upsert', key: '1' as RowKey }]);
  await settle();
  await clock.advance(700);
  stream.give([]);
  await clock.advance(299);
  expect(receiver.isTableWritten).toBe(true);
  await clock.advance(1);
  expect(receiver.isTableWritten).toBe(false);
});

test('a fence is waited for as long as anything comes out of the stream, and while the stream waits for us', async () => {
  const { clock, stream, receiver, retried } = receiving();
  const passed = receiver.passFence(SIGNAL);
  await settle();
  for (let second = 0; second < 5; second++) {
    await clock.advance(900);
    await giveWithoutFence(stream, []);
  }
  await giveWithoutFence(stream, changesOf(10_000));
  await clock.advance(60_000);
  receiver.map.take();
  receiver.progressed.notify();
  await clock.advance(900);
  stream.fence = 1 as Fence;
  stream.give([]);
  await expect(passed).resolves.toBeUndefined();
  expect(retried).toEqual([]);
});

test('out of a silent stream another fence is waited for, so many times', async () => {
  const { clock, receiver, retried } = receiving();
  const lost = expect(receiver.passFence(SIGNAL)).rejects.toMatchObject({ code: 'FENCE_LOST', isResumable: true });
  await clock.advance(1000);
  expect(retried).toMatchObject([{ kind: 'retrying', what: 'waiting for a fence', attempt: 1, code: 'FENCE_LOST' }]);
  for (let seconds = 0; seconds < 16 * 16; seconds++) await clock.advance(1000);
  await lost;
  expect(retried).toHaveLength(15);
});

test('a stream that brings nothing reads anew before another fence is waited for, once for all who wait', async () => {
  const { clock, stream, receiver } = receiving();
  let readAnew = 0;
  stream.readAnew = () => void (readAnew += 1);
  const passed = [receiver.passFence(SIGNAL)];
  await clock.advance(300);
  passed.push(receiver.passFence(SIGNAL));
  await clock.advance(699);
  expect(readAnew).toBe(0);
  await clock.advance(1);
  expect(readAnew).toBe(1);
  await clock.advance(900);
  expect(readAnew).toBe(1);
  stream.fence = 1 as Fence;
  stream.give([]);
  await clock.advance(1000);
  await Promise.all(passed);
});
