/** The examples do what they say, on a real server. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERRORS } from '../../src/engine/errors.ts';
import { DEFAULT_LOAD_LIMITS } from '../../src/index.ts';
import { readConfig } from '../../src/shell/config-file.ts';
import { readLogin } from '../../src/shell/login.ts';
import { readOptions } from '../../src/shell/option-values.ts';
import { limitsFrom } from '../../src/shell/run-limits.ts';
import { parseWindows } from '../../src/shell/window.ts';
import { builtProgram } from '../support/cli.ts';
import { openShop, type Shop } from '../support/shop.ts';

const examples = join(import.meta.dirname, '..', '..', 'examples');
let shop: Shop;
let folder: string;
beforeAll(async () => {
  shop = await openShop('mysql', 1_000);
  folder = mkdtempSync(join(tmpdir(), 'tableshift-examples-'));
  writeFileSync(join(folder, 'tableshift'), `#!/bin/sh\nexec ${process.execPath} ${builtProgram()} "$@"\n`);
  chmodSync(join(folder, 'tableshift'), 0o755);
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the script; `end` says at which line it is interrupted. */
async function runScript(config: object, end: RegExp | null) {
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify(config));
  const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}`, HOME: '/nonexistent', XDG_RUNTIME_DIR: folder };
  const child = spawn(join(examples, 'scheduled-run.sh'), [path], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (end?.test(line) === true) child.kill('SIGINT');
  }
  return JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>;
}

test('the script of scheduled runs starts a change in one night and finishes it in another', async () => {
  const config = { url: shop.url, alter: 'ALTER TABLE orders ADD COLUMN night INT', 'max-latency': 0 };
  const first = await runScript({ ...config, cutover: 'manual' }, /"kind":"cutover-awaited"/);
  expect(first).toMatchObject({ kind: 'summary', command: 'migrate', state: 'open', exitCode: 1 });
  const second = await runScript(config, null);
  expect(second).toMatchObject({ kind: 'summary', command: 'resume', id: first['id'], state: 'done', exitCode: 0 });
  // The third night finds it done, as it does by the table's name apart or with comments; another change of the table is none that is done.
  expect(await runScript(config, null)).toEqual({ kind: 'done-before', ids: [first['id']] });
  const apart = { url: shop.url, table: 'orders', alter: 'ADD  COLUMN night INT;' };
  const explained = { ...config, alter: "/* don't */ ALTER TABLE orders ADD /* a */ COLUMN night INT -- it's asked for;\n;" };
  for (const same of [apart, explained]) {
    expect(await runScript(same, null)).toEqual({ kind: 'done-before', ids: [first['id']] });
  }
  const more = { ...config, alter: `${config.alter}, ADD COLUMN day INT` };
  expect(await runScript(more, null)).toMatchObject({ kind: 'summary', command: 'migrate', state: 'done', exitCode: 0 });
});

test('the script of scheduled runs ends so that it is tried again where the server cannot be reached', () => {
  const path = join(folder, 'away.json');
  writeFileSync(
    path,
    JSON.stringify({ url: 'mysql://root@127.0.0.1:1/shop', alter: 'ALTER TABLE orders ADD COLUMN night INT' }),
  );
  const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}`, HOME: '/nonexistent' };
  const { status, stdout } = spawnSync(join(examples, 'scheduled-run.sh'), [path], { env, encoding: 'utf8' });
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ kind: 'error', error: { code: 'UNREACHABLE' } });
});

test('cron mails the error of a night that is none of the usual ones, and nothing else', () => {
  const [, command = ''] = /^0 22 .* tableshift +(said=.*)$/m.exec(readFileSync(join(examples, 'crontab'), 'utf8')) ?? [];
  const log = join(folder, 'orders.log');
  const mailed = [0, 124, 2].map((code) => {
    const run = join(folder, `night-${code}`);
    writeFileSync(run, `#!/bin/sh\necho ${code}\necho "error ${code}" >&2\nexit ${code}\n`, { mode: 0o755 });
    const here = command.replace('/opt/tableshift/scheduled-run.sh', run).replaceAll('/var/log/tableshift/orders.log', log);
    const { stdout, stderr } = spawnSync('/bin/sh', ['-c', here], { encoding: 'utf8' });
    return stdout + stderr;
  });
  expect(mailed).toEqual(['', '', 'error 2\n']);
  expect(readFileSync(log, 'utf8')).toBe('0\n124\n2\n');
});

test('the configuration of the example is one', async () => {
  const config = await readConfig(join(examples, 'config.json'));
  const { values } = readOptions('migrate', {}, {}, config);
  expect(values.alter).toEqual(['ALTER TABLE orders MODIFY id bigint unsigned NOT NULL AUTO_INCREMENT']);
  expect(limitsFrom(values).pace.load).toEqual({
    ...DEFAULT_LOAD_LIMITS,
    max: { Threads_running: 25 },
    critical: { Threads_running: 100 },
  });
  for (const text of [values.window, values.cutoverWindow]) {
    expect(() => parseWindows(text, values.windowTimezone, '--window')).not.toThrow();
  }
});

test('the pod of the example has its password, although the file of the configuration is not there', async () => {
  const pod = readFileSync(join(examples, 'cronjob.yaml'), 'utf8');
  const [, secret = ''] = /- name: TABLESHIFT_PASSWORD_FILE\n +value: (\S+)\/password\n/.exec(pod) ?? [];
  expect(pod).toContain(`- name: secret\n                  mountPath: ${secret}\n`);
  // Who is not root reads it by its group.
  expect(pod).toMatch(/runAsNonRoot: true\n[^]*fsGroup: \d+\n[^]*defaultMode: 0400\n/);
  const config = await readConfig(join(examples, 'config.json'));
  const file = join(folder, 'password');
  writeFileSync(file, 'geheim\n', { mode: 0o400 });
  const { values, inFile } = readOptions('migrate', {}, { TABLESHIFT_PASSWORD_FILE: file }, config);
  const keyboard = { input: process.stdin, errors: process.stderr, signal: new AbortController().signal };
  const { password } = await readLogin(values, keyboard, inFile);
  expect(typeof password === 'function' ? await password() : null).toBe('geheim');
});

test('the unit of systemd starts again exactly where a resume may help, and one that is stopped has not failed', () => {
  const unit = readFileSync(join(examples, 'tableshift.service'), 'utf8');
  const listed = (setting: string) => new RegExp(`^${setting}=(.*)$`, 'm').exec(unit)?.[1]?.split(' ').map(Number);
  expect(unit).toContain('\nRestart=always\n');
  expect(listed('RestartPreventExitStatus')).toEqual([0, 2, 3, 4, 7, 8]);
  expect(listed('SuccessExitStatus')).toEqual([ERRORS.INTERRUPTED.exitCode]);
});
