/** Runs the executables of the operator's when something happens. */

import { type ChildProcess, spawn } from 'node:child_process';
import { messageOf } from '../engine/errors.ts';
import type { Hooks } from './hook-directory.ts';
import type { Listener, Notice } from './notifier.ts';
import type { Environment } from './option-values.ts';
import { withTimeLimit } from './time-limit.ts';

/** A hook that runs for longer is ended. */
const HOOK_MS_MAX = 60_000;
/** Of what a failing hook writes, the end is shown. */
const SHOWN_CHARACTERS = 500;
/** After its end, its last words are waited for. */
const OUTPUT_WITHIN_MS = 500;
/** What a hook has no business with: passwords and tokens, and addresses that may hold one. */
const SECRETS: ReadonlySet<string> = new Set([
  ...['TABLESHIFT_PASSWORD', 'TABLESHIFT_PASSWORD_COMMAND', 'TABLESHIFT_HTTP_TOKEN', 'PGPASSWORD', 'MYSQL_PWD'],
  ...['TABLESHIFT_URL', 'TABLESHIFT_REPLICAS', 'TABLESHIFT_THROTTLE_HTTP', 'TABLESHIFT_WEBHOOK'],
]);

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
 * Rejects where it ends with anything but 0, or takes too long: then its process group is ended, which is its own, and so all that it
 * has started and that has not left that.
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
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = `${output}${text}`.slice(-SHOWN_CHARACTERS);
    });
  }
  // A hook need not read what it is given.
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${JSON.stringify(notice)}\n`);
  const { code, killedBy } = await ended(child, path);
  if (code === 0) return;
  if (limit.aborted) throw new Error(`the hook ${path} was ended: ${messageOf(limit.reason)}`);
  const how = code === null ? `was ended by ${String(killedBy)}` : `ended with ${code}`;
  // In one line of a log, and nothing that a terminal obeys.
  const words = output.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
  throw new Error(`the hook ${path} ${how}${words === '' ? '' : `: ${words}`}`);
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
