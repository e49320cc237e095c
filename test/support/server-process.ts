/** One server process: its directory, its flags, and how it is started, watched and ended. */
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { PostgresVersion } from './postgres-software.ts';
import { installServer, type Flavour, type ServerSoftware } from './server-software.ts';
import { usualFlags } from './server-flags.ts';

/** What is known about a server that was started, also to a process that did not start it. */
export interface ServerProcess {
  readonly flavour: Flavour;
  /** Of PostgreSQL. */
  readonly version: PostgresVersion;
  /** Holds `data`, `server.log` and, once started, `server.json`: this record. */
  readonly directory: string;
  readonly port: number;
  readonly pid: number;
  /** The flags on top of the usual ones. */
  readonly flags: readonly string[];
}

type StartedServer = Pick<ServerProcess, 'flavour' | 'directory' | 'pid'>;

/** How to start a server. */
export interface ServerStart {
  readonly flavour: Flavour;
  /** Of PostgreSQL. */
  readonly version: PostgresVersion;
  /** Made, with an initialised data directory, when it does not exist. */
  readonly directory: string;
  readonly flags: readonly string[];
  /** Without it, a free one. */
  readonly port?: number;
  /** True: the server is killed when the process that started it ends, however it ends. */
  readonly endsWithParent: boolean;
}

/** A server that has not answered by then will not: a crash recovery of test data takes a second. */
const startTimeoutMs = 60_000;
const stopTimeoutMs = 60_000;
const pollMs = 25;
const portAttemptsMax = 5;

/** Starts a server and comes back when it answers a query. A port that someone else took meanwhile is replaced by another. */
export async function startProcess(start: ServerStart): Promise<ServerProcess> {
  const software = await installServer(start.flavour, start.version);
  makeDirectory(software, start.directory);
  for (let attempt = 1; ; attempt += 1) {
    const port = start.port ?? (await freePort());
    const { flavour, version, directory, flags } = start;
    const server: ServerProcess = { flavour, version, directory, port, pid: launch(software, start, port), flags };
    // Before it answers, so that whoever is interrupted meanwhile can still find and end it.
    writeFileSync(recordFile(directory), `${JSON.stringify(server, undefined, 2)}\n`);
    try {
      await awaitAnswer(server);
      return server;
    } catch (error) {
      await endProcess(server, 'at once');
      const isPortTaken = start.port === undefined && /address already in use/i.test(logOf(server));
      if (!isPortTaken || attempt >= portAttemptsMax) throw error;
    }
  }
}

/** The server that was last started in a directory, by whichever process. It may have ended since. */
export function readProcess(directory: string): ServerProcess | undefined {
  const file = recordFile(directory);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ServerProcess) : undefined;
}

function recordFile(directory: string): string {
  return join(directory, 'server.json');
}

/** Where the server's data is. Its name is in the command line, which is how a pid is known to be still the same server. */
export function dataDirectory(server: { readonly directory: string }): string {
  return join(server.directory, 'data');
}

/** Whether the process still runs and still is this server, not another one that got its pid. */
export function isRunning(server: StartedServer): boolean {
  return stateOf(server) === 'running';
}

/** Ends the server, if it runs, and waits until its processes are gone; SIGKILL follows when an orderly end takes too long. */
export async function endProcess(server: StartedServer, how: 'in order' | 'at once'): Promise<void> {
  const isGone = (): boolean => stateOf(server) === 'gone' && workersOf(server).length === 0;
  if (how === 'in order' && isRunning(server)) {
    // PostgreSQL's answer to SIGTERM is to wait for its clients.
    process.kill(server.pid, server.flavour === 'postgres' ? 'SIGINT' : 'SIGTERM');
    const until = Date.now() + stopTimeoutMs;
    while (!isGone() && Date.now() < until) await delay(pollMs);
  }
  const until = Date.now() + stopTimeoutMs;
  while (!isGone() && Date.now() < until) {
    for (const pid of [...(isRunning(server) ? [server.pid] : []), ...workersOf(server)]) kill(pid);
    await delay(pollMs);
  }
  if (!isGone()) throw new Error(`The server in ${server.directory} (pid ${server.pid}) does not end.`);
  // As long as nobody has waited for the killed process, PostgreSQL would take it for one that is at work there.
  if (server.flavour === 'postgres') rmSync(join(dataDirectory(server), 'postmaster.pid'), { force: true });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

/** A PostgreSQL server is many processes, all at work in its data directory; they outlive a killed first one for a while. */
function workersOf(server: StartedServer): readonly number[] {
  if (server.flavour !== 'postgres' || !existsSync(dataDirectory(server))) return [];
  const data = realpathSync(dataDirectory(server));
  const isWorker = (pid: string): boolean => {
    try {
      return Number(pid) !== server.pid && readlinkSync(`/proc/${pid}/cwd`) === data;
    } catch {
      return false;
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isWorker(name))
    .map(Number);
}

/** A killed process gives up its memory, and so its command line, before its files and ports: until then it is ending. */
function stateOf(server: StartedServer): 'running' | 'ending' | 'gone' {
  const folder = `/proc/${server.pid}`;
  try {
    const commandLine = readFileSync(`${folder}/cmdline`, 'utf8');
    if (commandLine.split('\0').includes(dataFlag(server))) return 'running';
    if (commandLine !== '') return 'gone';
    const isZombie = / Z /.test(readFileSync(`${folder}/stat`, 'utf8'));
    return isZombie && readdirSync(`${folder}/task`).length === 1 ? 'gone' : 'ending';
  } catch {
    return 'gone';
  }
}

/** The one argument that no other server's process has. */
function dataFlag(server: { readonly flavour: Flavour; readonly directory: string }): string {
  return server.flavour === 'postgres' ? dataDirectory(server) : `--datadir=${dataDirectory(server)}`;
}

/** Runs statements one after another in one session, and gives the rows of each. */
export async function runSql(
  server: Pick<ServerProcess, 'flavour' | 'port'>,
  ...statements: readonly string[]
): Promise<Record<string, unknown>[][]> {
  return server.flavour === 'postgres' ? runPostgres(server.port, statements) : runMysql(server.port, statements);
}

async function runPostgres(port: number, statements: readonly string[]): Promise<Record<string, unknown>[][]> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database: 'postgres',
    connectionTimeoutMillis: 5_000,
  });
  // A server that ends meanwhile fails the query that runs, if any.
  client.on('error', () => {});
  await client.connect();
  try {
    const results: Record<string, unknown>[][] = [];
    for (const statement of statements) results.push((await client.query<Record<string, unknown>>(statement)).rows);
    return results;
  } finally {
    await client.end();
  }
}

