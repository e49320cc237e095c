/** What a plan says of triggers, and of views, routines and events that name the table. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../src/mysql/server.ts';
import { createSchema, openAdapter } from '../support/adapter-server.ts';
import { plan } from '../support/plan-request.ts';
import { sharedServer } from '../support/shared-servers.ts';

describe.each(['mysql', 'mariadb'] as const)('the plan on %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('names what goes by the name of the table, and warns of what uses a column that goes', async () => {
    await using schema = await createSchema(url);
    await using other = await createSchema(url);
    const { application, name } = schema;
    for (const statement of [
      `USE ${name}`,
      'CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)',
      'CREATE TABLE tt (id INT PRIMARY KEY)',
      'CREATE VIEW plain AS SELECT id FROM t AS x',
      'CREATE VIEW wide AS SELECT * FROM t',
      'CREATE VIEW unconcerned AS SELECT * FROM tt',
      `CREATE VIEW ${other.name}.far AS SELECT id FROM t`,
      "CREATE PROCEDURE fill() INSERT INTO t (id, b) VALUES (1, 'a')",
      "CREATE FUNCTION talk() RETURNS TEXT DETERMINISTIC RETURN 't'",
      `CREATE PROCEDURE ${other.name}.near_miss() SELECT * FROM t`,
      `CREATE PROCEDURE ${other.name}.away() SELECT * FROM ${name}.t`,
      'CREATE EVENT tidy ON SCHEDULE EVERY 1 YEAR STARTS NOW() + INTERVAL 1 YEAR DO DELETE FROM `T` WHERE id < 0',
      'CREATE TRIGGER feeding AFTER INSERT ON tt FOR EACH ROW INSERT INTO t (id) VALUES (NEW.id)',
      'CREATE TRIGGER own AFTER INSERT ON t FOR EACH ROW SET @a = 1',
    ])
      await application.run(statement);
    const { notes } = await plan({ server, schema, clauses: 'DROP COLUMN a, RENAME COLUMN b TO c' });
    const list = (...items: readonly string[]): string => items.toSorted().join(', ');
    const warning = (what: string, columns: string): string =>
      `Warning: the ${what} seems to use ${columns}, which the change drops or renames, and would fail from the swap on: make it again right after it.`;
    const inOrder = (note: string): string =>
      note.replace(/: ((?:view|event|procedure|trigger) .*)\.$/, (_, items: string) => `: ${list(...items.split(', '))}.`);
    expect(notes.slice(0, 5).map(inOrder)).toEqual([
      'Its triggers (own) are given to the new table at the swap. The tables that they use are locked with it for that moment.',
      `Views over the table stay as they are and show the new one: ${list(`view ${other.name}.far`, `view ${name}.plain`, `view ${name}.wide`)}.`,
      `The text of these names the table, or seems to, and stays as it is: ${list(`event ${name}.tidy`, `procedure ${other.name}.away`, `procedure ${name}.fill`, `trigger ${name}.feeding`)}.`,
      warning(`procedure ${name}.fill`, 'b'),
      warning(`view ${name}.wide`, 'a, b'),
    ]);
  });
});
