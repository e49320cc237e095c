/** Every reason to refuse a migration on PostgreSQL, one at a time. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordMigration, recordState } from '../../src/postgres/bookkeeping.ts';
import { takeClaim } from '../../src/postgres/claim.ts';
import { findMigrations } from '../../src/postgres/bookkeeping.ts';
import { createNativeClaims } from '../../src/postgres/native-claim.ts';
import { findObstacles, surroundingObstacles } from '../../src/postgres/obstacles.ts';
import { ReplicationConnection } from '../../src/postgres/replication-connection.ts';
import type { Server } from '../../src/postgres/server.ts';
import {
  createPostgresSchema,
  postgresSchemaWith,
  never,
  openPostgres,
  openPostgresApplication,
  openPostgresWithBookkeeping,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { planPostgres, postgresRefusal, shownObstacles } from '../support/postgres-plan.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';

type Found = readonly (readonly [string, string])[];

async function obstaclesOf(server: Server, schema: PostgresSchema, clauses = 'ADD b int'): Promise<Found> {
  const plan = await planPostgres({ server, schema, clauses });
  return shownObstacles(await findObstacles(server, [plan], never));
}

const versions = [15, 18] as const;

describe.each(versions)('obstacles on PostgreSQL %s', (version) => {
  const url = sharedServer(`postgres-${version}`);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgresWithBookkeeping(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const withStatements = (...statements: readonly string[]): Promise<PostgresSchema> => postgresSchemaWith(url, ...statements);
  const plain = 'CREATE TABLE t (id serial PRIMARY KEY, a int, b2 text UNIQUE)';

  test('there are none for a plain table, with triggers, policies, rules, views, reading functions and publications', async () => {
    await using schema = await withStatements(
      plain,
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
      'CREATE TRIGGER g BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION f()',
      'CREATE POLICY p ON t USING (a > 1); CREATE STATISTICS s ON id, a FROM t; CREATE PUBLICATION SCHEMA_NAME_p FOR TABLE t (id)',
      'CREATE VIEW v AS SELECT id, count(a) FROM t GROUP BY t.id; CREATE MATERIALIZED VIEW m AS SELECT * FROM v; CREATE RULE r AS ON DELETE TO t DO ALSO NOTHING',
      'CREATE FUNCTION h() RETURNS int LANGUAGE sql RETURN (SELECT max(a) FROM t)',
    );
    expect(await obstaclesOf(server, schema)).toEqual([]);
    await schema.application.run(`DROP PUBLICATION ${schema.name}_p`);
  });

  test.each<[string, string, string, RegExp]>([
    ['a partitioned table', 'CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id)', 'PARTITIONS', /is partitioned/],
    ['an unlogged table', 'CREATE UNLOGGED TABLE t (id int PRIMARY KEY)', 'UNSUPPORTED_TABLE', /is unlogged/],
    [
      'a table that others inherit from',
      'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE c () INHERITS (t)',
      'UNSUPPORTED_TABLE',
      /inherits/,
    ],
    ['a typed table', 'CREATE TYPE y AS (id int); CREATE TABLE t OF y (PRIMARY KEY (id))', 'UNSUPPORTED_TABLE', /typed/],
    ['a view', 'CREATE VIEW t AS SELECT 1 AS id', 'TABLE_NOT_FOUND', /does not exist or is not a table/],
  ])('%s cannot be planned', async (_, statement, code, message) => {
    await using schema = await withStatements(statement);
    expect(await postgresRefusal({ server, schema, clauses: 'ADD b int' })).toEqual([[code, expect.stringMatching(message)]]);
  });

  test('an index that was left half-built cannot be planned with', async () => {
    await using schema = await withStatements(
      'CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 1), (2, 1)',
    );
    await expect(schema.application.run('CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)')).rejects.toThrow(
      /could not create unique index/,
    );
    expect(await postgresRefusal({ server, schema, clauses: 'ADD b int' })).toEqual([
      ['INVALID_INDEX', `The index i of ${schema.name}.t is not valid.`],
    ]);
  });

  test.each<[string, string, string, RegExp]>([
    [
      'a foreign key to the table from a partitioned one',
      'CREATE TABLE c (x int REFERENCES t) PARTITION BY LIST (x)',
      'FOREIGN_KEYS',
      /c_x_fkey .* belongs to a partitioned table/,
    ],
    [
      'a foreign key to the table from a partition',
      'CREATE TABLE c (x int) PARTITION BY LIST (x); CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1); ALTER TABLE c1 ADD FOREIGN KEY (x) REFERENCES t',
      'FOREIGN_KEYS',
      /c1_x_fkey .* belongs to a partitioned table, a partition/,
    ],
    [
      'a foreign key that is switched off',
      'CREATE TABLE p (id int PRIMARY KEY); ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p; ALTER TABLE t DISABLE TRIGGER ALL',
      'FOREIGN_KEYS',
      /t_a_fkey .* switched off/,
    ],
    [
      'a materialized view',
      'CREATE MATERIALIZED VIEW v AS SELECT a FROM t',
      'DEPENDENT_OBJECTS',
      /used by materialized view .*v,/,
    ],
    ['a temporary view', 'CREATE TEMP VIEW v AS SELECT a FROM t', 'DEPENDENT_OBJECTS', /used by view pg_temp_\d+\.v,/],
    [
      'a view with a column of its row type',
      'CREATE VIEW v AS SELECT t AS one FROM t',
      'DEPENDENT_OBJECTS',
      /used by view .*v, which would stay with the old table: it uses the type of the table's rows/,
    ],
    [
      'a function that returns its rows, whose body the server has read',
      'CREATE FUNCTION f() RETURNS SETOF t LANGUAGE sql BEGIN ATOMIC SELECT * FROM t; END',
      'DEPENDENT_OBJECTS',
      /used by function .*f\(\), .* body \(BEGIN ATOMIC\)/,
    ],
    [
      'a function that returns a row, and that an index uses',
      "CREATE TABLE u (x int); CREATE FUNCTION f(int) RETURNS t IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE INDEX i ON u ((f(x) IS NULL))",
      'DEPENDENT_OBJECTS',
      /used by function .*f\(integer\), which would stay with the old table: it is used by index .*i/,
    ],
    [
      'a function with a row of it as a default',
      "CREATE FUNCTION f(t DEFAULT NULL) RETURNS int LANGUAGE sql AS 'SELECT 1'",
      'DEPENDENT_OBJECTS',
      /used by function .*f\(.*t\), .*: a parameter has a default of that type/,
    ],
    [
      'an aggregate of its rows',
      "CREATE FUNCTION f(int, anyelement) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE AGGREGATE g(t) (SFUNC = f, STYPE = int)",
      'DEPENDENT_OBJECTS',
      /used by function .*g\(.*t\), .*: it is an aggregate/,
    ],
    [
      'a function that takes its rows and goes with an extension',
      "CREATE FUNCTION f(t[]) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; ALTER FUNCTION f DEPENDS ON EXTENSION plpgsql",
      'DEPENDENT_OBJECTS',
      /it goes with the extension plpgsql/,
    ],
    [
      'a function whose body writes it',
      'CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO t (a) VALUES (1); END',
      'DEPENDENT_OBJECTS',
      /function .*f\(\),/,
    ],
    [
      'a function whose body locks rows of it',
      'CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a FROM t FOR UPDATE; END',
      'DEPENDENT_OBJECTS',
      /function .*f\(\),/,
    ],
    [
      'a column of its row type',
      'CREATE TABLE u (x t)',
      'DEPENDENT_OBJECTS',
      /used by column x of table .*u|used by table .*u/,
    ],
    ['a column of an array of its row type', 'CREATE TABLE u (x t[])', 'DEPENDENT_OBJECTS', /u, which would stay/],
    [
      'a policy of another table',
      'CREATE TABLE u (x int); CREATE POLICY p ON u USING (x IN (SELECT a FROM t))',
      'DEPENDENT_OBJECTS',
      /policy p on table/,
    ],
    [
      'a constraint trigger of another table that looks at it',
      "CREATE TABLE u (x int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE CONSTRAINT TRIGGER g AFTER INSERT ON u FROM t FOR EACH ROW EXECUTE FUNCTION f()",
      'DEPENDENT_OBJECTS',
      /used by trigger g on table .*u,/,
    ],
    [
      'a default of another table that takes numbers of its identity column',
      "ALTER TABLE t ADD i int GENERATED ALWAYS AS IDENTITY; CREATE TABLE u (x int DEFAULT nextval('t_i_seq'))",
      'DEPENDENT_OBJECTS',
      /used by default value for column x of table .*u,/,
    ],
    [
      'an index that goes with an extension',
      'CREATE INDEX i ON t (a); ALTER INDEX i DEPENDS ON EXTENSION plpgsql',
      'UNSUPPORTED_TABLE',
      /i is tied to the extension plpgsql, which is not carried over/,
    ],
    [
      'a security label',
      "SET allow_system_table_mods = on; INSERT INTO pg_seclabel VALUES ('t'::regclass, 'pg_class'::regclass, 1, 'selinux', 'x')",
      'UNSUPPORTED_TABLE',
      /has a security label of selinux/,
    ],
    ['a name that the new index has', 'CREATE TABLE t_b_key (x int)', 'NAME_TAKEN', /would have t_b_key/],
  ])('%s is one', async (_, statement, code, message) => {
    await using schema = await withStatements(plain, statement);
    expect(await obstaclesOf(server, schema, 'ADD b int UNIQUE')).toEqual([[code, expect.stringMatching(message)]]);
  });

  test('an added column that no row could have a value for is one, unless there is no row', async () => {
    await using schema = await withStatements(plain, 'CREATE DOMAIN d AS int DEFAULT 3');
    const clauses = 'ADD b SCHEMA_NAME.d NOT NULL, ADD c serial, ADD "D e" int NOT NULL'.replace('SCHEMA_NAME', schema.name);
    expect(await obstaclesOf(server, schema, clauses)).toEqual([]);
    await schema.application.run('INSERT INTO t (a) VALUES (1)');
    expect(await obstaclesOf(server, schema, clauses)).toEqual([
      ['INVALID_ALTER', expect.stringMatching(/^D e is added to .*\.t as NOT NULL and without a DEFAULT/)],
    ]);
  });

  test('a policy and a trigger that name a column which goes away are obstacles', async () => {
    await using schema = await withStatements(
      plain,
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
      'CREATE TRIGGER g BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION f(); CREATE POLICY p ON t USING (a > 1)',
    );
    expect(await obstaclesOf(server, schema, 'DROP a')).toEqual([
      ['DEPENDENT_OBJECTS', expect.stringMatching(/^policy p .* names the column a, which the ALTER drops/)],
      ['DEPENDENT_OBJECTS', expect.stringMatching(/^trigger g .* names the column a, which the ALTER drops/)],
    ]);
    expect(await obstaclesOf(server, schema, 'RENAME a TO c')).toEqual([]);
  });

  test.each([
    ['pg_cast', 't', /is used by cast from .*, which would stay with the old table/],
    ['pg_conversion', 't_pkey', /is used by conversion .*, which would stay with the old table/],
  ])('what is not known is an obstacle: a %s that depends on %s', async (catalog, on, message) => {
    await using schema = await withStatements(plain, 'SET allow_system_table_mods = on');
    const { application } = schema;
    await application.run(
      `INSERT INTO pg_depend SELECT '${catalog}'::regclass, oid, 0, 'pg_class'::regclass, '${on}'::regclass, 0, 'n' FROM ${catalog} LIMIT 1`,
    );
    try {
      expect(await obstaclesOf(server, schema)).toEqual([['DEPENDENT_OBJECTS', expect.stringMatching(message)]]);
    } finally {
      // The server would not drop what it needs itself.
      await application.run(`DELETE FROM pg_depend WHERE classid = '${catalog}'::regclass AND refobjid = '${on}'::regclass`);
    }
  });

  test('they are found without a look at the constraints of another table, which somebody has locked', async () => {
    await using schema = await withStatements(plain, 'CREATE TABLE u (x int CHECK (x > 1))');
    await using other = await openPostgresApplication(url);
    await other.run(`BEGIN; LOCK TABLE ${schema.name}.u IN ACCESS EXCLUSIVE MODE`);
    expect(await obstaclesOf(server, schema)).toEqual([]);
    await other.run('ROLLBACK');
  });

  test('the sequence of a column that goes away must not be used elsewhere', async () => {
    await using schema = await withStatements(
      'CREATE TABLE t (id int PRIMARY KEY, s serial); CREATE TABLE u (x int)',
      "ALTER TABLE u ALTER x SET DEFAULT nextval('t_s_seq')",
    );
    expect(await obstaclesOf(server, schema, 'ADD b int')).toEqual([]);
    expect(await obstaclesOf(server, schema, 'DROP s')).toEqual([
      ['DEPENDENT_OBJECTS', expect.stringMatching(/used by default value for column x of table .*u, which would stay/)],
    ]);
  });

  test('expressions of policies, triggers and row filters over a column whose type or collation changes are obstacles', async () => {
    await using schema = await withStatements(
      'CREATE TABLE t (id int PRIMARY KEY, a int, c text)',
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
      'CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW WHEN (NEW.a > 1) EXECUTE FUNCTION f(); CREATE TRIGGER h AFTER UPDATE OF a ON t EXECUTE FUNCTION f()',
      "CREATE POLICY q ON t USING (c = 'x')",
      'CREATE POLICY p ON t USING (a > 1); CREATE PUBLICATION SCHEMA_NAME_p FOR TABLE t WHERE (id > 1); CREATE PUBLICATION SCHEMA_NAME_q FOR TABLE t (id, a)',
    );
    expect(await obstaclesOf(server, schema, 'ALTER a TYPE text, ALTER id TYPE bigint')).toEqual([
      ['DEPENDENT_OBJECTS', expect.stringMatching(/^policy p on table .* uses the column a, which gets another type/)],
      [
        'DEPENDENT_OBJECTS',
        expect.stringMatching(/^publication of table .* in publication .*_p has .* uses the column id, which gets/),
      ],
      ['DEPENDENT_OBJECTS', expect.stringMatching(/^trigger g on table .* uses the column a, which gets another type/)],
    ]);
    expect(await obstaclesOf(server, schema, 'ALTER c TYPE text COLLATE "C"')).toEqual([
      ['DEPENDENT_OBJECTS', expect.stringMatching(/^policy q on table .* uses the column c, which gets another type/)],
    ]);
    await schema.application.run(`DROP PUBLICATION ${schema.name}_p, ${schema.name}_q`);
  });

  test('an owner lacks what belongs to others: a publication, statistics, the function of a trigger', async () => {
    const role = `r_${randomUUID().slice(0, 8)}`;
    await using schema = await withStatements(
      `CREATE ROLE ${role} LOGIN REPLICATION; GRANT CREATE ON DATABASE postgres TO ${role}; GRANT CREATE, USAGE ON SCHEMA SCHEMA_NAME TO ${role}`,
      `GRANT USAGE ON SCHEMA tableshift TO ${role}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA tableshift TO ${role}`,
      "CREATE TABLE t (id int PRIMARY KEY, a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
      `CREATE TRIGGER g AFTER UPDATE ON t EXECUTE FUNCTION f(); REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC; CREATE STATISTICS st ON id, a FROM t`,
      `CREATE PUBLICATION SCHEMA_NAME_p FOR TABLE t; ALTER TABLE t OWNER TO ${role}`,
    );
    try {
      await using other = await openPostgres(url.replace(/\/\/[^@/]*@/, `//${role}@`));
      expect(await obstaclesOf(other, schema)).toEqual([
        [
          'MISSING_PRIVILEGE',
          `The role ${role} is not the owner of the publication ${schema.name}_p, which lists ${schema.name}.t.`,
        ],
        ['MISSING_PRIVILEGE', `The role ${role} is not the owner of the statistics st on ${schema.name}.t.`],
        [
          'MISSING_PRIVILEGE',
          `The role ${role} lacks the privilege EXECUTE on the function of the trigger g of ${schema.name}.t.`,
        ],
      ]);
    } finally {
      await schema.application.run(`DROP PUBLICATION ${schema.name}_p; DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
    }
  });

  test('a role that owns nothing lacks every privilege that is needed', async () => {
    await using schema = await withStatements(plain, 'ALTER TABLE t ENABLE ROW LEVEL SECURITY');
    const role = `r_${schema.name}`;
    await schema.application.run(
      `CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA ${schema.name} TO ${role}; GRANT SELECT ON t TO ${role}`,
    );
    try {
      const plan = await planPostgres({ server, schema, clauses: 'ADD b int' });
      await using other = await openPostgres(url.replace(/\/\/[^@/]*@/, `//${role}@`));
      const ofTable = [
        [
          'MISSING_PRIVILEGE',
          `The role ${role} is not the owner of ${schema.name}.t, nor a member of postgres that inherits its privileges.`,
        ],
        ['MISSING_PRIVILEGE', `The role ${role} lacks the privilege CREATE on the schema ${schema.name}.`],
        ['ROW_SECURITY', `Row security of ${schema.name}.t applies to the role ${role}.`],
      ];
      expect(shownObstacles(await findObstacles(other, [plan], never))).toEqual([
        ...ofTable,
        ['MISSING_PRIVILEGE', expect.stringMatching(/^An empty copy of .* cannot be made: permission denied for database/)],
        ['MISSING_PRIVILEGE', `The role ${role} lacks the attribute REPLICATION.`],
        ['MISSING_PRIVILEGE', `The role ${role} lacks the privilege CREATE on the database postgres.`],
      ]);
      await schema.application.run(
        `CREATE ROLE rds_replication; GRANT rds_replication TO ${role}; GRANT CREATE ON DATABASE postgres TO ${role}`,
      );
      const grants = `GRANT USAGE ON SCHEMA tableshift TO "${role}"; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA tableshift TO "${role}"`;
      const ofBookkeeping = `The role ${role} may not use the bookkeeping, which postgres has made: ${grants}.`;
      expect(shownObstacles(await findObstacles(other, [plan], never))).toEqual([
        ...ofTable,
        ['MISSING_PRIVILEGE', ofBookkeeping],
      ]);
      // The rows that it may not see are not asked for.
      const ofRole = await planPostgres({ server: other, schema, clauses: 'ADD b int NOT NULL' });
      expect(shownObstacles(await findObstacles(other, [ofRole], never))).toEqual([
        ...ofTable,
        ['MISSING_PRIVILEGE', ofBookkeeping],
      ]);
      await using session = await other.openSession({}, never);
      await expect(findMigrations(session, null, never)).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
        message: ofBookkeeping,
      });
      await schema.application.run(grants);
      expect(shownObstacles(await findObstacles(other, [plan], never))).toEqual(ofTable);
      await schema.application.run(`DROP ROLE rds_replication; ALTER ROLE ${role} REPLICATION`);
      expect(shownObstacles(await findObstacles(other, [plan], never))).toEqual(ofTable);
    } finally {
      await schema.application.run(`DROP ROLE IF EXISTS rds_replication; DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
    }
  });

  test('a role in whose sessions deferrable constraints are not checked is refused unless it may change that', async () => {
    await using schema = await withStatements(plain);
    const role = `r_${schema.name}`;
    const { application } = schema;
    await application.run(
      `CREATE ROLE ${role} LOGIN SUPERUSER; ALTER ROLE ${role} SET session_replication_role = replica; ALTER TABLE t OWNER TO ${role}`,
    );
    const messages = async (): Promise<readonly string[]> => {
      await using other = await openPostgres(url.replace(/\/\/[^@/]*@/, `//${role}@`));
      await using session = await other.openSession({}, never);
      return (await surroundingObstacles(session, 1, never)).map(({ message }) => message.split(':')[0] ?? '');
    };
    try {
      expect(await messages()).toEqual([]);
      await application.run(`ALTER ROLE ${role} NOSUPERUSER REPLICATION; GRANT CREATE ON DATABASE postgres TO ${role}`);
      expect(await messages()).toEqual([
        `The role ${role} has session_replication_role = replica, under which the server leaves deferrable constraints unchecked, and may not change it`,
      ]);
      await application.run(`GRANT SET ON PARAMETER session_replication_role TO ${role}`);
      expect(await messages()).toEqual([]);
    } finally {
      await application.run(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
    }
  });

  test('schemas by the names of the shadow and the retired table are obstacles', async () => {
    await using schema = await withStatements(plain);
    const { shadow, retired } = await planPostgres({ server, schema, clauses: 'ADD b int' });
    await schema.application.run(`CREATE SCHEMA ${shadow.schema}; CREATE SCHEMA ${retired.schema}`);
    try {
      expect((await obstaclesOf(server, schema)).toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual([
        ['RETIRED_EXISTS', `The schema ${retired.schema}, for the retired table, exists already.`],
        ['SHADOW_EXISTS', `The schema ${shadow.schema}, for the shadow, exists already.`],
      ]);
    } finally {
      await schema.application.run(`DROP SCHEMA ${shadow.schema}, ${retired.schema}`);
    }
  });

  test('another open migration of the table is an obstacle, and while it runs nothing else of it is', async () => {
    await using schema = await withStatements(plain);
    const plan = await planPostgres({ server, schema, clauses: 'ADD b int' });
    const other = { ...plan, id: `other${schema.name.slice(2)}` as typeof plan.id };
    await using session = await server.openSession({}, never);
    await recordMigration(session, other, never);
    try {
      expect(await obstaclesOf(server, schema)).toEqual([
        [
          'MIGRATION_OPEN',
          expect.stringMatching(new RegExp(`^Migration ${other.id} of ${schema.name}.t is unfinished since 2`)),
        ],
      ]);
      await using claim = await takeClaim(server, { table: plan.source, migration: other.id }, never);
      expect(claim.lost.aborted).toBe(false);
      await schema.application.run(`CREATE SCHEMA ${plan.shadow.schema}`);
      const running = `^Migration ${other.id} of ${schema.name}.t has the claim on it and runs, with process \\d+\\.$`;
      expect(await obstaclesOf(server, schema)).toEqual([['TABLE_IN_USE', expect.stringMatching(running)]]);
    } finally {
      await schema.application.run(`DROP SCHEMA IF EXISTS ${plan.shadow.schema}`);
      await recordState(session, other.id, { state: 'aborted', failure: null }, never);
    }
  });
});

describe.each(versions)('obstacles of a server with PostgreSQL %s', (version) => {
  test('its log, its slots, its senders, its publications and its prepared transactions', async () => {
    const flags = [
      '-c',
      'wal_level=replica',
      '-c',
      'max_replication_slots=0',
      '-c',
      'max_wal_senders=0',
      '-c',
      'max_prepared_transactions=2',
    ];
    await using running = await startServer({ flavour: 'postgres', version, extraFlags: flags });
    await using server = await openPostgres(running.url);
    await using schema = await createPostgresSchema(running.url);
    const { application } = schema;
    await application.run(
      `SET search_path = ${schema.name}; CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES`,
    );
    // What a subscription, and two billion transactions since the last VACUUM, leave in the catalog.
    await application.run(`INSERT INTO pg_subscription_rel VALUES (7, 't'::regclass, 'r', NULL);
      UPDATE pg_database SET datfrozenxid = (txid_current() - 2100000000 + 4294967296)::text::xid WHERE datname = current_database()`);
    await application.run("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'held'");
    await application.run("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'");
    await application.run('ALTER SYSTEM SET wal_level = logical');
    await application.run('SET synchronous_commit = local');
    await application.run('SELECT pg_reload_conf()');
    await using reader = await openPostgresApplication(running.url);
    await expect.poll(() => reader.run('SHOW synchronous_standby_names')).toEqual([{ synchronous_standby_names: 'ANY 1 (*)' }]);
    const old = "SELECT gid FROM pg_prepared_xacts WHERE clock_timestamp() - prepared > interval '2 s'";
    // As it will be a moment later where applications commit in two phases.
    const early = (await obstaclesOf(server, schema)).map(([code]) => code).includes('PREPARED_TRANSACTION');
    const isYoung = (await application.run(old)).length === 0;
    expect(early && isYoung).toBe(false);
    await expect.poll(() => application.run(old), { timeout: 10_000 }).toHaveLength(1);
    // What is held would keep the schema from being dropped.
    const found = await obstaclesOf(server, schema);
    await application.run("ROLLBACK PREPARED 'held'");
    expect(shownObstacles(await createNativeClaims(server).findObstacles(never))).toEqual([
      ['PUBLISHED_FOR_ALL', 'All tables are published, and so would the bookkeeping be: everything.'],
    ]);
    expect(found).toEqual([
      ['SYNCHRONOUS_STANDBY', 'synchronous_standby_names is ANY 1 (*), which means every reader of the log.'],
      ['WAL_LEVEL', 'wal_level is replica, and another value waits for the server to be restarted.'],
      ['NO_FREE_SLOT', 'All replication slots of the server are taken (max_replication_slots).'],
      ['NO_FREE_SLOT', 'All sender processes of the server are taken (max_wal_senders).'],
      ['PUBLISHED_FOR_ALL', 'All tables are published, and so would the shadow be: everything.'],
      ['WRAPAROUND_NEAR', expect.stringMatching(/^The database postgres has 474\d{5} transaction ids left\.$/)],
      ['SUBSCRIBED', `${schema.name}.t receives the changes of a subscription (7).`],
      ['PREPARED_TRANSACTION', `The prepared transaction held holds a lock on ${schema.name}.t.`],
    ]);
  });

  test('its sessions and senders that others have, of which it tells most roles little', async () => {
    const extraFlags = ['--max-connections=18', '--superuser-reserved-connections=3', '--max-wal-senders=1'];
    await using running = await startServer({ flavour: 'postgres', version, extraFlags });
    await using administrator = await openPostgresApplication(running.url);
    await administrator.run('CREATE ROLE app LOGIN REPLICATION CONNECTION LIMIT 9; GRANT CREATE ON DATABASE postgres TO app');
    await administrator.run('ALTER DATABASE postgres CONNECTION LIMIT 12');
    await using privileged = await openPostgres(running.url);
    await using sender = await ReplicationConnection.open(privileged.config, 'another', never);
    expect(sender.pid).toBeGreaterThan(0);
    await using server = await openPostgres(running.url.replace('postgres@', 'app@'));
    await using session = await server.openSession({}, never);
    expect(shownObstacles(await surroundingObstacles(session, 1, never))).toEqual([
      ['NO_FREE_SLOT', 'All sender processes of the server are taken (max_wal_senders).'],
      ['NO_FREE_SESSION', 'A run needs up to 15 sessions, and the server has 13 free (max_connections).'],
      ['NO_FREE_SESSION', 'A run needs up to 16 sessions, and the role app has 9 free (ALTER ROLE app CONNECTION LIMIT).'],
      [
        'NO_FREE_SESSION',
        'A run needs up to 16 sessions, and the database postgres has 9 free (ALTER DATABASE postgres CONNECTION LIMIT).',
      ],
    ]);
  });
});
