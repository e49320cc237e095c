/** The program as users have it: built by the project's own build, run as a process of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { lineFaults } from './schemas.ts';

const root = join(import.meta.dirname, '..', '..');
const buildScript = join(root, 'scripts', 'build.ts');

/** What a finished call of the program gave. */
export interface CliResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A call of the program that may still go on. It is killed when it is disposed. */
export interface CliProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Resolves with the first line of stdout that matches, also an earlier one; rejects when the program ends without it. */
  lineMatching(pattern: RegExp): Promise<string>;
  readonly result: Promise<CliResult>;
}

/** Environment of the program: nothing of ours but the shadow's way, which tests are about unless they say otherwise, and no home. */
export type CliEnvironment = Readonly<Record<string, string>>;

/** For tests that wait for an event of the most frequent kind. */
export const showingAll: CliEnvironment = { TABLESHIFT_LOG_LEVEL: 'debug' };

/** Builds of sources that are no longer current go after so long: until then a test may still be running on one. */
const staleAfterMs = 3_600_000;

let built: string | null = null;

/**
 * Path of main.js, built once for each state of the sources. It is under node_modules, so that it finds the dependencies as
 * when installed.
 */
export function builtProgram(): string {
  if (built !== null) return built;
  const builds = join(root, 'node_modules', '.cache', 'tableshift-cli');
  const folder = join(builds, sourceHash());
  if (!existsSync(folder)) build(folder);
  for (const name of readdirSync(builds)) {
    const age = Date.now() - (statSync(join(builds, name), { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY);
    if (age > staleAfterMs && join(builds, name) !== folder) rmSync(join(builds, name), { recursive: true, force: true });
  }
  built = join(folder, 'dist', 'shell', 'main.js');
  return built;
}

function sourceHash(): string {
  const hash = createHash('sha256').update(readFileSync(buildScript));
  const source = join(root, 'src');
  for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' }).sort()) {
    if (name.endsWith('.ts')) hash.update(name).update(readFileSync(join(source, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Beside the final place, and renamed: whoever comes second throws its own away. */
function build(folder: string): void {
  const partial = `${folder}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  copyFileSync(join(root, 'package.json'), join(partial, 'package.json'));
  const made = spawnSync(process.execPath, ['--import', 'tsx', buildScript, join(partial, 'dist')], {
    cwd: root,
    encoding: 'utf8',
  });
  if (!existsSync(join(partial, 'dist', 'shell', 'main.js'))) {
    throw new Error(`The build made no main.js: ${made.stdout}${made.stderr}`);
  }
  try {
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}

/** Starts the program. Its result rejects where a line of JSON is not as docs/schemas says. */
export function startCli(args: readonly string[], environment: CliEnvironment = {}): CliProcess {
  const child = spawn(process.execPath, [builtProgram(), ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', TABLESHIFT_STRATEGY: 'shadow', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stdout: string[] = [];
  const stderr: string[] = [];
  const waiting = new Set<{
    readonly pattern: RegExp;
    readonly resolve: (line: string) => void;
    readonly reject: (error: Error) => void;
  }>();
  const faults: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    stdout.push(`${line}\n`);
    faults.push(...lineFaults(line));
    for (const waiter of waiting) if (waiter.pattern.test(line)) waiter.resolve(line);
  });
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk.toString('utf8')));
  const result = new Promise<CliResult>((resolve, rejectResult) => {
    child.on('close', (exitCode) => {
      if (faults.length > 0) rejectResult(new Error(faults.join('\n')));
      const text = { exitCode, stdout: stdout.join(''), stderr: stderr.join('') };
      for (const { pattern, reject } of waiting)
        reject(new Error(`The program ended without ${pattern}: ${JSON.stringify(text)}`));
      resolve(text);
    });
  });
  return {
    child,
    result,
    lineMatching(pattern) {
      const earlier = stdout.find((line) => pattern.test(line));
      if (earlier !== undefined) return Promise.resolve(earlier.trimEnd());
      return new Promise((resolve, reject) => waiting.add({ pattern, resolve, reject }));
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await result;
    },
  };
}

/** Runs the program to its end. */
export async function runCli(args: readonly string[], environment: CliEnvironment = {}): Promise<CliResult> {
  await using call = startCli(args, environment);
  return await call.result;
}

/** The last line of a JSON run. */
export function lastObject(result: CliResult): Readonly<Record<string, unknown>> {
  return JSON.parse(result.stdout.trimEnd().split('\n').at(-1) ?? '') as Readonly<Record<string, unknown>>;
}
