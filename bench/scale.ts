/**
 * How the cost of a whole migration grows with the table: time per row beside that of the server's own ALTER, memory and processor time
 * of the tool, for narrow and wide rows. Each size has a server of its own, whose memory for pages is always the same share of the table.
 */
import { parseArgs } from 'node:util';
import type { Flavour } from '../test/support/servers.ts';
import type { PostgresVersion } from '../test/support/postgres-software.ts';
import { commonOptions, commonUsage, readCount, readCounts, readFlavours, readVersion } from './arguments.ts';
import { UsageError } from './errors.ts';
import { medianRun, nativeContender, type Run, runAlternating, toolContender } from './contenders.ts';
import { describeMachine, machineAtHand } from './machine.ts';
import { type BenchResult, concluded, type CurveChart, type Line, publish } from './result.ts';
import { ratio } from './statistics.ts';
import { NARROW, SYSBENCH, type TableShape, WIDE } from './table-shapes.ts';
import { createPrivateTable, runIn, serverText } from './table.ts';

const usage = `npm run bench -- scale [option…]

${commonUsage}
  --rows N,N…         sizes (1_000_000,2_000_000,4_000_000,8_000_000; commas stand between the sizes)
  --shape NAME,…      rows: narrow, sysbench, wide (narrow,wide)
  --pool-percent N    memory of the server for pages, of the table's size (150)
  --options TEXT      more options of migrate, such as "--workers 4"
  --rounds N          how often each; medians are shown (3)`;

interface Shape {
  readonly name: string;
  readonly text: TableShape;
  /** About how large a row is with its share of the indexes, bytes: what the memory for pages is reckoned from. */
  readonly rowBytes: number;
}

const shapes: readonly Shape[] = [
  { name: 'narrow', text: NARROW, rowBytes: 100 },
  { name: 'sysbench', text: SYSBENCH, rowBytes: 270 },
  { name: 'wide', text: WIDE, rowBytes: 950 },
];
/** MySQL rounds up to this, and a smaller pool is no pool. */
const poolMibMin = 128;

/** The median run of one size. */
interface Size {
  readonly shape: string;
  readonly rows: number;
  readonly poolMib: number;
  readonly tableMib: number;
  readonly run: Run;
  /** The server's own ALTER, in the same rounds. */
  readonly native: Run;
}

interface Task {
  readonly flavour: Flavour;
  readonly version: PostgresVersion;
  readonly poolPercent: number;
  readonly options: readonly string[];
  readonly rounds: number;
}

export async function benchScale(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonOptions,
      rows: { type: 'string', default: '1_000_000,2_000_000,4_000_000,8_000_000' },
      shape: { type: 'string', default: 'narrow,wide' },
      'pool-percent': { type: 'string', default: '150' },
      options: { type: 'string', default: '' },
      rounds: { type: 'string', default: '3' },
    },
  });
  if (values.help) return console.log(usage);
  const sizes = readCounts('rows', values.rows, { min: 1_000, max: 10_000_000 });
  const asked = values.shape.split(',').map(readShape);
  const results: BenchResult[] = [];
  for (const flavour of readFlavours(values.flavour)) {
    const task: Task = {
      flavour,
      version: readVersion(values.version),
      poolPercent: readCount('pool-percent', values['pool-percent'], { min: 1, max: 1_000 }),
      options: ['--max-latency', '0', ...values.options.split(' ').filter((word) => word !== '')],
      rounds: readCount('rounds', values.rounds, { min: 1, max: 100 }),
    };
    results.push(await measureAll(task, asked, sizes));
  }
  publish(results, values.json);
}

function readShape(name: string): Shape {
  const shape = shapes.find((shape) => shape.name === name);
  if (shape === undefined)
    throw new UsageError(`--shape: there is no ${name}; there are ${shapes.map(({ name }) => name).join(', ')}.`);
  return shape;
}

