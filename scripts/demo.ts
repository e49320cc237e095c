/** The demonstration behind scripts/demo: shows a migration on the terminal, then what the application felt of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type LiveMeasurement, measureLive } from '../test/support/live-measure.ts';
import { type Flavour, startServer } from '../test/support/servers.ts';
import { withApplication } from '../test/support/traffic-dialect.ts';
import type { PeriodReport } from '../test/support/traffic-record.ts';
import type { TrafficTables } from '../test/support/traffic-table.ts';
import { quoteForShell } from '../src/shell/invocation.ts';

const usage = 'scripts/demo [postgres|mysql|mariadb] [--rows N] [--alter CLAUSES]';
const writesPerSecond = 300;
const readsPerSecond = 200;
const beforeMs = 10_000;
const afterMs = 2_000;
const swapPollMs = 20;

/** What is different from server to server. */
interface Stage {
  readonly name: string;
  readonly alter: string;
  readonly flags: readonly string[];
  /** Of a database on a server. */
  readonly url: (server: string, schema: string) => string;
  /** A query for one text that changes when the table is another. */
  readonly definition: (tables: TrafficTables) => string;
}

const addColumn = "ADD COLUMN currency CHAR(3) NOT NULL DEFAULT 'EUR'";
const mysqlStage = {
  alter: `MODIFY amount BIGINT NOT NULL, ${addColumn}`,
  flags: ['--innodb-buffer-pool-size=1G'],
  url: (server: string, schema: string) => `${server}${schema}`,
  definition: ({ schema, table }: TrafficTables) => `SELECT GROUP_CONCAT(column_name, column_type) AS definition
    FROM information_schema.columns WHERE table_schema = '${schema}' AND table_name = '${table}'`,
};
const stages: Readonly<Record<Flavour, Stage>> = {
  mysql: { name: 'MySQL', ...mysqlStage },
  mariadb: { name: 'MariaDB', ...mysqlStage },
  postgres: {
    name: 'PostgreSQL',
    alter: `ALTER COLUMN amount TYPE bigint, ${addColumn}`,
    flags: ['--shared-buffers=1GB'],
    url: (server) => server,
    definition: ({ schema, table }) => `SELECT to_regclass('${schema}.${table}')::oid AS definition`,
  },
};

interface Asked {
  readonly flavour: Flavour;
  readonly rows: number;
  /** Clauses instead of those of the stage. */
  readonly alter: string | undefined;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const asked = readArguments();
  if (asked === null) {
    console.error(usage);
    return 2;
  }
  const interrupted = new AbortController();
  // The program gets the same signal from the terminal, ends by itself, and the server goes at the end.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => interrupted.abort(new Error(`Ended by ${name}.`)));
  try {
    return await demonstrate(asked, interrupted.signal);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    say('Interrupted. The server and its data are gone.');
    return 130;
  }
}

/** Null where they are none of ours. */
function readArguments(): Asked | null {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { rows: { type: 'string', default: '1000000' }, alter: { type: 'string' } },
    });
    const [flavour = 'postgres', ...others] = positionals;
    const rows = Number(values.rows);
    if (!isFlavour(flavour) || others.length > 0 || !Number.isInteger(rows) || rows < 1_000) return null;
    return { flavour, rows, alter: values.alter };
  } catch {
    return null;
  }
}

function isFlavour(name: string): name is Flavour {
  return Object.hasOwn(stages, name);
}

