/**
 * What an application feels of a migration, and how long that takes: open-loop traffic of 300 write transactions a second,
 * latencies from the intended arrival, on a table that is made anew for each run. Variants alternate within each round.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type LiveMeasurement, measureLive } from '../test/support/live-measure.ts';
import { deadlockFlags, readDeadlocks } from '../test/support/server-deadlocks.ts';
import { type Flavour, type Server, startServer } from '../test/support/servers.ts';
import type { OutputLine } from '../test/support/tableshift-process.ts';
import { startTrafficProcess } from '../test/support/traffic-process.ts';
import type { TrafficOptions } from '../test/support/traffic.ts';
import type { PostgresVersion } from '../test/support/postgres-software.ts';
import type { PeriodReport, TrafficReport } from '../test/support/traffic-record.ts';
import { commonOptions, commonUsage, readCount, readFlavours, readNamed, readVersion, wordsOf } from './arguments.ts';
import { RunFailedError, UsageError } from './errors.ts';
import { type CpuSeconds, describeMachine, machineAtHand, measureCpu, watchMemory } from './machine.ts';
import { type BenchResult, concluded, type Line, numberText, publish } from './result.ts';
import { startStagedWrites } from './staged-writes.ts';
import { copyForStaging, stagingOptions, stagingUsage } from './staging.ts';
import { medianBy } from './statistics.ts';
import { benchFlags, type BenchTable, nameOf, runIn, serverText } from './table.ts';
import { dropRetired, migrateByTool, type ToolRun } from './tool.ts';

const usage = `npm run bench -- load [option…]

${commonUsage}
  --rows N            rows of the table (1,000,000)
  --writes N          write transactions a second (300), about four row changes each
  --reads-each N      SELECTs that each of them begins with; 14, ten by key and four of a hundred rows, are what sysbench's
                      oltp_read_write does (0)
  --capacity PERCENT  instead: so much of what the same connections can do when they do nothing else, which is measured first
  --connections N     of the application, for its writes (4)
  --rounds N          each variant so many times; medians are shown (3)
  --variant NAME=OPTIONS  options of migrate, such as gentle="--workers 1"; several; "default=" unless given
  --before SECONDS    how long the application is measured alone (10)
  --server-flags TEXT  more flags of the servers that it starts, --server-flags="--innodb-io-capacity=200"
${stagingUsage}
  --write SQL         what the application does there, several times for several statements, in turn; {table} is the copy, {COLUMN}
                      what that column has in a row at random: --write 'UPDATE {table} SET n = n + 1 WHERE id = {id}'`;

const afterMs = 1_000;
/** The server is warm after this. */
const warmUpMs = 3_000;
const capacityMs = 10_000;
/** More than any server does for few connections. */
const unreachableRate = 100_000;
/** The lock is asked for and writers wait within this time around the swap. */
const aroundSwapMs = { before: 3_000, after: 500 };

interface Variant {
  readonly name: string;
  readonly options: readonly string[];
}

interface Load {
  readonly writesPerSecond: number;
  readonly beforeMs: number;
  /** Write transactions a second that the server can do, where that was measured. */
  readonly capacity?: number;
}

/** One run of one variant. */
interface Felt extends CpuSeconds {
  readonly variant: string;
  readonly seconds: number;
  readonly throttledSeconds: number;
  readonly lagMaxMs: number;
  readonly blockedMs: number;
  readonly peakMib: number | null;
  /** The largest process of the server, with the memory that it shares; null for a server that is not on this machine. */
  readonly serverMib: number | null;
  readonly before: PeriodReport['writes'];
  readonly during: PeriodReport['writes'];
  readonly longestAtCutoverMs: number;
  readonly phases: readonly FeltPhase[];
  readonly failed: number;
  /** Rows that are not as the application left them; null where only the tool's own verification looked. */
  readonly differences: number | null;
}

/** What the application felt of one phase of the run. */
interface FeltPhase {
  readonly phase: string;
  readonly seconds: number;
  readonly p99: number;
}

