/** That reads which were rehearsed are answered with what is there when they are read again, on the oldest and the newest PostgreSQL. */
import { describe, expect, test } from 'vitest';
import { tableOid } from '../../src/postgres/catalog.ts';
import { Rehearsal } from '../../src/postgres/rehearsal.ts';
import type { OwnedSession, Row } from '../../src/postgres/session.ts';
import { createPostgresSchema, never, openPostgres } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';

describe.each(['postgres-15', 'postgres-18'] as const)('on %s', (name) => {
  async function open() {
    const url = sharedServer(name);
    const schema = await createPostgresSchema(url);
    const server = await openPostgres(url);
    const session = await server.openSession({}, never);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (a integer); INSERT INTO ${schema.name}.t VALUES (1)`);
    const oid = tableOid({ schema: schema.name, table: 't' });
    return {
      session,
      change: (sql: string) => schema.application.run(sql.replaceAll('{t}', `${schema.name}.t`)),
      columns: `SELECT attname::text AS name FROM pg_catalog.pg_attribute WHERE attrelid = ${oid} AND attnum > 0 ORDER BY attnum`,
      rows: `SELECT a::text FROM ${schema.name}.t ORDER BY a`,
      async [Symbol.asyncDispose]() {
        await session[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
        await schema[Symbol.asyncDispose]();
      },
    };
  }

  /** The statements that the server has been sent by this session since the last call. */
  function watch(session: OwnedSession): { readonly sent: () => readonly string[] } {
    let sent: string[] = [];
    const query = session.query.bind(session);
    session.query = async (sql, signal): Promise<readonly Row[]> => {
      sent.push(sql);
      return await query(sql, signal);
    };
    return {
      sent() {
        const taken = sent;
        sent = [];
        return taken;
      },
    };
  }

  test('what has changed since is seen, also a table of the same name in its place', async () => {
    await using t = await open();
    const reads = new Rehearsal(t.session);
    expect(await reads.noting.query(t.columns, never)).toEqual([{ name: 'a' }]);
    expect(await reads.noting.query(t.rows, never)).toEqual([{ a: '1' }]);
    await t.change('DROP TABLE {t}; CREATE TABLE {t} (b integer, a integer); INSERT INTO {t} VALUES (0, 7), (0, 8)');
    const { sent } = watch(t.session);
    await t.session.execute('BEGIN', never);
    const again = await reads.replay(never);
    expect(await again.query(t.columns, never)).toEqual([{ name: 'b' }, { name: 'a' }]);
    expect(await again.query(t.rows, never)).toEqual([{ a: '7' }, { a: '8' }]);
    expect(sent()).toEqual([]);
  });

  test('what was not rehearsed, and all that comes behind a write, goes to the server', async () => {
    await using t = await open();
    const reads = new Rehearsal(t.session);
    await reads.noting.query(t.rows, never);
    await reads.noting.query(t.rows, never);
    await t.session.execute('BEGIN', never);
    const again = await reads.replay(never);
    expect(await again.query(t.columns, never)).toEqual([{ name: 'a' }]);
    expect(await again.query(t.rows, never)).toEqual([{ a: '1' }]);
    await again.execute(`INSERT INTO ${t.rows.split(' ')[3] ?? ''} VALUES (2)`, never);
    expect(await again.query(t.rows, never)).toEqual([{ a: '1' }, { a: '2' }]);
  });

  test('where something can no longer be read, the transaction goes on and each is asked by itself', async () => {
    await using t = await open();
    const reads = new Rehearsal(t.session);
    await reads.noting.query(t.columns, never);
    await reads.noting.query(t.rows, never);
    await t.change('ALTER TABLE {t} RENAME COLUMN a TO b');
    await t.session.execute('BEGIN', never);
    const again = await reads.replay(never);
    expect(t.session.transaction).toBe('open');
    expect(await again.query(t.columns, never)).toEqual([{ name: 'b' }]);
    await expect(again.query(t.rows, never)).rejects.toThrow('column "a" does not exist');
  });

  test('nothing rehearsed is the session itself', async () => {
    await using t = await open();
    await t.session.execute('BEGIN', never);
    expect(await new Rehearsal(t.session).replay(never)).toBe(t.session);
  });
});
