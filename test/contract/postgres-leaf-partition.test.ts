/** A partition of PostgreSQL that is changed by itself and takes its place under its table again. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  cleanUp,
  DEFAULT_OPTIONS,
  listMigrations,
  migrate,
  type MigrationEvent,
  planMigration,
  resumeMigration,
} from '../../src/index.ts';
import { openPostgresApplication, type PostgresApplication } from '../support/postgres-adapter.ts';
import { inventoryChanges, inventoryOf } from '../support/postgres-inventory.ts';
import { type OwnDatabase, ownDatabase } from '../support/postgres-own-database.ts';
import { whileWriting } from '../support/postgres-writers.ts';
import { testedPostgres } from '../support/shared-servers.ts';

/** `m` with the partitions m_2023, "M 2024" and m_rest, and what belongs to the whole and to "M 2024" alone. */
const measurements = (role: string): readonly string[] => [
  `CREATE TABLE m (id int, day date NOT NULL, v int NOT NULL DEFAULT 1 CHECK (v < 9000), note text, twice int GENERATED ALWAYS AS (v * 2) STORED,
     changes int NOT NULL DEFAULT 0, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
   CREATE INDEX m_by_v ON m (v) WHERE v > 2; CREATE INDEX m_by_note ON m (lower(note)) WITH (fillfactor = 80);
   CREATE TABLE m_2023 PARTITION OF m FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
   CREATE TABLE "M 2024" PARTITION OF m FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') WITH (fillfactor = 95);
   CREATE TABLE m_rest PARTITION OF m DEFAULT;
   ALTER TABLE m_rest ADD CONSTRAINT not_2024 CHECK (NOT (day IS NOT NULL AND day >= '2024-01-01' AND day < '2025-01-01'))`,
  `INSERT INTO m (id, day, v, note) SELECT i, date '2023-01-01' + i % 1000, 1 + i % 500, 'n' || i FROM generate_series(1, 6000) AS i;
   CREATE TABLE twin AS SELECT id, day, v, note FROM m; ALTER TABLE twin ADD PRIMARY KEY (id); ANALYZE`,
  `CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.changes := old.changes + 1; RETURN new; END';
   CREATE TRIGGER counting BEFORE UPDATE OF v ON m FOR EACH ROW EXECUTE FUNCTION counts();
   CREATE TRIGGER own BEFORE UPDATE OF note ON "M 2024" FOR EACH ROW EXECUTE FUNCTION counts(); ALTER TABLE "M 2024" DISABLE TRIGGER own;
   CREATE VIEW of_2024 AS SELECT id, v FROM "M 2024"; CREATE VIEW of_all AS SELECT id, v FROM m; COMMENT ON TABLE "M 2024" IS 'a year';
   CREATE INDEX own_index ON "M 2024" (day DESC); ALTER TABLE "M 2024" ADD CONSTRAINT own_check CHECK (id > 0), ALTER v SET DEFAULT 3, ALTER note SET STATISTICS 77;
   ALTER TABLE "M 2024" REPLICA IDENTITY USING INDEX "M 2024_pkey"; CREATE PUBLICATION pub FOR TABLE "M 2024"; CREATE PUBLICATION whole FOR TABLE m;
   CREATE ROLE ${role}; GRANT SELECT ON "M 2024" TO ${role}`,
];

const clauses =
  'SET (fillfactor = 70), ADD CONSTRAINT above CHECK (v > 0), ALTER note SET STORAGE EXTERNAL, ALTER note SET COMPRESSION pglz, ADD UNIQUE (id)';
const leaf = 'public."M 2024"';

const pace = {
  ...{ chunkRowsMax: 200, chunkRowsFirst: 100 },
  cutover: { ...DEFAULT_OPTIONS.cutover, attemptsMax: 500, pauseFirstMs: 50, pauseMaxMs: 200 },
};

const obstacles = async (database: OwnDatabase, table: string, alter: string): Promise<readonly string[]> => {
  const { obstacles } = await planMigration({ url: database.url, strategy: 'shadow', alter: `ALTER TABLE ${table} ${alter}` });
  return obstacles.map(({ code, message }) => `${code} ${message}`);
};

