/** pgbench, PostgreSQL's own load generator, from Debian's package of the server: a process of its own, in C, with thousands of clients. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loaderIn, unpackDebian } from './server-software.ts';

/** What to run, and how. */
export interface PgbenchOptions {
  /** Of the server's administrator, who needs no password. */
  readonly url: string;
  /** Scripts by name: pgbench's own language, whose transactions are chosen by weight. */
  readonly scripts: Readonly<Record<string, { readonly sql: string; readonly weight: number }>>;
  readonly clients: number;
  /** For the scripts: `:name`. */
  readonly variables?: Readonly<Record<string, number>>;
  /** How many transactions each client runs; without it, they go on until `finish`. */
  readonly transactions?: number;
  /** Of all clients together, begun at random moments; without it, as fast as they can. */
  readonly transactionsPerSecond?: number;
  readonly seed: number;
}

/** What it reported at its end. */
export interface PgbenchReport {
  /** Not zero: a client met an error and gave up. */
  readonly exitCode: number | null;
  readonly transactions: number;
  /** Rolled back by the server as a deadlock or a serialization failure. */
  readonly failed: number;
  /** Errors of the server, each with the client that met it. */
  readonly errors: readonly string[];
}

/** A load that runs. Disposing ends it at once. */
export interface Pgbench extends AsyncDisposable {
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<PgbenchReport>;
  /** Lets every client end its transaction, and go. */
  finish(): Promise<PgbenchReport>;
}

/** Nothing of a test lasts that long; its end comes by a signal. */
const secondsMax = 3600;

/** Starts a load. Statements are prepared, each once a client. */
export async function startPgbench(options: PgbenchOptions): Promise<Pgbench> {
  const folder = await unpackDebian('pgbench', { suite: 'bookworm', packages: ['libpq5'], alone: ['postgresql-15'] });
  const scripts = await mkdtemp(join(tmpdir(), 'tableshift-pgbench-'));
  const files: string[] = [];
  for (const [name, { sql, weight }] of Object.entries(options.scripts)) {
    const file = join(scripts, `${name}.sql`);
    await writeFile(file, sql);
    files.push('-f', `${file}@${weight}`);
  }
  const [loader, ...first] = loaderIn(folder);
  const program = join(folder, 'usr/lib/postgresql/15/bin/pgbench');
  const child = spawn(loader, [...first, program, ...files, ...flags(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PGSSLMODE: 'disable', PGGSSENCMODE: 'disable' },
  });
  const closed = once(child, 'close');
  const texts: string[] = [];
  for (const output of [child.stdout, child.stderr]) output.on('data', (data: Buffer) => texts.push(data.toString()));
  const ended = closed.then(() => readReport(child.exitCode, texts.join('')));
  return {
    ended,
    async finish() {
      // Its own signal for the end of `-T`.
      child.kill('SIGALRM');
      return await ended;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
      await rm(scripts, { recursive: true, force: true });
    },
  };
}

function flags(options: PgbenchOptions): readonly string[] {
  const { hostname, port, username, pathname } = new URL(options.url);
  const { clients, seed, transactions, transactionsPerSecond, variables } = options;
  return [
    ...['-n', '-h', hostname, '-p', port, '-U', username, '-c', String(clients), '-j', String(Math.min(clients, 2))],
    ...['-M', 'prepared', '--random-seed', String(seed)],
    ...(transactions === undefined ? ['-T', String(secondsMax)] : ['-t', String(transactions)]),
    ...(transactionsPerSecond === undefined ? [] : ['-R', String(transactionsPerSecond)]),
    ...Object.entries(variables ?? {}).flatMap(([name, value]) => ['-D', `${name}=${value}`]),
    pathname.slice(1),
  ];
}

function readReport(exitCode: number | null, text: string): PgbenchReport {
  const figure = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  return {
    exitCode,
    transactions: figure(/transactions actually processed: (\d+)/),
    failed: figure(/number of failed transactions: (\d+)/),
    errors: text.split('\n').filter((line) => /error|fatal/i.test(line)),
  };
}
