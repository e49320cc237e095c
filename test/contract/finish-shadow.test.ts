/** When the deferred indexes are built, in a whole run. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { Controls, DEFAULT_OPTIONS, migrate, type MigrationEvent } from '../../src/index.ts';
import { createPostgresSchema } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';

test('deferred indexes are not begun while copying is paused, as outside its window, and are built afterwards', async () => {
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
  expect(await indexes(shadow)).toEqual(['1']);
  controls.unpause('window');
  await run;
  expect(await indexes(`${name}.orders`)).toEqual(['1', '2']);
});
