/** A load on a server of the bench's own, with the traffic of the tests, whose ledger knows what every row must be. */
import { setTimeout as delay } from 'node:timers/promises';
import { measureLive } from '../test/support/live-measure.ts';
import type { PostgresVersion } from '../test/support/postgres-software.ts';
import { deadlockFlags, readDeadlocks } from '../test/support/server-deadlocks.ts';
import { type Flavour, type Server, startServer } from '../test/support/servers.ts';
import { startTrafficProcess } from '../test/support/traffic-process.ts';
import type { TrafficOptions } from '../test/support/traffic.ts';
import { RunFailedError } from './errors.ts';
import { afterMs, type Felt, feltBy, type Load, type Measured, type Variant, warmUpMs } from './load-felt.ts';
import { measureCpu, watchMemory } from './machine.ts';
import { numberText } from './result.ts';
import { runIn } from './table.ts';
import { migrateByTool } from './tool.ts';

const capacityMs = 10_000;
/** More than any server does for few connections. */
const unreachableRate = 100_000;

export interface PrivateLoad {
  readonly flavour: Flavour;
  readonly version: PostgresVersion;
  readonly rows: number;
  /** Of the application, that write. */
  readonly connections: number;
  /** SELECTs in each transaction. */
  readonly readsEach: number;
  readonly flags: readonly string[];
}

/** The traffic of all runs, but for its rate. */
function trafficOn(server: Server, { connections, readsEach, rows }: PrivateLoad): Omit<TrafficOptions, 'writesPerSecond'> {
  const kind = { schema: 'bench', seed: 1, readsEach, readsPerSecond: 100, hasTwin: false };
  return { url: server.url, writers: connections, rows, ...kind };
}

/** The load that takes so much of what the server can do. */
export async function loadTo(percent: number, server: PrivateLoad, load: Load): Promise<Load> {
  const capacity = Math.round(await measureCapacity(server));
  return { ...load, capacity, writesPerSecond: (capacity * percent) / 100 };
}

/** Transactions a second that the writers get done when the next is always due. */
async function measureCapacity(load: PrivateLoad): Promise<number> {
  const { flags, flavour, rows, version } = load;
  await using server = await startServer({ flavour, version, extraFlags: flags });
  if (flavour === 'postgres') await fillLog(server.url, rows);
  await using traffic = await startTrafficProcess({ ...trafficOn(server, load), writesPerSecond: unreachableRate });
  await delay(warmUpMs);
  await traffic.enter('before');
  const from = performance.now();
  await delay(capacityMs);
  const { periods } = await traffic.report();
  const perSecond = (1_000 * (periods['before']?.writes.count ?? 0)) / (performance.now() - from);
  if (perSecond === 0) throw new RunFailedError('No write of the application succeeded while its capacity was measured.');
  console.error(`${flavour}: the application alone gets ${numberText(perSecond, 0)} write transactions/s done`);
  return perSecond;
}

/** What a row of the traffic's tables leaves in the log until the end of a run, at most: filled, copied, with its indexes. */
const loggedBytesPerRow = 1_024;

/**
 * Lets PostgreSQL make the files of its log that a run will need. A server that has been at work has them: it takes them again after a
 * checkpoint. A new one makes them one by one, 16 MiB full of zeros each, while all commits wait.
 */
async function fillLog(url: string, rows: number): Promise<void> {
  const messages = Math.ceil((rows * loggedBytesPerRow) / 2 ** 24);
  await runIn(url, null, [
    `SELECT count(pg_logical_emit_message(false, '', repeat('x', ${2 ** 24}))) FROM generate_series(1, ${messages})`,
    'CHECKPOINT',
    'SELECT pg_switch_wal()',
    'CHECKPOINT',
  ]);
}

/** On a server of its own, with the traffic of the tests, whose ledger knows what every row must be. */
export async function measurePrivate(on: PrivateLoad, variant: Variant, load: Load): Promise<Felt> {
  const { flags, flavour, rows, version } = on;
  await using server = await startServer({ flavour, version, extraFlags: [...flags, ...deadlockFlags[flavour]] });
  if (flavour === 'postgres') await fillLog(server.url, rows);
  const traffic = { ...trafficOn(server, on), ...load };
  const alter = flavour === 'postgres' ? 'ALTER COLUMN amount TYPE bigint' : 'MODIFY amount BIGINT NOT NULL';
  const measured: Measured[] = [];
  const { report, longestAtCutover, ledger, writesBetween } = await measureLive(
    {
      traffic,
      beforeMs: load.beforeMs,
      afterMs,
      migrate: async ({ schema, table }) => {
        const used = measureCpu(server.pid);
        const memory = watchMemory(server.pid);
        const run = await migrateByTool({ url: server.url, table: `${schema}.${table}`, alter, options: variant.options });
        measured.push({ run, cpu: used(), serverMib: memory.stop() });
        return run.swappedMs;
      },
    },
    new AbortController().signal,
  );
  const [first] = measured;
  if (first === undefined) throw new Error('Nothing was migrated.');
  if (report.failed > 0) {
    const { application, mixed } = readDeadlocks({ flavour, logFile: server.logFile });
    console.error(
      `${report.failed} transactions failed: ${JSON.stringify(report.errors)}; deadlocks of the application alone: ${application.length}, with others: ${mixed.length}`,
    );
  }
  const longestMs = longestAtCutover?.ms ?? 0;
  return feltBy(variant, first, { report, writesBetween, longestMs, differences: ledger.differences.length });
}
