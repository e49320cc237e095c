/** What an application feels of a migration: traffic before, during and after it, and the ledger at the end. */
import { setTimeout as delay } from 'node:timers/promises';
import { compareWithLedger, type LedgerComparison } from './ledger.ts';
import type { LatencySummary } from './latency.ts';
import { prepareTraffic, startTraffic, type TrafficOptions } from './traffic.ts';
import type { SlowStatement, TrafficReport } from './traffic-record.ts';
import type { TrafficTables } from './traffic-table.ts';

/** What was seen. */
export interface LiveMeasurement {
  /** Has the periods `before`, `during` and `after`. */
  readonly report: TrafficReport;
  /** The longest statement of the application around the swap; null when nothing was swapped. */
  readonly longestAtCutover: SlowStatement | null;
  readonly ledger: LedgerComparison;
  /** The application's transactions that were acknowledged in this time, as `Date.now()` counts. */
  readonly writesBetween: (fromMs: number, throughMs: number) => LatencySummary;
}

/** How to measure. */
export interface LiveMeasure {
  readonly traffic: TrafficOptions;
  readonly beforeMs: number;
  readonly afterMs: number;
  /** Migrates; resolves with the time of the swap, as `Date.now()` counts. */
  readonly migrate: (tables: TrafficTables) => Promise<number | null>;
  /** Told what begins. */
  readonly onStage?: (stage: 'rows' | 'before' | 'during' | 'after' | 'compare') => void;
}

/** The server is warm after this. */
const warmUpMs = 3_000;
/** The lock is asked for and writers wait within this time around the swap. */
const cutoverBeforeMs = 3_000;
const cutoverAfterMs = 500;

/** Makes the table, measures the application alone, migrates, and compares. */
export async function measureLive(options: LiveMeasure, signal: AbortSignal): Promise<LiveMeasurement> {
  const { traffic: load, onStage = () => undefined } = options;
  onStage('rows');
  const tables = await prepareTraffic(load);
  signal.throwIfAborted();
  onStage('before');
  await using traffic = startTraffic(load);
  await delay(warmUpMs, undefined, { signal });
  traffic.enter('before');
  await delay(options.beforeMs, undefined, { signal });
  onStage('during');
  traffic.enter('during');
  const swappedMs = await options.migrate(tables);
  signal.throwIfAborted();
  onStage('after');
  traffic.enter('after');
  await delay(options.afterMs, undefined, { signal });
  const report = await traffic.stop();
  onStage('compare');
  const ledger = await compareWithLedger(load.url, tables, traffic.ledger);
  const around = swappedMs === null ? null : ([swappedMs - cutoverBeforeMs, swappedMs + cutoverAfterMs] as const);
  return {
    report,
    longestAtCutover: around === null ? null : traffic.longestBetween(...around),
    ledger,
    writesBetween: (fromMs, throughMs) => traffic.writesBetween(fromMs, throughMs),
  };
}
