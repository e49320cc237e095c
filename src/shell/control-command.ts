/** `control`, and `status` of a run on this machine: talks to the run over its socket. */

import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { CommandLine } from './cli.ts';
import { readConfig } from './config-file.ts';
import { CONTROL_COMMANDS, type ControlCommand } from './operator-commands.ts';
import { askSocket, findRuns, OTHER_RUN, type SocketAnswer, socketPaths, usualFolders } from './control-socket.ts';
import type { Surroundings } from './invocation.ts';
import { type FamilyStatus, familyStatusText } from './family-status.ts';
import { type LiveStatus, liveStatusText } from './live-status.ts';
import { type NativeStatus, nativeStatusText } from './native-status.ts';
import { type Environment, findOption, type GivenFlags, readText } from './option-values.ts';
import { OPTIONS } from './options.ts';
import { jsonLine } from './reporter.ts';

const CONTROL_HINT =
  'A run is controlled on its own machine, by its own user, at its --socket if it was given one, or by its --http.';
const STATUS_HINT = 'With --url the database is asked what it knows.';

/** `tableshift control [ID] COMMAND [NAME=VALUE]`. Resolves with the exit code; rejects where no run listens. */
export async function runControl(
  { words, flags }: Extract<CommandLine, { kind: 'control' }>,
  surroundings: Surroundings,
): Promise<number> {
  const { environment } = surroundings;
  const { id: named, command, setting } = readWords(words);
  const config = await readConfig(readText('config', flags, environment));
  const socket = readText('socket', flags, environment, config);
  const found = named === null && socket === null ? await findOnlyRun(environment, CONTROL_HINT) : null;
  if (found !== null && command === 'abort')
    throw new MigrationError('BAD_USAGE', `abort wants the migration named: tableshift control ${found} abort.`);
  const id = named ?? found;
  const paths = pathsOf(id, socket, environment);
  const parts = { id, body: setting ?? '' };
  const { answer, fault } = await askFirst(paths, (path) => askSocket(path, 'POST', `/control/${command}`, parts));
  if (answer === null) throw fault ?? new MigrationError('MIGRATION_NOT_FOUND', noRun(paths, CONTROL_HINT));
  const said = answer.fields['message'] ?? answer.fields['error'];
  const sentence = typeof said === 'string' ? said : `The run answered ${answer.status}.`;
  const message = found === null ? sentence : `${found}: ${sentence}`;
  if (answer.status !== 200)
    throw new MigrationError(answer.status === OTHER_RUN ? 'MIGRATION_NOT_FOUND' : 'BAD_USAGE', message);
  const isJson = readText('output', flags, environment, config) === 'json';
  surroundings.stdout.write(isJson ? jsonLine(surroundings.now(), { kind: 'control', command, message }) : `${message}\n`);
  return 0;
}

/**
 * Shows the status that the run itself gives; null where none listens, or is named, and --url says which database to ask instead, or
 * --events asks for what only that has. Without an ID, a socket and --url, of the only run there is. Rejects with MIGRATION_NOT_FOUND.
 */
export async function showLiveStatus(
  line: { readonly id: string | null; readonly flags: GivenFlags },
  surroundings: Surroundings,
): Promise<number | null> {
  const { environment, stdout, stderr } = surroundings;
  if (line.flags.events !== undefined) return null;
  const config = await readConfig(readText('config', line.flags, environment));
  const socket = readText('socket', line.flags, environment, config);
  const hasUrl = findOption({ ...OPTIONS.url, name: 'url' }, { flags: line.flags, environment, config }).value !== null;
  const isNamed = line.id !== null || socket !== null;
  if (!isNamed && hasUrl) return null;
  const id = isNamed ? line.id : await findOnlyRun(environment, STATUS_HINT);
  const paths = pathsOf(id, socket, environment);
  const { answer, fault } = await askFirst(paths, (path) => askSocket(path, 'GET', '/status', { id }));
  if (answer?.status !== 200) {
    if (hasUrl) {
      if (fault !== null) stderr.write(`warning: ${fault.message} This is what the database knows.\n`);
      return null;
    }
    if (fault !== null) throw fault;
    const said = answer?.fields['error'];
    const message = typeof said === 'string' ? `${said} ${STATUS_HINT}` : noRun(paths, STATUS_HINT);
    throw new MigrationError('MIGRATION_NOT_FOUND', message);
  }
  // A run of the same version wrote it.
  const status = answer.fields as unknown as LiveStatus | FamilyStatus | NativeStatus;
  const isJson = readText('output', line.flags, environment, config) === 'json';
  stdout.write(isJson ? jsonLine(surroundings.now(), status) : statusText(status));
  return 0;
}

function noRun(paths: readonly string[], hint: string): string {
  return `No run listens at ${paths.join(' or ')}. ${hint}`;
}

/** Where nobody has named one. Rejects where there is none, and with BAD_USAGE where there are several. */
async function findOnlyRun(environment: Environment, hint: string): Promise<string> {
  const [only, ...others] = await findRuns(environment);
  if (only === undefined) {
    const message = `No run of this user listens in ${usualFolders(environment)}. ${hint}`;
    throw new MigrationError('MIGRATION_NOT_FOUND', message);
  }
  if (others.length === 0) return only;
  throw new MigrationError('BAD_USAGE', `Several runs are there: ${[only, ...others].join(', ')}. Name one by its ID.`);
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

/** `socket`: the one that was asked for. */
function pathsOf(id: string | null, socket: string | null, environment: Environment): readonly string[] {
  if (id !== null && !/^[a-z0-9]{1,24}$/.test(id)) {
    const message = `"${id}" is no ID, which has lower-case letters and digits only. Name the migration by its ID, or its socket with --socket.`;
    throw new MigrationError('BAD_USAGE', message);
  }
  return socket === null ? socketPaths(id ?? '', environment) : [socket];
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
