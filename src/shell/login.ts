/** Where the server is and what the password is, from all the places that may say so. */

import { readFile, stat } from 'node:fs/promises';
import { MigrationError } from '../engine/errors.ts';
import { parseServerUrl } from '../server-url.ts';
import type { OptionsOf } from './options.ts';
import { askPassword, type Keyboard } from './prompt.ts';

/** How to log in. Never put it into a message as a whole; `url` alone is without a password. */
export interface Login {
  readonly url: string;
  readonly password: string | null;
  readonly defaultsFile: string | null;
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
}

/** The options that each command has for this. */
type LoginOptions = Pick<
  OptionsOf<'list'>,
  'url' | 'askPassword' | 'passwordFile' | 'password' | 'defaultsFile' | 'sslMode' | 'sslCa' | 'sslCert' | 'sslKey'
>;

/**
 * The password is the first of: the prompt or the password file, the URL, TABLESHIFT_PASSWORD. Without one the option files
 * may have it (the adapter reads them). Rejects with BAD_USAGE.
 */
export async function readLogin(options: LoginOptions, keyboard: Keyboard): Promise<Login> {
  const server = parseServerUrl(options.url);
  if (options.askPassword && options.passwordFile !== null) {
    throw new MigrationError('BAD_USAGE', 'Either --ask-pass or --password-file, not both.');
  }
  const url = withTls(server.shown, options);
  const { password: fromFile, warnings } = await readPasswordFile(options.passwordFile);
  const asked = options.askPassword ? await askPassword(`Password for ${server.shown}: `, keyboard) : fromFile;
  return { url, password: asked ?? server.password ?? options.password, defaultsFile: options.defaultsFile, warnings };
}

/** The adapter reads TLS settings from the URL's parameters, and names the files in its messages. */
function withTls(shown: string, options: LoginOptions): string {
  const url = new URL(shown);
  const parameters = {
    'ssl-mode': options.sslMode,
    'ssl-ca': options.sslCa,
    'ssl-cert': options.sslCert,
    'ssl-key': options.sslKey,
  };
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) url.searchParams.set(name, value);
  }
  return url.href;
}

async function readPasswordFile(
  path: string | null,
): Promise<{ readonly password: string | null; readonly warnings: readonly string[] }> {
  if (path === null) return { password: null, warnings: [] };
  try {
    const [line = ''] = (await readFile(path, 'utf8')).split(/\r?\n/);
    const { mode } = await stat(path);
    const isOpen = (mode & 0o077) !== 0;
    return { password: line, warnings: isOpen ? [`Other users may read the password file ${path}: chmod 600 it.`] : [] };
  } catch (cause) {
    throw new MigrationError('BAD_USAGE', `The password file ${path} cannot be read.`, { cause });
  }
}
