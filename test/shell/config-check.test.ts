/** What `config check` finds, and the program doing it. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkConfig } from '../../src/shell/config-check.ts';
import { messageOf } from '../../src/engine/errors.ts';
import { parseCommandLine } from '../../src/shell/cli.ts';
import { runCommand } from '../../src/shell/commands.ts';
import type { GivenFlags } from '../../src/shell/option-values.ts';
import { allOptions } from '../../src/shell/options.ts';
import { lastObject, runCli } from '../support/cli.ts';

/** What `migrate` says to the same; what it does not refuse would be tried at a port where nobody listens. */
async function refusalOf(args: readonly string[]): Promise<string> {
  const line = parseCommandLine(['migrate', ...args], '1.2.3', 100);
  if (line.kind === 'page') throw new Error('a page of help');
  let written = '';
  const screen = { write: (text: string) => (written += text), on: () => undefined, off: () => undefined };
  const streams = { stdin: process.stdin, stdout: screen, stderr: screen };
  const surroundings = { ...streams, environment: {}, now: () => new Date(), monotonicMs: () => 0 };
  try {
    await runCommand(line, surroundings, new AbortController().signal);
    return written.replace(/^error BAD_USAGE: /, '');
  } catch (error) {
    return messageOf(error);
  }
}

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tableshift-check-'));
  path = join(folder, 'run.yaml');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('each setting is shown with where it comes from, and no password', async () => {
  writeFileSync(path, 'url: mysql://ts:geheim@db1/shop\nworkers: 4\nchunk-time: 1s\n');
  const environment = {
    TABLESHIFT_PASSWORD: 'geheim2',
    TABLESHIFT_WORKERS: '6',
    TABLESHIFT_WROKERS: '7',
    TABLESHIFT_DISK_WAITS: 'no',
    // Two letters from NOW, of three.
    TABLESHIFT_FOO: 'bar',
  };
  const { settings, problems, warnings, missing } = await checkConfig(
    { config: path, chunkTimeMs: '2s', verify: false },
    environment,
  );
  expect(problems).toEqual([]);
  expect(missing).toEqual(['alter']);
  expect(warnings).toEqual([
    'The variable TABLESHIFT_WROKERS is no option, perhaps "TABLESHIFT_WORKERS" is meant.',
    'The variable TABLESHIFT_DISK_WAITS is no option.',
    'The variable TABLESHIFT_FOO is no option.',
  ]);
  const byName = Object.fromEntries(settings.map(({ name, ...setting }) => [name, setting]));
  expect(byName).toMatchObject({
    url: { origin: 'file', line: 1 },
    TABLESHIFT_PASSWORD: { value: '(set)', origin: 'environment', line: null },
    workers: { value: '6', origin: 'environment', line: null },
    'chunk-time': { value: '2s', origin: 'flag', line: null },
    verify: { value: 'off', origin: 'flag' },
    'chunk-rows-max': { value: '50000', origin: 'default' },
    alter: { value: null, origin: 'default' },
  });
  expect(JSON.stringify(settings)).not.toContain('geheim');
});

test('all problems are told at once, each with its place', async () => {
  writeFileSync(path, 'wrokers: 4\nchunk-time: soon\nwindow: tonight\nmax-load: high\n');
  const { problems } = await checkConfig(
    { config: path },
    { TABLESHIFT_APPLY_WORKERS: '0', TABLESHIFT_REPORT: '/nowhere/r.md' },
  );
  expect(problems).toEqual([
    expect.stringMatching(/run\.yaml has "wrokers", .*perhaps "workers" is meant, in line 1\.$/),
    'TABLESHIFT_APPLY_WORKERS must be from 1 to 64, not "0".',
    `"chunk-time" of the configuration file must be a time with its unit, such as 250ms, 10s or 5m, not "soon" (${path}, line 2).`,
    expect.stringMatching(/^--window must be windows such as .*, not "tonight"\.$/),
    expect.stringMatching(/^--max-load must be names with limits such as .*, not "high"\.$/),
    '--report /nowhere/r.md: there is no such directory.',
  ]);
});

test('several tables are checked as one change', async () => {
  const problemsOf = async (text: string): Promise<readonly string[]> => {
    writeFileSync(path, text);
    return (await checkConfig({ config: path }, {})).problems;
  };
  const both = 'alter: [ADD a INT, ADD b INT]\n';
  expect(await problemsOf(`${both}table: [customers, orders]\n`)).toEqual([]);
  expect(await problemsOf('table: orders\n')).toEqual([]);
  expect(await problemsOf(`${both}table: orders\nstrategy: native\n`)).toEqual([
    expect.stringMatching(/^--alter is given 2 times and --table is given once\. Write one --table for each --alter/),
    expect.stringMatching(/^--strategy native is for one table/),
  ]);
});

