import { describe, expect, test } from 'vitest';
import type { SessionTransactions, ThrottleSample } from '../../src/engine/ports.ts';
import { TransactionTimeSignal } from '../../src/engine/transaction-time.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const never = new AbortController().signal;

/** What one session does each second. */
interface Doing {
  readonly transactions: number;
  /** What one of them takes, milliseconds. */
  readonly eachMs: number;
}

/** Sessions whose transactions the server counts, and the signal that looks at them once a second. */
class Sessions {
  share = 1;
  isLimited = true;
  readonly #clock = new VirtualClock();
  readonly #totals = new Map<string, SessionTransactions>();
  readonly #signal = new TransactionTimeSignal({
    read: () => Promise.resolve([...this.#totals.values()]),
    isLimited: () => this.isLimited,
    share: () => this.share,
    clock: this.#clock,
  });

  /** The first reading, and what is seen half a second later, as when a run begins. */
  async begin(doing: readonly Doing[]): Promise<ThrottleSample> {
    await this.#signal.begin(never);
    return await this.#after(500, doing);
  }

  /** The samples of so many seconds. */
  async live(seconds: number, doing: readonly Doing[]): Promise<readonly ThrottleSample[]> {
    const samples: ThrottleSample[] = [];
    for (let second = 0; second < seconds; second += 1) samples.push(await this.#after(1000, doing));
    return samples;
  }

  async #after(ms: number, doing: readonly Doing[]): Promise<ThrottleSample> {
    await this.#clock.advance(ms);
    for (const [place, { eachMs, transactions }] of doing.entries()) {
      const id = String(place);
      const { busyMs, count } = this.#totals.get(id) ?? { count: 0, busyMs: 0 };
      const more = (transactions * ms) / 1000;
      this.#totals.set(id, { id, count: count + more, busyMs: busyMs + more * eachMs });
    }
    return await this.#signal.sample(never);
  }
}

const four = (transactions: number, eachMs: number): readonly Doing[] =>
  Array.from({ length: 4 }, () => ({ transactions, eachMs }));
const pressureOf = (samples: readonly ThrottleSample[]): number => samples.at(-1)?.pressure ?? Number.NaN;

describe('the time that transactions of others take', () => {
  test('is no pressure where they do next to nothing, or nobody wants a limit', async () => {
    const sessions = new Sessions();
    expect(await sessions.begin(four(2, 5))).toEqual({ pressure: 0, detail: 'others do next to nothing' });
    expect(pressureOf(await sessions.live(5, four(2, 50)))).toBe(0);
    sessions.isLimited = false;
    expect(await sessions.live(1, four(200, 5))).toEqual([{ pressure: 0, detail: 'no limit is set' }]);
  });

  test('may grow threefold where their sessions are idle for three quarters of the time', async () => {
    const sessions = new Sessions();
    expect(await sessions.begin(four(50, 5))).toMatchObject({ pressure: 0 });
    expect(pressureOf(await sessions.live(6, four(50, 10)))).toBeCloseTo(0.5, 2);
    expect(pressureOf(await sessions.live(6, four(50, 15)))).toBeCloseTo(1, 2);
  });

  test('may grow by a fifth where they are busy for two thirds of it', async () => {
    const sessions = new Sessions();
    sessions.share = 0.02;
    await sessions.begin(four(134, 5));
    await sessions.live(6, four(134, 5));
    sessions.share = 1;
    const samples = await sessions.live(6, four(134, 5.75));
    expect(pressureOf(samples)).toBeCloseTo(0.75, 2);
    expect(samples.at(-1)?.detail).toBe(
      'transactions of others take 5.8 ms, 5.0 ms at rest, and keep a session busy for 77 % of the time; the limit is 6.0 ms',
    );
  });

  test('is learned first, at nearly a stop, where they are busy', async () => {
    const sessions = new Sessions();
    sessions.share = 0.5;
    expect(await sessions.begin(four(134, 5))).toMatchObject({ pressure: 0.95 });
    sessions.share = 0.05;
    const samples = await sessions.live(7, four(134, 4));
    expect(samples[0]).toMatchObject({ pressure: 0.95 });
    expect(pressureOf(samples)).toBe(0);
  });

  test('is learned so where they are busy for two fifths of the time, too, which a short look may take for less', async () => {
    expect(await new Sessions().begin(four(80, 5))).toMatchObject({ pressure: 0.95 });
    expect(await new Sessions().begin(four(80, 3))).toMatchObject({ pressure: 0 });
  });

  test('is a stop where no session is free, until it is known that this is so without us', async () => {
    const sessions = new Sessions();
    sessions.share = 0.02;
    await sessions.begin(four(134, 5));
    await sessions.live(6, four(134, 5));
    sessions.share = 1;
    const stopped = await sessions.live(5, four(196, 5));
    expect(pressureOf(stopped)).toBe(1);
    expect(stopped.at(-1)?.detail).toMatch(/keep a session busy for 98 % of the time; the limit is 92 %$/);
    sessions.share = 0.02;
    expect(pressureOf(await sessions.live(5, four(196, 5)))).toBe(1);
    expect(pressureOf(await sessions.live(120, four(196, 5)))).toBe(0);
  });

  test('is learned anew where it stays longer while next to nothing is copied, as at another time of day', async () => {
    const sessions = new Sessions();
    await sessions.begin(four(100, 2));
    expect(pressureOf(await sessions.live(6, four(100, 8)))).toBeGreaterThan(0.5);
    sessions.share = 0.02;
    expect(pressureOf(await sessions.live(60, four(100, 8)))).toBeLessThan(0.1);
  });

  test('is followed while next to nothing is copied, sooner down than up, and at work only down', async () => {
    const sessions = new Sessions();
    const restMs = async (seconds: number, eachMs: number): Promise<number> => {
      const { detail } = (await sessions.live(seconds, four(50, eachMs))).at(-1) ?? { detail: '' };
      return Number(/([0-9.]+) ms at rest/.exec(detail)?.[1]);
    };
    sessions.share = 0.02;
    await sessions.begin(four(50, 4));
    expect(await restMs(5, 4)).toBe(4);
    expect(await restMs(7, 8)).toBeCloseTo(5.4, 0);
    expect(await restMs(60, 8)).toBeCloseTo(8, 0);
    expect(await restMs(20, 4)).toBeCloseTo(4, 0);
    sessions.share = 1;
    expect(await restMs(30, 8)).toBeCloseTo(4, 0);
    expect(await restMs(10, 2)).toBeCloseTo(2.9, 0);
    expect(await restMs(60, 2)).toBeCloseTo(2, 0);
    expect(pressureOf(await sessions.live(5, four(490, 2)))).toBe(1);
  });

  test('is not that of a few long ones', async () => {
    const sessions = new Sessions();
    const report = { transactions: 1, eachMs: 900 };
    await sessions.begin(four(50, 5));
    expect(pressureOf(await sessions.live(6, [...four(50, 5), report]))).toBe(0);
  });

  test('counts a session that comes and one that goes', async () => {
    const sessions = new Sessions();
    await sessions.begin(four(50, 5));
    await sessions.live(5, four(50, 5).slice(0, 2));
    expect(pressureOf(await sessions.live(5, [...four(50, 5), ...four(50, 5)]))).toBe(0);
  });
});
