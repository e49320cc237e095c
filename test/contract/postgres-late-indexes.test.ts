/** Indexes of a shadow that are made after rows are in it: its key when somebody needs it, the others when all is copied. */
import { expect, test } from 'vitest';
import type { Plan, PlanOptions } from '../../src/engine/model.ts';
import type { TablePair } from '../../src/engine/ports.ts';
import { rowKey } from '../../src/postgres/row-key.ts';
import { createSessionPool } from '../../src/postgres/session-pool.ts';
import { openTablePair } from '../../src/postgres/table-pair.ts';
import { disposeAll } from '../../src/sessions/disposal.ts';
import {
  createPostgresSchema,
  never,
  openPostgres,
  openPostgresApplication,
  type PostgresApplication,
} from '../support/postgres-adapter.ts';
import { planPostgres } from '../support/postgres-plan.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

const [one, two, three] = [rowKey(['1']), rowKey(['2']), rowKey(['3'])];
const everything = { after: null, through: null };

interface Opened extends AsyncDisposable {
  readonly application: PostgresApplication;
  readonly plan: Plan;
  readonly pair: TablePair;
  /** The same as a process has it that goes on. */
  readonly resumed: TablePair;
  readonly shadow: string;
  /** Another client, which holds the shadow as an application never does. */
  readonly other: PostgresApplication;
}

interface Opening extends Partial<PlanOptions> {
  /** More statements about the table. */
  readonly also?: string;
  readonly clauses?: string;
  readonly rowsWithoutKeyMax?: number;
}

