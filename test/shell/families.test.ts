/** Several tables in one run, as an operator sees it: three that are joined by foreign keys, on real servers. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askSocket } from '../../src/shell/control-socket.ts';
import { type CliResult, lastObject, runCli, startCli } from '../support/cli.ts';
import { openPostgresShop } from '../support/postgres-shop.ts';
import { schemaFaults } from '../support/schemas.ts';
import { openShop } from '../support/shop.ts';

interface Place extends AsyncDisposable {
  readonly url: string;
  readonly schema: string;
  /** What follows --alter for each table, in the order customers, orders, items. */
  readonly changes: readonly string[];
  /** Runs statements; the rows of the last. */
  sql(...statements: readonly string[]): Promise<readonly Record<string, unknown>[]>;
  /** A transaction that has read a table: until it is disposed or ended there is no swap. */
  openReader(table: string): Promise<AsyncDisposable & { readonly session: number }>;
}

const TABLES = ['customers', 'orders', 'items'] as const;

const places = {
  mysql: () => openMysqlPlace('mysql'),
  mariadb: () => openMysqlPlace('mariadb'),
  async postgres(): Promise<Place> {
    const shop = await openPostgresShop(15, 300);
    return {
      ...{ url: shop.url, schema: 'public', sql: (...statements) => shop.sql(statements.join(';')) },
      async openReader(table) {
        const reader = await shop.openReader(table);
        return { session: reader.pid, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() };
      },
      [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose](),
      changes: ['ALTER id TYPE bigint', 'ALTER id TYPE bigint, ALTER customer TYPE bigint', 'ALTER order_id TYPE bigint'],
    };
  },
} as const;

async function openMysqlPlace(flavour: 'mysql' | 'mariadb'): Promise<Place> {
  const shop = await openShop(flavour, 300);
  return {
    ...{ url: shop.url, schema: 'shop', [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose]() },
    sql: async (...statements) => (await shop.sql('USE shop', ...statements)).at(-1) ?? [],
    async openReader(table) {
      const reader = await shop.openReader(table);
      return { session: reader.connectionId, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() };
    },
    changes: [
      'MODIFY id BIGINT NOT NULL',
      'MODIFY id BIGINT NOT NULL AUTO_INCREMENT, MODIFY customer BIGINT NOT NULL',
      'MODIFY order_id BIGINT NOT NULL',
    ],
  };
}

