/** A password that a command of the operator's tells: a token of a cloud, or what a vault has. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { MigrationError } from '../engine/errors.ts';

/** A command that runs for longer is ended. */
const COMMAND_MS_MAX = 30_000;
/** Of what a failing command writes, the end is shown. */
const SHOWN_CHARACTERS = 300;

/**
 * The first line that the command writes, run by the shell with the environment of this process and nothing on its standard input. Rejects
 * with BAD_USAGE where it fails, takes too long, or says nothing; its output is then not repeated, what it says on standard error is.
 */
export async function readPasswordFromCommand(command: string): Promise<string> {
  const running = promisify(execFile)('/bin/sh', ['-c', command], { timeout: COMMAND_MS_MAX, killSignal: 'SIGKILL' });
  running.child.stdin?.end();
  let output: string;
  try {
    output = (await running).stdout;
  } catch (error) {
    throw new MigrationError('BAD_USAGE', `The password command ${whyFailed(error)}.`, {
      // The error of the operating system repeats the command, which may say a secret.
      cause: error instanceof Error ? error.name : undefined,
    });
  }
  const [password = ''] = output.split(/\r?\n/);
  if (password === '') throw new MigrationError('BAD_USAGE', 'The password command wrote nothing in its first line.');
  return password;
}

interface CommandError {
  readonly killed?: boolean;
  /** What it ended with, or why it did not begin. */
  readonly code?: number | string | null;
  readonly signal?: string | null;
  readonly stderr?: string;
}

function whyFailed(error: unknown): string {
  const { killed, code, signal, stderr } = error as CommandError;
  if (killed === true) return `did not end within ${COMMAND_MS_MAX / 1000} s`;
  const how =
    typeof code === 'number' ? `ended with ${code}` : `did not run to its end (${signal ?? code ?? 'for no reason known'})`;
  // In one line of a log, and nothing that a terminal obeys.
  const words = (stderr ?? '')
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(-SHOWN_CHARACTERS);
  return words === '' ? how : `${how}: ${words}`;
}
