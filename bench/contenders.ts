/** Several ways to the same change, one after the other in every round, so that what else happens on the machine hits all of them. */
import { RunFailedError } from './errors.ts';
import { type CpuSeconds, measureCpu } from './machine.ts';
import { type Peer, runPeer } from './peers.ts';
import type { BarChart, Cell, Column, Line } from './result.ts';
import { medianBy, ratio } from './statistics.ts';
import { type BenchTable, nameOf, type Native } from './table.ts';
import { dropRetired, migrateByTool, type ToolRun } from './tool.ts';

/** What a contender says of its run. Seconds by part; the whole is measured from outside. */
export interface OwnAccount {
  /** Empty for what is one statement. */
  readonly parts: Readonly<Record<string, number>>;
  /** Of the contender's own process; null where it has none. */
  readonly peakMib: number | null;
  /** Not measured, before the next restore. */
  readonly after?: () => Promise<void>;
}

export interface Contender {
  readonly name: string;
  readonly isReference: boolean;
  readonly isOurs: boolean;
  /** False for one that only rewrites the table. */
  readonly isChanging: boolean;
  readonly run: () => Promise<OwnAccount>;
}

/** One run of one contender. */
export interface Run extends CpuSeconds {
  readonly contender: string;
  readonly round: number;
  readonly seconds: number;
  readonly parts: Readonly<Record<string, number>>;
  readonly peakMib: number | null;
}

/** The server's own ways. */
export function nativeContender(table: BenchTable, { isReference, name, statements }: Native): Contender {
  const run = async (): Promise<OwnAccount> => {
    const parts: Record<string, number> = {};
    for (const statement of statements) {
      const began = performance.now();
      await table.run([statement]);
      const part = statement.startsWith('INSERT') ? 'copy' : /INDEX|ADD KEY/.test(statement) ? 'indexes' : 'rest';
      parts[part] = (parts[part] ?? 0) + (performance.now() - began) / 1000;
    }
    return { parts: statements.length > 1 ? parts : {}, peakMib: null };
  };
  return { name, isReference, isOurs: false, isChanging: !/FORCE|VACUUM|INSERT/.test(name), run };
}

/** Another tool. */
export function peerContender(table: BenchTable, peer: Peer): Contender {
  const run = async (): Promise<OwnAccount> => {
    await table.run(peer.prepare);
    return { parts: {}, ...(await runPeer(peer, table)) };
  };
  return { name: peer.name, isReference: false, isOurs: false, isChanging: peer.isChanging, run };
}

/** So many workers, in words. */
export function workersText(count: number): string {
  return `${count} ${count === 1 ? 'worker' : 'workers'}`;
}

/** TableShift with some options; `onRun` is told what it said. */
export function toolContender(
  table: BenchTable,
  {
    name,
    options,
    onRun,
  }: { readonly name: string; readonly options: readonly string[]; readonly onRun?: (run: ToolRun) => void },
): Contender {
  const run = async (): Promise<OwnAccount> => {
    const run = await migrateByTool({ url: table.url, table: nameOf(table), alter: table.alter, options });
    onRun?.(run);
    const { copy = 0, verify = 0, 'finish-shadow': indexes = 0 } = run.phases;
    const parts = { copy, indexes, verify, throttled: run.throttledSeconds };
    return { parts, peakMib: run.peakMib, after: () => dropRetired(table.url, run.id) };
  };
  return { name, isReference: false, isOurs: true, isChanging: true, run };
}

/** What came of all rounds. */
export interface Rounds {
  readonly runs: readonly Run[];
  /** Why contenders fell out: they have no runs. */
  readonly failures: readonly string[];
}

/**
 * All rounds. A contender fails when it did not change the table, or lost rows. Another tool that fails falls out; when ours or the
 * reference does, there is nothing to compare, and this rejects.
 */
export async function runAlternating(table: BenchTable, contenders: readonly Contender[], rounds: number): Promise<Rounds> {
  let runs: Run[] = [];
  const failures = new Map<string, string>();
  for (let round = 1; round <= rounds; round += 1) {
    for (const contender of contenders.filter(({ name }) => !failures.has(name))) {
      const { isOurs, isReference, name } = contender;
      try {
        const run = await runOnce(table, contender, round);
        runs.push(run);
        console.error(`round ${round}: ${name}: ${run.seconds.toFixed(1)} s`);
      } catch (error) {
        if (isOurs || isReference || !(error instanceof RunFailedError)) throw error;
        console.error(`round ${round}: ${error.message}`);
        failures.set(name, `${name} fell out in round ${round}: ${error.message.slice(0, failureTextMax)}`);
        runs = runs.filter(({ contender }) => contender !== name);
      }
    }
  }
  return { runs, failures: [...failures.values()] };
}

