/** The moment at which MySQL is asked to drop the foreign keys of a table that goes: it locks their parents for that. */
import { expect, test } from 'vitest';
import type { Session } from '../../src/mysql/session.ts';
import { dropTable } from '../../src/mysql/table-drop.ts';
import { createSchema, never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { type Fate, startProxy } from '../support/tcp-proxy.ts';

test('a foreign key of a table that goes is dropped when nobody has read the parent and may yet write it', async () => {
  const url = sharedServer('mysql');
  await using schema = await createSchema(url);
  for (const statement of [
    `USE ${schema.name}`,
    'CREATE TABLE parents (id INT PRIMARY KEY, size INT)',
    'INSERT INTO parents VALUES (1, 1)',
    'CREATE TABLE old (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parents (id))',
  ])
    await schema.application.run(statement);
  let asked = 0;
  await using proxy = await startProxy(`${url}?ssl-mode=DISABLED`, (sent): Fate => {
    if (sent.includes('DROP FOREIGN KEY')) asked += 1;
    return 'pass';
  });
  await using server = await openAdapter(proxy.url);
  await using application = await openApplication(url);
  await application.run('BEGIN');
  await application.run(`SELECT * FROM ${schema.name}.parents`);
  const open = (settings: readonly string[]): Promise<Session> => server.openSession({ settings, takesSeveral: true }, never);
  const dropped = dropTable({ open, server, table: { schema: schema.name, table: 'old' }, lockTimeoutMs: 60_000 }, never);
  await expect.poll(() => asked).toBeGreaterThan(2);
  await application.run(`UPDATE ${schema.name}.parents SET size = 55`);
  await application.run('COMMIT');
  expect(await dropped).toEqual({ kind: 'done' });
  expect(await schema.application.run('SELECT size FROM parents')).toEqual([{ size: 55 }]);
  expect(await schema.application.run("SHOW TABLES LIKE 'old'")).toEqual([]);
});
