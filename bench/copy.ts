/**
 * A whole migration of a table that nobody writes, beside what the server itself takes for the same change: in one run, on one
 * private server, one contender after the other, the table restored before each.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cleanUp, migrate, type MigrationEvent, type Phase } from '../src/index.ts';
import { startServer, type Flavour, type Server } from '../test/support/servers.ts';
import { createCopyTable, flagsFor, type CopyTable } from './copy-table.ts';
import { type CpuSeconds, describeMachine, measureCpu } from './machine.ts';

const usage = `npm run bench -- copy [option…]

  --flavour mysql|mariadb|postgres   which server to start (mysql)
  --rows N                           rows of the table, at most 10,000,000 (1,000,000)
  --workers N,N…                     workers to try (1,2,4)
  --rounds N                         how often each contender runs; medians are shown (3)
  --only TEXT                        only contenders whose name has it
  --json FILE                        write the figures there too`;

/** One run of one contender. Seconds. */
interface Run extends CpuSeconds {
  readonly seconds: number;
  /** By what was done; empty for what is one statement. */
  readonly parts: Readonly<Record<string, number>>;
}

interface Contender {
  readonly name: string;
  readonly isReference: boolean;
  readonly run: () => Promise<Readonly<Record<string, number>>>;
}

interface Line extends Run {
  readonly name: string;
  readonly rowsPerSecond: number;
  /** Times the reference's seconds. */
  readonly ratio: number | null;
}

export async function benchCopy(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      flavour: { type: 'string', default: 'mysql' },
      rows: { type: 'string', default: '1000000' },
      workers: { type: 'string', default: '1,2,4' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const flavour = readFlavour(values.flavour);
  if (values.help || flavour === null) return console.log(usage);
  const rows = Number(values.rows);
  const machine = describeMachine();
  await using server = await startServer({ flavour, extraFlags: flagsFor(flavour) });
  const table = await createCopyTable(server, rows);
  const contenders = [
    ...table.natives.map(({ isReference, name, statements }) => ({
      name,
      isReference,
      run: () => runNative(table, statements),
    })),
    ...values.workers.split(',').map((workers) => ({
      name: `TableShift, ${workers} ${workers === '1' ? 'worker' : 'workers'}`,
      isReference: false,
      run: () => runTool(table, Number(workers)),
    })),
  ].filter(({ name }) => name.includes(values.only));
  const lines = summarise(await runAll(server, table, { contenders, rounds: Number(values.rounds) }), contenders, rows);
  console.log(`${flavour}, ${rows.toLocaleString('en')} rows, medians of ${values.rounds}; before the run: ${machine}`);
  print(lines);
  const figures = { flavour, rows, rounds: Number(values.rounds), machine, lines };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, undefined, 2)}\n`);
}

function readFlavour(text: string): Flavour | null {
  return text === 'mysql' || text === 'mariadb' || text === 'postgres' ? text : null;
}

/** Contenders alternate, so that what else happens on the machine hits all of them. */
async function runAll(
  server: Server,
  table: CopyTable,
  { contenders, rounds }: { readonly contenders: readonly Contender[]; readonly rounds: number },
): Promise<ReadonlyMap<string, readonly Run[]>> {
  const runs = new Map<string, Run[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, run } of contenders) {
      await table.restore();
      const used = measureCpu(server.pid);
      const began = performance.now();
      const parts = await run();
      const seconds = (performance.now() - began) / 1000;
      const known = runs.get(name) ?? [];
      known.push({ seconds, parts, ...used() });
      console.error(`round ${round + 1}: ${name}: ${seconds.toFixed(1)} s`);
      runs.set(name, known);
      for (const migration of finished.splice(0)) await cleanUp(migration);
    }
  }
  return runs;
}

/** Each statement by its first word. */
async function runNative(table: CopyTable, statements: readonly string[]): Promise<Readonly<Record<string, number>>> {
  const parts: Record<string, number> = {};
  for (const statement of statements) {
    const began = performance.now();
    await table.run([statement]);
    const part = statement.startsWith('INSERT') ? 'copy' : /INDEX|ADD KEY/.test(statement) ? 'indexes' : 'rest';
    parts[part] = (parts[part] ?? 0) + (performance.now() - began) / 1000;
  }
  return parts;
}

/** What the phases are shown as. */
const partOf: Readonly<Partial<Record<Phase, string>>> = { copy: 'copy', 'finish-shadow': 'indexes', verify: 'verify' };

/** The whole of it: connecting, planning, copying, verifying, swapping. What is cleaned up afterwards does not count. */
async function runTool(table: CopyTable, workers: number): Promise<Readonly<Record<string, number>>> {
  const began = performance.now();
  const parts: Record<string, number> = {};
  let part = 'rest';
  let since = began;
  const note = (next: string): void => {
    const now = performance.now();
    parts[part] = (parts[part] ?? 0) + (now - since) / 1000;
    since = now;
    part = next;
  };
  const observer = (event: MigrationEvent): void => {
    if (event.kind === 'phase-entered') note(partOf[event.phase] ?? 'rest');
    else if (event.kind === 'throttled') console.error(`throttled: ${event.signal}: ${event.detail}`);
    else if (event.kind === 'retrying' || event.kind === 'cutover-failed') console.error(JSON.stringify(event));
  };
  const { id } = await migrate({
    strategy: 'shadow',
    url: table.url,
    table: table.name,
    alter: table.clauses,
    pace: { copyWorkers: workers, latency: null },
    observer,
  });
  note('rest');
  finished.push({ url: table.url, id });
  return parts;
}

/** Migrations whose old tables are in the way of the next. */
const finished: { readonly url: string; readonly id: string }[] = [];

function summarise(runs: ReadonlyMap<string, readonly Run[]>, contenders: readonly Contender[], rows: number): readonly Line[] {
  const medians = contenders.map(({ isReference, name }) => ({ isReference, name, ...medianRun(runs.get(name) ?? []) }));
  const reference = medians.find(({ isReference }) => isReference)?.seconds ?? null;
  return medians.map((run) => ({
    ...run,
    rowsPerSecond: Math.round(rows / run.seconds),
    ratio: reference === null ? null : run.seconds / reference,
  }));
}

/** The run whose time is the median. */
function medianRun(runs: readonly Run[]): Run {
  const sorted = [...runs].sort((a, b) => a.seconds - b.seconds);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error('Nothing was run.');
  return middle;
}

function print(lines: readonly Line[]): void {
  const heads = [
    '',
    'seconds',
    '× native',
    'rows/s',
    'copy s',
    'indexes s',
    'verify s',
    'share',
    'server CPU',
    'our CPU',
    'others',
  ];
  console.log(row(heads));
  for (const line of lines) {
    const { name, parts, ratio, rowsPerSecond, seconds } = line;
    const { copy, indexes, verify } = parts;
    const share = verify === undefined ? '-' : `${((100 * verify) / seconds).toFixed(0)} %`;
    const figures = [seconds.toFixed(1), ratio?.toFixed(2) ?? '-', rowsPerSecond.toLocaleString('en')];
    const shown = [copy, indexes, verify].map((part) => part?.toFixed(1) ?? '-');
    const used = [line.server, line.own, line.foreign].map((part) => part.toFixed(1));
    console.log(row([name, ...figures, ...shown, share, ...used]));
  }
}

function row([first = '', ...rest]: readonly string[]): string {
  return first.padEnd(34) + rest.map((text) => text.padStart(11)).join('');
}
