import { describe, expect, test } from 'vitest';
import { Beats } from '../../src/engine/beats.ts';

describe('the age of what a follower lacks', () => {
  test('is none while it has everything', () => {
    const beats = new Beats();
    expect(beats.age(0n, 50)).toBe(0);
    beats.sent(1n, 100);
    beats.sent(2n, 300);
    expect(beats.age(2n, 400)).toBe(0);
  });

  test('counts from the first beat that it does not have', () => {
    const beats = new Beats();
    beats.sent(10n, 100);
    beats.sent(20n, 300);
    beats.sent(30n, 500);
    expect(beats.age(9n, 600)).toBe(500);
    expect(beats.age(10n, 600)).toBe(300);
    expect(beats.age(25n, 700)).toBe(200);
    expect(beats.age(30n, 700)).toBe(0);
  });

  test('never gets too small by thinning out', () => {
    const beats = new Beats();
    for (let number = 1; number <= 25_000; number++) beats.sent(BigInt(number), number);
    const more: number[] = [];
    for (const seen of [0, 4_999, 12_347, 20_000, 24_999]) {
      const exact = 25_000 - (seen + 1);
      more.push(beats.age(BigInt(seen), 25_000) - exact);
    }
    // The older, the more of them were made one, three times for the oldest.
    expect(more).toEqual([0, 7, 3, 0, 0]);
    expect(beats.age(25_000n, 25_000)).toBe(0);
  });
});
