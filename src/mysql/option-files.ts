/** The option files of the servers' own clients: `[client]` and its flavours, in the order in which the clients read them. */

import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MigrationError } from '../engine/errors.ts';
import { readTextFile } from '../sessions/text-file.ts';

/** Which files to read. */
export interface OptionFiles {
  /** Only this file, which must exist; null: the usual ones, as far as they exist. */
  readonly defaultsFile: string | null;
  /** Home directory, for `~/.my.cnf`. */
  readonly home: string | null;
}

/** Groups that the clients of both servers read. */
const groups = new Set(['client', 'client-server', 'client-mariadb']);

/** Files that include each other deeper than this are taken for a circle, as the servers' clients do. */
const includeDepthMax = 10;

/**
 * Options by name, with dashes for underscores and without the `loose-` prefix; a later file or line wins. An option without
 * a value is '1'. Rejects with BAD_USAGE if the file asked for, or a line of it, cannot be read.
 */
export async function readOptionFiles(files: OptionFiles): Promise<ReadonlyMap<string, string>> {
  const options = new Map<string, string>();
  if (files.defaultsFile !== null) {
    await readInto(options, files.defaultsFile, { depth: 0, isRequired: true });
    return options;
  }
  const usual = ['/etc/my.cnf', '/etc/mysql/my.cnf', ...(files.home === null ? [] : [join(files.home, '.my.cnf')])];
  for (const path of usual) await readInto(options, path, { depth: 0, isRequired: false });
  return options;
}

async function readInto(
  options: Map<string, string>,
  path: string,
  how: { readonly depth: number; readonly isRequired: boolean },
): Promise<void> {
  if (how.depth > includeDepthMax)
    throw new MigrationError('BAD_USAGE', `Option files include each other in a circle at ${path}.`);
  let text: string;
  try {
    text = await readTextFile('The option file', path);
  } catch (error) {
    if (how.isRequired) throw error;
    return;
  }
  let isOurs = false;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const include = /^!include(dir)?\s+(.+)$/.exec(line);
    if (include !== null) {
      for (const file of await includedFiles(include[1] !== undefined, resolve(dirname(path), include[2] ?? ''))) {
        await readInto(options, file, { depth: how.depth + 1, isRequired: false });
      }
      continue;
    }
    const group = /^\[([^\]]+)\]/.exec(line);
    if (group !== null) isOurs = groups.has((group[1] ?? '').trim());
    else if (isOurs) readOption(options, line, `${path}:${index + 1}`);
  }
}

async function includedFiles(isDirectory: boolean, path: string): Promise<readonly string[]> {
  if (!isDirectory) return [path];
  try {
    const names = await readdir(path);
    return names
      .filter((name) => name.endsWith('.cnf'))
      .sort()
      .map((name) => join(path, name));
  } catch {
    return [];
  }
}

function readOption(options: Map<string, string>, line: string, place: string): void {
  const match = /^([^\s=]+)\s*(?:=\s*(.*))?$/s.exec(line);
  // The line itself may hold a password: the message names its place only.
  if (match === null) throw new MigrationError('BAD_USAGE', `The option file has a line that cannot be read: ${place}.`);
  const name = (match[1] ?? '').replaceAll('_', '-').replace(/^loose-/, '');
  options.set(name, match[2] === undefined ? '1' : optionValue(match[2]));
}

/** A value may be quoted; outside quotes ` #` begins a comment; the clients know the escapes \b \t \n \r \\ and \s. */
function optionValue(text: string): string {
  const quoted = /^(["'])(.*)\1\s*(?:#.*)?$/s.exec(text);
  const bare = quoted === null ? text.replace(/\s+#.*$/s, '').trim() : (quoted[2] ?? '');
  return bare.replace(/\\([btnrs\\])/g, (_, letter: string) => escapes[letter] ?? letter);
}

const escapes: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', r: '\r', s: ' ', '\\': '\\' };
