import { describe, expect, test } from 'vitest';
import { LagForecast } from '../../src/engine/lag-forecast.ts';

/** What is expected at the end of a time in which the follower goes at this speed, sampled each 200 ms from no lag on. */
function afterSeconds(seconds: number, speed: number): { readonly lagMs: number; readonly expectedMs: number } {
  const forecast = new LagForecast();
  let [lagMs, expectedMs] = [0, 0];
  for (let nowMs = 0; nowMs <= seconds * 1000; nowMs += 200) {
    lagMs = (1 - speed) * nowMs;
    expectedMs = forecast.observe(lagMs, nowMs);
  }
  return { lagMs, expectedMs };
}

describe('the forecast of a lag', () => {
  test('is the lag itself for a follower that keeps up at some distance', () => {
    const forecast = new LagForecast();
    for (let nowMs = 0; nowMs < 10_000; nowMs += 200) expect(forecast.observe(300, nowMs)).toBe(300);
  });

  test('is four times the lag for a follower that is four times slower', () => {
    const { lagMs, expectedMs } = afterSeconds(2, 0.25);
    expect(lagMs).toBe(1500);
    expect(expectedMs).toBeCloseTo(6000);
  });

  test('is ten times the lag at most, for one that stands still', () => {
    expect(afterSeconds(2, 0)).toEqual({ lagMs: 2000, expectedMs: 20_000 });
  });

  test('is the lag itself again while the follower catches up', () => {
    const forecast = new LagForecast();
    for (let nowMs = 0; nowMs <= 2000; nowMs += 200) forecast.observe(nowMs, nowMs);
    let expectedMs = 0;
    for (let nowMs = 2200; nowMs <= 6000; nowMs += 200) expectedMs = forecast.observe(2000 - (nowMs - 2000) / 4, nowMs);
    expect(expectedMs).toBe(1000);
  });

  test('judges by the last three seconds only', () => {
    const forecast = new LagForecast();
    for (let nowMs = 0; nowMs <= 2000; nowMs += 200) forecast.observe(nowMs, nowMs);
    for (let nowMs = 2200; nowMs <= 5200; nowMs += 200) forecast.observe(2000, nowMs);
    expect(forecast.observe(2000, 5400)).toBe(2000);
  });
});
