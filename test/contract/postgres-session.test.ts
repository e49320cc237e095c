/** Sessions on PostgreSQL: settings, aborting, and what is known after a connection was lost. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serverError } from '../../src/postgres/errors.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import type { OwnedSession } from '../../src/postgres/session.ts';
import type { Server } from '../../src/postgres/server.ts';
import { createPostgresSchema, never, openPostgres, openPostgresApplication } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy } from '../support/tcp-proxy.ts';

/** Runs for minutes in the server's own code, where a cancellation can end it. */
const endless = 'SELECT count(*) AS n FROM generate_series(1, 1000000000000)';

const servers = ['postgres-15', 'postgres-16', 'postgres-17', 'postgres-18'] as const;

describeSideBySide(servers, 'a session on', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgres(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('knows the server and shows itself to it', async () => {
    await using session = await server.openSession({ applicationName: 'tableshift m1' }, never);
    expect(`postgres-${Number.parseInt(server.flavour.version, 10)}`).toBe(name);
    expect(await session.query('SELECT pg_backend_pid() AS pid, current_setting($$application_name$$) AS name', never)).toEqual(
      [{ pid: String(session.pid), name: 'tableshift m1' }],
    );
  });

  test('has the settings that copying relies on, and of the role what the native ALTER would go by', async () => {
    await using schema = await createPostgresSchema(url);
    const role = `role_${schema.name}`;
    const inParallel = name === 'postgres-15' ? 'force_parallel_mode' : 'debug_parallel_query';
    await schema.application.run(
      `CREATE ROLE ${role} LOGIN; ALTER ROLE ${role} SET statement_timeout = 100; ALTER ROLE ${role} SET datestyle = 'SQL, DMY';
       ALTER ROLE ${role} SET search_path = ${schema.name}; ALTER ROLE ${role} SET default_transaction_isolation = 'serializable';
       ALTER ROLE ${role} SET enable_nestloop = off; ALTER ROLE ${role} SET ${inParallel} = on;
       ALTER ROLE ${role} SET extra_float_digits = 0; ALTER ROLE ${role} SET timezone = 'Asia/Tokyo'`,
    );
    const theirs = new URL(url);
    theirs.username = role;
    await using other = await openPostgres(theirs.href);
    await using session = await other.openSession({ settings: ['lock_timeout = 123'] }, never);
    const names = [
      ...['search_path', 'transaction_isolation', 'row_security', 'synchronous_commit', 'statement_timeout', 'lock_timeout'],
      ...['datestyle', 'intervalstyle', 'timezone', 'extra_float_digits', 'bytea_output', 'client_encoding'],
      ...['enable_nestloop', inParallel],
    ];
    const [row] = await session.query(`SELECT ${names.map((one) => `current_setting('${one}') AS ${one}`).join(', ')}`, never);
    expect(row).toEqual({
      search_path: 'pg_catalog, pg_temp',
      transaction_isolation: 'read committed',
      row_security: 'off',
      synchronous_commit: 'local',
      statement_timeout: '0',
      lock_timeout: '123ms',
      datestyle: 'ISO, DMY',
      intervalstyle: 'postgres',
      timezone: 'Asia/Tokyo',
      extra_float_digits: '3',
      bytea_output: 'hex',
      client_encoding: 'UTF8',
      enable_nestloop: 'on',
      [inParallel]: 'off',
    });
    await session[Symbol.asyncDispose]();
    await schema.application.run(`DROP ROLE ${role}`);
  });

  test('finds itself where the path of the role has operators before those of the server', async () => {
    await using schema = await createPostgresSchema(url);
    const role = `role_${schema.name}`;
    await schema.application.run(
      `CREATE FUNCTION ${schema.name}.never(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false';
       CREATE OPERATOR ${schema.name}.= (LEFTARG = int, RIGHTARG = int, FUNCTION = ${schema.name}.never);
       CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA ${schema.name} TO ${role};
       ALTER ROLE ${role} SET search_path = ${schema.name}, pg_catalog`,
    );
    const theirs = new URL(url);
    theirs.username = role;
    await using other = await openPostgres(theirs.href);
    await using session = await other.openSession({}, never);
    expect(await session.query('SELECT pg_backend_pid() AS pid', never)).toEqual([{ pid: String(session.pid) }]);
    await session[Symbol.asyncDispose]();
    await schema.application.run(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  test('gives every value as the text that the server prints', async () => {
    await using session = await server.openSession({}, never);
    const [row] = await session.query(
      `SELECT 9223372036854775807 AS big, 0.10 AS exact, float8 '0.1' + float8 '0.2' AS approximate, true AS truth,
         timestamptz '2026-01-01 00:00:00.123456+02' AS moment, interval '1 mon -1 day' AS span, date 'infinity' AS never,
         bytea '\\x00ff' AS bytes, json '{"a":  1}' AS json, array['a', NULL, 'b c'] AS list, NULL AS nothing, '' AS blank,
         'ü€𝄞' AS text`,
      never,
    );
    expect(row).toEqual({
      big: '9223372036854775807',
      exact: '0.10',
      approximate: '0.30000000000000004',
      truth: 't',
      moment: '2025-12-31 22:00:00.123456+00',
      span: '1 mon -1 days',
      never: 'infinity',
      bytes: '\\x00ff',
      json: '{"a":  1}',
      list: '{a,NULL,"b c"}',
      nothing: null,
      blank: '',
      text: 'ü€𝄞',
    });
  });

  test('counts the rows of a statement and passes on what the server says about it', async () => {
    await using schema = await createPostgresSchema(url);
    await using session = await server.openSession({}, never);
    const table = `${schema.name}.t`;
    expect(await session.execute(`CREATE TABLE ${table} (id int PRIMARY KEY)`, never)).toEqual({
      affectedRows: 0,
      notices: [],
    });
    expect(await session.execute(`INSERT INTO ${table} VALUES (1), (2)`, never)).toEqual({ affectedRows: 2, notices: [] });
    expect(await session.execute(`DROP TABLE IF EXISTS ${table}_other`, never)).toEqual({
      affectedRows: 0,
      notices: [`NOTICE: table "t_other" does not exist, skipping`],
    });
  });

  test('names what an error means for the caller, and what the server says about it', async () => {
    await using schema = await createPostgresSchema(url);
    await using session = await server.openSession({ settings: ['lock_timeout = 100'] }, never);
    const table = `${schema.name}.t`;
    await session.execute(`CREATE TABLE ${table} (id int PRIMARY KEY, v varchar(3) NOT NULL CHECK (v <> 'bad'))`, never);
    await session.execute(`INSERT INTO ${table} VALUES (1, 'a')`, never);
    const code = (sql: string): Promise<unknown> => session.execute(sql, never).then(undefined, (error: unknown) => error);
    const duplicate = await code(`INSERT INTO ${table} VALUES (1, 'a')`);
    expect(duplicate).toMatchObject({ code: 'DUPLICATE_KEY' });
    expect(serverError(duplicate)).toMatchObject({ code: '23505', detail: 'Key (id)=(1) already exists.' });
    expect(await code(`INSERT INTO ${table} VALUES (2, 'long')`)).toMatchObject({ code: 'ROW_NOT_CONVERTIBLE' });
    expect(await code(`INSERT INTO ${table} VALUES (2, NULL)`)).toMatchObject({ code: 'ROW_NOT_CONVERTIBLE' });
    expect(await code(`INSERT INTO ${table} VALUES (2, 'bad')`)).toMatchObject({ code: 'ROW_NOT_CONVERTIBLE' });
    expect(await code(`INSERT INTO ${table} SELECT 2, v::int FROM ${table}`)).toMatchObject({ code: 'ROW_NOT_CONVERTIBLE' });
    expect(await code('SELECT no_such_column')).toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(await code(`INSERT INTO ${table}_gone VALUES (1)`)).toMatchObject({
      code: 'SOURCE_CHANGED',
      message: `Somebody has renamed, altered or dropped the table, or what it is made of: relation "${table}_gone" does not exist (SQLSTATE 42P01).`,
    });
    expect(await code('TABLE tableshift_orders1.orders')).toMatchObject({ code: 'SHADOW_CHANGED' });
    expect(await code('TABLE tableshift.gone')).toMatchObject({ code: 'RECORDS_LOST' });
    expect(await code('SELECT 1 +')).toMatchObject({ code: 'INTERNAL' });
    await schema.application.run(`BEGIN; SELECT * FROM ${table} FOR UPDATE`);
    expect(await code(`UPDATE ${table} SET v = 'b'`)).toMatchObject({ code: 'LOCK_WAIT' });
    expect(await code(`DROP TABLE ${table}`)).toMatchObject({ code: 'LOCK_WAIT' });
    expect(await code(`BEGIN; LOCK TABLE ${table} NOWAIT`)).toMatchObject({ code: 'LOCK_WAIT' });
    await session.execute('ROLLBACK', never);
    expect(await code(`SET statement_timeout = 50; ${endless}`)).toMatchObject({ code: 'STATEMENT_TIMEOUT' });
  });

  test('may try again what failed because somebody else wrote the same row of the catalog first', async () => {
    await using schema = await createPostgresSchema(url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.t (id int PRIMARY KEY)`);
    await using session = await server.openSession({}, never);
    await application.run(`BEGIN; GRANT SELECT ON ${name}.t TO PUBLIC`);
    const granting = session.execute(`GRANT INSERT ON ${name}.t TO PUBLIC`, never).catch((error: unknown) => error);
    const blocked = `SELECT pid FROM pg_stat_activity WHERE ${application.pid} = ANY (pg_blocking_pids(pid))`;
    await expect.poll(() => application.run(blocked), { interval: 10 }).toEqual([{ pid: String(session.pid) }]);
    await application.run('COMMIT');
    expect(await granting).toMatchObject({
      code: 'DEADLOCK',
      isTransient: true,
      message: expect.stringContaining('tuple concurrently updated'),
    });
    const other: unknown = await session
      .execute("DO $$ BEGIN RAISE 'no such thing' USING ERRCODE = 'XX000'; END $$", never)
      .catch((error: unknown) => error);
    expect(other).toMatchObject({ code: 'INTERNAL' });
  });

  test('knows whether it is inside a transaction, and whether that has failed', async () => {
    await using session = await server.openSession({}, never);
    const seen = [session.transaction];
    await session.execute('BEGIN', never);
    seen.push(session.transaction);
    await session.execute('SAVEPOINT s', never);
    await expect(session.execute('SELECT 1/0', never)).rejects.toMatchObject({ code: 'ROW_NOT_CONVERTIBLE' });
    seen.push(session.transaction);
    await session.execute('ROLLBACK TO SAVEPOINT s', never);
    seen.push(session.transaction);
    await session.execute('COMMIT', never);
    seen.push(session.transaction);
    expect(seen).toEqual(['none', 'open', 'failed', 'open', 'none']);
  });

  test('ends a statement on the server when it is aborted, and can be used again', async () => {
    await using session = await server.openSession({}, never);
    const abort = new AbortController();
    const statement = session.query(endless, abort.signal);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    abort.abort(new Error('enough'));
    await expect(statement).rejects.toThrow('enough');
    expect(await server.ender.observe(session.identity)).toBe('idle');
    expect(await session.query('SELECT 1 AS one', never)).toEqual([{ one: '1' }]);
  });

  test('rejects an aborted statement that waits for a lock, and the statement has not taken effect', async () => {
    await using schema = await createPostgresSchema(url);
    await using session = await server.openSession({}, never);
    await session.execute(`CREATE TABLE ${schema.name}.t (id int PRIMARY KEY)`, never);
    await schema.application.run(`BEGIN; LOCK TABLE ${schema.name}.t`);
    const abort = new AbortController();
    const statement = session.execute(`INSERT INTO ${schema.name}.t VALUES (1)`, abort.signal);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    abort.abort(new Error('enough'));
    await expect(statement).rejects.toThrow('enough');
    await schema.application.run('COMMIT');
    expect(await session.query(`SELECT * FROM ${schema.name}.t`, never)).toEqual([]);
  });

  test('rejects a session that was ended by somebody, and it is then gone from the server', async () => {
    await using application = await openPostgresApplication(url);
    await using session = await server.openSession({}, never);
    const statement = session.query(endless, never);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    await application.run(`SELECT pg_terminate_backend(${session.pid})`);
    await expect(statement).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      message: expect.stringContaining('terminating connection due to administrator command'),
    });
    expect(await server.ender.observe(session.identity)).toBe('gone');
    expect(session.isUsable).toBe(false);
  });

  test('ends its statement on the server after its connection was cut, before it rejects', async () => {
    await using proxy = await startProxy(url);
    await using far = await openPostgres(proxy.url);
    await using session = await far.openSession({}, never);
    const statement = session.query(endless, never);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    proxy.cutClients();
    await expect(statement).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(await server.ender.observe(session.identity)).toBe('gone');
  });

  test.each(['cut-before', 'cut-after', 'cut-answer'] as const)(
    'is not opened when the connection ends while it is made (%s), and says so',
    async (fate) => {
      let isArmed = false;
      await using proxy = await startProxy(url, () => (isArmed ? fate : 'pass'));
      await using far = await openPostgres(proxy.url);
      isArmed = true;
      await expect(far.openSession({}, never)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    },
  );

  test('does not take a new session with the same process id for the one that was lost', async () => {
    await using session = await server.openSession({}, never);
    const earlier = { pid: session.pid, startedAt: '2020-01-01 00:00:00+00' };
    expect(await server.ender.observe(earlier)).toBe('gone');
    await server.ender.endSession(earlier);
    await server.ender.cancelStatement(earlier);
    expect(await session.query('SELECT 1 AS one', never)).toEqual([{ one: '1' }]);
  });
});

describe('a session', () => {
  test('that breaks while the role is let in no more is told at once, with the reason', async () => {
    const url = sharedServer('postgres-18');
    await using schema = await createPostgresSchema(url);
    const { application } = schema;
    const role = `role_${schema.name}`;
    await application.run(`CREATE ROLE ${role} LOGIN`);
    const theirs = new URL(url);
    theirs.username = role;
    await using other = await openPostgres(theirs.href);
    const session = await other.openSession({}, never);
    await application.run(`ALTER ROLE ${role} NOLOGIN`);
    await application.run(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '${role}'`);
    await expect(session.query('SELECT 1', never)).rejects.toMatchObject({
      code: 'SESSION_STUCK',
      message: expect.stringContaining('not permitted to log in'),
    });
    await application.run(`DROP ROLE ${role}`);
  });
});

describe('a session on a silent network', () => {
  test('notices by itself that its connection went dead', async () => {
    const url = sharedServer('postgres-18');
    await using server = await openPostgres(url);
    await using proxy = await startProxy(url);
    await using far = await openPostgres(proxy.url);
    await using session = await far.openSession({}, never);
    const statement = session.query('SELECT pg_sleep(1)', never);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    proxy.freeze();
    await expect.poll(() => server.ender.observe(session.identity), { timeout: 5_000 }).toBe('idle');
    proxy.forgetConnections();
    await expect(statement).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(await server.ender.observe(session.identity)).toBe('gone');
  });

  test('notices a connection that went dead before its first statement', async () => {
    let isArmed = false;
    const isFirst = (sent: string): boolean => isArmed && sent.includes('backend_start');
    await using proxy = await startProxy(sharedServer('postgres-18'), (sent) => (isFirst(sent) ? 'swallow' : 'pass'));
    await using far = await openPostgres(`${proxy.url}?connect_timeout=1`);
    isArmed = true;
    await expect(far.openSession({}, never)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });
});

describe('connecting', () => {
  const url = sharedServer('postgres-18');

  test.each([
    { change: (to: URL) => void (to.port = '1'), code: 'UNREACHABLE' },
    { change: (to: URL) => void (to.username = 'no_such_role'), code: 'ACCESS_DENIED' },
    { change: (to: URL) => void (to.pathname = '/no_such_database'), code: 'ACCESS_DENIED' },
    { change: (to: URL) => to.searchParams.set('sslmode', 'require'), code: 'ACCESS_DENIED' },
  ])('is refused with $code', async ({ change, code }) => {
    const to = new URL(url);
    change(to);
    await expect(openPostgres(to.href)).rejects.toMatchObject({ code });
  });
});

describe('sessions that end at once', () => {
  test('draw no warning from the driver, which takes one statement at a time', async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): void => void (warning.name === 'DeprecationWarning' && warnings.push(warning.message));
    process.on('warning', listen);
    await using server = await openPostgres(sharedServer('postgres-18'));
    const sessions = await Promise.all(Array.from({ length: 8 }, () => server.openSession({}, never)));
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()));
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });
});

