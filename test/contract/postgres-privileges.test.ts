/** What a PostgreSQL role that is no superuser may lack, told before anything is changed; and what becomes of a run that lacks it later. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { type MigrationResult, runMigration } from '../../src/engine/migration.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import type { Plan } from '../../src/engine/model.ts';
import { openDatabase, type PostgresDatabase } from '../../src/postgres/database.ts';
import { findObstacles } from '../../src/postgres/obstacles.ts';
import { systemClock } from '../../src/sessions/system-clock.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresApplication,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { planPostgres } from '../support/postgres-plan.ts';
import { sharedServer } from '../support/shared-servers.ts';

const login = { defaultsFile: null, password: null, home: null, environment: {} };

describe.each([15, 18] as const)('a role that is no superuser on PostgreSQL %i', (version) => {
  const own = `own_${randomUUID().slice(0, 8)}`;
  const role = `role_${own}`;
  const urlOf = (user: string, database: string): string => {
    const url = new URL(sharedServer(`postgres-${version}`));
    url.username = user;
    url.pathname = `/${database}`;
    return url.href;
  };
  let server: PostgresApplication;
  beforeAll(async () => {
    server = await openPostgresApplication(urlOf('postgres', 'postgres'));
    for (const statement of [
      `CREATE DATABASE ${own} STRATEGY file_copy`,
      `CREATE ROLE ${role} LOGIN REPLICATION`,
      `REVOKE ALL ON DATABASE ${own} FROM PUBLIC; GRANT CONNECT, CREATE, TEMPORARY ON DATABASE ${own} TO ${role}`,
    ]) {
      await server.run(statement);
    }
  });
  afterAll(async () => {
    await server.run(`DROP DATABASE ${own} WITH (FORCE)`);
    await server.run(`DROP ROLE ${role}`);
    await server[Symbol.asyncDispose]();
  });

  /** Made by a superuser in a schema that the role owns. */
  const withStatements = async (...statements: readonly string[]): Promise<PostgresSchema> => {
    const schema = await createPostgresSchema(urlOf('postgres', own));
    await schema.application.run(`ALTER SCHEMA ${schema.name} OWNER TO ${role}; SET search_path = ${schema.name}`);
    for (const statement of statements) {
      await schema.application.run(statement.replaceAll('FAR', `far_${schema.name}`).replaceAll('ROLE_NAME', role));
    }
    return schema;
  };

  const lacksOf = async (schema: PostgresSchema, clauses: string): Promise<readonly string[]> => {
    await using other = await openPostgres(urlOf(role, own));
    const plan = await planPostgres({ server: other, schema, clauses });
    expect(plan.notes).toContainEqual(expect.stringContaining(`GRANT pg_monitor TO ${role};`));
    const obstacles = await findObstacles(other, [plan], never);
    expect(obstacles.filter(({ code }) => code !== 'MISSING_PRIVILEGE')).toEqual([]);
    const shown = (message: string): string => message.replaceAll(role, 'ROLE').replaceAll(schema.name, 'S');
    return obstacles.map(({ message }) => shown(message)).toSorted();
  };

  test('lacks schemas that triggers, policies, columns, foreign keys and statistics are in, and what only superusers give to functions', async () => {
    await using schema = await withStatements(
      "CREATE SCHEMA FAR; CREATE TYPE FAR.mood AS ENUM ('ok'); CREATE TABLE FAR.p (id int PRIMARY KEY); GRANT ALL ON FAR.p TO ROLE_NAME",
      "CREATE FUNCTION FAR.log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
      "CREATE FUNCTION FAR.uid() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'",
      "CREATE TABLE t (id int PRIMARY KEY, v int REFERENCES FAR.p, m FAR.mood); INSERT INTO t VALUES (1, NULL, 'ok')",
      'CREATE TRIGGER logged BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION FAR.log(); CREATE POLICY seen ON t USING (v = FAR.uid())',
      'CREATE FUNCTION total() RETURNS bigint LANGUAGE sql LEAKPROOF SET log_min_duration_statement = 0 BEGIN ATOMIC SELECT sum(v) FROM t; END',
      "CREATE FUNCTION shown(t) RETURNS int LANGUAGE sql SET log_min_duration_statement = 0 AS 'SELECT $1.v'",
      'CREATE STATISTICS FAR.st ON id, v FROM t; ALTER STATISTICS FAR.st OWNER TO ROLE_NAME',
      'ALTER TABLE t OWNER TO ROLE_NAME; ALTER FUNCTION total OWNER TO ROLE_NAME; ALTER FUNCTION shown OWNER TO ROLE_NAME',
    );
    expect(await lacksOf(schema, 'ADD b int')).toEqual([
      'The role ROLE is no superuser, which replacing a LEAKPROOF function takes: function S.total().',
      'The role ROLE lacks the privilege CREATE on the schema far_S, in which the statistics st on S.t are.',
      'The role ROLE lacks the privilege SET on the parameter log_min_duration_statement, which making the function S.shown(S.t) again takes.',
      'The role ROLE lacks the privilege SET on the parameter log_min_duration_statement, which replacing what sets it takes: function S.total().',
      'The role ROLE lacks the privilege USAGE on the schema far_S of far_S.p, to which refers S.t (t_v_fkey).',
      'The role ROLE lacks the privilege USAGE on the schema far_S, in which the statistics st on S.t are.',
      'The role ROLE lacks the privilege USAGE on the schema far_S, which the column m of table S.t names.',
      'The role ROLE lacks the privilege USAGE on the schema far_S, which the policy seen on table S.t names.',
      'The role ROLE lacks the privilege USAGE on the schema far_S, which the trigger logged on table S.t names.',
    ]);
    await schema.application.run(`DROP SCHEMA far_${schema.name} CASCADE`);
  });

  test('lacks TEMPORARY on the database', async () => {
    await using schema = await withStatements('CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO ROLE_NAME');
    await server.run(`REVOKE TEMPORARY ON DATABASE ${own} FROM ${role}`);
    try {
      expect(await lacksOf(schema, 'ADD b int')).toEqual([
        `The role ROLE lacks the privilege TEMPORARY on the database ${own}.`,
      ]);
    } finally {
      await server.run(`GRANT TEMPORARY ON DATABASE ${own} TO ${role}`);
    }
  });

  // Before 16 every member may.
  test.each(version < 16 ? [] : ['SET FALSE'])(
    'lacks the way to give the table, its statistics and its functions to an owner that it is a member of WITH %s',
    async (how) => {
      await using schema = await withStatements(
        `CREATE ROLE owner_${own}; GRANT owner_${own} TO ROLE_NAME WITH INHERIT TRUE, ${how}`,
        'CREATE TABLE t (id int PRIMARY KEY, v int); CREATE STATISTICS st ON id, v FROM t',
        "CREATE FUNCTION shown(t) RETURNS int LANGUAGE sql AS 'SELECT $1.v'",
      );
      const { application, name } = schema;
      try {
        await application.run(
          `GRANT CREATE, USAGE ON SCHEMA ${name} TO owner_${own}; ALTER TABLE t OWNER TO owner_${own}; ALTER STATISTICS st OWNER TO owner_${own};
         ALTER FUNCTION shown OWNER TO owner_${own}`,
        );
        expect(await lacksOf(schema, 'ADD b int')).toEqual([
          `The role ROLE is a member of owner_${own}, but may not SET ROLE to it, which giving it the new table of S.t takes.`,
          `The role ROLE may not SET ROLE owner_${own}, which giving it the statistics st on S.t takes.`,
          `The role ROLE may not SET ROLE owner_${own}, which making the function S.shown(S.t) again takes.`,
        ]);
      } finally {
        await application.run(`DROP OWNED BY owner_${own} CASCADE; DROP ROLE owner_${own}`);
      }
    },
  );

  test('is told what it lacks when its migration has begun, and goes on with that when it is granted', async () => {
    await using schema = await withStatements(
      'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10); ALTER TABLE t OWNER TO ROLE_NAME',
    );
    await using database = await openDatabase(urlOf(role, own), login, never);
    const plan = await planned(database, schema);
    const run = (purpose: 'start' | 'resume'): Promise<MigrationResult> => runPlanned(database, plan, purpose);
    const failure = `permission denied for table t (SQLSTATE 42501)`;
    const { application, name } = schema;
    await application.run(`REVOKE SELECT ON ${name}.t FROM ${role}`);
    await expect(run('start')).rejects.toMatchObject({
      code: 'PRIVILEGE_NEEDED',
      message: expect.stringContaining(failure),
      ...{ exitCode: 1, isResumable: true },
    });
    await application.run(`GRANT SELECT ON ${name}.t TO ${role}`);
    expect(await run('resume')).toMatchObject({ rowsVerified: 10 });
    await application.run(`DROP SCHEMA ${plan.retired.schema} CASCADE`);
  });

  test('changes a table as itself where it is another role by default, which may not see its sessions nor replicate', async () => {
    const [owner, other] = [`owner_${own}`, `other_${own}`];
    await using schema = await withStatements(
      `CREATE ROLE ${owner}; CREATE ROLE ${other}; GRANT ${owner}, ${other} TO ROLE_NAME; ALTER ROLE ROLE_NAME SET role = ${owner}`,
      'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)',
    );
    const { application, name } = schema;
    await application.run(`GRANT CREATE, USAGE ON SCHEMA ${name} TO ${owner}; GRANT USAGE ON SCHEMA ${name} TO ${other}`);
    await application.run(`ALTER TABLE t OWNER TO ${owner}; GRANT SELECT ON t TO ${other} WITH GRANT OPTION`);
    await application.run(`SET ROLE ${other}; GRANT SELECT ON t TO PUBLIC; RESET ROLE`);
    const table = `SELECT pg_get_userbyid(relowner) AS owner, relacl FROM pg_class WHERE oid = 't'::regclass`;
    try {
      const before = await application.run(table);
      await using database = await openDatabase(urlOf(role, own), login, never);
      const plan = await planned(database, schema);
      expect(await runPlanned(database, plan, 'start')).toMatchObject({ rowsVerified: 10 });
      expect(await application.run(table)).toEqual(before);
      await application.run(`DROP SCHEMA ${plan.retired.schema} CASCADE`);
    } finally {
      await application.run(
        `ALTER ROLE ${role} RESET role; DROP OWNED BY ${owner}, ${other} CASCADE; DROP ROLE ${owner}, ${other}`,
      );
    }
  });
});

/** Changes the type of the key of `t`. */
async function planned(database: PostgresDatabase, schema: PostgresSchema): Promise<Plan> {
  const options = { deferIndexes: 'auto', key: null } as const;
  const table = { schema: schema.name, table: 't' };
  const plan = await database.plan({ table, clauses: 'ALTER id TYPE bigint', options }, never);
  expect(await database.findObstacles(plan, never)).toEqual([]);
  return plan;
}

async function runPlanned(database: PostgresDatabase, plan: Plan, purpose: 'start' | 'resume'): Promise<MigrationResult> {
  await using claim = await database.claim(plan, purpose, never);
  const controls = new Controls({ ...DEFAULT_OPTIONS, latency: null });
  return await runMigration({ plan, claim, clock: systemClock, controls, signals: [], observer: () => undefined }, never);
}
