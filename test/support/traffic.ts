/**
 * Load as an application makes it: transactions and reads that arrive at a given rate whether the server keeps up or not (open
 * loop, latency counted from the intended arrival), and a ledger of everything that the server acknowledged.
 */
import { performance } from 'node:perf_hooks';
import { Ledger } from './ledger.ts';
import { seededRandom } from './random.ts';
import { withApplication } from './traffic-dialect.ts';
import { runReader } from './traffic-reader.ts';
import type { LatencySummary } from './latency.ts';
import { type SlowStatement, TrafficRecord, type TrafficReport } from './traffic-record.ts';
import { trafficTables, type TrafficTables } from './traffic-table.ts';
import { TrafficWriter } from './traffic-writer.ts';

/** What load on which server. */
export interface TrafficOptions {
  /** `mysql://root@127.0.0.1:20123/`, `postgres://postgres@127.0.0.1:20124/postgres` */
  readonly url: string;
  readonly schema: string;
  readonly rows: number;
  readonly seed: number;
  /** Transactions a second, of about four row changes each. */
  readonly writesPerSecond: number;
  /** SELECTs that each of them begins with: of fourteen, ten by key and four of a hundred rows. None unless given. */
  readonly readsEach?: number;
  readonly readsPerSecond: number;
  /** Sessions that write; each has rows of its own. */
  readonly writers: number;
  /** Whether each change is made to the twin table too, in the same transaction. */
  readonly hasTwin: boolean;
}

/** Running load. Disposing stops it. */
export interface Traffic extends AsyncDisposable {
  readonly tables: TrafficTables;
  readonly ledger: Ledger;
  /** Figures from now on are counted under this name: 'before', 'during'. */
  enter(period: string): void;
  /** The figures so far. */
  report(): TrafficReport;
  /** Resolves once so many transactions are acknowledged. */
  acknowledged(count: number): Promise<void>;
  /** The longest statement that was answered in this time, as `Date.now()` counts. */
  longestBetween(fromMs: number, throughMs: number): SlowStatement | null;
  /** The transactions that were acknowledged in this time, as `Date.now()` counts. */
  writesBetween(fromMs: number, throughMs: number): LatencySummary;
  /** No arrivals from now on; resolves when those before are served and every outcome is known. */
  stop(): Promise<TrafficReport>;
}

/** Makes the tables of the traffic in a new schema. */
export async function prepareTraffic({ url, schema, rows, hasTwin }: TrafficOptions): Promise<TrafficTables> {
  const tables = trafficTables(schema);
  await withApplication(url, (connection, dialect) => dialect.createTables(connection, tables, { rows, hasTwin }));
  return tables;
}

/** Starts load on tables that `prepareTraffic` made. */
export function startTraffic(options: TrafficOptions): Traffic {
  const tables = trafficTables(options.schema);
  const ledger = new Ledger(options.rows);
  const record = new TrafficRecord();
  const end = { atMs: Number.POSITIVE_INFINITY };
  const work = Array.from({ length: options.writers }, (_, worker) => {
    const writer = new TrafficWriter({ ...options, worker, tables, ledger, record });
    const arrivals = arrivalTimes(
      options.writesPerSecond / options.writers,
      end,
      seededRandom(options.seed, 'arrivals', worker),
    );
    return writer.run(arrivals);
  });
  if (options.readsPerSecond > 0) {
    const arrivals = arrivalTimes(options.readsPerSecond, end, seededRandom(options.seed, 'reads'));
    work.push(runReader({ ...options, tables, record }, arrivals));
  }
  // A worker that fails stops the others and is reported by `stop`.
  const done = Promise.all(work);
  done.catch(() => {
    end.atMs = 0;
  });
  const stop = async (): Promise<TrafficReport> => {
    end.atMs = Math.min(end.atMs, performance.now());
    await done;
    return record.report();
  };
  return {
    tables,
    ledger,
    enter: (period) => record.enter(period),
    report: () => record.report(),
    acknowledged: (count) => record.acknowledged(count),
    longestBetween: (fromMs, throughMs) => record.longestBetween(fromMs, throughMs),
    writesBetween: (fromMs, throughMs) => record.writesBetween(fromMs, throughMs),
    stop,
    async [Symbol.asyncDispose]() {
      await stop().catch(() => undefined);
    },
  };
}

/** When requests arrive, by `performance.now()`: at random with this mean rate, as those of many users do. Ends with the load. */
export async function* arrivalTimes(
  perSecond: number,
  end: { readonly atMs: number },
  random: () => number,
): AsyncGenerator<number> {
  for (let atMs = performance.now(); ; ) {
    atMs += (-Math.log(1 - random()) * 1_000) / perSecond;
    for (let leftMs = atMs - performance.now(); leftMs > 0; leftMs = atMs - performance.now()) {
      if (performance.now() >= end.atMs) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(leftMs, 100)));
    }
    if (atMs >= end.atMs) return;
    yield atMs;
  }
}
