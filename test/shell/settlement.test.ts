/** What the swap leaves to be done: it outlives the run, is shown, and is finished by another run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lastObject, runCli, startCli } from '../support/cli.ts';
import { ownDatabase } from '../support/postgres-own-database.ts';

/** VALIDATE of one key waits for a lock that the test holds. */
const held = `
  CREATE FUNCTION hold() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN IF current_query() LIKE '%VALIDATE%t_a_fkey%' THEN PERFORM pg_advisory_lock_shared(7); END IF; END $$;
  CREATE EVENT TRIGGER hold ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION hold()`;

test('a run that is killed between the swap and the last VALIDATE is finished by resume, and status says what is left', async () => {
  await using database = await ownDatabase(
    'postgres-18',
    `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, a int REFERENCES p);
     CREATE TABLE c (x int REFERENCES t);
     INSERT INTO p SELECT i FROM generate_series(1, 9) AS i; INSERT INTO t SELECT id, id FROM p; INSERT INTO c SELECT id FROM p`,
    held,
    'SELECT pg_advisory_lock(7)',
  );
  const { application, url } = database;
  const unvalidated = 'SELECT conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1';
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-settlement-'));
  const socket = join(folder, 'control');
  try {
    const change = ['--alter', 'ALTER TABLE t ADD b int DEFAULT 7', '--socket', socket];
    await using run = startCli(['migrate', '--url', url, ...change, '--output', 'json']);
    await run.lineMatching(/"kind":"settled","what":"The foreign key c_x_fkey/);
    const live = await runCli(['status', '--socket', socket]);
    expect(live.stdout).toMatch(/^phase +clean-up: .*\n(?:.*\n)*left to do +The foreign key t_a_fkey/m);
    run.child.kill('SIGKILL');
    expect(await run.result).toMatchObject({ exitCode: null });
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect(await application.run(unvalidated)).toEqual([{ conname: 't_a_fkey' }]);
  // The application goes on meanwhile, in the new table, and is held to both keys.
  await application.run('INSERT INTO t VALUES (10, 1); INSERT INTO c VALUES (10)');
  await expect(application.run('INSERT INTO t VALUES (11, 77)')).rejects.toThrow(/"t_a_fkey"/);

  const status = await runCli(['status', '--url', url]);
  expect(status.stdout).toContain('\nphase       clean-up\n');
  expect(status.stdout.match(/^left to do .*$/gm)).toEqual([
    'left to do  The foreign key t_a_fkey of public.t is to be validated.',
  ]);
  const { id } = lastObject(await runCli(['status', '--url', url, '--output', 'json']));
  const refused = await runCli(['cleanup', String(id), '--url', url]);
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^error UNSETTLED: .*has swapped.*t_a_fkey/m) });

  await using interrupted = startCli(['resume', '--url', url, '--output', 'json']);
  await interrupted.lineMatching(/"kind":"settling"/);
  interrupted.child.kill('SIGINT');
  const { exitCode, stderr } = await interrupted.result;
  expect([exitCode, stderr.includes('  to go on: '), stderr.includes('to give it up')]).toEqual([1, true, false]);

  await using resumed = startCli(['resume', '--url', url, '--output', 'json']);
  await resumed.lineMatching(/"kind":"settling"/);
  await application.run('SELECT pg_advisory_unlock(7)');
  const result = await resumed.result;
  expect(lastObject(result)).toMatchObject({ exitCode: 0, state: 'done' });
  expect(result.stdout.match(/"kind":"settled".*/g)).toEqual([expect.stringContaining('t_a_fkey')]);
  expect(await application.run(unvalidated)).toEqual([]);
});
