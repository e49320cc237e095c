/** Limits on the server's own figures, and the operator's query, on real servers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lastObject, runCli, startCli } from '../support/cli.ts';
import { openPostgresShop } from '../support/postgres-shop.ts';
import { openShop } from '../support/shop.ts';

interface Place extends AsyncDisposable {
  readonly url: string;
  sql(statement: string): Promise<unknown>;
}

const places = {
  mysql: { open: (): Promise<Place> => openShop('mysql', 2_000), figure: 'Threads_connected', schema: 'shop.' },
  mariadb: { open: (): Promise<Place> => openShop('mariadb', 2_000), figure: 'threads_connected', schema: 'shop.' },
  postgres: { open: (): Promise<Place> => openPostgresShop(18, 2_000), figure: 'sessions', schema: '' },
} as const;

/** A slow machine may be stopped by another signal first, which has not answered yet. */
const throttledBy = (signal: string, detail: string): RegExp =>
  new RegExp(`"kind":"throttled","signal":"${signal}","detail":"${detail}"`);

describe.each(['mysql', 'mariadb', 'postgres'] as const)('on %s', (name) => {
  const { open, figure, schema } = places[name];
  let shop: Place;
  beforeAll(async () => {
    shop = await open();
    await shop.sql(`CREATE TABLE ${schema}brake (stop integer NOT NULL)`);
    await shop.sql(`INSERT INTO ${schema}brake VALUES (1)`);
  });
  afterAll(async () => await shop[Symbol.asyncDispose]());

  const command = (first: string, ...more: readonly string[]) => [
    ...[first, '--url', shop.url, '--output', 'json', '--max-latency', '0', ...more],
  ];
  const alter = (column: string) => ['--alter', `ALTER TABLE orders ADD COLUMN ${column} integer`];

  test('copying rests while the query gives more than 0, and goes on when it gives 0', async () => {
    const query = 'SELECT stop FROM brake';
    await using run = startCli(command('migrate', ...alter('first'), '--throttle-query', query));
    await run.lineMatching(throttledBy('throttle query', 'the query gives 1'));
    await shop.sql(`UPDATE ${schema}brake SET stop = 0`);
    expect(lastObject(await run.result)).toMatchObject({ exitCode: 0, state: 'done' });
  });

  test('a query that fails gives no answer, and stops the copy when the last one is stale', async () => {
    await using run = startCli(command('migrate', ...alter('second'), '--throttle-query', 'SELECT stop FROM nowhere'));
    // Not that somebody has dropped a table of the migration.
    await run.lineMatching(throttledBy('throttle query', 'stale: no answer: (?!Somebody).*nowhere.*'));
    run.child.kill('SIGINT');
    await run.result;
    expect((await runCli(command('resume'))).exitCode).toBe(0);
  });

  test('copying rests while a figure is at its limit, and by the next one when that is changed', async () => {
    await using run = startCli(command('migrate', ...alter('third'), '--max-load', `${figure}=1`));
    const { plan } = JSON.parse(await run.lineMatching(/"kind":"plan"/)) as { plan: { id: string } };
    await run.lineMatching(throttledBy('server load', `${figure} is \\d+, the limit is 1`));
    const set = async (setting: string): Promise<unknown> => (await runCli(['control', plan.id, 'set', setting])).exitCode;
    await shop.sql(`UPDATE ${schema}brake SET stop = 1`);
    expect([await set('throttle-query=SELECT stop FROM brake'), await set('max-load=none')]).toEqual([0, 0]);
    await run.lineMatching(/"kind":"throttled","signal":"throttle query","detail":"the query gives 1"/);
    expect([await set('max-running-threads=1'), await set('throttle-query=none')]).toEqual([0, 0]);
    await run.lineMatching(/"kind":"throttled","signal":"(running threads|active sessions)"/);
    run.child.kill('SIGINT');
    expect(lastObject(await run.result)).toMatchObject({ exitCode: 1, rowsCopied: 0 });
  });

  test('at a critical figure the run ends with exit code 6, and can be resumed', async () => {
    const ended = await runCli(command('resume', '--critical-load', `${figure}=1`));
    expect(ended.exitCode).toBe(6);
    expect(lastObject(ended)).toMatchObject({ state: 'open', error: { code: 'CRITICAL_LOAD' } });
    expect(ended.stderr).toMatch(new RegExp(`\\(server load: ${figure} is \\d+, the critical limit is 1\\)`));
    expect(lastObject(await runCli(command('resume')))).toMatchObject({ exitCode: 0, state: 'done' });
  });

  test('a figure that the server does not have is refused before anything is recorded', async () => {
    const refused = await runCli(command('migrate', ...alter('fourth'), '--max-load', 'frobs_running=1'));
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('error BAD_USAGE: ');
    expect(refused.stderr).toContain('frobs_running');
    expect((await runCli(['list', '--url', shop.url])).stdout).not.toContain('open');
  });
});

test('copying rests while more log is retained than --max-retained-log, and says so', async () => {
  await using shop = await openPostgresShop(18, 2_000);
  const command = (first: string) => [first, '--url', shop.url, '--output', 'json', '--max-latency', '0'];
  const alter = ['--alter', 'ALTER TABLE orders ADD COLUMN first integer'];
  await using run = startCli([...command('migrate'), ...alter, '--max-retained-log', '1B']);
  await run.lineMatching(
    throttledBy('retained WAL', 'the replication slot keeps [\\d.]+ (?:[KM]i)?B of log, the limit is 1 B'),
  );
  run.child.kill('SIGINT');
  expect(lastObject(await run.result)).toMatchObject({ exitCode: 1, rowsCopied: 0 });
  expect(lastObject(await runCli(command('resume')))).toMatchObject({ exitCode: 0, state: 'done' });
});
