/** How to reach a server: from a URL, with what the URL leaves open taken from the PG* variables and the password file. */

import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { MigrationError } from '../engine/errors.ts';
import { Password, type ReadPassword } from '../sessions/password.ts';
import { decodePart, hostOf, orNull, wholeNumber } from '../sessions/server-address.ts';
import { Tls } from '../sessions/tls.ts';
import { findExposedFile, findPassword } from './option-files.ts';

/** Everything that opening a connection needs. Holds the password: never put it into a message or an event. */
export interface ConnectionConfig {
  /** Name or address, or the directory of a Unix socket; TLS is not used there. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: Password;
  /** A password file that would be read if others might not read it, where nobody else says a password. */
  readonly unusedPasswordFile?: string;
  readonly database: string;
  readonly ssl: Tls | null;
  /** `prefer`: a server without TLS is talked to in plain text. */
  readonly isTlsOptional: boolean;
  /** Settings to connect with (`-c role=app_owner`); ours come later and win. */
  readonly options: string | null;
  /** Assignments for SET on each connection, behind ours (session.ts). */
  readonly settings?: readonly string[];
  readonly connectTimeoutMs: number;
}

/** What is left open by the URL. */
export interface ConnectionDefaults {
  /** MySQL's option file; naming one here is an error. */
  readonly defaultsFile: string | null;
  /** Password from elsewhere (prompt, file, environment), or how to read it; wins over PGPASSWORD and ~/.pgpass, not over the URL. */
  readonly password: string | ReadPassword | null;
  /** For `~/.pgpass` and `~/.postgresql`; null where there is none. */
  readonly home: string | null;
  /** For the PG* variables, which the servers' own clients read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

/** The modes of libpq, and the same in the words of MySQL's clients, which `--ssl-mode` uses. */
const sslModes: ReadonlyMap<string, SslMode> = new Map<string, SslMode>([
  ['disable', 'disable'],
  ['disabled', 'disable'],
  ['allow', 'prefer'],
  ['prefer', 'prefer'],
  ['preferred', 'prefer'],
  ['require', 'require'],
  ['required', 'require'],
  ['verify-ca', 'verify-ca'],
  ['verify-full', 'verify-full'],
  ['verify-identity', 'verify-full'],
]);

/** Parameters of the URL, and the variable that stands in for each. */
const parameters = {
  host: 'PGHOST',
  port: 'PGPORT',
  user: 'PGUSER',
  dbname: 'PGDATABASE',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  options: 'PGOPTIONS',
} as const;

type Parameter = keyof typeof parameters;

/** Other spellings, which the command line uses for every server. */
const synonyms: ReadonlyMap<string, Parameter> = new Map<string, Parameter>([
  ['ssl-mode', 'sslmode'],
  ['ssl-ca', 'sslrootcert'],
  ['ssl-cert', 'sslcert'],
  ['ssl-key', 'sslkey'],
]);

/** Where distributions put the server's socket; the first that exists is used when no host is named. */
const socketFolders = ['/var/run/postgresql', '/tmp'];

/** Parses `postgres://` and `postgresql://` URLs. Rejects with BAD_USAGE; no message repeats the URL, which may hold a password. */
export async function connectionConfig(url: string, defaults: ConnectionDefaults): Promise<ConnectionConfig> {
  if (defaults.defaultsFile !== null) {
    throw badUsage('An option file is for MySQL and MariaDB; PostgreSQL has PGPASSFILE and the PG* variables.');
  }
  const parsed = parseUrl(url);
  const given = parametersOf(parsed);
  const variable = (name: string): string | null => orNull(defaults.environment[name] ?? '');
  const parameter = (name: Parameter): string | null => given.get(name) ?? variable(parameters[name]);
  const host = orNull(hostOf(parsed)) ?? parameter('host');
  const unread = ['PGSERVICE', 'PGHOSTADDR'].find((name) => variable(name) !== null);
  if (host === null && unread !== undefined) {
    throw badUsage(`${unread} is not read here; name the server in the URL, or in PGHOST.`);
  }
  if (host?.includes(',')) throw badUsage('Only one host can be named: the primary that has the table.');
  const port = wholeNumber('port', orNull(parsed.port) ?? parameter('port') ?? '5432', 65_535);
  const user = orNull(decodePart(parsed.username)) ?? parameter('user') ?? defaultUser();
  const target = {
    host: host ?? defaultHost(port),
    port,
    user,
    database: orNull(decodePart(parsed.pathname.slice(1))) ?? parameter('dbname') ?? user,
  };
  const password = orNull(decodePart(parsed.password)) ?? defaults.password ?? variable('PGPASSWORD');
  const mode = sslMode(parameter('sslmode'));
  const unused = password === null ? await findExposedFile(variable('PGPASSFILE'), defaults.home) : null;
  return {
    ...target,
    ...(unused === null ? {} : { unusedPasswordFile: unused }),
    password:
      password === null
        ? await passwordInFile(() => findPassword(variable('PGPASSFILE'), defaults.home, target))
        : await Password.from(password),
    ssl: mode === 'disable' || target.host.startsWith('/') ? null : await tlsConfig(mode, parameter, defaults.home),
    isTlsOptional: mode === 'prefer',
    options: parameter('options'),
    connectTimeoutMs: wholeNumber('connect_timeout', orNull(parameter('connect_timeout') ?? '') ?? '10', 3600) * 1000,
  };
}

/** Where there is none it stays so. */
async function passwordInFile(read: ReadPassword): Promise<Password> {
  const known = await read();
  return new Password(known === null ? null : read, known);
}

function parseUrl(url: string): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    // The URL parser's own error repeats its input.
    throw badUsage(
      'The URL cannot be read; it should look like postgres://user@host:5432/database.',
      error instanceof Error ? error.name : undefined,
    );
  }
  if (parsed.protocol !== 'postgres:' && parsed.protocol !== 'postgresql:') {
    throw badUsage(`The URL should begin with postgres:// or postgresql://, not with ${parsed.protocol}//.`);
  }
  return parsed;
}

