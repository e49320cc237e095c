/** Writing rows by key on real servers: why they collide, and all of it through a session that holds LOCK TABLES. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import type { CollisionCause } from '../../src/engine/ports.ts';
import type { Server } from '../../src/mysql/server.ts';
import { openPair, type TestPair } from '../support/adapter-pair.ts';
import { never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';

const everything = { after: null, through: null };
const keys = (...texts: readonly (string | number)[]): readonly RowKey[] => texts.map((text) => String(text) as RowKey);

describe.each(['mysql', 'mariadb'] as const)('writing rows on %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const open = (before: readonly string[], clauses: string): Promise<TestPair> =>
    openPair({ server, url, before: ['SET NAMES utf8mb4', ...before], clauses });

  /** The table, its rows, the rows that the shadow has already, and a unique key that the change adds. */
  const openColliding = async (columns: string, rows: string, unique: string, inShadow: string): Promise<TestPair> => {
    const t = await open(
      [`CREATE TABLE t (id INT PRIMARY KEY, ${columns}) CHARACTER SET utf8mb4`, `INSERT INTO t VALUES ${rows}`],
      unique,
    );
    await t.application.run(`INSERT INTO t_ts_new (id, u) VALUES ${inShadow}`);
    return t;
  };

  describe('a collision', () => {
    const swapped: CollisionCause = { kind: 'in-the-way', keys: keys(1) };
    const duplicates = (index: string, values: string, ...rows: readonly [number, number]): CollisionCause => ({
      kind: 'duplicates',
      index,
      values,
      rows: [keys(rows[0])[0], keys(rows[1])[0]] as [RowKey, RowKey],
    });

    test.each<[string, string, string, string, string, CollisionCause]>([
      ['is a row in the way that has changed since', 'u INT', '(1, 11), (2, 10)', 'ADD UNIQUE u (u)', '(1, 10)', swapped],
      ['is a row in the way that is gone since', 'u INT', '(2, 10)', 'ADD UNIQUE u (u)', '(1, 10)', swapped],
      [
        'is a row in the way under an invisible column',
        'u INT',
        '(1, 11), (2, 10)',
        'MODIFY u INT INVISIBLE, ADD UNIQUE u (u)',
        '(1, 10)',
        swapped,
      ],
      [
        'is a row in the way under an index that the server hides',
        'u INT',
        '(1, 11), (2, 10)',
        `ADD UNIQUE u (u) ${flavour === 'mysql' ? 'INVISIBLE' : 'IGNORED'}`,
        '(1, 10)',
        swapped,
      ],
      [
        'is two rows with the same value',
        'u INT',
        '(1, 10), (2, 10)',
        'ADD UNIQUE u (u)',
        '(1, 10)',
        duplicates('u', "'10'", 1, 2),
      ],
      ['is none any more', 'u INT', '(1, 10), (2, 11)', 'ADD UNIQUE u (u)', '(1, 10)', { kind: 'in-the-way', keys: [] }],
      ['is none of NULLs', 'u INT', '(1, NULL), (2, NULL)', 'ADD UNIQUE u (u)', '(1, NULL)', { kind: 'in-the-way', keys: [] }],
      [
        'is two values that the new collation holds equal',
        'u VARCHAR(9) COLLATE utf8mb4_bin',
        "(1, 'Straße'), (2, 'STRASSE')",
        'MODIFY u VARCHAR(9) COLLATE utf8mb4_unicode_ci, ADD UNIQUE u (u)',
        "(1, 'Straße')",
        duplicates('u', "'Straße'", 1, 2),
      ],
      [
        'is two values that the new type holds equal',
        'u DECIMAL(5,2)',
        '(1, 1.20), (2, 1.40)',
        'MODIFY u INT, ADD UNIQUE u (u)',
        '(1, 1)',
        duplicates('u', "'1'", 1, 2),
      ],
      [
        'is two values with the same beginning',
        'u VARCHAR(20)',
        "(1, 'a%_|bc'), (2, 'A%_|bd')",
        'ADD UNIQUE u (u(5))',
        "(1, 'a%_|bc')",
        duplicates('u', "'a%_|b'", 1, 2),
      ],
      [
        'is a row in the way with the same beginning',
        'u BLOB',
        "(1, 'xy'), (2, 'a%2')",
        'ADD UNIQUE u (u(2))',
        "(1, 'a%1')",
        swapped,
      ],
      [
        'is a row in the way with the same beginning but for spaces at its end',
        'u VARCHAR(20) COLLATE utf8mb4_general_ci',
        "(1, 'xy'), (2, 'a  ')",
        'ADD UNIQUE u (u(5))',
        "(1, 'a')",
        swapped,
      ],
      [
        'is a row in the way whose beginning is the same in other characters',
        'u VARCHAR(20) COLLATE utf8mb4_unicode_ci',
        "(1, 'xy'), (2, 'ss')",
        'ADD UNIQUE u (u(5))',
        "(1, 'ß')",
        swapped,
      ],
      [
        'is no row that only matches as a pattern',
        'u VARCHAR(20)',
        "(1, 'abc'), (2, 'a%c')",
        'ADD UNIQUE u (u(2))',
        "(1, 'abc')",
        { kind: 'in-the-way', keys: [] },
      ],
      [
        'is two rows equal in several columns',
        "u INT, e ENUM('a', 'b') DEFAULT 'b', b BIT(9) DEFAULT 5, d DATETIME(3) DEFAULT '2026-01-02 03:04:05.678'",
        "(1, 7, 'b', 5, '2026-01-02 03:04:05.678'), (2, 7, 'b', 5, '2026-01-02 03:04:05.678')",
        'ADD UNIQUE u (u, e, d)',
        '(1, 7)',
        duplicates('u', "'7-b-2026-01-02 03:04:05.678'", 1, 2),
      ],
      [
        'is two rows equal in a column and in the beginning of another',
        "u INT, e ENUM('a', 'b') DEFAULT 'b', c VARCHAR(9) DEFAULT 'xyz'",
        "(1, 7, 'b', 'xyz'), (2, 7, 'b', 'XYa')",
        'ADD UNIQUE u (e, c(2))',
        '(1, 7)',
        duplicates('u', "'b-xy'", 1, 2),
      ],
      [
        'is two rows equal in a generated column',
        'u INT, g INT AS (u DIV 10) VIRTUAL',
        '(1, 71, DEFAULT), (2, 72, DEFAULT)',
        'ADD UNIQUE g (g)',
        '(1, 71)',
        duplicates('g', "'7'", 1, 2),
      ],
    ])('%s', async (...[, columns, rows, unique, inShadow, cause]) => {
      await using t = await openColliding(columns, rows, unique, inShadow);
      expect(await t.pair.explainCollision(keys(2), never)).toEqual(cause);
    });

    test('is found under an index over an expression', async (context) => {
      context.skip(flavour === 'mariadb', 'MariaDB has no index over an expression');
      await using t = await openColliding(
        'u VARCHAR(20), j INT',
        "(1, 'x', 4), (2, 'Ab', 5), (3, 'Q', 7), (4, 'q', 7)",
        "ADD UNIQUE e ((CONCAT(LOWER(u), '\\'-')), j)",
        "(3, 'Q')",
      );
      await t.application.run("INSERT INTO t_ts_new VALUES (1, 'aB', 5)");
      await t.application.run('UPDATE t_ts_new SET j = 7 WHERE id = 3');
      expect(await t.pair.insertRows(keys(2), never)).toBe('collided');
      expect(await t.pair.explainCollision(keys(2), never)).toEqual({ kind: 'in-the-way', keys: keys(1) });
      expect(await t.pair.insertRows(keys(4), never)).toBe('collided');
      expect(await t.pair.explainCollision(keys(4), never)).toEqual(duplicates('e', "'q'--7'", 3, 4));
    });

    test('beside which another row does not fit is explained by that row', async () => {
      await using t = await openColliding(
        'u INT, v VARCHAR(9)',
        "(1, 7, 'a'), (2, 7, 'b'), (3, 8, 'too long')",
        'ADD UNIQUE u (u), MODIFY v VARCHAR(3)',
        '(1, 7)',
      );
      await expect(t.pair.explainCollision(keys(2, 3), never)).rejects.toMatchObject({
        code: 'ROW_NOT_CONVERTIBLE',
        message: expect.stringMatching(/^The row id = 3 of .* does not fit the new definition: .*'v'/),
      });
    });

    test('is solved by moving what is in the way, also along a chain of values that were passed on', async () => {
      await using t = await open(
        ['CREATE TABLE t (id INT PRIMARY KEY, u INT, UNIQUE u (u))', 'INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)'],
        'ADD x INT',
      );
      await t.pair.copyRange(everything, 'collide', never);
      await t.application.run('UPDATE t SET u = u + 10');
      await t.application.run('UPDATE t SET u = CASE id WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 1 END');
      await t.pair.deleteRows(keys(1), never);
      expect(await t.pair.insertRows(keys(1), never)).toBe('collided');
      expect(await t.pair.explainCollision(keys(1), never)).toEqual({ kind: 'in-the-way', keys: keys(2) });
      expect(await t.pair.explainCollision(keys(1, 2), never)).toEqual({ kind: 'in-the-way', keys: keys(2, 3) });
      await t.pair.deleteRows(keys(1, 2, 3), never);
      expect(await t.pair.insertRows(keys(1, 2, 3), never)).toBe('inserted');
      expect((await t.pair.compareRange(everything, never)).isEqual).toBe(true);
    });
  });

  test('all goes through a session that holds LOCK TABLES, which it keeps', async () => {
    await using t = await open(
      [
        'CREATE TABLE t (id INT PRIMARY KEY, u INT, v DECIMAL(6,3), UNIQUE u (u))',
        'INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3.333), (4, 4, 4)',
      ],
      'MODIFY v DECIMAL(6,2), ADD UNIQUE w (v)',
    );
    await t.pair.insertRows(keys(1, 2), never);
    await t.application.run('UPDATE t SET u = u + 10');
    await t.application.run('UPDATE t SET u = 3 - id WHERE id < 3');
    await using session = await server.openSession({}, never);
    const writer = await t.pair.prepareWriter(session, never);
    await session.execute(`LOCK TABLES ${t.schema.name}.t WRITE, ${t.schema.name}.t_ts_new WRITE`, never);
    await using other = await openApplication(url);
    const blocked = other.run(`UPDATE ${t.schema.name}.t SET v = 9 WHERE id = 4`);
    await writer.deleteRows(keys(1), never);
    expect(await writer.insertRows(keys(1), never)).toBe('collided');
    expect(await writer.explainCollision(keys(1), never)).toEqual({ kind: 'in-the-way', keys: keys(2) });
    await writer.deleteRows(keys(2), never);
    expect(await writer.insertRows(keys(1, 2), never)).toBe('inserted');
    expect(await writer.findDifferingRows(keys(1, 2, 4, 5), never)).toEqual(keys(4));
    await expect(writer.insertRows(keys(3, 4), never)).rejects.toThrow('The row id = 3 of');
    expect(await writer.insertRows(keys(4), never)).toBe('inserted');
    await expect(session.query(`SELECT * FROM ${t.schema.name}.other`, never)).rejects.toThrow(
      'was not locked with LOCK TABLES',
    );
    // The application's statement has waited all the time: it finds the row after everything above.
    expect(await writer.findDifferingRows(keys(4), never)).toEqual([]);
    await session.execute('UNLOCK TABLES', never);
    await blocked;
    expect(await t.pair.findDifferingRows(keys(1, 2, 4), never)).toEqual(keys(4));
  });

  test('rows that only a probe can judge are judged under LOCK TABLES too', async () => {
    await using t = await open(
      ['CREATE TABLE t (id INT PRIMARY KEY, v INT)', 'INSERT INTO t VALUES (1, 1), (2, 2)'],
      'MODIFY v DOUBLE',
    );
    await using session = await server.openSession({}, never);
    const writer = await t.pair.prepareWriter(session, never);
    await session.execute(`LOCK TABLES ${t.schema.name}.t WRITE, ${t.schema.name}.t_ts_new WRITE`, never);
    expect(await writer.insertRows(keys(1), never)).toBe('inserted');
    expect(await writer.findDifferingRows(keys(1, 2), never)).toEqual(keys(2));
  });

  test('a statement takes as many keys as are allowed, also of the widest key', async () => {
    const values = Array.from({ length: 400 }, (_, n) => `(CONCAT(REPEAT('k', 3060), ${n}))`);
    await using t = await open(
      ['CREATE TABLE t (k VARBINARY(3072) PRIMARY KEY) ROW_FORMAT=DYNAMIC', `INSERT INTO t VALUES ${values.join(', ')}`],
      'ADD x INT',
    );
    const all = await t.pair.findSourceKeys(everything, never);
    expect(t.pair.keysPerStatement).toBe(340);
    const most = all.slice(0, t.pair.keysPerStatement);
    expect(await t.pair.insertRows(most, never)).toBe('inserted');
    expect(await t.pair.findDifferingRows(most, never)).toEqual([]);
    await t.pair.deleteRows(most, never);
    expect(await t.pair.findDifferences(everything, 1000, never)).toEqual(all);
    await using narrow = await open(['CREATE TABLE t (k BIGINT PRIMARY KEY)'], 'ADD x INT');
    expect(narrow.pair.keysPerStatement).toBe(1000);
  });

  test('nothing of it comes into the log but the rows of the shadow', async () => {
    await using t = await open(
      [
        'CREATE TABLE t (id INT PRIMARY KEY, u INT, v DECIMAL(6,3))',
        'INSERT INTO t VALUES (1, 1, 1), (2, 1, 2), (3, 3, 3.333)',
      ],
      'ADD UNIQUE (u), MODIFY v DECIMAL(6,2)',
    );
    await t.pair.insertRows(keys(1), never);
    const status = flavour === 'mysql' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS';
    const [from] = await t.application.run(status);
    await t.pair.explainCollision(keys(2), never);
    await t.pair.findDifferences(everything, 9, never);
    await expect(t.pair.insertRows(keys(3), never)).rejects.toThrow('The row id = 3');
    const [through] = await t.application.run(status);
    const events = await t.application.run(
      `SHOW BINLOG EVENTS IN '${String(from?.['File'])}' FROM ${String(from?.['Position'])}`,
    );
    expect(from?.['File']).toBe(through?.['File']);
    expect(events.filter((event) => String(event['Info']).includes(t.schema.name))).toEqual([]);
  });
});
