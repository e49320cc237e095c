/** An application that writes everything twice is the judge: one of its tables is changed meanwhile, and both stay equal. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_OPTIONS, migrate, type MigrationEvent } from '../../src/index.ts';
import {
  createDualTables,
  differencesOf,
  gate,
  numbersGiven,
  randomChanges,
  rowsForWaiting,
  waitingKinds,
  waitingScript,
} from '../support/dual-write.ts';
import { startPgbench, type Pgbench } from '../support/pgbench.ts';
import { openPostgresApplication, type PostgresApplication } from '../support/postgres-adapter.ts';
import { startServer } from '../support/servers.ts';

const change = { table: 'public.live', alter: `ALTER COLUMN id TYPE bigint, ADD COLUMN added integer NOT NULL DEFAULT 7` };

test('a lost, an altered and an invented row are told, and nothing else is', async () => {
  await using server = await startServer({ flavour: 'postgres', version: 18 });
  await using application = await openPostgresApplication(server.url);
  await createDualTables(application, 10);
  expect(await differencesOf(application)).toEqual([]);
  await application.run("DELETE FROM live WHERE id = 1; UPDATE live SET note = 'altered' WHERE id = 2");
  await application.run("INSERT INTO live (id, handle, amount, at) VALUES (11, 'invented', 0, 'epoch')");
  const differences = await differencesOf(application);
  expect(differences.map((text) => text.replace(/,.*/, '')).sort()).toEqual([
    'only in live: (11',
    'only in live: (2',
    'only in twin: (1',
    'only in twin: (2',
  ]);
});

describe.each([15, 18] as const)('on PostgreSQL %s', (version) => {
  test('two tables that got the same changes of every kind are equal after one of them was migrated meanwhile', async () => {
    await using server = await startServer({ flavour: 'postgres', version });
    await using application = await openPostgresApplication(server.url);
    const rows = 60_000;
    await createDualTables(application, rows);
    await using load = await startPgbench({
      url: server.url,
      scripts: randomChanges(1.2 * rows),
      clients: 16,
      transactionsPerSecond: 300,
      seed: 1,
    });
    await until(application, 'SELECT count(*) >= 20 AS reached FROM live WHERE id > 10000000');
    const result = await migrate({ ...change, strategy: 'shadow', url: server.url, pace: { chunkRowsMax: 2_000 } });
    const before = await numbersGiven(application);
    await until(application, `SELECT count(*) >= ${before + 20} AS reached FROM live WHERE id > 10000000`);
    const report = await load.finish();
    console.log(`PostgreSQL ${version}: ${JSON.stringify({ ...result, transactions: report.transactions })}`);
    expect({ ...report, transactions: 0 }).toEqual({ exitCode: 0, transactions: 0, failed: 0, errors: [] });
    expect(await differencesOf(application)).toEqual([]);
    expect(await shapeOf(application)).toEqual({ type: 'bigint', added: '7' });
    expect(result.keysApplied).toBeGreaterThan(100);
    expect(result.rowsRepaired).toBe(0);
  });
});

/** A waiting session takes 1.9 MB, most of it the server's process: 8,000 of them 15 GB, and two processors for minutes. */
const writers = Number(process.env['TABLESHIFT_WAITING_WRITERS'] || 2_000);
/** As many changes are committed between the request for the lock and its granting. */
const changesAhead = 8_000;

test(`${writers} writes that wait for the lock of the cutover all succeed, in the new table, and what came ahead of them is there`, async () => {
  const extraFlags = [`--max-connections=${writers + 50}`, '--shared-buffers=256MB', '--update-process-title=off'];
  await using server = await startServer({ flavour: 'postgres', version: 18, extraFlags });
  await using application = await openPostgresApplication(server.url);
  await using holder = await openPostgresApplication(server.url);
  await using gatekeeper = await openPostgresApplication(server.url);
  await createDualTables(application, rowsForWaiting(writers));
  await gatekeeper.run(gate.close);
  const perKind = writers / waitingKinds.length;
  await using loads = await startWaiting(server.url, perKind);
  await until(application, `SELECT waiting = ${writers} AS reached FROM (${gate.count}) AS g`);
  // Keeps the cutover from its lock. Without a snapshot and a number of its own it is in nobody else's way.
  await holder.run('BEGIN; LOCK TABLE live IN ROW EXCLUSIVE MODE');
  const events: MigrationEvent['kind'][] = [];
  const cutover = { ...DEFAULT_OPTIONS.cutover, lockTimeoutMs: 300_000, holdTimeoutMs: 60_000 };
  const migrated = migrate({
    ...change,
    strategy: 'shadow',
    url: server.url,
    pace: { cutover, load: { ...DEFAULT_OPTIONS.load, runningThreadsMax: 2 * writers } },
    observer: (event) => {
      events.push(event.kind);
      // On a machine that is busy with something else an attempt may fail; the writers go on in the old table, and it is tried again.
      if (event.kind === 'cutover-failed') console.log(`attempt ${event.attempt} failed: ${event.reason}`);
    },
  });
  await until(application, waitingFor('AccessExclusiveLock', 1));
  await gatekeeper.run(gate.open);
  await until(application, waitingFor('RowExclusiveLock', writers));
  // What others commit while the cutover waits is drained under its lock.
  for (const table of ['live', 'twin'])
    await holder.run(`UPDATE ${table} SET handle = 'ahead' WHERE id > 0 AND id <= ${changesAhead}`);
  await holder.run('COMMIT');
  const result = await migrated;
  const reports = await Promise.all(loads.ended);
  console.log(`${writers} waiting writes: ${JSON.stringify(result)}`);
  expect(reports).toEqual(waitingKinds.map(() => ({ exitCode: 0, transactions: 2 * perKind, failed: 0, errors: [] })));
  expect(await differencesOf(application)).toEqual([]);
  expect(await shapeOf(application)).toEqual({ type: 'bigint', added: '7' });
  expect(await numbersGiven(application)).toBe(2 * perKind);
  expect(result.keysApplied).toBeGreaterThanOrEqual(changesAhead - writers);
  expect(events.filter((kind) => kind === 'swapped')).toEqual(['swapped']);
});

interface Waiting extends AsyncDisposable {
  readonly ended: readonly Pgbench['ended'][];
}

/** Of each kind of change as many writers, which change something once and then wait at the gate to do it again. */
async function startWaiting(url: string, perKind: number): Promise<Waiting> {
  const loads: Pgbench[] = [];
  for (const [index, kind] of waitingKinds.entries()) {
    const scripts = { [kind]: { weight: 1, sql: waitingScript(kind, index * perKind) } };
    loads.push(await startPgbench({ url, scripts, clients: perKind, transactions: 2, seed: index }));
  }
  return {
    ended: loads.map((load) => load.ended),
    async [Symbol.asyncDispose]() {
      await Promise.all(loads.map((load) => load[Symbol.asyncDispose]()));
    },
  };
}

function waitingFor(mode: string, count: number): string {
  return `SELECT count(*) = ${count} AS reached FROM pg_locks
    WHERE relation = 'live'::regclass AND mode = '${mode}' AND NOT granted`;
}

/** Asks again and again, twenty times a second at most, which leaves the processors to others; the test's own limit bounds it. */
async function until(application: PostgresApplication, question: string): Promise<void> {
  while ((await application.run(`SELECT pg_sleep(0.05); ${question}`))[0]?.['reached'] !== 't');
}

async function shapeOf(application: PostgresApplication): Promise<Record<string, string | null>> {
  const [row] = await application.run('SELECT pg_typeof(id) AS type, added FROM live LIMIT 1');
  return row ?? {};
}
