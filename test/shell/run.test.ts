import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { lastObject, runCli, showingAll, startCli } from '../support/cli.ts';
import type { Flavour } from '../support/servers.ts';
import { openShop, type Shop } from '../support/shop.ts';

const rows = 6_000;
/** Small chunks, one after another: long enough for a test to step in. */
const slowly = ['--workers', '1', '--chunk-rows-max', '50', '--chunk-time', '10ms', '--max-latency', '0'];

const isoTime = '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z';

describe.each<Flavour>(['mysql', 'mariadb'])('on %s', (flavour) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop(flavour, rows);
  });
  afterAll(async () => await shop[Symbol.asyncDispose]());

  const rowsAndColumns = async () => {
    const [count, columns] = await shop.sql(
      'SELECT COUNT(*) AS n, SUM(amount) AS total FROM shop.orders',
      "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'orders' AND table_schema = 'shop' ORDER BY 1",
    );
    return { ...count?.[0], columns: columns?.map((column) => column['name']).join(' ') };
  };

  test('plan shows what would be done and changes nothing', async () => {
    const before = await shop.tables();
    const args = ['plan', '--url', shop.url, '--alter', 'ALTER TABLE orders ADD COLUMN extra INT, DROP COLUMN note'];
    const text = await runCli(args);
    expect(text).toMatchObject({ exitCode: 0, stderr: '' });
    expect(text.stdout).toMatch(/^table       shop\.orders on (mysql|mariadb) \d/);
    expect(text.stdout).toContain('\nkey         PRIMARY (id)\n');
    expect(text.stdout).toContain('\ndropped     note\nadded       extra\n');
    expect(text.stdout).toMatch(/No obstacle: this can be migrated\.\n$/);

    const json = await runCli([...args, '--output', 'json']);
    expect(json).toMatchObject({ exitCode: 0, stderr: '' });
    expect(lastObject(json)).toMatchObject({
      kind: 'plan',
      exitCode: 0,
      obstacles: [],
      plan: {
        source: { schema: 'shop', table: 'orders' },
        droppedColumns: ['note'],
        addedColumns: ['extra'],
        key: { columns: ['id'] },
      },
    });
    expect(await shop.tables()).toEqual(before);
    expect(await shop.sql("SHOW DATABASES LIKE 'tableshift'")).toEqual([[]]);
  });

  test('plan and migrate refuse what is in the way, with its remedy and exit code 2', async () => {
    const args = ['--url', shop.url, '--alter', 'ALTER TABLE nothing ADD COLUMN extra INT'];
    const plan = await runCli(['plan', ...args]);
    expect(plan).toMatchObject({ exitCode: 2, stderr: '' });
    expect(plan.stdout).toBe(
      'obstacle TABLE_NOT_FOUND: shop.nothing does not exist or is not a base table.\n  remedy: Check the name, its schema and the database in --url.\n',
    );
    const migrate = await runCli(['migrate', ...args, '--output', 'json']);
    expect(migrate.exitCode).toBe(2);
    expect(migrate.stderr).toContain(
      'error OBSTACLE: One obstacle is in the way; nothing was changed.\nobstacle TABLE_NOT_FOUND: ',
    );
    expect(lastObject(migrate)).toMatchObject({ kind: 'error', exitCode: 2, obstacles: [{ code: 'TABLE_NOT_FOUND' }] });
  });

  test('migrate changes the table, keeps the old one, and cleanup drops that', async () => {
    const before = await rowsAndColumns();
    const run = await runCli([
      ...['migrate', '--url', shop.url, '--table', 'orders', '--alter', 'ADD COLUMN extra INT NOT NULL DEFAULT 7'],
      ...['--output', 'json', '--log-level', 'info'],
    ]);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    const objects = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(objects.map(({ time }) => time)).toEqual(objects.map(() => expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)));
    expect(objects.flatMap(({ kind, phase }) => (kind === 'phase-entered' ? [phase] : []))).toEqual([
      ...['prepare', 'copy', 'finish-shadow', 'catch-up', 'verify', 'await-cutover', 'cutover', 'clean-up', 'done'],
    ]);
    const summary = lastObject(run);
    expect(summary).toMatchObject({
      ...{ kind: 'summary', command: 'migrate', table: 'shop.orders', state: 'done', exitCode: 0, error: null },
      ...{ rowsCopied: rows, rowsVerified: rows, rowsRepaired: 0, cutoverAttempts: 1, resumeCommand: null },
    });
    const id = String(summary['id']);
    expect(await rowsAndColumns()).toEqual({ ...before, columns: 'amount customer extra id note' });

    const retired = String(summary['retired']).replace('shop.', '');
    expect(await shop.tables()).toEqual(['orders', retired]);
    expect((await runCli(['list', '--url', shop.url])).stdout).toMatch(
      new RegExp(
        `^ID +STATE .*\n${id}  done +done +shop\\.orders .*  until ${isoTime}  shadow +ADD COLUMN extra INT NOT NULL DEFAULT 7\n$`,
      ),
    );
    const status = (await runCli(['status', id, '--url', shop.url])).stdout;
    expect(status).toContain(`migration   ${id}\ntable       shop.orders\n`);
    expect(status).toMatch(/\ncopied {6}[\d,]+ rows\n/);
    expect(status).toMatch(new RegExp(`\nold table   shop\\.${retired} \\(.*\\), its soak ends at ${isoTime}\n`));
    const listed = await runCli(['cleanup', '--url', shop.url, '--soak', '3d']);
    expect(listed.stdout).toMatch(new RegExp(`  ${id}  shop\\.${retired} \\(.*\\), its soak ends at ${isoTime}\n`));
    expect(listed.stdout).toContain(
      `Nothing was dropped. To drop those whose soak is over: tableshift cleanup --url ${shop.url} --soak 3d --yes\n`,
    );
    expect(await runCli(['cleanup', '--url', shop.url, '--yes'])).toMatchObject({
      exitCode: 0,
      stderr: '',
      stdout: expect.stringMatching(
        new RegExp(`^Kept shop\\.${retired} \\(.*\\), the old table of migration ${id}: its soak ends at ${isoTime}\\.\n$`),
      ),
    });
    const refused = await runCli(['cleanup', id, '--url', shop.url]);
    expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
    expect(refused.stderr).toMatch(/^error RETIRED_TABLE_KEPT: .*\n  remedy: .*--now/);
    expect(await shop.tables()).toEqual(['orders', retired]);
    await shop.sql(
      'UPDATE tableshift.migrations SET updated_at = updated_at - INTERVAL 8 DAY',
      'UPDATE tableshift.checkpoints SET saved_at = saved_at - INTERVAL 8 DAY',
    );
    expect((await runCli(['list', '--url', shop.url])).stdout).toContain('  may go  ');
    const cleanup = await runCli(['cleanup', '--url', shop.url, '--yes']);
    expect(cleanup).toMatchObject({ exitCode: 0, stderr: '' });
    expect(cleanup.stdout).toMatch(new RegExp(`^Dropped shop\\.${retired} \\(.*\\), the old table of migration ${id}\\.\n$`));
    expect(await shop.tables()).toEqual(['orders']);
  });

  test('a signal ends the run with a checkpoint, and the command that it prints finishes the migration', async () => {
    const before = await rowsAndColumns();
    const alter = 'ALTER TABLE shop.orders ADD COLUMN second INT';
    await using run = startCli(['migrate', '--url', shop.url, '--alter', alter, '--output', 'json', ...slowly], showingAll);
    await run.lineMatching(/"checkpoint-saved"/);
    await run.lineMatching(/"chunk-copied"/);
    // What sends to a process and then to its group, as timeout(1) does, sends one signal.
    run.child.kill('SIGINT');
    run.child.kill('SIGTERM');
    const result = await run.result;
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toMatch(/error INTERRUPTED: The run was ended by SIG(INT|TERM)\.\n {2}remedy: Resume\.\n/);
    const summary = lastObject(result);
    expect(summary).toMatchObject({ kind: 'summary', state: 'open', exitCode: 1, error: { code: 'INTERRUPTED' } });
    const [, command = ''] = /to go on: +tableshift (.*)\n/.exec(result.stderr) ?? [];
    expect(summary['resumeCommand']).toBe(`tableshift ${command}`);
    expect(command).toBe(
      `resume --url ${shop.url} --workers 1 --chunk-time 10ms --chunk-rows-max 50 --max-latency 0ms --output json ${String(summary['id'])}`,
    );
    expect(Number(summary['rowsCopied'])).toBeLessThan(rows);
    const status = await runCli(['status', '--url', shop.url]);
    expect(status.stdout).toContain('state       open: no process works on it\n');
    expect(status.stdout).toMatch(/ended by {4}INTERRUPTED: The run was ended by SIG(INT|TERM)\.\n/);

    const resumed = await runCli(command.split(' '));
    expect(resumed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(resumed.stdout).toMatch(/"kind":"resumed","phase":"copy"/);
    expect(lastObject(resumed)).toMatchObject({ command: 'resume', id: summary['id'], state: 'done', isResumed: true });
    expect(await rowsAndColumns()).toEqual({ ...before, columns: 'amount customer extra id note second' });
  });

  test('a second signal ends the run at once, and it can be given up, which leaves the source as it was', async () => {
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
    const before = await rowsAndColumns();
    const alter = 'ALTER TABLE shop.orders DROP COLUMN second';
    await using reader = await shop.openReader();
    // The end of the run waits for whom it notifies: here for one that is told again and again, after a second or more.
    const busy = createServer((_, response) => response.writeHead(503).end()).listen(0, '127.0.0.1');
    onTestFinished(() => void busy.close());
    await once(busy, 'listening');
    const webhook = ['--webhook', `http://127.0.0.1:${(busy.address() as AddressInfo).port}/`];
    // A hook that would live on, and holds a pipe open for as long as anything of it does.
    const hooks = mkdtempSync(join(tmpdir(), 'tableshift-hooks-'));
    onTestFinished(() => rmSync(hooks, { recursive: true }));
    execFileSync('mkfifo', [join(hooks, '.alive')]);
    writeFileSync(join(hooks, 'started'), `#!/bin/sh\nexec > '${hooks}/.alive'\nsleep 1000 & wait\n`, { mode: 0o755 });
    const alive = createReadStream(join(hooks, '.alive'));
    const hookIsOver = once(alive.resume(), 'end');
    const args = ['migrate', '--url', shop.url, '--alter', alter, '--output', 'json', ...slowly, ...webhook, '--hooks', hooks];
    await using run = startCli(args, showingAll);
    const { plan } = JSON.parse(await run.lineMatching(/"kind":"plan"/)) as { plan: { id: string } };
    await run.lineMatching(/"chunk-copied"/);

    const whileRunning = await runCli(['cleanup', plan.id, '--url', shop.url]);
    expect(whileRunning.exitCode).toBe(2);
    expect(whileRunning.stderr).toContain('error TABLE_CLAIMED: ');
    expect((await runCli(['list', '--url', shop.url])).stdout).toContain(`${plan.id}  running`);

    run.child.kill('SIGTERM');
    await run.lineMatching(/Once more ends the run at once/);
    // The last of one notice, the first of the next, and a second later its second: what comes so late is another signal.
    for (const _ of [1, 2, 3]) await once(busy, 'request');
    run.child.kill('SIGTERM');
    const ended = await run.result;
    expect(ended.exitCode).toBe(1);
    await hookIsOver;
    expect(lastObject(ended)).toMatchObject({
      ...{ kind: 'summary', id: plan.id, state: 'open', exitCode: 1 },
      error: { code: 'INTERRUPTED' },
    });
    expect(ended.stderr).toContain('\n  to go on:      tableshift resume ');
    await reader[Symbol.asyncDispose]();

    expect((await runCli(['migrate', '--url', shop.url, '--alter', alter])).stderr).toContain('obstacle MIGRATION_OPEN: ');
    const cleanup = await runCli(['cleanup', plan.id, '--url', shop.url]);
    expect(cleanup).toEqual({
      exitCode: 0,
      stdout: `Migration ${plan.id} is given up: its shadow table is gone, the source was not touched.\n`,
      stderr: '',
    });
    expect(await shop.tables()).toEqual(['orders']);
    expect(await rowsAndColumns()).toEqual(before);
    expect((await runCli(['resume', '--url', shop.url])).stderr).toContain('error MIGRATION_NOT_FOUND: ');
  });

  test('without verification the log says so, and no row is compared', async () => {
    const alter = 'ALTER TABLE shop.orders DROP COLUMN second';
    const run = await runCli(['migrate', '--url', shop.url, '--alter', alter, '--no-verify']);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    const [, id] = /\nmigration {3}(\w+)\n\n/.exec(run.stdout) ?? [];
    expect(run.stdout).toContain(`migration ${id} is done\n`);
    expect(run.stdout).toContain('Verification is off: nothing will prove that no row was lost.\n');
    expect(run.stdout).not.toContain('phase verify');
    expect(run.stdout).toMatch(/rows +6,000 copied, not compared, 0 repaired\n/);
  });

  test('a resume that is to verify does so, also where the first run was to swap without it', async () => {
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
    const alter = 'ALTER TABLE shop.orders ENGINE = InnoDB';
    await using run = startCli(['migrate', '--url', shop.url, '--alter', alter, '--no-verify', '--cutover', 'manual']);
    await run.lineMatching(/ready to swap/);
    run.child.kill('SIGTERM');
    expect((await run.result).exitCode).toBe(1);
    const resumed = await runCli(['resume', '--url', shop.url]);
    expect(resumed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(resumed.stdout).toContain('resumed in phase verify, 6,000 rows copied before\n');
    expect(resumed.stdout).toMatch(/rows +6,000 copied, 6,000 compared, 0 repaired\n/);
  });

  test('a run that writes to no terminal goes on when its terminal is closed', async () => {
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
    await using run = startCli(['migrate', '--url', shop.url, '--alter', 'ALTER TABLE shop.orders ENGINE = InnoDB', ...slowly]);
    await run.lineMatching(/phase copy/);
    run.child.kill('SIGHUP');
    expect(await run.result).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('a migration that swapped without being recorded as done is found to be done, by resume and by cleanup', async () => {
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
    const run = await runCli([
      'migrate',
      '--url',
      shop.url,
      '--alter',
      'ALTER TABLE orders ADD COLUMN late INT',
      '--output',
      'json',
    ]);
    const { id, retired } = lastObject(run);
    const crashed = () => shop.sql(`UPDATE tableshift.migrations SET state = 'open' WHERE id = '${String(id)}'`);
    const after = { ...(await rowsAndColumns()), tables: await shop.tables() };

    await crashed();
    const resumed = await runCli(['resume', '--url', shop.url]);
    expect(resumed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(resumed.stdout).toContain('\n  swap      done before\n');
    await crashed();
    expect(await runCli(['cleanup', String(id), '--url', shop.url])).toEqual({
      exitCode: 0,
      stdout: `Migration ${String(id)} had swapped already, and is done. Its old table is kept; cleanup with its ID drops it after its soak, with --now at once.\n`,
      stderr: '',
    });
    expect({ ...(await rowsAndColumns()), tables: await shop.tables() }).toEqual(after);
    expect((await runCli(['cleanup', String(id), '--url', shop.url, '--now'])).stdout).toContain(
      `Dropped ${String(retired)} (`,
    );
    expect(await runCli(['cleanup', String(id), '--url', shop.url])).toEqual({
      exitCode: 0,
      stdout: `Migration ${String(id)} has left nothing to drop.\n`,
      stderr: '',
    });
  });

  test('a cutover that gets no lock ends with exit code 5 and names who is in the way', async () => {
    await runCli(['cleanup', '--url', shop.url, '--yes', '--now']);
    const alter = 'ALTER TABLE shop.orders ADD COLUMN third INT';
    {
      await using reader = await shop.openReader();
      const run = await runCli([
        ...['migrate', '--url', shop.url, '--alter', alter, '--cutover-attempts', '1', '--cutover-lock-timeout', '1s'],
      ]);
      expect(run.exitCode).toBe(5);
      expect(run.stderr).toContain('error CUTOVER_NOT_LOCKED: ');
      expect(run.stderr).toContain('because transactions have a snapshot that is older than the new table. In the way: ');
      expect(run.stderr).toContain(String(reader.connectionId));
      expect(run.stderr).toContain(
        `  to go on:      tableshift resume --url ${shop.url} --cutover-lock-timeout 1s --cutover-attempts 1 `,
      );
    }
    expect((await runCli(['resume', '--url', shop.url])).exitCode).toBe(0);
  });

  test('a migration whose source was changed cannot go on, but can be given up, even when the source is gone', async () => {
    await shop.sql('CREATE TABLE shop.small (id INT NOT NULL PRIMARY KEY)', 'INSERT INTO shop.small VALUES (1), (2)');
    const before = await shop.tables();
    let id = '';
    {
      await using reader = await shop.openReader('small');
      await using run = startCli(['migrate', '--url', shop.url, '--alter', 'ALTER TABLE small ADD a INT', '--output', 'json']);
      await run.lineMatching(/"cutover-attempt"/);
      run.child.kill('SIGTERM');
      id = String(lastObject(await run.result)['id']);
      await reader[Symbol.asyncDispose]();
    }
    await shop.sql('TRUNCATE TABLE shop.small');
    const resumed = await runCli(['resume', id, '--url', shop.url]);
    expect(resumed.exitCode).toBe(8);
    expect(resumed.stderr).toContain('error SOURCE_CHANGED: ');
    expect((await runCli(['status', id, '--url', shop.url])).stdout).toMatch(/ended by +SOURCE_CHANGED: /);
    expect(resumed.stderr).not.toContain('to go on:');
    expect(resumed.stderr).toContain(`  to give it up: tableshift cleanup --url ${shop.url} ${id}\n`);

    await shop.sql('DROP TABLE shop.small');
    expect((await runCli(['resume', id, '--url', shop.url])).stderr).toContain('error SOURCE_CHANGED: ');
    expect(await runCli(['cleanup', id, '--url', shop.url])).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await shop.tables()).toEqual(before.filter((name) => name !== 'small'));
  });

  test('a migration whose record somebody drops says what is left of it, and sends nobody to a cleanup that knows nothing', async () => {
    await shop.sql('CREATE TABLE shop.small (id INT NOT NULL PRIMARY KEY)');
    await using reader = await shop.openReader('small');
    const alter = 'ALTER TABLE small ADD a INT';
    await using run = startCli(['migrate', '--url', shop.url, '--strategy', 'shadow', '--alter', alter, '--output', 'json']);
    await run.lineMatching(/"cutover-attempt"/);
    await shop.sql('DROP DATABASE tableshift');
    const { exitCode, stderr } = await run.result;
    expect(exitCode).toBe(8);
    expect(stderr).toMatch(
      /^error RECORDS_LOST: .* may be left: DROP TABLE IF EXISTS `shop`\.`small_ts_new`;\n {2}remedy: [^\n]+\n$/,
    );
    expect(reader.connectionId).toBeGreaterThan(0);
  });
});