function parametersOf(url: URL): ReadonlyMap<Parameter, string> {
  const names = Object.keys(parameters) as Parameter[];
  const given = new Map<Parameter, string>();
  for (const [name, value] of url.searchParams) {
    const known = synonyms.get(name) ?? names.find((one) => one === name);
    if (known === undefined) {
      throw badUsage(`The URL has the unknown parameter ${name}; known are ${names.join(', ')}.`);
    }
    given.set(known, value);
  }
  return given;
}

function sslMode(asked: string | null): SslMode {
  if (asked === null) return 'prefer';
  const mode = sslModes.get(asked.toLowerCase().replaceAll('_', '-'));
  if (mode === undefined) {
    throw badUsage(`sslmode is one of disable, prefer, require, verify-ca, verify-full, not ${asked}.`);
  }
  return mode;
}

/** The files in `~/.postgresql` are used where none are named, as libpq does; and a root certificate is always checked against. */
async function tlsConfig(
  mode: Exclude<SslMode, 'disable'>,
  parameter: (name: Parameter) => string | null,
  home: string | null,
): Promise<Tls> {
  const pathOf = (name: Parameter, usual: string): string | null => {
    const named = parameter(name);
    if (name === 'sslrootcert' && named === 'system') return null;
    const path = named ?? (home === null ? null : join(home, '.postgresql', usual));
    return path === null || (named === null && !existsSync(path)) ? null : path;
  };
  const paths = {
    ca: pathOf('sslrootcert', 'root.crt'),
    cert: pathOf('sslcert', 'postgresql.crt'),
    key: pathOf('sslkey', 'postgresql.key'),
  };
  const isChecked = mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && paths.ca !== null);
  return await Tls.read(paths, { rejectUnauthorized: isChecked, verifyIdentity: mode === 'verify-full' });
}

function defaultHost(port: number): string {
  return socketFolders.find((folder) => existsSync(join(folder, `.s.PGSQL.${port}`))) ?? 'localhost';
}

/** The servers' own clients log in under the name of the operating system's user. */
function defaultUser(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw badUsage('Who to log in as is not known: name the user in the URL.', cause);
  }
}

function badUsage(message: string, cause?: unknown): MigrationError {
  return new MigrationError('BAD_USAGE', message, cause === undefined ? undefined : { cause });
}