describe.each(['mysql', 'mariadb', 'postgres'] as const)('on %s', (name) => {
  let place: Place;
  let folder: string;
  beforeAll(async () => {
    place = await places[name]();
    folder = mkdtempSync(join(tmpdir(), 'tableshift-families-'));
    await place.sql(
      'CREATE TABLE customers (id INT NOT NULL PRIMARY KEY)',
      'INSERT INTO customers SELECT DISTINCT customer FROM orders',
      'ALTER TABLE orders ADD CONSTRAINT to_customer FOREIGN KEY (customer) REFERENCES customers (id)',
      'CREATE TABLE items (no INT NOT NULL PRIMARY KEY, order_id INT NOT NULL, CONSTRAINT to_order FOREIGN KEY (order_id) REFERENCES orders (id))',
      'INSERT INTO items SELECT id, id FROM orders',
    );
  });
  afterAll(async () => {
    await place[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const environment = (): Record<string, string> => ({ XDG_RUNTIME_DIR: folder });
  const call = (...args: readonly string[]): Promise<CliResult> => runCli(args, environment());
  const onServer = (command: string, ...more: readonly string[]): Promise<CliResult> =>
    call(command, '--url', place.url, '--output', 'json', ...more);
  const changes = (): readonly string[] =>
    TABLES.flatMap((table, at) => ['--table', `${place.schema}.${table}`, '--alter', place.changes[at] ?? '']);
  const migrate = (...more: readonly string[]) =>
    startCli(
      ['migrate', '--url', place.url, '--output', 'json', '--max-latency', '0', '--cutover', 'manual', ...changes(), ...more],
      environment(),
    );
  const tables = (): readonly string[] => TABLES.map((table) => `${place.schema}.${table}`);
  const pick = (value: unknown, field: string): readonly unknown[] =>
    (value as readonly Readonly<Record<string, unknown>>[]).map((one) => one[field]);

  test('the plan has all of them, and what keeps one of them is in the way of all', async () => {
    const plan = lastObject(await onServer('plan', ...changes()));
    expect(plan).toMatchObject({ kind: 'family-plan', obstacles: [], exitCode: 0 });
    expect(schemaFaults('plan', plan)).toEqual([]);
    const text = await call('plan', '--url', place.url, ...changes());
    expect(text).toMatchObject({ exitCode: 0, stderr: '' });
    expect(text.stdout).toContain(`\ntogether    ${tables().join(', ')}: copied one after another`);
    const refused = lastObject(await onServer('plan', ...changes().slice(0, -1), 'DROP COLUMN nothing'));
    expect(refused).toMatchObject({ kind: 'family-plan', plans: null, exitCode: 2 });
    expect(schemaFaults('plan', refused)).toEqual([]);
  });

  test('an abort, of whichever of them, gives all of them up', async () => {
    const throttle = join(folder, 'throttle');
    writeFileSync(throttle, '');
    await using run = migrate('--throttle-file', throttle);
    const { plans } = JSON.parse(await run.lineMatching(/"kind":"family-plan"/)) as { plans: { id: string }[] };
    const { table, progress } = JSON.parse(await run.lineMatching(/"waitingFor":\["[^,]+","[^,]+"\]/)) as {
      readonly table: string;
      readonly progress: { readonly waitingFor: readonly string[] };
    };
    expect([table, ...progress.waitingFor].toSorted()).toEqual(tables().toSorted());
    const waiting = await call('status', plans[0]?.id ?? '');
    expect(waiting.stdout).toContain(`\nphase         copy: waits for ${progress.waitingFor.join(', ')}\n`);
    expect(await call('control', plans[1]?.id ?? '', 'abort')).toMatchObject({ exitCode: 0 });
    const summary = lastObject(await run.result);
    expect(summary).toMatchObject({ kind: 'family-summary', state: 'aborted', exitCode: 4, error: { code: 'ABORTED' } });
    expect(schemaFaults('summary', summary)).toEqual([]);
    const list = lastObject(await onServer('list'));
    expect(pick(list['migrations'], 'state')).toEqual(['aborted', 'aborted', 'aborted']);
  });

  test('a run by hand is interrupted, seen by the ID of each, resumed by that of the last, and swaps all', async () => {
    const report = join(folder, 'first.json');
    await using run = migrate('--report', report);
    const first = JSON.parse(await run.lineMatching(/"kind":"family-plan"/)) as { plans: { id: string }[] };
    expect(schemaFaults('plan', first)).toEqual([]);
    const ids = pick(first.plans, 'id').map(String);
    for (const table of tables()) await run.lineMatching(new RegExp(`"table":"${table}","kind":"cutover-awaited"`));

    const live = lastObject(await call('status', ids[2] ?? '', '--output', 'json'));
    expect(live).toMatchObject({
      kind: 'family-status',
      id: ids[0],
      members: [{ id: ids[0] }, { id: ids[1] }, { id: ids[2] }],
    });
    expect(schemaFaults('status', live)).toEqual([]);
    const text = await call('status', ids[1] ?? '');
    expect(text.stdout).toContain(`family        ${ids[0]}, 3 tables that are swapped together\n`);
    expect(text.stdout).toContain('swap held     by operator: it was asked for by hand (--cutover manual)\n');
    expect(await askSocket(join(folder, 'tableshift', `${ids[0]}.sock`), 'GET', '/metrics')).toMatchObject({ status: 200 });
    run.child.kill('SIGINT');
    const summary = lastObject(await run.result);
    expect(summary).toMatchObject({ kind: 'family-summary', state: 'open', exitCode: 1, tables: tables() });
    expect(schemaFaults('summary', summary)).toEqual([]);
    const written = JSON.parse(readFileSync(report, 'utf8')) as object;
    expect(written).toMatchObject({ kind: 'family-report', members: [{ kind: 'report' }, {}, { plan: { id: ids[2] } }] });
    expect(schemaFaults('report', written)).toEqual([]);

    const recorded = lastObject(await onServer('status', ids[1] ?? ''));
    expect(recorded).toMatchObject({
      kind: 'migration',
      id: ids[1],
      siblings: [{ id: ids[0] }, { id: ids[2], state: 'open' }],
    });
    expect(schemaFaults('status', recorded)).toEqual([]);
    const shown = await call('status', '--url', place.url, ids[1] ?? '');
    expect(shown.stdout).toContain(`together    with ${tables()[2]} (${ids[2]}): open, await-cutover\n`);

    const told = join(folder, 'told');
    const hooks = join(folder, 'hooks');
    mkdirSync(hooks);
    for (const hook of ['started', 'before-cutover', 'swapped']) {
      const path = join(hooks, hook);
      writeFileSync(path, `#!/bin/sh\necho "$TABLESHIFT_HOOK_EVENT $TABLESHIFT_HOOK_TABLE" >> ${told}\n`);
      chmodSync(path, 0o755);
    }
    const markdown = join(folder, 'second.md');
    const args = ['--max-latency', '0', '--report', markdown, '--hooks', hooks];
    const resumed = await onServer('resume', ids[2] ?? '', ...args);
    expect(lastObject(resumed)).toMatchObject({ kind: 'family-summary', state: 'done', exitCode: 0, tables: tables() });
    expect(schemaFaults('summary', lastObject(resumed))).toEqual([]);
    const lines = readFileSync(told, 'utf8').trimEnd().split('\n');
    expect(lines.slice(0, 4)).toEqual([
      ...tables().map((table) => `started ${table}`),
      `before-cutover ${tables().join(', ')}`,
    ]);
    expect(lines.slice(4).toSorted()).toEqual(
      tables()
        .map((table) => `swapped ${table}`)
        .toSorted(),
    );
    expect(readFileSync(markdown, 'utf8')).toContain(`# Migrations of ${tables().join(', ')}, swapped together\n`);

    const wide = await place.sql(
      `SELECT table_name AS name, column_name AS wide FROM information_schema.columns
         WHERE table_schema = '${place.schema}' AND data_type = 'bigint' AND table_name IN ('${TABLES.join("', '")}')`,
    );
    expect(wide.map(({ name, wide }) => `${String(name)}.${String(wide)}`).toSorted()).toEqual([
      ...['customers.id', 'items.order_id', 'orders.customer', 'orders.id'],
    ]);
    await expect(place.sql('INSERT INTO items VALUES (9999, 9999)')).rejects.toThrow(/foreign key/);
    await expect(place.sql('DELETE FROM customers')).rejects.toThrow(/foreign key/);

    const list = await call('list', '--url', place.url);
    expect(list.stdout.split('\n').filter((line) => line.includes(' done '))).toEqual(
      ids.map((): unknown => expect.stringContaining(`  ${ids[0]}  done `)),
    );
    expect(schemaFaults('list', lastObject(await onServer('list')))).toEqual([]);
    const dropped = lastObject(await onServer('cleanup', '--yes', '--soak', '0'));
    expect(schemaFaults('cleanup', dropped)).toEqual([]);
    expect(dropped).toMatchObject({ results: ids.map(() => ({ outcome: 'dropped' })), kept: [] });
  });

  test('a family that a file names ends whoever holds one of its tables, where that is asked for, and is swapped', async () => {
    const file = join(folder, 'family.yaml');
    const alters = TABLES.map((table) => `  - ALTER TABLE ${place.schema}.${table} ADD extra INT\n`);
    writeFileSync(file, `max-latency: 0\nkill-blockers-after: 1\ncutover-lock-timeout: 1s\nalter:\n${alters.join('')}`);
    expect(await call('config', 'check', '--config', file)).toMatchObject({ exitCode: 0 });
    await using reader = await place.openReader('items');
    const run = await onServer('migrate', '--config', file);
    expect(lastObject(run)).toMatchObject({ kind: 'family-summary', state: 'done', exitCode: 0, tables: tables() });
    const events = run.stdout.split('\n').filter((line) => line.includes('"kind":"blocker-ended"'));
    const told = events.map((line) => JSON.parse(line) as { readonly table: string; readonly blocker: string });
    expect(told.map(({ table }) => table).toSorted()).toEqual(tables().toSorted());
    for (const { blocker } of told) expect(blocker).toMatch(new RegExp(`\\b${reader.session}\\b`));
    expect(run.stdout).toContain(`"kind":"cutover-failed","attempt":1`);
    for (const table of TABLES) await place.sql(`UPDATE ${table} SET extra = 1`);
  });
});
