/** Sessions on MySQL and MariaDB: settings, aborting, and what is known after a connection was lost. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connect } from '../../src/mysql/connection.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSchema, never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy } from '../support/tcp-proxy.ts';

/** Runs for minutes in the server's own code, where a KILL QUERY can end it. */
const endless = `SELECT COUNT(*) AS n FROM information_schema.COLLATIONS a, information_schema.COLLATIONS b,
  information_schema.COLLATIONS c, information_schema.COLLATIONS d`;

describeSideBySide(['mysql', 'mariadb'], 'a session on', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('has the settings that copying relies on, whatever the server has globally', async () => {
    await using session = await server.openSession({}, never);
    const isolation = flavour === 'mysql' ? '@@transaction_isolation' : '@@tx_isolation';
    const [row] = await session.query(
      `SELECT ${isolation} AS isolation, @@sql_mode AS mode, @@time_zone AS zone, @@autocommit AS autocommit,
         @@collation_connection AS collation, @@lock_wait_timeout AS tableLock, @@innodb_lock_wait_timeout AS rowLock`,
      never,
    );
    expect(row).toEqual({
      isolation: 'READ-COMMITTED',
      mode: 'NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
      zone: '+00:00',
      autocommit: '1',
      collation: 'utf8mb4_bin',
      tableLock: '10',
      rowLock: '5',
    });
  });

  test('gives every value as the text that the server prints', async () => {
    await using session = await server.openSession({}, never);
    const [row] = await session.query(
      `SELECT 18446744073709551615 AS big, 0.10 AS exact, 1e0/3 AS approximate, CAST('0000-00-00' AS DATE) AS zero,
         CAST('-00:00:01.5' AS TIME(6)) AS time, JSON_OBJECT('a', 1) AS json, NULL AS nothing, '' AS blank, 'ü€𝄞' AS text`,
      never,
    );
    expect(row).toEqual({
      big: '18446744073709551615',
      exact: '0.10',
      approximate: '0.3333333333333333',
      zero: '0000-00-00',
      time: '-00:00:01.500000',
      json: '{"a": 1}',
      nothing: null,
      blank: '',
      text: 'ü€𝄞',
    });
  });

  test('counts changed rows, not matched ones, and the warnings of a statement', async () => {
    await using schema = await createSchema(url);
    await using session = await server.openSession({ settings: ["sql_mode = ''"] }, never);
    await session.execute(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY, v TINYINT)`, never);
    expect(await session.execute(`INSERT INTO ${schema.name}.t VALUES (1, 5), (2, 999)`, never)).toEqual({
      affectedRows: 2,
      warnings: 1,
    });
    expect(await session.execute(`UPDATE ${schema.name}.t SET v = 5`, never)).toEqual({ affectedRows: 1, warnings: 0 });
  });

  test('names what an error means for the caller', async () => {
    await using schema = await createSchema(url);
    await using session = await server.openSession(
      { settings: ['innodb_lock_wait_timeout = 1', 'lock_wait_timeout = 1'] },
      never,
    );
    const table = `${schema.name}.t`;
    await session.execute(`CREATE TABLE ${table} (id INT PRIMARY KEY, v TINYINT NOT NULL)`, never);
    await session.execute(`INSERT INTO ${table} VALUES (1, 1)`, never);
    const code = (sql: string): Promise<unknown> => session.execute(sql, never).then(undefined, (error: unknown) => error);
    expect(await code(`INSERT INTO ${table} VALUES (1, 1)`)).toMatchObject({ code: 'DUPLICATE_KEY' });
    expect(await code(`INSERT INTO ${table} VALUES (2, 999)`)).toMatchObject({ code: 'ROW_NOT_CONVERTIBLE' });
    expect(await code(`INSERT INTO ${table} VALUES (2, NULL)`)).toMatchObject({ code: 'ROW_NOT_CONVERTIBLE' });
    await schema.application.run('BEGIN');
    await schema.application.run(`SELECT * FROM ${table} FOR UPDATE`);
    expect(await code(`UPDATE ${table} SET v = 2`)).toMatchObject({ code: 'LOCK_WAIT' });
    expect(await code(`DROP TABLE ${table}`)).toMatchObject({ code: 'LOCK_WAIT' });
    await schema.application.run('COMMIT');
  });

  test('ends a statement on the server when it is aborted, and can be used again', async () => {
    await using session = await server.openSession({}, never);
    const abort = new AbortController();
    const statement = session.query(endless, abort.signal);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    abort.abort(new Error('enough'));
    await expect(statement).rejects.toThrow('enough');
    await expect.poll(() => server.ender.observe(session.identity)).toBe('idle');
    expect(await session.query('SELECT 1 AS one', never)).toEqual([{ one: '1' }]);
  });

  test('rejects an aborted statement that waits for a lock, and the statement has not taken effect', async () => {
    await using schema = await createSchema(url);
    await using session = await server.openSession({}, never);
    await session.execute(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`, never);
    await schema.application.run(`LOCK TABLES ${schema.name}.t WRITE`);
    const abort = new AbortController();
    const statement = session.execute(`INSERT INTO ${schema.name}.t VALUES (1)`, abort.signal);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    abort.abort(new Error('enough'));
    await expect(statement).rejects.toThrow('enough');
    await schema.application.run('UNLOCK TABLES');
    expect(await session.query(`SELECT * FROM ${schema.name}.t`, never)).toEqual([]);
  });

  test('does not reject a killed session before the server has rolled it back', async () => {
    await using schema = await createSchema(url);
    await using session = await server.openSession({}, never);
    const table = `${schema.name}.t`;
    await session.execute(`CREATE TABLE ${table} (id INT PRIMARY KEY AUTO_INCREMENT, v CHAR(200), KEY (v))`, never);
    await session.execute('SET autocommit = 0', never);
    await session.execute(
      `INSERT INTO ${table} (v) SELECT UUID() FROM information_schema.COLLATIONS a, information_schema.COLLATIONS b LIMIT 50000`,
      never,
    );
    const statement = session.query(endless, never);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    await schema.application.run(`KILL ${session.connectionId}`);
    await expect(statement).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await schema.application.run('SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED');
    expect(await schema.application.run(`SELECT COUNT(*) AS n FROM ${table}`)).toEqual([{ n: 0 }]);
    expect(session.isUsable).toBe(false);
  });

  test('ends its statement on the server after its connection was cut, before it rejects', async () => {
    await using proxy = await startProxy(url);
    await using far = await openAdapter(proxy.url);
    await using session = await far.openSession({}, never);
    const statement = session.query(endless, never);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    proxy.cutClients();
    await expect(statement).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(await server.ender.observe(session.identity)).toBe('gone');
  });

  test('has a connection that is known to be lost when its statement was told so, and is not waited for when it is closed', async () => {
    await using proxy = await startProxy(url);
    const { port } = new URL(proxy.url);
    const connection = await connect({ ...server.config, port: Number(port) }, never);
    await connection.run('DO 0');
    const statement = connection.run('DO SLEEP(0.2)');
    proxy.resetClients();
    await expect(statement).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(connection.isOpen).toBe(false);
    await connection.end(60_000);
  });

  test('that has ended is shown to have, and the next one with its mark goes on', async () => {
    await using other = await server.openSession({}, never);
    const mark = `tableshift:${flavour} ${process.pid}`;
    const first = await server.openSession({ mark }, never);
    await other.execute(`KILL ${first.connectionId}`, never);
    // Freed when the server has ended the session.
    await other.query(`SELECT GET_LOCK('${mark}', 60)`, never);
    await other.query(`SELECT RELEASE_LOCK('${mark}')`, never);
    await using second = await server.openSession({ mark }, never);
    await first.kill();
    expect(await second.query('SELECT 1 AS one', never)).toEqual([{ one: '1' }]);
  });

  test.each(['cut-before', 'cut-after', 'cut-answer'] as const)(
    'is not opened when the connection ends while it is made (%s), and says so',
    async (fate) => {
      let isArmed = false;
      await using proxy = await startProxy(url, () => (isArmed ? fate : 'pass'));
      await using far = await openAdapter(proxy.url);
      isArmed = true;
      await expect(far.openSession({}, never)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    },
  );

  test('that breaks while the user is let in no more is told at once, with the reason', async () => {
    await using admin = await openApplication(url);
    const user = `u${admin.connectionId}`;
    await admin.run(`CREATE USER ${user}@'%' IDENTIFIED BY 'a'`);
    const theirs = new URL(url);
    Object.assign(theirs, { username: user, password: 'a' });
    await using other = await openAdapter(theirs.href);
    const session = await other.openSession({}, never);
    await admin.run(`ALTER USER ${user}@'%' IDENTIFIED BY 'b'`);
    for (const { id } of await admin.run(`SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = '${user}'`))
      await admin.run(`KILL ${String(id)}`);
    await expect(session.query('SELECT 1', never)).rejects.toMatchObject({
      code: 'SESSION_STUCK',
      message: expect.stringContaining('Access denied'),
    });
    await admin.run(`DROP USER ${user}@'%'`);
  });

  test('notices by itself that its connection went dead in silence', async () => {
    await using proxy = await startProxy(url);
    await using far = await openAdapter(proxy.url);
    await using session = await far.openSession({}, never);
    const statement = session.query('SELECT SLEEP(1)', never);
    await expect.poll(() => server.ender.observe(session.identity)).toBe('busy');
    proxy.freeze();
    await expect.poll(() => server.ender.observe(session.identity), { timeout: 5_000 }).toBe('idle');
    proxy.forgetConnections();
    await expect(statement).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(await server.ender.observe(session.identity)).toBe('gone');
  });
});

