/** The reading half of the traffic: points and short ranges by key, of rows that others write meanwhile. */
import { performance } from 'node:perf_hooks';
import { below, seededRandom } from './random.ts';
import { ApplicationSession } from './traffic-session.ts';
import type { TrafficRecord } from './traffic-record.ts';
import { firstId, type TrafficTables } from './traffic-table.ts';

/** Whose reads. */
export interface ReaderOptions {
  readonly url: string;
  readonly seed: number;
  readonly rows: number;
  readonly tables: TrafficTables;
  readonly record: TrafficRecord;
}

/** Reads at the given times, one after another. */
export async function runReader(options: ReaderOptions, arrivals: AsyncIterable<number>): Promise<void> {
  const { tables, record } = options;
  const random = seededRandom(options.seed, 'reader');
  await using session = new ApplicationSession(options.url, record);
  const table = `${tables.schema}.${tables.table}`;
  for await (const arrivedMs of arrivals) {
    const id = firstId + below(random, Math.max(1, options.rows));
    const range = random() < 0.3 ? `BETWEEN ${id} AND ${id + 20}` : `= ${id}`;
    try {
      await session.query(`SELECT id, handle, amount, version, note FROM ${table} WHERE id ${range}`);
      record.read(arrivedMs);
    } catch {
      // Counted by its code; the next read comes in a new session if this one is gone.
    }
    if (performance.now() - arrivedMs > maxBehindMs)
      throw new Error('Reads are a minute behind their arrival: the server is stuck.');
  }
}

const maxBehindMs = 60_000;
