/** The bookkeeping on PostgreSQL, on private servers, because it has one schema for all. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Checkpoint, MigrationId, Plan, TableName } from '../../src/engine/model.ts';
import {
  createBookkeeping,
  findMigrations,
  isBookkeeping,
  isSwapRecorded,
  readCheckpoint,
  readClaim,
  recordMigration,
  recordState,
  swapRecord,
  writeCheckpoint,
  writeClaim,
} from '../../src/postgres/bookkeeping.ts';
import { createEventLog } from '../../src/postgres/event-log.ts';
import type { Server as Adapter } from '../../src/postgres/server.ts';
import { never, openPostgres, openPostgresApplication } from '../support/postgres-adapter.ts';
import { startServer, type Server } from '../support/servers.ts';
import { testOtherLayouts } from './bookkeeping-contract.ts';

const plan = {
  id: 'orders1',
  hash: 'h',
  source: { schema: 'shop', table: 'orders ü€' },
  clauses: "ADD c text DEFAULT '\u{1d11e}'",
};
const first = { ...plan, id: 'orders1' as MigrationId } as Plan;
const checkpoint = { planHash: 'h', phase: 'copy', copiedThrough: `E'ü\\\\'`, position: 'p:1' } as Checkpoint;

describe.each([15, 18] as const)('the bookkeeping on PostgreSQL %i', (version) => {
  let own: Server;
  let server: Adapter;
  beforeAll(async () => {
    own = await startServer({ flavour: 'postgres', version });
    server = await openPostgres(own.url);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await own[Symbol.asyncDispose]();
  });

  test('is empty where it does not exist yet, and asking does not create it', async () => {
    await using session = await server.openSession({}, never);
    expect(await findMigrations(session, null, never)).toEqual([]);
    expect(await session.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'tableshift'`, never)).toEqual([]);
  });

  test('can be created by several at once, and again, and belongs to its owner alone', async () => {
    await using application = await openPostgresApplication(own.url);
    await application.run('CREATE ROLE reader; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO reader, PUBLIC');
    await application.run('ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO reader');
    const create = async (): Promise<void> => {
      await using session = await server.openSession({}, never);
      await createBookkeeping(session, never);
    };
    await Promise.all([create(), create(), create()]);
    await create();
    const tables = await application.run(
      `SELECT relname, coalesce(relacl::text, '') AS acl FROM pg_class
       WHERE relnamespace = 'tableshift'::regnamespace AND relkind = 'r' ORDER BY 1`,
    );
    const ownerOnly = expect.stringMatching(/^({postgres=[a-zA-Z]+\/postgres})?$/);
    expect(tables).toEqual(
      ['checkpoints', 'claims', 'migrations', 'swaps', 'unsettled'].map((relname) => ({ relname, acl: ownerOnly })),
    );
    expect(await application.run(`SELECT nspacl::text AS acl FROM pg_namespace WHERE nspname = 'tableshift'`)).toEqual([
      { acl: ownerOnly },
    ]);
    // What was granted meanwhile stays, also when a table joins the others.
    await application.run('GRANT USAGE ON SCHEMA tableshift TO reader; GRANT SELECT ON tableshift.migrations TO reader');
    await createEventLog(server).append(first.id, [{ kind: 'finished', details: '{}', ageMs: 0 }], never);
    expect(
      await application.run(
        `SELECT has_schema_privilege('reader', 'tableshift', 'USAGE') AND has_table_privilege('reader', 'tableshift.migrations', 'SELECT') AS may`,
      ),
    ).toEqual([{ may: 't' }]);
    expect(await application.run(`SELECT relacl::text AS acl FROM pg_class WHERE oid = 'tableshift.events'::regclass`)).toEqual(
      [{ acl: ownerOnly }],
    );
    expect(isBookkeeping({ schema: 'tableshift', table: 'claims' })).toBe(true);
    expect(isBookkeeping({ schema: 'TableShift', table: 'claims' })).toBe(false);
  });

  test('is refused to a role that may not create a schema, with nothing left behind', async () => {
    await using application = await openPostgresApplication(own.url);
    await application.run('CREATE ROLE weak LOGIN');
    await application.run('DROP DATABASE IF EXISTS other');
    await application.run('CREATE DATABASE other');
    const url = new URL(own.url);
    url.username = 'weak';
    url.pathname = '/other';
    await using weak = await openPostgres(url.href);
    await using session = await weak.openSession({}, never);
    await expect(createBookkeeping(session, never)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringContaining('permission denied for database other'),
    });
    expect(session.transaction).toBe('none');
  });

  test('lies where the database has what is its own, as usual tables, whatever the role has as its default for tables', async () => {
    await using application = await openPostgresApplication(own.url);
    await application.run('SET allow_in_place_tablespaces = on');
    for (const statement of [
      "CREATE TABLESPACE forbidden LOCATION ''",
      'CREATE ROLE placed LOGIN',
      'CREATE DATABASE placed OWNER placed',
      'ALTER ROLE placed SET default_tablespace = forbidden',
      'ALTER ROLE placed SET default_table_access_method = another',
    ]) {
      await application.run(statement);
    }
    const url = new URL(own.url);
    url.pathname = '/placed';
    await using administrator = await openPostgresApplication(url.href);
    await administrator.run('CREATE ACCESS METHOD another TYPE TABLE HANDLER heap_tableam_handler');
    url.username = 'placed';
    await using placed = await openPostgres(url.href);
    await using session = await placed.openSession({}, never);
    await createBookkeeping(session, never);
    expect(
      await administrator.run(
        `SELECT DISTINCT reltablespace, amname FROM pg_class AS c JOIN pg_am AS m ON m.oid = relam
         WHERE relnamespace = 'tableshift'::regnamespace AND relkind = 'r'`,
      ),
    ).toEqual([{ reltablespace: '0', amname: 'heap' }]);
  });

  test('gives back plan, state, failure and checkpoint letter by letter, newest first', async () => {
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, never);
    await recordMigration(session, first, never);
    await recordMigration(session, { ...first, id: 'orders2' as MigrationId }, never);
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
    await createBookkeeping(session, never);
    const claim = { token: 'a', timeline: '00000001', migrationId: 'orders1', connectionId: 4711, host: 'h', pid: 7 };
    await writeClaim(session, 'x', { ...claim, token: 'earlier' }, never);
    await writeClaim(session, 'x', claim, never);
    expect(await readClaim(session, 'x', never)).toEqual({ ...claim, claimedAt: expect.stringMatching(/Z$/) });
    expect(await readClaim(session, 'y', never)).toBe(null);
  });

  test('knows of a swap exactly when its transaction was committed', async () => {
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, never);
    const table = (name: string): TableName => ({ schema: 'pg_catalog', table: name });
    const swapped = { id: first.id, source: table('pg_class'), shadow: table('pg_type') };
    await session.execute(`BEGIN; ${swapRecord(swapped)}; ROLLBACK`, never);
    expect(await isSwapRecorded(session, first.id, never)).toBe(false);
    await session.execute(swapRecord(swapped), never);
    expect(await isSwapRecorded(session, first.id, never)).toBe(true);
  });

  testOtherLayouts(first, async (judge) => {
    await using application = await openPostgresApplication(own.url);
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, never);
    await judge({
      url: own.url,
      run: (sql) => application.run(sql),
      record: (plan) => recordMigration(session, plan, never),
      find: (id) => findMigrations(session, id, never),
    });
  });

  test('holds any text in a database of another encoding', async () => {
    await using application = await openPostgresApplication(own.url);
    await application.run('DROP DATABASE IF EXISTS latin');
    await application.run(`CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    const url = new URL(own.url);
    url.pathname = '/latin';
    await using latin = await openPostgres(url.href);
    await using session = await latin.openSession({}, never);
    await createBookkeeping(session, never);
    const local = { ...first, source: { schema: 'shop', table: 'orders' } };
    await recordMigration(session, local, never);
    await recordState(session, first.id, { state: 'open', failure: 'The statement "SELECT…" failed: 𝄞.' }, never);
    expect(await findMigrations(session, first.id, never)).toMatchObject([
      { plan: local, failure: 'The statement "SELECT…" failed: 𝄞.' },
    ]);
  });
});
