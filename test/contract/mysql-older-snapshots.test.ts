/** Snapshots of others that are older than the new table, before the swap on MySQL and MariaDB. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSnapshots } from '../../src/mysql/older-snapshots.ts';
import type { Server } from '../../src/mysql/server.ts';
import {
  type Application,
  createSchema,
  never,
  openAdapter,
  openApplication,
  type TestSchema,
} from '../support/adapter-server.ts';
import { type ClaimedTable, claimTable } from '../support/claimed-table.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

const limits = { lockTimeoutMs: 3_000, holdTimeoutMs: 10_000 };

describeSideBySide(['mysql', 'mariadb'], 'the cutover on', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** The rows are copied behind the reader's snapshot, which sees the empty shadow; one from before it would get an error. */
  async function copyBehind(reader: Application, schema: TestSchema): Promise<ClaimedTable> {
    const change = { schema: schema.name, table: 'orders', clauses: 'ADD COLUMN extra INT NOT NULL DEFAULT 7' };
    const orders = await claimTable(server, change);
    await orders.pair.createShadow(never);
    await reader.run('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await reader.run('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    await orders.pair.copyRange({ after: null, through: null }, 'collide', never);
    return orders;
  }

  test('waits for a snapshot that is older than the new table, names it, and ends nobody for it', async () => {
    await using schema = await ordersSchema(url);
    await using reader = await openApplication(url);
    await using other = await openApplication(url);
    await using orders = await copyBehind(reader, schema);
    // Rests in its transaction, too, but keeps no snapshot.
    await other.run('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    await other.run('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    const waiting = { ...limits, oldSnapshots: 'wait' } as const;
    const sentence = `^connection ${reader.connectionId} of root from .*, idle for \\d+ s in a transaction since 2\\S+ \\S+.*, whose snapshot is older than the new table`;
    const spared = ' \\(not ended: it holds no lock on the table, or must be spared\\)';
    const ended: string[] = [];
    const onBlockerEnded = (blocker: string): void => void ended.push(blocker);
    for (const [options, end] of [
      [{ ...waiting, lockTimeoutMs: 300 }, ''],
      [{ ...waiting, lockTimeoutMs: 300, onBlockerEnded }, spared],
    ] as const) {
      const tried = await orders.cutover.attempt(options, () => Promise.resolve(), never);
      const blockers = tried.kind === 'prevented' ? tried.blockers : [];
      expect(blockers).toEqual(expect.arrayContaining([expect.stringMatching(`${sentence}${end}$`)]));
      expect(blockers.join()).not.toContain(`connection ${other.connectionId} `);
    }
    expect(ended.join()).not.toContain(`connection ${reader.connectionId} `);
    const attempt = orders.cutover.attempt({ ...waiting, lockTimeoutMs: 60_000 }, () => Promise.resolve(), never);
    await reader.run('COMMIT');
    expect((await attempt).kind).toBe('swapped');
    await reader.run('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    expect(await reader.run(`SELECT COUNT(*) AS n FROM ${schema.name}.orders`)).toEqual([{ n: 3 }]);
    await reader.run('COMMIT');
  });

  test('swaps past an old snapshot where that is asked for, which then finds no row', async () => {
    await using schema = await ordersSchema(url);
    await using reader = await openApplication(url);
    await using orders = await copyBehind(reader, schema);
    expect((await orders.cutover.attempt({ ...limits, oldSnapshots: 'ignore' }, () => Promise.resolve(), never)).kind).toBe(
      'swapped',
    );
    expect(await reader.run(`SELECT COUNT(*) AS n FROM ${schema.name}.orders`)).toEqual([{ n: 0 }]);
    await reader.run('COMMIT');
  });

  test('sees snapshots as they are now although others look at transactions all the time', async () => {
    await using schema = await ordersSchema(url);
    await using session = await server.openSession({}, never);
    await using watcher = await openApplication(url);
    const watch = async (times: number): Promise<void> => {
      for (let time = 0; time < times; time += 1) await watcher.run('SELECT COUNT(*) FROM information_schema.INNODB_TRX');
    };
    const hasOne = async (): Promise<boolean> =>
      [...(await readSnapshots(session, never)).values()].some(
        ({ sessionId }) => sessionId === schema.application.connectionId,
      );
    await schema.application.run('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await watch(20);
    await schema.application.run('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    const watching = watch(20);
    expect(await hasOne()).toBe(true);
    await watching;
    await watch(1);
    await schema.application.run('COMMIT');
    expect(await hasOne()).toBe(false);
  });

  test('are waited for while a transaction runs a statement that the server cannot show', async () => {
    await using schema = await ordersSchema(url);
    await using writer = await openApplication(url);
    await using session = await server.openSession({}, never);
    await writer.run('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    const writing = writer.run(`SELECT '\u{1F600}', SLEEP(1) FROM ${schema.name}.orders WHERE id = 1`);
    const snapshots = await readSnapshots(session, never);
    expect([...snapshots.values()].map(({ sessionId }) => sessionId)).toContain(writer.connectionId);
    await writing;
  });

  test('are shown to all of several who look side by side again and again', async () => {
    const lookAgainAndAgain = async (): Promise<void> => {
      await using session = await server.openSession({}, never);
      for (let looks = 0; looks < 4; looks += 1) await readSnapshots(session, never);
    };
    await expect(Promise.all(Array.from({ length: 8 }, lookAgainAndAgain))).resolves.toHaveLength(8);
  });
});

async function ordersSchema(url: string): Promise<TestSchema> {
  const schema = await createSchema(url);
  await schema.application.run(`CREATE TABLE ${schema.name}.orders (id INT PRIMARY KEY) ENGINE=InnoDB`);
  await schema.application.run(`INSERT INTO ${schema.name}.orders VALUES (1), (2), (3)`);
  return schema;
}
