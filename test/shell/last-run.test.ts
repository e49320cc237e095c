/** What `list` and `status` say of a run that could not say itself what became of it. */
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { listMigrations, migrate, type MigrationRecord } from '../../src/index.ts';
import type { ClaimRecord, RecordedMigration } from '../../src/sessions/bookkeeping.ts';
import { lastRunOf } from '../../src/sessions/claims.ts';
import { lastRunText, stateSentence, stateText } from '../../src/shell/last-run.ts';
import { lastObject, runCli, startCli } from '../support/cli.ts';
import { openPostgresShop } from '../support/postgres-shop.ts';
import { openShop } from '../support/shop.ts';

const shops = {
  mysql: () => openShop('mysql', 2_000),
  mariadb: () => openShop('mariadb', 2_000),
  postgres: () => openPostgresShop(18, 2_000),
} as const;

describe.each(['mysql', 'mariadb', 'postgres'] as const)('on %s', (name) => {
  test('of a killed run it is said that no process works on it, where and when it was last heard of, and what goes on', async () => {
    await using shop = await shops[name]();
    const table = name === 'postgres' ? 'orders' : 'shop.orders';
    const change = ['--alter', `ALTER TABLE ${table} ADD COLUMN killed INT`, '--cutover', 'manual', '--max-latency', '0'];
    await using run = startCli(['migrate', '--url', shop.url, ...change, '--output', 'json']);
    const { plan } = JSON.parse(await run.lineMatching(/"kind":"plan"/)) as { plan: { id: string } };
    await run.lineMatching(/"phase":"await-cutover"/);
    const status = async () => lastObject(await runCli(['status', '--url', shop.url, '--output', 'json']));
    const where = { host: hostname(), pid: run.child.pid };
    expect(await status()).toMatchObject({ isRunning: true, next: null, lastRun: where });
    expect((await runCli(['status', '--url', shop.url])).stdout).toContain(
      `run by      process ${where.pid} on ${where.host}, since `,
    );
    run.child.kill('SIGKILL');
    await run.result;
    // The server sees the end of the connection a moment later.
    await expect.poll(async () => (await status())['isRunning'], { timeout: 60_000 }).toBe(false);
    const next = `tableshift resume --url ${shop.url} ${plan.id}`;
    const { lastRun } = await status();
    const { heardAt } = lastRun as { heardAt: string };
    expect(await status()).toMatchObject({
      state: 'open',
      failure: null,
      lastRun: where,
      next: expect.stringContaining(plan.id),
    });
    const gone = 'no process works on it, for its own is gone without a word';
    const text = (await runCli(['status', '--url', shop.url])).stdout;
    expect(text).toContain(`\nstate       open: ${gone}\nlast run    process ${where.pid} on ${where.host}, since `);
    expect(text).toContain(`; last heard of at ${heardAt}, `);
    expect(text).toContain(`\nto go on    ${next}\n`);
    const list = (await runCli(['list', '--url', shop.url])).stdout;
    expect(list).toContain(`\n${plan.id}: ${gone}, last heard of at ${heardAt}; to go on: ${next}\n`);
    expect((await runCli(['cleanup', plan.id, '--url', shop.url])).exitCode).toBe(0);
    expect(await status()).toMatchObject({ state: 'aborted', lastRun: null, next: null });
  });
});

test('a run that holds the claim and has not been heard of for ten seconds is called silent, with since when', () => {
  const lastRun = { host: 'db1', pid: 7, startedAt: '2026-11-27T07:00:00.000Z', heardAt: '2026-11-27T07:01:00.000Z' };
  const record = (silentMs: number | null) =>
    ({ state: 'open', isRunning: true, lastRun: { ...lastRun, silentMs } }) as unknown as MigrationRecord;
  expect(stateText(record(9_999))).toBe('running');
  expect(lastRunText(record(9_999))).toBe('process 7 on db1, since 2026-11-27T07:00:00.000Z');
  expect(stateText(record(12_000))).toBe('silent');
  expect(stateSentence(record(12_000))).toMatch(/^silent: its process hangs, or its host or the network is gone; /);
  expect(lastRunText(record(12_000))).toMatch(/; last heard of at 2026-11-27T07:01:00\.000Z, 12 s ago$/);
  // Whoever may not see its session is not told its pings, and what it saved last may be long ago.
  expect(stateText(record(null))).toBe('running');
  expect(lastRunText(record(null))).toBe('process 7 on db1, since 2026-11-27T07:00:00.000Z');
});

test('what was saved last says nothing of the silence of a run whose pings the server does not tell', () => {
  const time = (second: number) => `2026-11-27T07:00:${second}.000Z`;
  const record = { id: 'k3v9x2', updatedAt: time(20) } as RecordedMigration;
  const claim = { migrationId: 'k3v9x2', host: 'db1', pid: 7, claimedAt: time(10) } as ClaimRecord;
  const silence = (isHeld: boolean, pingedAt: string | null) =>
    lastRunOf(record, { record: claim, isHeld, pingedAt, now: time(59) })?.silentMs;
  expect(silence(true, time(58))).toBe(1_000);
  expect(silence(true, null)).toBeNull();
  expect(silence(false, null)).toBe(39_000);
});

test('a run that ends while it makes its shadow leaves the reason, and did not go without a word', async () => {
  await using shop = await openShop('mysql', 10);
  const stop = new AbortController();
  const run = migrate({
    ...{ url: shop.url, strategy: 'shadow', alter: 'ALTER TABLE orders ADD COLUMN stopped INT', signal: stop.signal },
    observer: (event) => {
      if (event.kind === 'phase-entered' && event.phase === 'prepare') stop.abort(new Error('enough'));
    },
  });
  await expect(run).rejects.toMatchObject({ code: 'INTERRUPTED' });
  const [record] = await listMigrations({ url: shop.url });
  expect(record).toMatchObject({ state: 'open', checkpoint: null, failure: expect.stringMatching(/^INTERRUPTED: /) });
});
