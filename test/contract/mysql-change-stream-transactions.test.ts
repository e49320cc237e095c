/** Transactions in the change stream: whole, in parts, prepared, resumed from. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { ChangeBatch } from '../../src/engine/ports.ts';
import { never } from '../support/adapter-server.ts';
import { changeText } from '../support/stream-fixture.ts';
import { streamServers, useStreamWorld } from '../support/stream-world.ts';

const changesOf = (batches: readonly ChangeBatch[]): readonly string[] =>
  batches.flatMap(({ changes }) => changes).map(changeText);
const upserts = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `upsert ${from + index}`);
const rows = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `(${from + index}, 0)`).join();

describe.each(streamServers)('on $name', (server) => {
  const world = useStreamWorld(server);

  beforeEach(async () => {
    await world().run('DROP TABLE IF EXISTS t, other');
    await world().run('CREATE TABLE t (id INT PRIMARY KEY, v INT)');
    await world().run('CREATE TABLE other (id INT PRIMARY KEY, v INT)');
  });

  test('changes come in log order, each once, and those of other tables not at all', async () => {
    const { run, open } = world();
    const { changes } = await open();
    await run('INSERT INTO t VALUES (1, 0), (2, 0)');
    await run('INSERT INTO other VALUES (7, 0)');
    await run('UPDATE t, other SET t.v = 1, other.v = 1 WHERE t.id = 2');
    await run('REPLACE INTO t VALUES (1, 5)');
    await run('DELETE FROM t WHERE id = 2');
    expect(await changes()).toEqual(['upsert 1', 'upsert 2', 'upsert 2', 'upsert 1', 'delete 2']);
  });

  test('what was rolled back does not come, whole or to a savepoint', async () => {
    const { run, open } = world();
    const { changes } = await open();
    await run('BEGIN');
    await run('INSERT INTO t VALUES (1, 0)');
    await run('ROLLBACK');
    await run('BEGIN');
    await run('INSERT INTO t VALUES (2, 0)');
    await run('SAVEPOINT s');
    await run('INSERT INTO t VALUES (3, 0)');
    await run('ROLLBACK TO s');
    await run('INSERT INTO t VALUES (4, 0)');
    await run('COMMIT');
    expect(await changes()).toEqual(['upsert 2', 'upsert 4']);
  });

  test('a transaction that was rolled back but logged, because it made a temporary table, has no effect', async () => {
    const { run, open } = world();
    await run(`INSERT INTO t VALUES ${rows(1, 25)}`);
    const small = await open();
    const large = await open({ limits: { changesMax: 10 } });
    await run('BEGIN');
    await run('DELETE FROM t');
    await run('INSERT INTO t VALUES (100, 0)');
    await run('CREATE TEMPORARY TABLE tmp (x INT)');
    await run('DROP TEMPORARY TABLE tmp');
    await run('ROLLBACK');
    expect(await small.changes()).toEqual([]);
    // Parts of it were handed on before its end was known, so the rows that it deleted are read again.
    const last = new Map((await large.changes()).map((change) => change.split(' ').toReversed() as [string, string]));
    last.delete('100');
    expect(new Set(last.values())).not.toContain('delete');
    expect(last.size).toBe(server.flavour === 'mariadb' ? 25 : 0);
  });

  test('a savepoint that the log rolls back to has the rows read again that were deleted before', async () => {
    const { run, open } = world();
    await run(`INSERT INTO t VALUES ${rows(1, 3)}`);
    const { changes } = await open();
    await run('BEGIN');
    await run('SAVEPOINT s');
    await run('DELETE FROM t');
    await run('CREATE TEMPORARY TABLE tmp (x INT)');
    await run('DROP TEMPORARY TABLE tmp');
    await run('ROLLBACK TO s');
    await run('INSERT INTO t VALUES (4, 0)');
    await run('COMMIT');
    const last = new Map((await changes()).map((change) => change.split(' ').toReversed() as [string, string]));
    expect([...last.values()]).not.toContain('delete');
    expect(last.get('4')).toBe('upsert');
  });

  test('a transaction larger than a batch comes in parts, and the position stays before it until its end', async () => {
    const { run, open } = world();
    const { catchUp } = await open({ limits: { changesMax: 10 } });
    await run('INSERT INTO t VALUES (1, 0)');
    await run(`INSERT INTO t VALUES ${rows(2, 36)}`);
    const batches = (await catchUp()).filter(({ changes }) => changes.length > 0);
    expect(changesOf(batches)).toEqual(upserts(1, 36));
    const [first, ...parts] = batches;
    const last = parts.at(-1);
    expect(first?.changes.length).toBe(1);
    expect(parts.map(({ changes }) => changes.length)).toEqual([10, 10, 10, 5]);
    const before = first?.position.order;
    expect(
      parts.slice(0, -1).map(({ position, resumeFrom, reach }) => [position.order, resumeFrom.order, reach.order]),
    ).toEqual(parts.slice(0, -1).map(() => [before, before, (before ?? 0) + 1]));
    expect(last?.resumeFrom.order).toBe(before);
    expect(last?.position.order).toBeGreaterThan(before ?? 0);
  });

  test('whoever resumes from a batch gets all of its changes again, and whoever resumes behind it none of them', async () => {
    const { run, open } = world();
    const first = await open({ limits: { changesMax: 3 } });
    await run('INSERT INTO t VALUES (1, 0)');
    await run(`INSERT INTO t VALUES ${rows(2, 9)}`);
    await run('UPDATE t SET id = id + 100 WHERE id = 1');
    const batches = await first.catchUp();
    await run('DELETE FROM t WHERE id = 2');
    for (const batch of batches) {
      const again = await open({ from: batch.resumeFrom.token });
      expect(await again.changes()).toEqual(expect.arrayContaining(batch.changes.map(changeText)));
      await again.close();
    }
    const behind = await open({ from: batches.at(-1)?.position.token ?? '' });
    expect(await behind.changes()).toEqual(['delete 2']);
  });

  test('the start is a position that can be resumed from', async () => {
    const { run, open } = world();
    const first = await open();
    await first.close();
    await run('INSERT INTO t VALUES (1, 0)');
    const second = await open({ from: first.start.token });
    expect(second.start.token).toBe(first.start.token);
    expect(await second.changes()).toEqual(['upsert 1']);
  });

  test('a position moves on although only other tables change, and over the end of a log file', async () => {
    const { run, open } = world();
    const { catchUp, start } = await open();
    await run('INSERT INTO other VALUES (1, 0)');
    await run('FLUSH BINARY LOGS');
    await run('INSERT INTO other VALUES (2, 0)');
    const last = (await catchUp()).at(-1);
    expect(last?.changes).toEqual([]);
    expect(last?.position.order).toBeGreaterThan(start.order);
    await run('INSERT INTO t VALUES (3, 0)');
    const again = await open({ from: last?.position.token ?? '' });
    expect(await again.changes()).toEqual(['upsert 3']);
  });

  test('fences come by in the order in which they were placed, behind what was committed before them', async () => {
    const { run, open } = world();
    const { stream, next } = await open();
    const second = await open();
    await second.stream.placeFence(never);
    await run('INSERT INTO t VALUES (1, 0)');
    const fences = await Promise.all([stream.placeFence(never), stream.placeFence(never)]);
    expect(fences).toEqual([1, 2]);
    const batches: ChangeBatch[] = [];
    while ((batches.at(-1)?.fence ?? 0) < 2) batches.push(await next());
    expect(changesOf(batches)).toEqual(['upsert 1']);
    expect(await second.changes()).toEqual(['upsert 1']);
  });

  test('a stream leaves no fence behind', async () => {
    const { run, open } = world();
    const { catchUp, stream, start, close } = await open();
    await catchUp();
    await stream.awaitVisible(start, never);
    await close();
    expect(await run('SELECT * FROM fences')).toEqual([]);
  });

  test('an XA transaction comes when it is committed, and holds the position until then', async () => {
    const { run, open } = world();
    const { catchUp } = await open();
    await run("XA START 'one', 'b', 7");
    await run('INSERT INTO t VALUES (1, 0)');
    await run("XA END 'one', 'b', 7");
    await run("XA PREPARE 'one', 'b', 7");
    const other = await world().connect();
    await other('INSERT INTO t VALUES (2, 0)');
    const whilePrepared = await catchUp();
    const prepared = whilePrepared.at(-1);
    expect(changesOf(whilePrepared)).toEqual(['upsert 2']);
    expect(prepared?.position.order).toBe(0);
    expect(prepared?.resumeFrom.order).toBe(0);
    expect(prepared?.reach.order).toBeGreaterThan(1);

    const resumed = await open({ from: prepared?.position.token ?? '' });
    await run("XA COMMIT 'one', 'b', 7");
    const committed = await catchUp();
    expect(changesOf(committed)).toEqual(['upsert 1']);
    expect(committed.find(({ changes }) => changes.length > 0)?.resumeFrom.order).toBe(0);
    expect(committed.at(-1)?.position.order).toBeGreaterThan(2);
    expect(await resumed.changes()).toEqual(['upsert 2', 'upsert 1']);
  });

  test('an XA transaction that is rolled back after it was prepared does not come, one in one phase does', async () => {
    const { run, open } = world();
    const { catchUp } = await open();
    await run("XA START X'00ff27'");
    await run('INSERT INTO t VALUES (1, 0)');
    await run("XA END X'00ff27'");
    await run("XA PREPARE X'00ff27'");
    await run("XA ROLLBACK X'00ff27'");
    await run("XA START 'two'");
    await run('INSERT INTO t VALUES (2, 0)');
    await run("XA END 'two'");
    await run("XA COMMIT 'two' ONE PHASE");
    const batches = await catchUp();
    expect(changesOf(batches)).toEqual(['upsert 2']);
    expect(batches.at(-1)?.position.order).toBeGreaterThan(2);
  });

  test('of two prepared transactions the older one holds the position, and a third without changes of the table does not', async () => {
    const { run, open, connect } = world();
    const { catchUp } = await open();
    const second = await connect();
    const third = await connect();
    const prepare = async (on: typeof run, xid: string, insert: string): Promise<void> => {
      await on(`XA START '${xid}'`);
      await on(insert);
      await on(`XA END '${xid}'`);
      await on(`XA PREPARE '${xid}'`);
    };
    await prepare(third, 'third', 'INSERT INTO other VALUES (9, 0)');
    await prepare(run, 'first', 'INSERT INTO t VALUES (1, 0)');
    await prepare(second, 'second', 'INSERT INTO t VALUES (2, 0)');
    expect((await catchUp()).at(-1)?.position.order).toBe(1);
    await run("XA COMMIT 'first'");
    const one = await catchUp();
    expect(changesOf(one)).toEqual(['upsert 1']);
    // Behind the first PREPARE and the fence; the second PREPARE is next.
    expect(one.at(-1)?.position.order).toBe(2);
    await second("XA COMMIT 'second'");
    expect(changesOf(await catchUp())).toEqual(['upsert 2']);
    await third("XA ROLLBACK 'third'");
  });

  test('the first barrier waits for a transaction that was prepared before the stream began, and names it', async () => {
    const { run, open } = world();
    await run("XA START 'ear''ly', 'b', 3");
    await run('INSERT INTO t VALUES (1, 0)');
    await run("XA END 'ear''ly', 'b', 3");
    await run("XA PREPARE 'ear''ly', 'b', 3");
    const { stream, start, close } = await open({ limits: { visibilityTimeoutMs: 1_000 } });
    await expect(stream.awaitVisible(start, never)).rejects.toMatchObject({
      code: 'VISIBILITY_TIMEOUT',
      message: expect.stringContaining(`XA transaction X'656172276c79',X'62',3 was prepared before`),
    });
    await close();
    const patient = await open();
    const waiting = patient.stream.awaitVisible(patient.start, never);
    await run("XA COMMIT 'ear''ly', 'b', 3");
    await waiting;
    expect(await patient.changes()).toEqual([]);
  });

  test('the first barrier does not wait for a transaction that the stream itself has seen prepared', async () => {
    const { run, open } = world();
    const { stream, start, catchUp } = await open();
    await run("XA START 'late'");
    await run('INSERT INTO t VALUES (1, 0)');
    await run("XA END 'late'");
    await run("XA PREPARE 'late'");
    await catchUp();
    await stream.awaitVisible(start, never);
    await run("XA COMMIT 'late'");
    expect(changesOf(await catchUp())).toEqual(['upsert 1']);
  });

  test('after our own swap nothing is delivered, and nobody takes it for someone else’s', async () => {
    const { run, open } = world();
    const { next, stream } = await open({ ownMark: 'tableshift swap abc' });
    await run('CREATE TABLE s LIKE t');
    await run('INSERT INTO t VALUES (1, 0)');
    await run('RENAME TABLE t TO r, s TO t /* tableshift swap abc */');
    await run('INSERT INTO t VALUES (2, 0)');
    await stream.placeFence(never);
    const seen: string[] = [];
    while (seen.length === 0) seen.push(...(await next()).changes.map(changeText));
    expect(seen).toEqual(['upsert 1']);
    await run('DROP TABLE r');
  });
});
