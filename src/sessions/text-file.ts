/** Files that the operator names: read whole, or refused with the reason. */

import { readFile } from 'node:fs/promises';
import { MigrationError } from '../engine/errors.ts';

/** `what` begins the sentence, as in "The password file". Rejects with BAD_USAGE. */
export async function readTextFile(what: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new MigrationError('BAD_USAGE', `${what} ${path} cannot be read${reasonOf(cause)}.`, { cause });
  }
}

/** In the words of the system, such as `no such file or directory`, without its code and the call. */
function reasonOf(cause: unknown): string {
  const words = cause instanceof Error ? /^[A-Z]+: ([^,]+)/.exec(cause.message)?.[1] : undefined;
  return words === undefined ? '' : `: ${words}`;
}