/** How the partitions are tied to their table: bounds, columns, constraints, indexes and triggers with those that they come from. */
const tiesOf = async (application: PostgresApplication): Promise<readonly (string | null | undefined)[]> => {
  const rows = await application.run(
    `WITH p AS (SELECT c.oid, c.relname, c.relpartbound FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'public.m'::regclass)
     SELECT concat_ws(' | ', p.relname, pg_get_expr(p.relpartbound, p.oid), pg_get_partition_constraintdef(p.oid)) AS line FROM p
     UNION ALL SELECT concat_ws(' | ', p.relname, a.attname, a.attinhcount, a.attislocal, a.attidentity, a.attnotnull) FROM p JOIN pg_attribute AS a ON a.attrelid = p.oid WHERE a.attnum > 0
     UNION ALL SELECT concat_ws(' | ', p.relname, k.conname, k.contype, k.coninhcount, k.conislocal, k.convalidated, q.conname) FROM p
       JOIN pg_constraint AS k ON k.conrelid = p.oid LEFT JOIN pg_constraint AS q ON q.oid = k.conparentid
     UNION ALL SELECT concat_ws(' | ', p.relname, x.indexrelid::regclass, x.indisvalid, (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = x.indexrelid)) FROM p
       JOIN pg_index AS x ON x.indrelid = p.oid
     UNION ALL SELECT concat_ws(' | ', p.relname, t.tgname, t.tgenabled, u.tgname) FROM p JOIN pg_trigger AS t ON t.tgrelid = p.oid LEFT JOIN pg_trigger AS u ON u.oid = t.tgparentid
     ORDER BY 1`,
  );
  return rows.map(({ line }) => line);
};

