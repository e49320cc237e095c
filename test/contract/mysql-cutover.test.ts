/** The swap of the tables on MySQL and MariaDB. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RowWriter } from '../../src/engine/ports.ts';
import { DEFAULT_OPTIONS, migrate } from '../../src/index.ts';
import { findLockHolders } from '../../src/mysql/lock-holders.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSchema, never, openAdapter, openApplication, type Application } from '../support/adapter-server.ts';
import { claimTable, keysThrough } from '../support/claimed-table.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy, type Fate } from '../support/tcp-proxy.ts';

/** Transactions of tests beside these, on the same server, are no matter. */
const limits = { lockTimeoutMs: 3_000, holdTimeoutMs: 10_000, oldSnapshots: 'ignore' } as const;

describeSideBySide(['mysql', 'mariadb'], 'the cutover on', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('swaps the tables, with what was changed since the copy', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await schema.application.run(`UPDATE ${schema.name}.orders SET v = 20 WHERE id = 2`);
    await schema.application.run(`DELETE FROM ${schema.name}.orders WHERE id = 3`);
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    const outcome = await orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never);
    expect(outcome).toEqual({ kind: 'swapped', blockedMs: expect.any(Number) });
    expect(await orders.cutover.hasSwapped(never)).toBe(true);
    expect(await schema.application.run(`SELECT id, v, extra FROM ${schema.name}.orders ORDER BY id`)).toEqual([
      { id: 1, v: 1, extra: 7 },
      { id: 2, v: 20, extra: 7 },
    ]);
    expect(await tablesOf(schema)).toEqual(['orders', orders.plan.retired.table]);
    expect(await schema.application.run(`SELECT id, v FROM ${quoted(orders.plan.retired)} ORDER BY id`)).toEqual([
      { id: 1, v: 1 },
      { id: 2, v: 20 },
    ]);
  });

  test('lets plain, prepared and transactional writes that it blocked land in the new table', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    const table = `${schema.name}.orders`;
    await using plain = await openApplication(url);
    await using prepared = await openApplication(url);
    await using transactional = await openApplication(url);
    const insert = `INSERT INTO ${table} (v) VALUES (?)`;
    await prepared.runPrepared(insert, [11]);
    await transactional.run('BEGIN');
    const blocked: Promise<unknown>[] = [];
    const outcome = await orders.cutover.attempt(
      limits,
      async (locked) => {
        blocked.push(
          plain.run(`INSERT INTO ${table} (v) VALUES (100)`),
          prepared.runPrepared(insert, [101]),
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
    expect(await schema.application.run(`SELECT v, extra FROM ${table} ORDER BY v`)).toEqual(
      [2, 3, 11, 100, 101, 102].map((v) => ({ v, extra: 7 })),
    );
    expect(await schema.application.run(`SELECT v FROM ${quoted(orders.plan.retired)} ORDER BY v`)).toEqual(
      [1, 2, 3, 11].map((v) => ({ v })),
    );
  });

  test('puts rows in whose defaults are numbers of a sequence', async () => {
    if (flavour === 'mysql') return;
    await using schema = await ordersSchema(url);
    await schema.application.run(`CREATE SEQUENCE ${schema.name}.numbers`);
    await schema.application.run(`ALTER TABLE ${schema.name}.orders ADD n BIGINT DEFAULT NEXTVAL(${schema.name}.numbers)`);
    await using orders = await claimTable(server, change(schema.name));
    await schema.application.run(`INSERT INTO ${schema.name}.orders (v, n) VALUES (4, 100)`);
    expect((await orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 4), never)).kind).toBe('swapped');
    await schema.application.run(`INSERT INTO ${schema.name}.orders (v) VALUES (5)`);
    expect(await schema.application.run(`SELECT n FROM ${schema.name}.orders ORDER BY id`)).toEqual(
      [1, 2, 3, 100, 4].map((n) => ({ n })),
    );
  });

  test('waits for transactions that have written, and drains their rows', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await using writer = await openWriter(url, schema, 50);
    const attempt = orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never);
    await expect.poll(() => waitingStatements(schema.application)).toContain('LOCK TABLES');
    await writer.run('COMMIT');
    expect((await attempt).kind).toBe('swapped');
    expect(await schema.application.run(`SELECT v FROM ${schema.name}.orders WHERE id = 1`)).toEqual([{ v: 50 }]);
  });

  test('asks for its lock when nobody has read the table and may yet write it, who would die of that', async () => {
    await using schema = await ordersSchema(url);
    let asked = 0;
    await using proxy = await startProxy(`${url}?ssl-mode=DISABLED`, (sent): Fate => {
      if (/(?<!UN)LOCK TABLES/.test(sent)) asked += 1;
      return 'pass';
    });
    await using far = await openAdapter(proxy.url);
    await using orders = await claimTable(far, change(schema.name));
    await using application = await openApplication(url);
    await application.run('BEGIN');
    await application.run(`SELECT v FROM ${schema.name}.orders WHERE id = 1`);
    const patient = { ...limits, lockTimeoutMs: 60_000 };
    const attempt = orders.cutover.attempt(patient, (locked) => bringUpToDate(locked, 3), never);
    await expect.poll(() => asked).toBeGreaterThan(2);
    await application.run(`UPDATE ${schema.name}.orders SET v = 55 WHERE id = 1`);
    await application.run('COMMIT');
    expect((await attempt).kind).toBe('swapped');
    expect(await schema.application.run(`SELECT v FROM ${schema.name}.orders WHERE id = 1`)).toEqual([{ v: 55 }]);
  });

  test('lets writers go on in the old table when the drain fails, passes its reason on, and can be tried again', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await using writer = await openApplication(url);
    let blocked: Promise<unknown> = Promise.resolve();
    const attempt = orders.cutover.attempt(
      limits,
      async () => {
        blocked = writer.run(`UPDATE ${schema.name}.orders SET v = 60 WHERE id = 1`);
        await seeWaiting(schema.application, [writer]);
        throw new Error('the drain failed');
      },
      never,
    );
    await expect(attempt).rejects.toThrow('the drain failed');
    await blocked;
    expect(await tablesOf(schema)).toEqual(['orders', 'orders_ts_new']);
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    expect(await schema.application.run(`SELECT v FROM ${schema.name}.orders WHERE id = 1`)).toEqual([{ v: 60 }]);
    const again = await orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never);
    expect(again.kind).toBe('swapped');
    expect(await schema.application.run(`SELECT v, extra FROM ${schema.name}.orders WHERE id = 1`)).toEqual([
      { v: 60, extra: 7 },
    ]);
  });

  test('gives up within its lock time-out, names who is in the way, and harms no writer', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await using holder = await openWriter(url, schema, 70);
    await using writer = await openApplication(url);
    let isDrained = false;
    const attempt = orders.cutover.attempt(
      { ...limits, lockTimeoutMs: 600 },
      () => {
        isDrained = true;
        return Promise.resolve();
      },
      never,
    );
    await expect.poll(() => waitingStatements(schema.application)).toContain('LOCK TABLES');
    const blocked = writer.run(`UPDATE ${schema.name}.orders SET v = 71 WHERE id = 2`);
    expect(await attempt).toEqual({
      kind: 'not-locked',
      blockers: expect.arrayContaining([
        expect.stringMatching(
          new RegExp(`connection ${holder.connectionId} of root from .*, idle for \\d+ s in a transaction since 2`),
        ),
      ]),
    });
    expect(isDrained).toBe(false);
    await blocked;
    await holder.run('COMMIT');
    expect(await schema.application.run(`SELECT v FROM ${schema.name}.orders WHERE id < 3 ORDER BY id`)).toEqual([
      { v: 70 },
      { v: 71 },
    ]);
    expect(await tablesOf(schema)).toEqual(['orders', 'orders_ts_new']);
  });

  test('does not ask for its lock while who holds one rests for longer than writers would wait, and names him', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await using holder = await openWriter(url, schema, 70);
    const resting = `SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ${holder.connectionId} AND TIME > 0`;
    await expect.poll(() => schema.application.run(resting)).toHaveLength(1);
    expect(await orders.cutover.attempt({ ...limits, lockTimeoutMs: 500 }, () => Promise.resolve(), never)).toEqual({
      kind: 'prevented',
      reason: 'the lock was not even asked for: it would not be had within 500 ms',
      blockers: [expect.stringMatching(`^connection ${holder.connectionId} of root from .*, idle for \\d+ s in a transaction`)],
    });
    await holder.run('COMMIT');
    const again = await orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 3), never);
    expect(again.kind).toBe('swapped');
  });

  test('names who may be in the way to a user who may not see metadata locks', async () => {
    await using schema = await ordersSchema(url);
    const user = `'${schema.name}'@'%'`;
    await schema.application.run(`CREATE USER ${user}`);
    await schema.application.run(`GRANT PROCESS ON *.* TO ${user}`);
    {
      await using limited = await openAdapter(url.replace('root@', `${schema.name}@`));
      await using session = await limited.openSession({}, never);
      await using holder = await openWriter(url, schema, 70);
      const tables = [{ schema: schema.name, table: 'orders' }];
      // The metadata locks of MariaDB's plug-in can be seen with PROCESS alone.
      const isSure = limited.flavour.metadataLockSource !== 'performance_schema';
      const sentence = `${isSure ? '(perhaps )?' : 'perhaps '}connection ${holder.connectionId} of root from .*, idle for \\d+ s in a transaction since 2`;
      // InnoDB shows its transactions anew only to who has not looked for a tenth of a second.
      await expect
        .poll(() => findLockHolders(session, tables, { flavour: limited.flavour, except: 0 }, never), { interval: 200 })
        .toEqual(expect.arrayContaining([expect.stringMatching(new RegExp(sentence))]));
      await holder.run('ROLLBACK');
    }
    await schema.application.run(`DROP USER ${user}`);
  });

  test('does not swap when somebody reads the shadow for long', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await using reader = await openApplication(url);
    await reader.run('BEGIN');
    await reader.run(`SELECT * FROM ${schema.name}.orders_ts_new`);
    const outcome = await orders.cutover.attempt({ ...limits, lockTimeoutMs: 600 }, () => Promise.resolve(), never);
    expect(outcome.kind).toBe('not-locked');
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    await reader.run('COMMIT');
  });

  test('carries over the numbers that the old table has used up', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await schema.application.run(`INSERT INTO ${schema.name}.orders (id, v) VALUES (41, 0)`);
    await schema.application.run(`DELETE FROM ${schema.name}.orders WHERE id = 41`);
    const outcome = await orders.cutover.attempt(limits, (locked) => bringUpToDate(locked, 41), never);
    expect(outcome.kind).toBe('swapped');
    await schema.application.run(`INSERT INTO ${schema.name}.orders (v) VALUES (0)`);
    expect(await schema.application.run(`SELECT MAX(id) AS id FROM ${schema.name}.orders`)).toEqual([{ id: 42 }]);
  });

  test('lets writers go on when the lock has been held for too long, and does not swap', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    const attempt = orders.cutover.attempt(
      { ...limits, holdTimeoutMs: 700 },
      async () => {
        await schema.application.run(`UPDATE ${schema.name}.orders SET v = 80 WHERE id = 1`);
      },
      never,
    );
    await expect(attempt).rejects.toMatchObject({ code: 'STATEMENT_TIMEOUT', isTransient: true });
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    expect(await schema.application.run(`SELECT v FROM ${schema.name}.orders WHERE id = 1`)).toEqual([{ v: 80 }]);
    expect(await tablesOf(schema)).toEqual(['orders', 'orders_ts_new']);
  });

  test('is ended by the server itself when this process freezes under the lock', async () => {
    await using schema = await ordersSchema(url);
    await using proxy = await startProxy(url);
    await using far = await openAdapter(proxy.url);
    await using orders = await claimTable(far, change(schema.name));
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
    expect(await schema.application.run(`SELECT v FROM ${schema.name}.orders WHERE id = 1`)).toEqual([{ v: 90 }]);
  });

  test('lets writers go on when it is aborted, while it waits for the lock and while it drains', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await using holder = await openWriter(url, schema, 5);
    const waiting = new AbortController();
    const first = orders.cutover.attempt(limits, () => Promise.resolve(), waiting.signal);
    await expect.poll(() => waitingStatements(schema.application)).toContain('LOCK TABLES');
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
    expect(await tablesOf(schema)).toEqual(['orders', 'orders_ts_new']);
  });

  test('does not swap once the claim is lost', async () => {
    await using schema = await ordersSchema(url);
    const orders = await claimTable(server, change(schema.name));
    const attempt = orders.cutover.attempt(limits, async () => orders.claim[Symbol.asyncDispose](), never);
    // A claim whose session broke may yet be taken again; until then it is as good as lost.
    await expect(attempt).rejects.toMatchObject({ code: expect.stringMatching(/^(CLAIM|CONNECTION)_LOST$/) });
    expect(await tablesOf(schema)).toEqual(['orders', 'orders_ts_new']);
    await schema.application.run(`UPDATE ${schema.name}.orders SET v = 6 WHERE id = 1`);
  });

  // MariaDB shows what a prepared statement or a procedure runs, but all of a statement with settings of its own.
  const truncates = flavour === 'mysql' ? ['TRUNCATE'] : ['TRUNCATE', 'SET STATEMENT lock_wait_timeout = 20 FOR TRUNCATE'];

  test.each(truncates)('applies a %s that waits behind the lock to the live table', async (truncate) => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await using other = await openApplication(url);
    let truncating: Promise<unknown> = Promise.resolve();
    const outcome = await orders.cutover.attempt(
      limits,
      async (locked) => {
        truncating = other.run(`${truncate} TABLE ${schema.name}.orders`);
        await seeWaiting(schema.application, [other]);
        await bringUpToDate(locked, 3);
      },
      never,
    );
    await truncating;
    expect(await schema.application.run(`SELECT * FROM ${schema.name}.orders`)).toEqual([]);
    const isInOneSession = flavour === 'mysql';
    expect(await orders.cutover.hasSwapped(never)).toBe(isInOneSession);
    const refusal = `connection ${other.connectionId} waits to change the table: ${truncate} TABLE ${schema.name}.orders`;
    expect(outcome).toMatchObject(isInOneSession ? { kind: 'swapped' } : { kind: 'prevented', reason: refusal });
  });

  test('says that it cannot tell when the tables fit neither before nor after', async () => {
    await using schema = await ordersSchema(url);
    await using orders = await claimTable(server, change(schema.name));
    await schema.application.run(`RENAME TABLE ${schema.name}.orders_ts_new TO ${schema.name}.elsewhere`);
    await expect(orders.cutover.hasSwapped(never)).rejects.toMatchObject({
      code: 'SWAP_UNKNOWN',
      message: expect.stringContaining('orders exists, orders_ts_new is missing'),
    });
  });
});