describe('a pool of sessions', () => {
  const url = sharedServer('postgres-18');

  test('opens at most as many sessions as it may, and uses them again', async () => {
    await using server = await openPostgres(url);
    await using pool = createSessionPool({ sizeMax: 2, open: (signal) => server.openSession({}, signal) });
    const pids = await Promise.all(
      [1, 2, 3, 4, 5].map(() =>
        pool.withSession(async (session) => {
          await session.query('SELECT pg_sleep(0.05)', never);
          return session.pid;
        }, never),
      ),
    );
    expect(new Set(pids).size).toBe(2);
  });

  test('gives out no session with a transaction that failed work has left', async () => {
    await using server = await openPostgres(url);
    await using schema = await createPostgresSchema(url);
    await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id int PRIMARY KEY)`);
    const failure = pool.withSession(async (session) => {
      await session.execute(`BEGIN; LOCK TABLE ${schema.name}.t`, never);
      await session.execute('SELECT no_such_column', never);
    }, never);
    await expect(failure).rejects.toThrow('no_such_column');
    expect(await schema.application.run(`SELECT * FROM ${schema.name}.t`)).toEqual([]);
    const forgotten = pool.withSession((session) => session.execute('BEGIN', never), never);
    await expect(forgotten).rejects.toThrow('a session comes back to its pool outside a transaction');
    expect(await pool.withSession((session) => Promise.resolve(session.transaction), never)).toBe('none');
  });

  test('replaces a session that was ended', async () => {
    await using server = await openPostgres(url);
    await using application = await openPostgresApplication(url);
    const opened: OwnedSession[] = [];
    const open = async (signal: AbortSignal): Promise<OwnedSession> => {
      const session = await server.openSession({}, signal);
      opened.push(session);
      return session;
    };
    await using pool = createSessionPool({ sizeMax: 1, open });
    const pid = await pool.withSession((session) => Promise.resolve(session.pid), never);
    await application.run(`SELECT pg_terminate_backend(${pid})`);
    await expect.poll(() => opened.map(({ isUsable }) => isUsable)).toEqual([false]);
    const next = await pool.withSession((session) => session.query('SELECT 1 AS one', never), never);
    expect(next).toEqual([{ one: '1' }]);
  });

  test('lets a waiter go that is aborted, and serves the next', async () => {
    await using server = await openPostgres(url);
    await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
    const abort = new AbortController();
    const first = pool.withSession((session) => session.query('SELECT pg_sleep(0.3)', never), never);
    const second = pool.withSession((session) => session.query('SELECT 2 AS n', never), abort.signal);
    const third = pool.withSession((session) => session.query('SELECT 3 AS n', never), never);
    abort.abort(new Error('no longer'));
    await expect(second).rejects.toThrow('no longer');
    await first;
    expect(await third).toEqual([{ n: '3' }]);
  });
});
