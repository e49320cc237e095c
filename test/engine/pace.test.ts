import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { percentile } from '../../bench/statistics.ts';
import { Pace } from '../../src/engine/pace.ts';
import { seededRandom } from '../support/random.ts';

/** What the share becomes when the pressure stays. */
function after(pace: Pace, pressure: number, seconds: number): number {
  for (let step = 0; step < seconds * 5; step++) pace.follow(pressure, 200);
  return pace.share;
}

/** What the share is, step by step of 200 ms, beside a pressure that grows with its mean over a window, and comes to 0.75 there. */
function sharesBeside(plant: { readonly bearable: number; readonly windowSteps: number; readonly noise: number }): number[] {
  const pace = new Pace(true);
  const random = seededRandom(1);
  const shares: number[] = [];
  let wander = 0;
  for (let step = 0; step < 3000; step++) {
    shares.push(pace.share);
    const window = shares.slice(-plant.windowSteps);
    const mean = window.reduce((sum, share) => sum + share, 0) / window.length;
    wander += 0.2 * (plant.noise * (2 * random() - 1) * 3 - wander);
    pace.follow(Math.max(0, (0.75 * mean) / plant.bearable + wander), 200);
  }
  return shares.slice(100);
}

describe('the pace', () => {
  test('is full from the start without signals and half with them', () => {
    expect(new Pace(false).share).toBe(1);
    expect(new Pace(true).share).toBe(0.5);
  });

  test('is full after a few seconds without pressure', () => {
    expect(after(new Pace(true), 0, 3)).toBe(1);
  });

  test('gives way at once, and nearly all of it at the stop point', () => {
    const pace = new Pace(false);
    pace.follow(0.75, 200);
    expect(pace.share).toBeCloseTo(0.5);
    pace.follow(1, 200);
    expect(pace.share).toBe(0.02);
  });

  test('remembers less than half of a stop that passes within a second', () => {
    const pace = new Pace(false);
    after(pace, 1, 1);
    pace.follow(0, 200);
    expect(pace.share).toBeGreaterThan(0.5);
    expect(pace.share).toBeLessThan(0.6);
  });

  test('falls to the least while the pressure stays over the aim, and comes back from there within ten seconds', () => {
    const pace = new Pace(false);
    expect(after(pace, 0.9, 20)).toBe(0.02);
    expect(after(pace, 0, 10)).toBe(1);
  });

  test('stays near what the server bears where a signal tells of the last two seconds, and not exactly', () => {
    const bearable = 0.1;
    const shares = sharesBeside({ bearable, windowSteps: 10, noise: 0.3 });
    expect(percentile(shares, 0.5) / bearable).toBeGreaterThan(0.7);
    expect(percentile(shares, 0.95) / bearable).toBeLessThan(1.4);
  });

  test('stays a share whatever the pressure does', () => {
    const pressures = fc.array(fc.tuple(fc.double({ min: 0, max: 100, noNaN: true }), fc.nat(100_000)));
    fc.assert(
      fc.property(pressures, (steps) => {
        const pace = new Pace(true);
        for (const [pressure, ms] of steps) {
          pace.follow(pressure, ms);
          expect(pace.share).toBeGreaterThanOrEqual(0.02);
          expect(pace.share).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