describe('the cutover in two sessions', () => {
  test('does not let writers go on before the RENAME is seen waiting, and then it never comes', async () => {
    const url = sharedServer('mariadb');
    await using schema = await ordersSchema(url);
    const judge = (sent: string): Fate => (sent.includes('RENAME TABLE') ? 'swallow' : 'pass');
    await using proxy = await startProxy(`${url}?ssl-mode=DISABLED`, judge);
    await using far = await openAdapter(proxy.url);
    await using orders = await claimTable(far, change(schema.name));
    await using writer = await openApplication(url);
    let blocked: Promise<unknown> = Promise.resolve();
    const outcome = await orders.cutover.attempt(
      limits,
      async (locked) => {
        blocked = writer.run(`UPDATE ${schema.name}.orders SET v = 60 WHERE id = 1`);
        await bringUpToDate(locked, 3);
      },
      never,
    );
    expect(outcome).toEqual({ kind: 'prevented', reason: 'the RENAME was not seen waiting for the table', blockers: [] });
    await blocked;
    expect(await tablesOf(schema)).toEqual(['orders', 'orders_ts_new']);
    expect(await schema.application.run(`SELECT v FROM ${schema.name}.orders WHERE id = 1`)).toEqual([{ v: 60 }]);
  });

  test('passes on what the server says against the RENAME', async () => {
    const url = sharedServer('mariadb');
    await using schema = await ordersSchema(url);
    const { name, application } = schema;
    for (const sql of [`CREATE USER ${name}`, `GRANT ALL ON *.* TO ${name}`]) await application.run(sql);
    {
      await using clerk = await openAdapter(url.replace('root@', `${name}@`));
      await using orders = await claimTable(clerk, change(name));
      await application.run(`REVOKE ALTER ON *.* FROM ${name}`);
      await expect(orders.cutover.attempt(limits, async () => {}, never)).rejects.toThrow('ALTER command denied');
    }
    await application.run(`DROP USER ${name}`);
  });

  test('is refused where the server may let writers pass ahead of the RENAME', async () => {
    await using own = await startServer({ flavour: 'mariadb', extraFlags: ['--max-write-lock-count=1'] });
    await using server = await openAdapter(own.url);
    await using schema = await ordersSchema(own.url);
    await using orders = await claimTable(server, change(schema.name));
    const outcome = await orders.cutover.attempt(limits, () => Promise.resolve(), never);
    expect(outcome).toEqual({
      kind: 'prevented',
      reason: "the server's max_write_lock_count is 1, which could let writers pass ahead of the swap; set it to 1000 or more",
      blockers: [],
    });
    expect(await tablesOf(schema)).toEqual(['orders', 'orders_ts_new']);
  });
});

