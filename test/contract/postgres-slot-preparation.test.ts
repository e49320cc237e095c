/** What happens before a change stream is opened on PostgreSQL, and how a source that others alter is noticed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { retry } from '../../src/engine/retry.ts';
import { readTable, type TableDescription } from '../../src/postgres/catalog.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import type { Server } from '../../src/postgres/server.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import { fingerprintOf } from '../../src/postgres/shadow.ts';
import { prepareSlot, slotWaitMs, type SlotOrder } from '../../src/postgres/slot-preparation.ts';
import { watchSource } from '../../src/postgres/source-watch.ts';
import { createPostgresSchema, never, openPostgres, openPostgresApplication } from '../support/postgres-adapter.ts';
import { claimPostgresTable, type ClaimedPostgresTable } from '../support/postgres-claimed-table.ts';
import { type Server as TestServer, startServer } from '../support/servers.ts';

const login = { defaultsFile: null, password: null, home: null, environment: {} };

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let process: TestServer;
  let server: Server;
  beforeAll(async () => {
    process = await startServer({ flavour: 'postgres', version, extraFlags: ['--max-prepared-transactions=2'] });
    server = await openPostgres(process.url);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await process[Symbol.asyncDispose]();
  });

  async function openOrders() {
    const schema = await createPostgresSchema(process.url);
    await schema.application.run(`CREATE TABLE ${schema.name}.orders (id integer PRIMARY KEY, v integer)`);
    const orders = await claimPostgresTable(server, { schema: schema.name, table: 'orders' });
    const sessions = createSessionPool({ sizeMax: 2, open: (signal) => server.openSession({}, signal) });
    return {
      schema,
      orders,
      sessions,
      async [Symbol.asyncDispose]() {
        await sessions[Symbol.asyncDispose]();
        await orders[Symbol.asyncDispose]();
        await schema[Symbol.asyncDispose]();
      },
    };
  }

  async function slotOrder(
    { orders, sessions }: Awaited<ReturnType<typeof openOrders>>,
    waitLimitMs: number,
  ): Promise<SlotOrder> {
    const source = await sessions.withSession((session) => readTable(session, orders.plan.source, never), never);
    return { server, claim: orders.claim, sessions, plan: orders.plan, source, waitLimitMs };
  }

  /** Slots, and sessions that could be making one. */
  async function leftovers({ plan }: ClaimedPostgresTable): Promise<unknown> {
    await using application = await openPostgresApplication(process.url);
    return [
      await application.run('SELECT slot_name FROM pg_replication_slots'),
      await application.run(
        `SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender' AND application_name = 'tableshift ${plan.id}'`,
      ),
    ];
  }

  test('a slot that waits for a transaction names it, ends after its limit and leaves nothing half-made', async () => {
    await using fixture = await openOrders();
    await using elsewhere = await openPostgresApplication(process.url.replace(/postgres$/, 'template1'));
    await elsewhere.run('BEGIN; SELECT pg_current_xact_id()');
    const error: unknown = await prepareSlot(await slotOrder(fixture, 300), null, never).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'SLOT_BLOCKED', isTransient: true });
    expect(String(error)).toMatch(
      new RegExp(
        `The change stream of ${fixture.schema.name}\\.orders begins when .* and 0\\.3 s were not enough: process ${elsewhere.pid} of postgres from 127\\.0\\.0\\.1, idle in transaction .*: BEGIN; SELECT pg_current_xact_id\\(\\)\\. End them`,
      ),
    );
    expect(await leftovers(fixture.orders)).toEqual([[], []]);
    await elsewhere.run('ROLLBACK');
    expect(await prepareSlot(await slotOrder(fixture, 60_000), null, never)).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    expect(await leftovers(fixture.orders)).toEqual([[{ slot_name: `tableshift_${fixture.orders.plan.id}` }], []]);
    await fixture.schema.application.run(`SELECT pg_drop_replication_slot('tableshift_${fixture.orders.plan.id}')`);
    await fixture.schema.application.run(`DROP PUBLICATION tableshift_${fixture.orders.plan.id}`);
  });

  test('a publication that waits for a lock on the table names who holds it', async () => {
    await using fixture = await openOrders();
    await using application = await openPostgresApplication(process.url);
    await application.run(`BEGIN; LOCK TABLE ${fixture.schema.name}.orders IN SHARE MODE`);
    const error: unknown = await prepareSlot(await slotOrder(fixture, 300), null, never).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'LOCK_WAIT', isTransient: true });
    expect(String(error)).toMatch(
      new RegExp(`for whose lock 0\\.3 s were not enough: .* In the way: process ${application.pid} of .* LOCK TABLE .*\\.$`),
    );
    await application.run('ROLLBACK');
    expect(await leftovers(fixture.orders)).toEqual([[], []]);
  });

  test('the lock timeout of the role does not end the wait for a slot', async () => {
    await using fixture = await openOrders();
    const role = `hasty_${fixture.schema.name}`;
    await fixture.schema.application.run(`CREATE ROLE ${role} LOGIN SUPERUSER; ALTER ROLE ${role} SET lock_timeout = 50`);
    await using application = await openPostgresApplication(process.url);
    await application.run(`BEGIN; SELECT pg_current_xact_id()`);
    {
      await using hasty = await openPostgres(process.url.replace('postgres@', `${role}@`));
      const order = { ...(await slotOrder(fixture, 300)), server: hasty };
      await expect(prepareSlot(order, null, never)).rejects.toMatchObject({ code: 'SLOT_BLOCKED' });
    }
    await application.run('ROLLBACK');
    await application.run(`DROP PUBLICATION tableshift_${fixture.orders.plan.id}; DROP ROLE ${role}`);
  });

  test('a slot that waits for a prepared transaction names that', async () => {
    await using fixture = await openOrders();
    await using application = await openPostgresApplication(process.url);
    await application.run(`BEGIN; SELECT pg_current_xact_id()`);
    await application.run(`PREPARE TRANSACTION 'undecided'`);
    await expect(prepareSlot(await slotOrder(fixture, 300), null, never)).rejects.toThrow(
      'the prepared transaction undecided of postgres, which waits to be committed or rolled back',
    );
    await application.run(`ROLLBACK PREPARED 'undecided'`);
    expect(await leftovers(fixture.orders)).toEqual([[], []]);
    await application.run(`DROP PUBLICATION tableshift_${fixture.orders.plan.id}`);
  });

  test('an abort while the slot waits leaves nothing half-made', async () => {
    await using fixture = await openOrders();
    await using blocker = await openPostgresApplication(process.url);
    await blocker.run('BEGIN; SELECT pg_current_xact_id()');
    const controller = new AbortController();
    const making = prepareSlot(await slotOrder(fixture, 60_000), null, controller.signal).catch((error: unknown) => error);
    await expect.poll(() => fixture.schema.application.run('SELECT slot_name FROM pg_replication_slots')).toHaveLength(1);
    controller.abort(new Error('the operator'));
    expect(String(await making)).toContain('the operator');
    expect(await leftovers(fixture.orders)).toEqual([[], []]);
    await fixture.schema.application.run(`DROP PUBLICATION tableshift_${fixture.orders.plan.id}`);
    await blocker.run('ROLLBACK');
  });

  test('a look at the source finds what others altered, but not our own swap', async () => {
    await using fixture = await openOrders();
    const { orders, schema, sessions } = fixture;
    const { source } = await slotOrder(fixture, 0);
    if (source === null) throw new Error('There is no source.');
    const isUnchanged = (now: TableDescription): boolean => fingerprintOf(now) === fingerprintOf(source);
    const { check } = watchSource({ plan: orders.plan, known: source, isUnchanged, hasShadow: () => false, sessions });
    await check(never);
    const changed = (what: string, changes = '') => ({
      code: 'SOURCE_CHANGED',
      message: `Somebody has ${what} ${schema.name}.orders since its shadow was made${changes}. Give migration ${orders.plan.id} up and start anew.`,
    });
    const run = (sql: string) => schema.application.run(`SET search_path = ${schema.name}; ${sql}`);
    const alterations = [
      ['ALTER TABLE orders ALTER v SET DEFAULT 3', 'column v was altered', 'ALTER TABLE orders ALTER v DROP DEFAULT'],
      [
        'CREATE INDEX by_v ON orders (v); ALTER TABLE orders ADD CHECK (v > 0), DROP CONSTRAINT orders_pkey',
        'index by_v was added, index orders_pkey was dropped, constraint orders_v_check was added, constraint orders_pkey was dropped',
        'DROP INDEX by_v; ALTER TABLE orders DROP CONSTRAINT orders_v_check, ADD PRIMARY KEY (id)',
      ],
    ] as const;
    for (const [statement, changes, back] of alterations) {
      await run(statement);
      await expect(check(never)).rejects.toMatchObject(changed('altered', `: ${changes}`));
      await run(back);
      await check(never);
    }
    await run('ALTER TABLE orders RENAME TO kept');
    await expect(check(never)).rejects.toMatchObject(changed('renamed or dropped'));
    await run('CREATE TABLE orders (LIKE kept INCLUDING ALL)');
    await expect(check(never)).rejects.toMatchObject(changed('altered', ': it is another table'));
    await run('DROP TABLE orders; ALTER TABLE kept RENAME TO orders');
    await check(never);
    for (const what of ['ALL TABLES', `TABLES IN SCHEMA tableshift_${orders.plan.id}`]) {
      await run(`CREATE PUBLICATION everything FOR ${what}`);
      const message = expect.stringContaining(`The shadow tableshift_${orders.plan.id}.orders is published, by everything. `);
      await expect(check(never)).rejects.toMatchObject({ code: 'SHADOW_PUBLISHED', message });
      await run('DROP PUBLICATION everything');
    }
    await orders.cutover.attempt({ lockTimeoutMs: 2_000, holdTimeoutMs: 10_000 }, () => Promise.resolve(), never);
    await check(never);
  });

  test('a stream ends with SOURCE_CHANGED when somebody alters the source, and a resume begins with it', async () => {
    await using schema = await createPostgresSchema(process.url);
    await schema.application.run(`CREATE TABLE ${schema.name}.orders (id integer PRIMARY KEY, v integer)`);
    await using database = await openDatabase(process.url, login, never);
    const request = {
      table: { schema: schema.name, table: 'orders' },
      clauses: 'ADD w integer',
      options: { deferIndexes: 'auto', key: null } as const,
    };
    const plan = await database.plan(request, never);
    let from: string;
    {
      // Ends before its first checkpoint, and somebody clears up: another run begins anew.
      await using claim = await database.claim(plan, 'start', never);
      await using _ = await claim.openChangeStream(null, never);
      await claim.pair.createShadow(never);
    }
    await schema.application.run(`DROP PUBLICATION tableshift_${plan.id}`);
    {
      await using claim = await database.claim(plan, 'resume', never);
      await using stream = await claim.openChangeStream(null, never);
      from = stream.start.token;
      await claim.pair.createShadow(never);
      await schema.application.run(`ALTER TABLE ${schema.name}.orders REPLICA IDENTITY FULL`);
      const read = async (): Promise<void> => {
        for await (const _ of stream.batches(never));
      };
      await expect(read()).rejects.toMatchObject({
        code: 'SOURCE_CHANGED',
        message: expect.stringContaining(`Somebody has changed the replica identity of ${schema.name}.orders.`),
      });
    }
    {
      await using claim = await database.claim(plan, 'resume', never);
      await expect(claim.openChangeStream(from, never)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    }
    await using giving = await database.claimToGiveUp(plan, never);
    await giving.discard(2_000, never);
    const [left] = await schema.application.run(
      `SELECT (SELECT count(*) FROM pg_replication_slots) AS slots, (SELECT count(*) FROM pg_publication) AS publications,
         (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tableshift\\_%') AS schemas`,
    );
    expect(left).toEqual({ slots: '0', publications: '0', schemas: '0' });
  });
});

test('the attempts of a run wait longer and longer for the slot, 26 minutes in all with the pauses between them', async () => {
  const waits: number[] = [];
  const pauses: number[] = [];
  const clock = { now: () => 0, random: () => 0.5, sleep: async (ms: number) => void pauses.push(ms / 1000) };
  const attempt = (count: number): Promise<never> => {
    waits.push(slotWaitMs(count) / 1000);
    return Promise.reject(new MigrationError('SLOT_BLOCKED', 'A transaction is open.'));
  };
  await expect(retry('opening the change stream', attempt, { clock, observer: () => {} }, never)).rejects.toThrow('is open');
  expect(waits).toEqual([5, 10, 20, 40, 80, ...Array.from({ length: 11 }, () => 120)]);
  const sum = (all: readonly number[]): number => all.reduce((before, one) => before + one, 0);
  expect(Math.round((sum(waits) + sum(pauses)) / 60)).toBe(26);
});