describe.each(testedPostgres)('a leaf partition on %s', (server) => {
  test('is changed while rows move in and out of it, and ends as the server would have altered it', async () => {
    const role = `r_${randomUUID().slice(0, 8)}`;
    await using database = await ownDatabase(server, ...measurements(role));
    await using native = await ownDatabase(
      server,
      ...measurements(role).map((text) => text.replace(`CREATE ROLE ${role};`, '')),
    );
    const { application, url } = database;
    const blockers: (readonly string[])[] = [];
    await application.run('SET search_path = public');
    await using reader = await openPostgresApplication(url);
    try {
      const held: Promise<unknown>[] = [];
      const observer = (event: MigrationEvent): void => {
        // Another partition, read through the table: whoever does that keeps the swap from it.
        if (event.kind === 'phase-entered' && event.phase === 'cutover' && held.length === 0)
          held.push(reader.run("BEGIN; SELECT FROM m WHERE day = '2023-05-05'"));
        if (event.kind !== 'cutover-failed') return;
        blockers.push(event.blockers);
        if (event.blockers.length > 0) held.push(reader.run('ROLLBACK'));
      };
      const writes = [
        (n: number, table: string) =>
          `INSERT INTO ${table} (id, day, v, note) VALUES (${100_000 + n}, date '2023-06-01' + ${n % 900}, 5, 'new')`,
        (n: number, table: string) =>
          `UPDATE ${table} SET day = date '2023-01-01' + ${(n * 379) % 1000} WHERE id = ${1 + ((n * 7) % 3000)}`,
        (n: number, table: string) => `UPDATE ${table} SET v = v % 800 + 1 WHERE id = ${3001 + ((n * 11) % 1500)}`,
        (n: number, table: string) => `DELETE FROM ${table} WHERE id = ${4501 + (n % 1500)}`,
      ];
      const onBoth = writes.map((write) => (turn: number) => `${write(turn, 'm')}; ${write(turn, 'twin')}`);
      let id = '';
      const { counts, ...refused } = await whileWriting(url, onBoth, async () => {
        ({ id } = await migrate({ url, strategy: 'shadow', alter: `ALTER TABLE ${leaf} ${clauses}`, observer, pace }));
      });
      await Promise.all(held);
      expect(refused).toEqual({ refusals: 0, errors: [] });
      expect(counts.every((count) => count > 0)).toBe(true);
      expect(blockers.flat()).toEqual(expect.arrayContaining([expect.stringContaining(`${reader.pid}`)]));

      const rows = 'SELECT id, day, v, note';
      const differing = `(${rows} FROM m EXCEPT ALL ${rows} FROM twin) UNION ALL (${rows} FROM twin EXCEPT ALL ${rows} FROM m)`;
      expect(await application.run(differing)).toEqual([]);
      expect(await application.run(`SELECT count(*) FROM ${leaf} WHERE day < '2024-01-01' OR day >= '2025-01-01'`)).toEqual([
        { count: '0' },
      ]);

      // Not one of the rows that were read, but those that are there after it.
      await application.run(
        `INSERT INTO m (id, day, v) VALUES (500000, '2024-02-02', 7); UPDATE m SET v = 8 WHERE id = 500000; UPDATE m SET note = 'x' WHERE id = 500000`,
      );
      expect(await application.run('SELECT tableoid::regclass AS part, v, changes, twice FROM m WHERE id = 500000')).toEqual([
        { part: '"M 2024"', v: '8', changes: '1', twice: '16' },
      ]);
      expect(
        await application.run('SELECT v FROM of_2024 WHERE id = 500000 UNION ALL SELECT v FROM of_all WHERE id = 500000'),
      ).toEqual([{ v: '8' }, { v: '8' }]);
      await application.run("UPDATE m SET day = '2030-01-01' WHERE id = 500000");
      expect(await application.run('SELECT tableoid::regclass AS part FROM m WHERE id = 500000')).toEqual([{ part: 'm_rest' }]);
      await expect(application.run("INSERT INTO m (id, day, v) VALUES (500001, '2024-02-02', 0)")).rejects.toThrow(/"above"/);
      const plan = await application.run("EXPLAIN (COSTS OFF) SELECT FROM m WHERE day = '2024-03-03'");
      expect(plan.map((line) => Object.values(line).join('')).join('\n')).toMatch(/"M 2024"/);
      expect(plan.map((line) => Object.values(line).join('')).join('\n')).not.toMatch(/m_rest|m_2023/);

      await native.application.run(`ALTER TABLE ${leaf} ${clauses}`);
      for (const table of ['m', 'M 2024', 'm_rest']) {
        const expected = await inventoryOf(native.application, 'public', table);
        // The server marks a primary key NO INHERIT that was made before its table was attached, as it does by hand.
        const now = Object.entries(await inventoryOf(application, 'public', table)).map(([subject, lines]) => {
          return [subject, lines.map((line) => line.replace(/^(M 2024_pkey .* PRIMARY KEY \(id, day\) \| )t/, '$1f'))] as const;
        });
        expect(inventoryChanges(expected, Object.fromEntries(now))).toEqual({});
      }
      expect(await tiesOf(application)).toEqual(await tiesOf(native.application));

      const retired = await application.run(
        `SELECT c.relispartition, (SELECT count(*) FROM pg_inherits WHERE inhrelid = c.oid) AS ties FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname LIKE 'tableshift\\_%' AND c.relkind = 'r'`,
      );
      expect(retired).toEqual([{ relispartition: 'f', ties: '0' }]);
      expect(await cleanUp({ url, id, isNow: true })).toMatchObject({ outcome: 'dropped' });
      expect(await application.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tableshift\\_%'")).toEqual([]);
      expect(await tiesOf(application)).toEqual(await tiesOf(native.application));
    } finally {
      for (const one of [application, native.application]) await one.run(`DROP OWNED BY ${role}`);
      await application.run(`DROP ROLE ${role}`);
    }
  });

  test('is resumed, also as a list and as a hash, and what was altered on its table meanwhile ends the run', async () => {
    await using database = await ownDatabase(
      server,
      `CREATE SCHEMA "S p"; CREATE TABLE "S p".m (id int, a text, PRIMARY KEY (id)) PARTITION BY HASH (id); CREATE TABLE h0 PARTITION OF "S p".m FOR VALUES WITH (MODULUS 2, REMAINDER 0);
       CREATE TABLE h1 PARTITION OF "S p".m FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO "S p".m SELECT i, i FROM generate_series(1, 1000) AS i;
       CREATE TABLE l (id int, a text, UNIQUE (id, a)) PARTITION BY LIST (a); CREATE TABLE l_x PARTITION OF l FOR VALUES IN ('x', NULL, 'y');
       ALTER TABLE l_x ADD PRIMARY KEY (id); INSERT INTO l SELECT i, 'x' FROM generate_series(1, 500) AS i`,
    );
    const { application, url } = database;
    const stopped = async (alter: string, phase: string): Promise<string> => {
      const died = new AbortController();
      const observer = (event: MigrationEvent): void => {
        if (event.kind === 'phase-entered' && event.phase === phase) died.abort();
      };
      await expect(migrate({ url, strategy: 'shadow', alter, observer, pace, signal: died.signal })).rejects.toMatchObject({
        isResumable: true,
      });
      return (await listMigrations({ url }))[0]?.id ?? '';
    };
    const id = await stopped('ALTER TABLE public.h1 SET (fillfactor = 60), ALTER a TYPE text', 'cutover');
    await application.run(
      'UPDATE "S p".m SET a = a || id; DELETE FROM "S p".m WHERE id < 100; UPDATE "S p".m SET id = id + 5000 WHERE id > 900',
    );
    const [before] = await application.run(
      'SELECT count(*), sum(id) AS sum, md5(string_agg(a, id::text ORDER BY id)) FROM "S p".m',
    );
    await resumeMigration({ url, id });
    expect(
      await application.run('SELECT count(*), sum(id) AS sum, md5(string_agg(a, id::text ORDER BY id)) FROM "S p".m'),
    ).toEqual([before]);
    expect(
      await application.run(
        "SELECT reloptions, relispartition, pg_get_expr(relpartbound, oid) AS bound FROM pg_class WHERE oid = 'h1'::regclass",
      ),
    ).toEqual([{ reloptions: '{fillfactor=60}', relispartition: 't', bound: 'FOR VALUES WITH (modulus 2, remainder 1)' }]);
    expect(await cleanUp({ url, id, isNow: true })).toMatchObject({ outcome: 'dropped' });
    await migrate({ url, strategy: 'shadow', alter: 'ALTER TABLE public.l_x SET (fillfactor = 60)', pace });
    expect(await application.run('SELECT count(*) FROM l')).toEqual([{ count: '500' }]);
    const other = await stopped('ALTER TABLE public.l_x SET (fillfactor = 70)', 'cutover');
    await application.run('CREATE TABLE l_rest PARTITION OF l DEFAULT');
    await expect(resumeMigration({ url, id: other })).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(await application.run("SELECT count(*) FROM l WHERE tableoid = 'l_x'::regclass")).toEqual([{ count: '500' }]);
  });

  test('is left alone where its table would not have it back, or not without a look at all rows', async () => {
    await using database = await ownDatabase(
      server,
      `CREATE TABLE m (id int, day date NOT NULL, v int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day); CREATE INDEX m_v ON m (v);
       CREATE TABLE m_1 PARTITION OF m FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
       CREATE TABLE m_2 PARTITION OF m FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY RANGE (day); CREATE TABLE m_2_1 PARTITION OF m_2 FOR VALUES FROM ('2025-01-01') TO ('2025-07-01')`,
    );
    const { application } = database;
    const fill = 'SET (fillfactor = 70)';
    expect(await obstacles(database, 'public.m_1', `${fill}, ADD CHECK (v > 0), ALTER v SET NOT NULL`)).toEqual([]);
    for (const [clause, reason] of [
      [
        'ADD z int',
        /would no longer be a partition of public\.m after the ALTER: table "m_1" contains column "z" not found in parent "m"/,
      ],
      ['ALTER v TYPE bigint', /would no longer be a partition .*: child table "m_1" has different type for column "v"/],
      [
        'DROP CONSTRAINT m_1_pkey, ADD UNIQUE (id, day)',
        /would look at all rows of public\.m_1, or build one of the indexes of public\.m, while writers wait/,
      ],
    ] as const) {
      expect(await obstacles(database, 'public.m_1', clause)).toEqual([expect.stringMatching(reason)]);
    }
    expect(await obstacles(database, 'public.m', fill)).toEqual([
      expect.stringMatching(/^PARTITIONS public\.m is partitioned/),
    ]);
    expect(await obstacles(database, 'public.m_2', fill)).toEqual([
      expect.stringMatching(/^PARTITIONS public\.m_2 is partitioned/),
    ]);
    expect(await obstacles(database, 'public.m_2_1', fill)).toEqual([
      expect.stringMatching(/public\.m_2, which has the partition public\.m_2_1, is a partition itself/),
    ]);
    await application.run('CREATE TABLE m_rest PARTITION OF m DEFAULT');
    const [scanned = ''] = await obstacles(database, 'public.m_1', fill);
    expect(scanned).toMatch(
      /^PARTITIONS The swap would look at all rows of the DEFAULT partition public\.m_rest while writers wait; before, say/,
    );
    expect(await obstacles(database, 'public.m_rest', fill)).toEqual([
      expect.stringMatching(/^PARTITIONS public\.m_rest is the DEFAULT partition/),
    ]);
    await application.run(scanned.replace(/^.*?: (ALTER TABLE .*) NOT VALID, and VALIDATE it\.$/, '$1'));
    expect(await obstacles(database, 'public.m_1', fill)).toEqual([]);
    await application.run(
      `CREATE INDEX m_day ON ONLY m (day); CREATE PUBLICATION pub FOR TABLE m WITH (publish_via_partition_root = true); CREATE TABLE c (id int, day date, FOREIGN KEY (id, day) REFERENCES m);
       CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; CREATE TRIGGER t BEFORE UPDATE ON m FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE m_1 DISABLE TRIGGER t`,
    );
    expect(await obstacles(database, 'public.m_1', fill)).toEqual([
      expect.stringMatching(/^PARTITIONS public\.m_1 lacks 1 of the indexes of public\.m/),
      expect.stringMatching(/^PARTITIONS The foreign key c_id_day_fkey of (public\.)?c refers to the partitioned table/),
      expect.stringMatching(/^PARTITIONS The publication pub has publish_via_partition_root/),
      expect.stringMatching(/^PARTITIONS The trigger t comes to public\.m_1 from public\.m/),
    ]);
  });
});
