/** Who waits for a lock of ours on PostgreSQL, as a reason to rest. */
import { describe, expect, test } from 'vitest';
import { lockWaiters } from '../../src/postgres/lock-waiters.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { createPostgresSchema, never, openPostgres, openPostgresApplication } from '../support/postgres-adapter.ts';
import { claimPostgresTable } from '../support/postgres-claimed-table.ts';
import { sharedServer } from '../support/shared-servers.ts';

const nobody = { pressure: 0, detail: 'nobody waits for a lock of ours' };

describe.each(['postgres-15', 'postgres-18'] as const)('on %s', (name) => {
  const url = sharedServer(name);

  test('who waits for our session is a stop and is named, who waits for others is none', async () => {
    await using server = await openPostgres(url);
    await using schema = await createPostgresSchema(url);
    const table = `${schema.name}.orders`;
    await schema.application.run(`CREATE TABLE ${table} (id integer PRIMARY KEY, v integer)`);
    await using orders = await claimPostgresTable(server, { schema: schema.name, table: 'orders' });
    const open = (signal: AbortSignal) => orders.claim.openSession({}, signal);
    await using sessions = createSessionPool({ sizeMax: 2, open });
    const signal = lockWaiters(sessions, orders.plan, systemClock);
    expect(await signal.sample(never)).toEqual(nobody);

    await using other = await openPostgresApplication(url);
    await using waiter = await openPostgresApplication(url);
    await other.run(`BEGIN; SELECT count(*) FROM ${table}`);
    const forOther = waiter.run(`BEGIN; LOCK TABLE ${table}`);
    await expect.poll(() => waiting(schema.application, waiter.pid)).toBe(true);
    expect(await signal.sample(never)).toEqual(nobody);
    await other.run('ROLLBACK');
    await forOther;
    await waiter.run('ROLLBACK');

    {
      await using ours = await orders.claim.openSession({}, never);
      await ours.execute('BEGIN', never);
      await ours.query(`SELECT count(*) FROM ${table}`, never);
      const forUs = waiter.run(`BEGIN; LOCK TABLE ${table}`);
      await expect.poll(() => waiting(schema.application, waiter.pid)).toBe(true);
      const behind = other.run(`SELECT count(*) FROM ${table}`);
      await expect.poll(() => waiting(schema.application, other.pid)).toBe(true);
      const sample = await signal.sample(never);
      expect(sample.pressure).toBe(1);
      expect(sample.detail).toMatch(
        new RegExp(
          `^waiting for a lock of ours: process ${waiter.pid} of postgres from 127\\.0\\.0\\.1, running for \\d+ s, in a transaction for \\d+ s: BEGIN; LOCK TABLE ${table}$`,
        ),
      );
      await ours.execute('ROLLBACK', never);
      await forUs;
      await waiter.run('ROLLBACK');
      await behind;
    }
    expect(await signal.sample(never)).toEqual(nobody);
  });
});

/** Whether this process waits for a lock. */
async function waiting(
  application: { run(sql: string): Promise<Record<string, string | null>[]> },
  pid: number,
): Promise<boolean> {
  const [row] = await application.run(`SELECT wait_event_type FROM pg_stat_activity WHERE pid = ${pid}`);
  return row?.['wait_event_type'] === 'Lock';
}
