/** What is decided before a migration of a PostgreSQL table: columns, USING, key, uniques, indexes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ColumnPair } from '../../src/engine/model.ts';
import { readTable } from '../../src/postgres/catalog.ts';
import { createNativeChange } from '../../src/postgres/native-change.ts';
import type { Server } from '../../src/postgres/server.ts';
import { never, openPostgres, type PostgresSchema, postgresSchemaWith } from '../support/postgres-adapter.ts';
import { planPostgres, postgresRefusal } from '../support/postgres-plan.ts';
import { sharedServer } from '../support/shared-servers.ts';

/** Copied as `source>shadow`, dropped, added. */
type ColumnLists = readonly [readonly string[], readonly string[], readonly string[]];

/** Up to PostgreSQL 15 the server writes `t.a` where it writes `a` since. */
function withoutTable(pair: ColumnPair | undefined): string | undefined {
  return pair?.using?.replaceAll(/\bt\./g, '');
}

describe.each(['postgres-15', 'postgres-18'] as const)('a plan on %s', (name) => {
  const url = sharedServer(name);
  let server: Server;
  beforeAll(async () => {
    server = await openPostgres(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const withTable = (definition: string, ...more: readonly string[]): Promise<PostgresSchema> =>
    postgresSchemaWith(url, `CREATE TABLE t ${definition}`, ...more);

  test.each<[string, string, string, ColumnLists]>([
    ['a column that is added is not copied', '(id int PRIMARY KEY, a int)', 'ADD b int', [['id>id', 'a>a'], [], ['b']]],
    ['a column that is dropped is not copied', '(id int PRIMARY KEY, a int)', 'DROP a', [['id>id'], ['a'], []]],
    ['a column that is renamed is copied', '(id int PRIMARY KEY, a int)', 'RENAME a TO b', [['id>id', 'a>b'], [], []]],
    [
      'a column that is dropped and added under the same name is a new one',
      '(id int PRIMARY KEY, a int)',
      'DROP a, ADD a int',
      [['id>id'], ['a'], ['a']],
    ],
    [
      'generated columns are not copied, but those that become plain ones are',
      '(id int PRIMARY KEY, a int, s int GENERATED ALWAYS AS (a + 1) STORED, p int GENERATED ALWAYS AS (a + 2) STORED)',
      'ALTER p DROP EXPRESSION, ADD w int GENERATED ALWAYS AS (a + 3) STORED',
      [['id>id', 'a>a', 'p>p'], [], ['w']],
    ],
  ])('%s', async (_, definition, clauses, expected) => {
    await using schema = await withTable(definition);
    const made = await planPostgres({ server, schema, clauses });
    expect([made.columns.map((pair) => `${pair.source}>${pair.shadow}`), made.droppedColumns, made.addedColumns]).toEqual(
      expected,
    );
  });

  const rows = (count: number): string => `INSERT INTO t SELECT FROM generate_series(1, ${count})`;

  test.each<[string, readonly string[], number, number]>([
    ['is empty', [], 0, 0],
    ['has a few rows', [rows(3)], 3, 3],
    ['was never analysed', [rows(20_000)], 10_000, 40_000],
    ['has grown since it was analysed', [rows(5000), 'ANALYZE t', rows(15_000)], 19_000, 21_000],
  ])('of a table that %s says about how many rows there are', async (_, filling, least, most) => {
    await using schema = await withTable(
      '(id serial PRIMARY KEY, a int DEFAULT 1) WITH (autovacuum_enabled = false)',
      ...filling,
    );
    const { estimate } = await planPostgres({ server, schema, clauses: 'ALTER a TYPE bigint' });
    expect(estimate.rows).toBeGreaterThanOrEqual(least);
    expect(estimate.rows).toBeLessThanOrEqual(most);
  });

  test('that has to wait for the table too long says who has locked it, also where it looks for a native way', async () => {
    await using schema = await withTable('(id int PRIMARY KEY, a int)');
    const { application } = schema;
    await application.run(`BEGIN; LOCK TABLE ${schema.name}.t`);
    const impatient: Server = {
      ...server,
      openSession: (options, signal) => server.openSession({ ...options, settings: ['lock_timeout = 100'] }, signal),
    };
    const options = { deferIndexes: 'auto', key: null } as const;
    const request = { table: { schema: schema.name, table: 't' }, clauses: 'ADD b int', options };
    const thrown = (error: unknown): unknown => error;
    for (const error of [
      await planPostgres({ server: impatient, schema, clauses: request.clauses }).catch(thrown),
      await createNativeChange(impatient).find(request, never).catch(thrown),
    ]) {
      expect(error).toMatchObject({
        code: 'LOCK_WAIT',
        message: expect.stringMatching(/lock timeout.* In the way: process \d+ of postgres [^;]*: BEGIN; LOCK TABLE .*\.$/),
      });
    }
    await application.run('ROLLBACK');
  });

  test('columns that were dropped earlier do not shift the others', async () => {
    await using schema = await withTable('(x int, id int PRIMARY KEY, y int, a int)', 'ALTER TABLE t DROP x, DROP y');
    const made = await planPostgres({ server, schema, clauses: 'RENAME a TO b' });
    expect(made.columns).toEqual([
      { source: 'id', shadow: 'id' },
      { source: 'a', shadow: 'b' },
    ]);
  });

  test.each([
    ['upper(a)', 'upper(a)'],
    [`(a || 'x, y)') /* , */ -- no`, "(a || 'x, y)'::text)"],
    ['$q$a)b$q$', "'a)b'::text"],
    ['NULL', 'NULL::text'],
    ['(t.a)', 'a'],
  ])('USING %s is kept as the server reads it', async (using, expected) => {
    await using schema = await withTable('(id int PRIMARY KEY, a text)');
    const made = await planPostgres({
      server,
      schema,
      clauses: `ALTER COLUMN a SET DATA TYPE text USING ${using}\n, ADD b int`,
    });
    expect(made.columns.map(({ source }) => source)).toEqual(['id', 'a']);
    expect(withoutTable(made.columns[1])).toBe(expected);
  });

  test('names in USING and in defaults are found in the search path of the user, and are qualified', async () => {
    await using schema = await withTable(
      '(id int PRIMARY KEY, a int)',
      'CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE RETURN $1 * 2',
    );
    const { username } = new URL(url);
    const role = `r_${schema.name}`;
    await schema.application.run(`CREATE ROLE ${role} SUPERUSER LOGIN; ALTER ROLE ${role} SET search_path = ${schema.name}`);
    try {
      await using other = await openPostgres(url.replace(`${username}@`, `${role}@`));
      const made = await planPostgres({ server: other, schema, clauses: 'ALTER a TYPE bigint USING twice(a)' });
      expect(withoutTable(made.columns.at(-1))).toBe(`${schema.name}.twice(a)`);
    } finally {
      await schema.application.run(`DROP ROLE ${role}`);
    }
  });

  test('a role that is called as the schema of the bookkeeping finds its own tables, and not those of the bookkeeping', async () => {
    await using schema = await withTable('(id int PRIMARY KEY)');
    await schema.application.run('CREATE SCHEMA IF NOT EXISTS tableshift; CREATE ROLE tableshift SUPERUSER LOGIN');
    try {
      const { username } = new URL(url);
      await using other = await openPostgres(url.replace(`${username}@`, 'tableshift@'));
      expect(other.searchPath).toEqual(['public']);
    } finally {
      await schema.application.run('DROP ROLE tableshift');
    }
  });

  test('a role for which the server quotes all names has the same plan', async () => {
    await using schema = await withTable('(id int PRIMARY KEY, a text, b timestamptz DEFAULT now())');
    const { username } = new URL(url);
    const role = `r_${schema.name}`;
    await schema.application.run(`CREATE ROLE ${role} SUPERUSER LOGIN; ALTER ROLE ${role} SET quote_all_identifiers = on`);
    try {
      await using other = await openPostgres(url.replace(`${username}@`, `${role}@`));
      const clauses = 'ALTER a TYPE int USING length(a) + a::int';
      const [made, usual] = [
        await planPostgres({ server: other, schema, clauses }),
        await planPostgres({ server, schema, clauses }),
      ];
      expect(made.columns).toEqual(usual.columns);
      await using session = await other.openSession({}, never);
      const source = await readTable(session, { schema: schema.name, table: 't' }, never);
      expect(source?.columns.map(({ isVolatile }) => isVolatile)).toEqual([false, false, true]);
    } finally {
      await schema.application.run(`DROP ROLE ${role}`);
    }
  });

  test('the primary key is the key, in the names and under the index of both tables', async () => {
    await using schema = await withTable('(b bigint, a smallint, CONSTRAINT k PRIMARY KEY (a, b))');
    const made = await planPostgres({ server, schema, clauses: 'ALTER a TYPE int, ALTER b SET DEFAULT 1' });
    expect(made.key).toEqual({
      index: 'k',
      columns: ['a', 'b'],
      shadowColumns: ['a', 'b'],
      shadowIndex: 'k',
      isOrderKnown: false,
    });
  });

  test('the index of the replica identity is the key', async () => {
    await using schema = await withTable(
      '(id int PRIMARY KEY, u uuid NOT NULL)',
      'CREATE UNIQUE INDEX k ON t (u)',
      'ALTER TABLE t REPLICA IDENTITY USING INDEX k',
    );
    const made = await planPostgres({ server, schema, clauses: 'RENAME u TO v' });
    expect(made.key).toEqual({ index: 'k', columns: ['u'], shadowColumns: ['v'], shadowIndex: 'k', isOrderKnown: true });
    const other = await postgresRefusal({ server, schema, clauses: 'ADD b int', options: { key: 't_pkey' } });
    const way = `t_pkey can be it: ALTER TABLE "${schema.name}"."t" REPLICA IDENTITY USING INDEX "t_pkey".`;
    expect(other).toEqual([
      [
        'UNSUPPORTED_KEY',
        `The log does not have the key t_pkey of each changed row of ${schema.name}.t; its replica identity is another one. ${way}`,
      ],
    ]);
    await schema.application.run('CREATE INDEX plain ON t (id)');
    expect(await postgresRefusal({ server, schema, clauses: 'ADD b int', options: { key: 'plain' } })).toEqual([
      ['UNSUPPORTED_KEY', `plain of ${schema.name}.t cannot be the migration key: it is not unique.`],
    ]);
  });

  test.each([
    ['(id int)', 'ADD b int', 'NO_REPLICA_IDENTITY', /it has no primary key\.$/],
    ['(id int PRIMARY KEY DEFERRABLE)', 'ADD b int', 'NO_REPLICA_IDENTITY', /its primary key is deferrable\.$/],
    ['(id int PRIMARY KEY)', 'ALTER id TYPE text', 'NO_SHARED_KEY', /id becomes text\.$/],
    [
      '(id int PRIMARY KEY, a int NOT NULL CONSTRAINT a_key UNIQUE)',
      'ALTER id TYPE text',
      'NO_SHARED_KEY',
      /id becomes text\. a_key can, once the log has it: ALTER TABLE "?\w+"?\."?t"? REPLICA IDENTITY USING INDEX "?a_key"?\.$/,
    ],
    ['(id int PRIMARY KEY)', 'ALTER id TYPE int USING -id', 'NO_SHARED_KEY', /id gets new values\.$/],
    ['(id int PRIMARY KEY, a int)', 'DROP id', 'NO_SHARED_KEY', /a column of it is dropped\.$/],
    ['(id int PRIMARY KEY, a int)', 'DROP CONSTRAINT t_pkey', 'NO_SHARED_KEY', /it is not unique over the same columns/],
  ])('no key is found in %s by %s', async (definition, clauses, code, message) => {
    await using schema = await withTable(definition);
    expect(await postgresRefusal({ server, schema, clauses })).toEqual([[code, expect.stringMatching(message)]]);
  });

  test('indexes that are not unique are built later, under their own names, also those that the change adds', async () => {
    await using schema = await withTable(
      '(id int PRIMARY KEY, a int, b text UNIQUE)',
      'CREATE INDEX i ON t (a) WHERE a > 0',
      'CREATE INDEX j ON t (lower(b))',
    );
    expect((await planPostgres({ server, schema, clauses: 'ADD c int' })).deferredIndexes).toEqual(['i', 'j']);
    const kept = await planPostgres({ server, schema, clauses: 'ADD c int', options: { deferIndexes: 'never' } });
    expect(kept.deferredIndexes).toEqual([]);
  });

  test('a unique that does not follow from one of the source is an added one', async () => {
    await using schema = await withTable('(id int PRIMARY KEY, a int UNIQUE, b varchar(9) UNIQUE, c int)');
    const added = async (clauses: string): Promise<readonly string[]> =>
      (await planPostgres({ server, schema, clauses })).addedUniques;
    expect(await added('ADD d int')).toEqual([]);
    expect(await added('ADD UNIQUE (a, c), ALTER b TYPE text')).toEqual([]);
    expect(await added('ADD UNIQUE (c)')).toEqual(['t_c_key']);
    expect(await added('ALTER a TYPE int USING a / 2')).toEqual(['t_a_key']);
    expect(await added('ALTER b TYPE varchar(3)')).toEqual(['t_b_key']);
  });

  test.each([
    ['ADD q nonsense', 'INVALID_ALTER', /type "nonsense" does not exist\.$/],
    ['ADD', 'INVALID_ALTER', /syntax error/],
    ['ADD b int; DROP TABLE t', 'UNSUPPORTED_CLAUSE', /without a semicolon/],
    ["ADD b text DEFAULT 'x", 'UNSUPPORTED_CLAUSE', /the text ends inside a string/],
    ['RENAME TO u', 'UNSUPPORTED_CLAUSE', /RENAME TO renames the table/],
    ['SET SCHEMA public', 'UNSUPPORTED_CLAUSE', /SET SCHEMA moves/],
    ['ADD b int, OWNER TO postgres', 'UNSUPPORTED_CLAUSE', /OWNER TO changes the owner/],
    ['SET UNLOGGED', 'UNSUPPORTED_CLAUSE', /SET UNLOGGED/],
    ['ADD b int REFERENCES t', 'FOREIGN_KEYS', /adds a foreign key/],
  ])('%s is refused', async (clauses, code, message) => {
    await using schema = await withTable('(id int PRIMARY KEY)');
    expect(await postgresRefusal({ server, schema, clauses })).toEqual([[code, expect.stringMatching(message)]]);
  });

  test('nothing is left behind, and the same request gives the same hash until the table is altered', async () => {
    await using schema = await withTable('(id int PRIMARY KEY, a int)');
    const hash = async (): Promise<string> => (await planPostgres({ server, schema, clauses: 'ADD b int' })).hash;
    const before = await hash();
    expect(await hash()).toBe(before);
    await schema.application.run('ALTER TABLE t ALTER a SET DEFAULT 1');
    expect(await hash()).not.toBe(before);
    expect(await schema.application.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tableshift_probe%'")).toEqual([]);
  });
});
