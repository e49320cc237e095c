/** Open-loop writes of somebody's own kind on a table of theirs: latencies from the intended arrival, as traffic.ts has them. */
import { performance } from 'node:perf_hooks';
import { seededRandom } from '../test/support/random.ts';
import { arrivalTimes } from '../test/support/traffic.ts';
import { dialectOf, type TrafficConnection } from '../test/support/traffic-dialect.ts';
import { TrafficRecord, type TrafficReport } from '../test/support/traffic-record.ts';
import { UsageError } from './errors.ts';
import { type BenchTable, nameOf } from './table.ts';

/** Running writes. Disposing stops them. */
export interface StagedWrites extends AsyncDisposable {
  readonly record: TrafficRecord;
  stop(): Promise<TrafficReport>;
}

const sessions = 4;
const sampledRowsMax = 10_000;

/** A statement whose values stand as `?`, and the columns that they come from. */
interface Write {
  readonly sql: string;
  readonly columns: readonly string[];
}

/**
 * Runs the statements in turn, each as a transaction of its own, so many a second, until it is stopped. `{table}` in them is the
 * copy, `{COLUMN}` the value that this column has in a row that is there, chosen at random.
 */
export async function startStagedWrites(
  table: BenchTable,
  statements: readonly string[],
  writesPerSecond: number,
): Promise<StagedWrites> {
  const random = table.flavour === 'postgres' ? 'random()' : 'RAND()';
  const sample = await table.run([`SELECT * FROM base ORDER BY ${random} LIMIT ${sampledRowsMax}`]);
  const writes = statements.map((text) => readWrite(text, nameOf(table), Object.keys(sample[0] ?? {})));
  const record = new TrafficRecord();
  const end = { atMs: Number.POSITIVE_INFINITY };
  const work = Array.from({ length: sessions }, async (_, session) => {
    const choose = seededRandom(1, 'rows', session);
    const arrivals = arrivalTimes(writesPerSecond / sessions, end, seededRandom(1, 'arrivals', session));
    await using writer = await openWriter(table.url, record);
    let turn = session;
    for await (const arrivedMs of arrivals) {
      const write = writes[turn % writes.length];
      const row = sample[Math.floor(choose() * sample.length)];
      if (write === undefined || row === undefined) throw new UsageError('--write: there is no row to write.');
      await writer.write(write, row, arrivedMs);
      turn += 1;
    }
  });
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
    record,
    stop,
    async [Symbol.asyncDispose]() {
      await stop().catch(() => undefined);
    },
  };
}

/** Throws for a placeholder that is no column. */
export function readWrite(text: string, table: string, known: readonly string[]): Write {
  const columns: string[] = [];
  const sql = text.replaceAll(/\{(\w+)\}/g, (placeholder, name: string) => {
    if (name === 'table') return table;
    if (!known.includes(name))
      throw new UsageError(`--write: ${placeholder} is no column; there are ${known.join(', ')}, and {table}.`);
    columns.push(name);
    return '?';
  });
  return { sql, columns };
}

interface Writer extends AsyncDisposable {
  write(write: Write, row: Record<string, unknown>, arrivedMs: number): Promise<void>;
}

/** A statement that fails is counted and not repeated; a session that breaks is opened again. */
async function openWriter(url: string, record: TrafficRecord): Promise<Writer> {
  const dialect = dialectOf(url);
  let connection: TrafficConnection | null = await dialect.connect(url);
  return {
    async write({ columns, sql }, row, arrivedMs) {
      const sentMs = performance.now();
      try {
        connection ??= await dialect.connect(url);
        await connection.query(
          sql,
          columns.map((column) => row[column] as {} | null),
        );
        record.statement(sql, sentMs);
        record.write(arrivedMs);
      } catch (error) {
        const fault = dialect.faultOf(error);
        if (fault === null) throw error;
        record.error(fault.code);
        if (fault.kind === 'deadlock') record.deadlock();
        else record.failure();
        if (!fault.isBroken) return;
        connection?.destroy();
        connection = null;
      }
    },
    async [Symbol.asyncDispose]() {
      await connection?.end();
    },
  };
}
