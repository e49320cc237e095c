/** What somebody else alters between planning and the begin of the stream would be in no column of the plan. */
import { describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/postgres/database.ts';
import { readTable } from '../../src/postgres/catalog.ts';
import { fingerprintOf } from '../../src/postgres/shadow.ts';
import { createPostgresSchema, never, openPostgres, openPostgresApplication } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';

const login = { defaultsFile: null, password: null, home: null, environment: {} };
const alterations = ['ADD COLUMN paid integer NOT NULL DEFAULT 0', 'ALTER COLUMN v TYPE bigint', 'DROP COLUMN v'];

describe.each(['postgres-15', 'postgres-18'] as const)('on %s', (name) => {
  const url = sharedServer(name);

  test.each(alterations)(
    'no run begins on a table that was altered since it was planned, nor is one recorded: %s',
    async (clauses) => {
      await using schema = await createPostgresSchema(url);
      await schema.application.run(`CREATE TABLE ${schema.name}.orders (id integer PRIMARY KEY, v integer, w integer)`);
      await using database = await openDatabase(url, login, never);
      const options = { deferIndexes: 'auto', key: null } as const;
      const request = { table: { schema: schema.name, table: 'orders' }, clauses: 'ALTER COLUMN w TYPE bigint', options };
      const plan = await database.plan(request, never);
      {
        await using claim = await database.claim(plan, 'start', never);
        await using stream = await claim.openChangeStream(null, never);
        expect(stream.start.token).not.toBe('');
        await claim.checkpoints.conclude('aborted', null, never);
      }
      const again = await database.plan(request, never);
      await schema.application.run(`ALTER TABLE ${schema.name}.orders ${clauses}`);
      await expect(database.claim(again, 'start', never)).rejects.toMatchObject({ obstacles: [{ code: 'TABLE_CHANGED' }] });
      expect((await database.listMigrations(never)).filter(({ id }) => id === again.id)).toEqual([]);
    },
  );

  test('an index that is built anew beside the old one is no change of the table, nor is what a build leaves that fails', async () => {
    await using schema = await createPostgresSchema(url);
    const { application } = schema;
    const table = `${schema.name}.orders`;
    await application.run(
      `CREATE TABLE ${table} (id integer PRIMARY KEY, v integer); INSERT INTO ${table} VALUES (1, 1), (2, 1)`,
    );
    await using server = await openPostgres(url);
    await using session = await server.openSession({}, never);
    const read = async (): Promise<{ readonly fingerprint: string; readonly indexes: readonly string[] }> => {
      const source = await readTable(session, { schema: schema.name, table: 'orders' }, never);
      if (source === null) throw new Error('The table is gone.');
      return { fingerprint: fingerprintOf(source), indexes: source.indexes.map((index) => index.name) };
    };
    const before = await read();
    await application.run(`BEGIN; INSERT INTO ${table} VALUES (3, 3)`);
    await using admin = await openPostgresApplication(url);
    const reindexing = admin.run(`REINDEX TABLE CONCURRENTLY ${table}`);
    let meanwhile = await read();
    while (meanwhile.indexes.length === 1) meanwhile = await read();
    expect(meanwhile).toEqual({ ...before, indexes: ['orders_pkey', 'orders_pkey_ccnew'] });
    await application.run('COMMIT');
    await reindexing;
    expect(await read()).toEqual(before);
    await expect(application.run(`CREATE UNIQUE INDEX CONCURRENTLY orders_v ON ${table} (v)`)).rejects.toThrow(
      /could not create unique/,
    );
    expect(await read()).toEqual({ ...before, indexes: ['orders_pkey', 'orders_v'] });
    await application.run(`DROP INDEX ${schema.name}.orders_v; CREATE INDEX orders_v ON ${table} (v)`);
    expect((await read()).fingerprint).not.toBe(before.fingerprint);
  });
});
