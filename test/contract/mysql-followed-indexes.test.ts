/** Indexes that somebody adds to the source or drops from it while it is migrated: the new table has what the server's own ALTER gives. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asMigrationError } from '../../src/engine/errors.ts';
import { migrate, type MigrationEvent, type Plan, resumeMigration } from '../../src/index.ts';
import type { PlanOptions } from '../../src/engine/model.ts';
import { readCreateStatement } from '../../src/mysql/create-statement.ts';
import type { Server } from '../../src/mysql/server.ts';
import { never, openAdapter, openApplication, schemaWith, type TestSchema } from '../support/adapter-server.ts';
import { claimTable, nothingSeen, reclaimTable } from '../support/claimed-table.ts';
import { sharedServer } from '../support/shared-servers.ts';

interface IndexCase {
  readonly clauses: string;
  readonly deferIndexes: PlanOptions['deferIndexes'];
  /** What others do, each when an event comes: in a phase that is entered, or once an attempt of the cutover has failed. */
  readonly done: readonly (readonly [at: 'copy' | 'cutover' | 'failed', clauses: string])[];
  /** Interrupted when the first was seen, and resumed. */
  readonly isInterrupted?: boolean;
}

interface Ended {
  readonly plan: Plan;
  readonly warnings: readonly string[];
}

const table = [
  'CREATE TABLE t (id INT PRIMARY KEY, a INT NOT NULL, b INT, c VARCHAR(20), d INT, KEY k (a), KEY l (b, a), UNIQUE KEY u (c))',
  'INSERT INTO t SELECT n, n, n % 3, n, n FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) AS numbers',
];

const cutover = {
  ...{ lockTimeoutMs: 2000, holdTimeoutMs: 5000, attemptsMax: 50, killBlockersAfter: 0, oldSnapshots: 'wait' as const },
  ...{ pauseFirstMs: 10, pauseMaxMs: 10, lagMaxMs: 1000 },
};

/** Migrates `t`. Until all is done a snapshot keeps the swap away; then something is written. */
async function migrateDuring(url: string, schema: TestSchema, one: IndexCase): Promise<Ended> {
  const { clauses, deferIndexes, isInterrupted = false } = one;
  await using gate = await openApplication(url);
  await gate.run('START TRANSACTION WITH CONSISTENT SNAPSHOT');
  const left = [...one.done];
  const [warnings, plans, stop]: [string[], Plan[], AbortController] = [[], [], new AbortController()];
  let doing = Promise.resolve();
  const act = async (at: string): Promise<void> => {
    const [next] = left;
    if (next?.[0] !== at) return;
    await schema.application.run(`ALTER TABLE t ${next[1]}`);
    left.shift();
    if (left.length > 0) return;
    await schema.application.run('REPLACE INTO t (id, a, b, c) VALUES (2, 20, 2, 20), (9, 9, 9, 9)');
    await gate.run('ROLLBACK');
  };
  const observer = (event: MigrationEvent): void => {
    const at = event.kind === 'cutover-failed' ? 'failed' : event.kind === 'phase-entered' ? event.phase : null;
    if (at !== null) doing = doing.then(() => act(at));
    if (event.kind !== 'warning' || !event.message.includes('has changed indexes of')) return;
    warnings.push(event.message);
    if (isInterrupted) stop.abort();
  };
  const run = { url, observer, pace: { cutover } };
  const onStart = (plan: Plan): void => void plans.push(plan);
  const alter = `ALTER TABLE ${schema.name}.t ${clauses}`;
  const first = migrate({ ...run, alter, deferIndexes, onStart, strategy: 'shadow', signal: stop.signal });
  const ending = await first.then(
    () => 'swapped',
    (error: unknown) => asMigrationError(error).code,
  );
  expect(ending).toBe(isInterrupted ? 'INTERRUPTED' : 'swapped');
  const [plan] = plans;
  if (plan === undefined) throw new Error('Nothing was started.');
  if (isInterrupted) await resumeMigration({ ...run, id: plan.id });
  await doing;
  return { plan, warnings };
}

