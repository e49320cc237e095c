/** The address of a server as a URL: `postgres://user@host:5432/database`. A password in it never comes out again in a message. */

import { MigrationError } from './engine/errors.ts';
import { decodePart } from './sessions/server-address.ts';

/** MySQL and MariaDB share one. */
export type AdapterName = 'mysql' | 'postgres';

/** What is to be known about a URL before an adapter takes it. */
export interface ServerUrl {
  readonly adapter: AdapterName;
  /** The URL without its password: for messages, for the command that resumes, and for the adapter. */
  readonly shown: string;
  readonly password: string | null;
  /** Database of the path. */
  readonly database: string | null;
}

/** Rejects with BAD_USAGE, without repeating the URL, for it may hold a password. */
export function parseServerUrl(text: string): ServerUrl {
  const url = readUrl(text);
  const adapter = adapterOf(url.protocol);
  if (url.hash !== '') {
    throw new MigrationError('BAD_USAGE', 'The URL has a # in it; in a user name or a password it is written as %23.');
  }
  checkPlaceOfAt(url);
  const asParameter = url.searchParams.get('password');
  const password = url.password === '' ? asParameter : decodePart(url.password);
  const database = decodePart(url.pathname.slice(1));
  url.password = '';
  // PostgreSQL's own clients take it there too.
  if (asParameter !== null) url.searchParams.delete('password');
  return { adapter, shown: url.href, password, database: database === '' ? null : database };
}

/** A password such as `12/x` makes a port of its beginning and a database, or a parameter, of the rest, and of the user the host. */
function checkPlaceOfAt({ pathname, search }: URL): void {
  if (!pathname.includes('@') && !/[?&][^=&]*@/.test(search)) return;
  throw new MigrationError(
    'BAD_USAGE',
    'The URL has an @ behind its host: in a user name or a password / is written as %2F and ? as %3F; in the name of a database @ is %40.',
  );
}

function readUrl(text: string): URL {
  const url = withoutHost(text) ?? text;
  if (URL.canParse(url)) return new URL(url);
  const message = /^postgres(?:ql)?:\/\/(?:[^/?#]*@)?[^@/?#]*,/i.test(text)
    ? 'The URL names several hosts; only one can be named: the primary that has the table.'
    : 'The URL cannot be read: it must look like mysql://user@host:3306/database or postgres://user@host:5432/database, with special characters written as %XX (@ is %40, # is %23, / is %2F).';
  throw new MigrationError('BAD_USAGE', message);
}

/**
 * PostgreSQL's own clients take a user or a port without a host, as in `postgres://app@/shop?host=/run/postgresql`; URLs as such have
 * none. Then the same with parameters; null for any other.
 */
function withoutHost(text: string): string | null {
  const parts = /^(postgres(?:ql)?:\/\/)(?:([^/?#:@]*)(?::([^/?#]*))?@)?(?::(\d*))?(\/[^?#]*)?(?:\?([^#]*))?(#.*)?$/i.exec(
    text,
  );
  if (parts === null) return null;
  const [, scheme = '', user, password, port, path = '/', query, hash = ''] = parts;
  if ((user ?? port) === undefined) return null;
  const given = Object.entries({ user, password, port }).flatMap(([name, value]) =>
    value ? [`${name}=${parameterValue(value)}`] : [],
  );
  const parameters = [...given, ...(query ? [query] : [])].join('&');
  return `${scheme}${path}${parameters === '' ? '' : '?'}${parameters}${hash}`;
}

/** In a parameter, other than before the host, a + is a blank and a & the end. */
function parameterValue(part: string): string {
  return part.replaceAll('+', '%2B').replaceAll('&', '%26');
}

/** The URL of a replica, with user, database and TLS settings of its primary's URL where it has none. */
export function withLoginOf(replica: string, primary: string): string {
  const { shown, password } = parseServerUrl(replica);
  const [url, from] = [new URL(shown), new URL(primary)];
  if (url.username === '') url.username = from.username;
  if (password !== null) url.password = password;
  if (/^\/?$/.test(url.pathname)) url.pathname = from.pathname;
  for (const [name, value] of from.searchParams) {
    const isLogin = name.startsWith('ssl') || (name === 'user' && url.username === '');
    if (isLogin && !url.searchParams.has(name)) url.searchParams.set(name, value);
  }
  return url.href;
}

/** A text in which the password of each URL is replaced: for messages that others wrote. */
export function hidePasswords(text: string): string {
  return text
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/]*@/gi, '$1:***@')
    .replaceAll(/([?&]password=)[^&#\s]*/gi, '$1***');
}

function adapterOf(protocol: string): AdapterName {
  switch (protocol) {
    case 'mysql:':
    case 'mariadb:':
      return 'mysql';
    case 'postgres:':
    case 'postgresql:':
      return 'postgres';
    default:
      throw new MigrationError(
        'BAD_USAGE',
        `The URL begins with ${protocol} but must begin with mysql://, mariadb:// or postgres://.`,
      );
  }
}
