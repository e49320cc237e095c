/** A replica that takes over behind the same name has the claim's record, but perhaps not all that its predecessor confirmed. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { MigrationError } from '../../src/engine/errors.ts';
import { openChangeStream } from '../../src/mysql/change-stream.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { claimTable } from '../support/claimed-table.ts';
import { type Server, startServer } from '../support/servers.ts';
import { startProxy } from '../support/tcp-proxy.ts';

/** Waits until the replica has what the source has in this table. */
async function catchUp(source: Server, replica: Server, table: string): Promise<void> {
  await using atSource = await openApplication(source.url);
  await using atReplica = await openApplication(replica.url);
  const checksum = `CHECKSUM TABLE ${table}`;
  const wanted = await atSource.run(checksum);
  await expect.poll(() => atReplica.run(checksum).catch(() => null)).toEqual(wanted);
}

describe.each(['mysql', 'mariadb'] as const)('a replica of %s that takes over', (flavour) => {
  test('ends the claim and the stream, although both could go on there', async () => {
    await using source = await startServer({ flavour });
    await using replica = await startServer({ flavour, replicaOf: source });
    await using proxy = await startProxy(source.url);
    await using application = await openApplication(source.url);
    await application.run('CREATE DATABASE shop');
    await application.run('CREATE TABLE shop.orders (id INT PRIMARY KEY, v INT)');
    await application.run('INSERT INTO shop.orders VALUES (1, 1)');
    await using server = await openAdapter(proxy.url);
    await using orders = await claimTable(server, { schema: 'shop', table: 'orders', clauses: 'ADD b INT' });
    await using sessions = createSessionPool({ sizeMax: 2, open: (signal) => server.openSession({}, signal) });
    const options = {
      ...{ server, sessions, bookkeeping: 'tableshift', source: { schema: 'shop', table: 'orders' } },
      ...{ columns: [], key: [], from: null, ownMark: null, clock: systemClock },
    };
    await using stream = await openChangeStream(options, never);
    const reading = readAll(stream);
    await catchUp(source, replica, 'shop.orders');
    await catchUp(source, replica, 'tableshift.claims');

    const { lost } = orders.claim;
    const isLost = lost.aborted ? Promise.resolve() : once(lost, 'abort');
    proxy.redirect(replica.url);
    proxy.cut();
    await isLost;
    expect(lost.reason).toMatchObject({
      code: 'CLAIM_LOST',
      message: expect.stringContaining('another server has taken over'),
    });
    expect(await reading).toMatchObject({ code: 'STREAM_BROKEN', message: expect.stringContaining('Another server answers') });
  });
});

test.each(['mysql', 'mariadb'] as const)(
  'a source on %s that takes no writes any more is not swapped, although the user may write',
  async (flavour) => {
    await using source = await startServer({ flavour });
    await using application = await openApplication(source.url);
    await application.run('CREATE DATABASE shop');
    await application.run('CREATE TABLE shop.orders (id INT PRIMARY KEY, v INT)');
    await using server = await openAdapter(source.url);
    await using orders = await claimTable(server, { schema: 'shop', table: 'orders', clauses: 'ADD b INT' });
    const limits = { lockTimeoutMs: 2_000, holdTimeoutMs: 5_000 };
    await application.run('SET GLOBAL read_only = ON');
    expect(await orders.cutover.attempt(limits, async () => undefined, never)).toEqual({
      kind: 'prevented',
      reason: 'the server takes no writes: read_only is ON',
      blockers: [],
    });
    expect(await orders.cutover.hasSwapped(never)).toBe(false);
    await application.run('SET GLOBAL read_only = OFF');
    expect(await orders.cutover.attempt(limits, async () => undefined, never)).toMatchObject({ kind: 'swapped' });
  },
);

/** The reason why it ended. */
async function readAll(stream: Awaited<ReturnType<typeof openChangeStream>>): Promise<MigrationError | null> {
  try {
    for await (const batch of stream.batches(never)) if (batch.changes.length > 0) return null;
    return null;
  } catch (error) {
    return error as MigrationError;
  }
}
