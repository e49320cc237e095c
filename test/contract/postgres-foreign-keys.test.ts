/** Foreign keys of a PostgreSQL table and to it: after a migration they tie the new table as they tied the old one. */
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
import { type OwnDatabase, ownDatabase } from '../support/postgres-own-database.ts';
import { whileWriting } from '../support/postgres-writers.ts';
import { testedPostgres } from '../support/shared-servers.ts';

/** `t` refers to two tables and to itself, and three others refer to it; each key is of another kind. */
const family = [
  `CREATE SCHEMA "Other";
   CREATE TABLE p (id int PRIMARY KEY, code text NOT NULL UNIQUE);
   CREATE TABLE parts (k int, PRIMARY KEY (k)) PARTITION BY LIST (k);
   CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1, 2, 3);
   CREATE TABLE t (id int PRIMARY KEY, a int, b text, self int, late int, k int, UNIQUE (a, id));
   CREATE TABLE c (x int, y int);
   CREATE TABLE "Other"."C c" (x int REFERENCES t ON DELETE RESTRICT);
   INSERT INTO p SELECT i, 'p' || i FROM generate_series(1, 9) AS i; INSERT INTO parts VALUES (1), (2), (3);
   INSERT INTO t SELECT i, i, 'p' || i, i, 100, 1 + i % 3 FROM generate_series(1, 9) AS i;
   INSERT INTO c SELECT i, i FROM generate_series(1, 9) AS i`,
  `ALTER TABLE t ADD CONSTRAINT "A a" FOREIGN KEY (a) REFERENCES p ON DELETE SET NULL (a) DEFERRABLE INITIALLY DEFERRED,
     ADD FOREIGN KEY (b) REFERENCES p (code) MATCH FULL ON UPDATE CASCADE ON DELETE CASCADE, ADD FOREIGN KEY (k) REFERENCES parts,
     ADD FOREIGN KEY (self) REFERENCES t ON DELETE SET DEFAULT, ADD CONSTRAINT old_rows FOREIGN KEY (late) REFERENCES p NOT VALID;
   ALTER TABLE c ADD FOREIGN KEY (x) REFERENCES t DEFERRABLE, ADD FOREIGN KEY (y, x) REFERENCES t (a, id) ON UPDATE CASCADE;
   COMMENT ON CONSTRAINT "A a" ON t IS 'It''s ours'; COMMENT ON CONSTRAINT c_x_fkey ON c IS 'theirs'`,
] as const;

const keysOf = async (application: PostgresApplication): Promise<readonly (string | null | undefined)[]> => {
  const rows = await application.run(
    `SELECT concat_ws(' | ', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint')) AS line
     FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY conrelid::regclass::text COLLATE "C", conname COLLATE "C"`,
  );
  return rows.map((row) => row['line']);
};

const change = (database: OwnDatabase, clauses: string, observer: (event: MigrationEvent) => void = () => undefined) =>
  migrate({
    url: database.url,
    strategy: 'shadow',
    alter: `ALTER TABLE public.t ${clauses}`,
    observer,
    pace: { latency: null },
  });

const obstacles = async (database: OwnDatabase, clauses: string): Promise<readonly string[]> => {
  const { obstacles } = await planMigration({
    url: database.url,
    strategy: 'shadow',
    alter: `ALTER TABLE public.t ${clauses}`,
  });
  return obstacles.map(({ code, message }) => `${code} ${message}`);
};

