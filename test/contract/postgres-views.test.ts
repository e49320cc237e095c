/** Views, rules and functions over a PostgreSQL table while the table is swapped under them. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../../src/index.ts';
import { readOuterRelations } from '../../src/postgres/dependents.ts';
import { findObstacles } from '../../src/postgres/obstacles.ts';
import type { Server } from '../../src/postgres/server.ts';
import {
  postgresSchemaWith,
  never,
  openPostgres,
  openPostgresApplication,
  openPostgresWithBookkeeping,
  type PostgresApplication,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { claimPostgresTable, nothingElse } from '../support/postgres-claimed-table.ts';
import { planPostgres, shownObstacles } from '../support/postgres-plan.ts';
import { sharedServer } from '../support/shared-servers.ts';

describe.each(['postgres-15', 'postgres-18'] as const)('views on %s', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgresWithBookkeeping(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const withStatements = (...statements: readonly string[]): Promise<PostgresSchema> => postgresSchemaWith(url, ...statements);

  test('stay the same views, and no statement through them fails or is lost while the table is swapped', async () => {
    const [owner, role] = ['app', 'migrator'].map((name) => `${name}_${randomUUID().slice(0, 8)}`);
    await using schema = await withStatements(
      `CREATE ROLE ${owner}; CREATE ROLE ${role} LOGIN REPLICATION IN ROLE ${owner}; GRANT CREATE ON DATABASE postgres TO ${role}`,
      'CREATE TABLE t (id serial PRIMARY KEY, a int NOT NULL, b text); INSERT INTO t (a) SELECT n FROM generate_series(1, 2000) AS n',
      'CREATE TABLE log (id serial PRIMARY KEY, n int); CREATE RULE counted AS ON INSERT TO log DO INSTEAD INSERT INTO t (a) VALUES (NEW.n)',
      'CREATE VIEW low AS SELECT id, a FROM t WHERE a > 0; CREATE VIEW mid AS SELECT t.id, low.a FROM t JOIN low USING (id)',
      'CREATE VIEW top AS SELECT count(*) AS n, sum(a) AS total FROM mid; CREATE MATERIALIZED VIEW far AS SELECT * FROM top',
      'CREATE FUNCTION total() RETURNS bigint LANGUAGE sql RETURN (SELECT sum(a) FROM t)',
      "CREATE FUNCTION doubled(t) RETURNS int LANGUAGE sql AS 'SELECT $1.a * 2'",
      "CREATE FUNCTION quadrupled(int) RETURNS int LANGUAGE plpgsql AS 'DECLARE one t; BEGIN SELECT * INTO one FROM t WHERE id = $1; RETURN doubled(one) * 2; END'",
    );
    const { application } = schema;
    await application.run(
      `GRANT USAGE, CREATE ON SCHEMA ${schema.name} TO ${owner}; GRANT USAGE ON SCHEMA tableshift TO ${role};
       GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tableshift TO ${role}; ALTER FUNCTION total OWNER TO ${owner}; ALTER FUNCTION doubled OWNER TO ${owner}`,
    );
    for (const relation of ['t', 'log', 'low', 'mid', 'top'])
      await application.run(`ALTER TABLE ${relation} OWNER TO ${owner}`);
    const identities = `SELECT string_agg(oid::text, ' ' ORDER BY relname) AS oids FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = '${schema.name}'::regnamespace`;
    const before = await application.run(identities);
    const schemas: string[] = [];
    const done = new AbortController();
    const users = [
      'SELECT * FROM top',
      'SELECT total()',
      'SELECT doubled(t) FROM t WHERE id = $1',
      'SELECT quadrupled($1)',
      'SELECT * FROM mid WHERE id = $1',
      'INSERT INTO low (a) VALUES ($1)',
      'INSERT INTO log (n) VALUES ($1)',
      'UPDATE low SET a = a + 1 WHERE id = $1 % 100',
    ].map((statement) => useUntil(done.signal, { url, schema: schema.name, statement }));
    try {
      await migrate({
        url: url.replace(/\/\/[^@/]*@/, `//${role}@`),
        strategy: 'shadow',
        alter: `ALTER TABLE ${schema.name}.t ADD COLUMN added int DEFAULT 7, DROP COLUMN b`,
        onStart: ({ retired }) => schemas.push(retired.schema),
      });
      done.abort();
      const [, , , , , inserted = 0, ruled = 0, updated = 0] = await Promise.all(users);
      expect(updated).toBeGreaterThan(0);
      expect(await application.run('SELECT count(*) AS n, min(added) AS added FROM t')).toEqual([
        { n: `${2000 + inserted + ruled}`, added: '7' },
      ]);
      expect(await application.run(identities)).toEqual(before);
      expect(await application.run('SELECT n FROM top')).toEqual([{ n: `${2000 + inserted + ruled}` }]);
      // Nothing holds on to the old table.
      await application.run(`DROP TABLE ${schemas[0] ?? ''}.t RESTRICT; DROP SCHEMA ${schemas[0] ?? ''} RESTRICT`);
    } finally {
      done.abort();
      await Promise.allSettled(users);
      await application.run(`DROP OWNED BY ${role}, ${owner} CASCADE; DROP ROLE ${role}, ${owner}`);
    }
  });

  test('a transaction that has used the table and goes on to use a view is not the one that dies, and is let past', async () => {
    await using schema = await withStatements(
      'CREATE TABLE orders (id int PRIMARY KEY, v int); INSERT INTO orders VALUES (1, 1); CREATE VIEW over AS SELECT * FROM orders',
    );
    const source = { schema: schema.name, table: 'orders' };
    await using orders = await claimPostgresTable(server, source, {
      ...nothingElse,
      findOuter: (session, signal) => readOuterRelations(session, [source], signal),
    });
    await using user = await openPostgresApplication(url);
    await user.run(`BEGIN; SELECT * FROM ${schema.name}.orders`);
    const limits = { lockTimeoutMs: 20_000, holdTimeoutMs: 30_000 };
    const attempt = orders.cutover.attempt(limits, () => Promise.resolve(), never).catch((error: unknown) => error);
    // By then the cutover has looked for a deadlock itself, and will not again.
    const waiting = `SELECT 1 FROM pg_locks WHERE relation = '${schema.name}.orders'::regclass AND clock_timestamp() - waitstart > interval '300 ms'`;
    while ((await schema.application.run(waiting)).length === 0);
    expect(await user.run(`SELECT * FROM ${schema.name}.over`)).toEqual([{ id: '1', v: '1' }]);
    expect(await attempt).toMatchObject({ kind: 'not-locked' });
    // The next attempt comes by the other way, so that the view is free for as long as the table is waited for.
    const next = orders.cutover.attempt(limits, () => Promise.resolve(), never);
    while ((await schema.application.run(waiting)).length === 0);
    expect(await user.run(`SELECT * FROM ${schema.name}.over`)).toEqual([{ id: '1', v: '1' }]);
    await user.run('COMMIT');
    expect(await next).toMatchObject({ kind: 'swapped' });
  });

  test('what the server itself refuses because of them is an obstacle, and nothing else', async () => {
    await using schema = await withStatements(
      'CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL UNIQUE, a int, b text, c text); ALTER TABLE t REPLICA IDENTITY USING INDEX t_k_key',
      'CREATE VIEW shown AS SELECT a FROM t; CREATE VIEW filtered AS SELECT k FROM t WHERE b > c; CREATE VIEW grouped AS SELECT id, k, count(*) FROM t GROUP BY id',
      'CREATE RULE r AS ON UPDATE TO t DO ALSO SELECT NEW.a; CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN (SELECT max(a) FROM t)',
    );
    const { application, name: own } = schema;
    const obstacles = async (clauses: string): Promise<readonly string[]> => {
      const plan = await planPostgres({ server, schema, clauses });
      return shownObstacles(await findObstacles(server, [plan], never)).map(([, message]) => message);
    };
    const refused = '; without CASCADE the server itself would refuse that, too.';
    const users = [`function ${own}.f()`, `rule r on table ${own}.t`, `view ${own}.shown`];
    const expected: Readonly<Record<string, readonly string[]>> = {
      'DROP a': users.map((user) => `${user} uses the column a, which the ALTER drops${refused}`),
      'ALTER a TYPE bigint': users.map((user) => `${user} uses the column a, which gets another type${refused}`),
      'ALTER c TYPE text COLLATE "C"': [`view ${own}.filtered uses the column c, which gets another type${refused}`],
      'DROP CONSTRAINT t_pkey': [`view ${own}.grouped uses the constraint t_pkey, which the ALTER drops${refused}`],
    };
    for (const [clauses, messages] of Object.entries(expected)) {
      await expect(application.run(`ALTER TABLE t ${clauses}`)).rejects.toThrow(/cannot|depend/);
      expect(await obstacles(clauses)).toEqual(messages);
    }
    const { notes } = await planPostgres({ server, schema, clauses: 'ADD z int' });
    expect(notes.slice(0, 2)).toEqual([
      `The cutover locks these too, and binds them to the new table: view ${own}.filtered, view ${own}.grouped, view ${own}.shown.`,
      `The cutover binds these to the new table; a statement that is calling one reads the old table to its end: function ${own}.f().`,
    ]);
    for (const clauses of ['RENAME a TO z', 'RENAME id TO z', 'RENAME CONSTRAINT t_pkey TO z']) {
      expect(await obstacles(clauses)).toEqual([]);
      await application.run(`BEGIN; ALTER TABLE t ${clauses}; ROLLBACK`);
    }
  });

  test('a role that does not own them lacks that, and else the privilege to create in their schema', async () => {
    const role = `r_${randomUUID().slice(0, 8)}`;
    await using schema = await withStatements(
      `CREATE ROLE ${role} LOGIN REPLICATION; GRANT CREATE ON DATABASE postgres TO ${role}`,
      'CREATE TABLE t (id int PRIMARY KEY, a int); CREATE TABLE u (x int); CREATE VIEW v AS SELECT a FROM t; CREATE RULE r AS ON INSERT TO u DO SELECT FROM t',
      'CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN (SELECT max(a) FROM t)',
    );
    const { application, name: own } = schema;
    await application.run(`CREATE SCHEMA other_${own}; GRANT USAGE ON SCHEMA other_${own} TO ${role}`);
    await application.run(`CREATE SCHEMA hidden_${own}; CREATE TABLE hidden_${own}.h (x int)`);
    await application.run(`CREATE VIEW seen AS SELECT a, x FROM t, hidden_${own}.h; ALTER VIEW seen OWNER TO ${role}`);
    await application.run(`CREATE VIEW other_${own}.w AS SELECT a FROM t; ALTER VIEW other_${own}.w OWNER TO ${role}`);
    await application.run(`GRANT CREATE, USAGE ON SCHEMA ${own} TO ${role}; ALTER TABLE t OWNER TO ${role}`);
    await application.run(
      `GRANT USAGE ON SCHEMA tableshift TO ${role}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA tableshift TO ${role}`,
    );
    try {
      await using other = await openPostgres(url.replace(/\/\/[^@/]*@/, `//${role}@`));
      const plan = await planPostgres({ server: other, schema, clauses: 'ADD c int' });
      const lacks = `The role ${role} is not the owner of the`;
      expect(shownObstacles(await findObstacles(other, [plan], never))).toEqual([
        ['MISSING_PRIVILEGE', `${lacks} function ${own}.f(), which leads to the table and is to be replaced.`],
        ['MISSING_PRIVILEGE', `${lacks} table ${own}.u, which leads to the table and is to be replaced.`],
        [
          'MISSING_PRIVILEGE',
          `The role ${role} lacks the privilege CREATE on the schema other_${own}, which replacing the view other_${own}.w takes.`,
        ],
        ['MISSING_PRIVILEGE', `${lacks} view ${own}.v, which leads to the table and is to be replaced.`],
        [
          'MISSING_PRIVILEGE',
          `The role ${role} lacks the privilege USAGE on the schema hidden_${own}, which the view ${own}.seen names.`,
        ],
      ]);
    } finally {
      await application.run(
        `DROP SCHEMA other_${own}, hidden_${own} CASCADE; DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`,
      );
    }
  });
});

/** Runs a statement again and again, prepared once, with another number each time. How often; rejects where it failed. */
async function useUntil(
  over: AbortSignal,
  { url, schema, statement }: { readonly url: string; readonly schema: string; readonly statement: string },
): Promise<number> {
  await using session: PostgresApplication = await openPostgresApplication(url);
  await session.run(`SET search_path = ${schema}`);
  let count = 0;
  while (!over.aborted) {
    count += 1;
    await session.runPrepared('used', statement, statement.includes('$1') ? [count] : []);
  }
  return count;
}
