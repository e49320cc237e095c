/**
 * How fast both tables are compared, and what that adds to the whole migration, by workers, on a table that nobody writes. Ranges may
 * be compared while indexes are built, so what it adds is told by a run without verification beside each.
 */
import { parseArgs } from 'node:util';
import type { OutputLine } from '../test/support/tableshift-process.ts';
import { commonOptions, commonUsage, readCount, readCounts, readFlavours, readVersion } from './arguments.ts';
import { type Contender, runAlternating, toolContender, workersText } from './contenders.ts';
import { RunFailedError } from './errors.ts';
import { describeMachine, machineAtHand } from './machine.ts';
import { type BenchResult, concluded, type Line, numberText, publish } from './result.ts';
import { median, medianBy } from './statistics.ts';
import { type BenchTable, createPrivateTable, type PrivateTable, serverText } from './table.ts';
import { comparingSeconds, type ToolRun } from './tool.ts';

const usage = `npm run bench -- verify [option…]

${commonUsage}
  --rows N            rows of the table, at most 10,000,000 (1,000,000)
  --workers N,N…      workers to try (1,2,4)
  --rounds N          how often each; medians are shown (5)`;

/** One migration, as far as it compared. */
interface Comparison {
  readonly workers: number;
  readonly seconds: number;
  /** Of the run without verification that followed. */
  readonly secondsWithout: number;
  readonly copySeconds: number;
  readonly verifySeconds: number;
  readonly rows: number;
  /** Statements that compared a range, and the time of the longest. */
  readonly ranges: number;
  readonly longestRangeMs: number;
}

export async function benchVerify(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonOptions,
      rows: { type: 'string', default: '1000000' },
      workers: { type: 'string', default: '1,2,4' },
      rounds: { type: 'string', default: '5' },
    },
  });
  if (values.help) return console.log(usage);
  const rows = readCount('rows', values.rows, { min: 1, max: 10_000_000 });
  const rounds = readCount('rounds', values.rounds, { min: 1, max: 100 });
  const workers = readCounts('workers', values.workers, { min: 1, max: 64 });
  const results: BenchResult[] = [];
  for (const flavour of readFlavours(values.flavour)) {
    await using table = await createPrivateTable({ flavour, version: readVersion(values.version), rows });
    results.push(await measure(table, workers, rounds));
  }
  publish(results, values.json);
}

async function measure(table: PrivateTable, workers: readonly number[], rounds: number): Promise<BenchResult> {
  const machine = machineAtHand();
  console.error(`${table.flavour}; before the first run: ${describeMachine(machine)}`);
  const runs: Comparison[] = [];
  await runAlternating(
    table,
    workers.flatMap((count) => contendersFor(table, count, runs)),
    rounds,
  );
  const title = `${numberText(table.rows, 0)} rows, medians of ${rounds}`;
  const lines = workers.map((count) => lineOf(count, runs));
  return concluded(
    { bench: 'verify', flavour: table.flavour, server: await serverText(table.flavour, table.url), machine },
    {
      title,
      settings: { rows: table.rows, rounds, alter: table.alter, flags: table.flags.join(' ') },
      columns: [
        { title: 'whole s', digits: 2 },
        { title: 'without s', digits: 2 },
        { title: 'comparing s', digits: 2 },
        { title: '% added', digits: 1 },
        { title: 'from', digits: 1 },
        { title: 'to', digits: 1 },
        { title: '× copy', digits: 2 },
        { title: 'rows compared/s', digits: 0 },
        { title: 'ranges', digits: 0 },
        { title: 'longest range ms', digits: 0 },
      ],
      lines,
      charts: [
        {
          kind: 'bars',
          name: 'share',
          title: `What verification adds, of the whole, ${title}`,
          unit: '%',
          bars: lines.map(({ cells, name }) => ({ name, value: Number(cells[3]), isOurs: true })),
        },
      ],
      runs,
    },
  );
}

/** One that verifies, and one that does not. */
function contendersFor(table: BenchTable, workers: number, runs: Comparison[]): readonly Contender[] {
  const options = ['--max-latency', '0', '--workers', String(workers)];
  let verified: ToolRun | null = null;
  const verifying = toolContender(table, {
    name: workersText(workers),
    options: [...options, '--log-level', 'debug'],
    onRun: (run) => {
      verified = run;
    },
  });
  const without = toolContender(table, {
    name: `${workersText(workers)}, no verification`,
    options: [...options, '--no-verify'],
    onRun: ({ seconds }) => {
      if (verified !== null) runs.push({ ...comparisonOf(workers, verified, table.rows), secondsWithout: seconds });
    },
  });
  return [verifying, without];
}

function comparisonOf(workers: number, run: ToolRun, rows: number): Omit<Comparison, 'secondsWithout'> {
  if (run.rowsVerified !== rows) throw new RunFailedError(`${run.rowsVerified} rows were compared, of ${rows}.`);
  const ranges = run.lines.filter(({ kind }) => kind === 'range-verified');
  const duration = (line: OutputLine): number => Number(line['durationMs']);
  return {
    workers,
    seconds: run.seconds,
    copySeconds: run.phases['copy'] ?? 0,
    verifySeconds: comparingSeconds(run.lines),
    rows: run.rowsVerified,
    ranges: ranges.length,
    longestRangeMs: Math.max(...ranges.map(duration)),
  };
}

function lineOf(workers: number, runs: readonly Comparison[]): Line {
  const ours = runs.filter((run) => run.workers === workers);
  const share = (run: Comparison): number => 100 * (1 - run.secondsWithout / run.seconds);
  const { copySeconds, ranges, rows, seconds, secondsWithout, verifySeconds } = medianBy(ours, share);
  const shares = ours.map(share);
  const cells = [seconds, secondsWithout, verifySeconds, median(shares), Math.min(...shares), Math.max(...shares)];
  const longest = Math.max(...ours.map(({ longestRangeMs }) => longestRangeMs));
  return { name: workersText(workers), cells: [...cells, verifySeconds / copySeconds, rows / verifySeconds, ranges, longest] };
}