test('a prepared transaction of a session that is gone holds the swap up until it is decided, and its rows come along', async () => {
  // Others on a shared server would wait for it.
  await using own = await startServer({ flavour: 'mariadb' });
  await using schema = await ordersSchema(own.url);
  await using gate = await openApplication(own.url);
  const table = `${schema.name}.orders`;
  await gate.run('BEGIN');
  await gate.run(`SELECT * FROM ${table} LIMIT 1`);
  const prepare = async (): Promise<void> => {
    const client = await openApplication(own.url);
    const change = `UPDATE ${table} SET v = 100 WHERE id = 1`;
    for (const statement of ["XA START 'a'", change, "XA END 'a'", "XA PREPARE 'a'"]) await client.run(statement);
    await client[Symbol.asyncDispose]();
    const connected = `SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ${client.connectionId}`;
    await expect.poll(() => schema.application.run(connected)).toEqual([]);
    await gate.run('ROLLBACK');
  };
  const going: Promise<unknown>[] = [];
  const blockers: string[] = [];
  await migrate({
    url: own.url,
    table,
    alter: 'MODIFY v BIGINT NOT NULL',
    strategy: 'shadow',
    pace: { cutover: { ...DEFAULT_OPTIONS.cutover, lockTimeoutMs: 1_000, pauseFirstMs: 10, pauseMaxMs: 20 } },
    observer: (event) => {
      if (event.kind === 'phase-entered' && event.phase === 'copy') going.push(prepare());
      if (event.kind !== 'cutover-failed') return;
      blockers.push(...event.blockers);
      if (event.blockers.join().includes('XA')) going.push(schema.application.run("XA COMMIT 'a'"));
    },
  });
  await Promise.all(going);
  expect(blockers.at(-1)).toBe("the prepared XA transaction X'61',X'',1, which only XA COMMIT or XA ROLLBACK ends");
  expect(await schema.application.run(`SELECT v FROM ${table} ORDER BY id`)).toEqual([{ v: 100 }, { v: 2 }, { v: 3 }]);
});

