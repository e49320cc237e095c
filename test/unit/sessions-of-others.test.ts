import { expect, test } from 'vitest';
import { SessionsOfOthers } from '../../src/sessions/sessions-of-others.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** What is held after so many seconds in each of which so many of four sessions were in a transaction. */
async function shareAfter(
  seconds: number,
  inTransaction: number,
  before = new VirtualClock(),
  busy = new SessionsOfOthers(before),
) {
  for (let second = 0; second < seconds; second += 1) {
    await before.advance(1000);
    busy.see({ count: 4, inTransaction });
  }
  return busy;
}

test('sessions are as busy as the looks of the last half minute say', async () => {
  const clock = new VirtualClock();
  const busy = new SessionsOfOthers(clock);
  expect(busy.busy).toBeCloseTo(0.2);
  await shareAfter(1, 4, clock, busy);
  expect(busy.busy).toBeLessThan(0.5);
  await shareAfter(40, 3, clock, busy);
  expect(busy.busy).toBeCloseTo(0.75, 1);
  await shareAfter(60, 0, clock, busy);
  expect(busy.busy).toBeLessThan(0.05);
});

test('where there are none of others any more, nobody is busy', async () => {
  const clock = new VirtualClock();
  const busy = await shareAfter(40, 4, clock);
  await clock.advance(200_000);
  busy.see({ count: 0, inTransaction: 0 });
  expect(busy.busy).toBe(0);
});

test('a worker rests as it would anyway beside idle sessions, three times its work beside busy ones, and in between in between', async () => {
  const clock = new VirtualClock();
  const others = new SessionsOfOthers(clock);
  expect([others.restRatio(0.5), others.restRatio(1)]).toEqual([0.5, 1]);
  for (let second = 0; second < 200; second += 1) {
    await clock.advance(1000);
    others.see({ count: 10, inTransaction: 3 });
  }
  expect(others.restRatio(1)).toBeCloseTo(2);
  expect(others.restRatio(0.5)).toBeCloseTo(1.75);
  await shareAfter(200, 2, clock, others);
  expect(others.restRatio(1)).toBe(3);
});
