/** Other tools for the same change: those that Debian has, and any other by its command line. */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, renameSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parseServerUrl } from '../src/server-url.ts';
import { cacheFolder, type Flavour, loaderIn, unpackDebian } from '../test/support/server-software.ts';
import { readNamed } from './arguments.ts';
import { RunFailedError, UsageError } from './errors.ts';
import { watchMemory } from './machine.ts';
import type { BenchTable } from './table.ts';

/** A tool that is started by a command line. */
export interface Peer {
  readonly name: string;
  /** For a shell, with placeholders. */
  readonly command: string;
  /** False for one that only rewrites the table. */
  readonly isChanging: boolean;
  /** In the table's database, before its first run. */
  readonly prepare: readonly string[];
}

/** Their part of the help. */
export const peerUsage = `  --peer NAME         another tool: pt-online-schema-change (MySQL, MariaDB) or pg_repack (PostgreSQL 15), from the PATH or
                      else from Debian; debian for the one of these that fits the server
  --peer NAME=COMMAND any other, as a command for the shell, with {host} {port} {user} {database} {schema} {table} {alter}
                      and {url}, which come quoted for the shell: put no quotes
                      around them; the password is in MYSQL_PWD and PGPASSWORD`;

/** What `--peer` says, for one kind of server. Downloads a known one that is not on the PATH. */
export async function findPeers(asked: readonly string[], flavour: Flavour): Promise<readonly Peer[]> {
  const peers: Peer[] = [];
  for (const text of asked) {
    if (text.includes('=')) {
      const { name, text: command } = readNamed('peer', text);
      peers.push({ name, command, isChanging: true, prepare: [] });
    } else if (text === 'debian' || text === peerOf(flavour)) {
      peers.push(flavour === 'postgres' ? await pgRepack() : await ptOnlineSchemaChange(flavour));
    } else if (text !== 'pg_repack' && text !== 'pt-online-schema-change') {
      throw new UsageError(`--peer: ${text} is not known; say how it is called: --peer '${text}=COMMAND'.`);
    }
  }
  return peers;
}

