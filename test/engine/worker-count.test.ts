import { expect, test } from 'vitest';
import { WorkerCount } from '../../src/engine/worker-count.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const PIECE_ROWS = 100;

/** Workers that share a server; resolves with how many worked at the end of each second. */
async function countsBy(
  seconds: number,
  {
    rowsPerMs,
    max,
    count,
    clock,
  }: {
    /** Of all workers together, by their number. */
    readonly rowsPerMs: (workers: number) => number;
    readonly max: number;
    readonly count: WorkerCount;
    readonly clock: VirtualClock;
  },
): Promise<readonly number[]> {
  const counts: number[] = [];
  const endMs = clock.now() + seconds * 1000;
  while (clock.now() < endMs) {
    // Pieces end evenly spread over time.
    const workers = count.of(max);
    const apartMs = PIECE_ROWS / rowsPerMs(workers);
    await clock.advance(apartMs);
    count.observe({ rows: PIECE_ROWS, busyMs: workers * apartMs }, max);
    counts[Math.floor(clock.now() / 1000)] = count.of(max);
  }
  return counts;
}

function setUp({ isTableWritten = false } = {}) {
  const clock = new VirtualClock();
  return { clock, count: new WorkerCount(clock, () => isTableWritten) };
}

test('all workers work where each brings as much as the others', async () => {
  const counts = await countsBy(20, { ...setUp(), max: 4, rowsPerMs: (workers) => 10 * workers });
  expect(counts[0]).toBeLessThan(4);
  expect(counts[4]).toBe(4);
  // One less for a moment, to see whether the last one still pays.
  expect(counts.slice(4).filter((workers) => workers === 4).length).toBeGreaterThan(12);
});

test('one worker works where a second brings next to nothing, and is tried ever less often', async () => {
  const counts = await countsBy(120, { ...setUp(), max: 4, rowsPerMs: (workers) => 10 + workers });
  expect(Math.max(...counts)).toBe(2);
  expect(counts.filter((workers) => workers === 2).length).toBeLessThan(8);
});

test.each([
  [true, 0.5, 1],
  [true, 0.7, 2],
  [false, 0.2, 1],
  [false, 0.5, 2],
])(
  'while the table is written (%s) a second worker that brings %d of the first makes %d',
  async (isTableWritten, gain, expected) => {
    const counts = await countsBy(60, {
      ...setUp({ isTableWritten }),
      max: 2,
      rowsPerMs: (workers) => 10 * (1 + gain * (workers - 1)),
    });
    expect(counts.filter((workers) => workers === expected).length).toBeGreaterThan(45);
  },
);

test('what one more brings while the table is written is seen within a few pieces', async () => {
  const { clock, count } = setUp({ isTableWritten: true });
  const tried: boolean[] = [];
  for (let piece = 0; piece < 200; piece += 1) {
    await clock.advance(10);
    count.observe({ rows: PIECE_ROWS, busyMs: 10 * count.of(2) }, 2);
    tried.push(count.isTrying);
  }
  expect(tried.filter(Boolean).length).toBeLessThan(20);
  expect(tried.filter(Boolean).length).toBeGreaterThan(5);
});

test('rests between pieces do not make one more worth it', async () => {
  const { clock, count } = setUp({ isTableWritten: true });
  for (let piece = 0; piece < 1000; piece += 1) {
    // Each rests as long as it worked, except while one more is tried; two take twice as long as one.
    const busyMs = 10 * count.of(2);
    await clock.advance((count.isTrying ? 1 : 2) * (busyMs / count.of(2)));
    count.observe({ rows: PIECE_ROWS, busyMs }, 2);
  }
  expect(count.of(2)).toBe(1);
});

test('nobody is on trial beyond the most that may work', async () => {
  const { clock, count } = setUp();
  const tried: number[] = [];
  for (let piece = 0; piece < 2_000; piece += 1) {
    const max = piece < 300 ? 1 : 3;
    await clock.advance(30 / count.of(max));
    count.observe({ rows: PIECE_ROWS, busyMs: 30 }, max);
    if (count.isTrying) tried.push(piece);
  }
  expect(tried[0]).toBeGreaterThanOrEqual(300);
  expect(tried.length).toBeGreaterThan(20);
  expect(tried.length).toBeLessThan(1_000);
});

test('as many workers work as bring something', async () => {
  const counts = await countsBy(60, { ...setUp(), max: 8, rowsPerMs: (workers) => 10 * Math.min(3, workers) });
  expect(counts.slice(5).filter((workers) => workers === 3).length).toBeGreaterThan(40);
});

test('a worker that has ceased to bring anything goes, and comes again when it does', async () => {
  const { clock, count } = setUp();
  const server = { clock, count, max: 2 };
  await countsBy(10, { ...server, rowsPerMs: (workers) => 10 * workers });
  expect(count.of(2)).toBe(2);
  await countsBy(60, { ...server, rowsPerMs: () => 10 });
  expect(count.of(2)).toBe(1);
  await countsBy(120, { ...server, rowsPerMs: (workers) => 10 * workers });
  expect(count.of(2)).toBe(2);
});

test('what was counted while something else held the work back is no rate', async () => {
  const { clock, count } = setUp();
  for (let piece = 0; piece < 100; piece += 1) {
    await clock.advance(100);
    count.disturbed();
    count.observe({ rows: PIECE_ROWS, busyMs: 100 }, 4);
  }
  expect(count.of(4)).toBe(1);
});
