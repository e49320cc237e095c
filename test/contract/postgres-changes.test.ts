/** What others do to a PostgreSQL table while it is migrated: it is in the new table, or the migration stops and says why. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { cleanUp, Controls, DEFAULT_OPTIONS, migrate, type MigrationEvent, resumeMigration } from '../../src/index.ts';
import type { PostgresApplication } from '../support/postgres-adapter.ts';
import { inventoryChanges, inventoryOf } from '../support/postgres-inventory.ts';
import { endingOf, migrateDuring } from '../support/postgres-live-change.ts';
import { ownDatabase } from '../support/postgres-own-database.ts';
import { testedPostgres } from '../support/shared-servers.ts';

const plain = [
  'CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL)',
  'INSERT INTO t SELECT n, n FROM generate_series(1, 40) AS n',
] as const;

async function rowsOf(application: PostgresApplication): Promise<string> {
  const rows = await application.run('SELECT id, a FROM public.t ORDER BY id');
  return rows.map((row) => `${row['id']}:${row['a']}`).join(' ');
}

describe.concurrent.each(testedPostgres)('while a table is migrated on %s', (server) => {
  test.each([
    ['rewriting it with other values under the same definition', 'ALTER TABLE t ALTER a TYPE int USING a * 2'],
    ['truncating it', 'TRUNCATE t'],
    ['truncating it and filling it again', 'TRUNCATE t; INSERT INTO t VALUES (1, 5)'],
    ['dropping it', 'DROP TABLE t'],
    [
      'dropping it and making it again',
      'CREATE TABLE n (LIKE t INCLUDING ALL); DROP TABLE t; ALTER TABLE n RENAME TO t; ALTER INDEX n_pkey RENAME TO t_pkey',
    ],
    ['adding a column', 'ALTER TABLE t ADD c int', 'column c was added'],
    ['adding a unique index', 'CREATE UNIQUE INDEX i ON t (a)', 'since its shadow was made: index i was added. Give'],
    ['adding a CHECK', 'ALTER TABLE t ADD CHECK (a < 100)', 'constraint t_a_check was added'],
    ['dropping the key', 'ALTER TABLE t DROP CONSTRAINT t_pkey'],
    ['changing the replica identity', 'ALTER TABLE t REPLICA IDENTITY FULL'],
    ['renaming the key', 'ALTER TABLE t RENAME id TO k'],
    ['letting another table inherit from it', 'CREATE TABLE child () INHERITS (t)'],
  ])('%s stops the migration', async (_, statement, told = '') => {
    await using database = await ownDatabase(server, ...plain);
    const { ending, plan } = await migrateDuring(database, { during: (application) => application.run(statement) });
    expect(ending).toMatch(/^(?:SOURCE|PLAN)_CHANGED: .*public"?\."?t/);
    expect(ending).toContain(told);
    // The run has taken its publication away itself.
    const again = await resumeMigration({ url: database.url }).catch(endingOf);
    expect(again).toMatch(/^(?:SOURCE|PLAN)_CHANGED: (?!.*Somebody has altered the publication)/);
    await cleanUp({ url: database.url, id: plan.id, isNow: true });
    expect(await database.application.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tableshift\\_%'")).toEqual([]);
  });

  test.each([
    ['renaming a value of its enum', "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", 'SOURCE_CHANGED'],
    ['moving its type to another schema', 'CREATE SCHEMA s; ALTER TYPE mood SET SCHEMA s', 'SOURCE_CHANGED'],
    [
      'changing the comment that says how the shadow is finished',
      `DO $$ BEGIN EXECUTE format('COMMENT ON SCHEMA %I IS ''Whose?''', (SELECT nspname FROM pg_namespace WHERE nspname ~ '^tableshift_t')); END $$`,
      'SHADOW_CHANGED',
    ],
  ])('a row whose key is changed, and %s, ends the migration for good', async (_, statement, code) => {
    const make = "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TABLE t (id mood PRIMARY KEY, a int NOT NULL)";
    await using database = await ownDatabase(server, make, "INSERT INTO t VALUES ('glad', 1), ('sad', 2)");
    const { ending, plan } = await migrateDuring(database, {
      at: 'await-cutover',
      during: (application) => application.run(`UPDATE t SET a = 3 WHERE id = 'sad'; ${statement}`),
    });
    expect(ending).toMatch(new RegExp(`^${code}: .*Somebody has `));
    // The run has taken its publication away itself, which by then nobody can tell from somebody else.
    await expect(resumeMigration({ url: database.url }).catch(endingOf)).resolves.toMatch(
      new RegExp(`^${code}: .*[Ss]omebody has `),
    );
    await cleanUp({ url: database.url, id: plan.id, isNow: true });
  });

  test.each([
    ['a renamed value of an enum', "AS ENUM ('one', 'two')", 'one', "RENAME VALUE 'one' TO 'first'"],
    ['an attribute more', 'AS (a int)', '(1)', 'ADD ATTRIBUTE b int'],
  ])('a type of its key that gets %s while rows are copied ends the migration for good', async (_, type, value, altered) => {
    await using database = await ownDatabase(
      server,
      `CREATE TYPE kind ${type}; CREATE TABLE t (k kind, id int, PRIMARY KEY (k, id))`,
      `INSERT INTO t SELECT '${value}', n FROM generate_series(1, 40) AS n`,
    );
    const controls = new Controls({ ...DEFAULT_OPTIONS, latency: null, chunkRowsFirst: 5, chunkRowsMax: 5, copyWorkers: 1 });
    const doing: Promise<unknown>[] = [];
    const alter = async (): Promise<void> => {
      await database.application.run(`ALTER TYPE kind ${altered}`);
      controls.unpause('operator');
    };
    const observer = (event: MigrationEvent): void => {
      if (event.kind !== 'chunk-copied' || doing.length > 0) return;
      controls.pause('operator', 'the type is altered');
      doing.push(alter());
    };
    const request = {
      url: database.url,
      strategy: 'shadow',
      alter: 'ALTER TABLE public.t ADD b int',
      observer,
      controls,
    } as const;
    const ending = await migrate(request).then(() => 'swapped', endingOf);
    await Promise.all(doing);
    expect(ending).toMatch(/^SOURCE_CHANGED: The table public\.t has changed\. Somebody has .* what it is made of: .*22P02/);
  });

  test.each([
    ['gets another value', "ADD VALUE 'ok' BEFORE 'sad'", /^swapped$/],
    ['gets another name for one', "RENAME VALUE 'sad' TO 'low'", /^SOURCE_CHANGED: Somebody has renamed “sad”, .*public\.t/],
  ])('an enum whose column becomes text %s once its rows were compared', async (_, altered, expected) => {
    await using database = await ownDatabase(
      server,
      "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN moods AS mood[]; CREATE TABLE t (id int PRIMARY KEY, a moods)",
      "INSERT INTO t VALUES (1, '{glad}'), (2, '{sad}')",
    );
    const { ending } = await migrateDuring(database, {
      clauses: 'ALTER a TYPE text',
      at: 'await-cutover',
      during: (application) => application.run(`ALTER TYPE mood ${altered}`),
    });
    expect(ending).toMatch(expected);
  });

  test.each([
    ['renamed', 'ALTER TABLE t RENAME TO u', 'u', 'ALTER TABLE u RENAME TO t'],
    ['moved', 'CREATE SCHEMA s; ALTER TABLE t SET SCHEMA s', 's.t', 'ALTER TABLE s.t SET SCHEMA public'],
  ])('a write while it is %s, and back again, stops the migration', async (_, away, name, back) => {
    await using database = await ownDatabase(server, ...plain);
    const { ending, plan } = await migrateDuring(database, {
      at: 'await-cutover',
      during: async (application) => {
        await application.run(away);
        await application.run(`UPDATE ${name} SET a = -1 WHERE id = 3`);
        await application.run(back);
      },
    });
    expect(ending).toMatch(/^SOURCE_CHANGED: /);
    await cleanUp({ url: database.url, id: plan.id, isNow: true });
  });

  test.each([
    [
      'a materialized view',
      'CREATE MATERIALIZED VIEW v AS SELECT a FROM t',
      'DROP MATERIALIZED VIEW v',
      /public\.t is used by materialized view public\.v,/,
    ],
    [
      'a foreign key to it from a partitioned table',
      'CREATE TABLE c (x int REFERENCES t) PARTITION BY LIST (x)',
      'DROP TABLE c',
      /foreign key c_x_fkey of public\.c belongs to a partitioned table/,
    ],
    [
      'a function that returns a row, and that a view uses',
      "CREATE FUNCTION f() RETURNS t LANGUAGE sql AS 'SELECT NULL::t'; CREATE VIEW v AS SELECT f() IS NULL AS x",
      'DROP FUNCTION f() CASCADE',
      /is used by function public\.f\(\), .* it is used by view public\.v/,
    ],
    ['a column of its type', 'CREATE TABLE c (x t)', 'DROP TABLE c', /is used by .*table public\.c,/],
    [
      'a view with the name of a key that the ALTER adds',
      'CREATE VIEW t_a_key AS SELECT 1',
      'DROP VIEW t_a_key',
      /would have t_a_key,/,
    ],
  ])('%s that is made meanwhile keeps the swap away until it is gone', async (_, make, drop, blocker) => {
    await using database = await ownDatabase(server, ...plain);
    const clauses = 'ADD b int DEFAULT 7, ADD UNIQUE (a)';
    const { ending, events } = await migrateDuring(database, { clauses, during: (application) => application.run(make) });
    expect(ending).toMatch(/^CUTOVER_NOT_LOCKED: /);
    expect(events.findLast((event) => event.kind === 'cutover-failed')?.blockers).toEqual([expect.stringMatching(blocker)]);
    await database.application.run(`${drop}; UPDATE t SET a = 0 WHERE id = 2`);
    await resumeMigration({ url: database.url });
    expect(await database.application.run('SELECT id, a, b FROM t WHERE id < 3 ORDER BY id')).toEqual([
      { id: '1', a: '1', b: '7' },
      { id: '2', a: '0', b: '7' },
    ]);
  });

  test.each(['NOTHING', 'FULL', 'USING INDEX other'])(
    'replica identity %s for a while stops the migration, and the server takes no change that would go unnoticed',
    async (identity) => {
      await using database = await ownDatabase(server, ...plain, 'CREATE UNIQUE INDEX other ON t (a)');
      const { ending } = await migrateDuring(database, {
        at: 'await-cutover',
        during: async (application) => {
          await application.run(`ALTER TABLE t REPLICA IDENTITY ${identity}`);
          await expect(application.run('UPDATE t SET a = -1 WHERE id = 1')).rejects.toThrow(/^cannot update table "t"/);
          await expect(application.run('DELETE FROM t WHERE id = 2')).rejects.toThrow(/^cannot delete from table "t"/);
          await application.run('INSERT INTO t VALUES (0, 0)');
          await application.run('ALTER TABLE t REPLICA IDENTITY DEFAULT');
          await application.run('UPDATE t SET a = -3 WHERE id = 3');
        },
      });
      expect(ending).toMatch(/^SOURCE_CHANGED: /);
      expect((await rowsOf(database.application)).slice(0, 16)).toBe('0:0 1:1 2:2 3:-3');
    },
  );

  test('all rows are converted as it was planned, whatever the database sets for sessions that come later, those of a resume included', async () => {
    const values = "'2026-06-01 00:00', '03/04/2026', 1";
    await using database = await ownDatabase(
      server,
      "CREATE TABLE t (id int PRIMARY KEY, at timestamp, day text, a int CHECK (now() > '2020-01-01 00:00'::timestamptz))",
      `INSERT INTO t VALUES (1, ${values}), (2, ${values}), (3, ${values})`,
    );
    const { ending } = await migrateDuring(database, {
      clauses: 'ALTER at TYPE timestamptz, ALTER day TYPE date USING day::date',
      at: 'await-cutover',
      during: async (application) => {
        const own =
          'ALTER DATABASE %1$I SET timezone = Tokyo; ALTER DATABASE %1$I SET datestyle = DMY; ALTER DATABASE %1$I SET quote_all_identifiers = on';
        await application.run(
          `DO $$ BEGIN EXECUTE format('${own.replace('Tokyo', '%2$L')}', current_database(), 'Asia/Tokyo'); END $$`,
        );
        await application.run(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tableshift%' AND datname = current_database()",
        );
        await application.run('UPDATE t SET a = 2 WHERE id = 2; CREATE MATERIALIZED VIEW v AS SELECT a FROM t');
      },
    });
    expect(ending).toMatch(/^CUTOVER_NOT_LOCKED: /);
    await database.application.run('DROP MATERIALIZED VIEW v; UPDATE t SET a = 3 WHERE id = 3');
    await resumeMigration({ url: database.url });
    const rows = 'SELECT a, extract(epoch FROM at)::int AS at, extract(month FROM day)::int AS month FROM t ORDER BY id';
    expect(await database.application.run(rows)).toEqual(['1', '2', '3'].map((a) => ({ a, at: '1780272000', month: '3' })));
  });

  test('the server does not let it become unlogged', async () => {
    await using database = await ownDatabase(server, ...plain);
    const { ending } = await migrateDuring(database, {
      during: (application) => expect(application.run('ALTER TABLE t SET UNLOGGED')).rejects.toThrow(/part of a publication/),
    });
    expect(ending).toBe('swapped');
  });

  test('a write that came by way of replication is not lost', async () => {
    await using database = await ownDatabase(server, ...plain);
    const origin = `origin_${randomUUID().slice(0, 8)}`;
    await database.application.run(`SELECT pg_replication_origin_create('${origin}')`);
    const { ending } = await migrateDuring(database, {
      at: 'await-cutover',
      during: (application) =>
        application.run(
          `SET session_replication_role = replica; SELECT pg_replication_origin_session_setup('${origin}');
           UPDATE t SET a = -1 WHERE id = 3; DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (41, 41)`,
        ),
    });
    await database.application.run(`SELECT pg_replication_origin_session_reset(), pg_replication_origin_drop('${origin}')`);
    expect([ending, (await rowsOf(database.application)).slice(0, 19)]).toEqual(['swapped', '1:1 2:2 3:-1 5:5 6:']);
  });

  test.each([
    ['dropped', 'DROP PUBLICATION tableshift_ID'],
    ['changed', 'ALTER PUBLICATION tableshift_ID DROP TABLE t'],
    [
      'changed for a moment',
      'ALTER PUBLICATION tableshift_ID DROP TABLE t; UPDATE t SET a = -1 WHERE id = 3; ALTER PUBLICATION tableshift_ID ADD TABLE t (id)',
    ],
    ['made to publish less', "ALTER PUBLICATION tableshift_ID SET (publish = 'insert')"],
  ])('the publication that the changes come by is not %s without a stop', async (_, statement) => {
    await using database = await ownDatabase(server, ...plain);
    const { ending } = await migrateDuring(database, {
      at: 'await-cutover',
      during: async (application) => {
        const [row] = await application.run("SELECT pubname FROM pg_publication WHERE pubname LIKE 'tableshift%'");
        const statements = statement.replaceAll('tableshift_ID', row?.['pubname'] ?? '').split('; ');
        for (const one of statements) await application.run(one);
        await application.run('UPDATE t SET a = -2 WHERE id = 5');
      },
    });
    expect(ending).not.toBe('swapped');
  });

  test.each([
    ['dropping an index', 'DROP INDEX %I.i'],
    ['giving a column another default', 'ALTER TABLE %I.t ALTER a SET DEFAULT 5'],
    ['adding a CHECK', 'ALTER TABLE %I.t ADD CHECK (a > 0)'],
  ])('%s of its finished shadow stops the migration', async (_, statement) => {
    await using database = await ownDatabase(server, ...plain, 'CREATE UNIQUE INDEX i ON t (a)');
    const schema = "(SELECT nspname FROM pg_namespace WHERE nspname ~ '^tableshift_t')";
    const { ending, plan } = await migrateDuring(database, {
      at: 'await-cutover',
      during: (application) => application.run(`DO $$ BEGIN EXECUTE format('${statement}', ${schema}); END $$`),
    });
    expect(ending).toMatch(
      /^SHADOW_CHANGED: Somebody has altered tableshift_\w+\.t, the shadow of public\.t, since it was finished/,
    );
    await cleanUp({ url: database.url, id: plan.id, isNow: true });
  });

  test.each([
    ['adding NOT NULL to its shadow', 'ALTER TABLE %1$I.t ALTER b SET NOT NULL'],
    ['dropping a unique index of its shadow', 'DROP INDEX %1$I.i'],
    ['giving a column of its shadow another type', 'ALTER TABLE %1$I.t ALTER a TYPE bytea USING NULL'],
    ['adding a CHECK to its shadow', 'ALTER TABLE %1$I.t ADD CHECK (a < 30) NOT VALID'],
    ['adding a rule to its shadow', 'CREATE RULE r AS ON INSERT TO %1$I.t DO INSTEAD NOTHING'],
    ['putting a view in place of its shadow', 'ALTER TABLE %1$I.t RENAME TO x; CREATE VIEW %1$I.t AS SELECT * FROM %1$I.x'],
  ])('%s while rows are copied stops the migration', async (_, statements) => {
    await using database = await ownDatabase(server, ...plain, 'CREATE UNIQUE INDEX i ON t (a)');
    const schema = "(SELECT nspname FROM pg_namespace WHERE nspname ~ '^tableshift_t')";
    const { ending } = await migrateDuring(database, {
      during: (application) => application.run(`DO $$ BEGIN EXECUTE format('${statements}', ${schema}); END $$`),
    });
    expect(ending).toMatch(/^SHADOW_CHANGED: .*omebody.* has .* Give migration \w+ up and start anew/);
  });

  test.each([
    ['that is dropped', "'SELECT -$1'", 'DROP FUNCTION f(int)', 'CREATE', /function public\.f\(integer\) does not exist/],
    [
      'whose table is renamed',
      "'SELECT max(-$1) FROM g'",
      'ALTER TABLE g RENAME TO h',
      'ALTER TABLE h RENAME TO g',
      /relation "g" does not exist/,
    ],
    [
      'whose column is renamed',
      "'SELECT max(x - $1) FROM g'",
      'ALTER TABLE g RENAME x TO y',
      'ALTER TABLE g RENAME y TO x',
      /column "x" does not exist/,
    ],
  ])('a function of USING %s stops the migration, and a resume goes on when it is there again', async (...row) => {
    const [, body, away, back, says] = row;
    const make = `CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS ${body}`;
    await using database = await ownDatabase(server, ...plain, 'CREATE TABLE g (x int); INSERT INTO g VALUES (0)', make);
    const { ending } = await migrateDuring(database, {
      clauses: 'ALTER a TYPE int USING f(a)',
      during: (application) => application.run(`${away}; UPDATE t SET a = a + 100`),
    });
    expect(ending).toMatch(/^OBJECT_NEEDED: /);
    expect(ending).toMatch(says);
    await database.application.run(back === 'CREATE' ? make : back);
    await resumeMigration({ url: database.url });
    expect(await database.application.run('SELECT min(a), max(a), count(*) FROM t')).toEqual([
      { min: '-140', max: '-101', count: '40' },
    ]);
  });

  test('emptying its shadow once the rows were compared stops the migration, and computing it anew does no harm', async () => {
    await using database = await ownDatabase(server, ...plain);
    const shadow = "(SELECT nspname FROM pg_namespace WHERE nspname ~ '^tableshift_t')";
    const onShadow = (statement: string) => async (application: PostgresApplication) => {
      const [row] = await application.run(`SELECT format('${statement} %I.t', ${shadow}) AS sql`);
      await application.run(row?.['sql'] ?? '');
    };
    const emptied = await migrateDuring(database, { at: 'await-cutover', during: onShadow('TRUNCATE') });
    expect(emptied.ending).toMatch(/^SHADOW_CHANGED: Somebody has emptied the shadow of public\.t, /);
    await cleanUp({ url: database.url, id: emptied.plan.id, isNow: true });
    const computed = await migrateDuring(database, { at: 'await-cutover', during: onShadow('VACUUM FULL') });
    expect(computed.ending).toBe('swapped');
    expect(await database.application.run('SELECT count(*) FROM t')).toEqual([{ count: '40' }]);
  });

  test.each(['VACUUM FULL t', 'CLUSTER t', 'ANALYZE t', 'REINDEX TABLE t'])('%s does no harm', async (statement) => {
    // Of the last column the server keeps no value in the rows until it writes them again.
    await using database = await ownDatabase(
      server,
      ...plain,
      'ALTER TABLE t CLUSTER ON t_pkey, ADD added int NOT NULL DEFAULT 5',
    );
    const { ending } = await migrateDuring(database, {
      at: 'await-cutover',
      during: async (application) => {
        await application.run('UPDATE t SET a = -1 WHERE id = 3');
        await application.run(statement);
        await application.run('UPDATE t SET a = -2 WHERE id = 5');
      },
    });
    expect([ending, (await rowsOf(database.application)).slice(0, 21)]).toEqual(['swapped', '1:1 2:2 3:-1 4:4 5:-2']);
  });

  test('computing a column anew that has a default stops the migration, at whatever time', async () => {
    await using database = await ownDatabase(server, ...plain, 'ALTER TABLE t ADD added int NOT NULL DEFAULT 5');
    const { ending, plan } = await migrateDuring(database, {
      at: 'await-cutover',
      during: (application) => application.run('ALTER TABLE t ALTER added TYPE int USING id'),
    });
    expect(ending).toMatch(/^SOURCE_CHANGED: Somebody has rewritten the rows of public\.t with an ALTER TABLE/);
    await cleanUp({ url: database.url, id: plan.id, isNow: true });
  });

  test('a role that is no superuser, but a member of the owner, is enough to carry everything over', async () => {
    const [tool, owner, reader] = ['tool', 'owner', 'reader'].map((name) => `${name}_${randomUUID().slice(0, 8)}`);
    await using database = await ownDatabase(
      server,
      `CREATE ROLE ${owner}; CREATE ROLE ${reader}; CREATE ROLE ${tool} LOGIN REPLICATION IN ROLE ${owner}`,
      `GRANT CREATE, USAGE ON SCHEMA public TO ${owner}, ${tool}`,
      'CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL, s serial); INSERT INTO t (a) VALUES (1), (2)',
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE STATISTICS st ON a, s FROM t",
      `CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f(); CREATE POLICY p ON t TO ${reader} USING (a > 1)`,
      'ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE INDEX i ON t (a); CREATE PUBLICATION pub FOR TABLE t (id, a)',
      `ALTER TABLE t OWNER TO ${owner}; ALTER STATISTICS st OWNER TO ${owner}; GRANT SELECT ON t TO ${reader}`,
      `DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO ${tool}', current_database()); END $$; ALTER PUBLICATION pub OWNER TO ${tool}`,
    );
    try {
      const before = await inventoryOf(database.application, 'public', 't');
      const url = new URL(database.url);
      url.username = tool ?? '';
      await migrate({ url: url.href, strategy: 'shadow', alter: 'ALTER TABLE public.t ADD b int' });
      const after = await inventoryOf(database.application, 'public', 't');
      expect(inventoryChanges(before, after)).toEqual({ columns: ['+ b | integer | f | - |  |  | p |  | -1'] });
    } finally {
      await database.application.run(
        `DROP OWNED BY ${tool}, ${owner}, ${reader} CASCADE; DROP ROLE ${tool}, ${owner}, ${reader}`,
      );
    }
  });
});

// By itself, for every slot that is created on the server waits for a prepared transaction.
describe.each(testedPostgres)('while a table is migrated on %s alone', (server) => {
  test('a prepared transaction that holds it keeps the swap away until it is decided, and what it wrote is not lost', async () => {
    await using database = await ownDatabase(server, ...plain);
    const id = `held_${randomUUID().slice(0, 8)}`;
    const { ending } = await migrateDuring(database, {
      at: 'await-cutover',
      during: (application) => application.run(`BEGIN; UPDATE t SET a = -1 WHERE id = 1; PREPARE TRANSACTION '${id}'`),
    });
    // Nothing could be dropped as long as it is there.
    await database.application.run(`COMMIT PREPARED '${id}'`);
    expect(ending).toMatch(new RegExp(`^CUTOVER_NOT_LOCKED: .*${id}`));
    await resumeMigration({ url: database.url });
    expect((await rowsOf(database.application)).slice(0, 8)).toBe('1:-1 2:2');
  });
});
