/** Who is ended and who is spared when a cutover of PostgreSQL may end what is in its way. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readHolderNotes } from '../../src/postgres/holder-source.ts';
import { findLockHolders } from '../../src/postgres/lock-holders.ts';
import { blockerObstacles } from '../../src/postgres/obstacles-blockers.ts';
import type { Server } from '../../src/postgres/server.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresApplication,
} from '../support/postgres-adapter.ts';
import { claimPostgresTable } from '../support/postgres-claimed-table.ts';
import { sharedServer } from '../support/shared-servers.ts';

const limits = { lockTimeoutMs: 800, holdTimeoutMs: 10_000 };

describe.each(['postgres-15', 'postgres-18'] as const)('a cutover that may end sessions on %s', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgres(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** What an attempt does about one session that has done `statements`; `lasting` goes on meanwhile, `isOld`: it began long ago. */
  async function attemptAgainst(
    statements: readonly string[],
    { lasting, isOld = false }: { readonly lasting?: string; readonly isOld?: boolean } = {},
  ) {
    await using schema = await createPostgresSchema(url);
    const { application } = schema;
    const filled = (text: string): string => text.replaceAll('#', schema.name);
    await application.run(
      filled('CREATE TABLE #.orders (id int PRIMARY KEY, v int); INSERT INTO #.orders VALUES (1, 1), (2, 2), (3, 3)'),
    );
    await application.run(filled('CREATE SEQUENCE #.orders_id_seq START 4 OWNED BY #.orders.id'));
    await using orders = await claimPostgresTable(server, { schema: schema.name, table: 'orders' });
    await using holder = await openPostgresApplication(url);
    for (const statement of statements) await holder.run(filled(statement));
    const going = lasting === undefined ? null : holder.run(filled(lasting)).catch(String);
    if (lasting !== undefined) await seeRunning(application, holder);
    if (isOld) await seeOld(application, holder);
    const ended: string[] = [];
    const onBlockerEnded = (blocker: string): void => {
      ended.push(blocker.replaceAll(schema.name, '#'));
    };
    const outcome = await orders.cutover.attempt({ ...limits, onBlockerEnded }, () => Promise.resolve(), never);
    const isAlive = await isConnected(application, holder);
    await application.run(`SELECT pg_terminate_backend(${holder.pid})`);
    await going;
    const prepared = await application.run(filled(`SELECT gid FROM pg_prepared_xacts WHERE gid = '#'`));
    if (prepared.length > 0) await application.run(filled(`ROLLBACK PREPARED '#'`));
    return { outcome, ended, isAlive, pid: holder.pid, said: await going };
  }

  test('goes on waiting where the session that looks for blockers is ended meanwhile', async () => {
    await using schema = await createPostgresSchema(url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.orders (id int PRIMARY KEY, v int); INSERT INTO ${name}.orders VALUES (1, 1)`);
    await using orders = await claimPostgresTable(server, { schema: name, table: 'orders' });
    await using holder = await openPostgresApplication(url);
    const { id } = orders.plan;
    const ours = `SELECT pid, wait_event_type FROM pg_stat_activity WHERE application_name = 'tableshift ${id}'`;
    const before = (await application.run(ours)).map(({ pid }) => pid);
    await holder.run(`BEGIN; SELECT * FROM ${name}.orders`);
    const attempt = orders.cutover.attempt(limits, () => Promise.resolve(), never);
    const findIdle = async (): Promise<readonly (string | null | undefined)[]> => {
      const fresh = (await application.run(ours)).filter(({ pid }) => !before.includes(pid));
      const isAsked = fresh.some(({ wait_event_type: waits }) => waits === 'Lock');
      return isAsked ? fresh.flatMap(({ pid, wait_event_type: waits }) => (waits === 'Lock' ? [] : [pid])) : [];
    };
    await expect.poll(findIdle, { interval: 10 }).not.toEqual([]);
    for (const pid of await findIdle()) await application.run(`SELECT pg_terminate_backend(${pid})`);
    expect(await attempt).toMatchObject({ kind: 'not-locked', blockers: [] });
    await holder.run('COMMIT');
    expect((await orders.cutover.attempt(limits, () => Promise.resolve(), never)).kind).toBe('swapped');
  });

  test('ends a transaction that has read and written, and says whose it was, from where, since when', async () => {
    const { outcome, ended, isAlive, pid } = await attemptAgainst(['BEGIN; UPDATE #.orders SET v = 10 WHERE id = 1']);
    expect(outcome.kind).toBe('swapped');
    const since = 'idle in transaction for \\d+ s, in a transaction for \\d+ s';
    const who = `^process ${pid} of postgres from 127.0.0.1, ${since}: BEGIN; UPDATE #.orders SET v = 10 WHERE id = 1$`;
    expect(ended).toEqual([expect.stringMatching(new RegExp(who))]);
    expect(isAlive).toBe(false);
  });

  test('ends a statement that takes long, whose snapshot is older than the new table as well', async () => {
    const { outcome, ended, said } = await attemptAgainst([], { lasting: 'SELECT count(*), pg_sleep(600) FROM #.orders' });
    expect(outcome.kind).toBe('swapped');
    expect(ended).toEqual([
      expect.stringMatching(/, running for \d+ s.*: SELECT count\(\*\), pg_sleep\(600\) FROM #\.orders$/),
    ]);
    expect(said).toMatch(/terminating connection due to administrator command/);
  });

  test('ends who has drawn a number for a row long ago, before anybody waits', async () => {
    const drawing = [`BEGIN; SELECT nextval('#.orders_id_seq')`];
    const { outcome, ended } = await attemptAgainst(drawing, { isOld: true });
    expect(outcome.kind).toBe('swapped');
    expect(ended).toEqual([expect.stringContaining(`: BEGIN; SELECT nextval('#.orders_id_seq')`)]);
    // He may be about to insert the row.
    const lately = await attemptAgainst(drawing);
    expect(lately).toMatchObject({ outcome: { kind: 'prevented' }, ended: [], isAlive: true });
  });

  test.each<[string, readonly string[], string]>([
    [
      'who has locked the table on purpose',
      ['BEGIN; LOCK TABLE #.orders IN SHARE MODE'],
      'it has locked the table on purpose, or is changing it',
    ],
    ['a migration', [`SET application_name = 'tableshift'`, 'BEGIN; SELECT * FROM #.orders'], 'it belongs to a migration'],
    ['a dump', [`SET application_name = 'pg_dump'`, 'BEGIN; SELECT * FROM #.orders'], 'it makes a backup'],
    [
      'a prepared transaction',
      [`BEGIN; UPDATE #.orders SET v = 10 WHERE id = 1; PREPARE TRANSACTION '#'`],
      'only COMMIT PREPARED or ROLLBACK PREPARED ends it',
    ],
    [
      'who only has an old snapshot',
      ['BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1'],
      'it holds no lock on the table, or must be spared',
    ],
  ])('spares %s, and says so', async (_who, statements, reason) => {
    const { outcome, ended, isAlive } = await attemptAgainst(statements);
    expect({ ended, isAlive }).toEqual({ ended: [], isAlive: true });
    const blockers = 'blockers' in outcome ? outcome.blockers : [outcome.kind];
    expect(blockers).toContainEqual(expect.stringContaining(` (not ended: ${reason})`));
  });

  test('is refused to a role that may not end sessions, or may not look at them', async () => {
    await using schema = await createPostgresSchema(url);
    const role = schema.name;
    await schema.application.run(`CREATE ROLE ${role} LOGIN`);
    const obstacles = async (): Promise<readonly unknown[]> => {
      await using limited = await openPostgres(url.replace('postgres@', `${role}@`));
      return await blockerObstacles(limited, never);
    };
    const notes = async (): Promise<readonly string[]> => {
      await using limited = await openPostgres(url.replace('postgres@', `${role}@`));
      await using session = await limited.openSession({}, never);
      return await readHolderNotes(session, never);
    };
    expect(await notes()).toEqual([
      expect.stringMatching(new RegExp(`^Of sessions of other roles .*: GRANT pg_monitor TO ${role};$`)),
    ]);
    const both = 'pg_signal_backend, pg_read_all_stats';
    const message = `The role ${role} is no member of ${both}, which --kill-blockers-after takes: GRANT ${both} TO ${role};`;
    expect(await obstacles()).toEqual([{ code: 'MISSING_PRIVILEGE', message }]);
    await schema.application.run(`GRANT pg_signal_backend, pg_monitor TO ${role}`);
    expect(await obstacles()).toEqual([]);
    expect(await notes()).toEqual([]);
    await schema.application.run(`DROP ROLE ${role}`);
  });

  test('the sequences of a table are held by who has drawn a number, and not by who has only written rows', async () => {
    await using schema = await createPostgresSchema(url);
    const orders = `${schema.name}.orders`;
    await schema.application.run(
      `CREATE TABLE ${orders} (id int PRIMARY KEY, v int, number serial); CREATE INDEX ON ${orders} (v); INSERT INTO ${orders} VALUES (1, 1)`,
    );
    await using writer = await openPostgresApplication(url);
    await using observer = await server.openSession({}, never);
    const table = { schema: schema.name, table: 'orders' };
    const holders = (): Promise<readonly string[]> =>
      findLockHolders(observer, { table, of: 'sequences', except: 0, hopelessAfterMs: null }, never);
    await writer.run(`BEGIN; UPDATE ${orders} SET v = 50 WHERE v = 1`);
    expect(await holders()).toEqual([]);
    await writer.run(`INSERT INTO ${orders} VALUES (2, 2)`);
    expect(await holders()).toEqual([expect.stringMatching(new RegExp(`^process ${writer.pid} of postgres`))]);
    await writer.run('ROLLBACK');
  });
});

async function seeRunning(application: PostgresApplication, { pid }: PostgresApplication): Promise<void> {
  const sleeping = `SELECT 1 FROM pg_stat_activity WHERE pid = ${pid} AND wait_event = 'PgSleep'`;
  await expect.poll(() => application.run(sleeping)).toHaveLength(1);
}

async function seeOld(application: PostgresApplication, { pid }: PostgresApplication): Promise<void> {
  const old = `clock_timestamp() - xact_start > interval '${limits.lockTimeoutMs} ms'`;
  await expect.poll(() => application.run(`SELECT 1 FROM pg_stat_activity WHERE pid = ${pid} AND ${old}`)).toHaveLength(1);
}

async function isConnected(application: PostgresApplication, { pid }: PostgresApplication): Promise<boolean> {
  return (await application.run(`SELECT 1 FROM pg_stat_activity WHERE pid = ${pid}`)).length > 0;
}
