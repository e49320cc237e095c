/** Source and shadow on real servers: what copying and comparing do, sentence by sentence of ports.ts. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyRange, RowKey } from '../../src/engine/model.ts';
import type { Server } from '../../src/mysql/server.ts';
import { never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { openPair, type PairSetup, type TestPair } from '../support/adapter-pair.ts';
import { sharedServer } from '../support/shared-servers.ts';

const everything: KeyRange = { after: null, through: null };
const key = (text: string | number): RowKey => String(text) as RowKey;
const keys = (...texts: readonly (string | number)[]): readonly RowKey[] => texts.map(key);

type BadValue = readonly [what: string, type: string, values: readonly [string, string], clauses: string, message: RegExp];

const utf8 = 'VARCHAR(9) CHARACTER SET utf8mb4';
const latin1 = 'VARCHAR(9) CHARACTER SET latin1';

describe.each(['mysql', 'mariadb'] as const)('a pair on %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const open = (before: readonly string[], clauses: string, more: Partial<PairSetup> = {}): Promise<TestPair> =>
    openPair({ server, url, before, clauses, ...more });

  const shadowRows = (t: TestPair): Promise<Record<string, unknown>[]> => t.application.run('SELECT * FROM t_ts_new');

  describe('copying a range', () => {
    test('brings its rows as the shadow defines them, and no others', async () => {
      await using t = await open(
        [
          'CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(10))',
          "INSERT INTO t VALUES (1, 2, 'x'), (2, NULL, 'y'), (5, 7, 'z'), (6, 8, 'u')",
        ],
        'MODIFY a BIGINT, RENAME COLUMN b TO c, ADD d INT DEFAULT 9',
      );
      expect(await t.pair.copyRange({ after: key(1), through: key(5) }, 'collide', never)).toEqual({ kind: 'copied', rows: 2 });
      expect(await shadowRows(t)).toEqual([
        { id: 2, a: null, c: 'y', d: 9 },
        { id: 5, a: 7, c: 'z', d: 9 },
      ]);
    });

    test('leaves the rows that the shadow has, told by the numbers of members whose texts are compared in another way or are none', async () => {
      await using t = await open(
        [
          "SET SESSION sql_mode = ''",
          `CREATE TABLE t (
            e ENUM('a', '', 'b') CHARACTER SET latin1 COLLATE latin1_german1_ci NOT NULL,
            s SET('', 'x') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
            PRIMARY KEY (e, s))`,
          'INSERT INTO t VALUES (1, 0), (1, 1), (2, 2), (0, 2), (3, 3)',
        ],
        `MODIFY e ENUM('a', '', 'b') CHARACTER SET koi8r COLLATE koi8r_general_ci NOT NULL,
          MODIFY s SET('', 'x') CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL`,
      );
      await t.application.run('INSERT INTO t_ts_new VALUES (1, 0), (2, 2)');
      expect(await t.pair.copyRange(everything, 'skip', never)).toEqual({ kind: 'copied', rows: 3 });
      const rows = await t.application.run('SELECT e + 0 AS e, s + 0 AS s FROM t_ts_new ORDER BY e + 0, s + 0');
      expect(rows.map(({ e, s }) => [Number(e), Number(s)])).toEqual([
        [0, 2],
        [1, 0],
        [1, 1],
        [2, 2],
        [3, 3],
      ]);
    });

    test('leaves generated columns to the server, keeps what was generated and gives a re-added column its default', async () => {
      await using t = await open(
        [
          'CREATE TABLE t (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a + 2) STORED, gone INT)',
          'INSERT INTO t (id, a, gone) VALUES (1, 10, 7)',
        ],
        'MODIFY s INT, ADD w INT AS (a * 2) STORED, DROP gone, ADD gone INT DEFAULT 3',
      );
      expect(await t.pair.copyRange(everything, 'collide', never)).toEqual({ kind: 'copied', rows: 1 });
      expect(await shadowRows(t)).toEqual([{ id: 1, a: 10, v: 11, s: 12, w: 20, gone: 3 }]);
    });

    test('keeps a 0 in an AUTO_INCREMENT column, and dates that only lax clients could write', async () => {
      await using t = await open(
        [
          "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
          'CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, d DATE, e DATETIME(2), f TIMESTAMP NULL)',
          "INSERT INTO t VALUES (0, '0000-00-00', '2026-00-10', '0000-00-00'), (-3, '2026-02-31', '2026-02-31 01:02:03.45', NULL)",
        ],
        'ADD x INT',
      );
      expect(await t.pair.copyRange(everything, 'collide', never)).toEqual({ kind: 'copied', rows: 2 });
      const rows = await t.application.run('SELECT id, CONCAT(d) d, CONCAT(e) e, CONCAT(f) f FROM t_ts_new');
      expect(rows).toEqual([
        { id: -3, d: '2026-02-31', e: '2026-02-31 01:02:03.45', f: null },
        { id: 0, d: '0000-00-00', e: '2026-00-10 00:00:00.00', f: '0000-00-00 00:00:00' },
      ]);
    });

    test('collides with a row that is there, and then has copied nothing', async () => {
      await using t = await open(['CREATE TABLE t (id INT PRIMARY KEY)', 'INSERT INTO t VALUES (1), (2), (3)'], 'ADD a INT');
      await t.application.run('INSERT INTO t_ts_new VALUES (2, 99)');
      expect(await t.pair.copyRange(everything, 'collide', never)).toEqual({ kind: 'collided' });
      expect(await shadowRows(t)).toEqual([{ id: 2, a: 99 }]);
    });

    test('leaves out rows whose migration key is there, if told so, and those only', async () => {
      await using t = await open(
        ['CREATE TABLE t (id INT PRIMARY KEY, u INT)', 'INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)'],
        'ADD UNIQUE u (u)',
      );
      await t.application.run('INSERT INTO t_ts_new VALUES (2, 99)');
      expect(await t.pair.copyRange(everything, 'skip', never)).toEqual({ kind: 'copied', rows: 2 });
      await t.application.run('DELETE FROM t_ts_new WHERE id = 1');
      await t.application.run('UPDATE t_ts_new SET u = 1 WHERE id = 2');
      expect(await t.pair.copyRange(everything, 'skip', never)).toEqual({ kind: 'collided' });
    });

    test('meets another copy under a unique key without a deadlock, also where the counter of the table is locked', async () => {
      await using t = await open(
        [
          'CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, u VARCHAR(9) NOT NULL, UNIQUE (u))',
          "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')",
        ],
        'ADD x INT',
      );
      await using other = await openApplication(url);
      await other.run(`USE ${t.schema.name}`);
      await other.run('BEGIN');
      await other.run("INSERT INTO t_ts_new VALUES (9, 'b', 0)");
      // Has the first row in, and the counter where that is locked, and waits for the row above.
      const first = t.pair.copyRange({ after: null, through: key(3) }, 'collide', never);
      const waiting = `SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT INTO \`${t.schema.name}\`.\`t_ts_new\`%'`;
      while ((await t.application.run(waiting)).length < 1);
      await t.application.run("UPDATE t SET u = 'z' WHERE id = 3");
      await t.application.run("UPDATE t SET u = 'c' WHERE id = 4");
      const second = t.pair.copyRange({ after: key(3), through: null }, 'collide', never);
      for (let round = 0; round < 20; round++) await t.application.run(waiting);
      await other.run('ROLLBACK');
      expect((await Promise.all([first, second])).map(({ kind }) => kind).toSorted()).toEqual(['collided', 'copied']);
    });

    test('takes no lock on the source, and waits for none', async () => {
      await using t = await open(
        ['CREATE TABLE t (id INT PRIMARY KEY, a INT, u INT)', 'INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)'],
        'ADD UNIQUE (u)',
      );
      await using other = await openApplication(url);
      await other.run(`USE ${t.schema.name}`);
      await other.run('BEGIN');
      await other.run('UPDATE t SET a = 9');
      await other.run('INSERT INTO t VALUES (3, 3, 3)');
      expect(await t.pair.copyRange(everything, 'collide', never)).toEqual({ kind: 'copied', rows: 2 });
      await t.pair.deleteRows(keys(1), never);
      expect(await t.pair.copyRange(everything, 'skip', never)).toEqual({ kind: 'copied', rows: 1 });
      await t.pair.deleteRows(keys(2, 3), never);
      expect(await t.pair.insertRows(keys(2, 3), never)).toBe('inserted');
      expect(await t.pair.compareRange(everything, never)).toEqual({ isEqual: true, sourceRows: 2, shadowRows: 2 });
      expect(await t.pair.findDifferences(everything, 9, never)).toEqual([]);
      expect(await t.pair.findDifferingRows(keys(1, 2, 3), never)).toEqual([]);
      expect(await t.pair.explainCollision(keys(1, 3), never)).toEqual({ kind: 'in-the-way', keys: keys(1) });
      expect(await t.pair.findSourceKeys(everything, never)).toEqual(keys(1, 2));
      expect(await shadowRows(t)).toEqual([
        { id: 1, a: 1, u: 1 },
        { id: 2, a: 2, u: 2 },
      ]);
    });

    test('lets the source be written while it waits for a lock on the shadow, and ends on the server when it is aborted', async () => {
      await using t = await open(
        ['CREATE TABLE t (id INT PRIMARY KEY, a INT)', 'INSERT INTO t VALUES (1, 1), (2, 2)'],
        'ADD b INT',
      );
      await using other = await openApplication(url);
      await other.run(`USE ${t.schema.name}`);
      await other.run('BEGIN');
      await other.run('INSERT INTO t_ts_new VALUES (2, 0, 0)');
      const abort = new AbortController();
      const copying = t.pair.copyRange(everything, 'collide', abort.signal);
      const outcome = copying.catch((error: unknown) => error);
      for (let waiting = false; !waiting; ) {
        const list = await t.application.run('SELECT INFO AS info FROM information_schema.PROCESSLIST');
        waiting = list.some(
          (row) => String(row['info']).startsWith('INSERT INTO') && String(row['info']).includes(t.schema.name),
        );
      }
      await t.application.run('SET innodb_lock_wait_timeout = 1');
      await t.application.run('UPDATE t SET a = a + 1');
      await t.application.run('INSERT INTO t VALUES (3, 3)');
      abort.abort(new Error('enough'));
      expect(await outcome).toEqual(new Error('enough'));
      await other.run('ROLLBACK');
      expect(await shadowRows(t)).toEqual([]);
      // The sessions are as before: each statement commits by itself.
      for (let copies = 0; copies < 4; copies += 1) {
        await t.pair.deleteRows(keys(1, 2, 3), never);
        expect(await t.pair.copyRange(everything, 'collide', never)).toEqual({ kind: 'copied', rows: 3 });
        expect((await shadowRows(t)).length).toBe(3);
      }
    });
  });

  describe('a value that does not fit', () => {
    /** What is wrong, the type, a value that fits and one that does not, the change, and the server's words. */
    const cases: readonly BadValue[] = [
      ['too long', 'VARCHAR(10)', ["'a'", "'abcdef'"], 'MODIFY v VARCHAR(5)', /Data (?:too long|truncated) for column 'v'/],
      ['NULL', 'INT', ['1', 'NULL'], 'MODIFY v INT NOT NULL', /Column 'v' cannot be null/],
      ['too large', 'INT', ['1', '300'], 'MODIFY v TINYINT', /Out of range value for column 'v'/],
      ['cut', 'DECIMAL(6,3)', ['1.23', '1.234'], 'MODIFY v DECIMAL(6,2)', /Data truncated for column 'v'/],
      ['without its time', 'DATETIME', ["'2026-01-02'", "'2026-01-02 03:04:05'"], 'MODIFY v DATE', /warning 1(265|292)/],
      ['not in the character set', `${utf8} DEFAULT 'x'`, ["'é'", "'日'"], `MODIFY v ${latin1}`, /Incorrect string value/],
      ['a removed member', "ENUM('a', 'b')", ["'a'", "'b'"], "MODIFY v ENUM('a')", /Data truncated for column 'v'/],
      ['against a CHECK', 'INT', ['1', '-1'], 'ADD CONSTRAINT positive CHECK (v > 0)', /positive|_chk_/],
    ];
    const onlyMySql: readonly BadValue[] = [
      [
        'nothing that an index can compute',
        'JSON',
        ["'1'", `'"x"'`],
        'ADD KEY k ((CAST(v AS UNSIGNED)))',
        /(?:Invalid|functional)/,
      ],
      [
        'in another reference system',
        'POINT',
        ['ST_SRID(POINT(1, 2), 4326)', 'POINT(1, 2)'],
        'MODIFY v POINT SRID 4326',
        /SRID/,
      ],
    ];

    test.each(flavour === 'mysql' ? [...cases, ...onlyMySql] : cases)(
      'because it is %s names its row and leaves the shadow as it was',
      async (...[, type, [good, bad], clauses, message]) => {
        const rows = Array.from({ length: 300 }, (_, n) => `(1, ${n}, ${n === 217 ? bad : good})`);
        await using t = await open(
          [
            'SET NAMES utf8mb4',
            `CREATE TABLE t (a INT, b INT, v ${type}, PRIMARY KEY (a, b))`,
            `INSERT INTO t VALUES ${rows.join(', ')}`,
          ],
          clauses,
        );
        const rejection = { code: 'ROW_NOT_CONVERTIBLE', message: expect.stringMatching(message) };
        await expect(t.pair.copyRange(everything, 'collide', never)).rejects.toMatchObject(rejection);
        await expect(t.pair.copyRange(everything, 'collide', never)).rejects.toThrow(
          `The row a = 1, b = 217 of ${t.schema.name}.t does not fit`,
        );
        await expect(t.pair.insertRows(keys('(1,3)', '(1,217)', '(1,5)'), never)).rejects.toThrow('The row a = 1, b = 217 of');
        await expect(t.pair.copyRange({ after: null, through: key('(1,216)') }, 'skip', never)).resolves.toEqual({
          kind: 'copied',
          rows: 217,
        });
        expect((await shadowRows(t)).length).toBe(217);
      },
    );
  });

  describe('comparing', () => {
    test('tells a missing, an extra and an unequal row, and finds their keys', async () => {
      await using t = await open(
        ['CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9))', "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (4, NULL)"],
        'MODIFY a VARCHAR(20)',
      );
      await t.pair.copyRange(everything, 'collide', never);
      expect(await t.pair.compareRange(everything, never)).toEqual({ isEqual: true, sourceRows: 3, shadowRows: 3 });
      await t.application.run('DELETE FROM t_ts_new WHERE id = 1');
      await t.application.run("INSERT INTO t_ts_new VALUES (3, 'c')");
      expect(await t.pair.compareRange(everything, never)).toEqual({ isEqual: false, sourceRows: 3, shadowRows: 3 });
      await t.application.run("UPDATE t_ts_new SET a = '' WHERE id = 4");
      expect(await t.pair.compareRange({ after: key(1), through: key(2) }, never)).toEqual({
        isEqual: true,
        sourceRows: 1,
        shadowRows: 1,
      });
      expect(await t.pair.compareRange({ after: key(3), through: null }, never)).toEqual({
        isEqual: false,
        sourceRows: 1,
        shadowRows: 1,
      });
      expect(await t.pair.findDifferences(everything, 9, never)).toEqual(keys(1, 4, 3));
      expect(await t.pair.findDifferences(everything, 2, never)).toEqual(keys(1, 4));
      expect(await t.pair.findDifferingRows(keys(1, 2, 3), never)).toEqual(keys(1, 3));
    });

    test('tells the keys at once while most ranges differ, and by checksums again when most have been equal', async () => {
      await using t = await open(
        ['CREATE TABLE t (id INT PRIMARY KEY, a INT)', 'INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)'],
        'MODIFY a BIGINT',
      );
      await t.pair.copyRange(everything, 'collide', never);
      await t.application.run('UPDATE t_ts_new SET a = 0 WHERE id = 3');
      await t.application.run('DELETE FROM t_ts_new WHERE id = 2');
      await t.application.run('INSERT INTO t_ts_new VALUES (5, 5)');
      const told = async (): Promise<unknown> => (await t.pair.compareRange(everything, never)).differing;
      let comparisons = 1;
      while ((await told()) === undefined) comparisons += 1;
      expect(comparisons).toBeGreaterThan(3);
      expect(await t.pair.compareRange(everything, never)).toEqual({
        ...{ isEqual: false, sourceRows: 3, shadowRows: 3 },
        differing: keys(2, 3, 5),
      });
      const equal = { after: null, through: key(1) };
      for (let range = 0; range < 2 * comparisons; range += 1) {
        expect(await t.pair.compareRange(equal, never)).toEqual({ isEqual: true, sourceRows: 1, shadowRows: 1 });
      }
      expect(await told()).toBeUndefined();
    });

    test('sees that two rows have swapped a value, which an exclusive or of CRCs does not', async () => {
      await using t = await open(
        ['CREATE TABLE t (id INT PRIMARY KEY, a CHAR(4))', "INSERT INTO t VALUES (1, 'aaaa'), (2, 'bbbb')"],
        'ADD x INT',
      );
      await t.pair.copyRange(everything, 'collide', never);
      await t.application.run("UPDATE t_ts_new SET a = IF(id = 1, 'bbbb', 'aaaa')");
      const plain = await t.application.run(
        'SELECT BIT_XOR(CRC32(CONCAT(id, a))) AS crc FROM t UNION SELECT BIT_XOR(CRC32(CONCAT(id, a))) FROM t_ts_new',
      );
      expect(plain.length).toBe(1);
      expect(await t.pair.compareRange(everything, never)).toMatchObject({ isEqual: false, sourceRows: 2, shadowRows: 2 });
    });

    test('does not take values of neighbouring columns for each other', async () => {
      await using t = await open(
        [
          'CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9))',
          "INSERT INTO t VALUES (1, 'x,1,y', 'z'), (2, NULL, 'x')",
        ],
        'ADD x INT',
      );
      await t.pair.copyRange(everything, 'collide', never);
      await t.application.run("UPDATE t_ts_new SET a = 'x', b = 'y,1,z' WHERE id = 1");
      await t.application.run("UPDATE t_ts_new SET a = 'x', b = NULL WHERE id = 2");
      expect(await t.pair.findDifferences(everything, 9, never)).toEqual(keys(1, 2));
    });

    test('names a row that has been spelled anew as the source spells it', async () => {
      await using t = await open(
        ['CREATE TABLE t (id VARCHAR(9) CHARACTER SET latin1 PRIMARY KEY)', "INSERT INTO t VALUES ('A'), ('b')"],
        'ADD x INT',
      );
      await t.application.run("INSERT INTO t_ts_new VALUES ('a', NULL), ('C', NULL)");
      const [a, A, b, C] = keys("_latin1 X'61'", "_latin1 X'41'", "_latin1 X'62'", "_latin1 X'43'") as [
        RowKey,
        RowKey,
        RowKey,
        RowKey,
      ];
      expect(await t.pair.findDifferingRows([a], never)).toEqual([A]);
      expect(await t.pair.findDifferences(everything, 9, never)).toEqual([A, b, C]);
      expect(t.pair.describeKey(a)).toBe("id = 'a'");
    });

    test('tells a row that is in the way of itself, in another spelling, from one that has been spelled anew', async () => {
      await using t = await open(
        ['CREATE TABLE t (id VARCHAR(9) CHARACTER SET latin1 PRIMARY KEY)', "INSERT INTO t VALUES ('A')"],
        'ADD x INT',
      );
      const [a, A] = keys("_latin1 X'61'", "_latin1 X'41'") as [RowKey, RowKey];
      await t.application.run("INSERT INTO t_ts_new VALUES ('A', NULL)");
      expect(await t.pair.insertRows([a], never)).toBe('collided');
      expect(await t.pair.explainCollision([a], never)).toEqual({ kind: 'in-the-way', keys: [A], respelled: [A] });
      await t.application.run("UPDATE t SET id = 'a'");
      expect(await t.pair.explainCollision([a], never)).toEqual({ kind: 'in-the-way', keys: [A] });
    });

    test.each([
      // Through a probe, a row that changes meanwhile counts as different; one that does not never does.
      ['expressions', 'MODIFY a BIGINT', []],
      ['a probe', 'MODIFY a DOUBLE', keys(2)],
    ])('sees both tables in one snapshot, by %s', async (_, clauses, suspects) => {
      await using t = await open(
        ['CREATE TABLE t (id INT PRIMARY KEY, a INT)', 'INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)'],
        clauses,
      );
      await t.pair.copyRange(everything, 'collide', never);
      const stop = new AbortController();
      const written = { count: 0 };
      const writing = writeBoth(t, written, stop.signal);
      const differing = new Set<RowKey>();
      let unequal = 0;
      try {
        for (let round = 0; round < 60 || written.count <= 10; round += 1) {
          if (!(await t.pair.compareRange(everything, never)).isEqual) unequal += 1;
          for (const found of await t.pair.findDifferingRows(keys(1, 2, 3), never)) differing.add(found);
        }
      } finally {
        stop.abort();
      }
      await writing;
      expect([...differing].filter((found) => !suspects.includes(found))).toEqual([]);
      expect(suspects.length > 0 || unequal === 0).toBe(true);
    });

    /** Changes the same row in both tables in one transaction, again and again. */
    const writeBoth = async (t: TestPair, written: { count: number }, signal: AbortSignal): Promise<void> => {
      await using other = await openApplication(url);
      await other.run(`USE ${t.schema.name}`);
      while (!signal.aborted) {
        await other.run('BEGIN');
        await other.run('UPDATE t SET a = a + 1 WHERE id = 2');
        await other.run('UPDATE t_ts_new SET a = a + 1 WHERE id = 2');
        await other.run('COMMIT');
        written.count += 1;
      }
    };
  });

  test('knows the order of keys only where it is the server’s own', async () => {
    await using numbers = await open(['CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY)'], 'ADD x INT');
    expect(numbers.pair.compareKeys?.(key('18446744073709551615'), key('9'))).toBeGreaterThan(0);
    await using words = await open(['CREATE TABLE t (id VARCHAR(9) PRIMARY KEY)'], 'ADD x INT');
    expect(words.pair.compareKeys).toBeUndefined();
    expect(await words.pair.greatestShadowKey(never)).toBeNull();
    expect(await words.pair.findChunkEnd(null, 1, never)).toBeNull();
    expect(await words.pair.compareRange(everything, never)).toEqual({ isEqual: true, sourceRows: 0, shadowRows: 0 });
  });
});
