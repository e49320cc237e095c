import { expect, test } from 'vitest';
import { LagMeter } from '../../src/engine/lag-meter.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

test('the lag of a fence that is under way is told while another measurement ends', async () => {
  const clock = new VirtualClock();
  const { signal } = new AbortController();
  const passMs = [1_000, 10_000];
  const receiver = { passFence: () => clock.sleep(passMs.shift() ?? 0, signal) };
  const applier = { flushPickedAfterNow: (inner: AbortSignal) => clock.sleep(200, inner).then(() => 1) };
  const meter = new LagMeter(receiver, applier, clock);
  expect([meter.lagMs, meter.lagMaxMs]).toEqual([null, 0]);
  const first = meter.measure(signal);
  await clock.advance(500);
  const second = meter.measure(signal);
  await clock.advance(300);
  expect(meter.lagMs).toBe(800);
  await clock.advance(3_200);
  expect(await first).toBe(1_200);
  expect(meter.lagMs).toBe(3_500);
  await clock.advance(6_700);
  expect(await second).toBe(10_200);
  expect([meter.lagMs, meter.lagMaxMs]).toEqual([10_200, 10_200]);
});

test('the lag is measured again and again, with a rest after each time', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  let fences = 0;
  const receiver = {
    passFence: async (): Promise<void> => {
      fences += 1;
      await clock.sleep(100, stop.signal);
    },
  };
  const measuring = new LagMeter(receiver, { flushPickedAfterNow: async () => 1 }, clock).measureContinuously(500, stop.signal);
  await clock.advance(599);
  expect(fences).toBe(1);
  await clock.advance(601);
  expect(fences).toBe(3);
  stop.abort(new Error('over'));
  await expect(measuring).rejects.toThrow('over');
});
