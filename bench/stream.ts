/**
 * The speed of the change stream on its own. The log is written first and read afterwards, so that the figures are the
 * reader's and not the writers'; what the server needs for sending is in them.
 */
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { never } from '../test/support/adapter-server.ts';
import { startServer, type Flavour } from '../test/support/servers.ts';
import type { CollectedStream } from '../test/support/stream-collected.ts';
import { commonOptions, commonUsage, readCount, readFlavours, readVersion } from './arguments.ts';
import { UsageError } from './errors.ts';
import { machineAtHand } from './machine.ts';
import { type BenchResult, concluded, type Line, numberText, publish } from './result.ts';

const usage = `npm run bench -- stream [option…]

${commonUsage}
                      One server a run.
  --url URL           use this server instead
  --rows N            rows in transactions of 10,000 (2,000,000)
  --transactions N    transactions of one row (300,000)`;

/** In one of the large transactions. */
const bulkRows = 10_000;
/** 150 MB. */
const memoryMibMax = 143;
const slowBatchMs = 100;
const slowSeconds = 10;

interface Figures {
  /** Kind and version. */
  readonly server: string;
  readonly bulkRowsPerSecond: number;
  readonly transactionsPerSecond: number;
  readonly updatedRowsPerSecond: number;
  readonly slowConsumerRssMib: number;
  readonly idleRssMib: number;
}

export async function benchStream(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonOptions,
      url: { type: 'string' },
      rows: { type: 'string', default: '2000000' },
      transactions: { type: 'string', default: '300000' },
    },
  });
  if (values.help) return console.log(usage);
  const size = {
    rows: readCount('rows', values.rows, { min: bulkRows, max: 100_000_000 }),
    transactions: readCount('transactions', values.transactions, { min: 1, max: 100_000_000 }),
  };
  const [flavour, ...others] = readFlavours(values.flavour);
  if (flavour === undefined || others.length > 0) {
    throw new UsageError('--flavour: one server a run, for the memory of this process is measured.');
  }
  const flags = values.url === undefined ? cheapCommits[flavour] : [];
  const version = readVersion(values.version);
  await using server = values.url === undefined ? await startServer({ flavour, version, extraFlags: flags }) : null;
  publish([await measureOn(flavour, server?.url ?? values.url ?? '', size, flags)], values.json);
}

interface Size {
  readonly rows: number;
  readonly transactions: number;
}

/** A part of the log: opens a stream that begins where it does. */
export type Part = () => Promise<CollectedStream>;

/** A table on a server, how to fill it, and streams on it. */
export interface Subject extends AsyncDisposable {
  readonly version: string;
  /** The part of the log that this writes. */
  readonly partOf: (write: () => Promise<void>) => Promise<Part>;
  /** In transactions of 10,000. */
  readonly insertBulk: (rows: number) => Promise<void>;
  /** Changes every row, in transactions of 10,000. */
  readonly updateAll: () => Promise<void>;
  /** In transactions of one row. */
  readonly insertSingly: (transactions: number) => Promise<void>;
}

/** So cheap are commits that filling the log takes less time than reading it matters. */
const cheapCommits: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: ['--sync-binlog=0', '--innodb-flush-log-at-trx-commit=0', '--max-binlog-size=1G'],
  mariadb: ['--sync-binlog=0', '--innodb-flush-log-at-trx-commit=0', '--max-binlog-size=1G'],
  postgres: ['--fsync=off', '--synchronous-commit=off', '--max-wal-size=4GB'],
};

async function measureOn(flavour: Flavour, url: string, size: Size, flags: readonly string[]): Promise<BenchResult> {
  const machine = machineAtHand();
  const figures = await measure(flavour, url, size);
  return concluded(
    { bench: 'stream', flavour, server: figures.server, machine },
    {
      title: `${numberText(size.rows, 0)} rows, ${numberText(size.transactions, 0)} transactions of one row`,
      settings: { ...size, flags: flags.join(' ') },
      columns: [
        { title: 'figure', digits: 0 },
        { title: 'wanted', digits: 0 },
        { title: '× wanted', digits: 2 },
      ],
      lines: linesOf(flavour, figures),
      charts: [
        {
          kind: 'bars',
          name: 'rates',
          title: 'Changes read from the log',
          unit: '/s',
          bars: [
            { name: 'bulk inserts', value: figures.bulkRowsPerSecond, isOurs: true },
            { name: 'bulk updates', value: figures.updatedRowsPerSecond, isOurs: true },
            { name: 'one-row transactions', value: figures.transactionsPerSecond, isOurs: true },
          ],
        },
      ],
      runs: [figures],
    },
  );
}

async function measure(flavour: Flavour, url: string, size: Size): Promise<Figures> {
  await using subject = await openSubject(flavour, url);
  const bulk = await subject.partOf(() => subject.insertBulk(size.rows));
  const updates = await subject.partOf(() => subject.updateAll());
  const single = await subject.partOf(() => subject.insertSingly(size.transactions));
  const idleRssMib = rssMib();
  // First of all readings, for memory that a fast one once used is not given back.
  const slowConsumerRssMib = await slowRss(bulk);
  return {
    server: subject.version,
    bulkRowsPerSecond: await readRate(bulk, size.rows),
    updatedRowsPerSecond: await readRate(updates, size.rows),
    transactionsPerSecond: await readRate(single, size.transactions),
    slowConsumerRssMib,
    idleRssMib,
  };
}

/** Only one of the adapters is loaded, for memory is measured. */
async function openSubject(flavour: Flavour, url: string): Promise<Subject> {
  if (flavour === 'postgres') return (await import('./stream-postgres.ts')).openPostgresSubject(url);
  return (await import('./stream-mysql.ts')).openMysqlSubject(url);
}

/** Changes a second, from the first to the last of them; the best of two readings. */
async function readRate(part: Part, changes: number): Promise<number> {
  const rates: number[] = [];
  for (let reading = 0; reading < 2; reading += 1) {
    const opened = await part();
    const began = performance.now();
    let seen = 0;
    for await (const batch of opened.stream.batches(never)) {
      seen += batch.changes.length;
      if (seen >= changes) break;
    }
    rates.push((1000 * changes) / (performance.now() - began));
    await opened.close();
  }
  return Math.round(Math.max(...rates));
}

/** The most memory that this process had while batches were taken slowly. */
async function slowRss(part: Part): Promise<number> {
  const opened = await part();
  let most = rssMib();
  for await (const { changes } of opened.stream.batches(AbortSignal.timeout(1000 * slowSeconds))) {
    await delay(changes.length > 0 ? slowBatchMs : 0);
    most = Math.max(most, rssMib());
  }
  await opened.close();
  return most;
}

function rssMib(): number {
  return Math.round(process.memoryUsage.rss() / 1024 / 1024);
}

function linesOf(flavour: Flavour, figures: Figures): readonly Line[] {
  const isPostgres = flavour === 'postgres';
  const line = (name: string, figure: number, wanted: number | null): Line => ({
    name,
    cells: [figure, wanted, wanted === null ? null : figure / wanted],
  });
  return [
    line('bulk inserts, rows/s', figures.bulkRowsPerSecond, isPostgres ? 150_000 : 600_000),
    line('bulk updates, rows/s', figures.updatedRowsPerSecond, null),
    line('one-row transactions/s', figures.transactionsPerSecond, isPostgres ? null : 60_000),
    line('memory with a slow consumer, MiB', figures.slowConsumerRssMib, memoryMibMax),
    line('memory before reading, MiB', figures.idleRssMib, null),
  ];
}
