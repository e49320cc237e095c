/** Where ranges end, and that they adjoin and come to every row, however the keys lie. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChunkSize } from '../../src/engine/chunk-size.ts';
import { type Chunk, Chunker } from '../../src/engine/chunker.ts';
import type { KeyRange, RowKey } from '../../src/engine/model.ts';
import type { KeySpan, TablePair } from '../../src/engine/ports.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const never = new AbortController().signal;

interface Walk {
  readonly ranges: readonly KeyRange[];
  /** How many rows each of them had. */
  readonly rows: readonly number[];
  readonly timesAsked: number;
}

const keyOf = (value: number | bigint): RowKey => `${value}` as RowKey;

function spanOf(keys: readonly bigint[]): KeySpan | null {
  const [first, last] = [keys[0], keys.at(-1)];
  return first === undefined || last === undefined ? null : { first, last, valueOf: BigInt, keyAt: keyOf };
}

/** Walks a table with these keys, which are sorted, in chunks of `rows`. */
async function walk(
  keys: readonly bigint[],
  options: {
    readonly rows: number;
    readonly rowsMax?: number;
    readonly span?: KeySpan | null;
    readonly inserted?: (chunk: Chunk) => readonly bigint[];
  },
): Promise<Walk> {
  let present = keys;
  let timesAsked = 0;
  const within = ({ after, through }: KeyRange): readonly bigint[] =>
    present.filter((key) => (after === null || key > BigInt(after)) && (through === null || key <= BigInt(through)));
  const findChunkEnd: TablePair['findChunkEnd'] = (after, limitRows) => {
    timesAsked += 1;
    const end = within({ after, through: null })[limitRows - 1];
    return Promise.resolve(end === undefined ? null : keyOf(end));
  };
  const rowsMax = (): number => options.rowsMax ?? 1_000_000;
  const size = new ChunkSize({ targetMs: () => 1000, rowsMin: 1, rowsMax, rowsFirst: options.rows });
  const span = options.span === undefined ? spanOf(keys) : options.span;
  const context = { clock: new VirtualClock(), observer: () => {} };
  // The rest of a pair is not used by a chunker.
  const pair = { findChunkEnd } as Pick<TablePair, 'findChunkEnd'> as TablePair;
  const chunker = new Chunker({ pair, size, keySpan: () => span }, null, context);
  const ranges: KeyRange[] = [];
  const rows: number[] = [];
  for (;;) {
    const chunk = await chunker.next(never);
    if (chunk === null) break;
    ranges.push(chunk.range);
    rows.push(within(chunk.range).length);
    chunker.finish(chunk, rows.at(-1) ?? 0);
    present = [...present, ...(options.inserted?.(chunk) ?? [])].sort((a, b) => (a < b ? -1 : 1));
  }
  expect(chunker.isComplete).toBe(true);
  return { ranges, rows, timesAsked };
}

const upTo = (count: number): bigint[] => Array.from({ length: count }, (_, index) => BigInt(index + 1));

describe('the end of a chunk', () => {
  test('is asked for once at the beginning and at the end where keys have no gaps', async () => {
    const { rows, timesAsked } = await walk(upTo(1000), { rows: 100 });
    expect(rows).toEqual([100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 0]);
    // The first tells nothing of how close keys lie, as it begins nowhere.
    expect(timesAsked).toBe(4);
  });

  test('is always asked for where keys are no numbers', async () => {
    const { timesAsked } = await walk(upTo(1000), { rows: 100, span: null });
    expect(timesAsked).toBe(11);
  });

  test('is where as many rows are expected, where every third value is a key', async () => {
    const keys = upTo(3000).filter((key) => key % 3n === 0n);
    const { rows, timesAsked } = await walk(keys, { rows: 100 });
    expect(Math.max(...rows)).toBe(100);
    expect(timesAsked).toBe(4);
  });

  test('is always asked for where most values are no keys', async () => {
    const keys = upTo(5000).filter((key) => key % 5n === 0n);
    const { rows, timesAsked } = await walk(keys, { rows: 100 });
    expect(rows.slice(0, -1)).toEqual(Array.from({ length: 10 }, () => 100));
    expect(timesAsked).toBe(11);
  });

  test('is asked for behind a gap, which is not walked through', async () => {
    const keys = [...upTo(1000), ...upTo(1000).map((key) => key + 1_000_000_000_000n)];
    const { ranges, timesAsked } = await walk(keys, { rows: 100 });
    expect(ranges.length).toBeLessThan(25);
    expect(timesAsked).toBeLessThan(8);
  });

  test('leaves no more rows than a chunk may have, where they suddenly lie closer', async () => {
    const keys = upTo(4000).filter((key) => key > 2000n || key % 4n === 0n);
    const { rows } = await walk(keys, { rows: 100, rowsMax: 150 });
    expect(Math.max(...rows)).toBeLessThanOrEqual(150);
    const unlimited = await walk(keys, { rows: 100 });
    expect(Math.max(...unlimited.rows)).toBeLessThanOrEqual(400);
  });

  test('is asked for behind the last key that was there in the beginning', async () => {
    let next = 1001n;
    const inserted = (chunk: Chunk): readonly bigint[] => (chunk.number < 20 ? [next++, next++, next++] : []);
    const { rows, timesAsked } = await walk(upTo(1000), { rows: 100, inserted });
    expect(rows.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(1000);
    expect(timesAsked).toBe(4);
  });

  test('is exact beyond what a double holds', async () => {
    const base = 18_446_744_073_709_550_000n;
    const { ranges, rows } = await walk(
      upTo(1000).map((key) => base + key),
      { rows: 100 },
    );
    expect(ranges[4]?.through).toBe(keyOf(base + 500n));
    expect(rows.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 100));
  });
});

test('ranges adjoin, are open at both ends of the table, and come to each row once', async () => {
  const keys = fc.uniqueArray(fc.oneof(fc.bigInt(-20n, 60n), fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n)), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(keys, fc.integer({ min: 1, max: 7 }), async (drawn, rows) => {
      const sorted = drawn.toSorted((a, b) => (a < b ? -1 : 1));
      const walked = await walk(sorted, { rows, rowsMax: 20 });
      expect(walked.ranges.map(({ after }) => after)).toEqual([
        null,
        ...walked.ranges.slice(0, -1).map(({ through }) => through),
      ]);
      expect(walked.ranges.at(-1)?.through).toBeNull();
      const backwards = walked.ranges.filter(
        ({ after, through }) => after !== null && through !== null && BigInt(through) <= BigInt(after),
      );
      expect(backwards).toEqual([]);
      expect(walked.rows.reduce((sum, one) => sum + one, 0)).toBe(sorted.length);
      expect(Math.max(...walked.rows)).toBeLessThanOrEqual(20);
    }),
  );
});
