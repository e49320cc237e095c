/** A change stream that is read as far as a test wants. */
import type { Change, Fence, Position } from '../../src/engine/model.ts';
import type { ChangeBatch, ChangeStream } from '../../src/engine/ports.ts';

const never: AbortSignal = new AbortController().signal;

/** A stream whose batches are pulled only when someone asks. */
export interface CollectedStream {
  readonly stream: ChangeStream;
  readonly start: Position;
  /** The next batch. */
  readonly next: () => Promise<ChangeBatch>;
  /** Places a fence, reads until it comes by, and gives everything that came since the last call. */
  readonly catchUp: () => Promise<readonly ChangeBatch[]>;
  /** The changes of `catchUp`, as `upsert KEY` and `delete KEY`. */
  readonly changes: () => Promise<readonly string[]>;
  /** Reads until the stream rejects, and gives its error. */
  readonly failure: () => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** Takes everything up to a fence as applied. */
export async function acknowledgeAll(stream: ChangeStream): Promise<void> {
  const fence = await stream.placeFence(never);
  for await (const batch of stream.batches(never)) {
    if (batch.fence === null || batch.fence < fence) continue;
    await stream.acknowledge(batch.position, never);
    return;
  }
}

/** Nothing is read before somebody asks. */
export function collect(stream: ChangeStream): CollectedStream {
  const closing = new AbortController();
  const batches = stream.batches(closing.signal)[Symbol.asyncIterator]();
  const next = async (): Promise<ChangeBatch> => {
    const result = await batches.next();
    if (result.done === true) throw new Error('The stream ended.');
    return result.value;
  };
  const readUntil = async (fence: Fence): Promise<readonly ChangeBatch[]> => {
    const read: ChangeBatch[] = [];
    for (;;) {
      const batch = await next();
      read.push(batch);
      if (batch.fence !== null && batch.fence >= fence) return read;
    }
  };
  const catchUp = async (): Promise<readonly ChangeBatch[]> => readUntil(await stream.placeFence(never));
  return {
    stream,
    start: stream.start,
    next,
    catchUp,
    changes: async () => (await catchUp()).flatMap((batch) => batch.changes).map(changeText),
    async failure() {
      try {
        for (;;) await next();
      } catch (error) {
        return error;
      }
    },
    close: async () => {
      if (closing.signal.aborted) return;
      closing.abort();
      await batches.next();
      await stream[Symbol.asyncDispose]();
    },
  };
}

/** `upsert 42` or `delete 42`. */
export function changeText(change: Change): string {
  return `${change.kind} ${change.key}`;
}