export async function benchLoad(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonOptions,
      ...stagingOptions,
      rows: { type: 'string', default: '1000000' },
      writes: { type: 'string', default: '300' },
      capacity: { type: 'string' },
      'reads-each': { type: 'string', default: '0' },
      connections: { type: 'string', default: '4' },
      'server-flags': { type: 'string', default: '' },
      rounds: { type: 'string', default: '3' },
      variant: { type: 'string', multiple: true, default: ['default='] },
      before: { type: 'string', default: '10' },
      write: { type: 'string', multiple: true, default: [] },
    },
  });
  if (values.help) return console.log(usage);
  const variants = values.variant
    .map((text) => readNamed('variant', text))
    .map(({ name, text }) => ({ name, options: wordsOf(text) }));
  const rounds = readCount('rounds', values.rounds, { min: 1, max: 100 });
  const load: Load = {
    writesPerSecond: readCount('writes', values.writes, { min: 1, max: 100_000 }),
    beforeMs: 1000 * readCount('before', values.before, { min: 1, max: 3_600 }),
  };
  const results: BenchResult[] = [];
  if (values.url !== undefined) {
    if (values.capacity !== undefined)
      throw new UsageError('--capacity: on a server of yours say how many --writes there are.');
    if (values.write.length === 0)
      throw new UsageError('--write: say what the application does to the table, such as an UPDATE of one row.');
    await using table = await copyForStaging(values);
    const measure = (variant: Variant): Promise<Felt> => measureStaged(table, values.write, variant, load);
    results.push(
      await measureAll({
        flavour: table.flavour,
        server: await serverText(table.flavour, table.url),
        rows: table.rows,
        variants,
        rounds,
        load,
        measure,
        settings: { write: values.write.join('; ') },
      }),
    );
  } else {
    const rows = readCount('rows', values.rows, { min: 1, max: 10_000_000 });
    const version = readVersion(values.version);
    const connections = readCount('connections', values.connections, { min: 1, max: 100 });
    const readsEach = readCount('reads-each', values['reads-each'], { min: 0, max: 1_000 });
    const percent = values.capacity === undefined ? null : readCount('capacity', values.capacity, { min: 1, max: 99 });
    for (const flavour of readFlavours(values.flavour)) {
      const flags = [...benchFlags(flavour), ...wordsOf(values['server-flags'])];
      const server = { flavour, version, rows, connections, flags, readsEach };
      const asked = percent === null ? load : await loadTo(percent, server, load);
      const measure = (variant: Variant): Promise<Felt> => measurePrivate(server, variant, asked);
      results.push(
        await measureAll({
          flavour,
          server: await askVersion(flavour, version),
          rows,
          variants,
          rounds,
          load: asked,
          measure,
          settings: { connections, 'reads each': readsEach, flags: flags.join(' ') },
        }),
      );
    }
  }
  publish(results, values.json);
}

/** Each run has a server of its own, and so has the question which it is. */
async function askVersion(flavour: Flavour, version: PostgresVersion): Promise<string> {
  await using server = await startServer({ flavour, version });
  return await serverText(flavour, server.url);
}

interface Series {
  readonly flavour: Flavour;
  /** Kind and version. */
  readonly server: string;
  readonly rows: number;
  readonly variants: readonly Variant[];
  readonly rounds: number;
  readonly load: Load;
  readonly measure: (variant: Variant) => Promise<Felt>;
  readonly settings: Readonly<Record<string, string | number>>;
}

async function measureAll({ flavour, load, measure, rounds, rows, server, settings, variants }: Series): Promise<BenchResult> {
  const machine = machineAtHand();
  console.error(`${flavour}; before the first run: ${describeMachine(machine)}`);
  const runs: Felt[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const variant of variants) {
      const felt = await measure(variant);
      runs.push(felt);
      console.error(
        `round ${round}: ${variant.name}: ${felt.seconds.toFixed(1)} s, p99 ${felt.during.p99} ms, before ${felt.before.p99} ms`,
      );
    }
  }
  const lines = variants.map(({ name }) => lineOf(name, runs));
  const options = Object.fromEntries(variants.map(({ name, options }) => [`variant ${name}`, options.join(' ')]));
  return concluded(
    { bench: 'load', flavour, server, machine },
    {
      title: `${numberText(rows, 0)} rows, ${numberText(load.writesPerSecond, 0)} write transactions/s, medians of ${rounds}`,
      settings: { rows, rounds, ...load, ...options, ...settings },
      columns: [
        { title: 'seconds', digits: 1 },
        { title: 'throttled s', digits: 1 },
        { title: 'p50 ms', digits: 1 },
        { title: 'p99 before', digits: 1 },
        { title: 'p99 during', digits: 1 },
        { title: '× before', digits: 1 },
        { title: 'max during', digits: 1 },
        { title: 'blocked ms', digits: 1 },
        { title: 'longest at the swap', digits: 1 },
        { title: 'lag max ms', digits: 0 },
        { title: 'failed', digits: 0 },
        { title: 'lost', digits: 0 },
        { title: 'server CPU s', digits: 1 },
        { title: 'server MiB', digits: 0 },
        { title: 'tool CPU s', digits: 1 },
        { title: 'tool % of server', digits: 1 },
        { title: 'tool MiB', digits: 0 },
        { title: 'others CPU s', digits: 1 },
      ],
      lines,
      notes: variants.map(({ name }) => phasesText(name, medianOf(name, runs))),
      charts: [
        {
          kind: 'bars',
          name: 'p99',
          title: 'The application’s p99',
          unit: 'ms',
          bars: lines.flatMap(({ cells, name }) => [
            { name: `${name}, before`, value: Number(cells[3]), isOurs: false },
            { name: `${name}, during`, value: Number(cells[4]), isOurs: true },
          ]),
        },
      ],
      runs,
    },
  );
}

