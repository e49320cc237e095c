/** Runs on real servers that are told what to do from another process. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type CliResult, lastObject, runCli, startCli } from '../support/cli.ts';
import { openPostgresShop } from '../support/postgres-shop.ts';
import { schemaFaults } from '../support/schemas.ts';
import { openShop } from '../support/shop.ts';

interface Place extends AsyncDisposable {
  readonly url: string;
  sql(statement: string): Promise<unknown>;
  leftovers(): Promise<readonly string[]>;
  /** A transaction that keeps every cutover attempt from its lock. */
  openReader(): Promise<AsyncDisposable>;
}

async function openPlace(name: 'mysql' | 'postgres'): Promise<Place> {
  if (name === 'postgres') return await openPostgresShop(18, 2_000);
  const shop = await openShop('mysql', 2_000);
  const leftovers = async () => (await shop.tables()).filter((table) => table !== 'orders');
  return {
    url: shop.url,
    sql: (statement) => shop.sql(statement),
    leftovers,
    openReader: () => shop.openReader(),
    [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose](),
  };
}

describe.each(['mysql', 'postgres'] as const)('on %s', (name) => {
  const figure = name === 'mysql' ? 'Threads_connected' : 'sessions';
  const nowhere = name === 'mysql' ? "Table 'shop.nowhere' doesn't exist" : 'relation "nowhere" does not exist';
  let shop: Place;
  let folder: string;
  beforeAll(async () => {
    shop = await openPlace(name);
    folder = mkdtempSync(join(tmpdir(), 'tableshift-control-'));
  });
  afterAll(async () => {
    await shop[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const migrate = (column: string, ...more: readonly string[]) => [
    ...['migrate', '--url', shop.url, '--alter', `ALTER TABLE orders ADD COLUMN ${column} integer`, '--output', 'json'],
    ...['--max-latency', '0', ...more],
  ];
  /** Calls that find the run by its ID alone, through the runtime directory. */
  const call = (...args: readonly string[]): Promise<CliResult> => runCli(args, { XDG_RUNTIME_DIR: folder });

  test('a run by hand shows its status, takes new settings, waits for the operator and then swaps', async () => {
    await using run = startCli(migrate('first', '--cutover', 'manual'), { XDG_RUNTIME_DIR: folder });
    const { plan } = JSON.parse(await run.lineMatching(/"kind":"plan"/)) as { plan: { id: string } };
    await run.lineMatching(/"kind":"cutover-awaited"/);

    const status = await call('status', plan.id);
    expect(status).toMatchObject({ exitCode: 0, stderr: '' });
    expect(status.stdout).toContain(`migration     ${plan.id}\n`);
    expect(status.stdout).toContain('swap held     by operator: it was asked for by hand (--cutover manual)\n');
    expect(await call('control', plan.id, 'set', 'workers=7')).toEqual({
      exitCode: 0,
      stdout: 'workers is 7 now.\n',
      stderr: '',
    });
    const by = `${userInfo().username} (as the client says)`;
    expect(await call('control', plan.id, 'pause')).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await call('status', plan.id)).stdout).toContain(`paused        by operator: asked for by ${by}\n`);
    expect(await call('control', plan.id, 'unpause')).toMatchObject({ stdout: 'Copying and verifying may go on.\n' });
    // Where the run cannot be asked, the database is.
    const notes = join(folder, 'notes');
    writeFileSync(notes, '');
    const unasked = await runCli(['status', plan.id, '--url', shop.url], { XDG_RUNTIME_DIR: notes });
    expect(unasked).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('state       running\n') });
    expect(unasked.stderr).toMatch(
      /^warning: The socket .*\/notes\/.* cannot be used: .* This is what the database knows\.\n$/,
    );
    expect(JSON.parse(await run.lineMatching(/"kind":"options-changed"/))).toMatchObject({
      ...{ by, changes: [{ name: 'copyWorkers', before: 2, after: 7 }] },
    });
    expect(await call('control', plan.id, 'set', `max-load=${figure}=500`)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(lastObject(await call('status', plan.id, '--output', 'json'))).toMatchObject({
      ...{ kind: 'status', id: plan.id, state: 'running', phase: 'await-cutover' },
      options: { workers: 7, maxLoad: { [figure]: 500 }, maxLagMs: 5_000, window: null },
      cutoverHeldBy: [{ by: 'operator', reason: 'it was asked for by hand (--cutover manual)' }],
    });
    const refused = await call('control', plan.id, 'set', 'workers=many');
    const reason = 'workers must be a whole number, not "many".';
    expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
    expect(refused.stderr).toContain(`error BAD_USAGE: ${reason}\n`);
    const answers = [await call('control', plan.id, 'set', 'workers=many', '--output', 'json')];
    answers.push(await call('control', plan.id, 'postpone', '--output', 'json'));
    expect(answers.map(({ stdout }) => JSON.parse(stdout) as object)).toEqual([
      expect.objectContaining({ kind: 'error', exitCode: 2, error: expect.objectContaining({ message: reason }) }),
      {
        time: expect.any(String),
        kind: 'control',
        command: 'postpone',
        message: expect.stringContaining('No cutover attempt begins'),
      },
    ]);
    for (const [setting, reason] of [
      ['max-load=frobs=1', 'frobs'],
      ['throttle-query=SELECT stop FROM nowhere', `error BAD_USAGE: The server does not answer the query: ${nowhere}`],
    ] as const) {
      const unknown = await call('control', plan.id, 'set', setting);
      expect(unknown).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(reason) });
    }

    expect(await call('control', plan.id, 'cutover')).toMatchObject({ exitCode: 0, stdout: 'The swap may go on.\n' });
    expect(lastObject(await run.result)).toMatchObject({ exitCode: 0, state: 'done', cutoverAttempts: 1 });
    // What was done, and by whom, is in the database for whoever asks from elsewhere; what was refused changed nothing.
    const { events } = lastObject(
      await runCli(['status', plan.id, '--url', shop.url, '--output', 'json', '--events', '50']),
    ) as {
      events: { kind: string; text: string }[];
    };
    expect(events.filter(({ kind }) => ['options-changed', 'cutover-released'].includes(kind)).map(({ text }) => text)).toEqual(
      [
        `changed by ${by}: workers from 2 to 7`,
        `changed by ${by}: max-load ${figure} from none to 500`,
        `the cutover is no longer held by operator, asked for by ${by}`,
      ],
    );
    const gone = await call('control', plan.id, 'pause');
    expect(gone.exitCode).toBe(2);
    expect(gone.stderr).toContain(
      `error MIGRATION_NOT_FOUND: No run listens at ${join(folder, 'tableshift', plan.id)}.sock or `,
    );
    expect(gone.stderr).toContain(
      '. A run is controlled on its own machine, by its own user, at its --socket if it was given one, or by its --http.\n',
    );
    expect((await call('status', plan.id, '--url', shop.url)).stdout).toContain('state       done\n');
    await runCli(['cleanup', '--yes', '--now', '--url', shop.url]);
  });

  test('rows are compared once more where the operator asks for it, and what somebody did to the shadow meanwhile is mended', async () => {
    await using run = startCli(migrate('again', '--cutover', 'manual'), { XDG_RUNTIME_DIR: folder });
    const { plan } = JSON.parse(await run.lineMatching(/"kind":"plan"/)) as {
      plan: { id: string; shadow: { schema: string; table: string } };
    };
    await run.lineMatching(/"kind":"cutover-awaited"/);
    await shop.sql(`DELETE FROM ${plan.shadow.schema}.${plan.shadow.table} WHERE id = 7`);
    expect(await call('control', plan.id, 'verify')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(await run.lineMatching(/"kind":"difference-found"/))).toMatchObject({ keys: ['id = 7'] });
    await run.lineMatching(/"kind":"verification-passed".*"repaired":1/);
    expect(await call('control', plan.id, 'cutover')).toMatchObject({ exitCode: 0 });
    const summary = lastObject(await run.result);
    expect(summary).toMatchObject({ exitCode: 0, rowsVerified: 2000, rowsRepaired: 1 });
    await runCli(['cleanup', '--yes', '--now', '--url', shop.url]);
  });

  test('a run that is aborted is given up: nothing of it is left, exit code 4', async () => {
    const socket = join(folder, 'abort.sock');
    const stop = join(folder, 'stop');
    writeFileSync(stop, '');
    await using run = startCli(migrate('second', '--socket', socket, '--throttle-file', stop));
    await run.lineMatching(/"kind":"throttled"/);
    expect(await shop.leftovers()).not.toEqual([]);
    expect((await runCli(['control', '--socket', socket, 'abort'])).stdout).toBe(
      'The run ends, and the migration is given up: its shadow is dropped. The source was not touched.\n',
    );
    const result = await run.result;
    expect(result.exitCode).toBe(4);
    expect(result.stderr).toBe(
      `error ABORTED: The operator gave the migration up, asked for by ${userInfo().username} (as the client says).\n  remedy: Nothing to do; the shadow is gone.\n`,
    );
    const summary = lastObject(result);
    expect(summary).toMatchObject({ state: 'aborted', exitCode: 4, rowsCopied: 0, resumeCommand: null });
    expect(await shop.leftovers()).toEqual([]);
    expect(summary['throttledMs']).toBeGreaterThan(0);
    expect(schemaFaults('summary', summary)).toEqual([]);
    const status = lastObject(await runCli(['status', String(summary['id']), '--url', shop.url, '--output', 'json']));
    expect(status).toMatchObject({ kind: 'migration', state: 'aborted' });
    expect(schemaFaults('status', status)).toEqual([]);
  });

  test('a run that is aborted while it waits for the lock of the cutover is given up too, and the table is as it was', async () => {
    const socket = join(folder, 'late.sock');
    await using reader = await shop.openReader();
    const report = join(folder, 'late.json');
    await using run = startCli(migrate('late', '--socket', socket, '--cutover-lock-timeout', '30s', '--report', report));
    await run.lineMatching(/"kind":"cutover-attempt"/);
    const trying = lastObject(await runCli(['status', '--socket', socket, '--output', 'json']));
    expect(trying).toMatchObject({ phase: 'cutover', lastAttempt: { attempt: 1 } });
    expect(schemaFaults('status', trying)).toEqual([]);
    expect(await runCli(['control', '--socket', socket, 'abort'])).toMatchObject({ exitCode: 0, stderr: '' });
    const result = await run.result;
    await reader[Symbol.asyncDispose]();
    expect(result.exitCode).toBe(4);
    expect(lastObject(result)).toMatchObject({ state: 'aborted', rowsCopied: 2_000, blockedMs: null });
    const written: unknown = JSON.parse(readFileSync(report, 'utf8'));
    expect(written).toMatchObject({ summary: { state: 'aborted' }, attempts: [{ attempt: 1 }] });
    expect(schemaFaults('report', written)).toEqual([]);
    expect(await shop.leftovers()).toEqual([]);
    const again = await runCli(['plan', '--url', shop.url, '--alter', 'ALTER TABLE orders ADD COLUMN late integer']);
    expect(again.exitCode).toBe(0);
  });

  test('pause, unpause and postpone over HTTP, with the token and without', async () => {
    const token = 'a-token-of-many-characters';
    const stop = join(folder, 'stop');
    writeFileSync(stop, '');
    const args = migrate('third', '--throttle-file', stop, '--http', '127.0.0.1:0');
    expect((await runCli(args)).stderr).toContain('error BAD_USAGE: --http needs a token of 16 characters at least');
    // As a shell makes of <(command), which can be read once.
    const pipe = join(folder, 'token');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    onTestFinished(() => rmSync(pipe));
    await using run = startCli([...args, '--http-token-file', pipe]);
    await writeFile(pipe, `${token}\n`);
    const [place = ''] = /http:[^"]+\d/.exec(await run.lineMatching(/Listening at http:/)) ?? [];
    await run.lineMatching(/"kind":"throttled"/);
    const ask = async (method: string, path: string, authorization = `Bearer ${token}`, body?: string) => {
      const response = await fetch(`${place}${path}`, { method, headers: { authorization }, body: body ?? null });
      return { status: response.status, text: await response.text() };
    };
    expect((await ask('POST', '/control/abort', 'Bearer wrong')).status).toBe(401);
    expect((await ask('POST', '/control/pause')).status).toBe(200);
    expect((await ask('POST', '/control/postpone')).status).toBe(200);
    const somebody = { by: 'operator', reason: 'asked for by somebody over HTTP from 127.0.0.1' };
    const held: unknown = JSON.parse((await ask('GET', '/status')).text);
    expect(held).toMatchObject({
      ...{ kind: 'status', phase: 'copy', pausedBy: [somebody], cutoverHeldBy: [somebody] },
      throttle: { signal: 'throttle file', detail: `${stop} exists` },
    });
    expect(schemaFaults('status', held)).toEqual([]);
    const metrics = (await ask('GET', '/metrics')).text;
    expect(metrics).toContain('# TYPE tableshift_rows_copied_total counter\ntableshift_rows_copied_total 0\n');
    expect(metrics).toContain('tableshift_phase{phase="copy"} 1\n');
    expect(metrics).toContain('tableshift_throttled 1\n');
    expect(metrics).toMatch(/tableshift_throttled_seconds_total\{signal="throttle file"\} \d/);
    expect(await ask('POST', '/control/set', undefined, 'throttle-file=none')).toMatchObject({ status: 200 });
    expect((await ask('POST', '/control/unpause')).status).toBe(200);
    await run.lineMatching(/"kind":"cutover-awaited"/);
    expect((await ask('POST', '/control/cutover')).status).toBe(200);
    expect(lastObject(await run.result)).toMatchObject({ exitCode: 0, state: 'done', rowsCopied: 2_000 });
  });
});
