/** Why a row does not go into the shadow, where the server holds several spellings of its key equal. */
import { expect, test } from 'vitest';
import { explainCollision } from '../../src/postgres/collision.ts';
import type { PairLayout } from '../../src/postgres/pair-layout.ts';
import { type ComparedColumn, OWN_OPERATORS, rowKey } from '../../src/postgres/row-key.ts';
import { createPostgresSchema, never, openPostgres } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';

test('a row that is in the way of itself, in another spelling, is told from one that has been spelled anew', async () => {
  const url = sharedServer('postgres-18');
  await using schema = await createPostgresSchema(url);
  await using server = await openPostgres(url);
  await using session = await server.openSession({}, never);
  await schema.application.run(
    `CREATE TABLE ${schema.name}.a (id numeric PRIMARY KEY); CREATE TABLE ${schema.name}.b (LIKE ${schema.name}.a INCLUDING ALL);
     INSERT INTO ${schema.name}.a VALUES (1.00); INSERT INTO ${schema.name}.b VALUES (1.00)`,
  );
  const explain = async () => {
    await session.execute('BEGIN', never);
    const cause = await explainCollision(session, layoutOf(schema.name), [rowKey(['1.0'])], never);
    await session.execute('ROLLBACK', never);
    return cause;
  };
  const there = rowKey(['1.00']);
  expect(await explain()).toEqual({ kind: 'in-the-way', keys: [there], respelled: [there] });
  await schema.application.run(`UPDATE ${schema.name}.a SET id = 1.0`);
  expect(await explain()).toEqual({ kind: 'in-the-way', keys: [there] });
});

function layoutOf(schema: string): PairLayout {
  const id: ComparedColumn = {
    name: 'id',
    attnum: 1,
    type: 'numeric',
    literalType: 'numeric',
    operators: OWN_OPERATORS,
    collation: null,
  };
  return {
    source: { schema, table: 'a' },
    shadow: { schema, table: 'b' },
    shadowRows: `${schema}.b`,
    key: [id],
    shadowKey: [id],
    shadowKeyIndex: ['id'],
    isUpsertable: false,
    columns: [{ shadow: 'id', shadowType: 'numeric', expression: 'id' }],
    generated: [],
    uniques: [{ name: 'b_pkey', parts: [{ expression: 'id', operator: '=' }], predicate: null, areNullsDistinct: true }],
    userSettings: '',
  };
}