function medianOf(variant: string, runs: readonly Felt[]): Felt {
  return medianBy(
    runs.filter((run) => run.variant === variant),
    ({ before, during }) => during.p99 / before.p99,
  );
}

function phasesText(variant: string, { phases }: Felt): string {
  const texts = phases.map(({ p99, phase, seconds }) => `${phase} ${numberText(p99, 1)} ms (${numberText(seconds, 1)} s)`);
  return `${variant}: p99 while the run was at: ${texts.join(', ')}`;
}

function lineOf(variant: string, runs: readonly Felt[]): Line {
  const ours = runs.filter((run) => run.variant === variant);
  const run = medianOf(variant, runs);
  const { before, children, during, server } = run;
  const sum = (valueOf: (run: Felt) => number): number => ours.reduce((total, run) => total + valueOf(run), 0);
  const isCompared = run.differences !== null;
  return {
    name: variant,
    cells: [
      ...[run.seconds, run.throttledSeconds, during.p50, before.p99, during.p99, during.p99 / before.p99],
      ...[
        Math.max(...ours.map(({ during }) => during.max)),
        run.blockedMs,
        Math.max(...ours.map((run) => run.longestAtCutoverMs)),
      ],
      ...[run.lagMaxMs, sum(({ failed }) => failed), isCompared ? sum(({ differences }) => differences ?? 0) : null],
      ...[server, run.serverMib, children, server === null ? null : (100 * children) / server, run.peakMib, run.foreign],
    ],
  };
}

interface Measured {
  readonly run: ToolRun;
  readonly cpu: CpuSeconds;
  readonly serverMib: number | null;
}

interface PrivateLoad {
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
async function loadTo(percent: number, server: PrivateLoad, load: Load): Promise<Load> {
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
async function measurePrivate(on: PrivateLoad, variant: Variant, load: Load): Promise<Felt> {
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

/** On a copy of somebody's table, with writes of theirs. */
async function measureStaged(table: BenchTable, statements: readonly string[], variant: Variant, load: Load): Promise<Felt> {
  await table.restore();
  await using writes = await startStagedWrites(table, statements, load.writesPerSecond);
  await delay(warmUpMs);
  writes.record.enter('before');
  await delay(load.beforeMs);
  writes.record.enter('during');
  const used = measureCpu(table.serverPid);
  const run = await migrateByTool({ url: table.url, table: nameOf(table), alter: table.alter, options: variant.options });
  const cpu = used();
  writes.record.enter('after');
  await delay(afterMs);
  const report = await writes.stop();
  const longest = writes.record.longestBetween(run.swappedMs - aroundSwapMs.before, run.swappedMs + aroundSwapMs.after);
  await dropRetired(table.url, run.id);
  const { record } = writes;
  const writesBetween: WritesBetween = (fromMs, throughMs) => record.writesBetween(fromMs, throughMs);
  return feltBy(
    variant,
    { run, cpu, serverMib: null },
    { report, writesBetween, longestMs: longest?.ms ?? 0, differences: null },
  );
}

type WritesBetween = LiveMeasurement['writesBetween'];

/** From the beginning of each phase to that of the next. */
function feltPhases({ lines }: ToolRun, writesBetween: WritesBetween): readonly FeltPhase[] {
  const entered = lines.filter(({ kind }) => kind === 'phase-entered');
  const at = (line: OutputLine): number => Date.parse(String(line['time']));
  return entered.flatMap((line, place) => {
    const next = entered[place + 1];
    if (next === undefined) return [];
    const [from, through] = [at(line), at(next)];
    return [{ phase: String(line['phase']), seconds: (through - from) / 1000, p99: writesBetween(from, through).p99 }];
  });
}

function feltBy(
  variant: Variant,
  { cpu, run, serverMib }: Measured,
  seen: {
    readonly report: TrafficReport;
    readonly writesBetween: WritesBetween;
    readonly longestMs: number;
    readonly differences: number | null;
  },
): Felt {
  const { before, during } = seen.report.periods;
  if (before === undefined || during === undefined || before.writes.count === 0) {
    throw new RunFailedError(`No write of the application succeeded: ${JSON.stringify(seen.report.errors)}.`);
  }
  const { blockedMs, lagMaxMs, peakMib, seconds, throttledSeconds } = run;
  return {
    variant: variant.name,
    ...cpu,
    ...{ seconds, throttledSeconds, lagMaxMs, blockedMs, peakMib, serverMib },
    before: before.writes,
    during: during.writes,
    longestAtCutoverMs: seen.longestMs,
    phases: feltPhases(run, seen.writesBetween),
    failed: seen.report.failed,
    differences: seen.differences,
  };
}
