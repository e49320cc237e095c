import { expect, test } from 'vitest';
import { createPool, type PooledSession } from '../../src/sessions/session-pool.ts';
import { settle } from '../support/virtual-clock.ts';

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

/** A pool, what is done to its sessions in its order, and work that ends when it is told to. */
function openPool(sizeMax: number, reset: () => Promise<void> = () => Promise.resolve()) {
  const deeds: string[] = [];
  const killed = new Set<number>();
  let opened = 0;
  const open = async (): Promise<Numbered> => {
    const session: Numbered = {
      ...{ number: ++opened, isUsable: true },
      async kill() {
        await settle();
        if (killed.has(session.number)) return;
        killed.add(session.number);
        session.isUsable = false;
        deeds.push(`killed ${session.number}`);
      },
      async [Symbol.asyncDispose]() {
        await settle();
        deeds.push(`closed ${session.number}`);
      },
    };
    return session;
  };
  const pool = createPool<Numbered>({
    ...{ sizeMax, open, ping: () => Promise.resolve() },
    async reset({ number }) {
      await settle();
      deeds.push(`reset ${number}`);
      await reset();
    },
  });
  /** Begins work that waits to be ended. */
  const use = (name: string, signal = never) => {
    let end = (): void => undefined;
    const isOver = new Promise<void>((resolve) => void (end = resolve));
    const work = async ({ number }: Numbered): Promise<void> => {
      deeds.push(`${name} has ${number}`);
      await isOver;
    };
    return { end: () => end(), ended: pool.withSession(work, signal).catch((error: unknown) => error) };
  };
  return { pool, deeds, use };
}

test('no more work than sessions is done at a time, in the order of asking, and whoever is ended takes no place from another', async () => {
  const { pool, deeds, use } = openPool(1);
  await using _ = pool;
  const [leaving, admitted] = [new AbortController(), new AbortController()];
  const first = use('first');
  const second = use('second', leaving.signal);
  const third = use('third', admitted.signal);
  const fourth = use('fourth');
  await settle();
  leaving.abort('it leaves');
  expect(await second.ended).toBe('it leaves');
  first.end();
  await first.ended;
  await settle();
  expect(deeds).toEqual(['first has 1', 'third has 1']);
  admitted.abort('too late');
  third.end();
  await third.ended;
  await settle();
  expect(deeds.splice(0)).toEqual(['first has 1', 'third has 1', 'fourth has 1']);
  fourth.end();
  await fourth.ended;
  const [last, behind] = [use('last'), use('behind')];
  await settle();
  expect(deeds).toEqual(['last has 1']);
  last.end();
  behind.end();
  await behind.ended;
});

test('whoever is ended before he asks is given nothing', async () => {
  const { pool, deeds, use } = openPool(1);
  await using _ = pool;
  expect(await use('late', AbortSignal.abort('it is over')).ended).toBe('it is over');
  expect(deeds).toEqual([]);
});

test.each([
  ['is made clean, and used again', () => Promise.resolve(), ['reset 1', 'failed', 'next has 1']],
  [
    'is ended where it cannot be made clean',
    () => Promise.reject(new Error('lost')),
    ['reset 1', 'killed 1', 'failed', 'next has 2'],
  ],
])('a session whose work has failed %s, before that is told', async (_, reset, expected) => {
  const { pool: opened, deeds, use } = openPool(1, reset);
  await using pool = opened;
  const failure = new Error('refused');
  const failing = pool.withSession(() => Promise.reject(failure), never);
  await failing.catch((error: unknown) => deeds.push(error === failure ? 'failed' : 'another error'));
  const next = use('next');
  next.end();
  await next.ended;
  expect(deeds).toEqual(expected);
});

test('a session that breaks while it lies idle is seen gone before another takes its place', async () => {
  const { pool, deeds, use } = openPool(1);
  await using _ = pool;
  await pool.withSession(async (session) => {
    queueMicrotask(() => setImmediate(() => (session.isUsable = false)));
  }, never);
  await settle();
  const next = use('next');
  next.end();
  await next.ended;
  expect(deeds).toEqual(['killed 1', 'next has 2']);
});

test('a pool that is closed closes what lies idle, then what comes back, and gives nothing out', async () => {
  const { pool, deeds, use } = openPool(2);
  const [one, other] = [use('one'), use('other')];
  await settle();
  one.end();
  await one.ended;
  await pool[Symbol.asyncDispose]();
  expect(deeds.splice(0)).toEqual(['one has 1', 'other has 2', 'closed 1']);
  other.end();
  await other.ended;
  expect(deeds).toEqual(['closed 2']);
  expect(await use('late').ended).toMatchObject({ code: 'INTERNAL' });
});
