import { execFileSync, spawn, spawnSync, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { builtProgram, lastObject, runCli } from '../support/cli.ts';

const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as { version: string };

/** A port on this machine where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('the program', () => {
  test('prints its version and its help on stdout', async () => {
    expect(await runCli(['--version'])).toEqual({ exitCode: 0, stdout: `${manifest.version}\n`, stderr: '' });
    const help = await runCli(['migrate', '--help']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    expect(help.stdout).toContain('--cutover-lock-timeout <TIME>');
    expect(help.stdout.replace(/\s+/g, ' ')).toContain('no old table is kept then, and what it drops is gone');
  });

  test.each([
    [[], 'No command was given: plan, migrate, resume, list, status, control, cleanup or config.'],
    [['help', 'migrat'], 'There is no command migrat: plan, migrate, resume, list, status, control, cleanup or config.'],
    [['config'], 'Say what is to be done: tableshift config check.'],
    [['config', 'show'], 'Say what is to be done: tableshift config check.'],
    [
      ['control'],
      'Say what is to be done: tableshift control [ID] COMMAND, which is one of pause, unpause, verify, cutover, postpone, abort, set.',
    ],
    [['list'], '--url is missing (or TABLESHIFT_URL).'],
    [
      ['control', 'K3V9X2', 'pause'],
      '"K3V9X2" is no ID, which has lower-case letters and digits only. Name the migration by its ID, or its socket with --socket.',
    ],
    [
      ['list', '--url', 'oracle://root@db1/shop'],
      'The URL begins with oracle: but must begin with mysql://, mariadb:// or postgres://.',
    ],
    [
      ['list', '--url', 'postgres://db1/shop', '--defaults-file', '/etc/my.cnf'],
      'An option file is for MySQL and MariaDB; PostgreSQL has PGPASSFILE and the PG* variables.',
    ],
    [['plan', '--url', 'mysql://db1/shop'], '--alter is missing (or TABLESHIFT_ALTER).'],
    [
      ['plan', '--url', 'mysql://db1/shop', '--alter', 'ADD a int'],
      'No table is named: give a whole ALTER TABLE statement, or the table with --table.',
    ],
    [
      ['list', '--url', 'mysql://db1', '--ask-pass'],
      '--ask-pass needs a terminal; use --password-file or TABLESHIFT_PASSWORD here.',
    ],
  ])('refuses %j with exit code 2', async (args, message) => {
    expect(await runCli(args)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `error BAD_USAGE: ${message}\n  remedy: See --help.\n`,
    });
  });

  test.each(['mysql', 'postgres'])('says where it could not connect with %s, and gives up at once', async (scheme) => {
    const port = await closedPort();
    const result = await runCli(['list', '--url', `${scheme}://root:geheim@127.0.0.1:${port}/`]);
    expect(result).toMatchObject({ exitCode: 2, stdout: '' });
    expect(result.stderr).toContain('error UNREACHABLE: ');
    expect(result.stderr).toContain(`127.0.0.1`);
    expect(result.stderr).not.toContain('geheim');
  });

  test('says on stderr that its output was lost, and goes on', () => {
    const { status, stderr } = spawnSync(process.execPath, [builtProgram(), '--help'], {
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/^warning: Output was lost, and the program goes on without it: ENOSPC/);
    expect(status).toBe(0);
  });

  test('can be ended by signals while a file that it reads does not answer, and opens no debugger at any', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tableshift-usage-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const pipe = join(folder, 'config.json');
    execFileSync('mkfifo', [pipe]);
    const stdio: StdioOptions = ['ignore', 'ignore', 'pipe'];
    const child = spawn(process.execPath, [builtProgram(), 'list', '--config', pipe], { stdio });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    const ended = once(child, 'close');
    // Opened when the program waits for what will be written.
    await using writer = await open(pipe, 'w');
    child.kill('SIGUSR1');
    const knocking = setInterval(() => child.kill('SIGTERM'), 50);
    onTestFinished(() => clearInterval(knocking));
    expect(await ended).toEqual([null, 'SIGTERM']);
    expect(said).not.toContain('Debugger');
    expect(writer.fd).toBeGreaterThan(0);
  });

  test('tells JSON readers about an error on stdout too', async () => {
    const result = await runCli(['list', '--output', 'json']);
    expect(lastObject(result)).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      kind: 'error',
      exitCode: 2,
      error: { code: 'BAD_USAGE', message: '--url is missing (or TABLESHIFT_URL).', remedy: 'See --help.' },
      obstacles: [],
    });
    const folder = mkdtempSync(join(tmpdir(), 'tableshift-usage-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const config = join(folder, 'config.json');
    writeFileSync(config, '{"output": "json"}');
    expect(lastObject(await runCli(['list', '--config', config]))).toMatchObject({
      kind: 'error',
      error: { code: 'BAD_USAGE' },
    });
  });
});
