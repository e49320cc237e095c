/** The password file of the servers' own clients: `host:port:database:user:password` a line, `*` for any, `\` before : and \. */

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** What a line of the file is looked for with. A socket's directory counts as the host `localhost`. */
export interface LoginTarget {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/**
 * The password of the first line that fits, or null. `path`: what PGPASSFILE says; null: `~/.pgpass`. As with the servers' own
 * clients a missing file is no error, and one that others may read is not used.
 */
export async function findPassword(path: string | null, home: string | null, target: LoginTarget): Promise<string | null> {
  const file = fileOf(path, home);
  if (file === null || (await isExposed(file)) !== false) return null;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return null;
  }
  const host = target.host.startsWith('/') ? 'localhost' : target.host;
  const wanted = [host, String(target.port), target.database, target.user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = fieldsOf(line);
    const password = fields[4];
    if (password !== undefined && wanted.every((value, index) => fields[index] === '*' || fields[index] === value)) {
      return unescape(password);
    }
  }
  return null;
}

/** The same file where it is not used because others may read it; else null. */
export async function findExposedFile(path: string | null, home: string | null): Promise<string | null> {
  const file = fileOf(path, home);
  return file !== null && (await isExposed(file)) === true ? file : null;
}

function fileOf(path: string | null, home: string | null): string | null {
  return path ?? (home === null ? null : join(home, '.pgpass'));
}

/** Null where there is none. */
async function isExposed(file: string): Promise<boolean | null> {
  try {
    return ((await stat(file)).mode & 0o077) !== 0;
  } catch {
    return null;
  }
}

/** The first four fields, unescaped unless they are a bare `*`, and the password as it stands. */
function fieldsOf(line: string): readonly string[] {
  const match = /^((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):(.*)$/.exec(line);
  if (match === null) return [];
  const [, ...fields] = match;
  return [...fields.slice(0, 4).map(unescape), fields[4] ?? ''];
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, '$1');
}
