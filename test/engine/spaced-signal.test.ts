import { expect, test } from 'vitest';
import { askSeldom, untilBeat } from '../../src/engine/spaced-signal.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

test('a beat is a whole step away at a beat, and the rest of the step between two', () => {
  expect([0, 1, 499, 500].map((nowMs) => untilBeat(nowMs, 500))).toEqual([500, 499, 1, 500]);
});

test('a signal that is asked seldom answers at once at first, and then once in each time, off the beat of the others', async () => {
  const clock = new VirtualClock();
  const { signal } = new AbortController();
  const askedAt: number[] = [];
  const sample = async () => {
    askedAt.push(clock.now());
    return { pressure: 0.5, detail: 'half' };
  };
  const seldom = askSeldom({ name: 'query', sample }, 1000, clock);
  expect(seldom.name).toBe('query');
  const asking = (async () => {
    for (let time = 0; time < 3; time++) expect(await seldom.sample(signal)).toEqual({ pressure: 0.5, detail: 'half' });
  })();
  await clock.advance(2000);
  await asking;
  expect(askedAt).toEqual([0, 900, 1900]);
});
