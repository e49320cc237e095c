/** What a migration leaves on PostgreSQL, and what slows it down. */
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { DEFAULT_LOAD_LIMITS } from '../../src/engine/load.ts';
import type { Plan } from '../../src/engine/model.ts';
import { recordMigration } from '../../src/postgres/bookkeeping.ts';
import { createCheckpointStore } from '../../src/postgres/checkpoint-store.ts';
import { claimToGiveUp, concludingStore, dropSlot } from '../../src/postgres/clean-up.ts';
import { clientConfig } from '../../src/postgres/connection.ts';
import { createRetiredTables } from '../../src/postgres/retired-tables.ts';
import type { Server } from '../../src/postgres/server.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import type { SessionPool } from '../../src/postgres/session.ts';
import { findStrays } from '../../src/postgres/strays.ts';
import { SessionsOfOthers } from '../../src/sessions/sessions-of-others.ts';
import { activeSessions, standbyLag } from '../../src/postgres/throttle-signals.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { claimPostgresTable } from '../support/postgres-claimed-table.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';

const limits = { lockTimeoutMs: 2_000, holdTimeoutMs: 10_000 };

interface Recorded {
  readonly server: Server;
  readonly schema: PostgresSchema;
  readonly plan: Plan;
  readonly sessions: SessionPool;
}

/** Records a migration of `orders`, whose slot somebody then reads from; `slots` tells whether one does. */
async function readSlot({ server, schema, plan, sessions }: Recorded, applicationName: string) {
  const slot = `tableshift_${plan.id}`;
  await sessions.withSession((session) => recordMigration(session, plan, never), never);
  await schema.application.run(`CREATE PUBLICATION ${slot} FOR TABLE ${schema.name}.orders`);
  await schema.application.run(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
  const config = { ...clientConfig(server.config, applicationName), replication: 'database' } as pg.ClientConfig;
  const reader = new pg.Client(config);
  reader.on('error', () => undefined);
  await reader.connect();
  reader
    .query(`START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names '${slot}')`)
    .catch(() => undefined);
  const slots = `SELECT active FROM pg_replication_slots WHERE slot_name = '${slot}'`;
  await expect.poll(() => schema.application.run(slots)).toEqual([{ active: 't' }]);
  return { slot, slots, reader };
}

describe.each(['postgres-15', 'postgres-18'] as const)('what a migration leaves on %s', (name) => {
  const url = sharedServer(name);

  const ends = [
    ['over', 'done', null],
    ['to be given up', 'open', new MigrationError('SOURCE_CHANGED', 'its replica identity is another')],
  ] as const;

  test.for(ends)(
    'is no slot and no publication once it is %s, though its reader was just closing',
    async ([, state, failure]) => {
      await using server = await openPostgres(url);
      await using schema = await createPostgresSchema(url);
      await schema.application.run(`CREATE TABLE ${schema.name}.orders (id integer PRIMARY KEY, v integer)`);
      await using orders = await claimPostgresTable(server, { schema: schema.name, table: 'orders' });
      await using sessions = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
      const { slot, slots, reader } = await readSlot({ server, schema, plan: orders.plan, sessions }, 'tableshift');
      const closeStream = async (): Promise<void> => {
        reader.end().catch(() => undefined);
      };
      const store = concludingStore(createCheckpointStore(sessions, orders.plan.id), closeStream, {
        plan: orders.plan,
        sessions,
      });
      await store.conclude('open', new MigrationError('LOCK_WAIT', 'later'), never);
      expect(await schema.application.run(slots)).toEqual([{ active: 't' }]);
      await store.conclude(state, failure, never);
      expect(await schema.application.run(slots)).toEqual([]);
      expect(await schema.application.run(`SELECT 1 FROM pg_publication WHERE pubname = '${slot}'`)).toEqual([]);
      const left = `SELECT 1 FROM pg_namespace WHERE nspname = '${slot}'`;
      await schema.application.run(`DROP TABLE ${slot}.orders`);
      expect(await schema.application.run(left)).toHaveLength(1);
      await store.conclude('done', null, never);
      expect(await schema.application.run(left)).toEqual([]);
      await schema.application.run(`CREATE SCHEMA ${slot}`);
      expect(await findStrays(server, never)).toContain(
        `The schema ${slot} of a migration that is over is empty: DROP SCHEMA "${slot}".`,
      );
      const old = { id: orders.plan.id, table: orders.plan.retired, bytes: 0, swappedAt: '', ageMs: 0, use: null };
      await createRetiredTables(server).drop(old, limits.lockTimeoutMs, never);
      expect(await schema.application.run(left)).toEqual([]);
    },
  );

  test('is a slot where somebody else reads from it: the run still saves its end, and who gives it up is told by whom', async () => {
    await using server = await openPostgres(url);
    await using schema = await createPostgresSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.orders (id integer PRIMARY KEY, v integer)`);
    await using orders = await claimPostgresTable(server, { schema: schema.name, table: 'orders' });
    await using sessions = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
    const { slot, slots, reader } = await readSlot({ server, schema, plan: orders.plan, sessions }, 'thief');
    const parts = { plan: orders.plan, sessions };
    const store = concludingStore(createCheckpointStore(sessions, orders.plan.id), () => Promise.resolve(), parts);
    await store.conclude('open', new MigrationError('LOG_PURGED', 'it is ahead'), never);
    const records = `SELECT failure LIKE '%LOG_PURGED%' AS saved FROM tableshift.migrations WHERE id = '${orders.plan.id}'`;
    expect(await schema.application.run(records)).toEqual([{ saved: 't' }]);
    await expect(sessions.withSession((session) => dropSlot(session, orders.plan, never, 0), never)).rejects.toMatchObject({
      code: 'SERVER_BUSY',
      message: expect.stringMatching(
        `^Someone else reads from the replication slot ${slot}: process \\d+ \\(thief\\). End it.$`,
      ),
    });
    await reader.end().catch(() => undefined);
    await sessions.withSession((session) => dropSlot(session, orders.plan, never), never);
    expect(await schema.application.run(slots)).toEqual([]);
  });

  test('is nothing after it was given up, whatever has become of the source', async () => {
    await using server = await openPostgres(url);
    await using schema = await createPostgresSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.orders (id integer PRIMARY KEY, v integer)`);
    const orders = await claimPostgresTable(server, { schema: schema.name, table: 'orders' });
    const { plan } = orders;
    await orders.claim[Symbol.asyncDispose]();
    await schema.application.run(`SELECT pg_create_logical_replication_slot('tableshift_${plan.id}', 'pgoutput')`);
    await schema.application.run(`DROP TABLE ${schema.name}.orders`);
    {
      await using claim = await claimToGiveUp(server, plan, never);
      expect(await claim.hasSwapped(never)).toBe(false);
      await claim.discard(limits.lockTimeoutMs, never);
      await claim.discard(limits.lockTimeoutMs, never);
    }
    expect(await schema.application.run(`SELECT 1 FROM pg_namespace WHERE nspname = '${plan.shadow.schema}'`)).toEqual([]);
    const slots = `SELECT 1 FROM pg_replication_slots WHERE slot_name = 'tableshift_${plan.id}'`;
    expect(await schema.application.run(slots)).toEqual([]);
    await orders[Symbol.asyncDispose]();
  });
});

