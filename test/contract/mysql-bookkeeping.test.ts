/** The bookkeeping on MySQL and MariaDB, on private servers, because it has one schema for all. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Checkpoint, MigrationId, Plan } from '../../src/engine/model.ts';
import {
  createBookkeeping,
  findMigrations,
  isBookkeeping,
  readCheckpoint,
  readClaim,
  recordMigration,
  recordState,
  writeCheckpoint,
  writeClaim,
} from '../../src/mysql/bookkeeping.ts';
import { eventTableDefinition } from '../../src/mysql/event-log.ts';
import type { Server as Adapter } from '../../src/mysql/server.ts';
import { never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { startServer, type Server } from '../support/servers.ts';
import { testOtherLayouts } from './bookkeeping-contract.ts';

const further = ['CREATE TABLE IF NOT EXISTS tableshift.further (id INT PRIMARY KEY) ENGINE=InnoDB'];
const plan = {
  id: 'orders1',
  hash: 'h',
  source: { schema: 'shop', table: 'orders ü€' },
  clauses: "ADD c CHAR(1) COMMENT '\\'\u{1d11e}'",
};
const first = { ...plan, id: 'orders1' as MigrationId } as Plan;
const checkpoint = { planHash: 'h', phase: 'copy', copiedThrough: "_utf8mb4 X'C3BC'", position: 'p:1' } as Checkpoint;

describe.each(['mysql', 'mariadb'] as const)('the bookkeeping on %s', (flavour) => {
  let own: Server;
  let server: Adapter;
  beforeAll(async () => {
    own = await startServer({ flavour });
    server = await openAdapter(own.url);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await own[Symbol.asyncDispose]();
  });

  test('is empty where it does not exist yet, and asking does not create it', async () => {
    await using session = await server.openSession({}, never);
    expect(await findMigrations(session, null, never)).toEqual([]);
    expect(await session.query("SHOW DATABASES LIKE 'tableshift'", never)).toEqual([]);
  });

  test('can be created by several at once, and again', async () => {
    const create = async (): Promise<void> => {
      await using session = await server.openSession({}, never);
      await createBookkeeping(session, further, never);
    };
    await Promise.all([create(), create(), create()]);
    await create();
    await using session = await server.openSession({}, never);
    const tables = await session.query('SHOW TABLES FROM tableshift', never);
    expect(tables.map((row) => Object.values(row)[0])).toEqual(['checkpoints', 'claims', 'further', 'migrations']);
    expect(isBookkeeping({ schema: 'TableShift', table: 'claims' })).toBe(true);
  });

  test('gets the tables that it was made without', async () => {
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, further, never);
    await createBookkeeping(session, [...further, eventTableDefinition], never);
    const tables = await session.query("SHOW TABLES FROM tableshift LIKE 'events'", never);
    expect(tables).toHaveLength(1);
  });

  test('gives back plan, state, failure and checkpoint letter by letter, newest first', async () => {
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, further, never);
    await recordMigration(session, first, never);
    await recordMigration(session, { ...first, id: 'orders2' as MigrationId }, never);
    await session.execute(
      "UPDATE tableshift.migrations SET started_at = started_at + INTERVAL 1 SECOND WHERE id = 'orders2'",
      never,
    );
    await writeCheckpoint(session, first.id, checkpoint, never);
    await writeCheckpoint(session, first.id, { ...checkpoint, phase: 'verify' }, never);
    const deleted = writeCheckpoint(session, 'orders3' as MigrationId, checkpoint, never);
    await expect(deleted).rejects.toMatchObject({ code: 'RECORDS_LOST' });
    await recordState(session, first.id, { state: 'done', failure: null }, never);
    await recordState(session, 'orders2' as MigrationId, { state: 'open', failure: "LOCK_WAIT: it's ü\u{1d11e}" }, never);
    const time = expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$/);
    expect(await findMigrations(session, null, never)).toEqual([
      {
        id: 'orders2',
        plan: { ...first, id: 'orders2' },
        state: 'open',
        failure: "LOCK_WAIT: it's ü\u{1d11e}",
        checkpoint: null,
        place: null,
        startedAt: time,
        updatedAt: time,
      },
      {
        id: 'orders1',
        plan: first,
        state: 'done',
        failure: null,
        checkpoint: { ...checkpoint, phase: 'verify' },
        place: null,
        startedAt: time,
        updatedAt: time,
      },
    ]);
    expect(await readCheckpoint(session, first.id, never)).toEqual({ ...checkpoint, phase: 'verify' });
    expect(await readCheckpoint(session, 'orders2' as MigrationId, never)).toBe(null);
    await expect(recordMigration(session, first, never)).rejects.toMatchObject({ code: 'DUPLICATE_KEY' });
  });

  test('remembers who took a claim last', async () => {
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, further, never);
    const claim = {
      token: '0d9c4f9e-0000-4000-8000-000000000000',
      migrationId: 'orders1',
      connectionId: 4294967299,
      host: 'h',
      pid: 7,
    };
    await writeClaim(session, 'tableshift:x', claim, never);
    expect(await readClaim(session, 'tableshift:x', never)).toEqual({ ...claim, claimedAt: expect.stringMatching(/Z$/) });
    expect(await readClaim(session, 'tableshift:y', never)).toBe(null);
  });

  testOtherLayouts(first, async (judge) => {
    await using application = await openApplication(own.url);
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, further, never);
    await judge({
      url: own.url,
      run: (sql) => application.run(sql),
      record: (plan) => recordMigration(session, plan, never),
      find: (id) => findMigrations(session, id, never),
    });
  });
});
