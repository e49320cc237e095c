/** One run of the program as users have it: built, in a process of its own, measured from outside and by its own account. */
import { cleanUp } from '../src/index.ts';
import { parseServerUrl } from '../src/server-url.ts';
import { type OutputLine, runTool as runProgram, type ToolOptions } from '../test/support/tableshift-process.ts';
import { RunFailedError } from './errors.ts';
import { watchMemory } from './machine.ts';

/** What a run was. Times in seconds where nothing else is said. */
export interface ToolRun {
  readonly id: string;
  /** The old table, which was kept: `schema.name`. */
  readonly retired: string;
  /** Since the process was started, until its last line. */
  readonly seconds: number;
  readonly phases: Readonly<Record<string, number>>;
  readonly rowsCopied: number;
  readonly rowsVerified: number;
  readonly keysApplied: number;
  readonly throttledSeconds: number;
  readonly lagMaxMs: number;
  readonly cutoverAttempts: number;
  readonly blockedMs: number;
  /** When the tables were swapped, as `Date.now()` counts. */
  readonly swappedMs: number;
  readonly peakMib: number | null;
  /** Reasons for which it rested, without their figures. */
  readonly throttledBy: readonly string[];
  readonly lines: readonly OutputLine[];
}

/** Which table of which server to change how. */
export interface ToolTask {
  readonly url: string;
  readonly table: string;
  readonly alter: string;
  /** More options of `migrate`. */
  readonly options: readonly string[];
}

/** Migrates by a shadow, up to the swap. Rejects when it did not get there, with what the program said. */
export async function migrateByTool(task: ToolTask, watch: ToolOptions = {}): Promise<ToolRun> {
  return await runToSwap(migrateArguments(task), watch);
}

/** Goes on with a migration that was killed. */
export async function resumeByTool({
  url,
  id,
  options,
}: Pick<ToolTask, 'url' | 'options'> & { readonly id: string }): Promise<ToolRun> {
  return await runToSwap(['resume', id, '--url', withoutPassword(url), ...options], {});
}

/** Runs it until a line of this kind, and ends it there as a crash would. Gives the migration's id. */
export async function killToolAt(task: ToolTask, kind: string): Promise<string> {
  const { lines, stderr, exitCode } = await runProgram(migrateArguments(task), { kill: { at: kind, count: 1 } });
  const plan = lines.find((line) => line.kind === 'plan')?.['plan'];
  if (exitCode !== null || !isObject(plan)) throw new RunFailedError(`The tool ended before ${kind}: ${whyOf(lines, stderr)}`);
  return String(plan['id']);
}

function migrateArguments({ alter, options, table, url }: ToolTask): readonly string[] {
  return ['migrate', '--url', withoutPassword(url), '--table', table, '--alter', alter, '--strategy', 'shadow', ...options];
}

/** Drops the old table that a run kept. */
export async function dropRetired(url: string, id: string): Promise<void> {
  await cleanUp({ url, id, isNow: true });
}

/** The seconds from the first line of one kind to the first of another, by the tool's own clock; to a millisecond. */
export function secondsBetween(lines: readonly OutputLine[], from: string, to: string): number {
  const at = (kind: string): number => {
    const line = lines.find((line) => line.kind === kind);
    if (line === undefined) throw new RunFailedError(`The tool did not say ${kind}.`);
    return Date.parse(String(line['time']));
  };
  return (at(to) - at(from)) / 1000;
}

/**
 * The seconds in which at least one range was being compared, of a run that told of its ranges. Some may be of another phase than
 * `verify`.
 */
export function comparingSeconds(lines: readonly OutputLine[]): number {
  const spans = lines
    .filter(({ kind }) => kind === 'range-verified')
    .map((line) => {
      const until = Date.parse(String(line['time']));
      return { from: until - Number(line['durationMs']), until };
    })
    .sort((a, b) => a.from - b.from);
  let [seenUntil, sum] = [0, 0];
  for (const { from, until } of spans) {
    sum += Math.max(0, until - Math.max(from, seenUntil));
    seenUntil = Math.max(seenUntil, until);
  }
  return sum / 1000;
}

async function runToSwap(args: readonly string[], watch: ToolOptions): Promise<ToolRun> {
  const began = performance.now();
  let memory: ReturnType<typeof watchMemory> | null = null;
  const { exitCode, lines, stderr, summary } = await runProgram(args, {
    ...watch,
    onSpawn: (pid) => {
      memory = watchMemory(pid);
    },
  });
  const seconds = (performance.now() - began) / 1000;
  const peakMib = (memory as ReturnType<typeof watchMemory> | null)?.stop() ?? null;
  const swapped = lines.find((line) => line.kind === 'swapped');
  if (exitCode !== 0 || summary === null || swapped === undefined) {
    throw new RunFailedError(`The tool did not swap (exit code ${String(exitCode)}): ${whyOf(lines, stderr)}`);
  }
  const figure = (name: string): number => Number(summary[name]);
  const phases = isObject(summary['phasesMs']) ? summary['phasesMs'] : {};
  return {
    id: String(summary['id']),
    retired: String(summary['retired']),
    seconds,
    phases: Object.fromEntries(Object.entries(phases).map(([phase, ms]) => [phase, Number(ms) / 1000])),
    rowsCopied: figure('rowsCopied'),
    rowsVerified: figure('rowsVerified'),
    keysApplied: figure('keysApplied'),
    throttledSeconds: figure('throttledMs') / 1000,
    lagMaxMs: figure('lagMaxMs'),
    cutoverAttempts: figure('cutoverAttempts'),
    blockedMs: figure('blockedMs'),
    swappedMs: Date.parse(String(swapped['time'])),
    peakMib,
    throttledBy: [...new Set(lines.filter(({ kind }) => kind === 'throttled').map((line) => String(line['signal'])))],
    lines,
  };
}

function whyOf(lines: readonly OutputLine[], stderr: string): string {
  const errors = lines.filter((line) => isObject(line['error'])).map((line) => JSON.stringify(line['error']));
  return [...errors, stderr.trim()].join(' ').slice(-2_000) || JSON.stringify(lines.at(-1));
}

/** The command line is for everybody to read, so the password goes by the environment. */
function withoutPassword(url: string): string {
  const { password, shown } = parseServerUrl(url);
  if (password !== null) process.env['TABLESHIFT_PASSWORD'] = password;
  return shown;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
