/**
 * The servers that the tests run on. MySQL and MariaDB: Debian packages unpacked into a cache, started by the loader that came
 * with them, so that nothing is installed and the machine's own C library does not matter. PostgreSQL: postgres-software.ts.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installPostgres, postgresPrivileges, type PostgresVersion } from './postgres-software.ts';

/** The kinds of server there are. */
export type Flavour = 'mysql' | 'mariadb' | 'postgres';

/** Those that come as Debian packages. */
type DebianFlavour = Exclude<Flavour, 'postgres'>;

/** A server that is installed: how to call it, and a data directory to copy. */
export interface ServerSoftware {
  /** The program and the arguments that come before every other. */
  readonly command: readonly [string, ...string[]];
  /** Options of setpriv, for a server that does not run as the present user. */
  readonly privileges: readonly string[];
  /** An initialised, cleanly shut down data directory with an administrator that needs no password from 127.0.0.1. */
  readonly template: string;
}

interface DebianSoftware extends ServerSoftware {
  readonly flavour: DebianFlavour;
}

/** What to unpack. */
export interface DebianPackages {
  /** The Debian suite that has them. */
  readonly suite: string;
  /** Unpacked with everything they depend on. */
  readonly packages: readonly string[];
  /** Unpacked without what they depend on: only a part of them is wanted. */
  readonly alone: readonly string[];
}

interface Release extends DebianPackages {
  readonly daemon: string;
}

const releases: Readonly<Record<DebianFlavour, Release>> = {
  mysql: { suite: 'sid', packages: ['mysql-server-core', 'mysql-client-core'], alone: [], daemon: 'usr/sbin/mysqld' },
  mariadb: {
    suite: 'bookworm',
    packages: ['mariadb-server-core', 'mariadb-client-core'],
    alone: ['mariadb-server'],
    daemon: 'usr/sbin/mariadbd',
  },
};

const run = promisify(execFile);

/** The folder for everything that is downloaded: `TABLESHIFT_CACHE`, or a folder in the user's own cache. */
export function cacheFolder(): string {
  return process.env['TABLESHIFT_CACHE'] || join(homedir(), '.cache', 'tableshift');
}

/**
 * Downloads and unpacks a server unless that is done, and initialises its template. Safe to run twice and at once.
 * Needs the network, and apt-get and dpkg or npm, the first time only.
 */
export async function installServer(flavour: Flavour, version: PostgresVersion): Promise<ServerSoftware> {
  if (flavour !== 'postgres') return installDebian(flavour);
  const { program, template } = await installPostgres(version, cacheFolder());
  return { command: [program], privileges: postgresPrivileges, template: join(template, 'data') };
}

async function installDebian(flavour: DebianFlavour): Promise<ServerSoftware> {
  const release = releases[flavour];
  const folder = await unpackDebian(flavour, release);
  const software = { flavour, command: commandIn(folder, release), privileges: [], template: join(folder, 'template') };
  if (!existsSync(software.template)) await makeTemplate(software, folder);
  return software;
}

/**
 * Downloads packages and unpacks them into a folder of the cache, unless that is done. Safe to run twice and at once. Needs
 * apt-get and dpkg, and the network the first time.
 */
export async function unpackDebian(name: string, { suite, packages, alone }: DebianPackages): Promise<string> {
  const folder = join(cacheFolder(), `${name}-${suite}`);
  if (existsSync(join(folder, '.complete'))) return folder;
  const script = join(import.meta.dirname, '..', '..', 'scripts', 'unpack-debian');
  await run(script, [folder, suite, ...packages, ...(alone.length > 0 ? ['--alone', ...alone] : [])]);
  return folder;
}

/** How to start a program of such a folder: by the loader that came with it. The program and its arguments follow. */
export function loaderIn(folder: string): readonly [string, ...string[]] {
  const platform = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const loader = process.arch === 'arm64' ? 'ld-linux-aarch64.so.1' : 'ld-linux-x86-64.so.2';
  const libraries = [join(folder, 'usr/lib', platform), join(folder, 'lib', platform)].filter((path) => existsSync(path));
  const loaderPath = libraries.map((path) => join(path, loader)).find((path) => existsSync(path));
  if (loaderPath === undefined) throw new Error(`There is no ${loader} in ${folder}: delete that folder and install again.`);
  return [loaderPath, '--library-path', libraries.join(':')];
}

function commandIn(folder: string, release: Release): readonly [string, ...string[]] {
  return [
    ...loaderIn(folder),
    join(folder, release.daemon),
    '--no-defaults',
    `--basedir=${join(folder, 'usr')}`,
    `--lc-messages-dir=${join(folder, 'usr/share/mysql')}`,
    `--plugin-dir=${join(folder, 'usr/lib/mysql/plugin')}`,
    ...(process.getuid?.() === 0 ? ['--user=root'] : []),
  ];
}

/** Initialises beside the final place and renames: whoever comes second throws its own away. */
async function makeTemplate(software: DebianSoftware, folder: string): Promise<void> {
  const partial = await mkdtemp(join(folder, 'template.partial.'));
  try {
    if (software.flavour === 'mysql') await initialiseMysql(software, partial);
    else await initialiseMariadb(software, partial, join(folder, 'usr/share/mysql'));
    // A copy must get a server_uuid of its own, which the server makes when this file is missing.
    await rm(join(partial, 'auto.cnf'), { force: true });
    await rename(partial, software.template).catch((error: unknown) => {
      if (!existsSync(software.template)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function initialiseMysql(software: ServerSoftware, directory: string): Promise<void> {
  const accounts = `${directory}.sql`;
  await writeFile(accounts, "CREATE USER root@'127.0.0.1';\nGRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n");
  const [program, ...first] = software.command;
  try {
    await run(program, [
      ...first,
      '--initialize-insecure',
      `--init-file=${accounts}`,
      '--disable-log-bin',
      '--secure-file-priv=',
      '--innodb-redo-log-capacity=8M',
      `--datadir=${directory}`,
    ]);
  } finally {
    await rm(accounts, { force: true });
  }
}

/** What mariadb-install-db does, without the programs that it calls and that would need the loader too. */
async function initialiseMariadb(software: ServerSoftware, directory: string, scripts: string): Promise<void> {
  const parts = [
    'mysql_system_tables.sql',
    'mysql_performance_tables.sql',
    'mysql_system_tables_data.sql',
    'maria_add_gis_sp_bootstrap.sql',
    'mysql_sys_schema.sql',
  ];
  const texts = await Promise.all(parts.map((name) => readFile(join(scripts, name), 'utf8')));
  const [program, ...first] = software.command;
  const flags = [
    '--bootstrap',
    '--silent-startup',
    '--enforce-storage-engine=',
    '--max-allowed-packet=8M',
    '--innodb-log-file-size=8M',
    `--datadir=${directory}`,
  ];
  const bootstrap = run(program, [...first, ...flags]);
  bootstrap.child.stdin?.end(['CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n', ...texts].join('\n'));
  await bootstrap;
}
