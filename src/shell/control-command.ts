/** `control`, and `status` of a run on this machine: talks to the run over its socket. */

import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { CommandLine } from './cli.ts';
import { readConfig } from './config-file.ts';
import { CONTROL_COMMANDS, type ControlCommand } from './operator-commands.ts';
import { askSocket, OTHER_RUN, type SocketAnswer, socketPaths } from './control-socket.ts';
import type { Surroundings } from './invocation.ts';
import { type FamilyStatus, familyStatusText } from './family-status.ts';
import { type LiveStatus, liveStatusText } from './live-status.ts';
import { type NativeStatus, nativeStatusText } from './native-status.ts';
import { type Environment, findOption, type GivenFlags, readText } from './option-values.ts';
import { OPTIONS } from './options.ts';
import { jsonLine } from './reporter.ts';

/** `tableshift control [ID] COMMAND [NAME=VALUE]`. Resolves with the exit code; rejects where no run listens. */
export async function runControl(
  { words, flags }: Extract<CommandLine, { kind: 'control' }>,
  surroundings: Surroundings,
): Promise<number> {
  const { id, command, setting } = readWords(words);
  const paths = pathsOf(id, flags, surroundings);
  const parts = { id, body: setting ?? '' };
  const { answer, fault } = await askFirst(paths, (path) => askSocket(path, 'POST', `/control/${command}`, parts));
  if (answer === null) {
    const hint =
      'A run is controlled on its own machine, by its own user, at its --socket if it was given one, or by its --http.';
    throw fault ?? new MigrationError('MIGRATION_NOT_FOUND', noRun(paths, hint));
  }
  const said = answer.fields['message'] ?? answer.fields['error'];
  const message = typeof said === 'string' ? said : `The run answered ${answer.status}.`;
  if (answer.status !== 200)
    throw new MigrationError(answer.status === OTHER_RUN ? 'MIGRATION_NOT_FOUND' : 'BAD_USAGE', message);
  const isJson = readText('output', flags, surroundings.environment) === 'json';
  surroundings.stdout.write(isJson ? jsonLine(surroundings.now(), { kind: 'control', command, message }) : `${message}\n`);
  return 0;
}

/**
 * Shows the status that the run itself gives; null where none listens, or --events asks for what only the database has. Rejects
 * with MIGRATION_NOT_FOUND where no run listens and no --url says which database to ask instead.
 */
export async function showLiveStatus(
  line: { readonly id: string | null; readonly flags: GivenFlags },
  surroundings: Surroundings,
): Promise<number | null> {
  const { environment, stdout, stderr } = surroundings;
  if (line.flags.events !== undefined) return null;
  if (line.id === null && readText('socket', line.flags, environment) === null) return null;
  const paths = pathsOf(line.id, line.flags, surroundings);
  const { answer, fault } = await askFirst(paths, (path) => askSocket(path, 'GET', '/status', { id: line.id }));
  if (answer?.status !== 200) {
    if (await hasUrl(line.flags, environment)) {
      if (fault !== null) stderr.write(`warning: ${fault.message} This is what the database knows.\n`);
      return null;
    }
    if (fault !== null) throw fault;
    const said = answer?.fields['error'];
    const hint = 'With --url the database is asked what it knows.';
    throw new MigrationError('MIGRATION_NOT_FOUND', typeof said === 'string' ? `${said} ${hint}` : noRun(paths, hint));
  }
  // A run of the same version wrote it.
  const status = answer.fields as unknown as LiveStatus | FamilyStatus | NativeStatus;
  const isJson = readText('output', line.flags, environment) === 'json';
  stdout.write(isJson ? jsonLine(surroundings.now(), status) : statusText(status));
  return 0;
}

function noRun(paths: readonly string[], hint: string): string {
  return `No run listens at ${paths.join(' or ')}. ${hint}`;
}

async function hasUrl(flags: GivenFlags, environment: Environment): Promise<boolean> {
  const config = await readConfig(readText('config', flags, environment));
  return findOption({ ...OPTIONS.url, name: 'url' }, { flags, environment, config }).value !== null;
}

function statusText(status: LiveStatus | FamilyStatus | NativeStatus): string {
  switch (status.kind) {
    case 'status':
      return liveStatusText(status);
    case 'native-status':
      return nativeStatusText(status);
    case 'family-status':
      return familyStatusText(status);
  }
}

function readWords(words: readonly string[]): {
  readonly id: string | null;
  readonly command: ControlCommand;
  readonly setting: string | null;
} {
  const at = words.findIndex((word) => isCommand(word));
  const command = words[at];
  const rest = words.slice(at + 1);
  const isWellFormed = at >= 0 && at <= 1 && rest.length === (command === 'set' ? 1 : 0);
  if (!isWellFormed || command === undefined || !isCommand(command)) {
    const message = `What follows control is [ID] and one of ${CONTROL_COMMANDS.join(', ')}; set is followed by one NAME=VALUE.`;
    throw new MigrationError('BAD_USAGE', message);
  }
  return { id: at === 1 ? (words[0] ?? null) : null, command, setting: rest[0] ?? null };
}

function isCommand(word: string): word is ControlCommand {
  return CONTROL_COMMANDS.some((command) => command === word);
}

function pathsOf(id: string | null, flags: GivenFlags, { environment }: Surroundings): readonly string[] {
  const asked = readText('socket', flags, environment);
  const isName = id === null ? asked !== null : /^[a-z0-9]{1,24}$/.test(id);
  if (!isName) {
    const wrong = id === null ? '' : `"${id}" is no ID, which has lower-case letters and digits only. `;
    throw new MigrationError('BAD_USAGE', `${wrong}Name the migration by its ID, or its socket with --socket.`);
  }
  return asked === null ? socketPaths(id ?? '', environment) : [asked];
}

interface Asked {
  readonly answer: SocketAnswer | null;
  /** What kept a place from being asked; null where all of them could be. */
  readonly fault: MigrationError | null;
}

/**
 * The answer of the first that gives one. A place that cannot be asked (the runtime directory of whom somebody was before `su`, a run that
 * hangs) keeps none of the others from it.
 */
async function askFirst(paths: readonly string[], ask: (path: string) => Promise<SocketAnswer | null>): Promise<Asked> {
  let fault: MigrationError | null = null;
  for (const path of paths) {
    try {
      const answer = await ask(path);
      if (answer !== null) return { answer, fault: null };
    } catch (thrown) {
      fault ??= asMigrationError(thrown);
    }
  }
  return { answer: null, fault };
}
