/** What belongs to a PostgreSQL table besides its rows is on the new table after the swap, as it was on the old one. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RowWriter } from '../../src/engine/ports.ts';
import { createBookkeeping } from '../../src/postgres/bookkeeping.ts';
import { createCarryOver } from '../../src/postgres/carry-over.ts';
import { takeClaim } from '../../src/postgres/claim.ts';
import { createCutover } from '../../src/postgres/cutover.ts';
import { readPairLayout } from '../../src/postgres/pair-layout.ts';
import { createRowWriter } from '../../src/postgres/row-writer.ts';
import type { Server } from '../../src/postgres/server.ts';
import type { Session } from '../../src/postgres/session.ts';
import { createShadowBuilder } from '../../src/postgres/shadow.ts';
import { createPostgresSchema, never, openPostgres, type PostgresSchema } from '../support/postgres-adapter.ts';
import { inventoryChanges, inventoryOf } from '../support/postgres-inventory.ts';
import { dropSink, kitchenSink, strangeSink } from '../support/postgres-kitchen-sink.ts';
import { planPostgres } from '../support/postgres-plan.ts';
import { sharedServer, versionOf } from '../support/shared-servers.ts';

interface Migrating {
  readonly schema: PostgresSchema;
  readonly clauses: string;
  readonly whileCopied?: () => Promise<unknown>;
  /** Another role than the tests' own. */
  readonly by?: Server;
}

describe.each(['postgres-15', 'postgres-16', 'postgres-17', 'postgres-18'] as const)('carrying over on %s', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgres(url);
    await using session = await server.openSession({}, never);
    await createBookkeeping(session, never);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** The whole way but for the rows of the stream: shadow, copy, indexes, swap. */
  const migrate = async ({ schema, clauses, whileCopied, by = server }: Migrating): Promise<void> => {
    const plan = await planPostgres({ server: by, schema, clauses, options: { materializedViews: 'recreate' } });
    await using claim = await takeClaim(by, { table: plan.source, migration: plan.id }, never);
    const shadow = createShadowBuilder(plan);
    {
      await using session = await claim.openSession({}, never);
      await shadow.create(session, never);
      const columns = plan.columns.map((pair) => `"${pair.shadow}"`).join(', ');
      const values = plan.columns.map((pair) => pair.using ?? `"${pair.source}"`).join(', ');
      await session.execute(
        `INSERT INTO ${plan.shadow.schema}.t (${columns}) OVERRIDING SYSTEM VALUE SELECT ${values} FROM ${schema.name}.t`,
        never,
      );
      await shadow.finish(session, false, never);
    }
    await whileCopied?.();
    const lockedWriter = (session: Session): RowWriter =>
      createRowWriter((signal) => readPairLayout(session, plan, signal), {
        withSession: (work) => work(session),
        isInTransaction: true,
      });
    const cutover = createCutover({ flavour: server.flavour, plan, claim, lockedWriter, carryOver: createCarryOver([plan]) });
    const options = { lockTimeoutMs: 5_000, holdTimeoutMs: 20_000 };
    try {
      await cutover.prepare?.(never);
      expect(await cutover.attempt(options, async () => undefined, never)).toMatchObject({ kind: 'swapped' });
      await cutover.settle(() => undefined, never);
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

  test('a source that was altered meanwhile is not swapped', async () => {
    await using schema = await createPostgresSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id int PRIMARY KEY, a int)`);
    const whileCopied = (): Promise<unknown> => schema.application.run(`ALTER TABLE ${schema.name}.t ADD c int`);
    const altering = migrate({ schema, clauses: 'ADD b int', whileCopied });
    await expect(altering).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect((await inventoryOf(schema.application, schema.name, 't'))['columns']).toHaveLength(3);
  });
});
