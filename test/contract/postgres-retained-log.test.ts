/** The log that our replication slot keeps on PostgreSQL, as a reason to wait for the applier. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_LOAD_LIMITS } from '../../src/engine/load.ts';
import type { ChangeStream, TableClaim, ThrottleSignal } from '../../src/engine/ports.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { readLogRetention } from '../../src/postgres/log-retention.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresApplication,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { type Server, startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { acknowledgeAll } from '../support/stream-collected.ts';

const MIB = 1024 ** 2;
const login = { defaultsFile: null, password: null, home: null, environment: {} };

describe.each([15, 18] as const)('the log that our slot keeps on PostgreSQL %i', (version) => {
  let server: Server;
  let schema: PostgresSchema;
  beforeAll(async () => {
    server = await startServer({
      flavour: 'postgres',
      version,
      extraFlags: ['--max-slot-wal-keep-size=128MB', '--wal-keep-size=0', '--autovacuum=off'],
    });
    schema = await createPostgresSchema(server.url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id integer PRIMARY KEY)`);
  });
  afterAll(async () => {
    await schema[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  /** A claimed table whose stream is open and whose applier has done nothing yet. */
  async function begin(retainedLogBytesMax: number | null) {
    const database = await openDatabase(
      server.url,
      { ...login, load: () => ({ ...DEFAULT_LOAD_LIMITS, retainedLogBytesMax }) },
      never,
    );
    const table = { schema: schema.name, table: 't' };
    const options = { deferIndexes: 'auto', key: null } as const;
    const plan = await database.plan({ table, clauses: 'ADD COLUMN v integer', options }, never);
    const claim = await database.claim(plan, 'start', never);
    const stream = await claim.openChangeStream(null, never);
    return {
      plan,
      signal: signalOf(claim),
      applyAll: () => applyAll(stream, schema.application),
      applyAsItIs: () => acknowledgeAll(stream),
      async [Symbol.asyncDispose]() {
        await claim.checkpoints.conclude('aborted', null, never);
        await claim[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test('is a stop at half of what the server allows, and none once the applier has caught up', async () => {
    await using run = await begin(null);
    const before = await run.signal.sample(never);
    expect(before.pressure).toBeLessThan(0.5);
    expect(before.detail).toMatch(/^the replication slot keeps [\d.]+ (?:[KM]i)?B of log, the limit is 64 MiB$/);
    await writeLog(schema.application, 70);
    const full = await run.signal.sample(never);
    expect(full.pressure).toBeGreaterThan(1);
    expect(full.detail).toMatch(/^the replication slot keeps (6[5-9]|7\d|8\d) MiB of log, the limit is 64 MiB$/);
    expect(full.warning).toBeUndefined();
    await run.applyAll();
    expect((await run.signal.sample(never)).pressure).toBeLessThan(0.5);
  });

  test('is measured against the limit of the operator, and 0 is none', async () => {
    await using run = await begin(0);
    await writeLog(schema.application, 70);
    expect(await run.signal.sample(never)).toEqual({
      pressure: 0,
      detail: expect.stringMatching(/^the replication slot keeps \d+ MiB of log, without a limit$/),
    });
    await run.applyAll();
  });

  test('is a stop near the end of what the server allows, whatever the limit is', async () => {
    await using run = await begin(1024 * MIB);
    await writeLog(schema.application, 120);
    const near = await run.signal.sample(never);
    expect(near.pressure).toBe(1);
    expect(near.detail).toMatch(/^the replication slot keeps 1\d\d MiB of log, and is lost when [\d.]+ MiB more are written/);
    await run.applyAll();
    expect((await run.signal.sample(never)).pressure).toBeLessThan(0.1);
  });

  test('has a limit where the server has one, as the plan is told', async () => {
    const limits: (number | null)[] = [];
    for (const url of [server.url, sharedServer(`postgres-${version}`)]) {
      await using adapter = await openPostgres(url);
      await using session = await adapter.openSession({}, never);
      limits.push((await readLogRetention(session, never)).keepMax);
    }
    expect(limits).toEqual([128 * MIB, null]);
  });

  test('names the transaction because of which it is kept, and warns of it once it is far over the limit', async () => {
    await using run = await begin(8 * MIB);
    await using old = await openPostgresApplication(server.url);
    await old.run(`BEGIN; INSERT INTO ${schema.name}.t VALUES (1)`);
    await writeLog(schema.application, 20);
    await run.applyAll();
    const held = await run.signal.sample(never);
    expect(held.pressure).toBeGreaterThan(1.5);
    const writer = `the transaction of process ${old.pid} of postgres from 127.0.0.1, open since `;
    expect(held.detail).toContain(`because of ${writer}`);
    expect(held.warning).toContain(`more than 1.5 times the limit of 8 MiB of log because of ${writer}`);
    expect((await run.signal.sample(never)).warning).toBe(held.warning);
    await old.run('ROLLBACK');
    await run.applyAll();
    expect(await run.signal.sample(never)).not.toHaveProperty('warning');
  });

  test('is nobody to blame for while the server has yet to let go of what was applied', async () => {
    await using run = await begin(8 * MIB);
    await writeLog(schema.application, 20);
    await run.applyAsItIs();
    const kept = await run.signal.sample(never);
    expect(kept.detail).toMatch(/^the replication slot keeps [\d.]+ (?:[KM]i)?B of log, the limit is 8 MiB$/);
    expect(kept).not.toHaveProperty('warning');
    await run.applyAll();
  });

  test('warns of the slot of somebody else that keeps far more', async () => {
    await schema.application.run("SELECT pg_create_physical_replication_slot('forgotten', true)");
    await writeLog(schema.application, 20);
    await using run = await begin(8 * MIB);
    const sample = await run.signal.sample(never);
    await schema.application.run("SELECT pg_drop_replication_slot('forgotten')");
    expect(sample.pressure).toBeLessThan(1);
    expect(sample.warning).toBe(
      'The replication slot forgotten, which is not of this run, keeps more than 1.5 times the limit of 8 MiB of log: see to its reader, or drop it.',
    );
  });
});

function signalOf(claim: TableClaim): ThrottleSignal {
  const found = claim.throttleSignals.find(({ name }) => name === 'retained WAL');
  if (found === undefined) throw new Error('The claim has no such signal.');
  return found;
}

/** Log that no decoder hands out. */
async function writeLog(application: PostgresApplication, mebibytes: number): Promise<void> {
  await application.run(
    `SELECT count(pg_logical_emit_message(false, 'other', repeat('x', ${MIB}))) FROM generate_series(1, ${mebibytes})`,
  );
}

/** Takes everything up to a fence as applied, and lets the server notice that nothing older is running. */
async function applyAll(stream: ChangeStream, application: PostgresApplication): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    await application.run('CHECKPOINT');
    await acknowledgeAll(stream);
  }
}
