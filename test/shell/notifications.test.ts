/** A real run that tells a webhook and hooks what happens. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lastObject, startCli } from '../support/cli.ts';
import { schemaFaults } from '../support/schemas.ts';
import { openShop, type Shop } from '../support/shop.ts';

interface Received {
  readonly time: string;
  readonly event: string;
  readonly text: string;
  readonly details: object;
}

let shop: Shop;
let folder: string;
/** What the webhook received; the first of all is refused once. */
const received: Received[] = [];
let refused = 0;
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
  request.on('end', () => {
    if (refused === 0) {
      refused += 1;
      response.writeHead(503).end();
      return;
    }
    received.push(JSON.parse(body) as Received);
    response.writeHead(204).end();
  });
});
beforeAll(async () => {
  shop = await openShop('mysql', 1_000);
  folder = mkdtempSync(join(tmpdir(), 'tableshift-notifications-'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await shop[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** By its own schema, and by that of its event. */
function faultsOf(notice: Received): readonly string[] {
  const { time, event, details } = notice;
  const isEvent = event !== 'started' && event !== 'ended';
  return [...schemaFaults('notice', notice), ...(isEvent ? schemaFaults('event', { time, kind: event, ...details }) : [])];
}

function makeHook(name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
}

test('while before-cutover fails there is no swap; then hooks and the webhook get each notice once and in order', async () => {
  const out = join(folder, '.out');
  const args = [
    ...['--url', shop.url, '--output', 'json', '--max-latency', '0', '--hooks', folder],
    ...['--webhook', `http://127.0.0.1:${(server.address() as AddressInfo).port}/told`],
  ];
  makeHook('before-cutover', 'echo a backup runs; exit 1');
  {
    await using run = startCli(['migrate', '--alter', 'ALTER TABLE orders ADD COLUMN first INT', ...args]);
    const held = JSON.parse(await run.lineMatching(/"kind":"cutover-held".*a backup runs/)) as { reason: string };
    expect(held.reason).toBe(`the hook ${join(folder, 'before-cutover')} ended with 1: a backup runs`);
    run.child.kill('SIGINT');
    expect(lastObject(await run.result)).toMatchObject({ exitCode: 1, cutoverAttempts: 0 });
  }
  expect(received.at(0)).toMatchObject({ event: 'started', text: 'the run has begun' });
  expect(received.at(-1)).toMatchObject({ event: 'ended', text: 'INTERRUPTED: The run was ended by SIGINT.' });
  expect(received.flatMap(faultsOf)).toEqual([]);

  received.length = 0;
  makeHook('before-cutover', 'exit 0');
  makeHook('any', `echo "$TABLESHIFT_HOOK_EVENT" >> ${out}`);
  await using run = startCli(['resume', ...args]);
  expect(lastObject(await run.result)).toMatchObject({ exitCode: 0, state: 'done' });
  expect(received.flatMap(faultsOf)).toEqual([]);
  const events = received.map(({ event }) => event);
  expect(events.filter((event) => !event.startsWith('throttle'))).toEqual([
    ...['started', 'cutover-held', 'resumed', 'cutover-awaited', 'cutover-released', 'phase-entered', 'cutover-attempt'],
    ...['swapped', 'phase-entered', 'phase-entered', 'finished', 'ended'],
  ]);
  expect(readFileSync(out, 'utf8').trimEnd().split('\n')).toEqual(events);
});