describe('a throttle signal of PostgreSQL', () => {
  test('counts the sessions that are at work', async () => {
    await using server = await openPostgres(sharedServer('postgres-18'));
    await using busy = await openPostgresApplication(sharedServer('postgres-18'));
    await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
    const working = busy.run('SELECT pg_sleep(30)').catch(() => undefined);
    const others = new SessionsOfOthers(systemClock);
    const signal = activeSessions(
      { pool, limits: () => ({ ...DEFAULT_LOAD_LIMITS, runningThreadsMax: 2 }) },
      others,
      systemClock,
    );
    await expect.poll(async () => (await signal.sample(never)).pressure).toBeGreaterThanOrEqual(1);
    expect(others.busy).toBeGreaterThan(0.2);
    await pool.withSession((session) => session.query(`SELECT pg_terminate_backend(${busy.pid})`, never), never);
    await working;
  });

  test('tells how far a standby replays behind', async () => {
    await using source = await startServer({ flavour: 'postgres', version: 16 });
    await using server = await openPostgres(source.url);
    await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
    const signal = standbyLag({ pool, limits: () => ({ ...DEFAULT_LOAD_LIMITS, replicaLagMaxMs: 100 }) });
    expect(await signal.sample(never)).toEqual({ pressure: 0, detail: 'there is no standby' });
    await using standby = await startServer({ flavour: 'postgres', version: 16, replicaOf: source });
    await using follower = await openPostgresApplication(standby.url);
    await using writer = await openPostgresApplication(source.url);
    await follower.run('SELECT pg_wal_replay_pause()');
    await writer.run('CREATE TABLE t (id integer)');
    await expect.poll(async () => (await signal.sample(never)).pressure).toBeGreaterThan(1);
    expect((await signal.sample(never)).detail).toMatch(
      /^the standby standby replays \d+(\.\d+)? s behind, the limit is 0\.1 s$/,
    );
    await follower.run('SELECT pg_wal_replay_resume()');
  });
});
