/** What is seen on PostgreSQL of the transactions of others. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SessionTransactions } from '../../src/engine/ports.ts';
import type { Server } from '../../src/postgres/server.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import { transactionTimes } from '../../src/postgres/transaction-times.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresApplication,
} from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

interface Reader extends AsyncDisposable {
  readonly read: () => Promise<readonly SessionTransactions[]>;
}

function openReader(server: Server): Reader {
  const applicationName = 'tableshift looks';
  const pool = createSessionPool({ sizeMax: 1, open: (signal) => server.openSession({ applicationName }, signal) });
  const read = transactionTimes(pool, systemClock);
  return { read: () => read(never), [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose]() };
}

const of = ({ pid }: PostgresApplication, sessions: readonly SessionTransactions[]): SessionTransactions | undefined =>
  sessions.find(({ id }) => id.startsWith(`${pid} `));

describeSideBySide(['postgres-15', 'postgres-18'], 'on', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgres(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('each session of others is told, with for how long it was in transactions, how many those were about, and none of ours', async () => {
    await using busy = await openPostgresApplication(url);
    await using idle = await openPostgresApplication(url);
    await using reader = openReader(server);
    const startedMs = performance.now();
    expect(await reader.read()).toEqual([]);
    // Short ones, of which each look meets one or none.
    const transactions = { begun: 0, isOver: false };
    const work = (async (): Promise<void> => {
      while (!transactions.isOver) {
        await busy.run('BEGIN; SELECT 1');
        await busy.run('SELECT pg_sleep(0.005)');
        await busy.run('COMMIT');
        transactions.begun += 1;
      }
    })();
    await idle.run('SELECT 1');
    // The first look is the only one of its call.
    expect(of(busy, await reader.read())).toBeDefined();
    const before = of(busy, await reader.read());
    const sessions = await reader.read();
    const elapsedMs = performance.now() - startedMs;
    transactions.isOver = true;
    await work;
    const after = of(busy, sessions);
    expect(after?.busyMs).toBeGreaterThan(before?.busyMs ?? 0);
    expect(after?.busyMs).toBeLessThanOrEqual(elapsedMs);
    expect(after?.count).toBeGreaterThan(transactions.begun / 4);
    expect(after?.count).toBeLessThan(transactions.begun * 4);
    // Not told any more where all that took longer than two seconds.
    expect(of(idle, sessions) ?? { busyMs: 0, count: 0 }).toMatchObject({ busyMs: 0, count: 0 });
    const ours = await idle.run("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tableshift %'");
    const told = sessions.map(({ id }) => id.split(' ')[0]);
    expect(ours.map(({ pid }) => pid).filter((pid) => told.includes(pid ?? ''))).toEqual([]);
  });

  test('a role that may not see what others do is told of none, and one that may not even look asks no more', async () => {
    await using schema = await createPostgresSchema(url);
    const role = `blind_${schema.name}`;
    await schema.application.run(`CREATE ROLE ${role} LOGIN`);
    try {
      await using other = await openPostgresApplication(url);
      await using blind = await openPostgres(url.replace('postgres@', `${role}@`));
      await using reader = openReader(blind);
      await reader.read();
      await other.run('BEGIN; SELECT 1');
      expect(await reader.read()).toEqual([]);
      await schema.application.run('REVOKE EXECUTE ON FUNCTION pg_stat_clear_snapshot FROM PUBLIC');
      expect(await reader.read()).toEqual([]);
      expect(await reader.read()).toEqual([]);
    } finally {
      await schema.application.run('GRANT EXECUTE ON FUNCTION pg_stat_clear_snapshot TO PUBLIC');
      await schema.application.run(`DROP ROLE ${role}`);
    }
  });
});
