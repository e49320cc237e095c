/** Finds the executables of the operator's, and refuses those that would not run, or that others could put there. */

import { access, constants, open, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MigrationError } from '../engine/errors.ts';
import type { MigrationEvent } from '../engine/events.ts';
import { reasonOf } from '../sessions/text-file.ts';
import type { OWN_NOTICES } from './notifier.ts';

/** Executables by the name of the notice. */
export type Hooks = ReadonlyMap<string, string>;

/** Names that a hook may have; `any` is run for every notice. */
const HOOK_NAMES = [
  ...['any', 'started', 'ended', 'before-cutover'],
  ...['phase-entered', 'resumed', 'difference-found', 'verification-passed', 'retrying', 'throttled', 'throttle-released'],
  ...['paused', 'unpaused', 'cutover-held', 'cutover-released', 'cutover-awaited', 'options-changed'],
  'verification-asked',
  ...['cutover-attempt', 'cutover-failed', 'blocker-ended', 'swapped', 'settling', 'settled', 'drop-blocked', 'finished'],
  ...['native-step-begun', 'native-step-done', 'native-step-blocked', 'warning', 'noticed'],
] as const satisfies readonly (MigrationEvent['kind'] | (typeof OWN_NOTICES)[number] | 'any')[];

/** Linux reads no more of a first line. */
const FIRST_LINE_BYTES = 255;

/**
 * The hooks of a directory: files named after what they are for, with or without an extension. Rejects with BAD_USAGE where
 * one cannot be executed, or others than its owner and root may change it, or it is for nothing that happens, so that a misspelt one
 * is not silently never run.
 */
export async function findHooks(directory: string): Promise<Hooks> {
  const files = await listFiles(directory);
  await checkOwner(`The directory of --hooks ${directory}`, directory);
  const hooks = new Map<string, string>();
  for (const file of files) {
    const name = file.replace(/\.[^.]*$/, '');
    const path = resolve(join(directory, file));
    if (!HOOK_NAMES.some((known) => known === name)) {
      throw badHook(path, `is for nothing that happens; hooks are ${HOOK_NAMES.join(', ')}`);
    }
    if (hooks.has(name)) throw badHook(path, `is the second for ${name}`);
    await checkExecutable(path);
    hooks.set(name, path);
  }
  return hooks;
}

async function listFiles(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory() && !/^(?:\.|README)/.test(entry.name)).map(({ name }) => name);
  } catch (cause) {
    throw new MigrationError('BAD_USAGE', `The directory of --hooks ${directory} cannot be read${reasonOf(cause)}.`, { cause });
  }
}

async function checkExecutable(path: string): Promise<void> {
  const status = await stat(path).catch(() => null);
  if (status?.isFile() !== true || !(await isExecutable(path))) throw badHook(path, 'cannot be executed');
  const interpreter = await readInterpreter(path);
  if (interpreter !== null && !(await isExecutable(interpreter))) {
    throw badHook(path, `cannot be executed: its first line names ${JSON.stringify(interpreter)}, which cannot be`);
  }
  await checkOwner(`The hook ${path}`, path);
  const target = await realpath(path);
  if (dirname(target) !== (await realpath(dirname(path)))) {
    await checkOwner(`The directory ${dirname(target)}, to which the hook ${path} leads,`, dirname(target));
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** What the first line says is to run the file; null where it says nothing, or must not be read. */
async function readInterpreter(path: string): Promise<string | null> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_LINE_BYTES), 0, FIRST_LINE_BYTES);
    return /^#![ \t]*([^ \t\n]+)/.exec(buffer.toString('utf8', 0, bytesRead))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** As ssh and cron do: whoever may change what is run may do anything as the user who runs it. */
async function checkOwner(what: string, path: string): Promise<void> {
  const { uid, mode } = await stat(path);
  const own = process.getuid?.() ?? uid;
  if (uid !== own && uid !== 0) {
    throw new MigrationError('BAD_USAGE', `${what} belongs to another user (${uid}), who could have anything run: chown it.`);
  }
  if ((mode & 0o002) === 0 || (await isReadOnly(path))) return;
  throw new MigrationError('BAD_USAGE', `${what} can be written to by everybody, who could have anything run: chmod o-w it.`);
}

/** Volumes of Kubernetes are open to everybody by their mode, and mounted so that nobody can write there. */
async function isReadOnly(path: string): Promise<boolean> {
  return await access(path, constants.W_OK).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'EROFS',
  );
}

function badHook(path: string, what: string): MigrationError {
  return new MigrationError('BAD_USAGE', `The hook ${path} ${what}.`);
}
