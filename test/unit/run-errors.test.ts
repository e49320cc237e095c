/** What a run rejects with when its server is gone for good, so that what it held could not be given back either. */
import { expect, test } from 'vitest';
import { asMigrationError, MigrationError } from '../../src/engine/errors.ts';

test('what ended a run is told, and not that something could not be given back afterwards', async () => {
  const reason = new MigrationError('STREAM_BROKEN', 'The server went away.');
  const failing = (text: string): AsyncDisposable => ({ [Symbol.asyncDispose]: () => Promise.reject(new Error(text)) });
  const work = async (held: unknown): Promise<void> => {
    expect(held).toBeDefined();
    await Promise.reject(reason);
  };
  const run = async (): Promise<void> => {
    await using claim = failing('A session could not be ended.');
    await using stream = failing('A connection could not be closed.');
    await work([claim, stream]);
  };
  const thrown: unknown = await run().catch((error: unknown) => error);
  expect(thrown).not.toBe(reason);
  expect(asMigrationError(thrown)).toBe(reason);
});
