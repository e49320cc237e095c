/** The connection behind the change stream: lost, silent, refused, paused; a slot that is gone, taken or ahead. */
import { beforeEach, describe, expect, test } from 'vitest';
import { never, openPostgres } from '../support/postgres-adapter.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { Reconnect } from '../../src/engine/ports.ts';
import type { ConnectionConfig } from '../../src/postgres/connection-config.ts';
import { ReplicationConnection } from '../../src/postgres/replication-connection.ts';
import { changeText } from '../support/stream-collected.ts';
import { postgresStreamVersions, usePostgresStreamWorld } from '../support/stream-postgres.ts';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const upserts = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `upsert '${from + index}'`);

/** Reconnects, and a way to wait for the n-th. */
function recorder(also: (reconnect: Reconnect) => void = () => {}): {
  readonly onReconnect: (reconnect: Reconnect) => void;
  readonly reconnects: readonly Reconnect[];
  readonly reached: (times: number) => Promise<void>;
} {
  const reconnects: Reconnect[] = [];
  let check = (): void => {};
  return {
    reconnects,
    onReconnect: (reconnect) => {
      reconnects.push(reconnect);
      also(reconnect);
      check();
    },
    reached: (times) =>
      new Promise((resolve) => {
        check = () => {
          if (reconnects.length >= times) resolve();
        };
        check();
      }),
  };
}

/** The server gives up on a client that is silent for a second. */
const patience = '--wal-sender-timeout=1000';

/** A slot is lost when it keeps six segments of the log. */
const shortLog = ['--max-slot-wal-keep-size=96MB', '--wal-keep-size=0'];

