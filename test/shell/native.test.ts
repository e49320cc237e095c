/** The cheap way as a user of the program sees it. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lastObject, runCli, startCli } from '../support/cli.ts';
import { schemaFaults } from '../support/schemas.ts';
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
    /strategy copy into the shadow .* not native MODIFY id BIGINT NOT NULL, FORCE: /,
  );
  const byHand = await runCli(['plan', ...change('ADD COLUMN first INT'), '--cutover', 'manual'], auto);
  expect(byHand).toMatchObject({ exitCode: 0, stderr: '' });
  expect(byHand.stdout).toMatch(
    /\nstrategy +copy into the shadow table [^]*\nnot native +--cutover manual: the swap is to be held, /,
  );
});

test('a native change is recorded with its steps, and the hooks are told of them in order, with its id', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-native-'));
  const told = join(folder, 'told.txt');
  const hooks = mkdtempSync(join(tmpdir(), 'tableshift-hooks-'));
  for (const name of ['any', 'before-cutover']) {
    const line = `echo "${name} $TABLESHIFT_HOOK_EVENT $TABLESHIFT_HOOK_ID" >> ${told}`;
    writeFileSync(join(hooks, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  }
  const run = await runCli(
    ['migrate', ...change(`ADD COLUMN second INT COMMENT '${'why '.repeat(40)}'`), '--hooks', hooks],
    auto,
  );
  expect(run).toMatchObject({ exitCode: 0, stderr: '' });
  const [, id] = /The migration is recorded as (\w+)\./.exec(run.stdout) ?? [];
  expect(run.stdout).toMatch(
    /info {2}step 1 of 1, attempt 1, waiting at most 2\.0 s for the lock: ALTER TABLE `shop`\.`orders` ADD COLUMN second INT/,
  );
  expect(run.stdout).toMatch(
    /\nshop\.orders is changed: 1 step, .*; writes were blocked for .* at most\. No table was copied\.\n/,
  );
  const lines = readFileSync(told, 'utf8').trimEnd().split('\n');
  expect(lines.filter((line) => line.startsWith('any '))).toEqual(
    [
      ...['started', 'cutover-held', 'cutover-awaited', 'cutover-released'],
      ...['native-step-begun', 'native-step-done', 'finished', 'ended'],
    ].map((event) => `any ${event} ${id}`),
  );
  const gate = lines.indexOf(`before-cutover before-cutover ${id}`);
  expect(gate).toBeGreaterThan(0);
  expect(gate).toBeLessThan(lines.indexOf(`any native-step-begun ${id}`));
  const list = await runCli(['list', '--url', shop.url]);
  expect(list.stdout).toMatch(
    new RegExp(`^ID .* STRATEGY .*\n(?:.*\n)*${id} +done +done +shop\\.orders .* native +ADD COLUMN second INT .{97}…\n`),
  );
});

test('who is in the way of a native change is seen from elsewhere, its lock timeout can be set, and it can be given up', async () => {
  await using reader = await shop.openReader();
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-native-'));
  const surroundings = { ...auto, XDG_RUNTIME_DIR: folder };
  const limits = ['--cutover-lock-timeout', '1s', '--cutover-attempts', '1000'];
  const args = ['migrate', ...change('ADD COLUMN third INT'), ...limits, '--output', 'json'];
  await using run = startCli(args, surroundings);
  const { id } = JSON.parse(await run.lineMatching(/"kind":"plan"/)) as { id: string };
  await run.lineMatching(/"kind":"native-step-blocked"/);
  const call = (...words: readonly string[]) => runCli(words, surroundings);
  const live = lastObject(await call('status', id, '--output', 'json'));
  expect(live).toMatchObject({ kind: 'native-status', id, step: { step: 1, steps: 1 }, options: { cutoverAttempts: 1_000 } });
  expect(schemaFaults('status', live)).toEqual([]);
  const text = await call('status', id);
  expect(text.stdout).toMatch(/\nstep +1 of 1, attempt \d+, since /);
  expect(text.stdout).toContain(`connection ${reader.connectionId} of root`);
  const recorded = lastObject(await call('status', id, '--url', shop.url, '--events', '50', '--output', 'json'));
  expect(recorded).toMatchObject({ kind: 'migration', state: 'open', isRunning: true, place: { step: 1, steps: 1 } });
  expect(schemaFaults('status', recorded)).toEqual([]);
  const second = await runCli(['migrate', ...change('ADD COLUMN fourth INT')], auto);
  expect(second.exitCode).toBe(2);
  expect(second.stderr).toContain(`obstacle TABLE_IN_USE: Migration ${id} of shop.orders has the claim on it`);
  expect((await call('control', id, 'pause')).stderr).toContain('`postpone` holds its next attempt');
  expect((await call('control', id, 'set', 'cutover-lock-timeout=2s')).stdout).toContain('cutover-lock-timeout is 2s now');
  await run.lineMatching(/"kind":"native-step-begun".*"lockTimeoutMs":2000/);
  expect((await call('control', id, 'abort')).stdout).toContain('steps that are done stay');
  const { exitCode, stdout } = await run.result;
  expect(exitCode).toBe(4);
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ kind: 'summary', id, state: 'aborted' });
  expect(lastObject(await call('status', id, '--url', shop.url, '--output', 'json'))).toMatchObject({ state: 'aborted' });
});

test('a native change that has no lock ends with exit code 5, and says what to do', async () => {
  await using reader = await shop.openReader();
  const limits = ['--cutover-lock-timeout', '1s', '--cutover-attempts', '1'];
  const run = await runCli(['migrate', ...change('ADD COLUMN third INT'), ...limits, '--output', 'json'], auto);
  expect(run.exitCode).toBe(5);
  expect(run.stderr).toMatch(/^error NATIVE_NOT_LOCKED: .*\n {2}remedy: .*\n {2}to go on: .*\n/);
  expect(lastObject(run)).toMatchObject({
    kind: 'summary',
    strategy: 'native',
    state: 'open',
    stepsDone: 0,
    attempts: 1,
    error: {
      code: 'NATIVE_NOT_LOCKED',
      message: expect.stringContaining(`connection ${reader.connectionId} of root`),
      remedy: expect.stringContaining('resume, which does what is left'),
    },
    resumeCommand: expect.stringContaining('tableshift resume '),
  });
  await reader[Symbol.asyncDispose]();
  const { id } = lastObject(run) as { id: string };
  expect((await runCli(['status', id, '--url', shop.url])).stdout).toMatch(/^not done +step 1 of 1$/m);
  const resumed = lastObject(await runCli(['resume', id, '--url', shop.url, '--output', 'json']));
  expect(resumed).toMatchObject({ strategy: 'native', command: 'resume', id, state: 'done', exitCode: 0, stepsDone: 1 });
  expect(schemaFaults('summary', resumed)).toEqual([]);
  const list = lastObject(await runCli(['list', '--url', shop.url, '--output', 'json']));
  expect(schemaFaults('list', list)).toEqual([]);
});

test('a native change that is killed while it waits for its lock leaves nothing that waits, and is resumed', async () => {
  await using reader = await shop.openReader();
  await using run = startCli(
    ['migrate', ...change('ADD COLUMN killed INT'), '--cutover-lock-timeout', '60s', '--output', 'json'],
    auto,
  );
  const { id } = JSON.parse(await run.lineMatching(/"kind":"plan"/)) as { id: string };
  const waiting =
    "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata%' AND INFO LIKE 'ALTER%killed%'";
  while ((await shop.sql(waiting))[0]?.length === 0);
  run.child.kill('SIGKILL');
  await run.result;
  const resume = ['resume', id, '--url', shop.url, '--output', 'json', '--cutover-lock-timeout', '1s', '--cutover-attempts'];
  expect(lastObject(await runCli([...resume, '1']))).toMatchObject({ id, state: 'open', error: { code: 'NATIVE_NOT_LOCKED' } });
  expect((await shop.sql(waiting))[0]).toEqual([]);
  await reader[Symbol.asyncDispose]();
  expect(lastObject(await runCli([...resume, '5']))).toMatchObject({ id, state: 'done', stepsDone: 1 });
  expect((await runCli(['cleanup', id, '--url', shop.url])).stdout).toContain('has left nothing to drop');
});

test('the report of a native change has its steps', async () => {
  const report = join(mkdtempSync(join(tmpdir(), 'tableshift-native-')), 'report');
  const asked = (clauses: string, ending: string) => ['migrate', ...change(clauses), '--report', `${report}.${ending}`];
  expect((await runCli(asked('ADD COLUMN fourth INT', 'json'), auto)).exitCode).toBe(0);
  const written = JSON.parse(readFileSync(`${report}.json`, 'utf8')) as object;
  expect(written).toMatchObject({
    kind: 'native-report',
    plan: { strategy: 'native', native: { steps: [{ kind: 'brief' }] } },
    summary: { state: 'done', stepsDone: 1 },
    steps: [{ step: 1, state: 'done', attempts: 1 }],
  });
  expect(schemaFaults('report', written)).toEqual([]);
  expect((await runCli(asked('ADD COLUMN fifth INT', 'md'), auto)).exitCode).toBe(0);
  expect(readFileSync(`${report}.md`, 'utf8')).toMatch(
    /^# Native change of shop\.orders\n\n\*\*Done\.\*\*[^]*\nstep 1 .* ADD COLUMN fifth INT[^]*\n\| 1 of 1 \| ``ALTER TABLE .* \| done \| 1 \| .*, writers waited no longer \|[^]*step 1 is done after/,
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