/** Runs it to its end. Rejects, with what it printed, when it says that it failed. */
export async function runPeer({ command, name }: Peer, table: BenchTable): Promise<{ readonly peakMib: number | null }> {
  const child = spawn('sh', ['-c', filled(command, table)], {
    env: { ...process.env, ...passwords(table.url) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const memory = child.pid === undefined ? null : watchMemory(child.pid);
  const printed: string[] = [];
  child.stdout.on('data', (data: Buffer) => printed.push(data.toString()));
  child.stderr.on('data', (data: Buffer) => printed.push(data.toString()));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const peakMib = memory?.stop() ?? null;
  if (exitCode !== 0) throw new RunFailedError(`${name} ended with exit code ${exitCode}: ${printed.join('').slice(-2_000)}`);
  return { peakMib };
}

/** The command with its placeholders replaced. Throws for a placeholder that does not exist. */
export function filled(
  command: string,
  { url, schema, table, alter }: Pick<BenchTable, 'url' | 'schema' | 'table' | 'alter'>,
): string {
  const { hostname, pathname, port, protocol, username } = new URL(url);
  const usualPort = protocol.startsWith('postgres') ? '5432' : '3306';
  const values: Readonly<Record<string, string>> = {
    host: hostname,
    port: port || usualPort,
    user: decodeURIComponent(username),
    database: decodeURIComponent(pathname.slice(1)),
    url: parseServerUrl(url).shown,
    schema,
    table,
    alter,
  };
  return command.replaceAll(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = values[name];
    if (value === undefined)
      throw new UsageError(`--peer: there is no ${placeholder}; there are {${Object.keys(values).join('} {')}}.`);
    return `'${value.replaceAll("'", `'\\''`)}'`;
  });
}

function peerOf(flavour: Flavour): string {
  return flavour === 'postgres' ? 'pg_repack' : 'pt-online-schema-change';
}

function passwords(url: string): Readonly<Record<string, string>> {
  const { password } = parseServerUrl(url);
  return password === null ? {} : { MYSQL_PWD: password, PGPASSWORD: password };
}

/** On MySQL it needs the older form of EXPLAIN: with the present one it estimates no rows and copies the table in one statement. */
async function ptOnlineSchemaChange(flavour: Flavour): Promise<Peer> {
  const name = 'pt-online-schema-change';
  const explain = flavour === 'mysql' ? ['--set-vars', 'explain_format=TRADITIONAL'] : [];
  const options = [
    ...['--alter', '{alter}', '--execute', '--no-version-check'],
    ...['--no-drop-old-table', '--no-check-unique-key-change', ...explain, 'h={host},P={port},u={user},D={schema},t={table}'],
  ];
  return { name, command: [...(await programOfPercona(flavour)), ...options].join(' '), isChanging: true, prepare: [] };
}

/**
 * Perl and its libraries come along, and are started by the loader among them. Version 3.7.1 of sid says SHOW REPLICAS, which MariaDB
 * does not know, and 3.2.1 of bookworm does not know MySQL 9.
 */
async function programOfPercona(flavour: Flavour): Promise<readonly string[]> {
  if (isOnPath('pt-online-schema-change')) return ['pt-online-schema-change'];
  const folder = await unpackDebian('percona-toolkit', {
    suite: flavour === 'mysql' ? 'sid' : 'bookworm',
    packages: ['percona-toolkit'],
    alone: [],
  });
  const platform = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const libraries = join(folder, 'usr/lib', platform);
  const inside = (parent: string): readonly string[] =>
    existsSync(parent) ? readdirSync(parent).map((name) => join(parent, name)) : [];
  const modules = [
    join(folder, 'usr/share/perl5'),
    ...[join(libraries, 'perl5'), join(folder, 'usr/share/perl'), join(libraries, 'perl')].flatMap(inside),
    join(libraries, 'perl-base'),
  ];
  const environment = [`PERL5LIB=${modules.join(':')}`, `MARIADB_PLUGIN_DIR=${join(libraries, 'libmariadb3/plugin')}`];
  return [
    'env',
    ...environment,
    ...loaderIn(folder),
    join(folder, 'usr/bin/perl'),
    join(folder, 'usr/bin/pt-online-schema-change'),
  ];
}

/** The newest that Debian has for the C library of its stable suite is that for PostgreSQL 15. It rewrites, and changes no type. */
async function pgRepack(): Promise<Peer> {
  const name = 'pg_repack';
  const folder = isOnPath(name)
    ? null
    : await unpackDebian('pg-repack', { suite: 'bookworm', packages: ['libpq5'], alone: ['postgresql-15-repack'] });
  const program = folder === null ? [name] : [...loaderIn(folder), join(folder, 'usr/lib/postgresql/15/bin/pg_repack')];
  if (folder !== null) addExtension(folder);
  const options = [
    '--host',
    '{host}',
    '--port',
    '{port}',
    '--username',
    '{user}',
    '--dbname',
    '{database}',
    '--table',
    '{schema}.{table}',
  ];
  return {
    name: `${name} (no type changed)`,
    command: [...program, ...options, '--no-superuser-check', '--wait-timeout=60'].join(' '),
    isChanging: false,
    prepare: ['CREATE EXTENSION IF NOT EXISTS pg_repack'],
  };
}

/** Lays the extension beside those of the server that the benches start, where it stays: a database has it only when it asks. */
function addExtension(folder: string): void {
  const server = readdirSync(cacheFolder()).find((name) => /^postgres-15\.[\w.-]+$/.test(name) && !name.includes('.partial'));
  if (server === undefined) return;
  const native = join(cacheFolder(), server, 'native');
  const put = (from: string, to: string): void => {
    for (const file of readdirSync(from).filter((file) => file.startsWith('pg_repack'))) {
      const final = join(to, file);
      if (existsSync(final)) continue;
      copyFileSync(join(from, file), `${final}.${process.pid}`);
      renameSync(`${final}.${process.pid}`, final);
    }
  };
  put(join(folder, 'usr/share/postgresql/15/extension'), join(native, 'share/postgresql/extension'));
  put(join(folder, 'usr/lib/postgresql/15/lib'), join(native, 'lib/postgresql'));
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}
