/** Exit codes that say: do not swap, and look before acting. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lastObject, runCli, showingAll, startCli } from '../support/cli.ts';
import type { Flavour } from '../support/servers.ts';
import { openShop, type Shop } from '../support/shop.ts';

const rows = 6_000;
/** Small chunks, one after another: long enough for a test to step in. */
const slowly = ['--workers', '1', '--chunk-rows-max', '50', '--chunk-time', '10ms', '--max-latency', '0'];
const alter = 'ALTER TABLE shop.orders ADD COLUMN extra INT';

describe.each<Flavour>(['mysql', 'mariadb'])('on %s', (flavour) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop(flavour, rows);
  });
  afterAll(async () => await shop[Symbol.asyncDispose]());

  /** A run that was ended by a signal in this phase. */
  const interruptedIn = async (phase: string): Promise<{ id: string; retired: string }> => {
    await using run = startCli(['migrate', '--url', shop.url, '--alter', alter, '--output', 'json', ...slowly]);
    const line = await run.lineMatching(/"kind":"plan"/);
    const { plan } = JSON.parse(line) as { plan: { id: string; retired: { table: string } } };
    await run.lineMatching(new RegExp(`"kind":"phase-entered","phase":"${phase}"`));
    run.child.kill('SIGINT');
    expect((await run.result).exitCode).toBe(1);
    const status = await runCli(['status', '--url', shop.url]);
    expect(status.stdout).toContain('state       open: no process works on it\n');
    expect(status.stdout).toContain(`\nphase       ${phase}\n`);
    return { id: plan.id, retired: plan.retired.table };
  };

  test('3: more rows differ than can be repaired, and the tables are not swapped', async () => {
    const { id } = await interruptedIn('verify');
    // What a client writes without logging it is in no stream.
    await shop.sql('SET SESSION sql_log_bin = 0', 'UPDATE shop.orders SET amount = amount + 1');
    const before = await shop.sql('SELECT COUNT(*) AS n, SUM(amount) AS total FROM shop.orders');
    const resumed = await runCli(['resume', id, '--url', shop.url, '--output', 'json', ...slowly]);
    expect(resumed.exitCode).toBe(3);
    expect(lastObject(resumed)).toMatchObject({
      kind: 'summary',
      state: 'open',
      exitCode: 3,
      error: { code: 'TABLES_DIFFER' },
    });
    expect(resumed.stderr).toContain('The tables were not swapped.');
    expect(await shop.sql('SELECT COUNT(*) AS n, SUM(amount) AS total FROM shop.orders')).toEqual(before);
    expect((await runCli(['cleanup', id, '--url', shop.url])).exitCode).toBe(0);
    expect(await shop.tables()).toEqual(['orders']);
  });

  test('7: somebody’s table has the name that the old table would get, and the tables are not swapped', async () => {
    await using run = startCli(['migrate', '--url', shop.url, '--alter', alter, '--output', 'json', ...slowly], showingAll);
    const line = await run.lineMatching(/"kind":"plan"/);
    const { plan } = JSON.parse(line) as { plan: { id: string; retired: { table: string } } };
    await run.lineMatching(/"chunk-copied"/);
    await shop.sql(`CREATE TABLE shop.${plan.retired.table} (id INT)`);
    const result = await run.result;
    expect(result.exitCode).toBe(7);
    expect(result.stderr).toContain(`error SWAP_UNKNOWN: A table shop.${plan.retired.table} exists already that is not ours.`);
    await shop.sql(`DROP TABLE shop.${plan.retired.table}`);
    // Writers were let go on.
    await shop.sql('UPDATE shop.orders SET amount = amount + 1 WHERE id = 1');
    expect(await runCli(['resume', plan.id, '--url', shop.url])).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await runCli(['cleanup', '--url', shop.url, '--yes', '--now'])).exitCode).toBe(0);
    await shop.sql('ALTER TABLE shop.orders DROP COLUMN extra');
  });

  test('7: the tables fit neither before nor after the swap, and nothing is touched', async () => {
    const reader = await shop.openReader();
    const { id, retired } = await interruptedIn('cutover');
    await reader[Symbol.asyncDispose]();
    await shop.sql(`CREATE TABLE shop.${retired} (id INT)`);
    const before = await shop.tables();
    expect(before.length).toBe(3);
    for (const command of ['resume', 'cleanup']) {
      const result = await runCli([command, id, '--url', shop.url]);
      expect([command, result.exitCode]).toEqual([command, 7]);
      expect(result.stderr).toContain('error SWAP_UNKNOWN: Whether the swap happened cannot be told');
      expect(await shop.tables()).toEqual(before);
    }
    await shop.sql(`DROP TABLE shop.${retired}`);
    expect((await runCli(['cleanup', id, '--url', shop.url])).exitCode).toBe(0);
    expect(await shop.tables()).toEqual(['orders']);
  });

  /** The statement by which the message lets one say which table was dropped. */
  const statementFor = (message: string, table: string): string => {
    const statement = new RegExp(`CREATE TABLE \`shop\`\\.\`${table}\` \\(\`gone\` INT PRIMARY KEY\\)`).exec(message)?.[0];
    expect(statement).toBeDefined();
    return statement ?? '';
  };

  /** Ended in an attempt of the swap; what became of the tables then is seen to tell nothing. */
  const droppedInCutover = async (...meanwhile: readonly string[]) => {
    const reader = await shop.openReader();
    const { id, retired } = await interruptedIn('cutover');
    await reader[Symbol.asyncDispose]();
    const [shadow = ''] = (await shop.tables()).filter((table) => table !== 'orders');
    await shop.sql(
      ...meanwhile.map((sql) => sql.replaceAll('SHADOW', `shop.${shadow}`).replaceAll('RETIRED', `shop.${retired}`)),
    );
    expect(await shop.tables()).toEqual(['orders']);
    const { exitCode, stderr } = await runCli(['resume', id, '--url', shop.url]);
    expect(exitCode).toBe(7);
    return { id, retired, shadow, stderr };
  };

  test('7: the old table was dropped after a swap of which the run heard nothing; who says so has it concluded', async () => {
    const swap = 'RENAME TABLE shop.orders TO RETIRED, SHADOW TO shop.orders';
    const { id, retired, stderr } = await droppedInCutover(swap, 'DROP TABLE RETIRED');
    await shop.sql(statementFor(stderr, retired));
    expect(await runCli(['resume', id, '--url', shop.url])).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await runCli(['status', id, '--url', shop.url])).stdout).toContain('state       done');
    expect((await runCli(['cleanup', '--url', shop.url, '--yes', '--now'])).exitCode).toBe(0);
    expect(await shop.tables()).toEqual(['orders']);
    await shop.sql('ALTER TABLE shop.orders DROP COLUMN extra');
  });

  test('7: the shadow was dropped before the swap; who says so gives the migration up, and cannot swap it', async () => {
    const { id, shadow, stderr } = await droppedInCutover('DROP TABLE SHADOW');
    await shop.sql(statementFor(stderr, shadow));
    expect((await runCli(['resume', id, '--url', shop.url])).exitCode).not.toBe(0);
    expect(await shop.sql('SELECT COUNT(*) AS n FROM shop.orders')).toEqual([[{ n: rows }]]);
    expect((await runCli(['cleanup', id, '--url', shop.url])).exitCode).toBe(0);
    expect(await shop.tables()).toEqual(['orders']);
  });
});