const failureTextMax = 300;

async function runOnce(table: BenchTable, contender: Contender, round: number): Promise<Run> {
  await table.restore();
  const definition = await definitionOf(table);
  const used = measureCpu(table.serverPid);
  const began = performance.now();
  const { parts, peakMib, after } = await contender.run();
  const seconds = (performance.now() - began) / 1000;
  const run: Run = { contender: contender.name, round, seconds, parts, peakMib, ...used() };
  if (contender.isChanging) await checkChanged(table, contender.name, definition);
  await after?.();
  return run;
}

/** The run of each contender whose time is the median, beside the reference. */
export const contenderColumns: readonly Column[] = [
  { title: 'seconds', digits: 1 },
  { title: 'from', digits: 1 },
  { title: 'to', digits: 1 },
  { title: '× native', digits: 2 },
  { title: 'rows/s', digits: 0 },
  { title: 'copy s', digits: 1 },
  { title: 'indexes s', digits: 1 },
  { title: 'verify s', digits: 1 },
  { title: 'verify %', digits: 0 },
  { title: 'throttled s', digits: 1 },
  { title: 'server CPU s', digits: 1 },
  { title: 'tool CPU s', digits: 1 },
  { title: 'tool MiB', digits: 0 },
  { title: 'others CPU s', digits: 1 },
];

export function contenderLines(runs: readonly Run[], contenders: readonly Contender[], rows: number): readonly Line[] {
  const reference = contenders.find(({ isReference }) => isReference);
  const referenceSeconds = reference === undefined ? null : medianRun(runs, reference.name).seconds;
  return withRuns(contenders, runs).map(({ name }) => {
    const { parts, peakMib, seconds, server, children, foreign } = medianRun(runs, name);
    const all = runs.filter(({ contender }) => contender === name).map(({ seconds }) => seconds);
    const { copy, indexes, throttled, verify } = parts;
    const share = verify === undefined ? null : (100 * verify) / seconds;
    const cells: readonly Cell[] = [
      ...[seconds, Math.min(...all), Math.max(...all), ratio(seconds, referenceSeconds), rows / seconds],
      ...[copy ?? null, indexes ?? null, verify ?? null, share, throttled ?? null],
      ...[server, peakMib === null ? null : children, peakMib, foreign],
    ];
    return { name, cells };
  });
}

export function contenderBars(name: string, title: string, runs: readonly Run[], contenders: readonly Contender[]): BarChart {
  const bars = withRuns(contenders, runs).map(({ name, isOurs }) => ({ name, value: medianRun(runs, name).seconds, isOurs }));
  return { kind: 'bars', name, title, unit: 's', bars };
}

function withRuns(contenders: readonly Contender[], runs: readonly Run[]): readonly Contender[] {
  return contenders.filter(({ name }) => runs.some(({ contender }) => contender === name));
}

export function medianRun(runs: readonly Run[], name: string): Run {
  return medianBy(
    runs.filter(({ contender }) => contender === name),
    ({ seconds }) => seconds,
  );
}

async function checkChanged(table: BenchTable, name: string, before: string): Promise<void> {
  if ((await definitionOf(table)) === before) throw new RunFailedError(`${name} ended well and left the table as it was.`);
  const [row] = await table.run([`SELECT COUNT(*) AS count FROM ${table.table}`]);
  const count = Number(row?.['count']);
  if (count !== table.rows) throw new RunFailedError(`${name} left ${count} rows of ${table.rows}.`);
}

async function definitionOf(benchTable: BenchTable): Promise<string> {
  const { flavour, schema, table } = benchTable;
  const sql =
    flavour === 'postgres'
      ? `SELECT attname, format_type(atttypid, atttypmod), attnotnull, attcollation::text, pg_get_expr(adbin, adrelid)
         FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid = '${schema}.${table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`
      : `SHOW CREATE TABLE ${table}`;
  return JSON.stringify(await benchTable.run([sql]));
}
