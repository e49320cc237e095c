/** Looking for who keeps a lock from us, while it is waited for. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { askForLock } from '../../src/sessions/lock-wait.ts';

test('that a look for blockers fails while the lock is still waited for ends neither the wait nor the program', async () => {
  const looked = new AbortController();
  const wait = {
    lockTimeoutMs: 1,
    findBlockers: () => {
      looked.abort();
      return Promise.reject(new MigrationError('CONNECTION_LOST', 'Somebody has ended the session.'));
    },
    isNotLocked: ({ code }: { readonly code: string }) => code === 'LOCK_WAIT',
  };
  const run = async (): Promise<never> => {
    await once(looked.signal, 'abort');
    // Anything from outside: a rejection that nobody awaits by then ends the process.
    await readFile(import.meta.filename);
    throw new MigrationError('LOCK_WAIT', 'The lock was not had.');
  };
  const { signal } = new AbortController();
  expect(await askForLock(wait, run, signal)).toEqual({ kind: 'not-locked', blockers: [] });
});
