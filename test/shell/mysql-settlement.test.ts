/** Foreign keys that the swap on MariaDB leaves to be settled: they outlive a killed run, are shown, and are finished by another run. */
import { expect, test } from 'vitest';
import { createSchema, openApplication } from '../support/adapter-server.ts';
import { lastObject, runCli, startCli } from '../support/cli.ts';
import { startServer } from '../support/servers.ts';

test('a run that is killed between the swap and the names of the foreign keys is finished by resume, and status says what is left', async () => {
  await using server = await startServer({ flavour: 'mariadb' });
  const { url } = server;
  await using schema = await createSchema(url);
  const { application, name } = schema;
  await using reader = await openApplication(url);
  await using writer = await openApplication(url);
  for (const session of [application, reader, writer]) await session.run(`USE ${name}`);
  await application.run('CREATE TABLE t (id INT PRIMARY KEY, a INT, CONSTRAINT to_itself FOREIGN KEY (a) REFERENCES t (id))');
  await application.run('CREATE TABLE c (x INT, CONSTRAINT to_t FOREIGN KEY (x) REFERENCES t (id))');
  await application.run('INSERT INTO t VALUES (1, NULL), (2, 1)');
  await application.run('INSERT INTO c VALUES (1)');
  const child = await application.run('SHOW CREATE TABLE c');

  // A writer that waits while the tables are locked is in the new table right after the swap, and in the way of settling it.
  await reader.run('BEGIN');
  await reader.run('SELECT * FROM t');
  // The reader holds the lock up; its snapshot would keep the lock from being asked for.
  const limits = ['--cutover-lock-timeout', '60s', '--old-snapshots', 'ignore', '--max-latency', '0'];
  await using run = startCli([
    'migrate',
    '--url',
    url,
    '--table',
    `${name}.t`,
    '--alter',
    'ADD b INT',
    ...limits,
    '--output',
    'json',
  ]);
  await expect.poll(() => waiting(application, 'LOCK TABLES')).toBe(1);
  await writer.run('BEGIN');
  const written = writer.run('INSERT INTO t (id, a) VALUES (3, 2)');
  await expect.poll(() => waiting(application, 'INSERT INTO t')).toBe(1);
  await reader.run('COMMIT');
  await written;
  await run.lineMatching(/"kind":"retrying","what":"doing what the swap has left to do"/);
  run.child.kill('SIGKILL');
  expect(await run.result).toMatchObject({ exitCode: null });

  const status = await runCli(['status', '--url', url, '--output', 'json']);
  const { id, unsettled } = lastObject(status);
  expect(unsettled).toEqual([
    expect.stringMatching(/^Drop the foreign keys of the retired table .* \(to_itself\)\.$/),
    `Give the foreign keys of ${name}.c their names (to_t).`,
    `Give the foreign keys of ${name}.t their names (to_itself).`,
  ]);
  await writer.run('COMMIT');
  await expect(application.run('INSERT INTO c VALUES (99)')).rejects.toMatchObject({ errno: 1452 });
  await expect(application.run('DELETE FROM t WHERE id = 1')).rejects.toMatchObject({ errno: 1451 });
  await application.run('INSERT INTO c VALUES (3)');

  const resumed = await runCli(['resume', String(id), '--url', url, '--output', 'json']);
  expect(lastObject(resumed)).toMatchObject({ exitCode: 0, state: 'done' });
  expect(await application.run('SHOW CREATE TABLE c')).toEqual(child);
  const [parent] = await application.run('SHOW CREATE TABLE t');
  expect(parent?.['Create Table']).toMatch(/`b` int.*CONSTRAINT `to_itself` FOREIGN KEY \(`a`\) REFERENCES `t` \(`id`\)\n/s);
  expect(parent?.['Create Table']).not.toContain('_ts_fk_');
});

/** Statements that wait for a table and begin like this. */
async function waiting(application: { run(sql: string): Promise<unknown[]> }, beginning: string): Promise<number> {
  const rows = await application.run(
    `SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock' AND INFO LIKE '${beginning}%'`,
  );
  return rows.length;
}
