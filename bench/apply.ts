/**
 * How fast a backlog of changes is drained. The tool is killed when both tables are equal and only the swap is left; the backlog is
 * written while it is away; then it resumes. From there to the swap it does nothing but read the log, apply, and swap: the time is
 * from its `resumed` to its `swapped`, the swap included, for only that proves that everything is applied. Afterwards the new table
 * is compared with the old one in SQL.
 */
import { parseArgs } from 'node:util';
import type { Flavour } from '../test/support/servers.ts';
import { commonOptions, commonUsage, readCount, readFlavours, readVersion, wordsOf } from './arguments.ts';
import { RunFailedError } from './errors.ts';
import { type CpuSeconds, describeMachine, machineAtHand, measureCpu } from './machine.ts';
import { type BenchResult, concluded, type Line, numberText, publish } from './result.ts';
import { medianBy } from './statistics.ts';
import { createPrivateTable, nameOf, type PrivateTable, serverText } from './table.ts';
import { dropRetired, killToolAt, resumeByTool, secondsBetween } from './tool.ts';

const usage = `npm run bench -- apply [option…]

${commonUsage}
  --rows N              rows of the table; in the uniform backlog each is changed once (300,000)
  --hot-keys N          rows that the hot backlog changes again and again (1,000)
  --hot-changes N       changes of the hot backlog (1,500,000)
  --transaction-rows N  changes in a transaction of the backlog (10)
  --options TEXT        more options of resume, such as "--apply-workers 4"
  --rounds N            how often each; medians are shown (5)`;

/** What was written while the tool was away. */
interface Backlog {
  readonly name: string;
  readonly changes: number;
  /** Different rows in it. */
  readonly keys: number;
}

interface Drain extends Backlog, CpuSeconds {
  readonly writtenSeconds: number;
  readonly drainedSeconds: number;
  /** The same from the start of the process: connecting and claiming too. */
  readonly wholeSeconds: number;
  /** Keys that were brought up to date, the same one as often as that happened. */
  readonly keysApplied: number;
  readonly peakMib: number | null;
}

interface Task {
  readonly backlogs: readonly Backlog[];
  readonly transactionRows: number;
  readonly options: readonly string[];
  readonly rounds: number;
}

export async function benchApply(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonOptions,
      rows: { type: 'string', default: '300000' },
      'hot-keys': { type: 'string', default: '1000' },
      'hot-changes': { type: 'string', default: '1500000' },
      'transaction-rows': { type: 'string', default: '10' },
      options: { type: 'string', default: '' },
      rounds: { type: 'string', default: '5' },
    },
  });
  if (values.help) return console.log(usage);
  const rows = readCount('rows', values.rows, { min: 1, max: 10_000_000 });
  const hot = {
    name: 'hot',
    keys: readCount('hot-keys', values['hot-keys'], { min: 1, max: rows }),
    changes: readCount('hot-changes', values['hot-changes'], { min: 1, max: 100_000_000 }),
  };
  const task: Task = {
    backlogs: [{ name: 'uniform', keys: rows, changes: rows }, hot],
    transactionRows: readCount('transaction-rows', values['transaction-rows'], { min: 1, max: 100_000 }),
    options: wordsOf(values.options),
    rounds: readCount('rounds', values.rounds, { min: 1, max: 100 }),
  };
  const results: BenchResult[] = [];
  for (const flavour of readFlavours(values.flavour)) {
    await using table = await createPrivateTable({ flavour, version: readVersion(values.version), rows });
    results.push(await measure(table, task));
  }
  publish(results, values.json);
}

async function measure(table: PrivateTable, task: Task): Promise<BenchResult> {
  const machine = machineAtHand();
  console.error(`${table.flavour}; before the first run: ${describeMachine(machine)}`);
  await table.run([procedures[table.flavour]]);
  const drains: Drain[] = [];
  for (let round = 1; round <= task.rounds; round += 1) {
    for (const backlog of task.backlogs) {
      const drain = await drainOnce(table, backlog, task);
      console.error(`round ${round}: ${backlog.name}: ${drain.drainedSeconds.toFixed(1)} s`);
      drains.push(drain);
    }
  }
  const lines = task.backlogs.map(({ name }) => lineOf(name, drains));
  const title = `${numberText(table.rows, 0)} rows, transactions of ${task.transactionRows} changes, medians of ${task.rounds}`;
  return concluded(
    { bench: 'apply', flavour: table.flavour, server: await serverText(table.flavour, table.url), machine },
    {
      title,
      settings: {
        rows: table.rows,
        transactionRows: task.transactionRows,
        rounds: task.rounds,
        options: task.options.join(' '),
        flags: table.flags.join(' '),
      },
      columns: [
        { title: 'changes', digits: 0 },
        { title: 'rows', digits: 0 },
        { title: 'written s', digits: 1 },
        { title: 'drained s', digits: 1 },
        { title: '× writing', digits: 2 },
        { title: 'rows/s', digits: 0 },
        { title: 'changes/s', digits: 0 },
        { title: 'keys applied', digits: 0 },
        { title: 'server CPU s', digits: 1 },
        { title: 'tool CPU s', digits: 1 },
        { title: 'tool MiB', digits: 0 },
        { title: 'others CPU s', digits: 1 },
      ],
      lines,
      charts: [
        {
          kind: 'bars',
          name: 'changes',
          title: 'Changes drained from a backlog',
          unit: 'changes/s',
          bars: lines.map(({ cells, name }) => ({ name, value: Number(cells[6]), isOurs: true })),
        },
      ],
      notes: [
        '× writing: the time of draining as a share of the time in which one session of the server wrote the backlog, without waiting for its disk.',
      ],
      runs: drains,
    },
  );
}

