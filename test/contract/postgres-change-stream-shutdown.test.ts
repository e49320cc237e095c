/** A server that is told to shut down fast does, whatever the change stream is doing, and the stream goes on when it is back. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { never } from '../support/postgres-adapter.ts';
import { postgresStreamVersions, usePostgresStreamWorld } from '../support/stream-postgres.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { Server } from '../support/servers.ts';

const upserts = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `upsert '${from + index}'`);

/** Shuts down and starts. `restart` kills a server that does not end by itself, and that one says so when it starts again. */
async function restart(server: Server): Promise<'shut down' | 'killed'> {
  const before = readFileSync(server.logFile, 'utf8').length;
  await server.restart();
  const said = readFileSync(server.logFile, 'utf8').slice(before);
  return /was interrupted|not properly shut down/.test(said) ? 'killed' : 'shut down';
}

describe.each(postgresStreamVersions)('PostgreSQL %i shuts down fast', (version) => {
  const world = usePostgresStreamWorld(version);

  const again = async (): Promise<(sql: string) => Promise<unknown>> => {
    const run = await world().connect();
    await run(
      'DROP TABLE IF EXISTS t; CREATE TABLE t (id integer PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL',
    );
    return run;
  };

  test('while the stream has read and acknowledged everything', async () => {
    const { server, open } = world();
    const run = await again();
    const { catchUp, changes, stream, start } = await open();
    await run("INSERT INTO t VALUES (1, '')");
    await stream.acknowledge((await catchUp()).at(-1)?.position ?? start, never);
    expect(await restart(server)).toBe('shut down');
    await (await world().connect())("INSERT INTO t VALUES (2, '')");
    expect(await changes()).toEqual(["upsert '2'"]);
  });

  test('while nothing that the stream has read is acknowledged', async () => {
    const { server, open } = world();
    const run = await again();
    const { catchUp, changes } = await open();
    await run("INSERT INTO t VALUES (1, '')");
    await catchUp();
    expect(await restart(server)).toBe('shut down');
    await (await world().connect())("INSERT INTO t VALUES (2, '')");
    expect(await changes()).toEqual(["upsert '2'"]);
  });

  test('while nobody reads and the sockets are full', async () => {
    const { server, open } = world();
    const run = await again();
    const { changes, slot } = await open({ columns: null, limits: { changesMax: 10, statusMs: 100 } });
    await run("INSERT INTO t SELECT n, repeat('x', 10000) FROM generate_series(1, 3000) AS n");
    const isBlocked = `SELECT 1 FROM pg_stat_activity WHERE application_name = '${slot}' AND wait_event = 'WalSenderWriteData'`;
    while (((await run(isBlocked)) as unknown[]).length === 0);
    expect(await restart(server)).toBe('shut down');
    expect(await changes()).toEqual(upserts(1, 3000));
  });

  test('while applications write and the stream is read', async () => {
    const { server, open } = world();
    await again();
    const { next, changes } = await open();
    const written: number[] = [];
    const write = async (run: (sql: string) => Promise<unknown>, first: number): Promise<void> => {
      for (let id = first; ; id += 1) {
        const isOver = await run(`INSERT INTO t VALUES (${id}, '')`).then(
          () => false,
          () => true,
        );
        if (isOver) return;
        written.push(id);
      }
    };
    // Both are connected before the first writes: the server might be told to shut down before the second is.
    const [one, other] = [await world().connect(), await world().connect()];
    const writing = Promise.all([write(one, 1), write(other, 1_000_000)]);
    const seen: string[] = [];
    while (seen.length < 50) seen.push(...(await next()).changes.map(({ key }) => key));
    const restarting = restart(server);
    await writing;
    expect(await restarting).toBe('shut down');
    seen.push(...(await changes()).map((change) => change.replace('upsert ', '')));
    expect(new Set(seen).size).toBe(seen.length);
    // A commit whose answer was lost with the connection may have come too.
    expect(seen).toEqual(expect.arrayContaining(written.map((id) => `'${id}'`)));
    expect(seen.length - written.length).toBeLessThanOrEqual(2);
  });

  test('while a consumer that has failed leaves the stream alone', async () => {
    const { server, open } = world();
    const run = await again();
    const { stream } = await open();
    await run("INSERT INTO t VALUES (1, ''), (2, '')");
    let calls = 0;
    const consuming = (async () => {
      for await (const batch of stream.batches(never)) {
        if (batch.changes.length === 0) continue;
        calls += 1;
        throw new MigrationError('ROW_NOT_CONVERTIBLE', 'The consumer has had enough.');
      }
    })();
    await expect(consuming).rejects.toMatchObject({ code: 'ROW_NOT_CONVERTIBLE' });
    await run("INSERT INTO t VALUES (3, '')");
    expect(await restart(server)).toBe('shut down');
    expect(calls).toBe(1);
  });
});
