/** The cheap way as a user of the program sees it. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lastObject, runCli, startCli } from '../support/cli.ts';
import { openShop } from '../support/shop.ts';

let shop: Awaited<ReturnType<typeof openShop>>;
beforeAll(async () => {
  shop = await openShop('mysql', 100);
});
afterAll(() => shop[Symbol.asyncDispose]());

const auto = { TABLESHIFT_STRATEGY: 'auto' };
const change = (clauses: string): readonly string[] => ['--url', shop.url, '--alter', `ALTER TABLE orders ${clauses}`];

test('the plan shows the statement and why it is cheap, or the clause that is not', async () => {
  const native = await runCli(['plan', ...change('ADD COLUMN first INT')], auto);
  expect(native).toMatchObject({ exitCode: 0, stderr: '' });
  expect(native.stdout.replaceAll(/\s+/g, ' ')).toContain(
    'change ADD COLUMN first INT strategy native: one statement on the live table, without a copy of the rows way back none is kept: what is dropped is gone; --strategy shadow keeps the old table step 1 ALTER TABLE `shop`.`orders` ADD COLUMN first INT, ALGORITHM=INSTANT needs a lock for a moment; the server changes the definition only (instantly)',
  );
  const shadow = await runCli(['plan', ...change('ADD COLUMN first INT, MODIFY id BIGINT NOT NULL, FORCE')], auto);
  expect(shadow.stdout.replaceAll(/\s+/g, ' ')).toMatch(
    /strategy copy into the shadow .* not native MODIFY id BIGINT NOT NULL: /,
  );
});

test('a native change tells its steps, and a hook is told of them too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-native-'));
  const told = join(folder, 'told.txt');
  const hooks = mkdtempSync(join(tmpdir(), 'tableshift-hooks-'));
  for (const name of ['any', 'before-cutover']) {
    writeFileSync(join(hooks, name), `#!/bin/sh\necho "${name} $TABLESHIFT_HOOK_EVENT" >> ${told}\n`, { mode: 0o755 });
  }
  const run = await runCli(['migrate', ...change('ADD COLUMN second INT'), '--hooks', hooks], auto);
  expect(run).toMatchObject({ exitCode: 0, stderr: '' });
  expect(run.stdout).toMatch(
    /info {2}step 1 of 1, attempt 1, waiting at most 2\.0 s for the lock: ALTER TABLE `shop`\.`orders` ADD COLUMN second INT/,
  );
  expect(run.stdout).toMatch(/\nshop\.orders is changed: 1 step, .*\. No table was copied\.\n/);
  const lines = readFileSync(told, 'utf8').trimEnd().split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'any started',
      'before-cutover before-cutover',
      'any native-step-begun',
      'any native-step-done',
      'any ended',
    ]),
  );
  expect(lines.indexOf('before-cutover before-cutover')).toBeLessThan(lines.indexOf('any native-step-begun'));
});

test('a native change that has no lock ends with exit code 5, and says what to do', async () => {
  await using reader = await shop.openReader();
  const limits = ['--cutover-lock-timeout', '1s', '--cutover-attempts', '1'];
  const run = await runCli(['migrate', ...change('ADD COLUMN third INT'), ...limits, '--output', 'json'], auto);
  expect(run.exitCode).toBe(5);
  expect(lastObject(run)).toMatchObject({
    kind: 'summary',
    strategy: 'native',
    state: 'unchanged',
    stepsDone: 0,
    attempts: 1,
    error: {
      code: 'NATIVE_NOT_LOCKED',
      message: expect.stringContaining(`connection ${reader.connectionId} of root`),
      remedy: expect.stringContaining('run the same migrate again'),
    },
  });
});

test('the report of a native change has its steps', async () => {
  const report = join(mkdtempSync(join(tmpdir(), 'tableshift-native-')), 'report');
  const asked = (clauses: string, ending: string) => ['migrate', ...change(clauses), '--report', `${report}.${ending}`];
  expect((await runCli(asked('ADD COLUMN fourth INT', 'json'), auto)).exitCode).toBe(0);
  expect(JSON.parse(readFileSync(`${report}.json`, 'utf8'))).toMatchObject({
    kind: 'native-report',
    plan: { steps: [{ kind: 'brief' }] },
    summary: { state: 'done', stepsDone: 1 },
  });
  expect((await runCli(asked('ADD COLUMN fifth INT', 'md'), auto)).exitCode).toBe(0);
  expect(readFileSync(`${report}.md`, 'utf8')).toMatch(
    /^# Native change of shop\.orders\n\n\*\*Done\.\*\*[^]*\nstep 1 .* ADD COLUMN fifth INT[^]*step 1 is done after/,
  );
});

test('a swap by hand means the shadow, and is refused together with the native strategy', async () => {
  await using run = startCli(['migrate', ...change('ADD COLUMN sixth INT'), '--cutover', 'manual', '--output', 'json'], auto);
  expect(JSON.parse(await run.lineMatching(/"kind":"plan"/))).toMatchObject({ strategy: 'shadow' });
  const refused = await runCli(['migrate', ...change('ADD COLUMN sixth INT'), '--cutover', 'manual', '--strategy', 'native']);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain('--cutover manual holds the swap of a shadow');
});

test('the strategy native without a cheap way is refused before anything is done', async () => {
  await using run = startCli(['migrate', ...change('MODIFY id BIGINT NOT NULL AUTO_INCREMENT'), '--strategy', 'native']);
  const { exitCode, stderr } = await run.result;
  expect(exitCode).toBe(2);
  expect(stderr).toContain('NO_NATIVE_WAY');
});
