/** How busy the sessions of applications on MariaDB are, by looks at its process list. */
import { expect, test } from 'vitest';
import { processListLooks } from '../../src/mysql/process-list.ts';
import type { SessionsSeen } from '../../src/sessions/sessions-of-others.ts';
import { createSchema, never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';

test('those in a transaction count as busy, those that rest do not, and ours not at all', async () => {
  await using fresh = await startServer({ flavour: 'mariadb' });
  await using schema = await createSchema(fresh.url);
  await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY) ENGINE = InnoDB`);
  await using server = await openAdapter(fresh.url);
  await using ours = await server.openSession({}, never);
  await using asking = await server.openSession({}, never);
  await using busy = await openApplication(fresh.url);
  const seen: SessionsSeen[] = [];
  const look = processListLooks(server, { see: (sessions) => seen.push(sessions) });
  await ours.execute('BEGIN', never);
  await ours.query(`SELECT * FROM ${schema.name}.t`, never);
  await busy.run('BEGIN');
  await busy.run(`SELECT * FROM ${schema.name}.t`);
  // Our control connection was made just now. What the server tells of transactions it looks up anew once nobody has asked for 100 ms.
  const settled = async (): Promise<SessionsSeen | undefined> => {
    await schema.application.run('DO 0');
    await busy.run('DO 0');
    await look(asking, never);
    return seen.at(-1);
  };
  await expect.poll(settled, { interval: 150, timeout: 10_000 }).toEqual({ count: 2, inTransaction: 1 });
  await busy.run('ROLLBACK');
  await expect.poll(settled, { interval: 150 }).toEqual({ count: 2, inTransaction: 0 });
});

test('a session that has ended is none of ours any more, as another may get its number', async () => {
  await using server = await openAdapter(sharedServer('mariadb'));
  {
    await using session = await server.openSession({}, never);
    expect(server.ownConnections()).toEqual([session.connectionId]);
  }
  expect(server.ownConnections()).toEqual([]);
});

test('who may not look is told nothing, and does not ask again', async () => {
  await using fresh = await startServer({ flavour: 'mariadb' });
  await using schema = await createSchema(fresh.url);
  const user = `${schema.name}_user`;
  await schema.application.run(`CREATE USER ${user}@'%' IDENTIFIED BY ''`);
  const limited = new URL(fresh.url);
  limited.username = user;
  await using server = await openAdapter(limited.href);
  await using session = await server.openSession({}, never);
  const seen: SessionsSeen[] = [];
  const statements: string[] = [];
  const query: typeof session.query = (sql, signal) => {
    statements.push(sql);
    return session.query(sql, signal);
  };
  const asked = { ...session, connectionId: session.connectionId, query };
  const look = processListLooks(server, { see: (sessions) => seen.push(sessions) });
  await look(asked, never);
  await look(asked, never);
  expect(seen).toEqual([]);
  expect(statements).toHaveLength(1);
});
