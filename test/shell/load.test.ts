import { afterAll, beforeAll, expect, test } from 'vitest';
import { lastObject, startCli } from '../support/cli.ts';
import { runSql } from '../support/server-process.ts';
import { type Server, startServer } from '../support/servers.ts';
import { openShop, type Shop } from '../support/shop.ts';

/** Small chunks, one after another, so that a signal is asked before the last; and not resting for any other reason. */
const slowly = ['--workers', '1', '--chunk-rows-max', '10', '--chunk-time', '10ms', '--max-latency', '0', '--output', 'json'];

let shop: Shop;
let replica: Server;
beforeAll(async () => {
  shop = await openShop('mysql', 5_000);
  replica = await startServer({ flavour: 'mysql', replicaOf: shop.server });
});
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await shop[Symbol.asyncDispose]();
});

test('copying rests while a replica of --replicas does not keep up, and goes on when it does', async () => {
  await runSql(replica, 'STOP REPLICA SQL_THREAD');
  await using run = startCli([
    ...['migrate', '--url', shop.url, '--alter', 'ALTER TABLE orders ADD COLUMN extra INT', ...slowly],
    ...['--replicas', replica.url, '--max-lag', '1h'],
  ]);
  expect(JSON.parse(await run.lineMatching(/"kind":"throttled"/))).toMatchObject({
    signal: `replica 127.0.0.1:${replica.port}`,
    detail: 'it does not replicate at the moment',
  });
  await runSql(replica, 'START REPLICA SQL_THREAD');
  await run.lineMatching(/"kind":"throttle-released"/);
  const result = await run.result;
  expect(result.exitCode).toBe(0);
  expect(lastObject(result)).toMatchObject({ state: 'done', rowsCopied: 5_000 });
  expect(Number(lastObject(result)['throttledMs'])).toBeGreaterThan(0);
});

test('copying rests while a replica that nobody named does not keep up, unless replicas are not to be looked for', async () => {
  await runSql(replica, 'STOP REPLICA SQL_THREAD');
  const change = (clause: string) => ['migrate', '--url', shop.url, '--alter', `ALTER TABLE orders ${clause}`, ...slowly];
  {
    await using unwatched = startCli([...change('ADD COLUMN unwatched INT'), '--no-replica-discovery']);
    expect(lastObject(await unwatched.result)).toMatchObject({ state: 'done', throttledMs: 0 });
  }
  await using run = startCli(change('ADD COLUMN watched INT'));
  expect(JSON.parse(await run.lineMatching(/"kind":"plan"/))).toMatchObject({
    plan: { notes: expect.arrayContaining([expect.stringContaining(`Replicas found: 127.0.0.1:${replica.port}. `)]) },
  });
  expect(JSON.parse(await run.lineMatching(/"kind":"noticed"/))).toMatchObject({
    about: 'found replicas',
    message: `copying waits for 127.0.0.1:${replica.port}, which follow this server, to be less than 5 s behind`,
  });
  expect(JSON.parse(await run.lineMatching(/"kind":"throttled"/))).toMatchObject({
    signal: 'found replicas',
    detail: `replica 127.0.0.1:${replica.port}: it does not replicate at the moment`,
  });
  await runSql(replica, 'START REPLICA SQL_THREAD');
  expect(lastObject(await run.result)).toMatchObject({ state: 'done', rowsCopied: 5_000 });
});

test('copying rests while more threads run than --max-running-threads', async () => {
  await using run = startCli([
    ...['migrate', '--url', shop.url, '--alter', 'ALTER TABLE orders DROP COLUMN note', ...slowly],
    ...['--max-running-threads', '1'],
  ]);
  expect(JSON.parse(await run.lineMatching(/"kind":"throttled"/))).toMatchObject({ signal: 'running threads' });
  run.child.kill('SIGINT');
  expect((await run.result).exitCode).toBe(1);
});