/** Without the order of its indexes, which is that of their making. */
async function definitionOf({ application }: TestSchema, name: string): Promise<unknown> {
  const [row] = await application.run(`SHOW CREATE TABLE ${name}`);
  const { columns, otherElements, options } = readCreateStatement(String(row?.['Create Table']));
  return { columns: [...columns], otherElements: otherElements.toSorted(), options };
}

/** What the server's own ALTER makes of a table like this one. */
async function alteredLike(schema: TestSchema, name: string, clauses: string): Promise<unknown> {
  await schema.application.run(`CREATE TABLE twin LIKE ${name}`);
  await schema.application.run(`ALTER TABLE twin ${clauses}`);
  return await definitionOf(schema, 'twin');
}

describe.each(['mysql', 'mariadb'] as const)('the indexes of a table on %s', (flavour) => {
  const url = sharedServer(flavour);
  const hidden = flavour === 'mysql' ? 'INVISIBLE' : 'IGNORED';
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test.each<[string, IndexCase]>([
    [
      'while rows are copied, those that are built late, too',
      {
        clauses: 'MODIFY a BIGINT NOT NULL, DROP KEY l, ADD KEY n (d)',
        deferIndexes: 'always',
        done: [['copy', 'DROP KEY k, ADD KEY i (b, c(5) DESC), ADD KEY j (a, d)']],
      },
    ],
    [
      'when the shadow is finished, and are what they were when it has followed',
      {
        clauses: 'ADD z INT DEFAULT 7',
        deferIndexes: 'never',
        done: [
          ['cutover', 'DROP KEY k, ADD KEY k (b), DROP KEY l, ADD KEY i (d)'],
          ['failed', 'DROP KEY k, ADD KEY k (a), ADD KEY l (b, a), DROP KEY i'],
        ],
      },
    ],
    [
      'before a resume',
      {
        clauses: 'ADD z INT DEFAULT 7',
        deferIndexes: 'auto',
        done: [
          ['copy', 'DROP KEY k, ADD KEY i (d)'],
          ['cutover', 'RENAME KEY i TO j'],
        ],
        isInterrupted: true,
      },
    ],
  ])('change %s, and the new table has the same', async (_, one) => {
    await using schema = await schemaWith(url, ...table);
    const { plan, warnings } = await migrateDuring(url, schema, one);
    expect(await definitionOf(schema, 't')).toEqual(await alteredLike(schema, plan.retired.table, one.clauses));
    const rows = await schema.application.run('SELECT CONCAT_WS(",", id, a, b, c) AS line FROM t ORDER BY id');
    expect(rows.map(({ line }) => line).join(' ')).toBe('1,1,1,1 2,20,2,20 3,3,0,3 4,4,1,4 9,9,9,9');
    expect(warnings.length).toBeGreaterThan(0);
  });

  const addition = 'ADD COLUMN z INT DEFAULT 7';
  test.each([
    ['one is hidden', addition, `ALTER INDEX k ${hidden}`],
    ['one is hidden no more', addition, `ALTER INDEX m ${flavour === 'mysql' ? 'VISIBLE' : 'NOT IGNORED'}`],
    ['one is renamed', addition, 'RENAME KEY k TO n'],
    ['one has another comment', addition, "DROP KEY k, ADD KEY k (a) COMMENT 'for us'"],
    ['one is another under its name', addition, 'DROP KEY k, ADD KEY k (b)'],
    ['one is added over a column of another type', 'MODIFY d BIGINT', 'ADD KEY i (d, a)'],
    ['nothing is in the end', addition, 'ADD KEY i (d), DROP KEY i'],
  ])('are followed where %s', async (_, clauses, changes) => {
    await using schema = await schemaWith(url, ...table, `ALTER TABLE t ADD KEY m (d, a) ${hidden}`);
    await using claimed = await claimTable(server, { schema: schema.name, table: 't', clauses });
    for (const change of changes.includes('ADD KEY i (d), DROP') ? changes.split(', ') : [changes])
      await schema.application.run(`ALTER TABLE t ${change}`);
    await claimed.pair.followIndexes(never);
    expect(await definitionOf(schema, 't_ts_new')).toEqual(await alteredLike(schema, 't', clauses));
    const before = await schema.application.run('SHOW CREATE TABLE t_ts_new');
    await claimed.pair.followIndexes(never);
    expect(await schema.application.run('SHOW CREATE TABLE t_ts_new')).toEqual(before);
  });

  test('are followed from what was planned, whatever they are when the shadow is made', async () => {
    await using schema = await schemaWith(url, ...table);
    const early = 'ALTER TABLE t ADD KEY i (d), DROP KEY k';
    const change = { schema: schema.name, table: 't', clauses: addition };
    await using claimed = await claimTable(server, change, nothingSeen, () => schema.application.run(early));
    await schema.application.run('ALTER TABLE t DROP KEY i, ADD KEY k (a)');
    await claimed.pair.followIndexes(never);
    expect(await definitionOf(schema, 't_ts_new')).toEqual(await alteredLike(schema, 't', addition));
  });

  test('of the new table are put right, whoever has dropped or added them there, also between two runs', async () => {
    await using schema = await schemaWith(url, ...table);
    const { plan, ...first } = await claimTable(server, { schema: schema.name, table: 't', clauses: addition });
    await first[Symbol.asyncDispose]();
    await schema.application.run('ALTER TABLE t_ts_new DROP KEY k, ADD KEY i (d), DROP KEY l, ADD KEY l (d)');
    await using claimed = await reclaimTable(server, plan);
    await schema.application.run('ALTER TABLE t_ts_new ADD KEY j (d, b)');
    const limits = { lockTimeoutMs: 3_000, holdTimeoutMs: 10_000, oldSnapshots: 'ignore' } as const;
    const attempt = (): Promise<unknown> => claimed.cutover.attempt(limits, () => Promise.resolve(), never);
    expect(await attempt()).toMatchObject({ kind: 'prevented' });
    await claimed.cutover.prepare?.(never);
    expect(await definitionOf(schema, 't_ts_new')).toEqual(await alteredLike(schema, 't', addition));
    expect(await attempt()).toMatchObject({ kind: 'swapped' });
  });

  test.each([
    ['one that is added is unique', addition, 'ADD UNIQUE KEY i (a)'],
    ['one that is dropped was unique', addition, 'DROP INDEX u'],
    ['one is for full-text search', addition, 'ADD FULLTEXT KEY i (c)'],
    ['a column of it is called otherwise in the new table', 'CHANGE d e INT', 'ADD KEY i (d)'],
    ['a column of it becomes a text', 'MODIFY d TEXT', 'ADD KEY i (d)'],
    ['a column of it becomes too wide', 'MODIFY d VARCHAR(800)', 'ADD KEY i (d)'],
    ['the change drops a column of it', 'DROP COLUMN d', 'ADD KEY i (d, a)'],
    ['the change adds one of its name', 'ADD KEY i (b)', 'ADD KEY i (a)'],
    ['the change drops it itself', 'DROP KEY k', 'DROP KEY k'],
    ['more is changed', addition, 'ADD KEY i (a), ALTER COLUMN d SET DEFAULT 5'],
  ])('are not followed where %s: the source has changed', async (_, clauses, change) => {
    await using schema = await schemaWith(url, ...table);
    await using claimed = await claimTable(server, { schema: schema.name, table: 't', clauses });
    await schema.application.run(`ALTER TABLE t ${change}`);
    await expect(claimed.pair.followIndexes(never)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  test('are looked at once more under the lock: with those that changed just before it there is no swap', async () => {
    await using schema = await schemaWith(url, ...table);
    let seen = 0;
    const change = { schema: schema.name, table: 't', clauses: addition };
    await using claimed = await claimTable(server, change, { indexChanges: () => seen });
    const limits = { lockTimeoutMs: 3_000, holdTimeoutMs: 10_000, oldSnapshots: 'ignore' } as const;
    const drain = (): Promise<void> => {
      seen += 1;
      return Promise.resolve();
    };
    const reason = expect.stringMatching(/somebody has just changed indexes of .*\.t,/);
    expect(await claimed.cutover.attempt(limits, drain, never)).toMatchObject({ kind: 'prevented', reason });
    expect(await claimed.cutover.hasSwapped(never)).toBe(false);
  });
});