async function demonstrate({ flavour, rows, alter }: Asked, signal: AbortSignal): Promise<number> {
  const stage = stages[flavour];
  say(`Starting a private ${stage.name} server; the first time it is downloaded …`);
  await using server = await startServer({ flavour, extraFlags: stage.flags });
  signal.throwIfAborted();
  const sentences = {
    rows: `Making a table of ${count(rows)} rows …`,
    before: `An application reads (${readsPerSecond}/s) and writes (${writesPerSecond} transactions/s, about ${writesPerSecond * 4} row changes/s) …`,
    during: '',
    after: '',
    compare: 'Stopping the application and comparing every row with what it was promised …',
  };
  let exitCode: number | null = null;
  const traffic = {
    url: server.url,
    schema: 'shop',
    rows,
    seed: 1,
    writesPerSecond,
    readsPerSecond,
    writers: 4,
    hasTwin: false,
  };
  const measured = await measureLive(
    {
      traffic,
      beforeMs,
      afterMs,
      onStage: (name) => sentences[name] !== '' && say(sentences[name]),
      migrate: async (tables) => {
        const swap = watchForSwap(server.url, stage.definition(tables), signal);
        const table = `${tables.schema}.${tables.table}`;
        const url = stage.url(server.url, tables.schema);
        const change = ['--table', table, '--alter', alter ?? stage.alter, '--strategy', 'shadow'];
        exitCode = await runProgram(['migrate', '--url', url, ...change]);
        return await swap.end();
      },
    },
    signal,
  );
  if (exitCode !== 0) {
    say(`The migration ended with exit code ${exitCode}.`);
    return 1;
  }
  show(measured);
  return measured.ledger.differences.length === 0 && measured.report.wrongReads.length === 0 ? 0 : 1;
}

/** The program as a user starts it, on this terminal. */
async function runProgram(args: readonly string[]): Promise<number | null> {
  const shown = args.map(quoteForShell).join(' ');
  process.stdout.write(`\n$ tableshift ${shown}\n`);
  const program = join(import.meta.dirname, '..', 'dist', 'shell', 'main.js');
  const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  process.stdout.write('\n');
  return code;
}

/** Asks the catalog for the table's definition until it changes. */
function watchForSwap(url: string, definition: string, signal: AbortSignal): { end(): Promise<number | null> } {
  const ended = new AbortController();
  const watch = (): Promise<number | null> =>
    withApplication(url, async (connection) => {
      let before: string | null = null;
      while (!ended.signal.aborted && !signal.aborted) {
        const { rows } = await connection.query(definition);
        const now = String(rows[0]?.['definition']);
        if (before !== null && now !== before) return Date.now();
        before = now;
        await delay(swapPollMs);
      }
      return null;
    });
  const found = watch();
  found.catch(() => ended.abort());
  return {
    end() {
      ended.abort();
      return found;
    },
  };
}

function show({ report, longestAtCutover, ledger }: LiveMeasurement): void {
  const [before, during] = [report.periods['before'], report.periods['during']];
  if (before === undefined || during === undefined) throw new Error('A period is missing.');
  const row = (label: string, value: (period: PeriodReport) => string): string =>
    `  ${label.padEnd(34)}${value(before).padStart(20)}${value(during).padStart(24)}\n`;
  const errors = Object.entries(report.errors).map(([code, times]) => `${times} × ${code}`);
  if (report.deadlocks > 0) errors.push(`${report.deadlocks} × a deadlock`);
  process.stdout.write(
    [
      `\n  ${'What the application felt'.padEnd(34)}${'before'.padStart(20)}${'during the migration'.padStart(24)}\n`,
      row('write transaction, p50 / p99', ({ writes }) => `${ms(writes.p50)} / ${ms(writes.p99)}`),
      row('read, p50 / p99', ({ reads }) => `${ms(reads.p50)} / ${ms(reads.p99)}`),
      row('longest statement', ({ longest }) => ms(longest?.ms ?? 0)),
      row('longest write from its arrival', ({ writes }) => ms(writes.max)),
      row('transactions', ({ writes, seconds }) => `${count(writes.count)} in ${seconds} s`),
      `\n  longest statement at the cutover: ${longestAtCutover === null ? 'not known' : ms(longestAtCutover.ms)}\n`,
      `  errors that the application saw: ${errors.length === 0 ? 'none' : errors.join(', ')}\n`,
      `  acknowledged write transactions: ${count(report.acknowledged)}; rows compared one by one: ${count(ledger.rowsCompared)}\n`,
      `  lost, altered or invented rows: ${ledger.differences.length === 0 ? 'none' : `\n    ${ledger.differences.join('\n    ')}`}\n`,
      ...report.wrongReads.map((text) => `  wrong read: ${text}\n`),
    ].join(''),
  );
}

function say(sentence: string): void {
  process.stdout.write(`${sentence}\n`);
}

function ms(time: number): string {
  if (time >= 10_000) return `${(time / 1_000).toFixed(1)} s`;
  return time >= 10 ? `${Math.round(time)} ms` : `${time.toFixed(1)} ms`;
}

function count(number: number): string {
  return number.toLocaleString('en-US');
}
