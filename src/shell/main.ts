#!/usr/bin/env node
/** The program: binds the shell to the process. Everything else takes its surroundings as parameters. */

import { setMaxListeners } from 'node:events';
import { closeSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { asMigrationError, MigrationError } from '../engine/errors.ts';
import { parseCommandLine } from './cli.ts';
import { runCommand } from './commands.ts';
import { exposedFlags } from './exposed-flags.ts';
import { printError, type Surroundings } from './invocation.ts';
import { OPTIONS } from './options.ts';
import { areSame, isWaitedFor, OutputQueue, PipeOutput } from './output-queue.ts';
import { namedTimeZone } from './time-zone.ts';

/** A connection that does not close must not keep a run that has ended from ending. */
const EXIT_LIMIT_MS = 5_000;
const HELP_COLUMNS_MAX = 120;
/** Of a signal; each worker's statement listens to that of the run. More would be a leak. */
const LISTENERS_MAX = 200;
/** Some senders tell a process and then its group, as timeout(1) does: what comes so soon is the same signal. */
const SAME_SIGNAL_MS = 500;

let output: 'text' | 'json' = 'text';
let endAtOnce = endWithError;
let isLossTold = false;
const terminals = [0, 1, 2].filter((fd) => isatty(fd));
const queue = isWaitedFor(process.stdout) ? new OutputQueue(process.stdout, tellLostOutput) : null;
const surroundings: Surroundings = {
  environment: process.env,
  stdin: process.stdin,
  stdout: queue ?? new PipeOutput(process.stdout, tellLostOutput),
  stderr: queue !== null && areSame(process.stdout.fd, process.stderr.fd) ? queue : process.stderr,
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  giveWay,
  noteOutput: (asked) => {
    output = asked;
  },
  atSecondSignal: (tell) => {
    endAtOnce = tell;
  },
};

if (process.env['TZ'] !== undefined) process.env['TZ'] = namedTimeZone(process.env['TZ']);
setMaxListeners(LISTENERS_MAX);
keepSmall();
process.on('exit', () => {
  queue?.flush();
  leaveLostTerminals();
});
process.exitCode = await main(process.argv.slice(2));
setTimeout(() => process.exit(), EXIT_LIMIT_MS).unref();

async function main(args: readonly string[]): Promise<number> {
  hideCommandLine(args);
  outliveOutput();
  if (isJsonAskedFor(args)) output = 'json';
  process.on('uncaughtException', (error) => {
    printError(asMigrationError(error), 'text', surroundings);
    process.exit(1);
  });
  try {
    const columns = Math.min(process.stdout.columns || HELP_COLUMNS_MAX, HELP_COLUMNS_MAX);
    const line = parseCommandLine(args, readVersion(), columns);
    if (line.kind === 'page') {
      process.stdout.write(line.text);
      return 0;
    }
    return await runCommand(line, surroundings, interruptSignal());
  } catch (thrown) {
    return endWithError(asMigrationError(thrown));
  }
}

function endWithError(error: MigrationError): number {
  printError(error, output, surroundings);
  return error.exitCode;
}

/** A reader of our output that goes away (`| head`) is no reason to end a migration; nor is a disk that is full, which is told once. */
function outliveOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', tellLostOutput);
}

function tellLostOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE' || isLossTold) return;
  isLossTold = true;
  surroundings.stderr.write(`warning: Output was lost, and the program goes on without it: ${error.message}\n`);
}

/** Node sets a terminal back as it was, and aborts, with a core, where that one has gone. One that is closed it leaves alone. */
function leaveLostTerminals(): void {
  for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
}

/**
 * The space for young objects stays as loading the program has left it, some 8 MB, where it would soon be 32: nearly all that a run
 * makes is forgotten at once, so that looking through it more often costs nothing.
 */
function keepSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** Only ever downwards: who started the program may have asked for more. */
function giveWay(nice: number): void {
  try {
    if (getPriority() < nice) setPriority(nice);
  } catch {
    // A courtesy, which some sandboxes forbid.
  }
}

/**
 * The first SIGINT, SIGTERM or SIGHUP aborts the signal, the second ends the process at once. Where a file that is read does not answer
 * (NFS whose server is away, a pipe that nobody writes to) the exit waits for it: the third is the system's, and waits for nothing.
 */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  // Node would open a debugger, in which every user of the machine could read passwords; others, such as dd, tell how far they are.
  process.on('SIGUSR1', () => undefined);
  let firstAtMs = 0;
  for (const name of names) {
    process.on(name, () => {
      // Node takes back what nohup has set. A run that writes elsewhere does not need the terminal that has gone.
      if (name === 'SIGHUP' && !process.stdout.isTTY) return;
      if (controller.signal.aborted) {
        if (performance.now() - firstAtMs < SAME_SIGNAL_MS) return;
        // A third that comes at the same time must not cut off what is told.
        const code = endAtOnce(new MigrationError('INTERRUPTED', `The run was ended at once by a second signal, ${name}.`));
        for (const other of names) process.removeAllListeners(other);
        process.exit(code);
      }
      firstAtMs = performance.now();
      controller.abort(new MigrationError('INTERRUPTED', `The run was ended by ${name}.`));
    });
  }
  return controller.signal;
}

/** Process lists show the title instead of the arguments from here on, whatever stood in them. */
function hideCommandLine(args: readonly string[]): void {
  process.title = `tableshift ${args[0] ?? ''}`.trimEnd();
  for (const warning of exposedFlags(args)) process.stderr.write(`warning: ${warning}\n`);
}

/** Also where the options cannot be read. */
function isJsonAskedFor(args: readonly string[]): boolean {
  const variable = surroundings.environment[OPTIONS.output.environment];
  return args.includes('--output=json') || args[args.indexOf('--output') + 1] === 'json' || variable === 'json';
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return String((manifest as { readonly version: unknown }).version);
}
