import { describe, expect, test } from 'vitest';
import { LagForecast } from '../../src/engine/lag-forecast.ts';

const stepMs = 200;

/**
 * A source that writes so many rows in each step of 200 ms, and a replica that writes at most `rowsOfReplica` in each. Gives what
 * was forecast at the end of each step, and the lag that the change committed then really had.
 */
function follow(rowsOfSource: readonly number[], rowsOfReplica: number) {
  const forecast = new LagForecast();
  const written = [0];
  const replica = [0];
  const lags: number[] = [];
  const expected: number[] = [];
  for (const [step, rows] of rowsOfSource.entries()) {
    written.push((written.at(-1) ?? 0) + rows);
    replica.push(Math.min(written.at(-1) ?? 0, (replica.at(-1) ?? 0) + rowsOfReplica));
    const reached = replica.at(-1) ?? 0;
    const nowMs = (step + 1) * stepMs;
    const lagMs = nowMs - reachedAt(written, reached);
    lags.push(lagMs);
    expected.push(forecast.observe(lagMs, nowMs, { done: written.at(-1) ?? 0, underWay: 0 }));
  }
  const real = written.slice(1).map((rows, step) => ((rows - (replica[step + 1] ?? 0)) / rowsOfReplica) * stepMs);
  return { expected, lags, real };
}

/** When the source had written that much, evenly between two steps: the last such moment. */
function reachedAt(written: readonly number[], rows: number): number {
  const step = written.findIndex((count) => count > rows);
  if (step === -1) return (written.length - 1) * stepMs;
  const [before = 0, after = 0] = [written[step - 1], written[step]];
  return (step - 1 + (rows - before) / (after - before)) * stepMs;
}

describe('the forecast of a lag', () => {
  test('is the lag itself for a replica that keeps up at some distance', () => {
    const forecast = new LagForecast();
    let expectedMs = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += stepMs)
      expectedMs = forecast.observe(300, nowMs, { done: nowMs, underWay: 0 });
    expect(expectedMs).toBeCloseTo(300);
  });

  test('is the lag that the newest change will have, for a replica that is slower', () => {
    const { expected, real } = follow(Array<number>(20).fill(400), 100);
    expect(expected.at(-1)).toBeCloseTo(real.at(-1) ?? 0);
    expect(real.at(-1)).toBe(12_000);
  });

  test('knows that a source which goes faster and faster leaves more to do than the time says', () => {
    const { expected, real } = follow(
      Array.from({ length: 20 }, (_, step) => 50 + 25 * step),
      100,
    );
    expect(expected.at(-1)).toBeCloseTo(real.at(-1) ?? 0);
  });

  test('is still known for a replica that has been behind for twenty minutes', () => {
    // Four minutes of little traffic, four of much.
    const rows = Array.from({ length: 6_000 }, (_, step) => (step % 2_400 < 1_200 ? 50 : 550));
    const { expected, real } = follow(rows, 100);
    for (const step of [3_500, 4_500, 5_999]) expect((expected[step] ?? 0) / (real[step] ?? 0)).toBeCloseTo(1);
  });

  test('counts what is being written', () => {
    const forecast = new LagForecast();
    let expectedMs = 0;
    // 100 rows a step, and the replica is three steps behind.
    for (let nowMs = 0; nowMs <= 4000; nowMs += stepMs)
      expectedMs = forecast.observe(3 * stepMs, nowMs, { done: nowMs / 2, underWay: 400 });
    expect(expectedMs).toBeCloseTo(7 * stepMs);
  });

  test('does not take a replica that had nothing to do for slow', () => {
    const { expected, real } = follow(
      [...Array<number>(20).fill(10), ...Array<number>(20).fill(0), 300, 300, 300, 300, 300],
      100,
    );
    expect(expected.at(-1)).toBeLessThanOrEqual(1.5 * (real.at(-1) ?? 0));
  });

  test('is the lag itself where nothing of ours is left to write', () => {
    const forecast = new LagForecast();
    for (let nowMs = 0; nowMs <= 2000; nowMs += stepMs)
      expect(forecast.observe(nowMs, nowMs, { done: 0, underWay: 0 })).toBe(nowMs);
  });

  test('is ten times the lag at most, for a replica that stands still', () => {
    const forecast = new LagForecast();
    let expectedMs = 0;
    for (let nowMs = 0; nowMs <= 2000; nowMs += stepMs)
      expectedMs = forecast.observe(nowMs, nowMs, { done: nowMs, underWay: 0 });
    expect(expectedMs).toBe(20_000);
  });

  test('is never less than the lag, also when the newest change will be there sooner', () => {
    const { expected, lags, real } = follow([...Array<number>(20).fill(400), ...Array<number>(55).fill(0)], 100);
    expect(real.at(-1)).toBeLessThan(lags.at(-1) ?? 0);
    for (const [step, ms] of expected.entries()) expect(ms).toBeGreaterThanOrEqual(lags[step] ?? 0);
  });
});
