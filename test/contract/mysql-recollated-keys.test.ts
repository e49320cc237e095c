/** Keys that the shadow compares and orders in another way than the source: each spelling is a row of its own to every statement. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyRange, RowKey } from '../../src/engine/model.ts';
import { keyColumns, readTable } from '../../src/mysql/catalog.ts';
import { exactCharsets } from '../../src/mysql/key-collation.ts';
import { layoutOf } from '../../src/mysql/pair-layout.ts';
import * as statements from '../../src/mysql/row-statements.ts';
import type { Server } from '../../src/mysql/server.ts';
import { openPair, type TestPair } from '../support/adapter-pair.ts';
import { createSchema, never, openAdapter } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

const everything: KeyRange = { after: null, through: null };
const key = (charset: string, hex: string): RowKey => `_${charset} X'${hex}'` as RowKey;
const utf8 = (text: string): RowKey => key('utf8mb4', Buffer.from(text).toString('hex').toUpperCase());
const quoted = (text: string): string => `'${text}'`;

/** Collations before and after, and texts of which no two are equal to either. */
const pairs: readonly (readonly [from: string, to: string, texts: readonly string[]])[] = [
  ['utf8mb4_general_ci', 'utf8mb4_bin', ['a', 'B', 'c', 'Z', 'é', 'ö', 'ÿ', '', '1', '_', '😀', 'ab', 'aC']],
  ['utf8mb4_bin', 'utf8mb4_unicode_ci', ['b', 'A', 'C', 'z', 'É', 'o', 'ß', '', '1', '_', 'Ab', 'aC', 'x y']],
  ['utf8mb4_unicode_ci', 'utf8mb4_swedish_ci', ['å', 'z', 'q', 'Y', 'b', '', 'x', 'aa', 'ab', 'Ö']],
  ['latin1_swedish_ci', 'utf8mb4_unicode_ci', ['Z', 'z1', 'ä', 'q', '€', 'ÿ', '', 'b', 'é1', 'e2']],
  ['latin1_bin', 'utf8mb4_bin', ['a', 'A', 'é', 'E', '€', 'ÿ', '', 'aa', '…', 'Œ']],
  ['utf8mb3_bin', 'utf8mb4_unicode_ci', ['a', 'B', 'ﬁ', 'x', '漢', 'か', '', 'z', 'Y']],
  ['utf16_general_ci', 'utf8mb4_bin', ['a', 'B', '￥', '漢', 'é', '', 'z', 'Y']],
  ['koi8r_general_ci', 'utf8mb4_unicode_ci', ['ю', 'а', 'Б', 'ц', 'z', '', 'Ё', 'я']],
];