async function measureAll(task: Task, asked: readonly Shape[], rowCounts: readonly number[]): Promise<BenchResult> {
  const machine = machineAtHand();
  console.error(`${task.flavour}; before the first run: ${describeMachine(machine)}`);
  const measured: Size[] = [];
  const servers = new Set<string>();
  for (const shape of asked) {
    for (const rows of rowCounts) measured.push(await measure(task, shape, rows, servers));
  }
  return concluded(
    { bench: 'scale', flavour: task.flavour, server: [...servers].join(', '), machine },
    {
      title: `medians of ${task.rounds}, memory for pages ${task.poolPercent} % of the table`,
      settings: { rounds: task.rounds, poolPercent: task.poolPercent, options: task.options.join(' ') },
      columns: [
        { title: 'table MiB', digits: 1 },
        { title: 'pool MiB', digits: 0 },
        { title: 'seconds', digits: 1 },
        { title: 'µs/row', digits: 2 },
        { title: '× smallest', digits: 2 },
        { title: 'native s', digits: 1 },
        { title: 'its × smallest', digits: 2 },
        { title: 'server CPU s', digits: 1 },
        { title: 'tool CPU s', digits: 2 },
        { title: 'tool % of server', digits: 1 },
        { title: 'tool MiB', digits: 0 },
        { title: 'others CPU s', digits: 1 },
      ],
      lines: measured.map((size) => lineOf(size, measured)),
      charts: [timeChart(measured), memoryChart(measured)],
      runs: measured,
    },
  );
}

async function measure(task: Task, shape: Shape, rows: number, servers: Set<string>): Promise<Size> {
  const { flavour, options, poolPercent, rounds, version } = task;
  const poolMib = Math.max(poolMibMin, Math.ceil((rows * shape.rowBytes * poolPercent) / 100 / 2 ** 20));
  await using table = await createPrivateTable({ flavour, version, rows, shape: shape.text, poolMib });
  servers.add(await serverText(flavour, table.url));
  await table.restore();
  const tableMib = await sizeMib(flavour, table.url);
  console.error(`${shape.name}, ${rows} rows`);
  const reference = table.natives.find(({ isReference }) => isReference);
  if (reference === undefined) throw new Error(`The shape ${shape.name} has no native ALTER.`);
  const native = nativeContender(table, reference);
  const ours = toolContender(table, { name: 'TableShift', options });
  const { runs } = await runAlternating(table, [native, ours], rounds);
  return { shape: shape.name, rows, poolMib, tableMib, run: medianRun(runs, ours.name), native: medianRun(runs, native.name) };
}

/** What the server thinks that the table takes with its indexes. */
async function sizeMib(flavour: Flavour, url: string): Promise<number> {
  const sql =
    flavour === 'postgres'
      ? "SELECT pg_total_relation_size('t') AS bytes"
      : "SELECT data_length + index_length AS bytes FROM information_schema.tables WHERE table_schema = 'bench' AND table_name = 't'";
  const [row] = await runIn(url, null, [sql]);
  return Number(row?.['bytes']) / 2 ** 20;
}

function microsecondsPerRow({ rows }: Size, { seconds }: Run): number {
  return (seconds * 1_000_000) / rows;
}

function lineOf(size: Size, all: readonly Size[]): Line {
  const { native, poolMib, rows, run, shape, tableMib } = size;
  const [smallest = size] = all.filter((other) => other.shape === shape).sort((a, b) => a.rows - b.rows);
  const perRow = microsecondsPerRow(size, run);
  const share = run.server === null ? null : (100 * run.children) / run.server;
  return {
    name: `${shape}, ${rows.toLocaleString('en')} rows`,
    cells: [
      ...[tableMib, poolMib, run.seconds, perRow, ratio(perRow, microsecondsPerRow(smallest, smallest.run))],
      ...[native.seconds, ratio(microsecondsPerRow(size, native), microsecondsPerRow(smallest, smallest.native))],
      ...[run.server, run.children, share, run.peakMib, run.foreign],
    ],
  };
}

function timeChart(sizes: readonly Size[]): CurveChart {
  return {
    ...curves(sizes, (size) => microsecondsPerRow(size, size.run)),
    name: 'time',
    title: 'Time per row',
    unit: 'µs/row',
  };
}

function memoryChart(sizes: readonly Size[]): CurveChart {
  return { ...curves(sizes, ({ run }) => run.peakMib ?? 0), name: 'memory', title: 'Resident size of the tool', unit: 'MiB' };
}

function curves(sizes: readonly Size[], valueOf: (size: Size) => number): Pick<CurveChart, 'kind' | 'xUnit' | 'curves'> {
  const names = [...new Set(sizes.map(({ shape }) => shape))];
  return {
    kind: 'curves',
    xUnit: 'million rows',
    curves: names.map((name) => ({
      name,
      points: sizes.filter(({ shape }) => shape === name).map((size) => [size.rows / 1_000_000, valueOf(size)] as const),
    })),
  };
}
