import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KeyRange, RowKey } from '../../src/engine/model.ts';
import { RangesInFlight } from '../../src/engine/ranges-in-flight.ts';
import { settle } from '../support/virtual-clock.ts';

const key = (number: number): RowKey => String(number) as RowKey;
const range = (after: number | null, through: number | null): KeyRange => ({
  after: after === null ? null : key(after),
  through: through === null ? null : key(through),
});
const byNumber = (a: RowKey, b: RowKey): number => Number(a) - Number(b);
const SIGNAL = new AbortController().signal;

describe('the ranges in flight', () => {
  test('hold a key inside, from behind the start up to the end', () => {
    const ranges = new RangesInFlight(byNumber);
    ranges.register(range(10, 20));
    const inFlight = ranges.snapshot();
    expect([10, 11, 20, 21].map((number) => ranges.isOutside(key(number), inFlight))).toEqual([true, false, false, true]);
  });

  test('hold every key where the order is not known', () => {
    const ranges = new RangesInFlight(undefined);
    ranges.register(range(10, 20));
    expect(ranges.isOutside(key(99), ranges.snapshot())).toBe(false);
  });

  test('call every key above the watermark before anything was registered, and none after the open end was', () => {
    const ranges = new RangesInFlight(byNumber);
    expect(ranges.isAboveWatermark(key(1))).toBe(true);
    ranges.register(range(null, null));
    expect(ranges.isAboveWatermark(key(1_000_000))).toBe(false);
  });

  test('never call a key above the watermark where the order is not known', () => {
    expect(new RangesInFlight(undefined).isAboveWatermark(key(1))).toBe(false);
  });

  test('never lower the watermark, whatever is registered and deregistered', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100), { minLength: 1 }), (ends) => {
        const ranges = new RangesInFlight(byNumber);
        for (const end of ends) {
          const one = range(null, end);
          ranges.register(one);
          ranges.deregister(one);
        }
        const greatest = Math.max(...ends);
        expect(ranges.isAboveWatermark(key(greatest))).toBe(false);
        expect(ranges.isAboveWatermark(key(greatest + 1))).toBe(true);
        ranges.raiseWatermark(null);
        ranges.raiseWatermark(key(greatest));
        expect(ranges.isAboveWatermark(key(greatest + 1))).toBe(false);
      }),
    );
  });

  test('tell when those of a snapshot have ended, not those registered since', async () => {
    const ranges = new RangesInFlight(byNumber);
    const [first, second] = [range(null, 10), range(10, 20)];
    ranges.register(first);
    let hasEnded = false;
    const ended = ranges.ended(ranges.snapshot(), SIGNAL).then(() => {
      hasEnded = true;
    });
    ranges.register(second);
    await settle();
    expect(hasEnded).toBe(false);
    ranges.deregister(first);
    await ended;
    expect(hasEnded).toBe(true);
  });
});
