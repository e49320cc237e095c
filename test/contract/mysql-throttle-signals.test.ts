/** How far replicas are behind, as a reason to slow down. */
import { describe, expect, test } from 'vitest';
import { fenceTableDefinition } from '../../src/mysql/binlog-fences.ts';
import { createBookkeeping } from '../../src/mysql/bookkeeping.ts';
import { replicaLag } from '../../src/mysql/replica-lag.ts';
import type { ReplicaLag } from '../../src/sessions/replica-lag.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { bookkeepingSchema } from '../../src/sessions/bookkeeping.ts';
import { never, openApplication, openAdapter } from '../support/adapter-server.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { startProxy } from '../support/tcp-proxy.ts';

const login = { defaultsFile: '/dev/null', password: null, home: null };

interface Source extends AsyncDisposable {
  /** A signal for the replica at this address, with a limit of two seconds. */
  lagOf(url: string): ReplicaLag;
}

async function openSource(url: string): Promise<Source> {
  const server = await openAdapter(url);
  const sessions = createSessionPool({ sizeMax: 2, open: (signal) => server.openSession({}, signal) });
  await sessions.withSession((session) => createBookkeeping(session, [fenceTableDefinition(bookkeepingSchema)], never), never);
  return {
    lagOf: (url) => replicaLag({ url, login, source: sessions, lagMaxMs: () => 2_000, clock: systemClock }),
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe.each(['mysql', 'mariadb'] as const)('the lag of a replica on %s', (flavour) => {
  test('is no pressure while it keeps up, and a stop when it does not replicate or is gone', async () => {
    await using sourceServer = await startServer({ flavour });
    await using replica = await startServer({ flavour, replicaOf: sourceServer });
    await using source = await openSource(sourceServer.url);
    await using application = await openApplication(replica.url);
    await using signal = source.lagOf(replica.url);
    expect(signal.name).toBe(`replica 127.0.0.1:${replica.port}`);
    await expect
      .poll(() => signal.sample(never))
      .toEqual({ pressure: 0, detail: 'it is 0.0 s behind, the limit is 2 s', lag: { ms: 0, limitMs: 2000 } });
    await application.run(flavour === 'mysql' ? 'STOP REPLICA SQL_THREAD' : 'STOP SLAVE SQL_THREAD');
    expect(await signal.sample(never)).toEqual({ pressure: 1, detail: 'it does not replicate at the moment' });
    await application.run(flavour === 'mysql' ? 'START REPLICA SQL_THREAD' : 'START SLAVE SQL_THREAD');
    await expect.poll(async () => (await signal.sample(never)).pressure).toBeLessThan(0.5);
    await using sourceItself = source.lagOf(sourceServer.url);
    expect(await sourceItself.sample(never)).toEqual({ pressure: 1, detail: 'it does not replicate at the moment' });
  });

  test('is felt in parts of a second while the replica waits for a lock', async () => {
    await using sourceServer = await startServer({ flavour });
    await using replica = await startServer({ flavour, replicaOf: sourceServer });
    await using source = await openSource(sourceServer.url);
    await using signal = source.lagOf(replica.url);
    await expect.poll(async () => (await signal.sample(never)).pressure).toBeLessThan(0.5);
    await using blocker = await openApplication(replica.url);
    const hasFences = `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${bookkeepingSchema}' AND TABLE_NAME = 'fences'`;
    await expect.poll(() => blocker.run(hasFences)).toHaveLength(1);
    await blocker.run('BEGIN');
    await blocker.run(`SELECT * FROM ${bookkeepingSchema}.fences LOCK IN SHARE MODE`);
    const pressures: number[] = [];
    await expect.poll(async () => pressures.push((await signal.sample(never)).pressure) && pressures.at(-1)).toBeGreaterThan(1);
    expect(pressures.some((pressure) => pressure > 0.01 && pressure < 0.49)).toBe(true);
    await blocker.run('ROLLBACK');
    await expect.poll(async () => (await signal.sample(never)).pressure).toBeLessThan(0.5);
  });

  test('is a stop where the replica cannot be reached at all', async () => {
    await using sourceServer = await startServer({ flavour });
    await using source = await openSource(sourceServer.url);
    await using signal = source.lagOf(`${flavour}://root@127.0.0.1:1/`);
    expect(await signal.sample(never)).toMatchObject({ pressure: 1, detail: expect.stringContaining('cannot be asked') });
  });
});

test.each(['mysql', 'mariadb'] as const)('a beat on %s whose answer was lost is followed by others', async (name) => {
  let isNextLost = false;
  await using proxy = await startProxy(sharedServer(name), (sent) => {
    const isLost = isNextLost && sent.includes('UPDATE `tableshift`.`fences`');
    if (isLost) isNextLost = false;
    return isLost ? 'cut-answer' : 'pass';
  });
  await using source = await openSource(`${proxy.url}?ssl-mode=disabled`);
  await using signal = source.lagOf(sharedServer(name));
  const first = await signal.sample(never);
  isNextLost = true;
  await expect(signal.sample(never)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  expect(await signal.sample(never)).toEqual(first);
});
