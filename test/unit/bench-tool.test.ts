import { expect, test } from 'vitest';
import { comparingSeconds } from '../../bench/tool.ts';

const range = (endsAtMs: number, durationMs: number) => ({
  kind: 'range-verified',
  time: new Date(endsAtMs).toISOString(),
  durationMs,
});

test('time in which several ranges are compared counts once, and time in which none is does not', () => {
  const lines = [range(2000, 1000), { kind: 'progress' }, range(1900, 500), range(2500, 700), range(4000, 250)];
  expect(comparingSeconds(lines)).toBeCloseTo(1.75);
  expect(comparingSeconds([])).toBe(0);
});
