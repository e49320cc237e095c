import { expect, test } from 'vitest';
import { disposeBefore } from '../../src/sessions/disposal.ts';

test('a claim is given back when all its sessions have ended, also where one could not be', async () => {
  const ended: string[] = [];
  const part = (name: string, failure?: Error): AsyncDisposable => ({
    async [Symbol.asyncDispose]() {
      await Promise.resolve();
      ended.push(name);
      if (failure !== undefined) throw failure;
    },
  });
  const stuck = new Error('the session is stuck');
  await expect(disposeBefore(part('claim'), [part('first', stuck), part('second')])).rejects.toBe(stuck);
  expect(ended).toEqual(['first', 'second', 'claim']);
});