async function runMysql(port: number, statements: readonly string[]): Promise<Record<string, unknown>[][]> {
  const connection = await mysql.createConnection({ host: '127.0.0.1', port, user: 'root', connectTimeout: 5_000 });
  try {
    const results: Record<string, unknown>[][] = [];
    for (const statement of statements) {
      const [rows] = await connection.query<mysql.RowDataPacket[]>(statement);
      results.push(Array.isArray(rows) ? rows : []);
    }
    await connection.end();
    return results;
  } finally {
    connection.destroy();
  }
}

/** Asks until the answer is yes, for a bounded time, and not longer than the server lives. */
export async function pollServer(server: StartedServer, what: string, isReady: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + startTimeoutMs;
  // A process that is just becoming the server has no command line for a moment.
  while (stateOf(server) !== 'gone' && Date.now() < until) {
    if (await isReady()) return;
    await delay(pollMs);
  }
  const state = isRunning(server) ? `within ${startTimeoutMs} ms` : 'before the server ended';
  throw new Error(
    `Did not get so far ${state}: ${what}. The end of ${server.directory}/server.log:\n${logOf(server).slice(-2_000)}`,
  );
}

function makeDirectory(software: ServerSoftware, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const partial = join(directory, 'data.partial');
  const data = dataDirectory({ directory });
  if (existsSync(data)) return;
  rmSync(partial, { recursive: true, force: true });
  execFileSync('cp', ['--archive', '--reflink=auto', software.template, partial]);
  renameSync(partial, data);
}

function launch(software: ServerSoftware, start: ServerStart, port: number): number {
  const [program, ...first] = software.command;
  // Not the machine's own tmpdir: a MariaDB that starts deletes the temporary tables that others have there.
  const folder = start.flavour === 'postgres' ? ['-D', dataFlag(start)] : [dataFlag(start), `--tmpdir=${start.directory}`];
  const flags = [...first, ...folder, ...usualFlags[start.flavour](port), ...start.flags];
  const privileges = [...software.privileges, ...(start.endsWithParent ? ['--pdeathsig', 'KILL'] : [])];
  const [command, args] =
    privileges.length > 0 ? (['setpriv', [...privileges, '--', program, ...flags]] as const) : ([program, flags] as const);
  const log = openSync(join(start.directory, 'server.log'), 'a');
  try {
    // A group of its own: Ctrl-C in the terminal reaches the tests, and they end their servers in order.
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log] });
    child.unref();
    if (child.pid === undefined) throw new Error(`Could not start ${command}.`);
    return child.pid;
  } finally {
    closeSync(log);
  }
}

const askFolder: Readonly<Record<Flavour, string>> = {
  mysql: 'SELECT @@datadir AS folder',
  mariadb: 'SELECT @@datadir AS folder',
  postgres: 'SHOW data_directory',
};

/** Asks for the data directory, because another server may have taken the port. */
async function awaitAnswer(server: ServerProcess): Promise<void> {
  await pollServer(server, 'answering a query', () =>
    runSql(server, askFolder[server.flavour]).then(
      ([rows]) => realpathSync(String(Object.values(rows?.[0] ?? {})[0])) === realpathSync(dataDirectory(server)),
      () => false,
    ),
  );
}

/** Below the range that the kernel hands out to clients, so that no connection takes the port while a server restarts. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const isFree = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

function logOf(server: { readonly directory: string }): string {
  return readFileSync(join(server.directory, 'server.log'), 'utf8');
}
