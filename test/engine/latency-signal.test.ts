import { describe, expect, test } from 'vitest';
import { LatencySignal } from '../../src/engine/latency-signal.ts';
import { DEFAULT_OPTIONS, type LatencyLimit } from '../../src/engine/options.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

const SIGNAL = new AbortController().signal;

/** A server on which a small write takes `writeMs`, and a copy at `share` of full pace. */
class Server {
  readonly clock = new VirtualClock();
  writeMs: number;
  share = 0;
  limit: LatencyLimit | null = DEFAULT_OPTIONS.latency;
  readonly signal = new LatencySignal({
    placeFence: async () => await this.clock.sleep(this.writeMs, SIGNAL),
    limit: () => this.limit,
    share: () => this.share,
    clock: this.clock,
  });

  constructor(writeMs: number) {
    this.writeMs = writeMs;
  }

  async do<Result>(work: Promise<Result>): Promise<Result> {
    const state = { isOver: false };
    const done = work.finally(() => {
      state.isOver = true;
    });
    await settle();
    while (!state.isOver) await this.clock.advance(1);
    return await done;
  }

  /** Five heartbeats a second for so long; the last pressure. */
  async beat(seconds: number): Promise<number> {
    let pressure = 0;
    for (const end = this.clock.now() + 1000 * seconds; this.clock.now() < end; ) {
      pressure = (await this.do(this.signal.sample(SIGNAL))).pressure;
      await this.clock.advance(Math.max(1, 200 - this.writeMs));
    }
    return pressure;
  }
}

async function calibrated(writeMs: number): Promise<Server> {
  const server = new Server(writeMs);
  await server.do(server.signal.calibrate(SIGNAL));
  return server;
}

describe('the limit on the latency', () => {
  test('is twice what a small write took before the copy', async () => {
    const server = await calibrated(8);
    server.share = 1;
    expect(await server.beat(2)).toBe(0.5);
    server.writeMs = 16;
    expect(await server.beat(2)).toBe(1);
  });

  test('is not met by one slow write, and by two of the last eight', async () => {
    const server = await calibrated(8);
    server.share = 1;
    const next = async (writeMs: number): Promise<number> => {
      server.writeMs = writeMs;
      return (await server.do(server.signal.sample(SIGNAL))).pressure;
    };
    expect([await next(80), await next(8), await next(80)]).toEqual([0.5, 0.5, 5]);
    for (let beat = 0; beat < 5; beat++) expect(await next(8)).toBe(5);
    expect(await next(8)).toBe(0.5);
  });

  const usual = DEFAULT_OPTIONS.latency;
  const asked = { factor: 0, floorMs: 20 };
  test.each([
    ['is no less than what somebody notices', { restMs: 1, limit: usual, share: 1, writeMs: 9, seconds: 2 }, 0.9],
    [
      'stays where it is while more is copied, however long a small write takes',
      { restMs: 8, limit: usual, share: 0.2, writeMs: 32, seconds: 180 },
      2,
    ],
    ['that was asked for stays what it is', { restMs: 8, limit: asked, share: 0.02, writeMs: 30, seconds: 180 }, 1.5],
    ['presses nothing where there is none', { restMs: 8, limit: null, share: 0, writeMs: 500, seconds: 2 }, 0],
  ])('%s', async (_, { restMs, limit, share, writeMs, seconds }, pressure) => {
    const server = await calibrated(restMs);
    Object.assign(server, { limit, share, writeMs });
    expect(await server.beat(seconds)).toBe(pressure);
  });

  test('follows within a minute or two where a small write takes longer though nothing is copied', async () => {
    const server = await calibrated(8);
    server.share = 0.02;
    server.writeMs = 32;
    expect(await server.beat(10)).toBeGreaterThan(1);
    expect(await server.beat(110)).toBeLessThan(0.6);
  });

  test('stays where a copy was felt at the beginning or at the end of each small write', async () => {
    for (const isFirst of [true, false]) {
      const server = await calibrated(8);
      server.writeMs = 32;
      for (let beat = 0; beat < 150; beat++) {
        server.share = isFirst ? 1 : 0;
        const sample = server.signal.sample(SIGNAL);
        await server.clock.advance(16);
        server.share = isFirst ? 0 : 1;
        await server.clock.advance(16);
        expect((await sample).detail).toMatch(/the limit is 16\.0 ms$/);
        await server.clock.advance(168);
      }
    }
  });

  test('comes down soon when a small write takes less again, whatever is copied', async () => {
    const server = await calibrated(40);
    server.share = 1;
    server.writeMs = 8;
    await server.beat(60);
    server.writeMs = 16;
    expect(await server.beat(2)).toBeGreaterThan(0.95);
  });
});
