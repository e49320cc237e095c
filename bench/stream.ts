/**
 * The speed of the change stream on its own. The log is written first and read afterwards, so that the figures are the
 * reader's and not the writers'; what the server needs for sending is in them.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { never } from '../test/support/adapter-server.ts';
import { startServer, type Flavour } from '../test/support/servers.ts';
import type { CollectedStream } from '../test/support/stream-collected.ts';

const usage = `npm run bench -- stream [option…]

  --flavour NAME            which server to start: mysql, mariadb or postgres (mysql)
  --url URL                 use this server instead
  --rows N                  rows in transactions of 10,000 (2,000,000)
  --transactions N          transactions of one row (300,000)
  --json FILE               write the figures there too`;

const flavours: readonly Flavour[] = ['mysql', 'mariadb', 'postgres'];
const slowBatchMs = 100;
const slowSeconds = 10;

interface Figures {
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
      flavour: { type: 'string', default: 'mysql' },
      url: { type: 'string' },
      rows: { type: 'string', default: '2000000' },
      transactions: { type: 'string', default: '300000' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(usage);
  const flavour = flavours.find((name) => name === values.flavour);
  if (flavour === undefined) throw new Error(`There is no flavour ${values.flavour}: ${flavours.join(', ')}.`);
  const size = { rows: Number(values.rows), transactions: Number(values.transactions) };
  const figures = values.url === undefined ? await measureOwn(flavour, size) : await measure(flavour, values.url, size);
  print(figures);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, undefined, 2)}\n`);
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

async function measureOwn(flavour: Flavour, size: Size): Promise<Figures> {
  await using server = await startServer({ flavour, extraFlags: cheapCommits[flavour] });
  return await measure(flavour, server.url, size);
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

function print(figures: Figures): void {
  const lines: readonly (readonly [string, number, string])[] = [
    ['bulk inserts', figures.bulkRowsPerSecond, 'rows/s'],
    ['bulk updates', figures.updatedRowsPerSecond, 'rows/s'],
    ['one-row transactions', figures.transactionsPerSecond, 'transactions/s'],
    ['memory, slow consumer', figures.slowConsumerRssMib, 'MiB'],
    ['memory before reading', figures.idleRssMib, 'MiB'],
  ];
  console.log(figures.server);
  for (const [what, value, unit] of lines)
    console.log(`  ${what.padEnd(24)}${value.toLocaleString('en').padStart(12)} ${unit}`);
}
