/**
 * What an application feels of a migration, and how long that takes: open-loop traffic of 300 write transactions a second,
 * latencies from the intended arrival, on a table that is made anew for each run. Variants alternate within each round.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureLive } from '../test/support/live-measure.ts';
import { type Flavour, startServer } from '../test/support/servers.ts';
import { runTool, type ToolRun } from '../test/support/tableshift-process.ts';
import type { PeriodReport } from '../test/support/traffic-record.ts';
import { describeMachine } from './machine.ts';

const usage = `npm run bench -- load [option…]

  --flavour mysql|mariadb|postgres   which server to start (mysql)
  --rows N                           rows of the table (1,000,000)
  --writes N                         write transactions a second (300), about four row changes each
  --rounds N                         each variant so many times (1)
  --variant NAME=OPTIONS             options of migrate, such as gentle="--workers 1"; several; "default=" unless given
  --json FILE                        write the figures there too`;

const flags: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: ['--innodb-buffer-pool-size=1G', '--innodb-redo-log-capacity=1G'],
  mariadb: ['--innodb-buffer-pool-size=1G', '--innodb-log-file-size=1G'],
  postgres: ['--shared-buffers=1GB', '--max-wal-size=4GB'],
};
const beforeMs = 10_000;
const afterMs = 1_000;

interface Figures {
  readonly variant: string;
  readonly seconds: number;
  readonly throttledSeconds: number;
  readonly lagMaxMs: number;
  readonly blockedMs: number;
  readonly before: PeriodReport['writes'];
  readonly during: PeriodReport['writes'];
  readonly longestAtCutoverMs: number;
  readonly failed: number;
  readonly differences: number;
}

export async function benchLoad(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      flavour: { type: 'string', default: 'mysql' },
      rows: { type: 'string', default: '1000000' },
      writes: { type: 'string', default: '300' },
      rounds: { type: 'string', default: '1' },
      variant: { type: 'string', multiple: true, default: ['default='] },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(usage);
  const flavour = (['mysql', 'mariadb', 'postgres'] as const).find((known) => known === values.flavour) ?? 'mysql';
  console.log(`${flavour}, ${values.rows} rows, ${values.writes} write transactions/s, ${describeMachine()}`);
  console.log(titles);
  const all: Figures[] = [];
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const variant of values.variant) {
      const figures = await measure(flavour, variant, { rows: Number(values.rows), writesPerSecond: Number(values.writes) });
      all.push(figures);
      console.log(lineOf(figures));
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, undefined, 2)}\n`);
}

interface Load {
  readonly rows: number;
  readonly writesPerSecond: number;
}

async function measure(flavour: Flavour, variant: string, load: Load): Promise<Figures> {
  const [name = '', ...options] = variant.split('=');
  const more = options
    .join('=')
    .split(' ')
    .filter((part) => part !== '');
  await using server = await startServer({ flavour, extraFlags: flags[flavour] });
  const traffic = { url: server.url, schema: 'bench', seed: 1, readsPerSecond: 100, writers: 4, hasTwin: false, ...load };
  const runs: ToolRun[] = [];
  const alter = flavour === 'postgres' ? 'ALTER COLUMN amount TYPE bigint' : 'MODIFY amount BIGINT NOT NULL';
  const { report, longestAtCutover, ledger } = await measureLive(
    {
      traffic,
      beforeMs,
      afterMs,
      migrate: async ({ schema, table }) => {
        const run = await runTool(['migrate', '--url', server.url, '--table', `${schema}.${table}`, '--alter', alter, ...more]);
        runs.push(run);
        const swapped = run.lines.find((line) => line.kind === 'swapped');
        return swapped === undefined ? null : Date.parse(String(swapped['time']));
      },
    },
    new AbortController().signal,
  );
  const summary: Readonly<Record<string, unknown>> = runs[0]?.summary ?? {};
  const { before, during } = report.periods;
  if (before === undefined || during === undefined || longestAtCutover === null)
    throw new Error(`${variant} did not swap: ${runs[0]?.stderr}`);
  return {
    variant: name,
    seconds: Number(summary['elapsedMs']) / 1000,
    throttledSeconds: Number(summary['throttledMs']) / 1000,
    lagMaxMs: Number(summary['lagMaxMs']),
    blockedMs: Number(summary['blockedMs']),
    before: before.writes,
    during: during.writes,
    longestAtCutoverMs: longestAtCutover.ms,
    failed: report.failed,
    differences: ledger.differences.length,
  };
}

const widths = [14, 8, 9, 8, 8, 22, 30, 10, 8, 7, 5];
const titles = row([
  'variant',
  'seconds',
  'throttled',
  'lag max',
  'blocked',
  'before p50/p95/p99 ms',
  'during p50/p95/p99/max ms',
  'p99 ratio',
  'cutover',
  'failed',
  'lost',
]);

function lineOf(figures: Figures): string {
  const { before, during } = figures;
  return row([
    figures.variant,
    figures.seconds.toFixed(1),
    figures.throttledSeconds.toFixed(1),
    figures.lagMaxMs.toFixed(0),
    figures.blockedMs.toFixed(0),
    [before.p50, before.p95, before.p99].map((ms) => ms.toFixed(1)).join(' / '),
    [during.p50, during.p95, during.p99, during.max].map((ms) => ms.toFixed(1)).join(' / '),
    (during.p99 / before.p99).toFixed(1),
    figures.longestAtCutoverMs.toFixed(0),
    String(figures.failed),
    String(figures.differences),
  ]);
}

function row(cells: readonly string[]): string {
  return cells
    .map((cell, place) => (place === 0 ? cell.padEnd(widths[place] ?? 0) : cell.padStart(widths[place] ?? 0)))
    .join(' ');
}
