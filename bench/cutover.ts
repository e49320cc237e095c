/**
 * For how long a swap blocks writes: many migrations of the same small table, one after the other on one server, while an
 * application writes and reads it without a pause. As the tool says, and as the application feels it: its longest statement that was
 * answered from when writes were blocked until shortly after the swap.
 */
import { parseArgs } from 'node:util';
import { compareWithLedger } from '../test/support/ledger.ts';
import { type Flavour, startServer } from '../test/support/servers.ts';
import { prepareTraffic, startTraffic } from '../test/support/traffic.ts';
import type { PostgresVersion } from '../test/support/postgres-software.ts';
import { commonOptions, commonUsage, readCount, readFlavours, readVersion, wordsOf } from './arguments.ts';
import { describeMachine, machineAtHand } from './machine.ts';
import { type BenchResult, concluded, numberText, publish } from './result.ts';
import { type Bin, histogram, median, percentile, ratio } from './statistics.ts';
import { benchFlags, serverText } from './table.ts';
import { dropRetired, migrateByTool } from './tool.ts';

const usage = `npm run bench -- cutover [option…]

${commonUsage}
  --cutovers N        how many (50)
  --rows N            rows of the table (10,000)
  --writes N          write transactions a second (300), about four row changes each
  --reads-each N      SELECTs that each of them begins with (0)
  --options TEXT      more options of migrate`;

/** What a statement feels of a swap it feels by then: it was waiting for it. */
const afterSwapMs = 200;
const edgesMs = [0, 10, 20, 50, 100, 200, 300];

/** One of them. Milliseconds. */
interface Cutover {
  readonly told: number;
  readonly felt: number;
  readonly attempts: number;
}

interface Task {
  readonly cutovers: number;
  readonly rows: number;
  readonly writesPerSecond: number;
  readonly readsEach: number;
  readonly options: readonly string[];
}

export async function benchCutover(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonOptions,
      cutovers: { type: 'string', default: '50' },
      rows: { type: 'string', default: '10000' },
      writes: { type: 'string', default: '300' },
      'reads-each': { type: 'string', default: '0' },
      options: { type: 'string', default: '' },
    },
  });
  if (values.help) return console.log(usage);
  const task: Task = {
    cutovers: readCount('cutovers', values.cutovers, { min: 1, max: 10_000 }),
    rows: readCount('rows', values.rows, { min: 1, max: 10_000_000 }),
    writesPerSecond: readCount('writes', values.writes, { min: 1, max: 100_000 }),
    readsEach: readCount('reads-each', values['reads-each'], { min: 0, max: 1_000 }),
    options: wordsOf(values.options),
  };
  const results: BenchResult[] = [];
  for (const flavour of readFlavours(values.flavour)) results.push(await measure(flavour, readVersion(values.version), task));
  publish(results, values.json);
}

/** Each undoes the other, so that the same table can be changed again and again. */
const alters: Readonly<Record<Flavour, readonly [string, string]>> = {
  mysql: ['MODIFY amount BIGINT NOT NULL', 'MODIFY amount INT NOT NULL'],
  mariadb: ['MODIFY amount BIGINT NOT NULL', 'MODIFY amount INT NOT NULL'],
  postgres: ['ALTER COLUMN amount TYPE bigint', 'ALTER COLUMN amount TYPE integer'],
};

async function measure(flavour: Flavour, version: PostgresVersion, task: Task): Promise<BenchResult> {
  const machine = machineAtHand();
  console.error(`${flavour}; before the first run: ${describeMachine(machine)}`);
  const flags = benchFlags(flavour);
  await using server = await startServer({ flavour, version, extraFlags: flags });
  const { readsEach, rows, writesPerSecond } = task;
  const load = {
    url: server.url,
    schema: 'bench',
    seed: 1,
    readsPerSecond: 100,
    writers: 4,
    hasTwin: false,
    rows,
    readsEach,
    writesPerSecond,
  };
  const tables = await prepareTraffic(load);
  const cutovers: Cutover[] = [];
  await using traffic = startTraffic(load);
  // As many transactions as come in ten seconds: the application alone.
  await traffic.acknowledged(3 * writesPerSecond);
  traffic.enter('before');
  await traffic.acknowledged(13 * writesPerSecond);
  traffic.enter('during');
  for (let number = 1; number <= task.cutovers; number += 1) {
    const alter = alters[flavour][number % 2 === 1 ? 0 : 1];
    const run = await migrateByTool({
      url: server.url,
      table: `${tables.schema}.${tables.table}`,
      alter,
      options: task.options,
    });
    const felt = traffic.longestBetween(run.swappedMs - run.blockedMs, run.swappedMs + afterSwapMs)?.ms ?? 0;
    cutovers.push({ told: run.blockedMs, felt, attempts: run.cutoverAttempts });
    console.error(`${number} of ${task.cutovers}: ${run.blockedMs.toFixed(1)} ms told, ${felt.toFixed(1)} ms felt`);
    await dropRetired(server.url, run.id);
  }
  const report = await traffic.stop();
  const { differences } = await compareWithLedger(server.url, tables, traffic.ledger);
  const usual = report.periods['before']?.statements.p99 ?? null;
  const attempts = cutovers.reduce((sum, cutover) => sum + cutover.attempts, 0);
  const told = cutovers.map((cutover) => cutover.told);
  const felt = cutovers.map((cutover) => cutover.felt);
  const bins = histogram(told, edgesMs);
  return concluded(
    { bench: 'cutover', flavour, server: await serverText(flavour, server.url), machine },
    {
      title: `${task.cutovers} cutovers in ${attempts} attempts, ${numberText(rows, 0)} rows, ${writesPerSecond} write transactions/s`,
      settings: { ...task, options: task.options.join(' '), flags: flags.join(' ') },
      columns: [
        ...['median ms', 'p95 ms', 'max ms', '× usual p99'].map((title) => ({ title, digits: 1 })),
        ...bins.map((bin) => ({ title: binName(bin), digits: 0 })),
      ],
      lines: [
        { name: 'blocked, as the tool says', cells: cellsOf(told, usual) },
        { name: 'longest statement of the application', cells: cellsOf(felt, usual) },
      ],
      charts: [
        {
          kind: 'bars',
          name: 'blocked',
          title: `How long ${task.cutovers} cutovers blocked writes`,
          unit: 'cutovers',
          bars: bins.map((bin) => ({ name: binName(bin), value: bin.count, isOurs: true })),
        },
      ],
      notes: [
        `× usual p99: the median, of ${usual ?? '?'} ms that 99 % of the application’s statements took at most before.`,
        `${report.acknowledged} transactions, ${report.failed} failed, ${differences.length} rows not as the application left them.`,
      ],
      runs: cutovers,
    },
  );
}

function cellsOf(values: readonly number[], usual: number | null): readonly (number | null)[] {
  const middle = median(values);
  const counts = histogram(values, edgesMs).map(({ count }) => count);
  return [middle, percentile(values, 0.95), Math.max(...values), ratio(middle, usual), ...counts];
}

function binName({ from, to }: Bin): string {
  return to === null ? `≥ ${from} ms` : `< ${to} ms`;
}
