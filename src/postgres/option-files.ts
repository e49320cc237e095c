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
  const file = path ?? (home === null ? null : join(home, '.pgpass'));
  if (file === null) return null;
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) return null;
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
