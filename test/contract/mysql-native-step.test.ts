/** The moment at which a brief ALTER of MySQL and MariaDB is asked for. */
import { expect, test } from 'vitest';
import type { StepOutcome } from '../../src/engine/native-change.ts';
import { createNativeChange } from '../../src/mysql/native-change.ts';
import { createSchema, never, openAdapter, openApplication, type TestSchema } from '../support/adapter-server.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { type Fate, startProxy } from '../support/tcp-proxy.ts';

async function openTable(url: string, beside: readonly string[]): Promise<TestSchema> {
  const schema = await createSchema(url);
  const table = 'CREATE TABLE things (id INT PRIMARY KEY, size INT NOT NULL)';
  for (const statement of [`USE ${schema.name}`, table, 'INSERT INTO things VALUES (1, 1), (2, 2)', ...beside]) {
    await schema.application.run(statement);
  }
  return schema;
}

/** The one step of a change, ready to run. */
async function prepareStep(
  url: string,
  schema: string,
  clauses = 'ADD c INT',
): Promise<AsyncDisposable & { readonly run: (lockTimeoutMs: number) => Promise<StepOutcome> }> {
  const server = await openAdapter(url);
  const native = createNativeChange(server);
  const options = { deferIndexes: 'auto', key: null } as const;
  const plan = await native.find({ table: { schema, table: 'things' }, clauses, options }, never);
  const [step] = 'steps' in plan ? plan.steps : [];
  if (!('steps' in plan) || step === undefined) throw new Error(`“${clauses}” is no native change`);
  return {
    run: (lockTimeoutMs) => native.run(step, plan, lockTimeoutMs, never),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const columnsOf = async ({ application }: TestSchema): Promise<readonly unknown[]> =>
  (await application.run('SHOW COLUMNS FROM things')).map((row) => row['Field']);

const trigger = 'CREATE TRIGGER watch BEFORE INSERT ON things FOR EACH ROW SET NEW.size = NEW.size + 1';
const child = 'CREATE TABLE children (id INT PRIMARY KEY, thing INT, FOREIGN KEY (thing) REFERENCES things (id))';

describeSideBySide(['mysql', 'mariadb'], 'a brief native change on', (flavour) => {
  const url = (): string => sharedServer(flavour);

  /** Lets a transaction read the table, which is written when the step has been asked for, and ends then. */
  async function runBesideReader(schema: TestSchema, clauses: string): Promise<StepOutcome> {
    let asked = 0;
    await using proxy = await startProxy(`${url()}?ssl-mode=DISABLED`, (sent): Fate => {
      if (sent.includes('ALTER TABLE') || /(?<!UN)LOCK TABLES/.test(sent)) asked += 1;
      return 'pass';
    });
    await using step = await prepareStep(proxy.url, schema.name, clauses);
    await using application = await openApplication(url());
    await application.run('BEGIN');
    await application.run(`SELECT * FROM ${schema.name}.things`);
    const askedBefore = asked;
    const outcome = step.run(60_000);
    await expect.poll(() => asked - askedBefore).toBeGreaterThan(2);
    await application.run(`UPDATE ${schema.name}.things SET size = 55 WHERE id = 1`);
    await application.run('COMMIT');
    return await outcome;
  }

  const doneAfterLooking = { kind: 'done', soughtMs: expect.toSatisfy((ms: number) => ms > 0) };

  test.each([
    ['and nothing hangs on the table', []],
    ['and the table has a trigger', [trigger]],
    ['and a foreign key refers to the table', [child]],
  ])('is asked for when nobody has read the table and may yet write it, %s', async (_, beside) => {
    await using schema = await openTable(url(), beside);
    expect(await runBesideReader(schema, 'ADD c INT')).toMatchObject(doneAfterLooking);
    expect(await columnsOf(schema)).toEqual(['id', 'size', 'c']);
    expect(await schema.application.run('SELECT size FROM things WHERE id = 1')).toEqual([{ size: 55 }]);
  });

  test.each([
    ['an index', 'ADD INDEX gone (size)', 'DROP INDEX gone'],
    [
      'a partition',
      'PARTITION BY LIST (id) (PARTITION kept VALUES IN (1, 2), PARTITION gone VALUES IN (3))',
      'DROP PARTITION gone',
    ],
  ])('that drops %s is asked for at such a moment, too', async (_, given, dropped) => {
    await using schema = await openTable(url(), [`ALTER TABLE things ${given}`]);
    expect(await runBesideReader(schema, dropped)).toMatchObject(doneAfterLooking);
    const [shown] = await schema.application.run('SHOW CREATE TABLE things');
    expect(shown?.['Create Table']).not.toContain('gone');
    expect(await schema.application.run('SELECT size FROM things WHERE id = 1')).toEqual([{ size: 55 }]);
  });

  test('is not asked for while who holds the table rests for longer than others would wait, and he is named', async () => {
    await using schema = await openTable(url(), []);
    let asked = 0;
    await using proxy = await startProxy(`${url()}?ssl-mode=DISABLED`, (sent): Fate => {
      if (/`things` ADD c INT|(?<!UN)LOCK TABLES/.test(sent)) asked += 1;
      return 'pass';
    });
    await using step = await prepareStep(proxy.url, schema.name);
    await using holder = await openApplication(url());
    await holder.run('BEGIN');
    await holder.run(`SELECT * FROM ${schema.name}.things`);
    const resting = `SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ${holder.connectionId} AND TIME > 0`;
    await expect.poll(() => schema.application.run(resting)).toHaveLength(1);
    const askedBefore = asked;
    expect(await step.run(500)).toMatchObject({
      kind: 'not-locked',
      blockers: [expect.stringMatching(`^connection ${holder.connectionId} of root from .*, idle for \\d+ s in a transaction`)],
    });
    expect(asked).toBe(askedBefore);
    await holder.run('COMMIT');
    expect(await step.run(500)).toMatchObject({ kind: 'done' });
    expect(asked).toBeGreaterThan(askedBefore);
  });

  test('that was done counts as done where its answer is lost, and the table can be used', async () => {
    await using schema = await openTable(url(), []);
    await using proxy = await startProxy(
      `${url()}?ssl-mode=DISABLED`,
      (sent): Fate => (/`things` ADD c INT/.test(sent) ? 'cut-answer' : 'pass'),
    );
    await using step = await prepareStep(proxy.url, schema.name);
    expect(await step.run(1_000)).toMatchObject({ kind: 'done' });
    expect(await columnsOf(schema)).toEqual(['id', 'size', 'c']);
    await schema.application.run('INSERT INTO things VALUES (3, 3, 3)');
  });

  test('that waits for who has written the table names him, and is done when he is', async () => {
    await using schema = await openTable(url(), []);
    await using step = await prepareStep(url(), schema.name);
    await using holder = await openApplication(url());
    await holder.run('BEGIN');
    await holder.run(`UPDATE ${schema.name}.things SET size = 55 WHERE id = 1`);
    const blockers = expect.arrayContaining([expect.stringContaining(`connection ${holder.connectionId} of root`)]);
    expect(await step.run(1_000)).toMatchObject({ kind: 'not-locked', blockers });
    await holder.run('COMMIT');
    expect(await step.run(1_000)).toMatchObject({ kind: 'done' });
    expect(await columnsOf(schema)).toEqual(['id', 'size', 'c']);
  });
});

test('MariaDB changes a table whose default takes numbers from a sequence, which is not locked with it', async () => {
  const url = sharedServer('mariadb');
  await using schema = await openTable(url, [
    'CREATE SEQUENCE numbers',
    'ALTER TABLE things ALTER size SET DEFAULT NEXT VALUE FOR numbers',
  ]);
  await using step = await prepareStep(url, schema.name);
  expect(await step.run(1_000)).toMatchObject({ kind: 'done' });
  expect(await columnsOf(schema)).toEqual(['id', 'size', 'c']);
});

test('MySQL locks the table for an instant change only where that keeps nobody from another, nor for as long as a backup is made', async () => {
  await using server = await startServer({ flavour: 'mysql' });
  const locksTaken = async (beside: readonly string[], isBackedUp: boolean): Promise<unknown> => {
    await using schema = await openTable(server.url, beside);
    await using step = await prepareStep(server.url, schema.name);
    await using backup = await openApplication(server.url);
    if (isBackedUp) await backup.run('LOCK INSTANCE FOR BACKUP');
    await backup.run('TRUNCATE TABLE performance_schema.events_statements_summary_global_by_event_name');
    const { kind } = await step.run(1_000);
    const [row] = await backup.run(
      `SELECT CAST(COUNT_STAR AS CHAR) AS locks FROM performance_schema.events_statements_summary_global_by_event_name
       WHERE EVENT_NAME = 'statement/sql/lock_tables'`,
    );
    return { kind, locks: row?.['locks'] };
  };
  expect(await locksTaken([], false)).toEqual({ kind: 'done', locks: '1' });
  expect(await locksTaken([trigger], false)).toEqual({ kind: 'done', locks: '0' });
  expect(await locksTaken([child], false)).toEqual({ kind: 'done', locks: '0' });
  expect(await locksTaken([], true)).toEqual({ kind: 'not-locked', locks: '0' });
});