type Schema = Awaited<ReturnType<typeof createSchema>>;

async function ordersSchema(url: string): Promise<Schema> {
  const schema = await createSchema(url);
  await schema.application.run(
    `CREATE TABLE ${schema.name}.orders (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL) ENGINE=InnoDB`,
  );
  await schema.application.run(`INSERT INTO ${schema.name}.orders (v) VALUES (1), (2), (3)`);
  return schema;
}

/** In a transaction that has changed a row. */
async function openWriter(url: string, { name }: Schema, value: number): Promise<Application> {
  const writer = await openApplication(url);
  await writer.run('BEGIN');
  await writer.run(`UPDATE ${name}.orders SET v = ${value} WHERE id = 1`);
  return writer;
}

function change(schema: string): { schema: string; table: string; clauses: string } {
  return { schema, table: 'orders', clauses: 'ADD COLUMN extra INT NOT NULL DEFAULT 7' };
}

async function bringUpToDate(locked: RowWriter, lastKey: number): Promise<void> {
  await locked.deleteRows(keysThrough(lastKey), never);
  expect(await locked.insertRows(keysThrough(lastKey), never)).toBe('inserted');
  expect(await locked.findDifferingRows(keysThrough(lastKey), never)).toEqual([]);
}

async function tablesOf(schema: Schema): Promise<unknown[]> {
  const rows = await schema.application.run(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${schema.name}' ORDER BY name`,
  );
  return rows.map((row) => row['name']);
}

function quoted({ schema, table }: { readonly schema: string; readonly table: string }): string {
  return `${schema}.${table}`;
}

async function waitingStatements(application: Application): Promise<string> {
  const rows = await application.run(
    "SELECT INFO AS info FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock'",
  );
  return rows.map((row) => String(row['info'])).join('\n');
}

async function seeWaiting(application: Application, blocked: readonly Application[]): Promise<void> {
  const ids = blocked.map(({ connectionId }) => connectionId);
  await expect
    .poll(async () => {
      const rows = await application.run(
        `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock' AND ID IN (${ids.join(', ')})`,
      );
      return rows.length;
    })
    .toBe(ids.length);
}
