import { expect, test } from 'vitest';
import { createPool, type PooledSession } from '../../src/sessions/session-pool.ts';

const never = new AbortController().signal;

interface Numbered extends PooledSession {
  isUsable: boolean;
  readonly number: number;
}

/** A pool of three sessions that lie idle, and what becomes of them. */
async function idlePool() {
  const ended: number[] = [];
  const asked = new Map<number, (isAlive: boolean) => void>();
  let opened = 0;
  const open = (): Promise<Numbered> => {
    const end = async (): Promise<void> => void ended.push(session.number);
    const session: Numbered = { number: opened++, isUsable: true, kill: end, [Symbol.asyncDispose]: end };
    return Promise.resolve(session);
  };
  const ping = ({ number }: Numbered): Promise<void> =>
    new Promise((resolve, reject) => {
      asked.set(number, (isAlive) => (isAlive ? resolve() : reject(new Error('no answer'))));
    });
  const pool = createPool<Numbered>({ sizeMax: 3, open, ping, reset: () => Promise.resolve() });
  let release = (): void => undefined;
  const all = new Promise<void>((resolve) => void (release = resolve));
  const used = [1, 2, 3].map(() => pool.withSession(() => all, never));
  await expect.poll(() => opened).toBe(3);
  release();
  await Promise.all(used);
  return { pool, ended, asked };
}

test('when a session breaks those that lie idle are asked side by side, and ended where they do not answer', async () => {
  const { pool, ended, asked } = await idlePool();
  await using _ = pool;
  const broken = pool.withSession((session) => {
    session.isUsable = false;
    return Promise.reject(new Error('lost'));
  }, never);
  const rejected = expect(broken).rejects.toThrow('lost');
  await expect.poll(() => asked.size).toBe(2);
  const [dead, alive] = [...asked.keys()] as [number, number];
  asked.get(dead)?.(false);
  asked.get(alive)?.(true);
  await rejected;
  expect(new Set(ended)).toEqual(new Set([0, 1, 2].filter((number) => number !== alive)));
  expect(await pool.withSession(({ number }) => Promise.resolve(number), never)).toBe(alive);
});
