/** Files that the operator names: read whole, or refused with the reason. */

import { open, readFile } from 'node:fs/promises';
import { MigrationError } from '../engine/errors.ts';

/** `what` begins the sentence, as in "The configuration file". Rejects with BAD_USAGE. */
export async function readTextFile(what: string, path: string): Promise<string> {
  return await orRefused(what, path, () => readFile(path, 'utf8'));
}

/** What a secret is read from. */
export interface SecretFile {
  readonly text: string;
  /** Only its owner may read it; or we by a group, where the system gave it us so, as Kubernetes does with `fsGroup`. */
  readonly isPrivate: boolean;
  /** It can be read again: a pipe cannot. */
  readonly isLasting: boolean;
}

/** The same with who may read it, both of one opening: a pipe is read once. Rejects with BAD_USAGE. */
export async function readSecretFile(what: string, path: string): Promise<SecretFile> {
  return await orRefused(what, path, async () => {
    await using file = await open(path);
    const about = await file.stat();
    const text = await file.readFile('utf8');
    return { text, isPrivate: isPrivate(about, process.getuid?.() ?? 0), isLasting: about.isFile() };
  });
}

/** Of a file of root's that another user reads, its group is for that: nobody else could have made it so. */
export function isPrivate({ mode, uid }: { readonly mode: number; readonly uid: number }, reader: number): boolean {
  return (mode & (uid === 0 && reader !== 0 ? 0o037 : 0o077)) === 0;
}

async function orRefused<Result>(what: string, path: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (cause) {
    throw new MigrationError('BAD_USAGE', `${what} ${path} cannot be read${reasonOf(cause)}.`, { cause });
  }
}

/** In the words of the system, such as `: no such file or directory`, without its code and the call; empty where it has none. */
export function reasonOf(cause: unknown): string {
  const words = cause instanceof Error ? /^[A-Z]+: ([^,]+)/.exec(cause.message)?.[1] : undefined;
  return words === undefined ? '' : `: ${words}`;
}
