import { expect, test } from 'vitest';
import { readRoundTripMs, roundTripNotes } from '../../src/sessions/round-trip.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const SIGNAL = new AbortController().signal;

test('the way to a server is the shortest of several', async () => {
  const clock = new VirtualClock();
  const ways = [90, 31, 30, 45, 33];
  const session = { query: async () => await clock.sleep(ways.shift() ?? 0, SIGNAL) };
  const reading = readRoundTripMs(session, clock, SIGNAL);
  for (let ms = 0; ms < 229; ms++) await clock.advance(1);
  expect(await reading).toBe(30);
});

test('a server that is far away is a note, and says what writers wait for', () => {
  expect(roundTripNotes(30)).toEqual([expect.stringMatching(/^The server is 30 ms away, .* about 0\.4 s: run this nearer/)]);
  expect(roundTripNotes(2)).toEqual([]);
});
