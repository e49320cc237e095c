/** Executables of the operator's that are run when something happens. */

import { type ChildProcess, spawn } from 'node:child_process';
import { access, constants, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MigrationError, messageOf } from '../engine/errors.ts';
import type { MigrationEvent } from '../engine/events.ts';
import type { Listener, Notice, OWN_NOTICES } from './notifier.ts';
import type { Environment } from './option-values.ts';
import { withTimeLimit } from './time-limit.ts';

/** A hook that runs for longer is ended. */
const HOOK_MS_MAX = 60_000;
/** Of what a failing hook writes, the last bytes are shown. */
const SHOWN_BYTES = 500;
/** After its end, its last words are waited for. */
const OUTPUT_WITHIN_MS = 500;
/** What a hook has no business with: passwords and tokens, and addresses that may hold one. */
const SECRETS: ReadonlySet<string> = new Set([
  ...['TABLESHIFT_PASSWORD', 'TABLESHIFT_HTTP_TOKEN', 'PGPASSWORD', 'MYSQL_PWD'],
  ...['TABLESHIFT_URL', 'TABLESHIFT_REPLICAS', 'TABLESHIFT_THROTTLE_HTTP', 'TABLESHIFT_WEBHOOK'],
]);

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

/**
 * The hooks of a directory: files named after what they are for, with or without an extension. Rejects with BAD_USAGE where
 * one cannot be executed or is for nothing that happens, so that a misspelt one is not silently never run.
 */
export async function findHooks(directory: string): Promise<Hooks> {
  const hooks = new Map<string, string>();
  for (const file of await listFiles(directory)) {
    const name = file.replace(/\.[^.]*$/, '');
    const path = resolve(join(directory, file));
    if (!HOOK_NAMES.some((known) => known === name)) {
      throw badHook(path, `is for nothing that happens; hooks are ${HOOK_NAMES.join(', ')}`);
    }
    if (hooks.has(name)) throw badHook(path, `is the second for ${name}`);
    const isExecutable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (!isExecutable) throw badHook(path, 'cannot be executed');
    hooks.set(name, path);
  }
  return hooks;
}

/** Runs the hook of each notice, and then `any`. */
export function hookListener(hooks: Hooks, environment: Environment): Listener {
  return {
    name: 'a hook',
    async tell(notice, signal) {
      for (const path of [hooks.get(notice.event), hooks.get('any')]) {
        if (path !== undefined) await runHook(path, notice, environment, signal);
      }
    },
  };
}

/**
 * Runs one hook with TABLESHIFT_HOOK_… in its environment and the notice as JSON on its standard input; it has no password.
 * Rejects where it ends with anything but 0, or takes too long: then all that it has started is ended with it, for which it has a
 * process group of its own.
 */
export async function runHook(path: string, notice: Notice, environment: Environment, signal: AbortSignal): Promise<void> {
  const inherited = Object.entries(environment).filter(([name]) => !SECRETS.has(name));
  using limit = withTimeLimit(signal, HOOK_MS_MAX);
  limit.throwIfAborted();
  const child = spawn(path, [], {
    env: {
      ...Object.fromEntries(inherited),
      TABLESHIFT_HOOK_EVENT: notice.event,
      TABLESHIFT_HOOK_ID: notice.id,
      TABLESHIFT_HOOK_TABLE: notice.table,
      TABLESHIFT_HOOK_TIME: notice.time,
      TABLESHIFT_HOOK_TEXT: notice.text,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  limit.addEventListener('abort', () => killGroup(child), { once: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = `${output}${chunk.toString('utf8')}`.slice(-SHOWN_BYTES);
    });
  }
  // A hook need not read what it is given.
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${JSON.stringify(notice)}\n`);
  const { code, killedBy } = await ended(child, path);
  if (code === 0) return;
  if (limit.aborted) throw new Error(`the hook ${path} was ended: ${messageOf(limit.reason)}`);
  const how = code === null ? `was ended by ${String(killedBy)}` : `ended with ${code}`;
  throw new Error(`the hook ${path} ${how}${output.trim() === '' ? '' : `: ${output.trim()}`}`);
}

/** It may be gone already, or never have begun. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing is left of it.
  }
}

interface HookEnd {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
}

/** What it has started may hold its output open for longer than it lives: that is not waited for. */
async function ended(child: ChildProcess, path: string): Promise<HookEnd> {
  return await new Promise<HookEnd>((resolve, reject) => {
    child.on('error', (cause) => reject(new Error(`the hook ${path} did not run: ${cause.message}`, { cause })));
    child.on('close', (code, killedBy) => resolve({ code, killedBy }));
    child.on('exit', (code, killedBy) => {
      setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
        resolve({ code, killedBy });
      }, OUTPUT_WITHIN_MS).unref();
    });
  });
}

async function listFiles(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory() && !/^(?:\.|README)/.test(entry.name)).map(({ name }) => name);
  } catch (cause) {
    throw new MigrationError('BAD_USAGE', `The directory of --hooks ${directory} cannot be read.`, { cause });
  }
}

function badHook(path: string, what: string): MigrationError {
  return new MigrationError('BAD_USAGE', `The hook ${path} ${what}.`);
}
