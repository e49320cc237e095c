/** What MySQL counts about the transactions of others. */
import { expect, test } from 'vitest';
import type { SessionTransactions } from '../../src/engine/ports.ts';
import { createSessionPool } from '../../src/mysql/session-pool.ts';
import { transactionTimes } from '../../src/mysql/transaction-times.ts';
import { type Application, createSchema, never, openAdapter, openApplication } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';

interface Reader extends AsyncDisposable {
  /** What the server tells of all sessions but those of the adapter. */
  readonly read: () => Promise<readonly SessionTransactions[]>;
  /** What the adapter's sessions do too. */
  readonly write: (sql: string) => Promise<unknown>;
}

async function openReader(url: string): Promise<Reader> {
  const server = await openAdapter(url);
  const pool = createSessionPool({ sizeMax: 2, open: (signal) => server.openSession({}, signal) });
  const read = transactionTimes(pool);
  return {
    read: () => read(never),
    write: (sql) => pool.withSession((session) => session.execute(sql, never), never),
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

test('on MySQL each session of others is told, with its transactions and the time that they took, and none of ours', async () => {
  const url = sharedServer('mysql');
  await using schema = await createSchema(url);
  const table = `${schema.name}.t`;
  await schema.application.run(`CREATE TABLE ${table} (id INT PRIMARY KEY, v INT)`);
  await schema.application.run(`INSERT INTO ${table} VALUES (1, 1)`);
  await using writer = await openApplication(url);
  await using reader = await openReader(url);
  const thread = await threadOf(writer);
  const own = async (): Promise<SessionTransactions> => {
    const found = (await reader.read()).find(({ id }) => id === thread);
    return found ?? { id: thread, count: 0, busyMs: 0 };
  };

  await writer.run(`UPDATE ${table} SET v = 2`);
  const before = await own();
  await writer.run('BEGIN');
  await writer.run(`UPDATE ${table} SET v = 3`);
  await writer.run('SELECT SLEEP(0.05)');
  await writer.run('COMMIT');
  await writer.run(`UPDATE ${table} SET v = 4`);
  const after = await own();
  expect(after.count - before.count).toBe(2);
  expect(after.busyMs - before.busyMs).toBeGreaterThanOrEqual(50);

  await reader.write(`UPDATE ${table} SET v = 5`);
  const ours = await threadsOf(writer, 'tableshift');
  expect(ours.length).toBeGreaterThan(0);
  const told = (await reader.read()).map(({ id }) => id);
  expect(told).toContain(thread);
  expect(told.filter((id) => ours.includes(id))).toEqual([]);
});

test('a user who may not look, and MariaDB, whose performance_schema is off, give no answer', async () => {
  await using schema = await createSchema(sharedServer('mysql'));
  const user = `'${schema.name}'@'127.0.0.1'`;
  await schema.application.run(`CREATE USER ${user}`);
  try {
    const url = new URL(sharedServer('mysql'));
    url.username = schema.name;
    await using reader = await openReader(url.href);
    expect(await reader.read()).toEqual([]);
    expect(await reader.read()).toEqual([]);
  } finally {
    await schema.application.run(`DROP USER ${user}`);
  }
  await using reader = await openReader(sharedServer('mariadb'));
  expect(await reader.read()).toEqual([]);
});

async function threadOf(application: Application): Promise<string> {
  const [row] = await application.run(
    'SELECT THREAD_ID AS id FROM performance_schema.threads WHERE PROCESSLIST_ID = CONNECTION_ID()',
  );
  return String(row?.['id']);
}

/** The threads of all sessions that say that they are this program's. */
async function threadsOf(application: Application, program: string): Promise<readonly string[]> {
  const rows = await application.run(
    `SELECT t.THREAD_ID AS id FROM performance_schema.threads AS t JOIN performance_schema.session_connect_attrs AS a USING (PROCESSLIST_ID)
     WHERE a.ATTR_NAME = 'program_name' AND a.ATTR_VALUE = '${program}'`,
  );
  return rows.map((row) => String(row['id']));
}
