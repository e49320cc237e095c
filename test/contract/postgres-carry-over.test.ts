/** What belongs to a PostgreSQL table besides its rows is on the new table after the swap, as it was on the old one. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Plan } from '../../src/engine/model.ts';
import type { RowWriter } from '../../src/engine/ports.ts';
import { createCarryOver } from '../../src/postgres/carry-over.ts';
import { takeClaim } from '../../src/postgres/claim.ts';
import { createCutover } from '../../src/postgres/cutover.ts';
import { OURS } from '../../src/postgres/conversion-settings.ts';
import { readPairLayout } from '../../src/postgres/pair-layout.ts';
import { createRowWriter } from '../../src/postgres/row-writer.ts';
import type { Server } from '../../src/postgres/server.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import type { Session } from '../../src/postgres/session.ts';
import { createShadow } from '../../src/postgres/shadow.ts';
import { ShadowFinisher } from '../../src/postgres/shadow-finisher.ts';
import type { CarryOver } from '../../src/postgres/swap.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresWithBookkeeping,
  type PostgresSchema,
} from '../support/postgres-adapter.ts';
import { inventoryChanges, inventoryOf } from '../support/postgres-inventory.ts';
import { dropSink, kitchenSink, strangeSink } from '../support/postgres-kitchen-sink.ts';
import { planPostgres } from '../support/postgres-plan.ts';
import { sharedServer, versionOf } from '../support/shared-servers.ts';

interface Migrating {
  readonly schema: PostgresSchema;
  readonly clauses: string;
  readonly whileCopied?: (plan: Plan) => Promise<unknown>;
  /** What happens beside the swap. */
  readonly around?: (carryOver: CarryOver) => CarryOver;
  /** Of one attempt after the other; of one that swaps unless given. */
  readonly outcomes?: readonly object[];
  /** Another role than the tests' own. */
  readonly by?: Server;
}

