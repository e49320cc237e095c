/** Looking for who keeps a lock from us, while it is waited for. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { askForLock, type LockWait } from '../../src/sessions/lock-wait.ts';
import { settle } from '../support/virtual-clock.ts';

const { signal } = new AbortController();
const notLocked = new MigrationError('LOCK_WAIT', 'The lock was not had.');
const isNotLocked: LockWait['isNotLocked'] = ({ code }) => code === 'LOCK_WAIT';

test('that a look for blockers fails while the lock is still waited for ends neither the wait nor the program', async () => {
  const looked = new AbortController();
  const wait = {
    lockTimeoutMs: 1,
    findBlockers: () => {
      looked.abort();
      return Promise.reject(new MigrationError('CONNECTION_LOST', 'Somebody has ended the session.'));
    },
    isNotLocked,
  };
  const run = async (): Promise<never> => {
    await once(looked.signal, 'abort');
    // Anything from outside: a rejection that nobody awaits by then ends the process.
    await readFile(import.meta.filename);
    throw notLocked;
  };
  expect(await askForLock(wait, run, signal)).toEqual({ kind: 'not-locked', blockers: [] });
});

test('who is in the way while the lock is waited for is told, also where that is known only after the wait', async () => {
  const looking = new AbortController();
  const findBlockers = async (): Promise<readonly string[]> => {
    looking.abort();
    await settle();
    return ['session 5'];
  };
  const run = async (): Promise<never> => {
    await once(looking.signal, 'abort');
    throw notLocked;
  };
  const wait = { lockTimeoutMs: 1, findBlockers, isNotLocked };
  expect(await askForLock(wait, run, signal)).toEqual({ kind: 'not-locked', blockers: ['session 5'] });
});

test('a look that has begun is over before the session is used for anything else', async () => {
  const looking = new AbortController();
  let isOver = false;
  const findBlockers = async (): Promise<readonly string[]> => {
    looking.abort();
    await settle();
    isOver = true;
    return [];
  };
  const run = async (): Promise<unknown> => await once(looking.signal, 'abort');
  expect(await askForLock({ lockTimeoutMs: 1, findBlockers, isNotLocked }, run, signal)).toEqual({ kind: 'done' });
  expect(isOver).toBe(true);
});

test('nobody is looked for once the lock is had', async () => {
  const findBlockers = (): never => expect.fail('it is over');
  const wait = { lockTimeoutMs: 1_000_000, findBlockers, isNotLocked };
  expect(await askForLock(wait, () => Promise.resolve(), signal)).toEqual({ kind: 'done' });
});

test('any other error, and an end that comes meanwhile, is what it is', async () => {
  const wait = { lockTimeoutMs: 1_000_000, findBlockers: () => Promise.resolve([]), isNotLocked };
  for (const error of [new MigrationError('CONNECTION_LOST', 'It is away.'), new TypeError('a bug')])
    await expect(askForLock(wait, () => Promise.reject(error), signal)).rejects.toBe(error);
  const reason = new MigrationError('INTERRUPTED', 'A signal came.');
  await expect(askForLock(wait, () => Promise.reject(notLocked), AbortSignal.abort(reason))).rejects.toBe(reason);
});
