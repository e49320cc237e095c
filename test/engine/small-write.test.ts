import { describe, expect, test } from 'vitest';
import { ChunkSize } from '../../src/engine/chunk-size.ts';
import { SmallWrite } from '../../src/engine/small-write.ts';

function observing(...durationsMs: readonly number[]): SmallWrite {
  const smallWrite = new SmallWrite();
  for (const ms of durationsMs) smallWrite.observe(ms);
  return smallWrite;
}

describe('what of a chunk its rows take', () => {
  test.each([0, 2, 30, 150])('makes chunks as large where a small write takes %i ms as anywhere', (wayMs) => {
    const size = new ChunkSize({ targetMs: () => 10, rowsMin: 100, rowsMax: () => 50_000, rowsFirst: 100 });
    const smallWrite = observing(wayMs, wayMs, wayMs);
    for (let chunk = 0; chunk < 30; chunk++) size.observe(size.rows, size.rows, smallWrite.beyond(wayMs + size.rows / 120));
    expect(size.rows).toBe(1200);
  });

  test('is all of it before a small write was seen', () => {
    expect(observing().beyond(12)).toBe(12);
  });

  test('has in it what small writes wait for a chunk', () => {
    expect(observing(2, 2, 2, 12, 12, 12, 12).beyond(12)).toBe(10);
  });

  test('follows the way when that changes', () => {
    const smallWrite = observing(2, 2, 2);
    for (let write = 0; write < 16; write++) smallWrite.observe(30);
    expect(smallWrite.beyond(40)).toBe(10);
  });

  test('is never nothing, and never forgiven for more than a way can take', () => {
    expect(observing(30, 30, 30).beyond(20)).toBe(1);
    expect(observing(60_000, 60_000).beyond(90_000)).toBe(89_000);
  });
});
