/** When the deferred indexes are built, and what is done beside, in a whole run. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { Controls, DEFAULT_OPTIONS, migrate, type MigrationEvent, resumeMigration } from '../../src/index.ts';
import { createSchema, type TestSchema } from '../support/adapter-server.ts';
import { createPostgresSchema } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';

test('deferred indexes, the key among them, are not begun while copying is paused, as outside its window, and are built afterwards', async () => {
  const url = sharedServer('postgres-18');
  await using schema = await createPostgresSchema(url);
  const { application, name } = schema;
  await application.run(
    `CREATE TABLE ${name}.orders (id integer PRIMARY KEY, v integer); CREATE INDEX by_v ON ${name}.orders (v)`,
  );
  await application.run(`INSERT INTO ${name}.orders SELECT n, n FROM generate_series(1, 100) AS n`);
  const controls = new Controls({ ...DEFAULT_OPTIONS, latency: null, progressIntervalMs: 50 });
  const told = new EventTarget();
  const waiting = once(told, 'waiting');
  let shadow = '';
  const observer = (event: MigrationEvent): void => {
    if (event.kind === 'phase-entered' && event.phase === 'finish-shadow') controls.pause('window', 'it is closed');
    const isResting = event.kind === 'progress' && event.progress.throttledBy === 'paused by window: it is closed';
    if (isResting && event.progress.phase === 'finish-shadow') told.dispatchEvent(new Event('waiting'));
  };
  const run = migrate({
    ...{ url, alter: `ALTER TABLE ${name}.orders ADD COLUMN w integer`, strategy: 'shadow', controls, observer },
    onStart: (plan) => {
      shadow = `${plan.shadow.schema}.${plan.shadow.table}`;
    },
  });
  const indexes = async (table: string) => {
    const rows = await application.run(
      `SELECT array_to_string(indkey, ' ') AS columns FROM pg_index WHERE indrelid = '${table}'::regclass ORDER BY 1`,
    );
    return rows.map((row) => row['columns']);
  };
  await Promise.race([waiting, run]);
  expect(await indexes(shadow)).toEqual([]);
  controls.unpause('window');
  await run;
  expect(await indexes(`${name}.orders`)).toEqual(['1', '2']);
});

/** 1000 rows in a table with an index that is built later. */
async function fill({ application, name }: TestSchema): Promise<void> {
  await application.run(`CREATE TABLE ${name}.orders (id INT PRIMARY KEY, v INT, KEY by_v (v))`);
  const rows = Array.from({ length: 1000 }, (_, number) => `(${number}, ${number % 7})`);
  await application.run(`INSERT INTO ${name}.orders VALUES ${rows.join(', ')}`);
}

describe.each(['mysql', 'mariadb'] as const)('rows are compared while indexes are built on %s', (flavour) => {
  const url = sharedServer(flavour);
  const unthrottled = { ...DEFAULT_OPTIONS, latency: null, chunkRowsFirst: 100, chunkRowsMax: 100 };

  test.for([
    { isWritten: false, beside: ['range'], when: 'where nobody writes the table' },
    { isWritten: true, beside: [], when: 'but not where somebody has written it lately' },
  ])('$when', async ({ isWritten, beside }) => {
    await using schema = await createSchema(url);
    await fill(schema);
    const controls = new Controls({ ...unthrottled, copyWorkers: 1, quietAfterMs: 60_000 });
    const told: string[] = [];
    const writes: Promise<unknown>[] = [];
    const observer = (event: MigrationEvent): void => {
      if (event.kind === 'phase-entered') told.push(event.phase);
      if (event.kind === 'range-verified') told.push('range');
      if (event.kind === 'changes-applied') controls.unpause('operator');
      if (event.kind !== 'chunk-copied' || !isWritten || writes.length > 0) return;
      // Copying goes on when a change of a row that was copied has come in.
      controls.pause('operator', 'a row is changed');
      writes.push(schema.application.run(`UPDATE ${schema.name}.orders SET v = 8 WHERE id = 0`));
    };
    const alter = `ALTER TABLE ${schema.name}.orders ADD COLUMN w INT`;
    const { rowsVerified } = await migrate({ ...{ url, alter, strategy: 'shadow', observer }, controls });
    await Promise.all(writes);
    expect(rowsVerified).toBe(1000);
    expect(new Set(told.slice(told.indexOf('finish-shadow') + 1, told.indexOf('catch-up')))).toEqual(new Set(beside));
    expect(told.filter((what) => what === 'range').length).toBeGreaterThanOrEqual(10);
  });

  test('and a run that goes on without verification finishes what was begun', async () => {
    await using schema = await createSchema(url);
    await fill(schema);
    const died = new AbortController();
    let id = '';
    const run = migrate({
      ...{ url, alter: `ALTER TABLE ${schema.name}.orders ADD COLUMN w INT`, strategy: 'shadow', signal: died.signal },
      controls: new Controls({ ...unthrottled, copyWorkers: 1, quietAfterMs: 0 }),
      onStart: (plan) => {
        id = plan.id;
      },
      observer: ({ kind }) => {
        if (kind === 'range-verified') died.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ isResumable: true });
    const controls = new Controls({ ...unthrottled, isVerifying: false });
    const told: string[] = [];
    const result = await resumeMigration({
      ...{ url, id, controls },
      observer: ({ kind }) => told.push(kind),
    });
    expect(result).toMatchObject({ rowsVerified: 1000 });
    expect(told).toContain('verification-passed');
  });
});
