/** The swap of the tables on PostgreSQL. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import type { RowKey } from '../../src/engine/model.ts';
import type { RowWriter } from '../../src/engine/ports.ts';
import { findLockHolders } from '../../src/postgres/lock-holders.ts';
import type { Server } from '../../src/postgres/server.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresApplication,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { claimPostgresTable, keysThrough, nothingElse } from '../support/postgres-claimed-table.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy, type Fate } from '../support/tcp-proxy.ts';

const limits = { lockTimeoutMs: 2_000, holdTimeoutMs: 10_000 };

describeSideBySide(['postgres-15', 'postgres-18'], 'the cutover on', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgres(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('swaps the tables, with what was changed since the copy, and names stay as they were', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await schema.application.run(
      `UPDATE ${schema.name}.orders SET v = 20 WHERE id = 2; DELETE FROM ${schema.name}.orders WHERE id = 3`,
    );
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    const outcome = await orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never);
    expect(outcome).toEqual({ kind: 'swapped', blockedMs: expect.any(Number) });
    expect(await orders.cutover.hasSwapped(never)).toBe(true);
    expect(await rowsOf(schema, 'id, v, extra')).toEqual([
      { id: '1', v: '1', extra: '7' },
      { id: '2', v: '20', extra: '7' },
    ]);
    expect(await schema.application.run(`SELECT id, v FROM ${orders.plan.retired.schema}.orders ORDER BY id`)).toEqual([
      { id: '1', v: '1' },
      { id: '2', v: '20' },
    ]);
    const names = await schema.application.run(
      `SELECT relname FROM pg_class WHERE relnamespace = '${schema.name}'::regnamespace ORDER BY 1`,
    );
    expect(names.map(({ relname }) => relname)).toEqual(['orders', 'orders_pkey', 'orders_v_idx']);
  });

  test('lets plain, prepared and transactional writes that it blocked land in the new table', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    const table = `${schema.name}.orders`;
    await using plain = await openPostgresApplication(url);
    await using prepared = await openPostgresApplication(url);
    await using transactional = await openPostgresApplication(url);
    const insert = `INSERT INTO ${table} (id, v) VALUES ($1, 11)`;
    await prepared.runPrepared('insert', insert, [4]);
    await transactional.run('BEGIN');
    const blocked: Promise<unknown>[] = [];
    const outcome = await orders.cutover.attempt(
      limits,
      async (locked) => {
        blocked.push(
          plain.run(`INSERT INTO ${table} (id, v) VALUES (100, 100)`),
          prepared.runPrepared('insert', insert, [101]),
          transactional.run(`UPDATE ${table} SET v = 102 WHERE id = 1`),
        );
        await seeWaiting(schema.application, [plain, prepared, transactional]);
        await bringUpToDate(locked, 4);
      },
      never,
    );
    expect(outcome.kind).toBe('swapped');
    await Promise.all(blocked);
    await transactional.run('COMMIT');
    const after = [
      [1, 102],
      [2, 2],
      [3, 3],
      [4, 11],
      [100, 100],
      [101, 11],
    ].map(([id, v]) => ({ id: `${id}`, v: `${v}`, extra: '7' }));
    expect(await rowsOf(schema, 'id, v, extra')).toEqual(after);
    expect(await schema.application.run(`SELECT count(*) AS n FROM ${orders.plan.retired.schema}.orders`)).toEqual([
      { n: '4' },
    ]);
  });

  test('waits for transactions that have written, and drains their rows', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await using writer = await openPostgresApplication(url);
    await writer.run(`BEGIN; UPDATE ${schema.name}.orders SET v = 50 WHERE id = 1`);
    const attempt = orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never);
    await seeLockAsked(schema);
    await writer.run('COMMIT');
    expect(await attempt).toEqual({ kind: 'swapped', blockedMs: expect.any(Number) });
    expect(await rowsOf(schema, 'v', 'id = 1')).toEqual([{ v: '50' }]);
  });

  test('lets a transaction that has read and then writes pass, so that nobody becomes a deadlock victim', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await using writer = await openPostgresApplication(url);
    await writer.run(`BEGIN; SELECT * FROM ${schema.name}.orders`);
    const attempt = orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never);
    await seeLockAsked(schema);
    await writer.run(`UPDATE ${schema.name}.orders SET v = 55 WHERE id = 1; COMMIT`);
    expect(await attempt).toEqual({ kind: 'swapped', blockedMs: expect.any(Number) });
    expect(await rowsOf(schema, 'v', 'id = 1')).toEqual([{ v: '55' }]);
  });

  test('undoes the drain and lets writers go on when it fails, passes its reason on, and can be tried again', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await using writer = await openPostgresApplication(url);
    await schema.application.run(`UPDATE ${schema.name}.orders SET v = 59 WHERE id = 2`);
    let blocked: Promise<unknown> = Promise.resolve();
    const attempt = orders.cutover.attempt(
      limits,
      async (locked) => {
        blocked = writer.run(`UPDATE ${schema.name}.orders SET v = 60 WHERE id = 1`);
        await seeWaiting(schema.application, [writer]);
        await bringUpToDate(locked, 3);
        throw new Error('the drain failed');
      },
      never,
    );
    await expect(attempt).rejects.toThrow('the drain failed');
    await blocked;
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    expect(await rowsOf(schema, 'v', 'id < 3')).toEqual([{ v: '60' }, { v: '59' }]);
    const shadow = await schema.application.run(`SELECT v FROM ${orders.plan.shadow.schema}.orders WHERE id = 2`);
    expect(shadow).toEqual([{ v: '2' }]);
    const again = await orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never);
    expect(again.kind).toBe('swapped');
    expect(await rowsOf(schema, 'v, extra', 'id = 1')).toEqual([{ v: '60', extra: '7' }]);
  });

  test('goes on in its transaction after a row that collided or did not fit', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    const outcome = await orders.cutover.attempt(
      limits,
      async (locked) => {
        expect(await locked.insertRows(keysThrough(1), never)).toBe('collided');
        expect(await locked.explainCollision(keysThrough(1), never)).toEqual({ kind: 'in-the-way', keys: keysThrough(1) });
        await bringUpToDate(locked, 3);
      },
      never,
    );
    expect(outcome.kind).toBe('swapped');
  });

  test('gives up within its lock time-out, names who is in the way, and harms no writer', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await using holder = await openPostgresApplication(url);
    await using writer = await openPostgresApplication(url);
    await holder.run(`BEGIN; UPDATE ${schema.name}.orders SET v = 70 WHERE id = 1`);
    let isDrained = false;
    const drain = (): Promise<void> => {
      isDrained = true;
      return Promise.resolve();
    };
    const attempt = orders.cutover.attempt({ ...limits, lockTimeoutMs: 800 }, drain, never);
    await seeLockAsked(schema);
    const blocked = writer.run(`UPDATE ${schema.name}.orders SET v = 71 WHERE id = 2`);
    const holding = `process ${holder.pid} of postgres from 127.0.0.1, idle in transaction for \\d+ s, in a transaction for \\d+ s: BEGIN; UPDATE ${schema.name}.orders SET v = 70 WHERE id = 1$`;
    expect(await attempt).toEqual({ kind: 'not-locked', blockers: [expect.stringMatching(new RegExp(`^${holding}`))] });
    expect(isDrained).toBe(false);
    await blocked;
    await holder.run('COMMIT');
    expect(await rowsOf(schema, 'v', 'id < 3')).toEqual([{ v: '70' }, { v: '71' }]);
  });

  test('waits for a transaction that was prepared just now, as others are, but does not even ask behind one of long ago', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    const { name, application } = schema;
    await application.run(`BEGIN; UPDATE ${name}.orders SET v = 72 WHERE id = 1; PREPARE TRANSACTION '${name}'`);
    const lockTimeoutMs = 100;
    const isLong = `SELECT 1 FROM pg_prepared_xacts WHERE gid = '${name}' AND clock_timestamp() - prepared > interval '${lockTimeoutMs} ms'`;
    await expect.poll(() => application.run(isLong)).toHaveLength(1);
    expect(await orders.cutover.attempt({ ...limits, lockTimeoutMs }, () => Promise.resolve(), never)).toEqual({
      kind: 'prevented',
      reason: `the lock was not even asked for: it would not be had within ${lockTimeoutMs} ms`,
      blockers: [`the prepared transaction ${name} of postgres, which waits to be committed or rolled back`],
    });
    const attempt = orders.cutover.attempt({ ...limits, lockTimeoutMs: 60_000 }, (locked) => bringUpToDate(locked, 3), never);
    await seeLockAsked(schema);
    await application.run(`COMMIT PREPARED '${name}'`);
    expect((await attempt).kind).toBe('swapped');
    expect(await rowsOf(schema, 'v', 'id = 1')).toEqual([{ v: '72' }]);
  });

  test('does not even ask for the lock while maintenance works on the table for longer than the time-out', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await using gate = await openPostgresApplication(url);
    await using worker = await openPostgresApplication(url);
    await gate.run(`SELECT pg_advisory_lock(hashtext('${schema.name}'))`);
    // What VACUUM holds.
    await worker.run(`BEGIN; LOCK TABLE ${schema.name}.orders IN SHARE UPDATE EXCLUSIVE MODE`);
    const working = worker.run(`SELECT pg_advisory_lock(hashtext('${schema.name}'))`);
    const lockTimeoutMs = 100;
    const isLong = `SELECT 1 FROM pg_stat_activity WHERE pid = ${worker.pid} AND state = 'active' AND clock_timestamp() - xact_start > interval '${lockTimeoutMs} ms'`;
    await expect.poll(() => schema.application.run(isLong)).toHaveLength(1);
    expect(await orders.cutover.attempt({ ...limits, lockTimeoutMs }, () => Promise.resolve(), never)).toEqual({
      kind: 'prevented',
      reason: `the lock was not even asked for: it would not be had within ${lockTimeoutMs} ms`,
      blockers: [expect.stringMatching(new RegExp(`^process ${worker.pid} of postgres .*, running for `))],
    });
    await gate.run('SELECT pg_advisory_unlock_all()');
    await working;
    await worker.run('COMMIT');
    expect((await orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never)).kind).toBe('swapped');
  });

  test('does not wait for the shadow behind a long reader', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await using reader = await openPostgresApplication(url);
    await using writer = await openPostgresApplication(url);
    await reader.run(`BEGIN; SELECT * FROM ${orders.plan.shadow.schema}.orders`);
    const attempt = orders.cutover.attempt({ ...limits, lockTimeoutMs: 500 }, () => Promise.resolve(), never);
    await seeLockAsked(schema, orders.plan.shadow.schema);
    await writer.run(`SET lock_timeout = 100; UPDATE ${schema.name}.orders SET v = 73 WHERE id = 1`);
    expect((await attempt).kind).toBe('not-locked');
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    await reader.run('COMMIT');
  });

  test('waits for nothing else once it has the lock', async () => {
    await using schema = await ordersSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.other (id integer)`);
    const carryOver = {
      ...nothingElse,
      beforeSwap: async (session: Parameters<typeof nothingElse.beforeSwap>[0]): Promise<readonly string[]> => {
        await session.execute(`ALTER TABLE ${schema.name}.other ADD COLUMN v integer`, never);
        return [];
      },
    };
    await using orders = await claimPostgresTable(server, tableOf(schema), carryOver);
    await using holder = await openPostgresApplication(url);
    await holder.run(`BEGIN; SELECT * FROM ${schema.name}.other`);
    await expect(orders.cutover.attempt(limits, () => Promise.resolve(), never)).rejects.toMatchObject({ code: 'LOCK_WAIT' });
    await holder.run('COMMIT');
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    expect((await orders.cutover.attempt(limits, () => Promise.resolve(), never)).kind).toBe('swapped');
  });

  test('gives up at once when somebody has drawn a number for a row that he has not inserted yet', async () => {
    await using schema = await ordersSchema(url);
    const table = `${schema.name}.orders`;
    await schema.application.run(`CREATE SEQUENCE ${schema.name}.orders_id_seq START 4 OWNED BY ${table}.id`);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await using writer = await openPostgresApplication(url);
    const [row] = await writer.run(`BEGIN; SELECT nextval('${schema.name}.orders_id_seq') AS id`);
    // What still has to come may come in meanwhile; nothing is written.
    const drain: Parameters<typeof orders.cutover.attempt>[1] = async (locked, signal) => {
      await locked.deleteRows(['1' as RowKey], signal);
      throw new Error('written');
    };
    expect(await orders.cutover.attempt(limits, drain, never)).toEqual({
      kind: 'prevented',
      reason: 'something of the table is in use, or was made or changed meanwhile',
      blockers: [expect.stringMatching(`^process ${writer.pid} of postgres `)],
    });
    await writer.run(`INSERT INTO ${table} VALUES (${row?.['id'] ?? ''}, 4); COMMIT`);
    expect(await rowsOf(schema, 'id', 'v = 4')).toEqual([{ id: '4' }]);
  });

  test('rolls everything back when the carry-over after the swap fails', async () => {
    await using schema = await ordersSchema(url);
    const carryOver = { ...nothingElse, afterSwap: () => Promise.reject(new MigrationError('SOURCE_CHANGED', 'It did.')) };
    await using orders = await claimPostgresTable(server, tableOf(schema), carryOver);
    const attempt = orders.cutover.attempt(limits, () => Promise.resolve(), never);
    await expect(attempt).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    await schema.application.run(`UPDATE ${schema.name}.orders SET v = 6 WHERE id = 1`);
    expect(await columnsOf(schema)).toEqual(['id', 'v']);
  });

  test('lets writers go on when the lock has been held for too long, and does not swap', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    const attempt = orders.cutover.attempt(
      { ...limits, holdTimeoutMs: 700 },
      async () => {
        await schema.application.run(`UPDATE ${schema.name}.orders SET v = 80 WHERE id = 1`);
      },
      never,
    );
    await expect(attempt).rejects.toMatchObject({ code: 'STATEMENT_TIMEOUT', isTransient: true });
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    expect(await rowsOf(schema, 'v', 'id = 1')).toEqual([{ v: '80' }]);
  });

  test('is ended by the server itself when this process freezes under the lock', async () => {
    await using schema = await ordersSchema(url);
    await using proxy = await startProxy(url);
    await using far = await openPostgres(proxy.url);
    await using orders = await claimPostgresTable(far, tableOf(schema));
    const attempt = orders.cutover.attempt(
      { ...limits, holdTimeoutMs: 1_000 },
      async () => {
        proxy.freeze();
        await schema.application.run(`UPDATE ${schema.name}.orders SET v = 90 WHERE id = 1`);
        proxy.forgetConnections();
      },
      never,
    );
    await expect(attempt).rejects.toMatchObject({ isTransient: true });
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    expect(await rowsOf(schema, 'v', 'id = 1')).toEqual([{ v: '90' }]);
  });

  test.each<{ fate: Fate; isSwapped: boolean }>([
    { fate: 'cut-before', isSwapped: false },
    { fate: 'cut-answer', isSwapped: true },
  ])(
    'says that the outcome is unknown at the COMMIT when the connection is $fate, and the books tell it',
    async ({ fate, isSwapped }) => {
      await using schema = await ordersSchema(url);
      let isArmed = false;
      const judge = (sent: string): Fate => (isArmed && sent.includes('COMMIT\0') ? fate : 'pass');
      await using proxy = await startProxy(url, judge);
      await using far = await openPostgres(proxy.url);
      await using orders = await claimPostgresTable(far, tableOf(schema));
      isArmed = true;
      const outcome = await orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never);
      expect(outcome).toMatchObject({ kind: 'unknown', cause: { code: 'CONNECTION_LOST' }, blockedMs: expect.any(Number) });
      expect(await orders.cutover.hasSwapped(never)).toBe(isSwapped);
      expect(await columnsOf(schema)).toEqual(isSwapped ? ['id', 'v', 'extra'] : ['id', 'v']);
    },
  );

  test('lets writers go on when it is aborted, while it waits for the lock and while it drains', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await using holder = await openPostgresApplication(url);
    await holder.run(`BEGIN; UPDATE ${schema.name}.orders SET v = 5 WHERE id = 1`);
    const waiting = new AbortController();
    const first = orders.cutover.attempt(limits, () => Promise.resolve(), waiting.signal);
    await seeLockAsked(schema);
    waiting.abort(new Error('not now'));
    await expect(first).rejects.toThrow('not now');
    await holder.run('COMMIT');

    const draining = new AbortController();
    const second = orders.cutover.attempt(
      limits,
      async (locked) => {
        draining.abort(new Error('not now either'));
        await locked.deleteRows(keysThrough(3), draining.signal);
      },
      draining.signal,
    );
    await expect(second).rejects.toThrow('not now either');
    await schema.application.run(`UPDATE ${schema.name}.orders SET v = 6 WHERE id = 1`);
    expect(await columnsOf(schema)).toEqual(['id', 'v']);
  });

  test('does not swap once the claim is lost', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    const attempt = orders.cutover.attempt(limits, async () => orders.claim[Symbol.asyncDispose](), never);
    await expect(attempt).rejects.toMatchObject({ code: 'CLAIM_LOST' });
    await schema.application.run(`UPDATE ${schema.name}.orders SET v = 6 WHERE id = 1`);
    expect(await columnsOf(schema)).toEqual(['id', 'v']);
  });

  test('applies a TRUNCATE that waits behind the lock to the live table', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await using other = await openPostgresApplication(url);
    let truncating: Promise<unknown> = Promise.resolve();
    const outcome = await orders.cutover.attempt(
      limits,
      async (locked) => {
        truncating = other.run(`TRUNCATE TABLE ${schema.name}.orders`);
        await seeWaiting(schema.application, [other]);
        await bringUpToDate(locked, 3);
      },
      never,
    );
    await truncating;
    expect(outcome.kind).toBe('swapped');
    expect(await rowsOf(schema, '*')).toEqual([]);
    expect(await schema.application.run(`SELECT count(*) AS n FROM ${orders.plan.retired.schema}.orders`)).toEqual([
      { n: '3' },
    ]);
  });

  test('sends an autovacuum worker away in time', async () => {
    await using schema = await ordersSchema(url);
    const table = `${schema.name}.orders`;
    await schema.application.run(
      `INSERT INTO ${table} SELECT n, n FROM generate_series(4, 100000) AS n;
       ALTER TABLE ${table} SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 0,
         autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_threshold = 0, autovacuum_vacuum_insert_scale_factor = 0)`,
    );
    await using orders = await claimPostgresTable(server, tableOf(schema));
    await schema.application.run(`ALTER SYSTEM SET autovacuum_naptime = 1`);
    await schema.application.run('SELECT pg_reload_conf()');
    try {
      const workers = `SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%${table}%'`;
      await expect.poll(() => schema.application.run(workers)).not.toEqual([]);
      const outcome = await orders.cutover.attempt({ ...limits, lockTimeoutMs: 700 }, () => Promise.resolve(), never);
      expect(outcome.kind).toBe('swapped');
    } finally {
      await schema.application.run('ALTER SYSTEM RESET autovacuum_naptime');
      await schema.application.run('SELECT pg_reload_conf()');
    }
  });

  test('says that it cannot tell when the tables look swapped and no swap is recorded', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimPostgresTable(server, tableOf(schema));
    const { shadow, retired } = orders.plan;
    await schema.application.run(
      `CREATE SCHEMA ${retired.schema}; ALTER TABLE ${shadow.schema}.orders SET SCHEMA ${retired.schema}`,
    );
    await expect(orders.cutover.hasSwapped(never)).rejects.toMatchObject({
      code: 'SWAP_UNKNOWN',
      message: expect.stringContaining(`${shadow.schema}.orders is missing and ${retired.schema}.orders exists`),
    });
  });

  test('names a holder also to a role that may not see what it does', async () => {
    await using schema = await ordersSchema(url);
    await schema.application.run(`CREATE ROLE ${schema.name} LOGIN; GRANT USAGE ON SCHEMA ${schema.name} TO ${schema.name}`);
    {
      await using limited = await openPostgres(url.replace('postgres@', `${schema.name}@`));
      await using session = await limited.openSession({}, never);
      await using holder = await openPostgresApplication(url);
      await holder.run(`BEGIN; UPDATE ${schema.name}.orders SET v = 70 WHERE id = 1`);
      const found = await findLockHolders(
        session,
        { table: tableOf(schema), of: 'table', except: 0, hopelessAfterMs: null } as const,
        never,
      );
      expect(found).toEqual([`process ${holder.pid} of postgres: <insufficient privilege>`]);
      await holder.run('ROLLBACK');
    }
    await schema.application.run(`DROP OWNED BY ${schema.name}; DROP ROLE ${schema.name}`);
  });
});

function tableOf(schema: PostgresSchema): { schema: string; table: string } {
  return { schema: schema.name, table: 'orders' };
}

async function ordersSchema(url: string): Promise<PostgresSchema> {
  const schema = await createPostgresSchema(url);
  const table = `${schema.name}.orders`;
  await schema.application.run(
    `CREATE TABLE ${table} (id integer PRIMARY KEY, v integer NOT NULL); CREATE INDEX orders_v_idx ON ${table} (v);
     INSERT INTO ${table} VALUES (1, 1), (2, 2), (3, 3)`,
  );
  return schema;
}

async function bringUpToDate(locked: RowWriter, lastKey: number): Promise<void> {
  await locked.deleteRows(keysThrough(lastKey), never);
  expect(await locked.insertRows(keysThrough(lastKey), never)).toBe('inserted');
  expect(await locked.findDifferingRows(keysThrough(lastKey), never)).toEqual([]);
}

function rowsOf(schema: PostgresSchema, columns: string, condition = 'true'): Promise<Record<string, string | null>[]> {
  return schema.application.run(`SELECT ${columns} FROM ${schema.name}.orders WHERE ${condition} ORDER BY id`);
}

async function columnsOf(schema: PostgresSchema): Promise<unknown[]> {
  const rows = await schema.application.run(
    `SELECT attname FROM pg_attribute WHERE attrelid = '${schema.name}.orders'::regclass AND attnum > 0 ORDER BY attnum`,
  );
  return rows.map(({ attname }) => attname);
}

/** The cutover waits for the source, or for the shadow. */
async function seeLockAsked(schema: PostgresSchema, inSchema = schema.name): Promise<void> {
  const asked = `SELECT l.pid FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
    WHERE NOT l.granted AND c.relname = 'orders' AND c.relnamespace = '${inSchema}'::regnamespace AND l.mode = 'AccessExclusiveLock'`;
  await expect.poll(() => schema.application.run(asked), { interval: 10 }).toHaveLength(1);
}

async function seeWaiting(application: PostgresApplication, blocked: readonly PostgresApplication[]): Promise<void> {
  const pids = blocked.map(({ pid }) => pid).join(', ');
  const waiting = `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid IN (${pids})`;
  await expect.poll(() => application.run(waiting), { interval: 10 }).toHaveLength(blocked.length);
}
