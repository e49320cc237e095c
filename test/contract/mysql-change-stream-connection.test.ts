/** The connection behind the change stream: lost, silent, refused, paused; and a log that is gone. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Reconnect } from '../../src/engine/ports.ts';
import { LogFeed } from '../../src/mysql/binlog-feed.ts';
import type { Server } from '../../src/mysql/server.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import { never, openAdapter } from '../support/adapter-server.ts';
import { streamServers, useStreamWorld } from '../support/stream-world.ts';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const upserts = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `upsert ${from + index}`);

/** Resolves when it has been called so many times. */
function counter(): {
  readonly count: () => void;
  readonly calls: () => number;
  readonly reached: (times: number) => Promise<void>;
} {
  let calls = 0;
  let check = (): void => {};
  return {
    count: () => {
      calls += 1;
      check();
    },
    calls: () => calls,
    reached: (times) =>
      new Promise((resolve) => {
        check = () => {
          if (calls >= times) resolve();
        };
        check();
      }),
  };
}

describe.each(streamServers)('on $name', (server) => {
  const world = useStreamWorld(server);

  beforeEach(async () => {
    await world().run('DROP TABLE IF EXISTS t');
    await world().run('CREATE TABLE t (id INT PRIMARY KEY, v MEDIUMTEXT)');
  });

  /** One transaction of 50 kB a row, many of which are more than the sockets and the proxy hold on the way. */
  const insertRows = async (from: number, to: number): Promise<void> => {
    const values = Array.from({ length: to - from + 1 }, (_, index) => `(${from + index}, REPEAT('x', 50000))`);
    await world().run(`INSERT INTO t VALUES ${values.join()}`);
  };

  /** The adapter's server, with only the connection that reads the log going through the proxy. */
  const through = (proxy: TcpProxy): Server => {
    const { server } = world().fixture;
    return { ...server, config: { ...server.config, port: Number(new URL(proxy.url).port) } };
  };

  const dumpConnections = async (): Promise<readonly unknown[]> => {
    const rows = await world().run("SELECT ID AS id FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'");
    return rows.map((row) => row['id']);
  };

  /** Removes all files but the last. MariaDB keeps one until a thread of its own has noted that it is not needed for recovery. */
  const purge = async (): Promise<void> => {
    for (;;) {
      const files = await world().run('SHOW BINARY LOGS');
      if (files.length === 1) return;
      await world().run(`PURGE BINARY LOGS TO '${String(files.at(-1)?.['Log_name'])}'`);
    }
  };

  /** Files of the log are told apart by the second in which they were begun. */
  const nextSecond = async (): Promise<void> => {
    const second = async (): Promise<unknown> => (await world().run('SELECT UNIX_TIMESTAMP() AS s'))[0]?.['s'];
    const now = await second();
    while ((await second()) === now);
  };

  const beginLogAnew = async (): Promise<void> => {
    await world().run(server.flavour === 'mariadb' ? 'RESET MASTER' : 'RESET BINARY LOGS AND GTIDS');
  };

  /** Writes a row; the place behind it, as a stream that is closed again has read it. */
  const readOneChange = async (): Promise<string> => {
    const { run, open } = world();
    const stream = await open();
    await run("INSERT INTO t VALUES (1, '')");
    const { position } = await stream.next();
    await stream.close();
    return position.token;
  };

  test('a stream whose connection is killed goes on without loss and without a jump', async () => {
    const { run, open } = world();
    const reconnects: Reconnect[] = [];
    const { changes } = await open({ onReconnect: (reconnect) => reconnects.push(reconnect) });
    const seen: string[] = [];
    for (let id = 1; id <= 5; id += 1) {
      await run(`INSERT INTO t VALUES (${id}, '')`);
      for (const connection of await dumpConnections()) await run(`KILL ${String(connection)}`);
      await run(`INSERT INTO t VALUES (${id + 100}, '')`);
      seen.push(...(await changes()));
    }
    expect(seen).toEqual([1, 101, 2, 102, 3, 103, 4, 104, 5, 105].map((id) => `upsert ${id}`));
    expect(reconnects.length).toBeGreaterThanOrEqual(5);
    expect(reconnects[0]?.cause.code).toBe('CONNECTION_LOST');
  });

  test('a stream that is told to read anew goes on through another connection, without loss and without a jump', async () => {
    const { run, open } = world();
    const reconnects: Reconnect[] = [];
    const { stream, changes } = await open({ onReconnect: (reconnect) => reconnects.push(reconnect) });
    const seen: string[] = [];
    for (let id = 1; id <= 3; id += 1) {
      await run(`INSERT INTO t VALUES (${id}, '')`);
      stream.readAnew?.();
      await run(`INSERT INTO t VALUES (${id + 100}, '')`);
      seen.push(...(await changes()));
    }
    expect(seen).toEqual([1, 101, 2, 102, 3, 103].map((id) => `upsert ${id}`));
    expect(reconnects.map(({ cause }) => cause.code)).toEqual(Array.from({ length: 3 }, () => 'CONNECTION_LOST'));
  });

  test('a transaction that is cut off in the middle comes once, its parts in order', async () => {
    const { open } = world();
    await using proxy = await startProxy(world().server.url);
    const adapter = through(proxy);
    const reconnects = counter();
    const { next, changes } = await open({
      server: adapter,
      limits: { changesMax: 10, bytesMax: 2_000 },
      onReconnect: reconnects.count,
    });
    await insertRows(1, 800);
    const seen: string[] = [];
    for (let cut = 1; cut <= 3; cut += 1) {
      while (seen.length < 50 * cut) seen.push(...(await next()).changes.map(({ key, kind }) => `${kind} ${key}`));
      proxy.cut();
      // The rest of what had come before the cut is taken first, so that the stream looks at its connection again.
      while (reconnects.calls() < cut) seen.push(...(await next()).changes.map(({ key, kind }) => `${kind} ${key}`));
    }
    seen.push(...(await changes()));
    expect(seen).toEqual(upserts(1, 800));
  });

  test('a peer that is dead without a word is given up after three heartbeats, and a new connection goes on', async () => {
    const { run, open } = world();
    await using proxy = await startProxy(world().server.url);
    const adapter = through(proxy);
    const reconnects = counter();
    const { changes } = await open({
      server: adapter,
      limits: { heartbeatMs: 200 },
      onReconnect: (reconnect) => {
        expect(reconnect.cause.message).toContain('not even a heartbeat');
        proxy.forgetConnections();
        reconnects.count();
      },
    });
    await run("INSERT INTO t VALUES (1, '')");
    expect(await changes()).toEqual(['upsert 1']);
    proxy.freeze();
    await run("INSERT INTO t VALUES (2, '')");
    await reconnects.reached(1);
    expect(await changes()).toEqual(['upsert 2']);
  });

  test('a connection that is made while the consumer looks away comes about', async () => {
    const { server } = world().fixture;
    const [status] = await world().run(server.flavour.shows.logStatus);
    const [file, offset] = [String(status?.['File']), Number(status?.['Position'])];
    const limits = { heartbeatMs: 1_000, reconnectsMax: 1, writeTimeoutSeconds: 60 };
    const feed = new LogFeed(
      { config: server.config, server, clock: systemClock, limits, onReconnect: () => undefined },
      {
        restart: () => ({ kind: 'file', server: '', file, offset }),
        received: () => 0,
        event: () => undefined,
        failed: () => undefined,
      },
    );
    const begun = feed.begin(never);
    feed.rest();
    await expect(begun).resolves.toBeUndefined();
    await feed.close();
  });

  test('an idle connection that gets heartbeats is not given up', async () => {
    const { run, open } = world();
    const reconnects: Reconnect[] = [];
    const { changes } = await open({ limits: { heartbeatMs: 100 }, onReconnect: (reconnect) => reconnects.push(reconnect) });
    await run('SELECT SLEEP(1)');
    await run("INSERT INTO t VALUES (1, '')");
    expect(await changes()).toEqual(['upsert 1']);
    expect(reconnects).toEqual([]);
  });

  test('a consumer that pauses for longer than the server waits loses nothing', async () => {
    const { run, open } = world();
    const reconnects: Reconnect[] = [];
    const { changes } = await open({
      limits: { bytesMax: 1_000, changesMax: 10, writeTimeoutSeconds: 1 },
      onReconnect: (reconnect) => reconnects.push(reconnect),
    });
    for (let part = 0; part < 8; part += 1) await insertRows(1 + 100 * part, 100 * (part + 1));
    await run('SELECT SLEEP(2.5)');
    expect(await changes()).toEqual(upserts(1, 800));
    // MariaDB may wait for longer than it was told to.
    expect(reconnects.length).toBeGreaterThanOrEqual(server.flavour === 'mysql' ? 1 : 0);
  });

  test('a connection that is killed while the consumer pauses is noticed when it goes on', async () => {
    const { run, open } = world();
    const { changes } = await open({ limits: { bytesMax: 1_000, changesMax: 10 } });
    for (let part = 0; part < 8; part += 1) await insertRows(1 + 100 * part, 100 * (part + 1));
    for (const connection of await dumpConnections()) await run(`KILL ${String(connection)}`);
    while ((await dumpConnections()).length > 0) await run('SELECT SLEEP(0.05)');
    expect(await changes()).toEqual(upserts(1, 800));
  });

  test('while nobody takes batches little is read ahead', async () => {
    const { run, open } = world();
    const { stream } = await open({ limits: { bytesMax: 1_000, changesMax: 10 } });
    for (let part = 0; part < 8; part += 1) await insertRows(1 + 100 * part, 100 * (part + 1));
    // The server has sent what it can and waits for us to take it.
    const isWriting = "COMMAND LIKE 'Binlog Dump%' AND STATE NOT LIKE '%has sent all%'";
    const [row] = await run(`SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE ${isWriting}`);
    expect(Number(row?.['n'])).toBe(1);
    void stream;
  });

  test('a log that was purged before the stream could read it is reported as such', async () => {
    const { run, open } = world();
    const first = await open();
    await first.close();
    await run("INSERT INTO t VALUES (1, '')");
    await run('FLUSH BINARY LOGS');
    await run("INSERT INTO t VALUES (2, '')");
    await purge();
    await expect(open({ from: first.start.token })).rejects.toMatchObject({ code: 'LOG_PURGED' });
  });

  test('a log that was begun anew since it was read is not taken for the one that was', async () => {
    const { run, open } = world();
    await beginLogAnew();
    const from = await readOneChange();
    await nextSecond();
    await beginLogAnew();
    // By then the new log has the offsets and the numbers of transactions that the old one had.
    for (let id = 2; id <= 30; id += 1) await run(`INSERT INTO t VALUES (${id}, REPEAT('x', 500))`);
    const again = await open({ from });
    await expect(again.next()).rejects.toMatchObject({
      code: 'LOG_PURGED',
      message: expect.stringContaining('begun anew'),
    });
  });

  test('a log that was begun anew is not taken for the one that was, either, when its files have got ahead', async () => {
    const { run, open } = world();
    await beginLogAnew();
    const from = await readOneChange();
    await run('FLUSH BINARY LOGS');
    await (await open({ from })).close();
    await nextSecond();
    await beginLogAnew();
    await run('FLUSH BINARY LOGS');
    for (let id = 2; id <= 30; id += 1) await run(`INSERT INTO t VALUES (${id}, REPEAT('x', 500))`);
    const reading = async (): Promise<unknown> => await (await open({ from })).next();
    await expect(reading()).rejects.toMatchObject({ code: 'LOG_PURGED' });
  });

  test('a log that was begun anew and is still shorter than the one that was read is reported as gone', async () => {
    const { open } = world();
    const from = await readOneChange();
    await beginLogAnew();
    await expect(open({ from })).rejects.toMatchObject({ code: 'LOG_PURGED' });
  });

  test('a log that is begun anew while it is read is reported as gone once the server is asked for it again', async () => {
    const { run, open } = world();
    const { failure, catchUp } = await open();
    await run("INSERT INTO t VALUES (1, '')");
    await catchUp();
    await beginLogAnew();
    for (const connection of await dumpConnections()) await run(`KILL ${String(connection)}`);
    expect(await failure()).toMatchObject({ code: 'LOG_PURGED' });
  });

  test('a log that is begun anew while it is read is reported as gone as soon as the server fails to read on', async () => {
    const { run, open } = world();
    const { failure, catchUp } = await open();
    await run("INSERT INTO t VALUES (1, REPEAT('x', 500))");
    await catchUp();
    await nextSecond();
    await beginLogAnew();
    // The reader has the old file in its hands and looks there for what is written to the new one.
    for (let id = 2; id <= 9; id += 1) await run(`INSERT INTO t VALUES (${id}, REPEAT('x', 500))`);
    expect(await failure()).toMatchObject({ code: 'LOG_PURGED' });
  });

  test('a log that is purged while the connection is lost is reported as such', async () => {
    const { run, open } = world();
    await using proxy = await startProxy(world().server.url);
    const adapter = through(proxy);
    const config = { ...adapter.config };
    const { failure, catchUp } = await open({ server: { ...adapter, config }, limits: { heartbeatMs: 200 } });
    await catchUp();
    // Nobody can be reached until the log is gone.
    config.port = 1;
    proxy.freeze();
    for (const connection of await dumpConnections()) await run(`KILL ${String(connection)}`);
    while ((await dumpConnections()).length > 0) await run('SELECT SLEEP(0.05)');
    await run("INSERT INTO t VALUES (1, '')");
    await run('FLUSH BINARY LOGS');
    await run("INSERT INTO t VALUES (2, '')");
    await purge();
    proxy.forgetConnections();
    config.port = adapter.config.port;
    expect(await failure()).toMatchObject({ code: 'LOG_PURGED' });
  });

  test('a server that stays away is given up after a bounded number of attempts', async () => {
    const { open } = world();
    await using proxy = await startProxy(world().server.url);
    const adapter = through(proxy);
    const config = { ...adapter.config };
    const attempts: number[] = [];
    const { failure } = await open({
      server: { ...adapter, config },
      limits: { reconnectsMax: 3 },
      onReconnect: ({ attempt }) => {
        attempts.push(attempt);
        config.port = 1;
      },
    });
    proxy.cut();
    expect(await failure()).toMatchObject({ code: 'STREAM_BROKEN' });
    expect(attempts).toEqual([1, 2, 3]);
  });

  test('a user without REPLICATION SLAVE is told so', async () => {
    const { run, open, server } = world();
    await run("CREATE USER IF NOT EXISTS reader@'127.0.0.1' IDENTIFIED BY 'secret'");
    await run("GRANT SELECT ON *.* TO reader@'127.0.0.1'");
    const url = server.url.replace('root@', 'reader:secret@');
    await using adapter = await openAdapter(url);
    const opening = open({ server: adapter });
    await expect(opening).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
  });

  test('a server that switches its checksums on and off is followed', async () => {
    const { run, open } = world();
    const { changes } = await open();
    const seen: string[] = [];
    let id = 0;
    for (const checksum of ['NONE', 'CRC32', 'NONE', 'CRC32']) {
      await run(`SET GLOBAL binlog_checksum = ${checksum}`);
      id += 1;
      await run(`INSERT INTO t VALUES (${id}, '')`);
      seen.push(...(await changes()));
      const other = await open();
      id += 1;
      await run(`INSERT INTO t VALUES (${id}, '')`);
      expect(await other.changes()).toEqual([`upsert ${id}`]);
      await other.close();
    }
    seen.push(...(await changes()));
    expect(seen).toEqual(upserts(1, 8));
  });

  test('closing a stream ends its connection on the server', async () => {
    const { run, open } = world();
    const { close } = await open();
    expect((await dumpConnections()).length).toBe(1);
    await close();
    while ((await dumpConnections()).length > 0) await run('SELECT SLEEP(0.05)');
  });
});
