/** Transactions in the change stream: whole, in parts, prepared, resumed from. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { ChangeBatch } from '../../src/engine/ports.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import { never, openPostgres } from '../support/postgres-adapter.ts';
import { changeText } from '../support/stream-collected.ts';
import { postgresStreamVersions, usePostgresStreamWorld } from '../support/stream-postgres.ts';

const changesOf = (batches: readonly ChangeBatch[]): readonly string[] =>
  batches.flatMap(({ changes }) => changes).map(changeText);
const upserts = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `upsert '${from + index}'`);

describe.each(postgresStreamVersions)('on PostgreSQL %i', (version) => {
  // So little memory for decoding that a thousand rows go through files.
  const world = usePostgresStreamWorld(version, ['--logical-decoding-work-mem=64kB']);

  beforeEach(async () => {
    await world().run('DROP TABLE IF EXISTS t, other');
    await world().run('CREATE TABLE t (id integer PRIMARY KEY, v integer)');
    await world().run('CREATE TABLE other (id integer PRIMARY KEY, v integer)');
  });

  test('changes come in log order, each once, and those of other tables not at all', async () => {
    const { run, open } = world();
    const { changes } = await open();
    await run('INSERT INTO t VALUES (1, 0), (2, 0)');
    await run('INSERT INTO other VALUES (7, 0)');
    await run('BEGIN; UPDATE t SET v = 1 WHERE id = 2; UPDATE other SET v = 1; COMMIT');
    await run('INSERT INTO t VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET v = excluded.v');
    await run('DELETE FROM t WHERE id = 2');
    expect(await changes()).toEqual(["upsert '1'", "upsert '2'", "upsert '2'", "upsert '1'", "delete '2'"]);
  });

  test('transactions come in the order in which they were committed, each whole', async () => {
    const { run, open, connect } = world();
    const { changes } = await open();
    const other = await connect();
    await run('BEGIN; INSERT INTO t VALUES (1, 0)');
    await other('BEGIN; INSERT INTO t VALUES (2, 0)');
    await run('INSERT INTO t VALUES (3, 0)');
    await other('INSERT INTO t VALUES (4, 0); COMMIT');
    await run('COMMIT');
    expect(await changes()).toEqual(["upsert '2'", "upsert '4'", "upsert '1'", "upsert '3'"]);
  });

  test('what was rolled back does not come, whole or to a savepoint', async () => {
    const { run, open } = world();
    const { changes } = await open();
    await run('BEGIN; INSERT INTO t VALUES (1, 0); ROLLBACK');
    await run('BEGIN; INSERT INTO t VALUES (2, 0); SAVEPOINT s; INSERT INTO t VALUES (3, 0); DELETE FROM t WHERE id = 2');
    await run('ROLLBACK TO s; INSERT INTO t VALUES (4, 0); RELEASE s; COMMIT');
    await run(
      'DO $$ BEGIN INSERT INTO t VALUES (5, 0); BEGIN INSERT INTO t VALUES (6, 1 / 0); EXCEPTION WHEN OTHERS THEN NULL; END; END $$',
    );
    expect(await changes()).toEqual(["upsert '2'", "upsert '4'", "upsert '5'"]);
  });

  test('a key that is deleted and inserted again in one transaction, and two that are swapped, come in order', async () => {
    const { run, open } = world();
    await run('INSERT INTO t VALUES (1, 0), (2, 0)');
    const { changes } = await open();
    await run('BEGIN; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 5); COMMIT');
    await run(
      'BEGIN; UPDATE t SET id = 0 WHERE id = 1; UPDATE t SET id = 1 WHERE id = 2; UPDATE t SET id = 2 WHERE id = 0; COMMIT',
    );
    expect(await changes()).toEqual([
      ...["delete '1'", "upsert '1'"],
      ...["delete '1'", "upsert '0'", "delete '2'", "upsert '1'", "delete '0'", "upsert '2'"],
    ]);
  });

  test('a transaction larger than the memory for decoding comes whole, in order, and only when it is committed', async () => {
    const { run, open, connect } = world();
    const { changes } = await open();
    const other = await connect();
    await run('BEGIN; INSERT INTO t SELECT n, 0 FROM generate_series(1, 20000) AS n; SAVEPOINT s');
    await run('UPDATE t SET v = 1 WHERE id <= 10000; ROLLBACK TO s; DELETE FROM t WHERE id = 20000');
    await other('INSERT INTO t VALUES (0, 0)');
    expect(await changes()).toEqual(["upsert '0'"]);
    await run('COMMIT');
    expect(await changes()).toEqual([...upserts(1, 20_000), "delete '20000'"]);
  });

  test('a transaction larger than a batch comes in parts, and the position stays before it until its end', async () => {
    const { run, open } = world();
    const { next, catchUp } = await open({ limits: { changesMax: 10 } });
    await run('INSERT INTO t VALUES (1, 0)');
    await run('INSERT INTO t SELECT n, 0 FROM generate_series(2, 20000) AS n');
    const parts: ChangeBatch[] = [];
    while (changesOf(parts).length < 10_000) parts.push(await next());
    const rest = await catchUp();
    expect(changesOf([...parts, ...rest])).toEqual(upserts(1, 20_000));
    const before = parts.filter(({ changes }) => changes.length > 0);
    expect(before.length).toBeGreaterThan(1);
    const last = before.at(-1);
    expect(last?.reach.order).toBeGreaterThan(last?.position.order ?? 0);
    expect(last?.resumeFrom.order).toBeLessThanOrEqual(last?.position.order ?? 0);
    expect(rest.at(-1)?.position.order).toBeGreaterThan(last?.reach.order ?? 0);
  });

  test('whoever resumes from a batch gets all of its changes again, and whoever resumes behind it none of them', async () => {
    const { run, open } = world();
    const first = await open();
    const batches: ChangeBatch[] = [];
    for (const statement of [
      'INSERT INTO t VALUES (1, 0)',
      'INSERT INTO t SELECT n, 0 FROM generate_series(2, 9) AS n',
      'UPDATE t SET id = id + 100 WHERE id = 1',
    ]) {
      await run(statement);
      batches.push(...(await first.catchUp()));
    }
    await run('DELETE FROM t WHERE id = 2');
    await first.close();
    for (const batch of batches) {
      const again = await first.reopen(batch.resumeFrom.token);
      expect(await again.changes()).toEqual(expect.arrayContaining(batch.changes.map(changeText)));
      await again.close();
    }
    const behind = await first.reopen(batches.at(-1)?.position.token ?? '');
    expect(await behind.changes()).toEqual(["delete '2'"]);
  });

  test('a position moves on although only other tables change', async () => {
    const { run, open } = world();
    const { catchUp, start, close, reopen } = await open();
    await run('INSERT INTO other VALUES (1, 0)');
    await run('SELECT pg_switch_wal()');
    await run('INSERT INTO other VALUES (2, 0)');
    const last = (await catchUp()).at(-1);
    expect(last?.changes).toEqual([]);
    expect(last?.position.order).toBeGreaterThan(start.order);
    await run('INSERT INTO t VALUES (3, 0)');
    await close();
    expect(await (await reopen(last?.position.token ?? '')).changes()).toEqual(["upsert '3'"]);
  });

  test('fences come by in the order in which they were placed, and those of another stream are none', async () => {
    const { run, open } = world();
    const { stream, next } = await open();
    const second = await open();
    await second.stream.placeFence(never);
    await second.stream.placeFence(never);
    await second.stream.placeFence(never);
    await run('INSERT INTO t VALUES (1, 0)');
    const fences = [await stream.placeFence(never), await stream.placeFence(never)];
    expect(fences).toEqual([1, 2]);
    const batches: ChangeBatch[] = [];
    while ((batches.at(-1)?.fence ?? 0) < 2) batches.push(await next());
    expect(changesOf(batches)).toEqual(["upsert '1'"]);
    expect(Math.max(...batches.map(({ fence }) => fence ?? 0))).toBe(2);
    expect(await second.changes()).toEqual(["upsert '1'"]);
  });

  test('messages that others put into the log are passed over, whatever they say', async () => {
    const { run, open } = world();
    const { changes, next, stream } = await open();
    await run("SELECT pg_logical_emit_message(true, 'tableshift', 'someone:99')");
    await run("SELECT pg_logical_emit_message(false, 'tableshift', '')");
    await run("SELECT pg_logical_emit_message(false, '', repeat('x', 100000))");
    await run("BEGIN; SELECT pg_logical_emit_message(false, 'debezium', 'gone'); INSERT INTO t VALUES (9, 0); ROLLBACK");
    await run(
      "BEGIN; INSERT INTO t VALUES (1, 0); SELECT pg_logical_emit_message(true, 'p', 'x'); INSERT INTO t VALUES (2, 0); COMMIT",
    );
    expect(await changes()).toEqual(["upsert '1'", "upsert '2'"]);
    const fence = await stream.placeFence(never);
    expect(fence).toBe(2);
    expect((await next()).fence).toBe(2);
  });

  test('a prepared transaction comes when it is committed, and does not hold the position before', async () => {
    const { run, open, connect } = world();
    const { catchUp, changes } = await open();
    await run("BEGIN; INSERT INTO t VALUES (1, 0); PREPARE TRANSACTION 'one'");
    const other = await connect();
    await other('INSERT INTO t VALUES (2, 0)');
    const whilePrepared = await catchUp();
    expect(changesOf(whilePrepared)).toEqual(["upsert '2'"]);
    await run("COMMIT PREPARED 'one'");
    expect(await changes()).toEqual(["upsert '1'"]);
    await run("BEGIN; INSERT INTO t VALUES (3, 0); PREPARE TRANSACTION 'two'");
    await run("ROLLBACK PREPARED 'two'");
    expect(await changes()).toEqual([]);
  });

  test('a prepared transaction that is committed after a resume behind its PREPARE comes', async () => {
    const { run, open } = world();
    const { catchUp, close, reopen, start, stream } = await open();
    await run("BEGIN; INSERT INTO t VALUES (1, 0); PREPARE TRANSACTION 'one'");
    const behind = (await catchUp()).at(-1)?.position ?? start;
    await stream.acknowledge(behind, never);
    await close();
    const resumed = await reopen(behind.token);
    // Not to be waited for: its commit is not in the log yet.
    await resumed.stream.awaitVisible(resumed.start, never);
    await run("COMMIT PREPARED 'one'");
    expect(await resumed.changes()).toEqual(["upsert '1'"]);
  });

  test('an open transaction of others is not waited for by a role that may not see what it does, as no standby is named', async () => {
    const { run, open, connect, server } = world();
    await run('DROP ROLE IF EXISTS blind; CREATE ROLE blind LOGIN');
    const other = await connect();
    {
      await using adapter = await openPostgres(server.url.replace('postgres@', 'blind@'));
      await using sessions = createSessionPool({ sizeMax: 1, open: (signal) => adapter.openSession({}, signal) });
      const { stream, start, changes } = await open({ sessions });
      await other('BEGIN; INSERT INTO t VALUES (1, 0)');
      await stream.awaitVisible(start, never);
      await other('COMMIT');
      expect(await changes()).toEqual(["upsert '1'"]);
    }
    await run('DROP ROLE blind');
  });

  test('what a batch holds stays what it was while more comes in', async () => {
    const { run, open } = world();
    await run('DROP TABLE t');
    await run('CREATE TABLE t (id text PRIMARY KEY, v integer)');
    const { catchUp } = await open();
    const kept: ChangeBatch[] = [];
    for (let part = 0; part < 20; part += 1) {
      await run(`INSERT INTO t SELECT 'key ${part} ' || n || repeat('k', 40), 0 FROM generate_series(1, 2000) AS n`);
      kept.push(...(await catchUp()));
    }
    const expected = Array.from({ length: 20 }, (_, part) =>
      Array.from({ length: 2000 }, (_, n) => `upsert 'key ${part} ${n + 1}${'k'.repeat(40)}'`),
    ).flat();
    expect(changesOf(kept)).toEqual(expected);
  });

  test('bulk loads, and writes without triggers, are changes like all others', async () => {
    const { run, open } = world();
    const { changes } = await open();
    await run('BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO t VALUES (1, 0); COMMIT');
    await run('WITH moved AS (DELETE FROM t RETURNING id) INSERT INTO t SELECT id + 10, 0 FROM moved');
    await run(
      'MERGE INTO t USING (VALUES (11), (12)) AS s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = 1 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 0)',
    );
    expect(await changes()).toEqual(["upsert '1'", "delete '1'", "upsert '11'", "upsert '11'", "upsert '12'"]);
  });
});