const base = { url: 'mysql://ts@127.0.0.1:1/shop', alter: ['ALTER TABLE orders ADD a INT'] };
test.each<[GivenFlags, RegExp]>([
  [{ http: '127.0.0.1:8080' }, /^--http needs a token of 16 characters/],
  [{ http: '127.0.0.1:8080', httpTokenFile: '/no' }, /^The token file \/no cannot be read/],
  [{ http: '0.0.0.0:8080' }, /^--http must be an address of this machine/],
  [{ webhook: 'foo' }, /^--webhook must be an address/],
  [{ throttleHttp: 'foo' }, /^--throttle-http must be an address/],
  [{ passwordFile: '/nofile' }, /^The password file \/nofile cannot be read/],
  [{ replicas: 'foo' }, /^--replicas: The URL cannot be read/],
  [{ replicas: 'mysql://db2?foo=1' }, /^--replicas: The URL has the unknown parameter foo/],
  [{ strategy: 'native', cutover: 'manual' }, /^--cutover manual holds the swap of a shadow/],
  [{ socket: '/proc/nodir/x' }, /^The socket \/proc\/nodir\/x cannot be used: there is no directory \/proc\/nodir\.$/],
  [{ sslCa: '/no' }, /\/no/],
  [{ url: '127.0.0.1/x' }, /^The URL cannot be read/],
  [{ url: 'mysql://a/b?foo=1' }, /^The URL has the unknown parameter foo/],
  [{ alter: ['nonsense'] }, /^No table is named/],
  [{ alter: ['CREATE INDEX i ON orders (a)'] }, /^Only ALTER TABLE is carried out/],
  [{ askPassword: true, passwordFile: '/dev/null' }, /^Either --ask-pass or --password-file/],
  [{ report: '/tmp' }, /^--report \/tmp: that is a directory\.$/],
  [{ windowTimezone: 'Mars/X' }, /^--window-timezone must be a time zone/],
  [{ defaultsFile: '/nofile' }, /\/nofile/],
])('%j is a problem, as it is for a run', async (flags, problem) => {
  const { problems } = await checkConfig({ ...base, ...flags }, {});
  expect(problems.filter((text) => problem.test(text))).toHaveLength(1);
  expect(problems.filter((text) => !problem.test(text) && !text.startsWith('--http needs a token'))).toEqual([]);
  const args = Object.entries({ ...base, ...flags }).flatMap(([name, value]) => {
    const option = allOptions().find((option) => option.name === name);
    return value === true ? [`--${option?.flag}`] : [value].flat().flatMap((one) => [`--${option?.flag}`, String(one)]);
  });
  expect(await refusalOf(args)).toMatch(problem);
});

test('without a URL a change is wrong where it is for every server, and nothing of an address is shown but where it is', async () => {
  expect((await checkConfig({ alter: ['nonsense'] }, {})).problems).toEqual([expect.stringMatching(/^No table is named/)]);
  const throttleHttp = 'http://ts:geheim@host/ok?token=geheim#geheim';
  const { settings, problems } = await checkConfig({ alter: base.alter, throttleHttp }, {});
  expect(problems).toEqual([]);
  expect(settings.find(({ name }) => name === 'throttle-http')?.value).toBe('http://host/ok');
});

test('the program ends with 0 or 2, and says the same to people and programs', async () => {
  writeFileSync(path, 'workers: 4\nalter: |\n  ALTER TABLE orders\n    ADD c INT\n');
  const good = await runCli(['config', 'check', '--config', path]);
  expect(good).toMatchObject({ exitCode: 0, stderr: '' });
  expect(good.stdout).toMatch(/^workers +4 +file, line 1$/m);
  expect(good.stdout).toMatch(/^alter +ALTER TABLE orders ADD c INT +file, line 2$/m);
  writeFileSync(path, 'workers: 400\n');
  const problem = `problem: "workers" of the configuration file must be from 1 to 24, not "400" (${path}, line 1).`;
  const shown = await runCli(['config', 'check', '--config', path]);
  // Where a terminal that is not as long as the list of options shows it.
  expect(shown.stdout.split('\n').slice(-3)).toEqual([problem, '1 to mend; a run would be refused.', '']);
  const bad = await runCli(['config', 'check', '--config', path, '--output', 'json']);
  expect(bad.exitCode).toBe(2);
  expect(lastObject(bad)).toMatchObject({
    ...{ kind: 'config', exitCode: 2 },
    problems: [`"workers" of the configuration file must be from 1 to 24, not "400" (${path}, line 1).`],
  });
  expect(await runCli(['config', 'mend'])).toMatchObject({ exitCode: 2 });
});

test('a time zone by its file, as TZ=:/etc/localtime, is one for a window', async () => {
  const zones = join(folder, 'zoneinfo');
  mkdirSync(zones);
  writeFileSync(join(zones, 'UTC'), '');
  symlinkSync('zoneinfo/UTC', join(folder, 'localtime'));
  const args = ['config', 'check', '--window', '22:00-06:00'];
  expect(await runCli(args, { TZ: `:${join(folder, 'localtime')}` })).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await runCli(args, { TZ: '' })).toMatchObject({ exitCode: 2 });
});
