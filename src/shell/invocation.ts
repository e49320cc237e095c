/** One call of the program: what was asked for, and the process around it as far as commands may touch it. */

import type { MigrationError } from '../engine/errors.ts';
import { type Obstacle, PlanRefusedError, remedyOf } from '../engine/obstacles.ts';
import type { Observer, ServerOptions } from '../index.ts';
import { parseServerUrl } from '../server-url.ts';
import { readConfig } from './config-file.ts';
import { oneLine } from './live-frame.ts';
import { describeEvent, levelOf } from './log.ts';
import { type Login, type LoginOptions, readLogin } from './login.ts';
import { type Environment, type ReadOptions, readOptions, readText } from './option-values.ts';
import { type CommandName, flagOf, type Option, optionsOf } from './options.ts';
import { obstaclesText } from './plan-text.ts';
import type { Keyboard } from './prompt.ts';
import { jsonLine, type ReporterTarget } from './reporter.ts';
import { splitUrls } from './run-limits.ts';
import { type ShownError, showErrorWithoutRun } from './summary.ts';
import { formatBytes, formatDurationMs } from './units.ts';
import type { CommandLine } from './cli.ts';

/** The process, as far as commands may touch it. */
export interface Surroundings extends ReporterTarget {
  readonly environment: Environment;
  readonly stdin: Keyboard['input'];
  readonly stderr: { write(text: string): unknown };
  /** Lets other processes of this machine go first, as nice(1) counts; without it the caller's process stays as it is. */
  readonly giveWay?: (nice: number) => void;
  /** Told what flags, environment and configuration file ask for, before anything else of them is read. */
  readonly noteOutput?: (output: 'text' | 'json') => void;
  /** Takes what tells the end where a second signal ends the process at once, and gives the exit code. */
  readonly atSecondSignal?: (tell: (error: MigrationError) => number) => void;
}

/** A command with its options read and its login known. */
export interface Invocation<Command extends CommandName> {
  readonly command: Command;
  /** The ID behind the command. */
  readonly id: string | null;
  readonly values: ReadOptions<Command>['values'];
  readonly given: readonly Option[];
  readonly server: ServerOptions;
  readonly surroundings: Surroundings;
  readonly signal: AbortSignal;
}

/** Reads the options and finds out how to log in. Rejects with BAD_USAGE. */
export async function prepare<Command extends CommandName>(
  command: Command,
  line: Extract<CommandLine, { kind: 'command' }>,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<Invocation<Command>> {
  const { environment } = surroundings;
  const config = await readConfig(readText('config', line.flags, environment));
  surroundings.noteOutput?.(readText('output', line.flags, environment, config) === 'json' ? 'json' : 'text');
  const { values, given, inFile } = readOptions(command, line.flags, environment, config);
  const keyboard = { input: surroundings.stdin, errors: surroundings.stderr, signal };
  // Every command has the options of the login, which the compiler cannot see through a type parameter.
  const login: Login = await readLogin(values as unknown as LoginOptions, keyboard, inFile);
  for (const warning of login.warnings) surroundings.stderr.write(`warning: ${warning}\n`);
  const { url, password, defaultsFile } = login;
  const server = { url, password, defaultsFile, environment: surroundings.environment, signal };
  return { command, id: line.id, values, given, server, surroundings, signal };
}

/** How long a line may be: as wide as the terminal, or as long as it likes where there is none. */
export function columnsOfOutput({ stdout }: Surroundings): number {
  return stdout.isTTY === true && stdout.columns ? stdout.columns : Number.POSITIVE_INFINITY;
}

/** The command line that does `command` with the flags of this call that it has too, without a password. `last`: an ID or a flag. */
export function commandText(call: GivenOptions, command: CommandName, last: string): string {
  const known = optionsOf(command).map(({ name }) => name);
  const flags = call.given
    .filter(({ name }) => known.includes(name) && name !== 'yes' && name !== 'now')
    .flatMap((option) => flagText(option, call.values[option.name]));
  return ['tableshift', command, ...flags, last].join(' ');
}

interface GivenOptions {
  readonly given: readonly Option[];
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Writes an error without a run, or of one that had not begun, so that an operator knows what to do: to stderr, and for JSON its object
 * as well.
 */
export function printError(
  error: MigrationError,
  output: 'text' | 'json',
  surroundings: Pick<Surroundings, 'stdout' | 'stderr' | 'now'>,
): void {
  const shown = showErrorWithoutRun(error);
  const obstacles = error instanceof PlanRefusedError ? error.obstacles : [];
  surroundings.stderr.write(obstacles.length === 0 ? errorText(shown) : refusalText(obstacles));
  if (output === 'text') return;
  const fields = { kind: 'error', exitCode: error.exitCode, error: shown, obstacles: withRemedies(obstacles) };
  surroundings.stdout.write(jsonLine(surroundings.now(), fields));
}

/** Writes what needs a look to stderr. */
export function tellWarnings({ stderr }: Pick<Surroundings, 'stderr'>): Observer {
  return (event) => {
    if (levelOf(event) === 'warn') stderr.write(`warning: ${describeEvent(event)}\n`);
  };
}

/** `error CODE: sentence`, and what to do. */
export function errorText({ code, message, remedy, stack }: ShownError): string {
  return `error ${code}: ${oneLine(message)}\n  remedy: ${remedy}\n${stack === undefined ? '' : `${stack}\n`}`;
}

/** Obstacles as JSON has them. */
export function withRemedies(obstacles: readonly Obstacle[]): readonly (Obstacle & { readonly remedy: string })[] {
  return obstacles.map((obstacle) => ({ ...obstacle, remedy: remedyOf(obstacle) }));
}

function refusalText(obstacles: readonly Obstacle[]): string {
  const what = obstacles.length === 1 ? 'One obstacle is' : `${obstacles.length} obstacles are`;
  return `error OBSTACLE: ${what} in the way; nothing was changed.\n${obstaclesText(obstacles)}`;
}

function flagText(option: Option, value: unknown): readonly string[] {
  const flag = flagOf(option);
  if (flag === null) return [];
  if (option.kind === 'switch') return [flag];
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.flatMap((one) => [flag, quoteForShell(valueText(option, String(one)))]);
}

/** A value as one would write it, without what is secret in an address. Throws BAD_USAGE where a URL is none. */
export function valueText(option: Option, text: string): string {
  if (option.kind === 'duration') return formatDurationMs(Number(text));
  if (option.kind === 'size') return formatBytes(Number(text));
  if (option.name === 'url') return parseServerUrl(text).shown;
  if (option.name === 'throttleHttp') return withoutSecrets(text);
  return option.name === 'replicas'
    ? splitUrls(text)
        .map((url) => parseServerUrl(url).shown)
        .join(',')
    : text;
}

/** Without login and query. */
function withoutSecrets(address: string): string {
  return address.replace(/(?<=^\w+:\/\/)[^/?#]*@/, '').replace(/[?#].*$/s, '');
}

/** Quoted for a POSIX shell only where that is needed. */
export function quoteForShell(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
