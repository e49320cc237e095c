import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChunkSize } from '../../src/engine/chunk-size.ts';

const OPTIONS = { targetMs: () => 250, rowsMin: 100, rowsMax: () => 50_000, rowsFirst: 1000 };

describe('the chunk size', () => {
  test('begins with the first size', () => {
    expect(new ChunkSize(OPTIONS).rows).toBe(1000);
  });

  test('grows by half at most from one chunk to the next', () => {
    const size = new ChunkSize(OPTIONS);
    size.observe(1000, 1000, 1);
    expect(size.rows).toBe(1500);
  });

  test('settles where a chunk takes the target time', () => {
    const size = new ChunkSize(OPTIONS);
    for (let chunk = 0; chunk < 50; chunk++) size.observe(size.rows, size.rows, size.rows / 20);
    expect(size.rows).toBe(5000);
  });

  test('shrinks at once when a chunk is five times over the target', () => {
    const size = new ChunkSize(OPTIONS);
    size.observe(1000, 1000, 2500);
    expect(size.rows).toBe(100);
  });

  test('shrinks at once with its target, and grows again with it', () => {
    let targetMs = 250;
    const size = new ChunkSize({ ...OPTIONS, targetMs: () => targetMs });
    for (let chunk = 0; chunk < 50; chunk++) size.observe(size.rows, size.rows, size.rows / 20);
    targetMs = 25;
    expect(size.rows).toBe(500);
    targetMs = 250;
    expect(size.rows).toBe(5000);
  });

  test('does not judge by a short last chunk', () => {
    const size = new ChunkSize(OPTIONS);
    size.observe(1000, 3, 1);
    expect(size.rows).toBe(1000);
  });

  test('stays within its bounds whatever it observes', () => {
    const observation = fc.tuple(fc.nat(100_000), fc.nat(100_000), fc.nat(100_000));
    fc.assert(
      fc.property(fc.array(observation), (observations) => {
        const size = new ChunkSize(OPTIONS);
        for (const [limitRows, rows, durationMs] of observations) {
          size.observe(limitRows, rows, durationMs);
          expect(size.rows).toBeGreaterThanOrEqual(OPTIONS.rowsMin);
          expect(size.rows).toBeLessThanOrEqual(OPTIONS.rowsMax());
        }
      }),
    );
  });
});