async function drainOnce(table: PrivateTable, backlog: Backlog, { options, transactionRows }: Task): Promise<Drain> {
  await table.restore();
  const { alter, url } = table;
  const waiting = ['--max-latency', '0', '--no-verify', '--cutover', 'manual'];
  const id = await killToolAt({ url, table: nameOf(table), alter, options: waiting }, 'cutover-awaited');
  const began = performance.now();
  const { changes, keys } = backlog;
  await table.run([...cheapCommits[table.flavour], `CALL backlog(${changes}, ${keys}, ${transactionRows})`]);
  await table.run(usualCommits[table.flavour]);
  const writtenSeconds = (performance.now() - began) / 1000;
  const used = measureCpu(table.serverPid);
  const run = await resumeByTool({ url, id, options: ['--max-latency', '0', '--no-verify', ...options] });
  const cpu = used();
  await compare(table, run.retired);
  await dropRetired(url, id);
  return {
    ...backlog,
    ...cpu,
    writtenSeconds,
    drainedSeconds: secondsBetween(run.lines, 'resumed', 'swapped'),
    wholeSeconds: run.seconds,
    keysApplied: run.keysApplied,
    peakMib: run.peakMib,
  };
}

/** Rejects when the tables differ: then what was measured was no draining. */
async function compare(table: PrivateTable, retired: string): Promise<void> {
  const [row] = await table.run([
    `SELECT COUNT(*) AS same FROM ${table.table} AS a JOIN ${retired} AS b ON a.id = b.id AND a.k = b.k AND a.c = b.c AND a.pad = b.pad`,
  ]);
  if (Number(row?.['same']) !== table.rows)
    throw new RunFailedError(`Only ${String(row?.['same'])} of ${table.rows} rows are as in the old table.`);
}

function lineOf(name: string, drains: readonly Drain[]): Line {
  const { changes, children, drainedSeconds, foreign, keys, keysApplied, peakMib, server, writtenSeconds } = medianBy(
    drains.filter((drain) => drain.name === name),
    ({ drainedSeconds }) => drainedSeconds,
  );
  return {
    name: name === 'uniform' ? 'each row once' : 'hot rows',
    cells: [
      ...[changes, keys, writtenSeconds, drainedSeconds, drainedSeconds / writtenSeconds],
      ...[
        name === 'uniform' ? keys / drainedSeconds : null,
        changes / drainedSeconds,
        keysApplied,
        server,
        children,
        peakMib,
        foreign,
      ],
    ],
  };
}

/** Greater than any number of rows, and a prime: so `n * stride % keys` meets every key once before any twice, in no order. */
const stride = 15_485_863;

const mysqlProcedure = `CREATE PROCEDURE backlog(changes BIGINT, distinct_keys BIGINT, per_transaction BIGINT) BEGIN
  DECLARE n BIGINT DEFAULT 0;
  SET autocommit = 0;
  WHILE n < changes DO
    UPDATE t SET k = k + 1 WHERE id = 1 + n * ${stride} % distinct_keys;
    SET n = n + 1;
    IF n % per_transaction = 0 THEN COMMIT; END IF;
  END WHILE;
  COMMIT;
END`;

const procedures: Readonly<Record<Flavour, string>> = {
  mysql: mysqlProcedure,
  mariadb: mysqlProcedure,
  postgres: `CREATE PROCEDURE backlog(changes bigint, distinct_keys bigint, per_transaction bigint) LANGUAGE plpgsql AS $$
    DECLARE n bigint := 0;
    BEGIN
      WHILE n < changes LOOP
        UPDATE t SET k = k + 1 WHERE id = (1 + n * ${stride} % distinct_keys)::int;
        n := n + 1;
        IF n % per_transaction = 0 THEN COMMIT; END IF;
      END LOOP;
    END $$`,
};

/** Only while the backlog is written: how long that takes is not what is measured. */
const mysqlCheap = ['SET GLOBAL sync_binlog = 0', 'SET GLOBAL innodb_flush_log_at_trx_commit = 0'];
const mysqlUsual = ['SET GLOBAL sync_binlog = 1', 'SET GLOBAL innodb_flush_log_at_trx_commit = 1'];
const cheapCommits: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: mysqlCheap,
  mariadb: mysqlCheap,
  postgres: ['SET synchronous_commit TO off'],
};
const usualCommits: Readonly<Record<Flavour, readonly string[]>> = {
  mysql: mysqlUsual,
  mariadb: mysqlUsual,
  postgres: ['CHECKPOINT'],
};
