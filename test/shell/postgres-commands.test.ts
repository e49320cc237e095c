/** The whole command line on PostgreSQL. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lastObject, runCli, showingAll, startCli } from '../support/cli.ts';
import { openPostgresApplication } from '../support/postgres-adapter.ts';
import { openPostgresShop, type PostgresShop } from '../support/postgres-shop.ts';

const rows = 6_000;
/** Small chunks, one after another: long enough for a test to step in. */
const slowly = ['--workers', '1', '--chunk-rows-max', '50', '--chunk-time', '10ms', '--max-latency', '0'];

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let shop: PostgresShop;
  beforeAll(async () => {
    shop = await openPostgresShop(version, rows);
  });
  afterAll(async () => await shop[Symbol.asyncDispose]());

  const migrateArgs = (alter: string, ...more: readonly string[]) => [
    ...['migrate', '--url', shop.url, '--alter', alter, ...more],
    // The machine may be busy with other tests.
    ...(more.includes('--max-latency') ? [] : ['--max-latency', '0']),
  ];

  test('plan finds the table by the search path, shows what would be done and changes nothing', async () => {
    const args = ['plan', '--url', shop.url, '--alter', 'ALTER TABLE ONLY Orders ADD extra int, DROP COLUMN note'];
    const text = await runCli(args);
    expect(text).toMatchObject({ exitCode: 0, stderr: '' });
    expect(text.stdout).toMatch(new RegExp(`^table       public\\.orders on postgres ${version}\\.`));
    expect(text.stdout).toContain('\nkey         orders_pkey (id)\n');
    expect(text.stdout).toContain('\ndropped     note\nadded       extra\n');
    expect(text.stdout).toMatch(/No obstacle: this can be migrated\.\n$/);

    const json = await runCli([...args, '--output', 'json']);
    expect(json).toMatchObject({ exitCode: 0, stderr: '' });
    expect(lastObject(json)).toMatchObject({
      ...{ kind: 'plan', exitCode: 0, obstacles: [] },
      plan: { source: { schema: 'public', table: 'orders' }, droppedColumns: ['note'], addedColumns: ['extra'] },
    });
    expect(await shop.leftovers()).toEqual([]);
    expect(await shop.sql(`SELECT 1 FROM pg_namespace WHERE nspname = 'tableshift'`)).toEqual([]);
    expect((await runCli(['list', '--url', shop.url])).exitCode).toBe(0);
  });

  test('plan and migrate refuse what is in the way, with its remedy and exit code 2', async () => {
    const args = ['--url', shop.url, '--alter', 'ALTER TABLE nothing ADD extra int'];
    expect(await runCli(['plan', ...args])).toEqual({
      exitCode: 2,
      stdout:
        'obstacle TABLE_NOT_FOUND: public.nothing does not exist or is not a table.\n  remedy: Check the name, its schema and the database in --url.\n',
      stderr: '',
    });
    await shop.sql('CREATE MATERIALIZED VIEW seen AS SELECT id FROM orders');
    const migrate = await runCli([...migrateArgs('ALTER TABLE orders ADD extra int'), '--output', 'json']);
    await shop.sql('DROP MATERIALIZED VIEW seen');
    expect(migrate.exitCode).toBe(2);
    expect(migrate.stderr).toContain(
      'error OBSTACLE: One obstacle is in the way; nothing was changed.\nobstacle DEPENDENT_OBJECTS: ',
    );
    expect(lastObject(migrate)).toMatchObject({ kind: 'error', exitCode: 2, obstacles: [{ code: 'DEPENDENT_OBJECTS' }] });
    expect(await shop.leftovers()).toEqual([]);
  });

  test('migrate changes the table, keeps the old one, and cleanup drops that', async () => {
    const before = await shop.content();
    const run = await runCli([
      ...[
        'migrate',
        '--url',
        shop.url,
        '--table',
        'orders',
        '--alter',
        'ALTER id TYPE bigint, ADD extra int DEFAULT 7 NOT NULL',
      ],
      ...['--output', 'json', '--log-level', 'info', '--max-latency', '0'],
    ]);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    const objects = run.stdout.trimEnd().split('\n');
    const phases = objects.map((line) => JSON.parse(line) as Record<string, unknown>).flatMap(({ phase }) => phase ?? []);
    expect(phases.filter((phase, index) => phase !== phases[index - 1])).toEqual([
      ...['prepare', 'copy', 'finish-shadow', 'catch-up', 'verify', 'await-cutover', 'cutover', 'clean-up', 'done'],
    ]);
    const summary = lastObject(run);
    const id = String(summary['id']);
    expect(summary).toMatchObject({
      ...{ kind: 'summary', command: 'migrate', table: 'public.orders', state: 'done', exitCode: 0, error: null },
      ...{ rowsCopied: rows, rowsVerified: rows, rowsRepaired: 0, cutoverAttempts: 1, resumeCommand: null },
      retired: `tableshift_old_${id}.orders`,
    });
    expect(await shop.content()).toEqual({ ...Object(before), columns: 'amount customer extra id note' });
    expect(await shop.leftovers()).toEqual([`schema tableshift_old_${id}`]);

    expect((await runCli(['list', '--url', shop.url])).stdout).toMatch(
      new RegExp(`^ID +STATE .*\n${id}  done +done +public\\.orders .*  ALTER id TYPE bigint, ADD extra`),
    );
    expect((await runCli(['status', id, '--url', shop.url])).stdout).toContain(
      `migration   ${id}\ntable       public.orders\n`,
    );
    expect((await runCli(['cleanup', '--url', shop.url])).stdout).toContain(`  ${id}  tableshift_old_${id}.orders (`);
    const kept = lastObject(await runCli(['cleanup', '--url', shop.url, '--yes', '--output', 'json']));
    expect(kept).toMatchObject({
      kind: 'cleanup',
      results: [],
      kept: [{ id, reasonToKeep: expect.stringMatching(/^its soak/) }],
    });
    expect((await runCli(['cleanup', id, '--url', shop.url])).exitCode).toBe(2);
    const cleanup = await runCli(['cleanup', id, '--url', shop.url], { TABLESHIFT_SOAK: '0' });
    expect(cleanup).toMatchObject({ exitCode: 0, stderr: '' });
    expect(cleanup.stdout).toMatch(
      new RegExp(`^Dropped tableshift_old_${id}\\.orders \\(.*\\), the old table of migration ${id}\\.\n$`),
    );
    expect(await shop.leftovers()).toEqual([]);
  });

  test('a signal ends the run with a checkpoint, and the command that it prints finishes the migration', async () => {
    const before = await shop.content();
    await using run = startCli(
      [...migrateArgs('ALTER TABLE public.orders ADD second int'), '--output', 'json', ...slowly],
      showingAll,
    );
    await run.lineMatching(/"checkpoint-saved"/);
    await run.lineMatching(/"chunk-copied"/);
    run.child.kill('SIGINT');
    const result = await run.result;
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain('error INTERRUPTED: The run was ended by SIGINT.\n  remedy: Resume.\n');
    const summary = lastObject(result);
    expect(summary).toMatchObject({ kind: 'summary', state: 'open', exitCode: 1, error: { code: 'INTERRUPTED' } });
    const [, command = ''] = /to go on: +tableshift (.*)\n/.exec(result.stderr) ?? [];
    expect(command).toBe(
      `resume --url ${shop.url} --workers 1 --chunk-time 10ms --chunk-rows-max 50 --max-latency 0ms --output json ${String(summary['id'])}`,
    );
    const status = await runCli(['status', '--url', shop.url]);
    expect(status.stdout).toContain('state       open: no process works on it\n');
    expect(status.stdout).toContain('\nphase       copy\n');
    expect(status.stdout).toContain('ended by    INTERRUPTED: The run was ended by SIGINT.\n');

    const resumed = await runCli(command.split(' '));
    expect(resumed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(resumed.stdout).toMatch(/"kind":"resumed","phase":"copy"/);
    expect(lastObject(resumed)).toMatchObject({ command: 'resume', id: summary['id'], state: 'done', isResumed: true });
    expect(await shop.content()).toEqual({ ...Object(before), columns: 'amount customer extra id note second' });
  });

  test('a run that was killed is resumed from its checkpoint, with what was written meanwhile', async () => {
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
    await using run = startCli([...migrateArgs('ALTER TABLE orders ADD third int'), '--output', 'json', ...slowly], showingAll);
    await run.lineMatching(/"checkpoint-saved"/);
    await run.lineMatching(/"chunk-copied"/);
    run.child.kill('SIGKILL');
    expect((await run.result).exitCode).toBeNull();
    await shop.sql(
      `UPDATE orders SET amount = amount + 1 WHERE id % 10 = 1; DELETE FROM orders WHERE id % 100 = 2;
       INSERT INTO orders (customer, amount) VALUES (1, 2)`,
    );
    const before = await shop.content();
    const resumed = await runCli(['resume', '--url', shop.url, '--output', 'json', '--max-latency', '0']);
    expect(resumed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(lastObject(resumed)).toMatchObject({ state: 'done', isResumed: true });
    expect(await shop.content()).toEqual({ ...Object(before), columns: 'amount customer extra id note second third' });
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
    expect(await shop.leftovers()).toEqual([]);
  });

  test('a run that is going on is not given up; one that ended is, and leaves the source alone and nothing else', async () => {
    const before = await shop.content();
    const args = migrateArgs('ALTER TABLE orders DROP COLUMN second');
    await using reader = await shop.openReader();
    await using run = startCli([...args, '--output', 'json', ...slowly, '--cutover-lock-timeout', '1s']);
    const { plan } = JSON.parse(await run.lineMatching(/"kind":"plan"/)) as { plan: { id: string } };
    await run.lineMatching(/"cutover-failed"/);
    const whileRunning = await runCli(['cleanup', plan.id, '--url', shop.url]);
    expect(whileRunning.exitCode).toBe(2);
    expect(whileRunning.stderr).toContain('error TABLE_CLAIMED: ');
    expect((await runCli(['list', '--url', shop.url])).stdout).toContain(`${plan.id}  running`);

    run.child.kill('SIGTERM');
    expect((await run.result).exitCode).toBe(1);
    await reader[Symbol.asyncDispose]();
    await shop.sql(`CREATE SCHEMA IF NOT EXISTS tableshift_old_${plan.id}`);
    expect(await shop.leftovers()).toEqual([
      `publication tableshift_${plan.id}`,
      `schema tableshift_old_${plan.id}`,
      `schema tableshift_${plan.id}`,
      `slot tableshift_${plan.id}`,
    ]);
    expect((await runCli(args)).stderr).toContain('obstacle MIGRATION_OPEN: ');
    expect(await runCli(['cleanup', plan.id, '--url', shop.url])).toEqual({
      exitCode: 0,
      stdout: `Migration ${plan.id} is given up: its shadow table is gone, the source was not touched.\n`,
      stderr: '',
    });
    expect(await shop.leftovers()).toEqual([]);
    expect(await shop.content()).toEqual(before);
    expect((await runCli(['resume', '--url', shop.url])).stderr).toContain('error MIGRATION_NOT_FOUND: ');
  });

  test('a migration that swapped without being recorded as done is found to be done, by resume and by cleanup', async () => {
    const run = await runCli([...migrateArgs('ALTER TABLE orders ADD late int'), '--output', 'json']);
    const { id, retired } = lastObject(run);
    const crashed = () => shop.sql(`UPDATE tableshift.migrations SET state = 'open' WHERE id = '${String(id)}'`);
    const after = [await shop.content(), await shop.leftovers()];

    await crashed();
    const resumed = await runCli(['resume', '--url', shop.url]);
    expect(resumed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(resumed.stdout).toContain('\n  swap      done before\n');
    await crashed();
    expect((await runCli(['cleanup', String(id), '--url', shop.url])).stdout).toBe(
      `Migration ${String(id)} had swapped already, and is done. Its old table is kept; cleanup with its ID drops it after its soak, with --now at once.\n`,
    );
    expect([await shop.content(), await shop.leftovers()]).toEqual(after);
    expect((await runCli(['cleanup', String(id), '--url', shop.url, '--now'])).stdout).toContain(
      `Dropped ${String(retired)} (`,
    );
    expect((await runCli(['cleanup', String(id), '--url', shop.url])).stdout).toBe(
      `Migration ${String(id)} has left nothing to drop.\n`,
    );
  });

  test('a cutover that gets no lock ends with exit code 5 and names who is in the way', async () => {
    {
      await using reader = await shop.openReader();
      const run = await runCli([
        ...migrateArgs('ALTER TABLE orders DROP COLUMN late'),
        ...['--cutover-attempts', '1', '--cutover-lock-timeout', '1s'],
      ]);
      expect(run.exitCode).toBe(5);
      expect(run.stderr).toContain('error CUTOVER_NOT_LOCKED: ');
      // By how long the reader has rested.
      expect(run.stderr).toMatch(
        /because the lock was not (?:had|even asked for: it would not be had) within 1000 ms\. In the way: /,
      );
      expect(run.stderr).toContain(`process ${reader.pid} of postgres from 127.0.0.1, idle in transaction`);
    }
    expect((await runCli(['resume', '--url', shop.url])).exitCode).toBe(0);
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
  });

  test('a long statement keeps the swap away at first, and the application does not wait for us meanwhile', async () => {
    await using reader = await openPostgresApplication(shop.url);
    const reading = reader.run('SELECT count(*), pg_sleep(600) FROM orders').catch(() => undefined);
    await using run = startCli([
      ...migrateArgs('ALTER TABLE orders ADD calm int', '--defer-indexes', 'never'),
      '--output',
      'json',
    ]);
    await run.lineMatching(/"cutover-attempt"/);
    await using application = await openPostgresApplication(shop.url);
    await application.run(`SET lock_timeout = '200ms'`);
    const over = new AbortController();
    const failed = run.lineMatching(/"cutover-failed"/).finally(() => over.abort());
    while (!over.signal.aborted) await application.run('UPDATE orders SET amount = amount + 1 WHERE id = 7');
    expect(await failed).toContain(`process ${reader.pid} of postgres`);
    await application.run(`SELECT pg_cancel_backend(${reader.pid})`);
    await reading;
    expect(await run.result).toMatchObject({ exitCode: 0, stderr: '' });
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
  });

  test('an index build that waits for a long statement says for which, and goes on when that has ended', async () => {
    // Indexes of partitions are always built beside writes.
    await shop.sql(
      'CREATE TABLE parted (id int PRIMARY KEY, v int); CREATE INDEX ON parted (v); INSERT INTO parted VALUES (1, 2)',
    );
    const alter = 'ALTER TABLE parted ADD w int, PARTITION BY HASH (id) (PARTITION p FOR VALUES WITH (MODULUS 1, REMAINDER 0))';
    await using reader = await openPostgresApplication(shop.url);
    const reading = reader.run('SELECT count(*), pg_sleep(600) FROM orders').catch(() => undefined);
    await using run = startCli([...migrateArgs(alter), '--output', 'json']);
    expect(await run.lineMatching(/"phase":"finish-shadow".*"throttledBy":"/)).toContain(
      `"throttledBy":"index build: building an index waits for process ${reader.pid} of postgres from 127.0.0.1, running for `,
    );
    await shop.sql(`SELECT pg_cancel_backend(${reader.pid})`);
    await reading;
    expect(await run.result).toMatchObject({ exitCode: 0, stderr: '' });
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
    await shop.sql('DROP TABLE parted');
  });

  test('a change stream that has to wait for a transaction says for which, and goes on when that has ended', async () => {
    await using writer = await openPostgresApplication(shop.server.url);
    await writer.run('BEGIN; SELECT pg_current_xact_id()');
    await using run = startCli(migrateArgs('ALTER TABLE orders DROP COLUMN calm'));
    expect(await run.lineMatching(/ warn /)).toContain(
      `process ${writer.pid} of postgres from 127.0.0.1, idle in transaction for `,
    );
    await writer.run('ROLLBACK');
    expect(await run.result).toMatchObject({ exitCode: 0, stderr: '' });
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
    expect(await shop.leftovers()).toEqual([]);
  });

  test('a migration whose source was changed cannot go on, but can be given up, even when the source is gone', async () => {
    await shop.sql('CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small VALUES (1), (2)');
    const interrupted = async (): Promise<string> => {
      await using reader = await shop.openReader('small');
      await using run = startCli([...migrateArgs('ALTER TABLE small ADD a int'), '--output', 'json']);
      await run.lineMatching(/"cutover-failed"/);
      run.child.kill('SIGTERM');
      const { id } = lastObject(await run.result);
      await reader[Symbol.asyncDispose]();
      return String(id);
    };
    for (const change of ['TRUNCATE small', 'ALTER TABLE small ADD b int', 'DROP TABLE small']) {
      const id = await interrupted();
      await shop.sql(change);
      const resumed = await runCli(['resume', id, '--url', shop.url]);
      expect(resumed.exitCode).toBe(8);
      expect(resumed.stderr).toContain('error SOURCE_CHANGED: ');
      expect((await runCli(['status', id, '--url', shop.url])).stdout).toMatch(/ended by +SOURCE_CHANGED: /);
      expect(resumed.stderr).not.toContain('to go on:');
      expect((await runCli(['status', id, '--url', shop.url])).stdout).toMatch(/^to give up +tableshift cleanup /m);
      expect(resumed.stderr).toContain(`  to give it up: tableshift cleanup --url ${shop.url} ${id}\n`);
      expect(await runCli(['cleanup', id, '--url', shop.url])).toMatchObject({ exitCode: 0, stderr: '' });
      expect(await shop.leftovers()).toEqual([]);
    }
  });

  test('a run whose bookkeeping is dropped takes its slot away, and list names what is left, with the statements', async () => {
    await shop.sql('CREATE TABLE small (id int PRIMARY KEY)');
    const args = [...migrateArgs('ALTER TABLE small ADD a int', '--strategy', 'shadow', '--cutover', 'manual')];
    await using run = startCli([...args, '--checkpoint-interval', '100ms', '--output', 'json']);
    await run.lineMatching(/"cutover-awaited"/);
    await shop.sql('DROP SCHEMA tableshift CASCADE');
    const result = await run.result;
    const { id } = lastObject(result) as { id: string };
    expect(result.exitCode).toBe(8);
    expect(result.stderr).toMatch(
      /^error RECORDS_LOST: Somebody has dropped the bookkeeping, .* may be left: SELECT .*;\n {2}remedy: Remove what the message names .*\n$/,
    );
    expect(await shop.leftovers()).toEqual([`schema tableshift_${id}`]);
    await shop.sql(`SELECT pg_create_logical_replication_slot('tableshift_dead', 'pgoutput')`);
    const gone = 'of a migration that is not recorded any more';
    const left = [
      `The replication slot tableshift_dead is ${gone}, and keeps the server’s log: SELECT pg_drop_replication_slot('tableshift_dead').`,
      `The schema tableshift_${id} is ${gone}, with its shadow: DROP SCHEMA "tableshift_${id}" CASCADE.`,
    ];
    const list = await runCli(['list', '--url', shop.url]);
    expect(list.stdout).toBe(`No migration is recorded on this server.\n${left.join('\n')}\n`);
    for (const sentence of left) await shop.sql(sentence.slice(sentence.indexOf(': ') + 2, -1));
    expect(await shop.leftovers()).toEqual([]);
  });
});