describe.each(postgresStreamVersions)('on PostgreSQL %i', (version) => {
  const world = usePostgresStreamWorld(version, [patience, ...shortLog]);

  beforeEach(async () => {
    await world().run('DROP TABLE IF EXISTS t');
    await world().run('CREATE TABLE t (id integer PRIMARY KEY, v text)');
    await world().run('ALTER TABLE t ALTER v SET STORAGE EXTERNAL');
  });

  /** One transaction of 10 kB a row, so that many rows are more than the sockets and the proxy hold where whole rows are sent. */
  const insertRows = async (from: number, to: number): Promise<void> => {
    await world().run(`INSERT INTO t SELECT n, repeat('x', 10000) FROM generate_series(${from}, ${to}) AS n`);
  };

  /** Only the connection that reads the log goes through the proxy. */
  const through = (proxy: TcpProxy): ConnectionConfig => ({
    ...world().fixture.adapter.config,
    port: Number(new URL(proxy.url).port),
  });

  const senders = async (slot: string): Promise<readonly number[]> => {
    const rows = await world().run(`SELECT pid FROM pg_stat_activity WHERE application_name = '${slot}'`);
    return rows.map((row) => Number(row['pid']));
  };

  const state = async (slot: string): Promise<Record<string, string | null>> => {
    const [row] = await world().run(
      `SELECT active::text, confirmed_flush_lsn::text AS confirmed, wal_status FROM pg_replication_slots WHERE slot_name = '${slot}'`,
    );
    return row ?? {};
  };

  test('a stream whose connection is killed goes on without loss and without a jump', async () => {
    const { run, open } = world();
    const { onReconnect, reconnects } = recorder();
    const { changes, slot } = await open({ onReconnect });
    const seen: string[] = [];
    for (let id = 1; id <= 5; id += 1) {
      await run(`INSERT INTO t VALUES (${id}, '')`);
      for (const pid of await senders(slot)) await run(`SELECT pg_terminate_backend(${pid}, 5000)`);
      await run(`INSERT INTO t VALUES (${id + 100}, '')`);
      seen.push(...(await changes()));
    }
    expect(seen).toEqual([1, 101, 2, 102, 3, 103, 4, 104, 5, 105].map((id) => `upsert '${id}'`));
    expect(reconnects.length).toBeGreaterThanOrEqual(5);
    expect(reconnects.map(({ attempt }) => attempt)).toEqual(reconnects.map(() => 1));
    expect(reconnects[0]?.cause.code).toBe('CONNECTION_LOST');
  });

  test('a transaction that is cut off in the middle comes once, its parts in order', async () => {
    const { open } = world();
    await using proxy = await startProxy(world().server.url);
    const { onReconnect, reconnects } = recorder();
    const { next, changes } = await open({
      config: through(proxy),
      columns: null,
      limits: { changesMax: 10 },
      onReconnect,
    });
    await insertRows(1, 3000);
    const seen: string[] = [];
    for (let cut = 1; cut <= 3; cut += 1) {
      while (seen.length < 100 * cut) seen.push(...(await next()).changes.map(changeText));
      proxy.cut();
      // The rest of what had come before the cut is taken first, so that the stream looks at its connection again.
      while (reconnects.length < cut) {
        const { changes, position, resumeFrom } = await next();
        seen.push(...changes.map(changeText));
        expect(resumeFrom.order).toBe(position.order);
      }
      expect(seen.length).toBeLessThan(3000);
    }
    seen.push(...(await changes()));
    expect(seen).toEqual(upserts(1, 3000));
  });

  test('a cut connection costs nothing that was not acknowledged, and a new process begins behind what was', async () => {
    const { run, open } = world();
    const first = await open();
    await run("INSERT INTO t VALUES (1, '')");
    const one = (await first.catchUp()).at(-1)?.position ?? first.start;
    await first.stream.acknowledge(one, never);
    await run("INSERT INTO t VALUES (2, '')");
    expect(await first.changes()).toEqual(["upsert '2'"]);
    await first.close();
    await run("INSERT INTO t VALUES (3, '')");
    const second = await first.reopen(one.token);
    expect(await second.changes()).toEqual(["upsert '2'", "upsert '3'"]);
  });

  test('the server is told exactly what was acknowledged, and nothing that was only received', async () => {
    const { run, open } = world();
    const { catchUp, stream, slot, start } = await open({ limits: { statusMs: 20 } });
    await run("INSERT INTO t VALUES (1, '')");
    const received = (await catchUp()).at(-1)?.position ?? start;
    // The server has our status: it knows how far we have written.
    const hasHeard = `SELECT 1 FROM pg_stat_replication WHERE application_name = '${slot}' AND write_lsn >= '${received.token}'`;
    while ((await run(hasHeard)).length === 0);
    expect((await state(slot))['confirmed']).toBe(start.token);
    await stream.acknowledge(received, never);
    while ((await state(slot))['confirmed'] === start.token);
    expect((await state(slot))['confirmed']).toBe(received.token);
    // An older one takes nothing back.
    await stream.acknowledge(start, never);
    await run("INSERT INTO t VALUES (2, '')");
    const later = (await catchUp()).at(-1)?.position ?? start;
    while ((await run(hasHeard.replace(received.token, later.token))).length === 0);
    expect((await state(slot))['confirmed']).toBe(received.token);
  });

  test('a peer that is dead without a word is given up, and a new connection takes its slot over', async () => {
    const { run, open } = world();
    await using proxy = await startProxy(world().server.url);
    const { onReconnect, reached, reconnects } = recorder(() => proxy.forgetConnections());
    const { changes } = await open({ config: through(proxy), limits: { statusMs: 100, silenceMs: 300 }, onReconnect });
    await run("INSERT INTO t VALUES (1, '')");
    expect(await changes()).toEqual(["upsert '1'"]);
    proxy.freeze();
    await run("INSERT INTO t VALUES (2, '')");
    const rest = changes();
    await reached(1);
    expect(await rest).toEqual(["upsert '2'"]);
    expect(reconnects[0]?.cause.message).toMatch(/^The server has been silent for \d+ s\.$/);
  });

  test('an idle connection on which the server has nothing to say is not given up', async () => {
    const { run, open } = world();
    const { onReconnect, reconnects } = recorder();
    const { changes, slot } = await open({ limits: { statusMs: 50, silenceMs: 300 }, onReconnect });
    const [before] = await senders(slot);
    await run('SELECT pg_sleep(2)');
    await run("INSERT INTO t VALUES (1, '')");
    expect(await changes()).toEqual(["upsert '1'"]);
    expect(reconnects).toEqual([]);
    expect(await senders(slot)).toEqual([before]);
  });

  test('a consumer that pauses for longer than the patience of the server keeps its connection', async () => {
    const { run, open } = world();
    const { onReconnect, reconnects } = recorder();
    const { changes, slot } = await open({ columns: null, limits: { changesMax: 10 }, onReconnect });
    for (let part = 0; part < 6; part += 1) await insertRows(1 + 1000 * part, 1000 * (part + 1));
    // The server has sent what the sockets hold, and waits for us.
    const isBlocked = `SELECT 1 FROM pg_stat_activity WHERE application_name = '${slot}' AND wait_event = 'WalSenderWriteData'`;
    while ((await run(isBlocked)).length === 0);
    await run('SELECT pg_sleep(2)');
    expect((await run(isBlocked)).length).toBe(1);
    expect(await changes()).toEqual(upserts(1, 6000));
    expect(reconnects).toEqual([]);
  });

  test('a connection that is killed while the consumer pauses is noticed when it goes on', async () => {
    const { run, open } = world();
    const { changes, slot } = await open({ columns: null, limits: { changesMax: 10 } });
    for (let part = 0; part < 3; part += 1) await insertRows(1 + 1000 * part, 1000 * (part + 1));
    for (const pid of await senders(slot)) await run(`SELECT pg_terminate_backend(${pid})`);
    expect(await changes()).toEqual(upserts(1, 3000));
  });

  test('a slot that someone else reads from is reported with its reader', async () => {
    const { run, open } = world();
    const first = await open();
    const opening = first.reopen(first.start.token);
    await expect(opening).rejects.toMatchObject({
      code: 'SERVER_BUSY',
      message: expect.stringContaining(`process ${(await senders(first.slot))[0]} (${first.slot})`),
    });
    await run("INSERT INTO t VALUES (1, '')");
    expect(await first.changes()).toEqual(["upsert '1'"]);
  });

  test('a slot that was dropped while the connection was lost is reported as a log that is gone', async () => {
    const { run, open } = world();
    await using proxy = await startProxy(world().server.url);
    const { failure, catchUp, slot } = await open({ config: through(proxy) });
    await catchUp();
    const failed = failure();
    // It cannot connect again before the slot is gone.
    proxy.redirect('postgres://127.0.0.1:1');
    for (const pid of await senders(slot)) {
      await run(`SELECT pg_terminate_backend(${pid}, 5000); SELECT pg_drop_replication_slot('${slot}')`);
    }
    proxy.redirect(world().server.url);
    expect(await failed).toMatchObject({ code: 'LOG_PURGED', message: expect.stringContaining(`${slot} is gone`) });
  });

  test('a slot that kept more log than it may, while its reader paused, is given up and reported as a log that is gone', async () => {
    const { run, open } = world();
    const { failure, slot, close, reopen, start } = await open({ columns: null, limits: { changesMax: 10 } });
    await insertRows(1, 3000);
    while ((await state(slot))['wal_status'] !== 'lost') {
      await run("SELECT pg_logical_emit_message(false, 'noise', '')");
      await run('SELECT pg_switch_wal()');
      await run('CHECKPOINT');
    }
    expect(await failure()).toMatchObject({
      code: 'LOG_PURGED',
      message: expect.stringContaining('more log than the server allows'),
    });
    await close();
    await expect(reopen(start.token)).rejects.toMatchObject({ code: 'LOG_PURGED' });
  });

  test('a slot that nobody has read from for too long is reported as what it is', async (context) => {
    context.skip(version < 18, 'the server gives no slot up for want of a reader');
    const { run, open } = world();
    const { slot, close, reopen, start } = await open();
    await close();
    await run("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'");
    await run('SELECT pg_reload_conf()');
    try {
      while ((await state(slot))['wal_status'] !== 'lost') await run('CHECKPOINT');
    } finally {
      await run('ALTER SYSTEM RESET idle_replication_slot_timeout');
      await run('SELECT pg_reload_conf()');
    }
    await expect(reopen(start.token)).rejects.toMatchObject({
      code: 'LOG_PURGED',
      message: expect.stringMatching(/nobody has read from it .* raise idle_replication_slot_timeout/),
    });
  });

  test('a slot that is ahead of what was applied is refused, for what lies between would be missing', async () => {
    const { run, open } = world();
    const { catchUp, stream, close, reopen, start, slot } = await open();
    await run("INSERT INTO t VALUES (1, '')");
    const position = (await catchUp()).at(-1)?.position ?? start;
    await stream.acknowledge(position, never);
    while ((await state(slot))['confirmed'] !== position.token);
    await close();
    await expect(reopen(start.token)).rejects.toMatchObject({
      code: 'LOG_PURGED',
      message: expect.stringContaining('ahead of what this migration has applied'),
    });
    expect((await (await reopen(position.token)).catchUp()).flatMap(({ changes }) => changes)).toEqual([]);
  });

  test('a server that stays away is given up after a bounded number of attempts', async () => {
    const { open } = world();
    await using proxy = await startProxy(world().server.url);
    const config = { ...through(proxy) };
    const { onReconnect, reconnects } = recorder(() => {
      config.port = 1;
    });
    const { failure } = await open({ config, limits: { reconnectsMax: 3 }, onReconnect });
    proxy.cut();
    expect(await failure()).toMatchObject({ code: 'STREAM_BROKEN' });
    expect(reconnects.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  test('connections that are made and break at once are given up after a bounded number of attempts', async () => {
    const { open } = world();
    await using proxy = await startProxy(world().server.url, (sent) =>
      sent.includes('START_REPLICATION') ? (isFirst ? ((isFirst = false), 'pass') : 'cut-after') : 'pass',
    );
    let isFirst = true;
    const { onReconnect, reconnects } = recorder();
    const { failure } = await open({ config: through(proxy), limits: { reconnectsMax: 3 }, onReconnect });
    proxy.cut();
    expect(await failure()).toMatchObject({ code: 'STREAM_BROKEN' });
    expect(reconnects.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  test('a new connection that goes dead before it streams is given up for another one', async () => {
    const { run, open } = world();
    let isArmed = false;
    await using proxy = await startProxy(world().server.url, (sent) => {
      if (!isArmed || !sent.includes('confirmed_flush_lsn')) return 'pass';
      isArmed = false;
      return 'swallow';
    });
    const { onReconnect, reconnects } = recorder();
    const { changes } = await open({ config: { ...through(proxy), connectTimeoutMs: 500 }, onReconnect });
    isArmed = true;
    proxy.cut();
    await run(`INSERT INTO t VALUES (1, '')`);
    expect(await changes()).toEqual(upserts(1, 1));
    expect(isArmed).toBe(false);
    expect(reconnects.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  test('a server whose commits would wait for the stream as for a standby is refused', async () => {
    const { run, open } = world();
    const wait = async (names: string): Promise<void> => {
      await run(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
      await run('SELECT pg_reload_conf()');
      const isLoaded = 'SELECT 1 FROM pg_settings WHERE name = $$synchronous_standby_names$$ AND setting = ';
      while ((await run(`${isLoaded}'${names}'`)).length === 0);
    };
    try {
      for (const names of ['*', 'ANY 1 (a, *)']) {
        await wait(names);
        await expect(open()).rejects.toMatchObject({
          code: 'STREAM_BROKEN',
          message: expect.stringContaining(`synchronous_standby_names is ${names}`),
        });
      }
      await wait('FIRST 1 (a, b)');
      await run("INSERT INTO t VALUES (1, '')");
      const { changes, failure } = await open();
      expect(await changes()).toEqual([]);
      // Told while it reads, before a commit has to wait for long.
      await wait('*');
      expect(await failure()).toMatchObject({ code: 'STREAM_BROKEN', message: expect.stringContaining('names is *, so') });
    } finally {
      await wait('');
    }
  });

  test('a user without REPLICATION is told so', async () => {
    const { run, open, server, schema } = world();
    await run('DROP ROLE IF EXISTS reader');
    await run('CREATE ROLE reader LOGIN');
    await using adapter = await openPostgres(server.url.replace('postgres@', 'reader@'));
    expect(schema).not.toBe('');
    await expect(open({ config: adapter.config })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/^Opening .*, for which the role reader needs the attribute REPLICATION, failed: .*42501/),
    });
    await run('DROP ROLE reader');
  });

  test('closing a stream ends its connection on the server', async () => {
    const { open } = world();
    const { close, slot } = await open();
    expect((await senders(slot)).length).toBe(1);
    await close();
    while ((await senders(slot)).length > 0);
    expect((await state(slot))['active']).toBe('false');
  });

  test('an abort ends a connection that is being made, however long the server takes', async () => {
    const abort = new AbortController();
    await using proxy = await startProxy(world().server.url, () => {
      abort.abort(new MigrationError('INTERRUPTED', 'enough'));
      return 'swallow';
    });
    const config = { ...through(proxy), connectTimeoutMs: 3_600_000 };
    await expect(ReplicationConnection.open(config, 'tableshift', abort.signal)).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });

  test('time limits that the role has on its sessions do not hold for the connection', async () => {
    const { run, fixture } = world();
    const limits = [
      ...['statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout'],
      ...(version < 17 ? [] : ['transaction_timeout']),
    ];
    for (const limit of limits) await run(`ALTER ROLE postgres SET ${limit} = '20s'`);
    try {
      await using connection = await ReplicationConnection.open(fixture.adapter.config, 'tableshift', never);
      const names = limits.map((limit) => `'${limit}'`).join(', ');
      expect(
        await connection.command(
          `SELECT setting, source, count(*) FROM pg_settings WHERE name IN (${names}) GROUP BY 1, 2`,
          never,
        ),
      ).toEqual([{ setting: '0', source: 'session', count: String(limits.length) }]);
    } finally {
      await run('ALTER ROLE postgres RESET ALL');
    }
  });

  test('settings of a role that change the output of values leave keys as they were, in the stream and in sessions', async () => {
    const { run, open, fixture, schema } = world();
    await run('DROP TABLE t');
    await run('CREATE TABLE t (id timestamptz PRIMARY KEY, v text)');
    await run("ALTER ROLE postgres SET datestyle = 'SQL, DMY'; ALTER ROLE postgres SET timezone = 'Asia/Tokyo'");
    await run('ALTER ROLE postgres SET client_min_messages = error');
    try {
      const { changes } = await open();
      await run("INSERT INTO t VALUES ('2026-03-04 05:06:07+00', '')");
      expect(await changes()).toEqual(["upsert '2026-03-04 05:06:07+00'"]);
      await using session = await fixture.adapter.openSession({}, never);
      expect(await session.query(`SELECT concat(id) AS k0 FROM ${schema}.t`, never)).toEqual([
        { k0: '2026-03-04 05:06:07+00' },
      ]);
    } finally {
      await run('ALTER ROLE postgres RESET ALL');
    }
  });
});
