/** Where the server is and what the password is, from all the places that may say so. */

import { MigrationError } from '../engine/errors.ts';
import { parseServerUrl } from '../server-url.ts';
import type { ReadPassword } from '../sessions/password.ts';
import { readSecretFile, type SecretFile } from '../sessions/text-file.ts';
import type { OptionName, OptionsOf } from './options.ts';
import { readPasswordFromCommand } from './password-command.ts';
import { askPassword, type Keyboard } from './prompt.ts';

/** How to log in. Never put it into a message as a whole; `url` alone is without a password. */
export interface Login {
  readonly url: string;
  /** Or how to read it, where it may be another one later. */
  readonly password: string | ReadPassword | null;
  readonly defaultsFile: string | null;
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
}

/** The options that each command has for this. */
export type LoginOptions = Pick<
  OptionsOf<'list'>,
  'askPassword' | 'passwordFile' | 'passwordCommand' | 'password' | 'defaultsFile' | 'sslMode' | 'sslCa' | 'sslCert' | 'sslKey'
> & { readonly url: string };

/** Which options the configuration file says: what is said of the password elsewhere wins over them. */
export type OptionsInFile = ReadonlySet<OptionName>;

/**
 * The password is the first of: the prompt, the password file or the password command, the URL, TABLESHIFT_PASSWORD; of these, what the
 * configuration file says counts only where flags and environment say nothing. Without one the option files may have it (the adapter
 * reads them). Rejects with BAD_USAGE. The command is left for who needs the password.
 */
export async function readLogin(options: LoginOptions, keyboard: Keyboard, inFile: OptionsInFile = new Set()): Promise<Login> {
  const { shown } = parseServerUrl(options.url);
  const places = placesOfPassword(options, inFile);
  const { passwordCommand } = places;
  const { password: fromFile, warnings } = await readPasswordFile(places.passwordFile);
  const asked = places.askPassword ? await askPassword(`Password for ${shown}: `, keyboard) : fromFile;
  const told = passwordCommand === null ? asked : () => readPasswordFromCommand(passwordCommand);
  const password = told ?? places.ofUrl ?? options.password;
  return { url: urlWithTls(options), password, defaultsFile: options.defaultsFile, warnings };
}

/** The same without asking anybody: rejects with BAD_USAGE where `readLogin` would. */
export async function checkLogin(options: LoginOptions, inFile: OptionsInFile): Promise<void> {
  await readPasswordFile(placesOfPassword(options, inFile).passwordFile);
}

interface PasswordPlaces {
  readonly askPassword: boolean;
  readonly passwordFile: string | null;
  readonly passwordCommand: string | null;
  readonly ofUrl: string | null;
}

function placesOfPassword(options: LoginOptions, inFile: OptionsInFile): PasswordPlaces {
  const { url, askPassword, passwordFile, passwordCommand, password } = options;
  const all = { askPassword, passwordFile, passwordCommand, ofUrl: parseServerUrl(url).password };
  const outside = {
    askPassword: askPassword && !inFile.has('askPassword'),
    passwordFile: inFile.has('passwordFile') ? null : passwordFile,
    passwordCommand: inFile.has('passwordCommand') ? null : passwordCommand,
    ofUrl: inFile.has('url') ? null : all.ofUrl,
  };
  const ways = (places: PasswordPlaces): readonly string[] => [
    ...(places.askPassword ? ['--ask-pass'] : []),
    ...(places.passwordFile === null ? [] : ['--password-file']),
    ...(places.passwordCommand === null ? [] : ['--password-command']),
  ];
  const isSaidOutside = password !== null || ways(outside).length > 0 || outside.ofUrl !== null;
  const places = isSaidOutside ? outside : all;
  const asked = ways(places);
  if (asked.length <= 1) return places;
  throw new MigrationError('BAD_USAGE', `Either ${asked.join(' or ')}: the password can come from one of them only.`);
}

/** Without a password. The adapter reads TLS settings from the URL's parameters, and names the files in its messages. */
export function urlWithTls(options: LoginOptions): string {
  const url = new URL(parseServerUrl(options.url).shown);
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

interface PasswordFile {
  readonly password: string | ReadPassword | null;
  readonly warnings: readonly string[];
}

async function readPasswordFile(path: string | null): Promise<PasswordFile> {
  if (path === null) return { password: null, warnings: [] };
  const { password, isPrivate, isLasting } = await firstLineOf(path);
  return {
    password: isLasting ? readerOf(path, password) : password,
    warnings: isPrivate ? [] : [`Other users may read the password file ${path}: chmod 600 it.`],
  };
}

/** What was read just now is told first; who asks again, as the server refuses it, gets what is there then. */
function readerOf(path: string, readNow: string): ReadPassword {
  let untold: string | null = readNow;
  return async () => {
    const first = untold;
    untold = null;
    return first ?? (await firstLineOf(path)).password;
  };
}

async function firstLineOf(path: string): Promise<Omit<SecretFile, 'text'> & { readonly password: string }> {
  const { text, ...about } = await readSecretFile('The password file', path);
  const [password = ''] = text.split(/\r?\n/);
  // A secret that was not mounted, mostly; the server would only say that the login is refused.
  if (password === '') throw new MigrationError('BAD_USAGE', `The first line of the password file ${path} is empty.`);
  return { password, ...about };
}
