/** The program as a child process: its JSON lines as they come, and a SIGKILL at a chosen moment. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { builtProgram, showingAll } from './cli.ts';

/** One line of `--output json`. */
export type OutputLine = Readonly<Record<string, unknown>> & { readonly kind: string };

/** When to kill: at the n-th line of a kind (`phase-entered:copy` for a phase), or a time after the start. */
export type KillPoint = { readonly at: string; readonly count: number } | { readonly afterMs: number };

/** A run that has ended. */
export interface ToolRun {
  /** Null when it was killed. */
  readonly exitCode: number | null;
  readonly lines: readonly OutputLine[];
  /** The last line of a run that ended by itself and had begun. */
  readonly summary: OutputLine | null;
  readonly stderr: string;
}

/** How to run it. */
export interface ToolOptions {
  readonly kill?: KillPoint;
  readonly onLine?: (line: OutputLine) => void;
  /** Longer than this it does not take unless it hangs: then it is killed, and the error shows its last lines. */
  readonly hangsAfterMs?: number;
  /** Told the process id once it runs. */
  readonly onSpawn?: (pid: number) => void;
}

const root = join(import.meta.dirname, '..', '..');

/** Of a run that hangs: the last of them tell what it waits for. */
const linesShown = 40;

/** Runs a command with `--output json` and comes back when its process has ended. */
export async function runTool(args: readonly string[], options: ToolOptions = {}): Promise<ToolRun> {
  const isWatched = options.kill !== undefined || options.onLine !== undefined;
  const child = spawn(process.execPath, [builtProgram(), ...args, '--output', 'json'], {
    cwd: root,
    env: { TABLESHIFT_STRATEGY: 'shadow', ...(isWatched ? showingAll : {}), ...process.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'close');
  if (child.pid !== undefined) options.onSpawn?.(child.pid);
  const { kill, hangsAfterMs } = options;
  const timer = kill !== undefined && 'afterMs' in kill ? setTimeout(() => child.kill('SIGKILL'), kill.afterMs) : undefined;
  let hasHung = false;
  const watchdog = hangsAfterMs === undefined ? undefined : setTimeout(() => (hasHung = child.kill('SIGKILL')), hangsAfterMs);
  const lines: OutputLine[] = [];
  const stderr: string[] = [];
  child.stderr.on('data', (data: Buffer) => stderr.push(data.toString()));
  let seen = 0;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = readLine(text);
    if (line === null) continue;
    lines.push(line);
    if (kill !== undefined && 'at' in kill && nameOf(line) === kill.at) {
      seen += 1;
      if (seen === kill.count) child.kill('SIGKILL');
    }
    options.onLine?.(line);
  }
  await exited;
  clearTimeout(timer);
  clearTimeout(watchdog);
  if (hasHung) {
    const shown = lines.slice(-linesShown).map((line) => JSON.stringify(line));
    throw new Error(`The program did not end within ${hangsAfterMs} ms. Its last lines:\n${[...shown, ...stderr].join('\n')}`);
  }
  const last = lines.at(-1);
  return { exitCode: child.exitCode, lines, summary: last?.kind === 'summary' ? last : null, stderr: stderr.join('') };
}

/** What a kill point calls it: the kind, with the phase where there is one. */
function nameOf(line: OutputLine): string {
  return line.kind === 'phase-entered' ? `${line.kind}:${String(line['phase'])}` : line.kind;
}

/** A killed process may have written half a line. */
function readLine(text: string): OutputLine | null {
  try {
    return JSON.parse(text) as OutputLine;
  } catch {
    return null;
  }
}