describe.each(testedPostgres)('foreign keys on %s', (server) => {
  test('come to the new table as they were, in both directions, and are valid in the end', async () => {
    await using database = await ownDatabase(server, ...family);
    const { application } = database;
    const before = await keysOf(application);
    const events: MigrationEvent[] = [];
    await change(database, 'ALTER id TYPE bigint, ADD z int DEFAULT 7', (event) => events.push(event));
    expect(await keysOf(application)).toEqual(before);
    const after = events.slice(events.findIndex(({ kind }) => kind === 'swapped'));
    const left = ['"A a" of public.t', 't_b_fkey of public.t', 't_k_fkey of public.t', 't_self_fkey of public.t'];
    const sentences = ['C c_x_fkey of Other.C c', 'c_x_fkey of public.c', 'c_y_x_fkey of public.c', ...left].map(
      (key) => `The foreign key ${key.replaceAll('"', '')} is to be validated.`,
    );
    expect(after.map((event) => (event.kind === 'settled' ? event.what : event.kind))).toEqual([
      ...['swapped', 'phase-entered', 'settling', ...sentences, 'phase-entered', 'finished'],
    ]);

    // The old table neither keeps a row of another from being deleted nor is changed by that.
    await application.run('DELETE FROM c WHERE x = 5; DELETE FROM p WHERE id = 5');
    expect(await application.run('SELECT count(*) FROM t WHERE id = 5 OR a = 5')).toEqual([{ count: '0' }]);
    const [retired] = await application.run(
      "SELECT format('%I.t', nspname) AS name FROM pg_namespace WHERE nspname LIKE 'tableshift\\_old\\_%'",
    );
    expect(await application.run(`SELECT count(*) FROM ${retired?.['name'] ?? ''} WHERE a = 5 AND b = 'p5'`)).toEqual([
      { count: '1' },
    ]);
    await expect(application.run('DELETE FROM t WHERE id = 3')).rejects.toThrow(/violates foreign key constraint "c_/);
    await expect(application.run('INSERT INTO c (x) VALUES (77)')).rejects.toThrow(/"c_x_fkey"/);
    await expect(application.run("INSERT INTO t VALUES (10, 1, 'nobody')")).rejects.toThrow(/"t_b_fkey"/);
  });

  test('a row that breaks one is named, the swap is told to have happened, and a resume does the rest when it is corrected', async () => {
    await using database = await ownDatabase(server, ...family);
    const { application, url } = database;
    await application.run(
      'SET session_replication_role = replica; UPDATE c SET x = 55 WHERE x = 5; SET session_replication_role = origin',
    );
    const before = await keysOf(application);
    const failure = await change(database, 'RENAME a TO "B b"').catch((error: unknown) => error);
    const key = 'The foreign key c_x_fkey of public.c';
    expect(failure).toMatchObject({ code: 'UNSETTLED', exitCode: 1, isResumable: true });
    expect(failure).toHaveProperty(
      'message',
      expect.stringMatching(
        /c_x_fkey of public\.c cannot be validated: Key \(x\)=\(55\) is not present in table "t".*The swap has happened: public\.t /,
      ),
    );
    const [open] = await listMigrations({ url });
    expect(open).toMatchObject({
      state: 'open',
      checkpoint: { phase: 'clean-up' },
      unsettled: [`${key} is to be validated.`, 'The foreign key c_y_x_fkey of public.c is to be validated.'],
    });
    expect(await application.run('SELECT slot_name FROM pg_replication_slots WHERE database = current_database()')).toEqual([]);
    const id = open?.id ?? '';
    await expect(cleanUp({ url, id })).rejects.toMatchObject({
      code: 'UNSETTLED',
      message: expect.stringContaining('Resume it.'),
    });
    await application.run('UPDATE c SET x = 5 WHERE x = 55');
    await resumeMigration({ url, id });
    expect(await listMigrations({ url })).toMatchObject([{ state: 'done', unsettled: [] }]);
    const renamed = (line = ''): string =>
      line.replace('KEY (a)', 'KEY ("B b")').replace('SET NULL (a)', 'SET NULL ("B b")').replace('t(a, id)', 't("B b", id)');
    expect(await keysOf(application)).toEqual(before.map((line) => renamed(line ?? '')));
    expect(await cleanUp({ url, id, isNow: true })).toMatchObject({ outcome: 'dropped' });
  });

  test('what they do not go with is an obstacle', async () => {
    await using database = await ownDatabase(server, ...family);
    expect(await obstacles(database, 'ALTER k TYPE bigint USING k::bigint, ADD z int')).toEqual([]);
    const { plan } = await planMigration({ url: database.url, strategy: 'shadow', alter: 'ALTER TABLE public.t ADD z int' });
    expect(plan?.notes).toContain(
      'The cutover locks these too, for their foreign keys: Other.C c, public.c, public.p, public.parts. Foreign keys (A a, C c_x_fkey, c_x_fkey, c_y_x_fkey, old_rows, t_b_fkey, t_k_fkey, t_self_fkey) are made again NOT VALID and validated after the swap.',
    );
    expect(await obstacles(database, 'ALTER a TYPE text, ADD z int')).toEqual([
      expect.stringMatching(
        /^FOREIGN_KEYS The foreign key A a of public\.t does not go with the ALTER: .*cannot be implemented/,
      ),
      expect.stringMatching(/c_y_x_fkey of public\.c does not go with the ALTER: .*cannot be implemented/),
    ]);
    expect(await obstacles(database, 'DROP CONSTRAINT t_a_id_key')).toEqual([
      expect.stringMatching(/c_y_x_fkey of public\.c does not go with the ALTER: there is no unique constraint/),
    ]);
    expect(await obstacles(database, 'DROP COLUMN a CASCADE, ADD z int')).toEqual([
      expect.stringMatching(/c_y_x_fkey of public\.c refers to the column a, which the ALTER drops/),
    ]);
    for (const clause of [
      'DROP CONSTRAINT IF EXISTS old_rows',
      'VALIDATE CONSTRAINT old_rows',
      'ALTER CONSTRAINT old_rows DEFERRABLE',
    ]) {
      expect(await obstacles(database, `${clause}, ADD z int`)).toEqual([
        expect.stringMatching(/old_rows of public\.t is itself changed by the ALTER, which needs no copy/),
      ]);
    }
    // By itself it would be the server's own, which is no way either.
    expect(await obstacles(database, 'ALTER CONSTRAINT old_rows ENFORCED')).toEqual([
      expect.stringMatching(
        /nobody can write; DROP CONSTRAINT "old_rows", ADD CONSTRAINT "old_rows" FOREIGN KEY … by themselves/,
      ),
    ]);
    expect(await obstacles(database, 'ALTER k TYPE bigint USING 4 - k')).toEqual([
      expect.stringMatching(/t_k_fkey of public\.t uses the column k, whose values the USING/),
    ]);
  });

  test('a column that is dropped takes its own away, and those made and dropped meanwhile are as they are at the swap', async () => {
    await using database = await ownDatabase(server, ...family);
    const { application, url } = database;
    await using gate = await openPostgresApplication(url);
    await gate.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    const doing: Promise<unknown>[] = [];
    await change(database, 'DROP COLUMN b, ADD z int DEFAULT 7', (event) => {
      if (event.kind !== 'cutover-attempt' || event.attempt > 1) return;
      const make = 'ALTER TABLE c ADD CONSTRAINT new FOREIGN KEY (y) REFERENCES t; ALTER TABLE t DROP CONSTRAINT t_self_fkey';
      doing.push(application.run(make).then(() => gate.run('ROLLBACK')));
    });
    await Promise.all(doing);
    const names = (await keysOf(application)).map((line) => line?.split(' | ')[1]);
    expect(names).toEqual(['C c_x_fkey', 'c_x_fkey', 'c_y_x_fkey', 'new', 'A a', 'old_rows', 't_k_fkey']);
    expect((await keysOf(application)).filter((line) => / \| f(?: \||$)/.test(line ?? ''))).toHaveLength(1);
  });

  test('let nothing slip in while applications write to all the tables, and cost them no other error', async () => {
    await using database = await ownDatabase(
      server,
      `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (id serial PRIMARY KEY, a int NOT NULL REFERENCES p ON DELETE CASCADE);
       CREATE TABLE c (id serial PRIMARY KEY, t_id int NOT NULL REFERENCES t ON DELETE CASCADE);
       CREATE INDEX ON t (a); CREATE INDEX ON c (t_id); INSERT INTO p SELECT i FROM generate_series(1, 400) AS i;
       INSERT INTO t (a) SELECT 1 + i % 400 FROM generate_series(1, 4000) AS i; INSERT INTO c (t_id) SELECT id FROM t`,
    );
    const statements = [
      // From the parent to the child, and a child alone; whole families; children of nobody.
      (n: number) =>
        `INSERT INTO p VALUES (${1000 + n}); INSERT INTO t (a) VALUES (${1000 + n}); INSERT INTO c (t_id) VALUES (currval('t_id_seq'))`,
      // Begins with those that are deleted last, or all may be gone before it comes by.
      (n: number) => `INSERT INTO c (t_id) VALUES (${4000 - (n % 4000)})`,
      (n: number) => `DELETE FROM p WHERE id = ${n}`,
      (n: number) => `INSERT INTO c (t_id) VALUES (${-n}); INSERT INTO t (a) VALUES (${-n})`,
    ];
    const pace = { cutover: { ...DEFAULT_OPTIONS.cutover, attemptsMax: 500, pauseFirstMs: 50, pauseMaxMs: 200 } };
    const alter = 'ALTER TABLE public.t ALTER id TYPE bigint';
    const { counts, errors } = await whileWriting(database.url, statements, () =>
      migrate({ url: database.url, strategy: 'shadow', alter, pace }),
    );
    const [families = 0, children = 0, deleted = 0, orphans = 0] = counts;
    expect(errors).toEqual([]);
    expect([families > 0, children > 0, deleted > 0, orphans]).toEqual([true, true, true, 0]);
    const { application } = database;
    const orphaned = `SELECT (SELECT count(*) FROM c WHERE t_id NOT IN (SELECT id FROM t)) + (SELECT count(*) FROM t WHERE a NOT IN (SELECT id FROM p)) AS n`;
    expect(await application.run(orphaned)).toEqual([{ n: '0' }]);
    expect(await application.run("SELECT conname FROM pg_constraint WHERE contype = 'f' AND NOT convalidated")).toEqual([]);
  });
});

test('a role that owns no more than it must is told what it lacks, and with that it migrates', async () => {
  await using database = await ownDatabase(
    'postgres-18',
    'CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, a int REFERENCES p); CREATE TABLE c (x int REFERENCES t)',
  );
  const role = `r_${randomUUID().slice(0, 8)}`;
  const { application } = database;
  const [named] = await application.run(
    `CREATE ROLE ${role} LOGIN REPLICATION; GRANT CREATE, USAGE ON SCHEMA public TO ${role}; ALTER TABLE t OWNER TO ${role}; SELECT current_database() AS name`,
  );
  try {
    await application.run(`GRANT CREATE ON DATABASE ${named?.['name'] ?? ''} TO ${role}`);
    const other = { ...database, url: database.url.replace(/\/\/[^@/]*@/, `//${role}@`) };
    expect(await obstacles(other, 'ADD z int')).toEqual([
      `MISSING_PRIVILEGE The role ${role} is not the owner of public.c, which refers to public.t (c_x_fkey).`,
      `MISSING_PRIVILEGE The role ${role} lacks the privileges REFERENCES, SELECT, and UPDATE, DELETE or TRUNCATE, on public.p, to which refers public.t (t_a_fkey).`,
    ]);
    await application.run(`ALTER TABLE c OWNER TO ${role}; GRANT REFERENCES, SELECT, UPDATE ON p TO ${role}`);
    const before = await keysOf(application);
    await change(other, 'ADD z int DEFAULT 7');
    expect(await keysOf(application)).toEqual(before);
  } finally {
    await application.run(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
});

test('keys over periods, and those that are only noted, stay what they are on PostgreSQL 18', async () => {
  await using database = await ownDatabase(
    'postgres-18',
    `CREATE EXTENSION btree_gist;
     CREATE TABLE p (id int, at daterange, PRIMARY KEY (id, at WITHOUT OVERLAPS));
     CREATE TABLE t (id int PRIMARY KEY, a int, at daterange, noted int REFERENCES t NOT ENFORCED, span daterange, UNIQUE (a, span WITHOUT OVERLAPS),
       FOREIGN KEY (a, PERIOD at) REFERENCES p (id, PERIOD at));
     CREATE TABLE c (a int, at daterange, FOREIGN KEY (a, PERIOD at) REFERENCES t (a, PERIOD span));
     INSERT INTO p VALUES (1, '[2020-01-01,2021-01-01)'), (1, '[2021-01-01,2022-01-01)');
     INSERT INTO t VALUES (1, 1, '[2020-06-01,2021-06-01)', 77, '[2020-01-01,2022-01-01)'); INSERT INTO c VALUES (1, '[2021-01-01,2021-02-01)')`,
  );
  const before = await keysOf(database.application);
  expect(before).toHaveLength(3);
  await change(database, 'ALTER id TYPE bigint, ADD z int DEFAULT 7');
  expect(await keysOf(database.application)).toEqual(before);
});
