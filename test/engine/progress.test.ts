/** How many rows a table is taken to have while it is copied, and the time to go. */
import { describe, expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import type { KeySpan } from '../../src/engine/ports.ts';
import { type Counters, estimateRows, ProgressMeter } from '../../src/engine/progress.ts';

const span: KeySpan = { first: 1n, last: 1_001n, valueOf: BigInt, keyAt: (value) => `${value}` as RowKey };
const through = (key: number): RowKey => `${key}` as RowKey;

describe('the number of rows', () => {
  test('is that of the server before anything was copied, and never less than what was', () => {
    expect(estimateRows(2_200, { rows: 0, through: null, span })).toBe(2_200);
    expect(estimateRows(2_200, { rows: 0, through: through(1), span })).toBe(2_200);
    expect(estimateRows(0, { rows: 700, through: through(900), span: null })).toBe(700);
    expect(estimateRows(2_200, { rows: 5, through: through(1), span: { ...span, last: 1n } })).toBe(2_200);
  });

  test('follows the keys as they are copied, whatever the server had said', () => {
    for (const byServer of [0, 500, 2_200]) {
      expect(estimateRows(byServer, { rows: 50, through: through(51), span })).toBe(1_000);
      expect(estimateRows(byServer, { rows: 500, through: through(501), span })).toBe(1_000);
      expect(estimateRows(byServer, { rows: 1_000, through: through(1_001), span })).toBe(1_000);
    }
    // Half of what is told by half of what has to be copied first.
    expect(estimateRows(2_000, { rows: 25, through: through(26), span })).toBe(Math.round(25 + 0.975 * 1_500));
  });

  test('is right in the end, also where keys lie closer at one end, or rows came behind the last one', () => {
    expect(estimateRows(900, { rows: 900, through: through(101), span })).toBe(9_000);
    expect(estimateRows(900, { rows: 950, through: through(901), span })).toBe(Math.round(950 / 0.9));
    expect(estimateRows(900, { rows: 1_200, through: through(1_200), span })).toBe(1_200);
  });
});

test('the time to go is that of the rows that are left at the present speed', () => {
  const time = { now: 0 };
  const meter = new ProgressMeter({ now: () => time.now, random: () => 0, sleep: () => Promise.resolve() }, 0);
  const counters = (phase: Counters['phase'], rowsCopied: number, rowsVerified: number): Counters => ({
    ...{ phase, rowsCopied, rowsVerified, keysPending: 0, keysApplied: 0, lagMs: null, lagMaxMs: 0, chunkRows: 10 },
    ...{ throttledBy: null, pace: 1, slowedBy: null, waitingFor: [] },
  });
  expect(meter.measure(counters('copy', 0, 0), 1_000)).toMatchObject({ rowsEstimated: 1_000, etaMs: null });
  time.now = 1_000;
  expect(meter.measure(counters('copy', 100, 0), 1_000)).toMatchObject({ rowsPerSecond: 100, etaMs: 9_000, elapsedMs: 1_000 });
  expect(meter.measure(counters('copy', 100, 0), 500)).toMatchObject({ rowsEstimated: 500, etaMs: 4_000 });
  // Behind the copy its rows are the number.
  expect(meter.measure(counters('verify', 480, 0), 500)).toMatchObject({ rowsEstimated: 480, etaMs: null });
});
