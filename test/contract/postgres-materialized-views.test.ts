/** Materialised views over a PostgreSQL table, which are made again while the table is swapped under them. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../../src/index.ts';
import type { Cutover, RowWriter } from '../../src/engine/ports.ts';
import { createCarryOver } from '../../src/postgres/carry-over.ts';
import { takeClaim } from '../../src/postgres/claim.ts';
import { createCutover } from '../../src/postgres/cutover.ts';
import { findObstacles } from '../../src/postgres/obstacles.ts';
import { OURS } from '../../src/postgres/conversion-settings.ts';
import { readPairLayout } from '../../src/postgres/pair-layout.ts';
import { createRowWriter } from '../../src/postgres/row-writer.ts';
import type { Server } from '../../src/postgres/server.ts';
import type { Session } from '../../src/postgres/session.ts';
import { createShadow, dropShadow } from '../../src/postgres/shadow.ts';
import {
  postgresSchemaWith,
  never,
  openPostgresWithBookkeeping,
  openPostgresApplication,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { planPostgres, shownObstacles } from '../support/postgres-plan.ts';
import { sharedServer } from '../support/shared-servers.ts';

const options = { materializedViews: 'recreate' } as const;

describe.each(['postgres-15', 'postgres-18'] as const)('materialised views on %s', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgresWithBookkeeping(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const withStatements = (...statements: readonly string[]): Promise<PostgresSchema> => postgresSchemaWith(url, ...statements);

  test('are there for every reader, and never with older rows than before, while the application refreshes them', async () => {
    const [owner, role] = ['app', 'migrator'].map((name) => `${name}_${randomUUID().slice(0, 8)}`);
    await using schema = await withStatements(
      `CREATE ROLE ${owner}; CREATE ROLE ${role} LOGIN REPLICATION IN ROLE ${owner}; GRANT CREATE ON DATABASE postgres TO ${role}`,
      'CREATE TABLE t (id serial PRIMARY KEY, b text, a int NOT NULL); INSERT INTO t (a) SELECT n FROM generate_series(1, 2000) AS n',
      'CREATE VIEW odd AS SELECT id FROM t WHERE a % 2 = 1; CREATE MATERIALIZED VIEW seen AS SELECT a % 10 AS digit, count(*) AS n FROM t GROUP BY 1',
      // What the list names goes by position, and the second column goes away.
      'CREATE UNIQUE INDEX seen_digit ON seen (digit); CREATE MATERIALIZED VIEW named AS SELECT sum(x.r) AS r, count(odd.id) AS odd FROM t AS x (p, q, r) LEFT JOIN odd ON odd.id = p',
      'CREATE MATERIALIZED VIEW unfilled AS SELECT a FROM t WITH NO DATA',
    );
    const { application } = schema;
    await application.run(
      `GRANT USAGE, CREATE ON SCHEMA ${schema.name} TO ${owner}; GRANT USAGE ON SCHEMA tableshift TO ${role};
       GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tableshift TO ${role}`,
    );
    for (const relation of ['t', 'odd', 'seen', 'named', 'unfilled'])
      await application.run(`ALTER TABLE ${relation} OWNER TO ${owner}`);
    const done = new AbortController();
    const until = async (work: (run: PostgresSchema['application']['run']) => Promise<unknown>): Promise<void> => {
      await using session = await openPostgresApplication(url);
      await session.run(`SET search_path = ${schema.name}`);
      while (!done.signal.aborted) await work((sql) => session.run(sql));
    };
    let rows = 2000;
    const watch = async (run: PostgresSchema['application']['run']): Promise<void> => {
      const [row] = await run('SELECT sum(n) AS n FROM seen');
      expect(Number(row?.['n'])).toBeGreaterThanOrEqual(rows);
      rows = Number(row?.['n']);
    };
    const users = [
      until(watch),
      until((run) => run('SELECT n FROM seen WHERE digit = 7')),
      until((run) => run('SELECT r FROM named')),
      until((run) => run('INSERT INTO t (a) VALUES (7)')),
    ];
    const refresh = (): Promise<void> => {
      return openPostgresApplication(url).then(async (session) => {
        await session.run(`REFRESH MATERIALIZED VIEW CONCURRENTLY ${schema.name}.seen`);
        await session.run(`REFRESH MATERIALIZED VIEW ${schema.name}.named`);
        await session[Symbol.asyncDispose]();
      });
    };
    const refreshes: Promise<void>[] = [];
    const retired: string[] = [];
    try {
      await migrate({
        url: url.replace(/\/\/[^@/]*@/, `//${role}@`),
        strategy: 'shadow',
        ...options,
        alter: `ALTER TABLE ${schema.name}.t ADD COLUMN r int DEFAULT 7, DROP COLUMN b`,
        onStart: (plan) => retired.push(plan.retired.schema),
        observer: (event) => {
          if (event.kind === 'phase-entered' && event.phase === 'verify') refreshes.push(refresh());
          if (event.kind === 'cutover-attempt' && event.attempt === 1) refreshes.push(refresh());
        },
      });
      await Promise.all(refreshes);
      done.abort();
      await Promise.all(users);
      // Nothing holds on to the old table, and the views follow the new one.
      await application.run(`DROP TABLE ${retired[0] ?? ''}.t RESTRICT; DROP SCHEMA ${retired[0] ?? ''} RESTRICT`);
      await application.run(
        'DELETE FROM t WHERE id > 2000; REFRESH MATERIALIZED VIEW CONCURRENTLY seen; REFRESH MATERIALIZED VIEW named',
      );
      expect(await application.run('SELECT sum(n) AS n FROM seen')).toEqual([{ n: '2000' }]);
      expect(await application.run('SELECT r, odd FROM named')).toEqual([{ r: '2001000', odd: '1000' }]);
      await expect(application.run('SELECT a FROM unfilled')).rejects.toThrow(/has not been populated/);
      expect(
        await application.run(`SELECT DISTINCT relowner::regrole AS owner FROM pg_class WHERE relname IN ('seen', 'named', 'unfilled')
        AND relnamespace = '${schema.name}'::regnamespace`),
      ).toEqual([{ owner }]);
    } finally {
      done.abort();
      await Promise.allSettled([...users, ...refreshes]);
      await application.run(`DROP OWNED BY ${role}, ${owner} CASCADE; DROP ROLE ${role}, ${owner}`);
    }
  });

  test('that were refreshed since are filled again before the swap, and what a dead run left is made anew or goes with the shadow', async () => {
    await using schema = await withStatements(
      'CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 1); CREATE MATERIALIZED VIEW seen AS SELECT id, a AS old FROM t; CREATE UNIQUE INDEX seen_id ON seen (id)',
    );
    const { application } = schema;
    const plan = await planPostgres({ server, schema, clauses: 'RENAME a TO b', options });
    await using claim = await takeClaim(server, { table: plan.source, migration: plan.id }, never);
    await using session = await claim.openSession({}, never);
    const twins = `SELECT c.relname FROM pg_class AS c WHERE c.relkind = 'm' AND c.relnamespace = to_regnamespace('${plan.shadow.schema}')`;
    const attempt = (cutover: Cutover): ReturnType<Cutover['attempt']> =>
      cutover.attempt({ lockTimeoutMs: 5000, holdTimeoutMs: 20_000 }, async () => undefined, never);
    const lockedWriter = (session: Session): RowWriter =>
      createRowWriter((signal) => readPairLayout(session, { plan, conversionSettings: OURS }, signal), {
        withSession: (work) => work(session),
        isInTransaction: true,
        isKeyOneNumber: true,
      });
    const run = (): Cutover =>
      createCutover({ flavour: server.flavour, plan, claim, lockedWriter, carryOver: createCarryOver([plan]) });

    await createShadow(session, plan, never);
    await run().prepare?.(never);
    expect(await application.run(twins)).toEqual([{ relname: 'seen' }]);
    await dropShadow(session, plan, never);
    expect(await application.run(twins)).toEqual([]);

    await createShadow(session, plan, never);
    await application.run(`INSERT INTO ${plan.shadow.schema}.t SELECT * FROM t`);
    await run().prepare?.(never);
    const resumed = run();
    await application.run(`UPDATE t SET a = 2; UPDATE ${plan.shadow.schema}.t SET b = 2`);
    await resumed.prepare?.(never);
    const [first] = await application.run(`SELECT '${plan.shadow.schema}.seen'::regclass::oid AS oid`);
    await resumed.prepare?.(never);
    expect(await application.run(`SELECT '${plan.shadow.schema}.seen'::regclass::oid AS oid`)).toEqual([first]);
    await application.run(
      `UPDATE t SET a = 3; UPDATE ${plan.shadow.schema}.t SET b = 3; REFRESH MATERIALIZED VIEW CONCURRENTLY seen`,
    );
    const refused = `The materialized view ${schema.name}.seen was refreshed, altered or made meanwhile`;
    expect(await attempt(resumed)).toMatchObject({ kind: 'prevented', blockers: [refused] });
    await resumed.prepare?.(never);
    expect(await attempt(resumed)).toMatchObject({ kind: 'swapped' });
    expect(await application.run('SELECT id, old FROM seen')).toEqual([{ id: '1', old: '3' }]);
    expect(await application.run(twins)).toEqual([]);
    await application.run(
      `DROP SCHEMA ${plan.retired.schema} CASCADE; UPDATE t SET b = 4; REFRESH MATERIALIZED VIEW CONCURRENTLY seen`,
    );
    expect(await application.run('SELECT id, old FROM seen')).toEqual([{ id: '1', old: '4' }]);
  });

  test('stay in their tablespaces, whatever the role has as its default, are filled in its style, and the comments on their rows stay', async () => {
    await using schema = await withStatements('CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 1)');
    const { application, name: space } = schema;
    await application.run('SET allow_in_place_tablespaces = on');
    await application.run(`CREATE TABLESPACE ${space} LOCATION ''`);
    await application.run(
      `CREATE MATERIALIZED VIEW usual AS SELECT id, DATE '2026-05-06'::text AS d FROM t; CREATE UNIQUE INDEX usual_id ON usual (id); COMMENT ON TYPE usual IS 'its row';
       CREATE MATERIALIZED VIEW away TABLESPACE ${space} AS SELECT id FROM t; CREATE INDEX away_id ON away (id) TABLESPACE ${space};
       CREATE ROLE ${space} LOGIN SUPERUSER; ALTER ROLE ${space} SET default_tablespace = ${space}; ALTER ROLE ${space} SET datestyle = German`,
    );
    const places = `SELECT relname || coalesce(' in ' || spcname, '') || coalesce(': ' || obj_description(reltype, 'pg_type'), '') AS place
      FROM pg_class LEFT JOIN pg_tablespace AS s ON s.oid = reltablespace WHERE relnamespace = '${space}'::regnamespace AND relname ~ 'usual|away|added' ORDER BY 1`;
    const before = await application.run(places);
    expect(before.map(({ place }) => place)).toEqual([`away in ${space}`, `away_id in ${space}`, 'usual: its row', 'usual_id']);
    const retired: string[] = [];
    try {
      await migrate({
        url: url.replace(/\/\/[^@/]*@/, `//${space}@`),
        strategy: 'shadow',
        ...options,
        alter: `ALTER TABLE ${space}.t ADD COLUMN r int, ADD CONSTRAINT added UNIQUE (a)`,
        onStart: (plan) => retired.push(plan.retired.schema),
      });
      // What is new lies where the server's own ALTER would have put it.
      expect(await application.run(places)).toEqual([{ place: `added in ${space}` }, ...before]);
      expect(await application.run('SELECT d FROM usual')).toEqual([{ d: '06.05.2026' }]);
    } finally {
      await application.run(`DROP SCHEMA IF EXISTS ${retired[0] ?? 'none'} CASCADE; DROP MATERIALIZED VIEW away`);
      await application.run('ALTER TABLE t DROP CONSTRAINT IF EXISTS added');
      // Where this is the first run on the server, bookkeeping of it is there, too.
      await application.run(`DROP OWNED BY ${space} CASCADE`);
      await application.run(`DROP TABLESPACE ${space}`);
      await application.run(`DROP ROLE ${space}`);
    }
  });

  test('are obstacles where they cannot be made again, and where it is not asked for', async () => {
    await using schema = await withStatements(
      'CREATE TABLE t (id int PRIMARY KEY, a int)',
      'CREATE MATERIALIZED VIEW m AS SELECT id, a FROM t',
    );
    const { application, name: own } = schema;
    const obstacles = async (
      asked: typeof options | Record<string, never>,
      clauses = 'ADD z int',
    ): Promise<readonly string[]> => {
      const plan = await planPostgres({ server, schema, clauses, options: asked });
      return shownObstacles(await findObstacles(server, [plan], never)).map(([, message]) => message);
    };
    const kept = `${own}.t is used by materialized view ${own}.m, which`;
    expect(await obstacles({})).toEqual([
      `${kept} would stay with the old table; --materialized-views recreate makes it again.`,
    ]);
    expect(await obstacles(options)).toEqual([]);
    const cases: readonly (readonly [make: string, undo: string, reason: string])[] = [
      ['CREATE VIEW v AS SELECT * FROM m', 'DROP VIEW v', `it is used by view ${own}.v`],
      [
        "CREATE FUNCTION f(m) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        'DROP FUNCTION f',
        `it is used by function ${own}.f(${own}.m)`,
      ],
      [
        'ALTER TABLE t ENABLE ROW LEVEL SECURITY',
        'ALTER TABLE t DISABLE ROW LEVEL SECURITY',
        'row security of the table decides on its rows',
      ],
      [
        'ALTER MATERIALIZED VIEW m DEPENDS ON EXTENSION plpgsql',
        'ALTER MATERIALIZED VIEW m NO DEPENDS ON EXTENSION plpgsql',
        'it goes with the extension plpgsql',
      ],
    ];
    for (const [make, undo, reason] of cases) {
      await application.run(make);
      expect(await obstacles(options)).toEqual([`${kept} cannot be made again: ${reason}.`]);
      await application.run(undo);
    }
    const refused = '; without CASCADE the server itself would refuse that, too.';
    expect(await obstacles(options, 'DROP a')).toEqual([
      `materialized view ${own}.m uses the column a, which the ALTER drops${refused}`,
    ]);
    await application.run(
      `DROP MATERIALIZED VIEW m; CREATE MATERIALIZED VIEW m AS WITH t AS (SELECT 1 AS one) SELECT one, s.a FROM t, ${own}.t AS s`,
    );
    expect(await obstacles(options)).toEqual([`${kept} cannot be made again: its query has another t in it.`]);
  });
});