describeSideBySide(['postgres-15', 'postgres-18'], 'on', (name) => {
  const url = sharedServer(name);

  /** The table `t`, with the columns `id` and `v` and three rows, and its empty shadow. */
  const open = async (
    definition: string,
    { also = '', clauses = 'ADD COLUMN extra integer NOT NULL DEFAULT 7', rowsWithoutKeyMax, ...options }: Opening = {},
  ): Promise<Opened> => {
    const server = await openPostgres(url);
    const schema = await createPostgresSchema(url);
    const other = await openPostgresApplication(url);
    const { application } = schema;
    await application.run(`SET search_path = ${schema.name}; CREATE TABLE t ${definition}; ${also}`);
    await application.run('INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)');
    const plan = await planPostgres({ server, schema, clauses, options });
    const sessions = createSessionPool({ sizeMax: 8, open: (signal) => server.openSession({}, signal) });
    const keyColumns = [{ name: 'id', attnum: 1, type: 'integer' }];
    const { conversionSettings } = server;
    const limits = rowsWithoutKeyMax === undefined ? {} : { rowsWithoutKeyMax };
    const openPair = (): TablePair => openTablePair({ plan, keyColumns, sessions, conversionSettings, ...limits });
    const pair = openPair();
    await pair.createShadow(never);
    return {
      application,
      plan,
      pair,
      resumed: openPair(),
      shadow: `${plan.shadow.schema}.t`,
      other,
      async [Symbol.asyncDispose]() {
        await other[Symbol.asyncDispose]();
        await application.run(`DROP SCHEMA ${plan.shadow.schema} CASCADE`);
        await disposeAll([sessions, server, schema]);
      },
    };
  };

  const indexesOf = async ({ application, shadow }: Opened, table = shadow): Promise<readonly string[]> => {
    const rows = await application.run(
      `SELECT concat_ws(' ', substr(pg_get_indexdef(x.indexrelid), 8), c.contype, obj_description(c.oid),
         CASE WHEN x.indisclustered THEN 'clustered' END, CASE WHEN x.indisreplident THEN 'identity' END,
         CASE WHEN NOT x.indisvalid THEN 'invalid' END) AS index
       FROM pg_index AS x LEFT JOIN pg_constraint AS c ON c.conindid = x.indexrelid AND c.conrelid = x.indrelid
       WHERE x.indrelid = '${table}'::regclass ORDER BY x.indexrelid::regclass::text`,
    );
    return rows.map(({ index }) => String(index).replace(/ ON .* USING /, ' USING '));
  };

  const isWaiting = async ({ application, plan }: Opened, statement: string): Promise<void> => {
    const sql = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '${statement}%${plan.shadow.schema}%'`;
    while ((await application.run(sql)).length === 0);
  };

  const plain = '(id integer PRIMARY KEY, v integer)';
  const key = 'UNIQUE INDEX t_pkey USING btree (id) p';

  const needs: readonly (readonly [string, (pair: TablePair) => Promise<unknown>])[] = [
    ['rows are deleted', (pair) => pair.deleteRows([two], never)],
    ['rows are inserted', (pair) => pair.insertRows([rowKey(['4'])], never)],
    ['rows are changed in place', async (pair) => await pair.upsertRows?.([two], never)],
    ['a collision is explained', (pair) => pair.explainCollision([two], never)],
    ['rows are compared', (pair) => pair.findDifferingRows([two], never)],
    ['a range is compared', (pair) => pair.compareRange(everything, never)],
    ['differences are searched for', (pair) => pair.findDifferences(everything, 10, never)],
    ['the greatest key is asked for', (pair) => pair.greatestShadowKey(never)],
    ['a chunk is copied that may be there', (pair) => pair.copyRange({ after: null, through: two }, 'skip', never)],
    ['the shadow is finished', (pair) => pair.finishShadow(never)],
  ];

  test.for(needs)('rows are copied without the key, which is made when %s', async ([, need]) => {
    await using t = await open(plain);
    expect(await t.pair.copyRange({ after: null, through: two }, 'collide', never)).toEqual({ kind: 'copied', rows: 2 });
    expect(await indexesOf(t)).toEqual([]);
    await need(t.pair);
    expect(await indexesOf(t)).toEqual([key]);
    await t.pair.deleteRows([two], never);
    expect(await t.pair.insertRows([one], never)).toBe('collided');
    expect(await t.pair.copyRange({ after: one, through: three }, 'collide', never)).toEqual({ kind: 'copied', rows: 2 });
    expect(await t.pair.upsertRows?.([one, two, three], never)).toBe('upserted');
    expect(await t.pair.compareRange(everything, never)).toMatchObject({ isEqual: true });
  });

  test('a process that goes on makes it before it copies, for it does not know what is there', async () => {
    await using t = await open(plain);
    await t.pair.copyRange({ after: null, through: two }, 'collide', never);
    expect(await t.resumed.copyRange({ after: one, through: three }, 'collide', never)).toEqual({ kind: 'collided' });
    expect(await indexesOf(t)).toEqual([key]);
    expect(await t.resumed.copyRange({ after: one, through: three }, 'skip', never)).toEqual({ kind: 'copied', rows: 1 });
  });

  test('it is made too when so many rows are there that making it would take long', async () => {
    await using t = await open(plain, { rowsWithoutKeyMax: 2 });
    await t.pair.copyRange({ after: null, through: one }, 'collide', never);
    await t.pair.copyRange({ after: one, through: two }, 'collide', never);
    expect(await indexesOf(t)).toEqual([]);
    await t.pair.copyRange({ after: two, through: three }, 'collide', never);
    expect(await indexesOf(t)).toEqual([key]);
  });

  test('a row that does not fit is named, and nothing is copied, as with the key', async () => {
    await using t = await open(plain, { clauses: 'ALTER COLUMN v TYPE smallint' });
    await t.application.run('UPDATE t SET v = 70000 WHERE id = 2');
    await expect(t.pair.copyRange(everything, 'collide', never)).rejects.toMatchObject({
      code: 'ROW_NOT_CONVERTIBLE',
      message: expect.stringContaining('The row id = 2 '),
    });
    expect(await indexesOf(t)).toEqual([]);
    expect(await t.application.run(`SELECT 1 FROM ${t.shadow}`)).toEqual([]);
  });

  test('whoever copies, reads and writes at once has it made once', async () => {
    await using t = await open(plain);
    await t.pair.copyRange({ after: null, through: one }, 'collide', never);
    await Promise.all([
      t.pair.deleteRows([one], never),
      t.pair.copyRange({ after: one, through: two }, 'collide', never),
      t.pair.greatestShadowKey(never),
      t.pair.deleteRows([one], never),
      t.pair.copyRange({ after: two, through: three }, 'collide', never),
    ]);
    expect(await indexesOf(t)).toEqual([key]);
    expect(await t.pair.insertRows([one], never)).toBe('inserted');
    expect(await t.pair.compareRange(everything, never)).toMatchObject({ isEqual: true });
  });

  test('a chunk that is being copied is waited for, and those behind it wait', async () => {
    await using t = await open(plain);
    await t.other.run(`BEGIN; INSERT INTO ${t.shadow} VALUES (1, 10)`);
    const deleting = t.pair.deleteRows([one], never);
    await isWaiting(t, 'CREATE UNIQUE INDEX');
    const copying = t.pair.copyRange({ after: one, through: null }, 'collide', never);
    await t.other.run('COMMIT');
    await deleting;
    expect(await copying).toEqual({ kind: 'copied', rows: 2 });
    expect(await t.application.run(`SELECT id FROM ${t.shadow} ORDER BY id`)).toEqual([{ id: '2' }, { id: '3' }]);
  });

  test('where it could not be made, whoever comes next makes it', async () => {
    await using t = await open(plain);
    await t.other.run(`BEGIN; INSERT INTO ${t.shadow} VALUES (1, 10)`);
    const ending = new AbortController();
    const deleting = t.pair.deleteRows([one], ending.signal);
    await isWaiting(t, 'CREATE UNIQUE INDEX');
    ending.abort(new Error('Enough.'));
    await expect(deleting).rejects.toThrow('Enough.');
    await t.other.run('COMMIT');
    expect(await indexesOf(t)).toEqual([]);
    await t.pair.copyRange({ after: one, through: null }, 'collide', never);
    expect(await indexesOf(t)).toEqual([key]);
  });

  test('rows that somebody else has put into the shadow end the run', async () => {
    await using t = await open(plain);
    await t.pair.copyRange(everything, 'collide', never);
    await t.other.run(`INSERT INTO ${t.shadow} VALUES (2, 20)`);
    await expect(t.pair.finishShadow(never)).rejects.toMatchObject({
      code: 'SHADOW_CHANGED',
      message: expect.stringMatching(/^Somebody else has written to the shadow .*"t_pkey"/),
    });
  });

  test('it is as it would have been from the beginning', async () => {
    await using t = await open(
      '(id integer NOT NULL, v integer, CONSTRAINT "the ""key" UNIQUE (id) INCLUDE (v) WITH (fillfactor = 70))',
      {
        also: `COMMENT ON CONSTRAINT "the ""key" ON t IS 'Kept.'; ALTER TABLE t CLUSTER ON "the ""key"; ALTER TABLE t REPLICA IDENTITY USING INDEX "the ""key"`,
      },
    );
    await t.pair.copyRange(everything, 'collide', never);
    expect(await indexesOf(t)).toEqual([]);
    await t.pair.finishShadow(never);
    const source = await indexesOf(t, `${t.plan.source.schema}.t`);
    expect(source).toEqual([
      `UNIQUE INDEX "the ""key" USING btree (id) INCLUDE (v) WITH (fillfactor='70') u Kept. clustered identity`,
    ]);
    expect(await indexesOf(t)).toEqual(source);
  });

  test('it is there from the beginning where that is wanted', async () => {
    await using t = await open(plain, { deferIndexes: 'never' });
    expect(await indexesOf(t)).toEqual([key]);
  });

  const byV = 'INDEX t_v_idx USING btree (v)';

  test('another index is built in one pass, unless somebody comes to write: then beside the writes', async () => {
    await using t = await open(plain, { also: 'CREATE INDEX ON t (v)' });
    await t.pair.copyRange(everything, 'collide', never);
    await t.pair.greatestShadowKey(never);
    await t.other.run(`BEGIN; LOCK TABLE ${t.shadow} IN ROW EXCLUSIVE MODE`);
    const finishing = t.pair.finishShadow(never);
    await isWaiting(t, 'CREATE INDEX "t_v_idx"');
    await t.pair.deleteRows([two], never);
    await isWaiting(t, 'CREATE INDEX CONCURRENTLY "t_v_idx"');
    expect(await t.pair.insertRows([two], never)).toBe('inserted');
    await t.other.run('COMMIT');
    await finishing;
    expect(await indexesOf(t)).toEqual([key, byV]);
    expect(await t.pair.compareRange(everything, never)).toMatchObject({ isEqual: true });
  });

  test('a build in one pass that is interrupted leaves nothing, and is done again', async () => {
    await using t = await open(plain, { also: 'CREATE INDEX ON t (v)' });
    await t.pair.copyRange(everything, 'collide', never);
    await t.pair.greatestShadowKey(never);
    await t.other.run(`BEGIN; LOCK TABLE ${t.shadow} IN ROW EXCLUSIVE MODE`);
    const ending = new AbortController();
    const finishing = t.pair.finishShadow(ending.signal);
    await isWaiting(t, 'CREATE INDEX "t_v_idx"');
    ending.abort(new Error('Enough.'));
    await expect(finishing).rejects.toThrow('Enough.');
    await t.other.run('COMMIT');
    expect(await indexesOf(t)).toEqual([key]);
    await t.pair.finishShadow(never);
    expect(await indexesOf(t)).toEqual([key, byV]);
  });
});
