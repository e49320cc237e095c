/** Whether a swap has happened must be known, or shown to be unknown; and locks are held for no longer than they may. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { type ErrorCode, MigrationError } from '../../src/engine/errors.ts';
import { withinHoldTime } from '../../src/sessions/hold-limit.ts';
import { closeAttempt, sendSwap } from '../../src/sessions/swap-attempt.ts';
import { settle } from '../support/virtual-clock.ts';

const { signal } = new AbortController();
const stuck = new MigrationError('SESSION_STUCK', 'It is still there.');
const sources = [{ schema: 'shop', table: 'orders' }];

/** What is known of a swap whose statement ended with this error, and whether its session was ended for that. */
async function outcomeOf(code: ErrorCode, limit = signal, kill = (): Promise<void> => Promise.resolve()) {
  let isKilled = false;
  const session = {
    execute: () => Promise.reject(new MigrationError(code, 'It failed.')),
    async kill() {
      await settle();
      await kill();
      isKilled = true;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const outcome = await sendSwap({ sql: 'RENAME', session, sessionName: 'connection 5', sources }, limit).catch(
    (error: unknown) => error,
  );
  return { outcome, isKilled };
}

test('a swap that the server refused has not happened', async () => {
  expect(await outcomeOf('LOCK_WAIT')).toMatchObject({ outcome: { code: 'LOCK_WAIT' }, isKilled: false });
});

test.each([
  ['was lost with the connection', 'CONNECTION_LOST', signal],
  ['did not come from a session that is stuck', 'SESSION_STUCK', signal],
  ['did not come in time', 'STATEMENT_TIMEOUT', AbortSignal.abort()],
] as const)('a swap whose reply %s is unknown, once its session is gone', async (_, code, limit) => {
  const { outcome, isKilled } = await outcomeOf(code, limit);
  expect(outcome).toMatchObject({ kind: 'unknown', cause: { code } });
  expect(isKilled).toBe(true);
});

test('a swap whose session cannot be shown to be gone may happen yet, which ends the run', async () => {
  const { outcome } = await outcomeOf('CONNECTION_LOST', signal, () => Promise.reject(stuck));
  expect(outcome).toMatchObject({
    ...{ code: 'SWAP_UNKNOWN', cause: stuck },
    message: expect.stringMatching(/The swap of shop\.orders was sent.*connection 5/),
  });
});

test('a session that cannot be closed is an error, but for one of an attempt that has swapped', async () => {
  const sessions = [{ [Symbol.asyncDispose]: () => Promise.reject(stuck) }];
  await closeAttempt(sessions, { kind: 'swapped', blockedMs: 7 });
  await expect(closeAttempt(sessions, { kind: 'not-locked', blockers: [] })).rejects.toBe(stuck);
  await expect(closeAttempt(sessions, null)).rejects.toBe(stuck);
});

test('locks that are held for too long are let go, and the work that failed by that says why', async () => {
  const ended = new AbortController();
  const holder = {
    async kill() {
      ended.abort(new MigrationError('CONNECTION_LOST', 'It was ended.'));
      await settle();
      told.push('gone');
    },
  };
  const told: string[] = [];
  const work = (): Promise<never> =>
    new Promise((_, reject) => ended.signal.addEventListener('abort', () => reject(ended.signal.reason as Error)));
  await expect(withinHoldTime({ holder, holdTimeoutMs: 1 }, work, signal)).rejects.toMatchObject({
    ...{ code: 'STATEMENT_TIMEOUT', cause: { code: 'CONNECTION_LOST' } },
    message: expect.stringContaining('longer than the 1 ms'),
  });
  expect(told).toEqual(['gone']);
});

test('a holder that cannot be shown to have let go is an error, and so is the end of the run', async () => {
  const ended = AbortSignal.abort(new MigrationError('INTERRUPTED', 'A signal came.'));
  for (const { ending, stop, reason } of [
    { ending: () => Promise.resolve(), stop: ended, reason: ended.reason as Error },
    { ending: () => Promise.reject(stuck), stop: signal, reason: stuck },
  ]) {
    const killed = new AbortController();
    const kill = (): Promise<void> => {
      killed.abort();
      return ending();
    };
    const work = async (): Promise<never> => {
      await once(killed.signal, 'abort');
      // For longer than a rejection may go unheeded.
      await settle();
      throw new MigrationError('CONNECTION_LOST', 'It was ended.');
    };
    await expect(withinHoldTime({ holder: { kill }, holdTimeoutMs: 1 }, work, stop)).rejects.toBe(reason);
  }
});

test('work that ends in time keeps its locks, and its own error, and nothing waits any more', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const hold = { holder: { kill: (): never => expect.fail('it was in time') }, holdTimeoutMs: 1_000_000 };
  expect(await withinHoldTime(hold, () => Promise.resolve('done'), signal)).toBe('done');
  await expect(withinHoldTime(hold, () => Promise.reject(stuck), signal)).rejects.toBe(stuck);
  expect(timers()).toBe(before);
});
