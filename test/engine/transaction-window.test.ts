import { describe, expect, test } from 'vitest';
import { readingOf, windowBetween } from '../../src/engine/transaction-window.ts';

/** Of sessions by their numbers: how many transactions they have ended, and what those took. */
function reading(atMs: number, sessions: Readonly<Record<string, readonly [count: number, busyMs: number]>>) {
  return readingOf(
    Object.entries(sessions).map(([id, [count, busyMs]]) => ({ id, count, busyMs })),
    atMs,
  );
}

describe('what the transactions of others were within some time', () => {
  test('is told by the session in the middle, so that a few long ones do not count', () => {
    const from = reading(1_000, { a: [10, 100], b: [0, 0], c: [5, 500] });
    const to = reading(2_000, { a: [60, 400], c: [9, 1_380], b: [40, 160], d: [10, 50] });
    // The usual ones take 4, 5, 6 and 220 ms; half of the 104 belong to those of 4 and 5 and the first of 6.
    expect(windowBetween(from, to)).toEqual({ count: 104, usualMs: 6, busy: 0.3 });
  });

  test('leaves out who did nothing, and whose counters began anew or were taken over by somebody else', () => {
    const from = reading(0, { a: [10, 100], idle: [7, 70], rare: [1, 5], anew: [500, 9_000], other: [1, 900] });
    const to = reading(1_000, { a: [20, 200], idle: [7, 80], rare: [1, 6], anew: [3, 30], other: [3, 20] });
    expect(windowBetween(from, to)).toEqual({ count: 10, usualMs: 10, busy: 0.1 });
  });

  test('is nothing where nobody ended one, or no time has passed, and no session is busy for more than all of it', () => {
    const from = reading(0, { a: [10, 100] });
    expect(windowBetween(from, reading(1_000, { a: [10, 900] }))).toBeNull();
    expect(windowBetween(from, reading(0, { a: [11, 110] }))).toBeNull();
    expect(windowBetween(from, reading(1_000, { a: [11, 5_100] }))).toEqual({ count: 1, usualMs: 5_000, busy: 1 });
  });
});
