import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { Condition, forEachParallel, runTogether, runWithBackground, Turnstile, withinTime } from '../../src/engine/tasks.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

const SIGNAL = new AbortController().signal;
const untilAborted = async (signal: AbortSignal): Promise<void> => await new Condition().changed(signal);

describe('a condition', () => {
  test('wakes those who wait and not those who come later', async () => {
    const condition = new Condition();
    const first = condition.changed(SIGNAL);
    condition.notify();
    await first;
    let isAwake = false;
    void condition.changed(SIGNAL).then(() => {
      isAwake = true;
    });
    await settle();
    expect(isAwake).toBe(false);
  });

  test('lets those sleep on for whom nothing has changed', async () => {
    const condition = new Condition();
    const state = { level: 0, looked: 0 };
    const isHigh = (): boolean => {
      state.looked += 1;
      return state.level > 1;
    };
    let isAwake = false;
    const waiting = condition.becomes(isHigh, SIGNAL).then(() => {
      isAwake = true;
    });
    const anyChange = condition.changed(SIGNAL);
    state.level = 1;
    condition.notify();
    await anyChange;
    await settle();
    expect({ isAwake, looked: state.looked }).toEqual({ isAwake: false, looked: 1 });
    state.level = 2;
    condition.notify();
    await waiting;
    expect(isAwake).toBe(true);
  });

  test('lets a waiter go when its time is over', async () => {
    const clock = new VirtualClock();
    const waiting = new Condition().changedWithin(100, clock, SIGNAL);
    await clock.advance(100);
    await expect(waiting).resolves.toBeUndefined();
  });

  test('rejects with the reason of the abort', async () => {
    const controller = new AbortController();
    const waiting = new Condition().changedWithin(100, new VirtualClock(), controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});

describe('whoever waits for a condition', () => {
  test('is let go at once where the abort came before him', async () => {
    const over = AbortSignal.abort(new Error('enough'));
    const waiting = new Condition().changed(over).catch((error: unknown) => String(error));
    expect(await Promise.race([waiting, settle()])).toBe('Error: enough');
  });

  test('hears its abort also after others, for whom something has changed, were woken', async () => {
    const controller = new AbortController();
    const condition = new Condition();
    const waiting = condition.becomes(() => false, controller.signal).catch((error: unknown) => String(error));
    const woken = condition.changed(SIGNAL);
    condition.notify();
    await woken;
    controller.abort(new Error('enough'));
    expect(await Promise.race([waiting, settle()])).toBe('Error: enough');
  });
});

describe('many who wait for a condition with one signal', () => {
  test('listen to it once, and not at all when they have been woken', async () => {
    const { signal } = new AbortController();
    const condition = new Condition();
    const waiting = Array.from({ length: 24 }, () => condition.changed(signal));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    condition.notify();
    await Promise.all(waiting);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('are all let go by its abort, and others wait on', async () => {
    const controller = new AbortController();
    const condition = new Condition();
    const waiting = [1, 2].map(() => condition.changed(controller.signal).catch((error: unknown) => String(error)));
    const other = condition.changed(SIGNAL);
    controller.abort(new Error('enough'));
    expect(await Promise.all(waiting)).toEqual(['Error: enough', 'Error: enough']);
    condition.notify();
    await other;
  });
});

describe('work within a time', () => {
  const limitOf = (clock: VirtualClock) => ({ ms: 100, clock, lateMessage: 'too late' });

  test('gives what it gives, and what it fails with', async () => {
    const limit = limitOf(new VirtualClock());
    expect(await withinTime(limit, () => Promise.resolve(42), SIGNAL)).toBe(42);
    await expect(withinTime(limit, () => Promise.reject(new Error('broken')), SIGNAL)).rejects.toThrow('broken');
  });

  test('is ended when the time is over, and that is what is told', async () => {
    const clock = new VirtualClock();
    const waiting = expect(withinTime(limitOf(clock), untilAborted, SIGNAL)).rejects.toMatchObject({
      code: 'STATEMENT_TIMEOUT',
      message: 'too late',
    });
    await clock.advance(100);
    await waiting;
  });

  test('is ended by the signal, with its reason', async () => {
    const controller = new AbortController();
    const waiting = expect(withinTime(limitOf(new VirtualClock()), untilAborted, controller.signal)).rejects.toThrow('enough');
    controller.abort(new Error('enough'));
    await waiting;
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });
});

describe('tasks that run together', () => {
  test('are ended by the first failure, which is what is told', async () => {
    let wasAborted = false;
    const patient = async (signal: AbortSignal): Promise<void> => {
      try {
        await untilAborted(signal);
      } catch {
        wasAborted = true;
        throw new Error('ended by it');
      }
    };
    await expect(runTogether([patient, () => Promise.reject(new Error('broken'))], SIGNAL)).rejects.toThrow('broken');
    expect(wasAborted).toBe(true);
  });

  test('end the background when the foreground has ended', async () => {
    await expect(runWithBackground(() => Promise.resolve(42), [untilAborted], SIGNAL)).resolves.toBe(42);
  });

  test('end the foreground when the background fails, and tell of that failure', async () => {
    const failing = (): Promise<void> => Promise.reject(new Error('behind'));
    await expect(runWithBackground(untilAborted, [failing], SIGNAL)).rejects.toThrow('behind');
    const ended = (signal: AbortSignal): Promise<void> =>
      untilAborted(signal).catch(() => Promise.reject(new Error('ended by it')));
    await expect(runWithBackground(ended, [failing], SIGNAL)).rejects.toThrow('behind');
  });

  test('leave nothing of the background behind them', async () => {
    let hasEnded = false;
    const slow = async (signal: AbortSignal): Promise<void> => {
      await untilAborted(signal).catch(settle);
      hasEnded = true;
    };
    expect(await runWithBackground(() => Promise.resolve('done'), [slow], SIGNAL)).toBe('done');
    expect(hasEnded).toBe(true);
  });

  test('work through a list with no more than the workers allowed', async () => {
    let running = 0;
    let most = 0;
    const done: number[] = [];
    const work = async (item: number): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await settle();
      running -= 1;
      done.push(item);
    };
    await forEachParallel([1, 2, 3, 4, 5], 2, work, SIGNAL);
    expect(most).toBe(2);
    expect(done.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
  });
});

test('a turnstile lets one through at a time, in the order of asking, also after a failure', async () => {
  const turnstile = new Turnstile();
  const seen: string[] = [];
  const failing = turnstile.run(async () => {
    await settle();
    seen.push('first');
    throw new Error('broken');
  });
  const second = turnstile.run(async () => {
    await settle();
    seen.push('second');
  });
  await expect(failing).rejects.toThrow('broken');
  await second;
  expect(seen).toEqual(['first', 'second']);
});

test('a signal has one listener however many tasks follow it, none when they are over, and all of them hear it', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = (): number => getEventListeners(signal, 'abort').length;
  const foreground = async (inner: AbortSignal): Promise<void> => await untilAborted(inner);
  const background = Array.from({ length: 20 }, () => untilAborted);
  const first = Promise.allSettled(Array.from({ length: 20 }, () => runWithBackground(settle, background, signal)));
  expect(listeners()).toBe(1);
  await first;
  expect(listeners()).toBe(0);
  const second = Promise.allSettled([
    ...Array.from({ length: 20 }, () => runWithBackground(foreground, background, signal)),
    runTogether(background, signal),
  ]);
  expect(listeners()).toBe(1);
  controller.abort(new Error('enough'));
  expect(await second).toEqual(Array.from({ length: 21 }, () => ({ status: 'rejected', reason: new Error('enough') })));
  expect(listeners()).toBe(0);
});

test('each of the tasks that run together has a signal of its own to wait with', async () => {
  const signals = new Set<AbortSignal>();
  const task = async (inner: AbortSignal): Promise<void> => {
    signals.add(inner);
    await settle();
  };
  await runTogether([task, task, task], SIGNAL);
  expect(signals.size).toBe(3);
});