// What belongs to a table differs from version to version more than anything else.
describe.each(['postgres-15', 'postgres-16', 'postgres-17', 'postgres-18'] as const)('carrying over on %s', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgresWithBookkeeping(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** The whole way but for the rows of the stream: shadow, copy, indexes, swap. */
  const migrate = async ({
    schema,
    clauses,
    whileCopied,
    by = server,
    around = (carryOver) => carryOver,
    outcomes = [{ kind: 'swapped' }],
  }: Migrating): Promise<void> => {
    const plan = await planPostgres({ server: by, schema, clauses, options: { materializedViews: 'recreate' } });
    await using claim = await takeClaim(by, { table: plan.source, migration: plan.id }, never);
    {
      await using session = await claim.openSession({}, never);
      await createShadow(session, plan, never);
      const columns = plan.columns.map((pair) => `"${pair.shadow}"`).join(', ');
      const values = plan.columns.map((pair) => pair.using ?? `"${pair.source}"`).join(', ');
      await session.execute(
        `INSERT INTO ${plan.shadow.schema}.t (${columns}) OVERRIDING SYSTEM VALUE SELECT ${values} FROM ${schema.name}.t`,
        never,
      );
      await using sessions = createSessionPool({ sizeMax: 2, open: (signal) => claim.openSession({}, signal) });
      await new ShadowFinisher({ plan, sessions, isGentle: () => false, onMade: () => undefined }).finish(never);
    }
    await whileCopied?.(plan);
    const lockedWriter = (session: Session): RowWriter =>
      createRowWriter((signal) => readPairLayout(session, { plan, conversionSettings: OURS }, signal), {
        withSession: (work) => work(session),
        isInTransaction: true,
        isKeyOneNumber: true,
      });
    const carryOver = around(createCarryOver([plan]));
    const cutover = createCutover({ flavour: server.flavour, plan, claim, lockedWriter, carryOver });
    const options = { lockTimeoutMs: 5_000, holdTimeoutMs: 20_000 };
    try {
      for (const outcome of outcomes) {
        await cutover.prepare?.(never);
        expect(await cutover.attempt(options, async () => undefined, never)).toMatchObject(outcome);
      }
      if (await cutover.hasSwapped(never)) await cutover.settle(() => undefined, never);
    } finally {
      await schema.application.run(`DROP SCHEMA IF EXISTS ${plan.retired.schema}, ${plan.shadow.schema} CASCADE`);
    }
  };

  const withStatements = async (statements: (schema: string) => readonly string[]): Promise<PostgresSchema> => {
    const schema = await createPostgresSchema(url);
    for (const statement of statements(schema.name)) await schema.application.run(statement);
    return schema;
  };

  test('everything is as before, but for the change', async () => {
    await using schema = await withStatements(kitchenSink);
    try {
      const before = await inventoryOf(schema.application, schema.name, 't');
      const insert = `INSERT INTO ${schema.name}.t (a, b) VALUES (5, 'x')`;
      await migrate({
        schema,
        clauses: 'ADD COLUMN added int DEFAULT 7',
        whileCopied: () => schema.application.run(insert),
      });
      const after = await inventoryOf(schema.application, schema.name, 't');
      const table = `${schema.name}.t`;
      expect(inventoryChanges(before, after)).toEqual({
        columns: ['+ added | integer | f | - |  |  | p |  | -1 | 7'],
        dependents: [`+ a | t | default value for column added of table ${table}`],
      });
      const counts = ['triggers', 'rules', 'referredToBy', 'views', 'viewTriggers'].map((subject) => before[subject]?.length);
      expect(counts).toEqual([3, 2, 3, 7, 1]);
    } finally {
      await dropSink(schema);
    }
  });

  test('everything is as before also where names are odd and each part is of the rarer kind', async () => {
    await using schema = await withStatements((schema) => strangeSink(schema, versionOf(name)));
    try {
      const before = await inventoryOf(schema.application, schema.name, 't');
      await migrate({ schema, clauses: 'ADD added int DEFAULT 7' });
      const after = await inventoryOf(schema.application, schema.name, 't');
      expect(inventoryChanges(before, after)).toEqual({
        columns: ['+ added | integer | f | - |  |  | p |  | -1 | 7'],
        dependents: [`+ a | t | default value for column added of table ${schema.name}.t`],
      });
      expect(
        ['materialized', 'materializedIndexes', 'materializedStatistics'].map((subject) => before[subject]?.length),
      ).toEqual([2, 2, 1]);
    } finally {
      await dropSink(schema);
    }
  });

  test('identity columns and sequences go on counting where the old table stood', async () => {
    await using schema = await withStatements(kitchenSink);
    try {
      const insert = `INSERT INTO ${schema.name}.t (a, b) VALUES (5, 'x') RETURNING id, s`;
      let last: Record<string, string | null>[] = [];
      const whileCopied = async (): Promise<void> => {
        last = await schema.application.run(insert);
      };
      await migrate({ schema, clauses: 'ADD z int', whileCopied });
      const [next] = await schema.application.run(insert.replace('(5,', '(6,'));
      expect([Number(next?.['id']), Number(next?.['s'])]).toEqual([Number(last[0]?.['id']) + 3, Number(last[0]?.['s']) + 1]);
    } finally {
      await dropSink(schema);
    }
  });

  test('an old row may go on breaking a constraint that is NOT VALID', async () => {
    await using schema = await createPostgresSchema(url);
    const table = `${schema.name}.t`;
    await schema.application.run(`CREATE TABLE ${table} (id int PRIMARY KEY, a int); INSERT INTO ${table} VALUES (1, -1)`);
    await schema.application.run(`ALTER TABLE ${table} ADD CONSTRAINT positive CHECK (a > 0) NOT VALID`);
    await migrate({ schema, clauses: 'ADD b int, ADD CONSTRAINT small CHECK (a > 5) NOT VALID' });
    const inventory = await inventoryOf(schema.application, schema.name, 't');
    expect(inventory['constraints']?.filter((line) => line.includes('CHECK'))).toEqual([
      expect.stringMatching(/^positive \| c \| f \| f \| f \| CHECK \(\(a > 0\)\) NOT VALID/),
      expect.stringMatching(/^small \| c \| f \| f \| f \| CHECK \(\(a > 5\)\) NOT VALID/),
    ]);
    expect(await schema.application.run(`SELECT * FROM ${table}`)).toEqual([{ id: '1', a: '-1', b: null }]);
  });

  test('default privileges of the role that migrates do not come to the new table', async () => {
    const role = `r_${randomUUID().slice(0, 8)}`;
    await using schema = await withStatements((schema) => [
      `CREATE ROLE ${role} LOGIN SUPERUSER; CREATE ROLE owner_${schema}; CREATE ROLE reader_${schema}`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT ALL ON TABLES TO reader_${schema}`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT ALL ON SEQUENCES TO PUBLIC`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} REVOKE INSERT ON TABLES FROM ${role}`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} REVOKE USAGE ON SEQUENCES FROM ${role}`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT ALL ON SCHEMAS TO PUBLIC`,
      `CREATE TABLE ${schema}.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s serial)`,
      `GRANT CREATE, USAGE ON SCHEMA ${schema} TO owner_${schema}; ALTER TABLE ${schema}.t OWNER TO owner_${schema}`,
    ]);
    try {
      const before = await inventoryOf(schema.application, schema.name, 't');
      await using other = await openPostgres(url.replace(/\/\/[^@/]*@/, `//${role}@`));
      await migrate({ schema, clauses: 'ADD b int', by: other });
      expect(inventoryChanges(before, await inventoryOf(schema.application, schema.name, 't'))).toEqual({
        columns: ['+ b | integer | f | - |  |  | p |  | -1'],
      });
    } finally {
      await schema.application.run(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
      await dropSink(schema);
    }
  });

  test('a sequence that the change adds has the privileges that the owner gives to sequences in the schema', async () => {
    const role = `r_${randomUUID().slice(0, 8)}`;
    await using schema = await withStatements((schema) => [
      `CREATE ROLE ${role} LOGIN SUPERUSER; CREATE ROLE owner_${schema}; CREATE ROLE reader_${schema}`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE owner_${schema} IN SCHEMA ${schema} GRANT USAGE ON SEQUENCES TO reader_${schema} WITH GRANT OPTION`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE owner_${schema} REVOKE UPDATE ON SEQUENCES FROM owner_${schema}`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE owner_${schema} IN SCHEMA ${schema} GRANT ALL ON TABLES TO reader_${schema}`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT ALL ON SEQUENCES TO PUBLIC`,
      `CREATE TABLE ${schema}.t (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY); CREATE TABLE ${schema}.u (LIKE ${schema}.t INCLUDING ALL)`,
      `GRANT CREATE, USAGE ON SCHEMA ${schema} TO owner_${schema}; ALTER TABLE ${schema}.t OWNER TO owner_${schema}; ALTER TABLE ${schema}.u OWNER TO owner_${schema}`,
    ]);
    try {
      const clauses = 'ADD s serial, ADD i int GENERATED ALWAYS AS IDENTITY';
      await schema.application.run(`ALTER TABLE ${schema.name}.u ${clauses}`);
      await using other = await openPostgres(url.replace(/\/\/[^@/]*@/, `//${role}@`));
      await migrate({ schema, clauses, by: other });
      const privileges = async (table: string): Promise<readonly string[]> => {
        const rows = await schema.application.run(
          `SELECT substr(relname, 2) || ' ' || coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))::text AS line FROM pg_class
           WHERE relnamespace = '${schema.name}'::regnamespace AND relname LIKE '${table}%' AND relkind IN ('S', 'r') ORDER BY 1`,
        );
        return rows.map(({ line }) => line ?? '');
      };
      const granted = await privileges('t');
      expect(granted).toEqual(await privileges('u'));
      expect(granted).toHaveLength(4);
      expect(granted.join('\n').match(new RegExp(`reader_${schema.name}=U\\*/owner_${schema.name}`, 'g'))).toHaveLength(2);
    } finally {
      await schema.application.run(
        `DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}; DROP OWNED BY owner_${schema.name} CASCADE`,
      );
      await dropSink(schema);
    }
  });

  /** Something happens just before the tables are moved in the first attempt. */
  const beforeFirstMove = (work: (locker: Session) => Promise<unknown>): Required<Migrating>['around'] => {
    let isFirst = true;
    return (carryOver) => ({
      ...carryOver,
      async beforeSwap(locker, signal) {
        if (isFirst) {
          isFirst = false;
          await work(locker);
        }
        return await carryOver.beforeSwap(locker, signal);
      },
    });
  };

  // Since 18 a GRANT on a table locks it, and waits.
  const locksNothing = versionOf(name) < 18;
  test.each(['SEQUENCE SCHEMA.t_id_seq', ...(locksNothing ? ['TABLE SCHEMA.t', 'column'] : [])])(
    'a privilege on the %s that is granted while the tables are swapped is not lost: the swap is tried again',
    async (object) => {
      await using schema = await withStatements((schema) => [
        `CREATE ROLE reader_${schema}; CREATE TABLE ${schema}.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int)`,
      ]);
      const { name, application } = schema;
      const grant = object === 'column' ? `SELECT (a) ON ${name}.t` : `SELECT ON ${object.replace('SCHEMA', name)}`;
      try {
        const around = beforeFirstMove(() => application.run(`GRANT ${grant} TO reader_${name}`));
        const blockers = ['The privileges of the table, of its columns or of its sequences were changed meanwhile'];
        await migrate({
          ...{ schema, clauses: 'ADD b int', around },
          outcomes: [{ kind: 'prevented', blockers }, { kind: 'swapped' }],
        });
        const [row] = await application.run(
          `SELECT has_column_privilege('reader_${name}', '${name}.t', 'a', 'SELECT') OR has_sequence_privilege('reader_${name}', '${name}.t_id_seq', 'SELECT') AS is_granted`,
        );
        expect(row).toEqual({ is_granted: 't' });
      } finally {
        await dropSink(schema);
      }
    },
  );

  test.each([
    ['GRANT EXECUTE ON FUNCTION SCHEMA.named(SCHEMA.t) TO reader_SCHEMA', ['old', 't', 'f', 'f']],
    [
      "CREATE OR REPLACE FUNCTION SCHEMA.named(SCHEMA.t) RETURNS text LANGUAGE sql AS $$ SELECT 'new' $$",
      ['new', 'f', 'f', 'f'],
    ],
    ...(locksNothing
      ? ([
          ['GRANT SELECT ON SCHEMA.m TO reader_SCHEMA', ['old', 'f', 't', 't']],
          ['GRANT SELECT (a) ON SCHEMA.m TO reader_SCHEMA', ['old', 'f', 'f', 't']],
        ] as const)
      : []),
  ] as const)(
    'what is made again in the swap and is altered meanwhile is as it was altered: %s',
    async (statement, expected) => {
      await using schema = await withStatements((schema) => [
        `CREATE ROLE reader_${schema}; CREATE TABLE ${schema}.t (id int PRIMARY KEY, a int); INSERT INTO ${schema}.t VALUES (1, 1)`,
        `CREATE FUNCTION ${schema}.named(${schema}.t) RETURNS text LANGUAGE sql AS $$ SELECT 'old' $$`,
        `REVOKE EXECUTE ON FUNCTION ${schema}.named(${schema}.t) FROM PUBLIC; CREATE MATERIALIZED VIEW ${schema}.m AS SELECT a FROM ${schema}.t`,
      ]);
      const { name, application } = schema;
      const read = `SELECT ${name}.named(t) AS named, has_function_privilege('reader_${name}', '${name}.named(${name}.t)', 'EXECUTE') AS may_call,
        has_table_privilege('reader_${name}', '${name}.m', 'SELECT') AS may_read, has_column_privilege('reader_${name}', '${name}.m', 'a', 'SELECT') AS may_read_a
        FROM ${name}.t`;
      try {
        const around = beforeFirstMove(async () => {
          await application.run(statement.replaceAll('SCHEMA', name));
        });
        const blockers = [
          'A function on the rows of the table, or a materialized view over it, was altered or granted meanwhile',
        ];
        await migrate({
          ...{ schema, clauses: 'ADD b int', around },
          outcomes: [{ kind: 'prevented', blockers }, { kind: 'swapped' }],
        });
        const [row] = await application.run(read);
        expect(Object.values(row ?? {})).toEqual(expected);
      } finally {
        await dropSink(schema);
      }
    },
  );

  test('an entry of the catalog that somebody else changes at the same moment costs one attempt, not the run', async () => {
    await using schema = await withStatements((schema) => [`CREATE TABLE ${schema}.t (id int PRIMARY KEY, a int)`]);
    // What the server says when a GRANT is committed in the millisecond for which it is waited for.
    const said = "DO $$ BEGIN RAISE 'tuple concurrently updated' USING ERRCODE = 'XX000'; END $$";
    const around = beforeFirstMove((session) => session.execute(said, never));
    const blockers = [expect.stringMatching(/^The privileges or the comment of the table, .* were changed meanwhile$/)];
    await migrate({
      ...{ schema, clauses: 'ADD b int', around },
      outcomes: [{ kind: 'prevented', blockers }, { kind: 'swapped' }],
    });
  });

  test('a trigger and a publication that somebody has made of the shadow are in the way of the swap, and are named', async () => {
    await using schema = await withStatements((schema) => [
      `CREATE TABLE ${schema}.t (id int PRIMARY KEY, a int)`,
      `CREATE FUNCTION ${schema}.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
    ]);
    const publication = `late_${schema.name}`;
    const make = `CREATE PUBLICATION ${publication} FOR TABLE SHADOW.t; CREATE TRIGGER late AFTER INSERT ON SHADOW.t FOR EACH ROW EXECUTE FUNCTION ${schema.name}.note()`;
    const blockers = [
      expect.stringMatching(`^The shadow tableshift_.*\\.t is published, by ${publication}$`),
      expect.stringMatching(/^The new table has the trigger late on table tableshift_.*\.t, which somebody has made$/),
    ];
    await migrate({
      ...{ schema, clauses: 'ADD b int', outcomes: [{ kind: 'prevented', blockers }] },
      whileCopied: ({ shadow }) => schema.application.run(make.replaceAll('SHADOW', shadow.schema)),
    });
    await schema.application.run(`DROP PUBLICATION ${publication}`);
  });

  test('comments, storage parameters and statistics targets that were set meanwhile are on the new table, unless the ALTER sets them', async () => {
    await using schema = await withStatements((schema) => [
      `CREATE TABLE ${schema}.t (id int PRIMARY KEY, a int, "B b" text) WITH (fillfactor = 90, autovacuum_vacuum_threshold = 100)`,
      `COMMENT ON COLUMN ${schema}.t.a IS 'old'`,
    ]);
    const { application } = schema;
    const table = `${schema.name}.t`;
    const setting = [
      `COMMENT ON TABLE ${table} IS 'the table''s'; COMMENT ON COLUMN ${table}.a IS NULL; COMMENT ON COLUMN ${table}."B b" IS 'b''s'`,
      `ALTER TABLE ${table} SET (fillfactor = 70, autovacuum_enabled = off, toast.vacuum_truncate = off), RESET (autovacuum_vacuum_threshold)`,
      `ALTER TABLE ${table} ALTER a SET STATISTICS 200, ALTER "B b" SET STATISTICS 300, ALTER "B b" SET (n_distinct = 5)`,
    ];
    await migrate({
      ...{ schema, clauses: 'ALTER a TYPE bigint, ALTER a SET STATISTICS 500, SET (fillfactor = 50)' },
      whileCopied: () => application.run(setting.join('; ')),
    });
    const read = `SELECT c.reloptions, t.reloptions AS toast, obj_description(c.oid, 'pg_class') AS comment, (SELECT
        json_agg(json_build_array(attname, attstattarget, attoptions, col_description(attrelid, attnum)) ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 1)::text AS columns
      FROM pg_class AS c JOIN pg_class AS t ON t.oid = c.reltoastrelid WHERE c.oid = '${table}'::regclass`;
    expect(await application.run(read)).toEqual([
      {
        reloptions: '{fillfactor=50,autovacuum_enabled=off}',
        toast: '{vacuum_truncate=off}',
        comment: "the table's",
        columns: `[["a", 500, null, null], ["B b", 300, ["n_distinct=5"], "b's"]]`,
      },
    ]);
  });

  test('a source that was altered meanwhile is not swapped', async () => {
    await using schema = await createPostgresSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id int PRIMARY KEY, a int)`);
    const whileCopied = (): Promise<unknown> => schema.application.run(`ALTER TABLE ${schema.name}.t ADD c int`);
    const altering = migrate({ schema, clauses: 'ADD b int', whileCopied });
    await expect(altering).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect((await inventoryOf(schema.application, schema.name, 't'))['columns']).toHaveLength(3);
  });
});