describeSideBySide(['mysql', 'mariadb'], 'a recollated key on', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const columnOf = (collation: string): string =>
    `VARCHAR(20) CHARACTER SET ${collation.split('_')[0]} COLLATE ${collation} NOT NULL`;
  const open = (from: string, to: string, texts: readonly string[]): Promise<TestPair> =>
    openPair({
      server,
      url,
      before: [
        'SET NAMES utf8mb4',
        `CREATE TABLE t (k ${columnOf(from)} PRIMARY KEY, n INT) CHARACTER SET utf8mb4`,
        ...(texts.length === 0 ? [] : [`INSERT INTO t VALUES ${texts.map((text) => `(${quoted(text)}, 1)`).join(', ')}`]),
      ],
      clauses: `MODIFY k ${columnOf(to)}`,
    });
  const rowsOf = async (t: TestPair, table: string): Promise<readonly string[]> =>
    (await t.application.run(`SELECT k FROM ${table} ORDER BY BINARY k`)).map((row) => String(row['k']));

  test('deletes only what is spelled as it is told, whatever the shadow holds equal', async () => {
    await using t = await open('utf8mb4_bin', 'utf8mb4_general_ci', ['a']);
    await t.application.run("INSERT INTO t_ts_new VALUES ('A', 1), ('b ', 2), ('é', 3)");
    await t.pair.deleteRows(['a', 'b', 'e', 'B ', 'É'].map(utf8), never);
    expect(await rowsOf(t, 't_ts_new')).toEqual(['A', 'b ', 'é']);
    await t.pair.deleteRows([utf8('A'), utf8('é')], never);
    expect(await rowsOf(t, 't_ts_new')).toEqual(['b ']);
  });

  test('reads from the source only what is spelled as it is told, whatever the source holds equal', async () => {
    await using t = await open('utf8mb4_general_ci', 'utf8mb4_bin', ['a', 'é', 'c ']);
    expect(await t.pair.insertRows(['A', 'e', 'É', 'c'].map(utf8), never)).toBe('inserted');
    expect(await rowsOf(t, 't_ts_new')).toEqual([]);
    expect(await t.pair.insertRows([utf8('A'), utf8('a')], never)).toBe('inserted');
    expect(await rowsOf(t, 't_ts_new')).toEqual(['a']);
  });

  test('is noted in the plan, and only such a key', async () => {
    const noted = expect.stringContaining('Keys are compared in another way after the change (k): ');
    await using recollated = await open('latin1_swedish_ci', 'utf8mb4_bin', []);
    expect(recollated.plan.notes).toContainEqual(noted);
    await using kept = await open('utf8mb3_general_ci', 'utf8mb4_general_ci', []);
    expect(kept.plan.notes).not.toContainEqual(noted);
  });

  test('is one key a spelling when it is compared', async () => {
    await using t = await open('utf8mb4_general_ci', 'utf8mb4_bin', ['a', 'b']);
    await t.application.run("INSERT INTO t_ts_new VALUES ('A', 1), ('b', 1)");
    expect(await t.pair.findDifferingRows(['a', 'A', 'b', 'B'].map(utf8), never)).toEqual([utf8('a'), utf8('A')]);
    expect([...(await t.pair.findDifferences(everything, 10, never))].sort()).toEqual([utf8('A'), utf8('a')]);
    expect(await t.pair.compareRange(everything, never)).toMatchObject({ isEqual: false });
  });

  test('collides in a chunk with another spelling, which is then found in the way', async () => {
    await using t = await open('latin1_bin', 'utf8mb4_general_ci', ['É', 'b']);
    await t.application.run("INSERT INTO t_ts_new VALUES ('é', 1), ('b', 1)");
    expect(await t.pair.copyRange(everything, 'skip', never)).toEqual({ kind: 'collided' });
    const cause = await t.pair.explainCollision([key('latin1', 'C9')], never);
    expect(cause).toEqual({ kind: 'in-the-way', keys: [key('latin1', 'E9')] });
    await t.pair.deleteRows([key('latin1', 'E9')], never);
    expect(await t.pair.copyRange(everything, 'skip', never)).toEqual({ kind: 'copied', rows: 1 });
    expect(await rowsOf(t, 't_ts_new')).toEqual(['b', 'É']);
  });

  test('that the shadow holds equal to another of the source is named with it', async () => {
    await using t = await open('latin1_bin', 'utf8mb4_unicode_ci', ['é', 'E', 'b']);
    expect(await t.pair.insertRows([key('latin1', 'E9')], never)).toBe('inserted');
    expect(await t.pair.insertRows([key('latin1', '45')], never)).toBe('collided');
    const cause = await t.pair.explainCollision([key('latin1', '45')], never);
    const rows = [key('latin1', '45'), key('latin1', 'E9')];
    expect(cause).toMatchObject({ kind: 'duplicates', index: 'PRIMARY', rows: expect.arrayContaining(rows) });
  });

  test('goes through a session that holds LOCK TABLES', async () => {
    await using t = await open('latin1_swedish_ci', 'utf8mb4_bin', ['a', 'É', 'z']);
    await using session = await server.openSession({}, never);
    const writer = await t.pair.prepareWriter(session, never);
    await session.execute(`LOCK TABLES ${t.schema.name}.t WRITE, ${t.schema.name}.t_ts_new WRITE`, never);
    const [a, e, z] = [key('latin1', '61'), key('latin1', 'C9'), key('latin1', '7A')];
    expect(await writer.insertRows([a, e, z], never)).toBe('inserted');
    expect(await writer.insertRows([e], never)).toBe('collided');
    expect(await writer.explainCollision([e], never)).toEqual({ kind: 'in-the-way', keys: [e] });
    await writer.deleteRows([e, key('latin1', '5A')], never);
    expect(await writer.findDifferingRows([a, e, z], never)).toEqual([e]);
  });

  test('in the shadow that no row of the source can have stops the comparison', async () => {
    await using t = await open('latin1_swedish_ci', 'utf8mb4_bin', ['?']);
    await t.pair.copyRange(everything, 'collide', never);
    expect(await t.pair.compareRange(everything, never)).toEqual({ isEqual: true, sourceRows: 1, shadowRows: 1 });
    await t.application.run("INSERT INTO t_ts_new VALUES ('漢', 1)");
    await expect(t.pair.compareRange(everything, never)).rejects.toMatchObject({ code: 'SHADOW_CHANGED' });
    await expect(t.pair.findDifferences(everything, 10, never)).rejects.toMatchObject({ code: 'SHADOW_CHANGED' });
  });

  test('that the shadow’s character set lacks is deleted without a complaint, for it cannot be there', async () => {
    await using t = await open('cp1251_general_ci', 'utf8mb4_bin', ['ж', '?']);
    await t.pair.copyRange(everything, 'collide', never);
    await t.pair.deleteRows([key('cp1251', '98'), key('cp1251', 'E6')], never);
    expect(await rowsOf(t, 't_ts_new')).toEqual(['?']);
    expect(await t.pair.findDifferingRows([key('cp1251', '98'), key('cp1251', '3F')], never)).toEqual([]);
    expect(await t.pair.findDifferences({ after: null, through: key('cp1251', '98') }, 10, never)).toEqual([
      key('cp1251', 'E6'),
    ]);
  });

  describe.each(pairs)('from %s to %s', (from, to, texts) => {
    let t: TestPair;
    let keys: readonly RowKey[];
    beforeAll(async () => {
      t = await open(from, to, texts);
      keys = await t.pair.findSourceKeys(everything, never);
    });
    afterAll(async () => t[Symbol.asyncDispose]());

    /** Adjoining ranges from one end to the other, with these rows as bounds. */
    const rangesAt = (places: readonly number[]): readonly KeyRange[] => {
      const bounds = places.toSorted((a, b) => a - b).map((place) => keys[place] ?? null);
      return [...bounds, null].map((through, place) => ({ after: bounds[place - 1] ?? null, through }));
    };
    const chosen = (): fc.Arbitrary<readonly number[]> =>
      fc.uniqueArray(fc.nat(keys.length - 1), { maxLength: keys.length - 1 });

    test('a copy in ranges is equal in each of them', async () => {
      expect(keys.length).toBe(texts.length);
      const property = fc.asyncProperty(chosen(), async (places) => {
        await t.application.run('DELETE FROM t_ts_new');
        let rows = 0;
        for (const range of rangesAt(places)) {
          expect(await t.pair.copyRange(range, 'skip', never)).toMatchObject({ kind: 'copied' });
          const { isEqual, sourceRows, shadowRows } = await t.pair.compareRange(range, never);
          // Rows of ranges that are yet to be copied cannot be here; those of this one must.
          expect([isEqual, sourceRows]).toEqual([true, shadowRows]);
          expect(await t.pair.findDifferences(range, 10, never)).toEqual([]);
          rows += sourceRows;
        }
        expect(rows).toBe(texts.length);
      });
      await fc.assert(property, { numRuns: 4, seed: 7 });
    });

    test('a missing, an unequal and an extra row are found in the ranges, wherever they are', async () => {
      const property = fc.asyncProperty(
        chosen(),
        fc.nat(keys.length - 1),
        fc.constantFrom('missing', 'unequal', 'extra'),
        async (places, at, what) => {
          await t.application.run('DELETE FROM t_ts_new');
          await t.pair.copyRange(everything, 'skip', never);
          const target = keys[at];
          if (target === undefined) throw new Error('The place is within the table.');
          const text = `CONVERT(${target} USING utf8mb4)`;
          if (what === 'missing') await t.pair.deleteRows([target], never);
          if (what === 'unequal') await t.application.run(`UPDATE t_ts_new SET n = 2 WHERE BINARY k = BINARY ${text}`);
          if (what === 'extra') await t.application.run(`DELETE FROM t WHERE k = ${target}`);
          const found = new Set<RowKey>();
          let unequal = 0;
          for (const range of rangesAt(places)) {
            const inRange = await t.pair.findDifferences(range, 10, never);
            const { isEqual } = await t.pair.compareRange(range, never);
            expect(isEqual).toBe(inRange.length === 0);
            if (!isEqual) unequal += 1;
            for (const one of inRange) found.add(one);
          }
          if (what === 'extra') await t.application.run(`INSERT INTO t VALUES (${target}, 1)`);
          expect([...found]).toEqual([target]);
          expect(unequal).toBeGreaterThan(0);
        },
      );
      await fc.assert(property, { numRuns: 12, seed: 7 });
    });
  });

  test('is looked up in the indexes of both tables', async () => {
    await using t = await open('latin1_swedish_ci', 'utf8mb4_unicode_ci', []);
    const rows = Array.from({ length: 2000 }, (_, n) => `(LOWER(HEX(${n * 7919})), ${n})`);
    await t.application.run(`INSERT IGNORE INTO t VALUES ${rows.join(', ')}`);
    await t.pair.copyRange(everything, 'collide', never);
    await t.application.run('ANALYZE TABLE t, t_ts_new');
    const [source, shadow] = await t.sessions.withSession(
      async (session) => [await readTable(session, t.plan.source, never), await readTable(session, t.plan.shadow, never)],
      never,
    );
    if (source == null || shadow == null) throw new Error('Both tables exist.');
    const columns = keyColumns(source, t.plan.key.columns);
    const layout = layoutOf({ plan: t.plan, keyColumns: columns, source, shadow, flavour: server.flavour, mark: 'm' });
    const explain = async (sql: string): Promise<readonly string[]> => {
      const format = flavour === 'mysql' ? 'FORMAT=TRADITIONAL' : '';
      const found = await t.sessions.withSession((session) => session.query(`EXPLAIN ${format} ${sql}`, never), never);
      return found
        .filter((row) => row['table'] != null && row['select_type'] !== 'INSERT')
        .map((row) => `${row['table']} ${row['type']}`);
    };
    const all = await t.pair.findSourceKeys(everything, never);
    const range = { after: all[100] ?? null, through: all[120] ?? null };
    const some = all.slice(100, 103);
    expect(await explain(statements.deleteRows(layout, some))).toEqual(['t_ts_new range']);
    expect(await explain(statements.insertRows(layout, some))).toEqual(['t range']);
    expect(await explain(statements.copyMissing(layout, range))).toEqual(['t range', 't_ts_new eq_ref']);
    expect(await explain(statements.compareRange(layout, range))).toEqual(['t range', 't range', 't_ts_new eq_ref']);
    expect(await explain(statements.findShadowPieceEnd(layout, range, 10))).toEqual(['t_ts_new range']);
    expect(await explain(statements.extraRows(layout, range, 10))).toEqual(['t_ts_new range', 't eq_ref']);
  });

  test.each(exactCharsets)('in %s keeps its bytes there and back, or cannot be in the shadow', async (charset) => {
    await using schema = await createSchema(url);
    const run = (sql: string): Promise<Record<string, unknown>[]> => schema.application.run(sql);
    await run(`USE ${schema.name}`);
    await run("SET sql_mode = ''");
    await run(`CREATE TABLE c (k VARCHAR(4) CHARACTER SET ${charset} NOT NULL, h CHAR(2) CHARACTER SET ascii NOT NULL)`);
    for (let byte = 0; byte < 256; byte += 1) {
      const hex = byte.toString(16).padStart(2, '0').toUpperCase();
      await run(`INSERT IGNORE INTO c VALUES (X'${hex}', '${hex}')`);
    }
    await run('DELETE FROM c WHERE HEX(k) <> h');
    await run(
      'CREATE TABLE u (k VARCHAR(4) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, h CHAR(2) CHARACTER SET ascii NOT NULL)',
    );
    await run("SET sql_mode = 'STRICT_ALL_TABLES'");
    const hexes = (await run('SELECT h FROM c ORDER BY h')).map((row) => String(row['h']));
    const refused: string[] = [];
    for (const hex of hexes) {
      await run(`INSERT INTO u SELECT k, h FROM c WHERE h = '${hex}'`).catch(() => refused.push(hex));
    }
    const back = await run(`SELECT h, HEX(CONVERT(k USING ${charset})) AS bytes, HEX(k) AS text FROM u`);
    expect(back.length + refused.length).toBe(hexes.length);
    expect(back.filter((row) => row['bytes'] !== row['h'])).toEqual([]);
    expect(new Set(back.map((row) => row['text'])).size).toBe(back.length);
    expect(back.length).toBeGreaterThanOrEqual(128);
  });
});
