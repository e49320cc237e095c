/** What holds a run from outside, on a real server: windows, files, the HTTP check. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lastObject, runCli, startCli } from '../support/cli.ts';
import { openShop, type Shop } from '../support/shop.ts';

const hourMs = 3_600_000;
let shop: Shop;
let folder: string;
beforeAll(async () => {
  shop = await openShop('mysql', 2_000);
  folder = mkdtempSync(join(tmpdir(), 'tableshift-steering-'));
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const migrate = (column: string, ...more: readonly string[]) => [
  ...['migrate', '--url', shop.url, '--alter', `ALTER TABLE orders ADD COLUMN ${column} INT`, '--output', 'json'],
  ...['--max-latency', '0', ...more],
];

/** Windows of an hour, in UTC, that begins so many hours from now. */
function windowIn(hours: number): string {
  const hourOf = (time: number): string => `${String(new Date(time).getUTCHours()).padStart(2, '0')}:00`;
  const from = Date.now() + hours * hourMs;
  return `${hourOf(from)}-${hourOf(from + hourMs)}`;
}

test('a run outside its window copies nothing and says until when, and a resume inside it finishes', async () => {
  const window = windowIn(12);
  await using run = startCli(migrate('first', '--window', window, '--window-timezone', 'UTC'));
  const paused = JSON.parse(await run.lineMatching(/"kind":"paused"/)) as Record<string, unknown>;
  expect(paused).toMatchObject({ by: 'window' });
  expect(paused['reason']).toMatch(new RegExp(`^outside ${window}; next at 20\\d\\d-\\d\\d-\\d\\d ${window.slice(0, 5)} UTC$`));
  expect(JSON.parse(await run.lineMatching(/"kind":"throttled"/))).toMatchObject({ signal: 'paused by window' });
  run.child.kill('SIGINT');
  const ended = await run.result;
  expect(lastObject(ended)).toMatchObject({ exitCode: 1, rowsCopied: 0, state: 'open' });
  expect(String(lastObject(ended)['resumeCommand'])).toContain(` --window ${window} --window-timezone UTC `);

  const resumed = await runCli(['resume', '--url', shop.url, '--output', 'json', '--window', '00:00-24:00']);
  expect(lastObject(resumed)).toMatchObject({ exitCode: 0, rowsCopied: 2_000, state: 'done' });
});

test('outside the cutover window everything is made ready, but there is no swap', async () => {
  await using run = startCli(migrate('second', '--window', 'any', '--cutover-window', windowIn(12)));
  expect(JSON.parse(await run.lineMatching(/"kind":"cutover-awaited"/))).toMatchObject({ by: 'window' });
  run.child.kill('SIGINT');
  expect(lastObject(await run.result)).toMatchObject({
    exitCode: 1,
    rowsCopied: 2_000,
    rowsVerified: 2_000,
    cutoverAttempts: 0,
  });
  expect((await runCli(['resume', '--url', shop.url, '--output', 'json'])).exitCode).toBe(0);
});

test('the files hold the copy and the cutover while they exist', async () => {
  const [stop, wait] = [join(folder, 'stop'), join(folder, 'wait')];
  writeFileSync(stop, '');
  writeFileSync(wait, '');
  await using run = startCli(migrate('third', '--throttle-file', stop, '--cutover-file', wait));
  expect(JSON.parse(await run.lineMatching(/"kind":"throttled"/))).toMatchObject({ signal: 'throttle file' });
  rmSync(stop);
  expect(JSON.parse(await run.lineMatching(/"kind":"cutover-awaited"/))).toMatchObject({
    by: 'file',
    reason: `${wait} exists`,
  });
  rmSync(wait);
  expect(lastObject(await run.result)).toMatchObject({ exitCode: 0, state: 'done', cutoverAttempts: 1 });
});

test('what cannot be read as a window is refused before anything is touched', async () => {
  expect(await runCli(['migrate', '--url', shop.url, '--alter', 'ALTER TABLE orders ADD a INT', '--window', '22-06'])).toEqual({
    exitCode: 2,
    stdout: '',
    stderr:
      'error BAD_USAGE: --window must be windows such as "22:00-06:00" or "Mon-Fri 22:00-06:00, Sat Sun 00:00-24:00", or any, not "22-06".\n  remedy: See --help.\n',
  });
});