// MariaDB closes such a connection without a word.
test('a session that MySQL has ended for its silence is lost at the next statement, and nothing is printed', async () => {
  const url = sharedServer('mysql');
  await using server = await openAdapter(url);
  await using proxy = await startProxy(url);
  await using observer = await openApplication(url);
  const { port } = new URL(proxy.url);
  const connection = await connect({ ...server.config, port: Number(port) }, never);
  await connection.run('SET SESSION wait_timeout = 1');
  proxy.freeze();
  const sessions = `SELECT ID FROM information_schema.PROCESSLIST WHERE ID = ${connection.connectionId}`;
  await expect.poll(() => observer.run(sessions), { timeout: 5_000 }).toEqual([]);
  const printed = vi.spyOn(console, 'error');
  const statement = connection.run('DO 0');
  proxy.thaw();
  await expect(statement).rejects.toMatchObject({ errno: 4031 });
  expect(printed).not.toHaveBeenCalled();
  await connection.end(60_000);
});

describeSideBySide(['mysql', 'mariadb'], 'a pool of sessions on', (flavour) => {
  const url = sharedServer(flavour);

  test('opens at most as many sessions as it may, and uses them again', async () => {
    await using server = await openAdapter(url);
    await using pool = createSessionPool({ sizeMax: 2, open: (signal) => server.openSession({}, signal) });
    const ids = await Promise.all(
      [1, 2, 3, 4, 5].map(() =>
        pool.withSession(async (session) => {
          await session.query('SELECT SLEEP(0.05)', never);
          return session.connectionId;
        }, never),
      ),
    );
    expect(new Set(ids).size).toBe(2);
  });

  test('gives out no session with a transaction or table locks that failed work has left', async () => {
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY)`);
    const failure = pool.withSession(async (session) => {
      await session.execute(`LOCK TABLES ${schema.name}.t WRITE`, never);
      await session.execute('SELECT no_such_column', never);
    }, never);
    await expect(failure).rejects.toThrow('no_such_column');
    expect(await schema.application.run(`SELECT * FROM ${schema.name}.t`)).toEqual([]);
  });

  test('replaces a session that was killed', async () => {
    await using server = await openAdapter(url);
    await using application = await openApplication(url);
    await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
    const id = await pool.withSession((session) => Promise.resolve(session.connectionId), never);
    await application.run(`KILL ${id}`);
    await expect.poll(() => application.run(`SELECT ID FROM information_schema.PROCESSLIST WHERE ID = ${id}`)).toEqual([]);
    const next = await pool.withSession((session) => session.query('SELECT 1 AS one', never), never);
    expect(next).toEqual([{ one: '1' }]);
  });

  test('lets a waiter go that is aborted, and serves the next', async () => {
    await using server = await openAdapter(url);
    await using pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({}, signal) });
    const abort = new AbortController();
    const first = pool.withSession((session) => session.query('SELECT SLEEP(0.3)', never), never);
    const second = pool.withSession((session) => session.query('SELECT 2 AS n', never), abort.signal);
    const third = pool.withSession((session) => session.query('SELECT 3 AS n', never), never);
    abort.abort(new Error('no longer'));
    await expect(second).rejects.toThrow('no longer');
    await first;
    expect(await third).toEqual([{ n: '3' }]);
  });
});
