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
