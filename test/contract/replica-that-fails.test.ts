/** Replicas that hang, die and come back, as a reason to slow down. */
import { expect, test } from 'vitest';
import { fenceTableDefinition } from '../../src/mysql/binlog-fences.ts';
import { createBookkeeping } from '../../src/mysql/bookkeeping.ts';
import { replicaLag as mysqlReplicaLag } from '../../src/mysql/replica-lag.ts';
import { createSessionPool as createMysqlPool } from '../../src/mysql/session-pool.ts';
import { replicaLag as postgresReplicaLag } from '../../src/postgres/replica-lag.ts';
import { createSessionPool as createPostgresPool } from '../../src/postgres/session-pool.ts';
import type { ReplicaLag } from '../../src/sessions/replica-lag.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { bookkeepingSchema } from '../../src/sessions/bookkeeping.ts';
import { never, openAdapter } from '../support/adapter-server.ts';
import { openPostgres } from '../support/postgres-adapter.ts';
import { type Flavour, startServer } from '../support/servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startGarbage, startProxy } from '../support/tcp-proxy.ts';

const noLogin = { defaultsFile: null, password: null, home: null, environment: {} };
const login = { ...noLogin, defaultsFile: '/dev/null' };

interface Source extends AsyncDisposable {
  /** A signal for the replica at this address, with a limit of two seconds. */
  lagOf(url: string): ReplicaLag;
}

async function openMysqlSource(url: string): Promise<Source> {
  const server = await openAdapter(url);
  const source = createMysqlPool({ sizeMax: 2, open: (signal) => server.openSession({}, signal) });
  await source.withSession((session) => createBookkeeping(session, [fenceTableDefinition(bookkeepingSchema)], never), never);
  return {
    lagOf: (url) => mysqlReplicaLag({ url, login, source, lagMaxMs: () => 2_000, clock: systemClock }),
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function openPostgresSource(url: string): Promise<Source> {
  const server = await openPostgres(url);
  const source = createPostgresPool({ sizeMax: 2, open: (signal) => server.openSession({}, signal) });
  return {
    lagOf: (url) => postgresReplicaLag({ url, login: noLogin, source, lagMaxMs: () => 2_000, clock: systemClock }),
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const sources: Readonly<Record<Flavour, (url: string) => Promise<Source>>> = {
  mysql: openMysqlSource,
  mariadb: openMysqlSource,
  postgres: openPostgresSource,
};

/** Longer than any machine takes to connect, so that only what a replica says is tested. */
const patience = { timeout: 60_000 };
const keepsUp = { pressure: expect.closeTo(0, 0), detail: expect.stringMatching(/^it is 0\.\d s behind/) };

describeSideBySide(['mysql', 'mariadb', 'postgres'], 'a replica of', (flavour) => {
  test('that hangs is a stop with its reason, and is asked again when it answers', async ({ expect }) => {
    await using server = await startServer({ flavour });
    await using replica = await startServer({ flavour, replicaOf: server });
    await using proxy = await startProxy(replica.url);
    await using source = await sources[flavour](server.url);
    await using signal = source.lagOf(proxy.url);
    await expect.poll(() => signal.sample(never), patience).toMatchObject(keepsUp);
    proxy.freeze();
    const { host } = new URL(proxy.url);
    expect(await signal.sample(never)).toEqual({
      pressure: 1,
      detail: `${host} cannot be asked: it has not answered within 2 s`,
    });
    expect(signal.hasAnswered).toBe(false);
    proxy.thaw();
    await expect.poll(() => signal.sample(never), patience).toMatchObject(keepsUp);
    expect(signal.hasAnswered).toBe(true);
  });

  test('that dies is a stop, and is asked again when it is back', async ({ expect }) => {
    await using server = await startServer({ flavour });
    await using replica = await startServer({ flavour, replicaOf: server });
    await using source = await sources[flavour](server.url);
    await using signal = source.lagOf(replica.url);
    await expect.poll(() => signal.sample(never), patience).toMatchObject(keepsUp);
    await replica.kill9();
    expect(await signal.sample(never)).toEqual({ pressure: 1, detail: expect.stringContaining('cannot be asked: ') });
    await replica.restart();
    await expect.poll(() => signal.sample(never), patience).toMatchObject(keepsUp);
  });

  test('that answers garbage is a stop, and is asked again when it makes sense', async ({ expect }) => {
    await using server = await startServer({ flavour });
    await using replica = await startServer({ flavour, replicaOf: server });
    await using garbage = await startGarbage();
    await using proxy = await startProxy(replica.url);
    await using source = await sources[flavour](server.url);
    await using signal = source.lagOf(proxy.url);
    await expect.poll(() => signal.sample(never), patience).toMatchObject(keepsUp);
    proxy.redirect(garbage.url);
    proxy.cut();
    expect(await signal.sample(never)).toEqual({ pressure: 1, detail: expect.stringContaining('cannot be asked: ') });
    proxy.redirect(replica.url);
    await expect.poll(() => signal.sample(never), patience).toMatchObject(keepsUp);
  });

  test('that hangs does not keep a run from ending', async ({ expect }) => {
    await using server = await startServer({ flavour });
    await using replica = await startServer({ flavour, replicaOf: server });
    await using proxy = await startProxy(replica.url);
    await using source = await sources[flavour](server.url);
    {
      await using signal = source.lagOf(proxy.url);
      await expect.poll(() => signal.sample(never), patience).toMatchObject(keepsUp);
      proxy.freeze();
      expect(await signal.sample(never)).toMatchObject({ pressure: 1 });
    }
    // Nothing has thawed it: whatever still waits for it waits by itself.
    proxy.thaw();
  });
});
