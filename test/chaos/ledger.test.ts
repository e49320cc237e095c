/** The judges themselves: what a ledger, a twin and a server's log see, and that a server's death does not confuse them. */
import { expect, test } from 'vitest';
import { compareWithLedger, compareWithTwin } from '../support/ledger.ts';
import { deadlockFlags, readDeadlocks } from '../support/server-deadlocks.ts';
import { startServer } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { prepareTraffic, startTraffic, type Traffic } from '../support/traffic.ts';
import { withApplication } from '../support/traffic-dialect.ts';
import { TrafficRecord } from '../support/traffic-record.ts';
import { ApplicationSession } from '../support/traffic-session.ts';

describeSideBySide(['mysql', 'mariadb', 'postgres'], 'on', (flavour) => {
  test('a lost, an altered and an invented row are told by the ledger and by the twin, and nothing else is', async () => {
    await using server = await startServer({ flavour });
    const options = { url: server.url, schema: 'judged', rows: 1_000, seed: 1, writesPerSecond: 200, readsPerSecond: 50 };
    await prepareTraffic({ ...options, writers: 3, hasTwin: true });
    await using traffic = startTraffic({ ...options, writers: 3, hasTwin: true });
    await traffic.acknowledged(200);
    const { errors, wrongReads } = await traffic.stop();
    expect({ errors, wrongReads }).toEqual({ errors: {}, wrongReads: [] });
    expect(await judge(server.url, traffic)).toEqual({ ledger: [], twin: [] });
    const [lost, altered] = [...traffic.ledger.rows()].map((row) => row.id);
    await withApplication(server.url, async (connection) => {
      await connection.query(`DELETE FROM judged.accounts WHERE id = ${lost}`);
      await connection.query(`UPDATE judged.accounts SET note = 'altered' WHERE id = ${altered}`);
      await connection.query("INSERT INTO judged.accounts (id, handle, amount) VALUES (99999999, 'invented', 0)");
    });
    const verdict = await judge(server.url, traffic);
    expect(verdict.ledger.map((text) => text.replace(/;.*/, ''))).toEqual([
      `row ${lost} is missing`,
      expect.stringContaining(`row ${altered} must be `),
      'row 99999999 must not be there',
    ]);
    expect([...verdict.twin].sort()).toEqual(
      [
        `row ${lost} is missing or differs`,
        `row ${altered} is missing or differs`,
        `row ${altered} is too many or differs`,
        'row 99999999 is too many or differs',
      ].sort(),
    );
  });

  test('a server that is killed under traffic keeps every acknowledged write, and the ledger knows them', async () => {
    await using server = await startServer({ flavour });
    const options = { url: server.url, schema: 'judged', rows: 1_000, seed: 1, writesPerSecond: 300, readsPerSecond: 50 };
    await prepareTraffic({ ...options, writers: 3, hasTwin: true });
    await using traffic = startTraffic({ ...options, writers: 3, hasTwin: true });
    for (const writes of [200, 400, 600]) {
      await traffic.acknowledged(writes);
      await server.kill9();
      await server.restart();
    }
    const { acknowledged, wrongReads } = await traffic.stop();
    expect(acknowledged).toBeGreaterThanOrEqual(600);
    expect(wrongReads).toEqual([]);
    expect(await judge(server.url, traffic)).toEqual({ ledger: [], twin: [] });
  });

  test('a deadlock among applications is told apart from one that somebody else takes part in', async () => {
    await using server = await startServer({ flavour, extraFlags: deadlockFlags[flavour] });
    const options = { url: server.url, schema: 'judged', rows: 10, seed: 1, writesPerSecond: 1, readsPerSecond: 1 };
    const { schema, table } = await prepareTraffic({ ...options, writers: 1, hasTwin: false });
    const record = new TrafficRecord();
    await using first = new ApplicationSession(server.url, record);
    await using second = new ApplicationSession(server.url, record);
    const set = (id: number): string => `UPDATE ${schema}.${table} SET version = 1 WHERE id = ${10_000_000 + id}`;
    await crossOver([first, second], [set(1), set(2)]);
    const application = [expect.stringContaining(set(1))];
    expect(readDeadlocks(server)).toEqual({ application, mixed: [], others: [] });
    await withApplication(server.url, async (stranger) => {
      await crossOver([first, stranger], [set(1), set(2)]);
      const mixed = [expect.stringContaining(set(2))];
      expect(readDeadlocks(server)).toEqual({ application, mixed, others: [] });
      await withApplication(server.url, (other) => crossOver([other, stranger], [set(1), set(2)]));
      expect(readDeadlocks(server)).toEqual({ application, mixed, others: [expect.stringContaining(set(2))] });
    });
    const { deadlocks, errors } = record.report();
    expect(errors).toEqual({});
    expect([1, 2]).toContain(deadlocks);
  });
});

interface Session {
  query(sql: string): Promise<unknown>;
}

/** Each has done one statement and wants to do the other's: one of the two fails. */
async function crossOver(sessions: readonly [Session, Session], [one, two]: readonly [string, string]): Promise<void> {
  const [first, second] = sessions;
  for (const session of sessions) await session.query('BEGIN');
  await first.query(one);
  await second.query(two);
  const outcomes = await Promise.allSettled([first.query(two), second.query(one)]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  for (const session of sessions) await session.query('ROLLBACK');
}

async function judge(url: string, { tables, ledger }: Traffic): Promise<Record<'ledger' | 'twin', readonly string[]>> {
  const { differences } = await compareWithLedger(url, tables, ledger);
  return { ledger: differences, twin: await compareWithTwin(url, tables) };
}
