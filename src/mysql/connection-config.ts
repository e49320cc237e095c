/** How to reach a server: from a URL, with what the URL leaves open taken from the option files of the servers' own clients. */

import { isIP } from 'node:net';
import { userInfo } from 'node:os';
import { MigrationError } from '../engine/errors.ts';
import { Password, type ReadPassword } from '../sessions/password.ts';
import { decodePart, hostOf, orNull, wholeNumber } from '../sessions/server-address.ts';
import { Tls, type TlsChecks } from '../sessions/tls.ts';
import { type OptionFiles, readOptionFiles } from './option-files.ts';

/** Everything that opening a connection needs. Holds the password: never put it into a message or an event. */
export interface ConnectionConfig {
  readonly host: string;
  readonly port: number;
  /** Unix socket; then host, port and TLS are not used. */
  readonly socketPath: string | null;
  readonly user: string | null;
  readonly password: Password;
  /** Database of the URL's path, where a table's name has none. */
  readonly database: string | null;
  readonly ssl: Tls | null;
  /** PREFERRED: a server without TLS is talked to in plain text. */
  readonly isTlsOptional: boolean;
  readonly connectTimeoutMs: number;
}

/** The five modes of `--ssl-mode`, as the servers' own clients name them. */
const sslModes = ['DISABLED', 'PREFERRED', 'REQUIRED', 'VERIFY_CA', 'VERIFY_IDENTITY'] as const;

type SslMode = (typeof sslModes)[number];

/** What is left open by the URL. */
export interface ConnectionDefaults {
  /** Read instead of the usual option files; null: the usual ones. */
  readonly defaultsFile: string | null;
  /** Password from elsewhere (prompt, file, environment), or how to read it; wins over option files, not over the URL. */
  readonly password: string | ReadPassword | null;
  /** For `~/.my.cnf`; null where there is none. */
  readonly home: string | null;
}

const urlParameters = ['ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key', 'socket', 'connect-timeout'];

/** Parses `mysql://` and `mariadb://` URLs. Rejects with BAD_USAGE; no message repeats the URL, which may hold a password. */
export async function connectionConfig(url: string, defaults: ConnectionDefaults): Promise<ConnectionConfig> {
  const parsed = parseUrl(url);
  const options = await readOptionFiles(defaults);
  const parameter = (name: string): string | null => parsed.searchParams.get(name) ?? options.get(name) ?? null;
  const mode = sslMode(parameter('ssl-mode'), options);
  const named = orNull(hostOf(parsed)) ?? options.get('host') ?? null;
  const host = named ?? '127.0.0.1';
  if (mode === 'VERIFY_IDENTITY' && isIP(host) !== 0) {
    // The driver would compare the certificate with "localhost" then.
    throw new MigrationError('BAD_USAGE', `ssl-mode VERIFY_IDENTITY needs the name of the host, not the address ${host}.`);
  }
  const paths = { ca: parameter('ssl-ca'), cert: parameter('ssl-cert'), key: parameter('ssl-key') };
  return {
    host,
    port: wholeNumber('port', orNull(parsed.port) ?? options.get('port') ?? '3306', 65_535),
    socketPath:
      parsed.searchParams.get('socket') ?? (isBySocket(parsed, named, options) ? (options.get('socket') ?? null) : null),
    user: orNull(decodePart(parsed.username)) ?? options.get('user') ?? defaultUser(),
    password: await Password.from(orNull(decodePart(parsed.password)) ?? defaults.password ?? passwordIn(options, defaults)),
    database: orNull(decodePart(parsed.pathname.slice(1))) ?? options.get('database') ?? null,
    ssl: mode === 'DISABLED' ? null : await Tls.read(paths, checksOf(mode)),
    isTlsOptional: mode === 'PREFERRED',
    connectTimeoutMs: wholeNumber('connect-timeout', parameter('connect-timeout') ?? '10', 3600) * 1000,
  };
}

function passwordIn(options: ReadonlyMap<string, string>, files: OptionFiles): ReadPassword | null {
  return options.has('password') ? async () => (await readOptionFiles(files)).get('password') ?? null : null;
}

/** As the servers' own clients do, but for a port in the URL, which they do not heed where the host is localhost. */
function isBySocket({ port }: URL, host: string | null, options: ReadonlyMap<string, string>): boolean {
  const isTcp = port !== '' || options.get('protocol')?.toLowerCase() === 'tcp';
  return !isTcp && (host === null || host.toLowerCase() === 'localhost');
}

function checksOf(mode: SslMode): TlsChecks {
  const verifyIdentity = mode === 'VERIFY_IDENTITY';
  return { rejectUnauthorized: verifyIdentity || mode === 'VERIFY_CA', verifyIdentity };
}

function parseUrl(url: string): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    throw new MigrationError('BAD_USAGE', 'The URL cannot be read; it should look like mysql://user@host:3306/database.', {
      // The URL parser's own error repeats its input.
      cause: error instanceof Error ? error.name : undefined,
    });
  }
  if (parsed.protocol !== 'mysql:' && parsed.protocol !== 'mariadb:') {
    throw new MigrationError('BAD_USAGE', `The URL should begin with mysql:// or mariadb://, not with ${parsed.protocol}//.`);
  }
  for (const name of parsed.searchParams.keys()) {
    if (!urlParameters.includes(name)) {
      throw new MigrationError(
        'BAD_USAGE',
        `The URL has the unknown parameter ${name}; known are ${urlParameters.join(', ')}.`,
      );
    }
  }
  return parsed;
}

function sslMode(asked: string | null, options: ReadonlyMap<string, string>): SslMode {
  if (asked === null) return modeOfMariaDbOptions(options);
  const mode = asked.toUpperCase().replaceAll('-', '_');
  const known = sslModes.find((name) => name === mode);
  if (known === undefined) throw new MigrationError('BAD_USAGE', `ssl-mode is one of ${sslModes.join(', ')}, not ${asked}.`);
  return known;
}

/** MariaDB's client has no ssl-mode but `ssl` and `ssl-verify-server-cert`; without any of them both clients prefer TLS. */
function modeOfMariaDbOptions(options: ReadonlyMap<string, string>): SslMode {
  if (isOn(options.get('skip-ssl')) || isOff(options.get('ssl'))) return 'DISABLED';
  if (isOn(options.get('ssl-verify-server-cert'))) return 'VERIFY_IDENTITY';
  return isOn(options.get('ssl')) ? 'REQUIRED' : 'PREFERRED';
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !isOff(value);
}

function isOff(value: string | undefined): boolean {
  return value !== undefined && ['0', 'off', 'false'].includes(value.toLowerCase());
}

/** The servers' own clients log in under the name of the operating system's user. */
function defaultUser(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null;
  }
}
