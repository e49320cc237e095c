import { describe, expect, test } from 'vitest';
import { chunkTimeMs } from '../../src/engine/chunk-time.ts';

const written = { targetMs: 15, share: 1, isPaceFull: true, isTableWritten: true, isLatencyLimited: false };
const quiet = { ...written, isTableWritten: false };

describe('a chunk', () => {
  test('takes its time while the table is written', () => {
    expect(chunkTimeMs(written)).toBe(15);
  });

  test('takes longer when the table has not been written for a second', () => {
    expect(chunkTimeMs(quiet)).toBe(100);
  });

  test('takes little longer then where the latency has a limit, which our own heartbeat would come to', () => {
    expect(chunkTimeMs({ ...quiet, isLatencyLimited: true })).toBe(20);
    expect(chunkTimeMs({ ...quiet, isLatencyLimited: true, targetMs: 40 })).toBe(40);
  });

  test('takes no longer than it is told to where that is long anyway', () => {
    expect(chunkTimeMs({ ...quiet, targetMs: 250 })).toBe(250);
  });

  test('takes what the signals leave, and no longer then, although the table is not written', () => {
    expect(chunkTimeMs({ ...written, share: 0.4, isPaceFull: false })).toBe(6);
    expect(chunkTimeMs({ ...quiet, share: 0.4, isPaceFull: false })).toBe(6);
  });

  test('takes its time where only a replica is behind, which feels no single chunk, and no longer', () => {
    expect(chunkTimeMs({ ...written, isPaceFull: false })).toBe(15);
    expect(chunkTimeMs({ ...quiet, isPaceFull: false })).toBe(15);
  });

  test('is not made so short by a low pace that the work around it is most of the cost', () => {
    expect(chunkTimeMs({ ...written, share: 0.02 })).toBe(5);
    expect(chunkTimeMs({ ...written, targetMs: 3, share: 0.02 })).toBe(3);
  });
});
