/** Who is ended and who is spared when a cutover of MySQL or MariaDB may end what is in its way. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CutoverOptions, CutoverOutcome } from '../../src/engine/ports.ts';
import { readHolderNotes } from '../../src/mysql/holder-source.ts';
import { findHopelessHolders, findLockHolders } from '../../src/mysql/lock-holders.ts';
import { blockerObstacles } from '../../src/mysql/obstacles-blockers.ts';
import type { Server } from '../../src/mysql/server.ts';
import { type Application, createSchema, never, openAdapter, openApplication, schemaWith } from '../support/adapter-server.ts';
import { claimTable } from '../support/claimed-table.ts';
import { plan } from '../support/plan-request.ts';
import { startServer, type Server as PrivateServer } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

/** Transactions of tests beside these, on the same server, are no matter. */
const limits = { lockTimeoutMs: 1_000, holdTimeoutMs: 10_000, oldSnapshots: 'ignore' } as const;

describeSideBySide(['mysql', 'mariadb'], 'a cutover that may end sessions on', (flavour) => {
  let machine: PrivateServer;
  let server: Server;
  beforeAll(async () => {
    machine = await startServer({ flavour });
    server = await openAdapter(machine.url);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await machine[Symbol.asyncDispose]();
  });

  /** What an attempt does about one session that has done `statements`; the last of them may go on meanwhile. */
  async function attemptAgainst(statements: readonly string[], lasting?: string, options: Partial<CutoverOptions> = {}) {
    await using schema = await createSchema(machine.url);
    await schema.application.run(`CREATE TABLE ${schema.name}.orders (id INT PRIMARY KEY, v INT NOT NULL) ENGINE=InnoDB`);
    await schema.application.run(`INSERT INTO ${schema.name}.orders VALUES (1, 1), (2, 2), (3, 3)`);
    const clauses = 'ADD COLUMN extra INT';
    await using orders = await claimTable(server, { schema: schema.name, table: 'orders', clauses });
    const holder = await openApplication(machine.url);
    await holder.run(`USE ${schema.name}`);
    for (const statement of statements) await holder.run(statement);
    const going = lasting === undefined ? null : holder.run(lasting).catch(() => undefined);
    if (lasting !== undefined) await seeRunning(schema.application, holder);
    const ended: string[] = [];
    const onBlockerEnded = (blocker: string): void => {
      ended.push(blocker);
    };
    const outcome = await orders.cutover.attempt({ ...limits, ...options, onBlockerEnded }, () => Promise.resolve(), never);
    const isAlive = await isConnected(schema.application, holder);
    await schema.application.run(`KILL ${holder.connectionId}`).catch(() => undefined);
    await going;
    await holder[Symbol.asyncDispose]();
    await decide(schema.application);
    return { outcome, ended, isAlive, connectionId: holder.connectionId };
  }

  test('ends a transaction that has read and written, and says whose it was, from where, since when', async () => {
    const statements = ['BEGIN', 'SELECT * FROM orders', 'UPDATE orders SET v = 10 WHERE id = 1'];
    const { outcome, ended, isAlive, connectionId } = await attemptAgainst(statements);
    expect(outcome.kind).toBe('swapped');
    const last = flavour === 'mysql' ? ': UPDATE orders SET v = 10 WHERE id = 1' : '';
    const who = `^connection ${connectionId} of root from 127.0.0.1(:\\d+)?, idle for \\d+ s in a transaction since 2\\S+ \\S+${last}$`;
    expect(ended).toEqual([expect.stringMatching(new RegExp(who))]);
    expect(isAlive).toBe(false);
  });

  test('ends a statement that takes long', async () => {
    const { outcome, ended } = await attemptAgainst([], 'SELECT SLEEP(600) FROM orders');
    expect(outcome.kind).toBe('swapped');
    expect(ended).toEqual([expect.stringMatching(/, running for \d+ s.*: SELECT SLEEP\(600\) FROM orders$/)]);
  });

  test.each<[string, readonly string[], string]>([
    [
      'who has locked the table on purpose',
      ['LOCK TABLES orders READ'],
      'it has locked the table on purpose, or is changing it',
    ],
    ['a migration', [`SELECT GET_LOCK('tableshift:another', 0)`, 'BEGIN', 'SELECT * FROM orders'], 'it belongs to a migration'],
    [
      'who has changed so much that it would take long to roll back',
      ['CREATE TABLE many (id INT PRIMARY KEY)', 'BEGIN', 'SELECT * FROM orders', manyRows],
      'it has changed 100489 rows, which would take long to roll back',
    ],
    [
      'a prepared transaction',
      [`XA START 'blocker'`, 'UPDATE orders SET v = 10 WHERE id = 1', `XA END 'blocker'`, `XA PREPARE 'blocker'`],
      flavour === 'mysql'
        ? 'only XA COMMIT or XA ROLLBACK ends it; XA RECOVER has its name'
        : 'it may have prepared an XA transaction (XA RECOVER lists some)',
    ],
  ])('spares %s, and says so', async (_who, statements, reason) => {
    const { outcome, ended, isAlive } = await attemptAgainst(statements);
    expect({ ended, isAlive }).toEqual({ ended: [], isAlive: true });
    expect(blockersOf(outcome)).toEqual([
      expect.stringMatching(`^connection \\d+ of root .* \\(not ended: ${escaped(reason)}\\)$`),
    ]);
  });

  test('spares a dump', async () => {
    const dump = 'SELECT /*!40001 SQL_NO_CACHE */ SLEEP(600) FROM `orders`';
    const { outcome, ended, isAlive } = await attemptAgainst([], dump);
    expect({ ended, isAlive }).toEqual({ ended: [], isAlive: true });
    expect(blockersOf(outcome)).toEqual([expect.stringMatching(/ \(not ended: it makes a backup\)$/)]);
  });

  test('is not begun while a backup lets no table be renamed, so that no writer waits', async () => {
    const backup = flavour === 'mysql' ? ['LOCK INSTANCE FOR BACKUP'] : ['BACKUP STAGE START', 'BACKUP STAGE BLOCK_DDL'];
    const { outcome, isAlive } = await attemptAgainst(backup);
    expect(isAlive).toBe(true);
    expect(outcome).toMatchObject({ kind: 'prevented', reason: 'a backup lets no table be renamed' });
    expect(blockersOf(outcome)).toEqual([expect.stringMatching(/^connection \d+ of root from 127.0.0.1/)]);
  });

  test('ends who keeps an old snapshot and holds a lock on the table before anybody waits, and spares a dump', async () => {
    const read = ['SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ', 'BEGIN', 'SELECT * FROM orders'];
    const waiting = { oldSnapshots: 'wait', lockTimeoutMs: 300 } as const;
    const application = await attemptAgainst(read, undefined, waiting);
    expect(application.outcome.kind).toBe('swapped');
    expect(application.ended).toHaveLength(1);
    const begin = ['SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ', 'START TRANSACTION WITH CONSISTENT SNAPSHOT'];
    const dump = await attemptAgainst(begin, 'SELECT /*!40001 SQL_NO_CACHE */ SLEEP(600) FROM `orders`', waiting);
    expect({ ended: dump.ended, isAlive: dump.isAlive }).toEqual({ ended: [], isAlive: true });
    expect(blockersOf(dump.outcome)).toEqual([
      expect.stringMatching(/, whose snapshot is older than the new table \(not ended: it makes a backup\)$/),
    ]);
  });

  test('is refused to a user who may not end sessions, or may not see who holds a lock', async () => {
    await using schema = await createSchema(machine.url);
    await using orders = await (async () => {
      await schema.application.run(`CREATE TABLE ${schema.name}.orders (id INT PRIMARY KEY) ENGINE=InnoDB`);
      return await claimTable(server, { schema: schema.name, table: 'orders', clauses: 'ADD COLUMN extra INT' });
    })();
    const user = `'${schema.name}'@'%'`;
    await schema.application.run(`CREATE USER ${user}`);
    await schema.application.run(`GRANT PROCESS ON *.* TO ${user}`);
    const obstacles = async (): Promise<readonly unknown[]> => {
      await using limited = await openAdapter(machine.url.replace('root@', `${schema.name}@`));
      return await blockerObstacles(limited, orders.plan, never);
    };
    const notes = async (): Promise<readonly string[]> => {
      await using limited = await openAdapter(machine.url.replace('root@', `${schema.name}@`));
      await using session = await limited.openSession({}, never);
      return await readHolderNotes(session, { table: orders.plan.source, flavour: limited.flavour }, never);
    };
    const guessed = 'Who keeps the cutover from its lock can only be guessed';
    const waiting = 'who waits for the migration is not seen';
    const dying =
      'a transaction that has read the table and writes it while the lock is waited for may be ended by the server (1213)';
    const unseen = `${guessed}, ${flavour === 'mysql' ? `${waiting}, and ${dying}` : `and ${waiting}`}, for `;
    const lacks = (privilege: string, level: string) => ({
      code: 'MISSING_PRIVILEGE',
      message: `The user lacks ${privilege} on ${level}: GRANT ${privilege} ON ${level} TO ${user};`,
    });
    const killing = flavour === 'mysql' ? 'CONNECTION_ADMIN' : 'CONNECTION ADMIN';
    const looking = flavour === 'mysql' ? [lacks('SELECT', '`performance_schema`.*')] : [];
    expect(await obstacles()).toEqual([lacks(killing, '*.*'), ...looking]);
    const grant = `the user may not read performance_schema: GRANT SELECT ON performance_schema.* TO ${user};`;
    expect(await notes()).toEqual(flavour === 'mysql' ? [`${unseen}${grant}`] : []);
    await schema.application.run(`GRANT ${killing} ON *.* TO ${user}`);
    if (flavour === 'mysql') await schema.application.run(`GRANT SELECT ON performance_schema.* TO ${user}`);
    expect(await obstacles()).toEqual([]);
    expect(await notes()).toEqual([]);
    await schema.application.run(silence[flavour]);
    expect(await obstacles()).toEqual([{ code: 'BLOCKERS_UNKNOWN', message: expect.stringContaining(silent[flavour]) }]);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY) ENGINE=InnoDB`);
    const planned = await plan({ server, schema, clauses: 'ADD b INT' });
    expect(planned.notes).toContainEqual(expect.stringContaining(unseen));
    expect(planned.notes).toContainEqual(expect.stringContaining(silent[flavour]));
    await schema.application.run(`DROP USER ${user}`);
  });
});

test('what MySQL does on the table by itself is not taken for a prepared transaction, and one is, also after a restart', async () => {
  await using machine = await startServer({ flavour: 'mysql' });
  await using server = await openAdapter(machine.url);
  // Goes with the server.
  const schema = await schemaWith(
    machine.url,
    'CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL, w INT AS (v + 1) VIRTUAL, KEY by_w (w))',
    'INSERT INTO t (id, v) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i, 1 FROM n',
  );
  const tables = [{ schema: schema.name, table: 't' }];
  const from = { flavour: server.flavour, except: 0 };
  const look = async (): Promise<{ readonly holders: readonly string[]; readonly resting: readonly string[] }> => {
    await using session = await server.openSession({}, never);
    const { resting } = await findHopelessHolders(session, tables, { ...from, longerMs: 60_000 }, never);
    return { holders: await findLockHolders(session, tables, from, never), resting };
  };
  const purging = 'the server itself (thread/innodb/srv_purge_thread)';
  for (let isSeen = false; !isSeen; ) {
    // What is purged then is done so behind each statement, for which a lock is taken.
    await schema.application.run('UPDATE t SET v = v + 1');
    const { holders, resting } = await look();
    expect(resting).toEqual([]);
    expect(holders.filter((holder) => holder !== purging)).toEqual([]);
    isSeen = holders.includes(purging);
  }

  const undecided = 'a prepared XA transaction, which waits to be committed or rolled back';
  const client = await openApplication(machine.url);
  for (const statement of [`XA START 'a'`, `UPDATE ${schema.name}.t SET v = 0 WHERE id = 1`, `XA END 'a'`, `XA PREPARE 'a'`])
    await client.run(statement);
  await client[Symbol.asyncDispose]();
  await expect.poll(async () => (await look()).resting).toEqual([undecided]);
  await machine.kill9();
  await machine.restart();
  expect((await look()).resting).toEqual([undecided]);
  await using after = await openApplication(machine.url);
  await after.run(`XA ROLLBACK 'a'`);
});

/** 317 times 317 rows. */
const manyRows = `INSERT INTO many WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 316)
  SELECT a.i * 317 + b.i FROM n AS a, n AS b`;

/** Comes last: nothing turns it on again. */
const silence = {
  mysql: `UPDATE performance_schema.setup_instruments SET ENABLED = 'NO' WHERE NAME = 'wait/lock/metadata/sql/mdl'`,
  mariadb: `UNINSTALL SONAME 'metadata_lock_info'`,
};
const silent = { mysql: 'wait/lock/metadata/sql/mdl', mariadb: "INSTALL SONAME 'metadata_lock_info'" };

function blockersOf(outcome: CutoverOutcome): readonly string[] {
  return outcome.kind === 'not-locked' || outcome.kind === 'prevented' ? outcome.blockers : [outcome.kind];
}

function escaped(text: string): string {
  return text.replaceAll(/[()]/g, '\\$&');
}

async function seeRunning(application: Application, { connectionId }: Application): Promise<void> {
  const running = `SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ${connectionId} AND STATE = 'User sleep'`;
  await expect.poll(() => application.run(running)).toHaveLength(1);
}

async function isConnected(application: Application, { connectionId }: Application): Promise<boolean> {
  const rows = await application.run(`SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ${connectionId}`);
  return rows.length > 0;
}

/** Whoever prepared a transaction is gone; it can be decided as soon as the server knows. */
async function decide(application: Application): Promise<void> {
  const prepared = await application.run('XA RECOVER');
  if (prepared.length === 0) return;
  await expect.poll(() => application.run(`XA ROLLBACK 'blocker'`).then(() => 'decided', String)).toBe('decided');
}
