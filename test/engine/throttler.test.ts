import { describe, expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { DEFAULT_OPTIONS, type MigrationOptions } from '../../src/engine/options.ts';
import type { ThrottleSample, ThrottleSignal } from '../../src/engine/ports.ts';
import { type Done, Throttler, type ThrottlerParts, type Work } from '../../src/engine/throttler.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

const SIGNAL = new AbortController().signal;
const OPTIONS: MigrationOptions = {
  ...DEFAULT_OPTIONS,
  latency: null,
  copyWorkers: 4,
  throttleIntervalMs: 500,
  throttleStaleMs: 5000,
};

/** No rows of ours for replicas, while an application writes the table. */
const NOTHING_WRITTEN_BY_US = { written: () => ({ done: 0, underWay: 0 }), isTableWritten: () => true };

function setUp(sample: () => ThrottleSample, options = OPTIONS, parts: Partial<ThrottlerParts> = {}) {
  const clock = new VirtualClock();
  const events: MigrationEvent[] = [];
  const signal: ThrottleSignal = { name: 'load', sample: async () => sample() };
  const controls = new Controls(options);
  const throttler = new Throttler({ signals: [signal], ...NOTHING_WRITTEN_BY_US, ...parts }, controls, {
    clock,
    observer: (event) => events.push(event),
  });
  const controller = new AbortController();
  const sampling = throttler.sampleContinuously(controller.signal).catch(() => {});
  const stop = async (): Promise<void> => {
    controller.abort(new Error('over'));
    await sampling;
  };
  return { clock, events, throttler, controls, stop };
}

/** Whether a piece of work begins without time passing. */
async function isAdmitted(throttler: Throttler): Promise<boolean> {
  const controller = new AbortController();
  let isIn = false;
  const piece = async (): Promise<null> => {
    isIn = true;
    return null;
  };
  const work = throttler.work(piece, controller.signal).catch(() => {});
  await settle();
  controller.abort(new Error('looked'));
  await work;
  return isIn;
}

/** Does piece after piece for so long. */
async function workFor(forMs: number, throttler: Throttler, clock: VirtualClock, piece: Work): Promise<void> {
  const controller = new AbortController();
  const work = throttler.work(piece, controller.signal).catch(() => {});
  await clock.advance(forMs);
  controller.abort(new Error('over'));
  await work;
}

/** Works for `forMs` in pieces of 100 ms each by four workers; resolves with how much of their time they worked, 0 to 1. */
async function shareWorked(throttler: Throttler, clock: VirtualClock, forMs: number): Promise<number> {
  let pieces = 0;
  const piece = async (inner: AbortSignal): Promise<Done> => {
    await clock.sleep(100, inner);
    pieces += 1;
    return { rows: 10, busyMs: 100 };
  };
  await workFor(forMs, throttler, clock, piece);
  return (pieces * 100) / (4 * forMs);
}

describe('the throttler', () => {
  test('admits at once without signals', async () => {
    const throttler = new Throttler({ signals: [], ...NOTHING_WRITTEN_BY_US }, new Controls(OPTIONS), {
      clock: new VirtualClock(),
      observer: () => {},
    });
    expect(await isAdmitted(throttler)).toBe(true);
  });

  test('begins nothing before every signal has answered, and calls that a stop only when the answer is overdue', async () => {
    const clock = new VirtualClock();
    const events: MigrationEvent[] = [];
    const signals: ThrottleSignal[] = [
      { name: 'quick', sample: async () => ({ pressure: 0, detail: 'idle' }) },
      { name: 'silent', sample: async () => Promise.reject(new Error('nobody there')) },
    ];
    const context = { clock, observer: (event: MigrationEvent) => events.push(event) };
    const throttler = new Throttler({ signals, ...NOTHING_WRITTEN_BY_US }, new Controls(OPTIONS), context);
    const controller = new AbortController();
    const sampling = throttler.sampleContinuously(controller.signal).catch(() => {});
    expect(await isAdmitted(throttler)).toBe(false);
    await clock.advance(4900);
    expect(await isAdmitted(throttler)).toBe(false);
    expect(events).toEqual([]);
    await clock.advance(1000);
    expect(await isAdmitted(throttler)).toBe(false);
    expect(events).toEqual([{ kind: 'throttled', signal: 'silent', detail: 'stale: no answer: nobody there' }]);
    controller.abort(new Error('over'));
    await sampling;
  });

  test('names what holds the pace down, and nothing that hardly presses while it rises again', async () => {
    let pressure = 0.9;
    const { clock, throttler, stop } = setUp(() => ({ pressure, detail: `${pressure * 64} of 64 threads` }));
    await clock.advance(5_000);
    expect(throttler.slowedBy).toBe('load: 57.6 of 64 threads');
    pressure = 0.0625;
    await clock.advance(1_000);
    expect(throttler.pace).toBeLessThan(0.5);
    expect(throttler.slowedBy).toBe('nothing presses any more, so it rises');
    await stop();
  });

  test('tells a stop by its reason, and by another one only when that is over', async () => {
    const { clock, events, throttler, controls, stop } = setUp(() => ({ pressure: 1.2, detail: '60 of 50 threads' }));
    controls.pause('window', 'outside 22:00-06:00');
    const admission = throttler.work(async () => null, SIGNAL);
    await clock.advance(1000);
    controls.pause('operator', 'lunch');
    await clock.advance(1000);
    controls.unpause('window');
    await clock.advance(1000);
    controls.unpause('operator');
    await clock.advance(1000);
    expect(events).toEqual([
      { kind: 'throttled', signal: 'paused by window', detail: 'outside 22:00-06:00' },
      { kind: 'throttle-released', throttledMs: 2500 },
      { kind: 'throttled', signal: 'paused by operator', detail: 'lunch' },
      { kind: 'throttle-released', throttledMs: 1000 },
      { kind: 'throttled', signal: 'load', detail: '60 of 50 threads' },
    ]);
    await stop();
    void admission;
  });

  test('stops for the one signal that says so, whatever those behind it say', async () => {
    const named = (name: string, pressure: number) => ({ name, sample: async () => ({ pressure, detail: 'as it is' }) });
    const signals = [named('calm', 0), named('load', 1), named('near', 0.9)];
    const { clock, throttler, stop } = setUp(() => ({ pressure: 0, detail: '' }), OPTIONS, { signals });
    await clock.advance(0);
    expect(throttler.reason).toBe('load: as it is');
    expect(await isAdmitted(throttler)).toBe(false);
    await stop();
  });

  test('tells one stop where two signals take turns at being the stronger one', async () => {
    const turning = (name: string, pressures: number[]): ThrottleSignal => ({
      name,
      async sample() {
        pressures.reverse();
        return { pressure: pressures[0] ?? 0, detail: 'as it is' };
      },
    });
    const signals = [turning('load', [1, 2]), turning('replica', [2, 1])];
    const { clock, throttler, events, stop } = setUp(() => ({ pressure: 0, detail: '' }), OPTIONS, { signals });
    await clock.advance(0);
    const working = throttler.work(async () => null, SIGNAL);
    await clock.advance(5000);
    expect(events.map(({ kind }) => kind)).toEqual(['throttled']);
    await stop();
    void working;
  });

  test('stops by the lag that a replica will have, before it has it', async () => {
    // Of a thousand rows a second it writes a quarter.
    let nowMs = -OPTIONS.throttleIntervalMs;
    const sample = (): ThrottleSample => {
      nowMs += OPTIONS.throttleIntervalMs;
      const lagMs = 0.75 * nowMs;
      return { pressure: lagMs / 5000, detail: `it is ${lagMs} ms behind`, lag: { ms: lagMs, limitMs: 5000 } };
    };
    const written = () => ({ done: nowMs, underWay: 0 });
    const { clock, throttler, stop } = setUp(sample, OPTIONS, { written });
    await clock.advance(1500);
    expect(throttler.reason).toBeNull();
    await clock.advance(500);
    expect(throttler.reason).toBe('load: it is 1500 ms behind, and it will be 6.0 s');
    await stop();
  });

  test('stops at a pressure of one, says why, and goes on when it falls', async () => {
    let pressure = 1.2;
    const { clock, events, throttler, stop } = setUp(() => ({ pressure, detail: '60 of 50 threads' }));
    await clock.advance(1);
    expect(throttler.reason).toBe('load: 60 of 50 threads');
    const admission = throttler.work(async () => null, SIGNAL);
    await clock.advance(2000);
    pressure = 0.1;
    await clock.advance(1000);
    await expect(admission).resolves.toBeUndefined();
    expect(events.map((event) => event.kind)).toEqual(['throttled', 'throttle-released']);
    await stop();
  });

  test('counts a signal that does not answer any more as a stop', async () => {
    let isDead = false;
    const { clock, throttler, stop } = setUp(() => {
      if (isDead) throw new Error('no route');
      return { pressure: 0, detail: 'calm' };
    });
    await clock.advance(100);
    expect(await isAdmitted(throttler)).toBe(true);
    isDead = true;
    await clock.advance(4000);
    expect(await isAdmitted(throttler)).toBe(true);
    await clock.advance(2000);
    expect(await isAdmitted(throttler)).toBe(false);
    expect(throttler.reason).toBe('load: stale: no answer: no route');
    await stop();
  });

  test('gives up a question that hangs, and goes on when the next one is answered', async () => {
    let isHanging = true;
    const clock = new VirtualClock();
    const signal: ThrottleSignal = {
      name: 'load',
      sample: async (inner) => {
        if (isHanging) await clock.sleep(1_000_000, inner);
        return { pressure: 0, detail: 'calm' };
      },
    };
    const throttler = new Throttler({ signals: [signal], ...NOTHING_WRITTEN_BY_US }, new Controls(OPTIONS), {
      clock,
      observer: () => {},
    });
    await clock.advance(OPTIONS.throttleStaleMs + 1);
    expect(throttler.reason).toBe('load: stale: no answer yet');
    const controller = new AbortController();
    const sampling = throttler.sampleContinuously(controller.signal).catch(() => {});
    await clock.advance(6000);
    expect(throttler.reason).toMatch(/it did not answer in time/);
    isHanging = false;
    await clock.advance(6000);
    expect(await isAdmitted(throttler)).toBe(true);
    isHanging = true;
    // The last answer is stale before the question that hangs is given up.
    await clock.advance(OPTIONS.throttleStaleMs + OPTIONS.throttleIntervalMs / 2);
    expect(throttler.reason).toBe('load: stale: no answer behind “calm”');
    controller.abort(new Error('over'));
    await sampling;
  });

  test('takes an answer that is no number for a stop', async () => {
    const { clock, throttler, stop } = setUp(() => ({ pressure: Number.NaN, detail: 'garbage' }));
    await clock.advance(1);
    expect(await isAdmitted(throttler)).toBe(false);
    await stop();
  });

  test('lets every worker work all the time when there is no pressure', async () => {
    const { clock, throttler, stop } = setUp(() => ({ pressure: 0, detail: 'calm' }));
    await clock.advance(10_000);
    expect(await shareWorked(throttler, clock, 10_000)).toBe(1);
    expect(throttler.chunkShare).toBe(1);
    await stop();
  });

  test('begins with half of the workers, before it knows what they cost', async () => {
    const { clock, throttler, stop } = setUp(() => ({ pressure: 0, detail: 'calm' }));
    expect(await shareWorked(throttler, clock, 100)).toBe(0.5);
    await stop();
  });

  test('works with fewer workers, rests and smaller chunks when the pressure is near the stop point', async () => {
    const { clock, throttler, stop } = setUp(() => ({ pressure: 0.95, detail: 'nearly full' }));
    await clock.advance(10_000);
    expect(await shareWorked(throttler, clock, 60_000)).toBeLessThan(0.05);
    expect(throttler.chunkShare).toBe(0.1);
    await stop();
  });

  test('leaves chunks as long as they are where a replica is behind: it would only have more of them to commit', async () => {
    const { clock, throttler, stop } = setUp(() => ({ pressure: 0.95, detail: '', lag: { ms: 950, limitMs: 1000 } }));
    await clock.advance(10_000);
    expect(throttler.pace).toBeLessThan(0.1);
    expect(throttler.chunkShare).toBe(1);
    await stop();
  });

  test('ends the rest after a piece that took very long as soon as the pressure is gone', async () => {
    let pressure = 0.99;
    const { clock, throttler, stop } = setUp(() => ({ pressure, detail: '' }), { ...OPTIONS, copyWorkers: 1 });
    await clock.advance(30_000);
    const controller = new AbortController();
    const begun: number[] = [];
    const piece = async (inner: AbortSignal): Promise<Done> => {
      begun.push(clock.now());
      // As one that waited for a connection that hung.
      await clock.sleep(30_000, inner);
      return { rows: 10, busyMs: 30_000 };
    };
    const work = throttler.work(piece, controller.signal).catch(() => {});
    await clock.advance(31_000);
    expect(begun).toHaveLength(1);
    pressure = 0;
    await clock.advance(20_000);
    expect(begun.length).toBeGreaterThan(1);
    controller.abort(new Error('over'));
    await work;
    await stop();
  });

  test('rests no longer after a piece that a lock held up than after one that took long by itself', async () => {
    const options = { ...OPTIONS, copyWorkers: 1, niceRatio: 3 };
    const { clock, throttler, stop } = setUp(() => ({ pressure: 0, detail: 'calm' }), options);
    await clock.advance(10_000);
    const begun: number[] = [];
    const piece = async (inner: AbortSignal): Promise<Done> => {
      begun.push(clock.now());
      const busyMs = begun.length === 1 ? 60_000 : 1000;
      await clock.sleep(busyMs, inner);
      return { rows: 10, busyMs };
    };
    await workFor(80_000, throttler, clock, piece);
    await stop();
    const [first = 0, second, third] = begun;
    expect([second, third]).toEqual([first + 75_000, first + 79_000]);
  });

  test('rests while somebody pauses, says who and why, and goes on when the last of them lets go', async () => {
    const { clock, controls, throttler, stop } = setUp(() => ({ pressure: 0, detail: 'calm' }));
    await clock.advance(1000);
    controls.pause('window', 'outside 22:00-06:00');
    controls.pause('operator', 'lunch');
    expect(await isAdmitted(throttler)).toBe(false);
    expect(throttler.reason).toBe('paused by window: outside 22:00-06:00');
    controls.unpause('window');
    expect(throttler.reason).toBe('paused by operator: lunch');
    controls.unpause('operator');
    expect(await isAdmitted(throttler)).toBe(true);
    await stop();
  });

  test('keeps its pace over a pause, which says nothing about what the server bears', async () => {
    const { clock, throttler, controls, stop } = setUp(() => ({ pressure: 0, detail: 'ok' }));
    await clock.advance(20_000);
    controls.pause('operator', 'lunch');
    await clock.advance(20_000);
    expect(throttler.pace).toBe(1);
    await stop();
  });

  test('begins nothing after a limit was changed until every signal has answered to what holds now', async () => {
    let isOver = false;
    const { clock, controls, throttler, stop } = setUp(() => ({ pressure: isOver ? 1 : 0, detail: 'the limit is another' }));
    await clock.advance(1000);
    expect(await isAdmitted(throttler)).toBe(true);
    isOver = true;
    controls.change({ load: { ...OPTIONS.load, runningThreadsMax: 1 } }, 'operator');
    expect(await isAdmitted(throttler)).toBe(false);
    await clock.advance(500);
    expect(throttler.reason).toBe('load: the limit is another');
    isOver = false;
    await clock.advance(500);
    expect(await isAdmitted(throttler)).toBe(true);
    await stop();
  });

  test('begins with one worker where the latency has a limit, and lets others follow that bring something', async () => {
    const { clock, throttler, stop } = setUp(() => ({ pressure: 0, detail: 'calm' }), {
      ...OPTIONS,
      latency: DEFAULT_OPTIONS.latency,
      niceRatio: 0,
    });
    expect(await shareWorked(throttler, clock, 500)).toBe(0.25);
    expect(await shareWorked(throttler, clock, 60_000)).toBeGreaterThan(0.9);
    await stop();
  });

  test('rests after each piece as the operator asks, in no time less when that is taken back', async () => {
    const { clock, controls, throttler, stop } = setUp(() => ({ pressure: 0, detail: 'calm' }), { ...OPTIONS, niceRatio: 3 });
    await clock.advance(10_000);
    expect(await shareWorked(throttler, clock, 40_000)).toBe(0.25);
    controls.change({ niceRatio: 0 }, 'operator');
    expect(await shareWorked(throttler, clock, 10_000)).toBe(1);
    await stop();
  });

  test.each([
    { asked: undefined, share: 2 / 3 },
    { asked: 1, share: 1 / 2 },
  ])(
    'works for $share of the time while the table is written, where the latency has a limit and the database asks for $asked',
    async ({ asked, share }) => {
      let isWritten = true;
      const options = { ...OPTIONS, latency: DEFAULT_OPTIONS.latency, copyWorkers: 1 };
      const parts = { isTableWritten: () => isWritten, restRatio: asked === undefined ? undefined : () => asked };
      const { clock, throttler, stop } = setUp(() => ({ pressure: 0, detail: 'calm' }), options, parts);
      await clock.advance(10_000);
      // Of the four workers that `shareWorked` counts with there is one.
      expect(await shareWorked(throttler, clock, 60_000)).toBeCloseTo(share / 4, 2);
      isWritten = false;
      expect(await shareWorked(throttler, clock, 60_000)).toBeCloseTo(1 / 4, 2);
      await stop();
    },
  );

  test('rests after no piece while it tries one more worker, and else after each', async () => {
    const options = { ...OPTIONS, latency: DEFAULT_OPTIONS.latency, copyWorkers: 2 };
    const { clock, throttler, stop } = setUp(() => ({ pressure: 0, detail: 'calm' }), options, { restRatio: () => 9 });
    const perSecond: number[] = Array.from({ length: 30 }, () => 0);
    const piece = async (inner: AbortSignal): Promise<Done> => {
      await clock.sleep(100, inner);
      const second = Math.floor(clock.now() / 1000);
      perSecond[second] = (perSecond[second] ?? 0) + 1;
      return { rows: 10, busyMs: 100 };
    };
    await workFor(30_000, throttler, clock, piece);
    await stop();
    expect(Math.max(...perSecond)).toBeGreaterThan(8);
    expect(perSecond.filter((pieces) => pieces > 2).length).toBeLessThan(4);
  });

  test('takes more workers while it works', async () => {
    const { clock, controls, throttler, stop } = setUp(() => ({ pressure: 0, detail: 'calm' }));
    await clock.advance(10_000);
    controls.change({ copyWorkers: 8 }, 'operator');
    expect(await shareWorked(throttler, clock, 10_000)).toBe(2);
    await stop();
  });

  test('tells a warning of a signal once, again when it changes or comes back, and stops for none', async () => {
    let warning: string | undefined = 'the disk fills';
    const { clock, events, throttler, stop } = setUp(() => ({
      pressure: 0,
      detail: 'idle',
      ...(warning === undefined ? {} : { warning }),
    }));
    await clock.advance(2000);
    expect(await isAdmitted(throttler)).toBe(true);
    for (const next of ['the disk is nearly full', undefined, 'the disk is nearly full']) {
      warning = next;
      await clock.advance(2000);
    }
    expect(events).toEqual([
      { kind: 'warning', about: 'load', message: 'the disk fills' },
      { kind: 'warning', about: 'load', message: 'the disk is nearly full' },
      { kind: 'warning', about: 'load', message: 'the disk is nearly full' },
    ]);
    await stop();
  });

  test('tells what a signal has found beside its warnings, once', async () => {
    const { clock, events, stop } = setUp(() => ({
      pressure: 0,
      detail: 'idle',
      warning: 'r2 is silent',
      notice: 'r1 follows',
    }));
    await clock.advance(2000);
    expect(events).toEqual([
      { kind: 'warning', about: 'load', message: 'r2 is silent' },
      { kind: 'noticed', about: 'load', message: 'r1 follows' },
    ]);
    await stop();
  });

  test('ends the run when a signal says that the load is critical', async () => {
    const clock = new VirtualClock();
    const signal: ThrottleSignal = {
      name: 'load',
      sample: async () => ({ pressure: 2, detail: '900 threads', isCritical: true }),
    };
    const throttler = new Throttler({ signals: [signal], ...NOTHING_WRITTEN_BY_US }, new Controls(OPTIONS), {
      clock,
      observer: () => {},
    });
    await expect(throttler.sampleContinuously(SIGNAL)).rejects.toMatchObject({
      code: 'CRITICAL_LOAD',
      message: 'The server is over a critical limit (load: 900 threads), so the run ended; nothing is lost.',
    });
  });

  test('settles where the pressure that it causes stays under the stop point, and wastes little', async () => {
    // A server that bears less than two of the four workers: what they do is felt little by little, and half a second late.
    let [working, felt, told] = [0, 0, 0];
    const { clock, events, throttler, stop } = setUp(() => {
      told = felt;
      felt += 0.3 * (0.55 * working - felt);
      return { pressure: told, detail: 'busy' };
    });
    let pieces = 0;
    const piece = async (inner: AbortSignal): Promise<Done> => {
      working += 1;
      await clock.sleep(50, inner);
      working -= 1;
      pieces += 1;
      return { rows: 10, busyMs: 50 };
    };
    await workFor(60_000, throttler, clock, piece);
    await stop();
    expect(pieces * 50).toBeGreaterThan(0.5 * 60_000);
    expect(events.filter(({ kind }) => kind === 'throttled').length).toBeLessThan(15);
  });
});
