/** What somebody else alters between planning and the begin of the stream would be in no column of the plan. */
import { describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/postgres/database.ts';
import { createPostgresSchema, never } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';

const login = { defaultsFile: null, password: null, home: null, environment: {} };
const alterations = ['ADD COLUMN paid integer NOT NULL DEFAULT 0', 'ALTER COLUMN v TYPE bigint', 'DROP COLUMN v'];

describe.each(['postgres-15', 'postgres-18'] as const)('on %s', (name) => {
  const url = sharedServer(name);

  test.each(alterations)('no stream is opened on a table that was altered since it was planned: %s', async (clauses) => {
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
    await using claim = await database.claim(again, 'start', never);
    await expect(claim.openChangeStream(null, never)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await claim.checkpoints.conclude('aborted', null, never);
  });
});
