/** That somebody else's change of the source is noticed whenever it comes: nothing is copied by a plan that is not true any more. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MigrationRequest, Plan } from '../../src/engine/model.ts';
import type { Database } from '../../src/engine/ports.ts';
import { openDatabase } from '../../src/mysql/database.ts';
import type { Server } from '../../src/mysql/server.ts';
import { openPair } from '../support/adapter-pair.ts';
import { createSchema, never, openAdapter, type TestSchema } from '../support/adapter-server.ts';
import { claimTable, reclaimTable } from '../support/claimed-table.ts';
import { sharedServer } from '../support/shared-servers.ts';

const everything = { after: null, through: null };
const requestOf = ({ name }: Pick<TestSchema, 'name'>): MigrationRequest => ({
  table: { schema: name, table: 't' },
  clauses: 'MODIFY v BIGINT',
  options: { deferIndexes: 'auto', key: null },
});
const addition = 'ADD COLUMN paid INT NOT NULL DEFAULT 0';

describe.each(['mysql', 'mariadb'] as const)('the source on %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  let database: Database;
  beforeAll(async () => {
    server = await openAdapter(url);
    database = await openDatabase(url, { defaultsFile: null, password: null, home: null }, never);
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const prepare = async ({ name, application }: TestSchema): Promise<Plan> => {
    await application.run(`USE ${name}`);
    await application.run('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT, KEY (v))');
    return await database.plan(requestOf({ name }), never);
  };

  test('that another run has altered between its plan and its claim is refused, and nothing is recorded', async () => {
    await using schema = await createSchema(url);
    const [first, second] = [await prepare(schema), await database.plan(requestOf(schema), never)];
    {
      await using claim = await database.claim(first, 'start', never);
      await schema.application.run(`ALTER TABLE t ${addition}`);
      await claim.checkpoints.conclude('done', null, never);
    }
    await expect(database.claim(second, 'start', never)).rejects.toMatchObject({
      code: 'OBSTACLE',
      obstacles: [{ code: 'TABLE_CHANGED', message: expect.stringMatching(`Migration ${first.id} of it ended at 2`) }],
    });
    expect((await database.listMigrations(never)).filter(({ id }) => id === second.id)).toEqual([]);
  });

  test.each([
    ['altered', `ALTER TABLE t ${addition}`],
    ['given another unique index', 'CREATE UNIQUE INDEX another ON t (v, id)'],
    ['dropped', 'DROP TABLE t'],
  ])('that is %s between its claim and its stream is noticed', async (_, statement) => {
    await using schema = await createSchema(url);
    const plan = await prepare(schema);
    await using claim = await database.claim(plan, 'start', never);
    await schema.application.run(statement);
    await expect(claim.openChangeStream(null, never)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await claim.checkpoints.conclude('aborted', null, never);
  });

  test('that is altered without a trace in the log is noticed by a resume', async () => {
    await using schema = await createSchema(url);
    const plan = await prepare(schema);
    await schema.application.run('INSERT INTO t (v) VALUES (1), (2)');
    let token: string;
    {
      await using claim = await database.claim(plan, 'start', never);
      await using stream = await claim.openChangeStream(null, never);
      token = stream.start.token;
    }
    await schema.application.run('INSERT INTO t (v) VALUES (3)');
    await schema.application.run('ANALYZE TABLE t');
    {
      await using claim = await database.claim(plan, 'resume', never);
      await using stream = await claim.openChangeStream(token, never);
      expect(stream.start.token).toBe(token);
    }
    await schema.application.run('SET SESSION sql_log_bin = 0');
    await schema.application.run(`ALTER TABLE t ${addition}`);
    await schema.application.run('SET SESSION sql_log_bin = 1');
    await using claim = await database.claim(plan, 'resume', never);
    await expect(claim.openChangeStream(token, never)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await claim.checkpoints.conclude('aborted', null, never);
  });

  test.each([
    ['has a column that the plan does not know', `ALTER TABLE t ${addition}`],
    ['lacks a column of the plan', 'ALTER TABLE t DROP COLUMN w'],
    ['calls a column otherwise', 'ALTER TABLE t CHANGE w x INT'],
  ])('that %s when its shadow is made is not copied', async (_, statement) => {
    const before = ['CREATE TABLE t (id INT PRIMARY KEY, v INT, w INT)', 'INSERT INTO t VALUES (1, 1, 1)'];
    await using t = await openPair({ server, url, before, clauses: 'MODIFY v BIGINT, ADD COLUMN n INT', createsShadow: false });
    await t.application.run(statement);
    await t.pair.createShadow(never);
    await expect(t.pair.copyRange(everything, 'collide', never)).rejects.toMatchObject({
      code: expect.stringMatching(/^(SOURCE|SHADOW)_CHANGED$/),
    });
    expect(await t.application.run('SELECT * FROM t_ts_new')).toEqual([]);
  });

  test.each([
    ['SOURCE_CHANGED', 'the source without a trace in the log', `ALTER TABLE t ${addition}`],
    ['SHADOW_CHANGED', 'a column of the shadow', 'ALTER TABLE t_ts_new DROP COLUMN extra'],
    ['SHADOW_CHANGED', 'a unique index of the shadow', 'DROP INDEX v ON t_ts_new'],
    ['SHADOW_CHANGED', 'what writes to the shadow do', 'CREATE TRIGGER r BEFORE INSERT ON t_ts_new FOR EACH ROW SET NEW.v = 0'],
  ])('ends a swap as %s, before anybody waits, where somebody has altered %s', async (code, _, statement) => {
    await using schema = await createSchema(url);
    const { application, name } = schema;
    await application.run(`USE ${name}`);
    await application.run('CREATE TABLE t (id INT PRIMARY KEY, v INT, UNIQUE KEY v (v))');
    await using claimed = await claimTable(server, { schema: name, table: 't', clauses: 'ADD COLUMN extra INT' });
    await application.run('SET SESSION sql_log_bin = 0');
    await application.run(statement);
    const limits = { lockTimeoutMs: 3_000, holdTimeoutMs: 10_000, oldSnapshots: 'ignore' } as const;
    const drain = (): Promise<void> => Promise.reject(new Error('Nothing is locked.'));
    await expect(claimed.cutover.attempt(limits, drain, never)).rejects.toMatchObject({ code });
    expect(await claimed.cutover.hasSwapped(never)).toBe(false);
  });

  test('ends a swap where somebody has dropped an index of the shadow between two runs', async () => {
    await using schema = await createSchema(url);
    const { application, name } = schema;
    await application.run(`USE ${name}`);
    const indexes = 'KEY v (v), UNIQUE KEY `u``w` (u), FULLTEXT KEY f (f)';
    await application.run(`CREATE TABLE t (id INT PRIMARY KEY, v INT, u INT, f TEXT, ${indexes})`);
    const { plan, ...first } = await claimTable(server, { schema: name, table: 't', clauses: 'ADD COLUMN extra INT' });
    await first[Symbol.asyncDispose]();
    const limits = { lockTimeoutMs: 3_000, holdTimeoutMs: 10_000, oldSnapshots: 'ignore' } as const;
    const attempt = async (): Promise<unknown> => {
      await using claimed = await reclaimTable(server, plan);
      return await claimed.cutover.attempt(limits, () => Promise.reject(new Error('Locked.')), never);
    };
    await expect(attempt()).rejects.toMatchObject({ message: expect.stringContaining('Locked.') });
    await application.run('SET SESSION sql_log_bin = 0');
    await application.run('DROP INDEX `u``w` ON t_ts_new');
    await expect(attempt()).rejects.toMatchObject({
      code: 'SHADOW_CHANGED',
      message: expect.stringContaining('it had the index u`w'),
    });
  });
});
