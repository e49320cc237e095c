import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliEnvironment, runCli, showingAll, startCli } from '../support/cli.ts';
import { openShop, type Shop } from '../support/shop.ts';

/** Has what shells, URLs and option files treat specially. */
const password = 'gh3im"&% #/p@ss';
const encoded = encodeURIComponent(password);
/** Each stands in every form in which the password could show. */
const secrets = [password, encoded, 'gh3im'];

let shop: Shop;
let folder: string;
beforeAll(async () => {
  shop = await openShop('mysql', 2_000);
  await shop.sql(`CREATE USER mover@'%' IDENTIFIED BY '${password}'`, "GRANT ALL ON *.* TO mover@'%'");
  folder = mkdtempSync(join(tmpdir(), 'tableshift-passwords-'));
  writeFileSync(join(folder, 'password'), `${password}\n`, { mode: 0o600 });
  mkdirSync(join(folder, 'home'));
  const optionFile = `[client]\npassword='${password}'\n`;
  writeFileSync(join(folder, 'home', '.my.cnf'), optionFile, { mode: 0o600 });
  writeFileSync(join(folder, 'client.cnf'), optionFile);
  chmodSync(join(folder, 'client.cnf'), 0o600);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await shop[Symbol.asyncDispose]();
});

const urlOf = (user: string): string => `mysql://${user}@127.0.0.1:${shop.server.port}/shop`;

interface Way {
  readonly name: string;
  readonly args: () => readonly string[];
  readonly environment: () => CliEnvironment;
}

const ways: readonly Way[] = [
  { name: 'in --url', args: () => ['--url', urlOf(`mover:${encoded}`)], environment: () => ({}) },
  { name: 'in TABLESHIFT_URL', args: () => [], environment: () => ({ TABLESHIFT_URL: urlOf(`mover:${encoded}`) }) },
  {
    name: 'in TABLESHIFT_PASSWORD',
    args: () => ['--url', urlOf('mover')],
    environment: () => ({ TABLESHIFT_PASSWORD: password }),
  },
  {
    name: 'in --password-file',
    args: () => ['--url', urlOf('mover'), '--password-file', join(folder, 'password')],
    environment: () => ({}),
  },
  { name: 'in ~/.my.cnf', args: () => ['--url', urlOf('mover')], environment: () => ({ HOME: join(folder, 'home') }) },
  {
    name: 'in --defaults-file',
    args: () => ['--url', urlOf('mover'), '--defaults-file', join(folder, 'client.cnf')],
    environment: () => ({}),
  },
];

describe.each(ways)('a password $name', ({ args, environment }) => {
  test('lets us in, and shows neither in the output, nor in the process list, nor in the books', async () => {
    const clauses = ['--table', 'orders', '--alter', 'MODIFY note VARCHAR(70)', '--output', 'json', '--log-level', 'debug'];
    await using run = startCli(['migrate', ...args(), ...clauses], environment());
    await run.lineMatching(/"kind":"plan"/);
    const commandLine = readFileSync(`/proc/${run.child.pid}/cmdline`, 'utf8').replaceAll('\0', '');
    expect(commandLine).toBe('tableshift migrate');
    const result = await run.result;
    expect(result.exitCode).toBe(0);

    const list = await runCli(['list', ...args(), '--output', 'json'], environment());
    const cleanup = await runCli(['cleanup', ...args(), '--yes', '--now'], environment());
    const books = await shop.sql(
      'SELECT * FROM tableshift.migrations',
      'SELECT * FROM tableshift.checkpoints',
      'SELECT * FROM tableshift.claims',
    );
    const shown = JSON.stringify([result, list, cleanup, books]);
    expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
  });

  test('that is wrong is refused, and shows nowhere either', async () => {
    await shop.sql("ALTER USER mover@'%' IDENTIFIED BY 'another'");
    try {
      const text = await runCli(['list', ...args()], environment());
      const json = await runCli(
        ['migrate', ...args(), '--table', 'orders', '--alter', 'ADD x INT', '--output', 'json'],
        environment(),
      );
      expect([text.exitCode, json.exitCode]).toEqual([2, 2]);
      expect(text.stderr).toContain('error ACCESS_DENIED: ');
      const shown = JSON.stringify([text, json]);
      expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
    } finally {
      await shop.sql(`ALTER USER mover@'%' IDENTIFIED BY '${password}'`);
    }
  });
});

test('a password in the command line is warned about', async () => {
  const result = await runCli(['list', '--url', urlOf(`mover:${encoded}`)]);
  expect(result.exitCode).toBe(0);
  expect(result.stderr).toBe(
    'warning: The password in --url could be read by every user of this machine when the command began; use --ask-pass, --password-file, --password-command or TABLESHIFT_PASSWORD.\n',
  );
});

test('a password in a URL that cannot be read is not shown', async () => {
  for (const url of [
    `mysql://mover:gh3im#x@127.0.0.1/shop`,
    `mysql://mover:gh3im@127.0.0.1:port/shop`,
    `mover:gh3im@127.0.0.1`,
    `mysql://mover:gh3im%@h/`,
  ]) {
    const result = await runCli(['list', '--url', url]);
    expect(result.exitCode).toBe(2);
    expect(JSON.stringify(result)).not.toContain('gh3im');
  }
});

test('the command that resumes has no password in it, and works with one from elsewhere', async () => {
  await using run = startCli(
    [
      ...['migrate', '--url', urlOf(`mover:${encoded}`), '--table', 'orders', '--alter', 'ADD COLUMN late INT'],
      ...['--output', 'json', '--workers', '1', '--chunk-rows-max', '10'],
    ],
    showingAll,
  );
  await run.lineMatching(/"chunk-copied"/);
  run.child.kill('SIGINT');
  const { stderr } = await run.result;
  const [, command = ''] = /to go on: +tableshift (.*)\n/.exec(stderr) ?? [];
  expect(command).toContain(`--url ${urlOf('mover')} `);
  const resumed = await runCli(command.split(' '), { TABLESHIFT_PASSWORD: password });
  expect(resumed).toMatchObject({ exitCode: 0, stderr: '' });
});
