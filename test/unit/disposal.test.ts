import { expect, test } from 'vitest';
import type { Plan } from '../../src/engine/model.ts';
import { claimAll } from '../../src/sessions/claims.ts';
import { disposeBefore, disposingOnFailure } from '../../src/sessions/disposal.ts';
import { settle } from '../support/virtual-clock.ts';

test('that a table is claimed by another run is told, also where those that were claimed before cannot be given back', async () => {
  const ended: string[] = [];
  const claiming = {
    take: async ({ id }: Plan) => {
      await Promise.resolve();
      if (id === 'c') throw new Error('c is claimed');
      return id;
    },
    open: ({ id }: Plan) => ({
      begin: async () => undefined,
      async [Symbol.asyncDispose]() {
        await settle();
        ended.push(id);
        throw new Error('the session is stuck');
      },
    }),
    record: async () => undefined,
  };
  const plans = ['a', 'b', 'c'].map((id) => ({ id })) as unknown as readonly Plan[];
  await expect(claimAll(plans, claiming, new AbortController().signal)).rejects.toThrow('c is claimed');
  expect(ended).toEqual(['a', 'b']);
});

test('a claim is given back when all its sessions have ended, also where one could not be', async () => {
  const ended: string[] = [];
  const part = (name: string, failure?: Error): AsyncDisposable => ({
    async [Symbol.asyncDispose]() {
      await settle();
      ended.push(name);
      if (failure !== undefined) throw failure;
    },
  });
  const stuck = new Error('the session is stuck');
  await expect(disposeBefore(part('claim'), [part('first'), part('second', stuck), part('third')])).rejects.toBe(stuck);
  expect(ended.splice(0)).toEqual(['first', 'second', 'third', 'claim']);
  await disposeBefore(part('claim'), [part('first')]);
  expect(ended).toEqual(['first', 'claim']);
});

test('why something that was opened cannot be kept is told, also where it cannot be let go of', async () => {
  const ended: string[] = [];
  const session: AsyncDisposable = {
    async [Symbol.asyncDispose]() {
      await settle();
      ended.push('session');
      throw new Error('the session is stuck');
    },
  };
  expect(await disposingOnFailure(session, async () => 'kept')).toBe('kept');
  expect(ended).toEqual([]);
  await expect(disposingOnFailure(session, () => Promise.reject(new Error('no such schema')))).rejects.toThrow(
    'no such schema',
  );
  expect(ended).toEqual(['session']);
});
