/** Steps of a native change on PostgreSQL among applications: locks that are not had, rows that do not fit, lost connections. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NativeChange, NativePlan, NativeStep, NoNativeWay, StepOutcome } from '../../src/engine/native-change.ts';
import type { Database } from '../../src/engine/ports.ts';
import { migrate, planMigration } from '../../src/index.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { never, openPostgresApplication, type PostgresApplication } from '../support/postgres-adapter.ts';
import { type Inventory, inventoryOf } from '../support/postgres-inventory.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { startProxy, type Fate } from '../support/tcp-proxy.ts';

const login = { defaultsFile: null, password: null, home: null, environment: {} };

const before = `
  CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1), (2);
  CREATE TABLE t (id int, a int, b int); INSERT INTO t VALUES (1, 1, 1), (2, 2, 1), (3, 3, NULL)`;

describe.each(['postgres-15', 'postgres-18'] as const)('a native change on %s', (name) => {
  // A database of its own, for an index that is built beside writers waits for all transactions there.
  let own: string;
  let server: PostgresApplication;
  let application: PostgresApplication;
  let url: string;

  beforeEach(async () => {
    own = `native_${randomBytes(4).toString('hex')}`;
    server = await openPostgresApplication(sharedServer(name));
    await server.run(`CREATE DATABASE ${own}`);
    url = Object.assign(new URL(sharedServer(name)), { pathname: `/${own}` }).href;
    application = await openPostgresApplication(url);
    await application.run(before);
  });
  afterEach(async () => {
    await application[Symbol.asyncDispose]();
    await server.run(`DROP DATABASE ${own} WITH (FORCE)`);
    await server[Symbol.asyncDispose]();
  });

  const open = (through = url): Promise<Database> => openDatabase(through, login, never);
  const nativeOf = ({ native }: Database): NativeChange => {
    if (native === undefined) throw new Error('There is no native way.');
    return native;
  };
  const find = (native: NativeChange, clauses: string): Promise<NativePlan | NoNativeWay> =>
    native.find({ table: { schema: 'public', table: 't' }, clauses, options: { deferIndexes: 'auto', key: null } }, never);
  const planOf = async (native: NativeChange, clauses: string): Promise<NativePlan> => {
    const found = await find(native, clauses);
    if ('reason' in found) throw new Error(`no native way: ${found.reason}`);
    return found;
  };
  const stepOf = (plan: NativePlan, index: number): NativeStep => {
    const step = plan.steps[index];
    if (step === undefined) throw new Error('There is no such step.');
    return step;
  };
  const runAll = async (native: NativeChange, plan: NativePlan): Promise<readonly StepOutcome[]> => {
    const outcomes: StepOutcome[] = [];
    for (const step of plan.steps) outcomes.push(await native.run(step, plan, 5_000, never));
    return outcomes;
  };
  const inventory = async (): Promise<Inventory> => {
    const read = await inventoryOf(application, 'public', 't');
    await application.run('SET search_path TO DEFAULT');
    return read;
  };

  test('a primary key is built beside writers, over columns that were not NOT NULL', async () => {
    await using database = await open();
    const native = nativeOf(database);
    const plan = await planOf(native, 'ADD PRIMARY KEY (id, a)');
    expect((await runAll(native, plan)).every(({ kind }) => kind === 'done')).toBe(true);
    const carried = await inventory();
    await application.run(`DROP TABLE t, p; ${before}; ALTER TABLE t ADD PRIMARY KEY (id, a)`);
    expect(carried).toEqual(await inventory());
  });

  test('a brief step whose lock is not had names who is in the way, changes nothing, and can be had later', async () => {
    await using database = await open();
    const native = nativeOf(database);
    const plan = await planOf(native, 'ADD z int');
    const untouched = await inventory();
    await using reader = await openPostgresApplication(url);
    await reader.run('BEGIN; SELECT * FROM t');
    const outcome = await native.run(stepOf(plan, 0), plan, 400, never);
    expect(outcome).toEqual({ kind: 'not-locked', blockers: [expect.stringContaining(`process ${reader.pid} of `)] });
    expect(await inventory()).toEqual(untouched);
    await reader.run('COMMIT');
    expect(await native.run(stepOf(plan, 0), plan, 5_000, never)).toEqual({ kind: 'done' });
  });

  test('a brief step is hardly waited for while who has the table rests for longer than writers would wait, unless it leaves him alone', async () => {
    const waits: string[] = [];
    await using proxy = await startProxy(url, (sent): Fate => {
      waits.push(
        ...[...sent.matchAll(/(?<!\w)lock_timeout = (\d+)\W+(?:SET )?statement_timeout/g)].map((match) => match[1] ?? ''),
      );
      return 'pass';
    });
    await using database = await open(`${proxy.url}?sslmode=disable`);
    const native = nativeOf(database);
    const column = await planOf(native, 'ADD z int');
    const key = await planOf(native, 'ADD FOREIGN KEY (id) REFERENCES p');
    await using reader = await openPostgresApplication(url);
    await reader.run('BEGIN; SELECT * FROM t');
    const isResting = `SELECT 1 FROM pg_stat_activity WHERE pid = ${reader.pid} AND clock_timestamp() - state_change > interval '0.4 s'`;
    await expect.poll(() => application.run(isResting)).toHaveLength(1);
    const outcome = await native.run(stepOf(column, 0), column, 400, never);
    expect(outcome).toEqual({ kind: 'not-locked', blockers: [expect.stringContaining(`process ${reader.pid} of `)] });
    expect(waits.at(-1)).toBe('100');
    expect(await native.run(stepOf(key, 0), key, 400, never)).toEqual({ kind: 'done' });
    await reader.run('COMMIT');
    expect(await native.run(stepOf(column, 0), column, 400, never)).toEqual({ kind: 'done' });
    expect(waits.at(-1)).toBe('400');
  });

  test('a writer that queues behind a brief step goes on once that gives up, though the lock is still held', async () => {
    await using database = await open();
    const native = nativeOf(database);
    const plan = await planOf(native, 'ADD z int');
    await using reader = await openPostgresApplication(url);
    await using writer = await openPostgresApplication(url);
    await reader.run('BEGIN; SELECT * FROM t');
    const asked = native.run(stepOf(plan, 0), plan, 2_000, never);
    const isAsked = "SELECT 1 FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted";
    while ((await application.run(isAsked)).length === 0);
    const written = writer.run('INSERT INTO t VALUES (4, 4, 4)');
    const isQueued = `SELECT 1 FROM pg_locks WHERE pid = ${writer.pid} AND NOT granted`;
    while ((await application.run(isQueued)).length === 0);
    expect(await asked).toMatchObject({ kind: 'not-locked' });
    await written;
    await reader.run('COMMIT');
    expect(await application.run('SELECT count(*) AS rows FROM t')).toEqual([{ rows: '4' }]);
  });

  test('a column that came before its constraint stays when rows do not fit, and the same change goes on with it', async () => {
    await using database = await open();
    const native = nativeOf(database);
    const clauses = 'ADD z int DEFAULT 7 UNIQUE';
    await expect(runAll(native, await planOf(native, clauses))).rejects.toMatchObject({
      code: 'DUPLICATE_KEY',
      message: expect.stringMatching(/Key \(z\)=\(7\) is duplicated\. The columns that came first are there/),
    });
    expect((await inventory())['indexes']).toEqual([]);
    await application.run('UPDATE t SET z = id');
    const rest = await planOf(native, clauses);
    expect(rest.steps.map(({ kind }) => kind)).toEqual(['online', 'brief']);
    await runAll(native, rest);
    await expect(find(native, clauses)).rejects.toMatchObject({ obstacles: [{ code: 'INVALID_ALTER' }] });
    expect((await inventory())['constraints']).toContainEqual(expect.stringContaining('t_z_key'));
  });

  test('a column whose default is another for each row is filled under traffic, and again after a run that died', async () => {
    const clauses = "ADD z uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE CHECK (z <> '00000000-0000-0000-0000-000000000000')";
    const change = { url, table: 'public.t', alter: clauses };
    await application.run('INSERT INTO t SELECT i, i, 1 FROM generate_series(4, 9000) AS i; CREATE INDEX ON t (id)');
    expect(await planMigration(change)).toMatchObject({
      strategy: 'shadow',
      noNativeWay: { reason: expect.stringContaining('--strategy native fills them in place') },
    });
    await using database = await open();
    const native = nativeOf(database);
    const plan = await planOf(native, clauses);
    const kinds = plan.steps.map(({ kind }) => kind);
    expect(kinds).toEqual(['brief', 'online', 'brief', 'online', 'online', 'brief', 'online', 'brief']);
    await native.run(stepOf(plan, 0), plan, 5_000, never);

    await using holder = await openPostgresApplication(url);
    await using writer = await openPostgresApplication(url);
    const own = '11111111-1111-1111-1111-111111111111';
    await application.run(`UPDATE t SET z = '${own}' WHERE id = 7`);
    await holder.run('BEGIN; UPDATE t SET a = 0 WHERE id = 8000');
    const ending = new AbortController();
    const filling = native.run(stepOf(plan, 1), plan, 5_000, ending.signal);
    const isLeft = 'SELECT FROM t WHERE z IS NULL OFFSET 1 LIMIT 1';
    for (let id = 1; (await application.run(isLeft)).length > 0; id += 7) {
      await writer.run(`UPDATE t SET b = b + 1 WHERE id BETWEEN ${id % 9000} AND ${(id % 9000) + 5} AND id <> 8000`);
      await writer.run(`INSERT INTO t (id) VALUES (${10_000 + id})`);
    }
    ending.abort(new Error('killed'));
    await expect(filling).rejects.toThrow('killed');
    await holder.run('COMMIT');
    const rest = await planOf(native, clauses);
    expect(rest.steps).toEqual(plan.steps.slice(1));
    expect(await migrate({ ...change, strategy: 'native' })).toMatchObject({ strategy: 'native', steps: rest.steps.length });
    expect(await application.run('SELECT count(*) = count(DISTINCT z) AS is_unique, count(*) > 9000 AS is_all FROM t')).toEqual(
      [{ is_unique: 't', is_all: 't' }],
    );
    expect(await application.run('SELECT z, a FROM t WHERE id IN (7, 8000) ORDER BY id')).toMatchObject([
      { z: own },
      { a: '0' },
    ]);
    await expect(find(native, clauses)).rejects.toMatchObject({ obstacles: [{ code: 'INVALID_ALTER' }] });
    const carried = await inventory();
    await application.run(`DROP TABLE t, p; ${before}; CREATE INDEX ON t (id); ALTER TABLE t ${clauses}`);
    expect(carried).toEqual(await inventory());
  });

  test('a default is written as text as in a session of the role', async () => {
    await server.run(
      `ALTER DATABASE ${own} SET datestyle TO 'German'; ALTER DATABASE ${own} SET intervalstyle TO iso_8601;
       ALTER DATABASE ${own} SET bytea_output TO escape`,
    );
    await migrate({
      ...{ url, table: 'public.t', strategy: 'native' },
      alter: `ADD d text DEFAULT DATE '2026-05-06'::text, ADD i text DEFAULT INTERVAL '1 day'::text, ADD x text DEFAULT '\\xff'::bytea::text`,
    });
    expect(await application.run('SELECT d, i, x FROM t WHERE id = 1')).toEqual([{ d: '06.05.2026', i: 'P1D', x: '\\377' }]);
  });

  test('rows are not filled in place where NULL is a value, nor where a trigger would fire; all costly clauses are named', async () => {
    await using database = await open();
    const native = nativeOf(database);
    expect(await find(native, 'ADD z float DEFAULT random()')).toMatchObject({
      reason: expect.stringContaining('whole table'),
    });
    await application.run(`CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER watch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()`);
    const together = await find(native, 'ALTER a TYPE bigint, ADD CHECK (b > 0), ADD y int, ALTER b TYPE bigint');
    expect(together).toEqual({
      clause: 'ALTER a TYPE bigint, ALTER b TYPE bigint',
      reason:
        'the server writes the whole table again while nobody can use it; the other 2 clauses go with it, so that all change in one swap',
    });
    const found = await find(native, 'ADD z float DEFAULT random() NOT NULL');
    expect(found).toMatchObject({ reason: expect.stringContaining('the trigger watch would fire for each') });
  });

  test('a foreign key waits for no writer of the other table longer than for its own lock', async () => {
    await using database = await open();
    const native = nativeOf(database);
    const plan = await planOf(native, 'ADD FOREIGN KEY (b) REFERENCES p');
    await using writer = await openPostgresApplication(url);
    await writer.run('BEGIN; INSERT INTO p VALUES (9)');
    expect(await native.run(stepOf(plan, 0), plan, 400, never)).toEqual({
      kind: 'not-locked',
      blockers: [expect.stringContaining(`process ${writer.pid} of `)],
    });
    await writer.run('COMMIT');
    expect(await runAll(native, plan)).toEqual([{ kind: 'done' }, { kind: 'done' }]);
  });

  test('rows are proven while a transaction that writes them is open', async () => {
    await using database = await open();
    const native = nativeOf(database);
    const plan = await planOf(native, 'ADD CHECK (a < 100)');
    expect(await native.run(stepOf(plan, 0), plan, 5_000, never)).toEqual({ kind: 'done' });
    await using writer = await openPostgresApplication(url);
    await writer.run('BEGIN; UPDATE t SET a = 50 WHERE id = 1; INSERT INTO t VALUES (4, 4, 4)');
    expect(await native.run(stepOf(plan, 1), plan, 400, never)).toEqual({ kind: 'done' });
    await writer.run('COMMIT');
    expect((await inventory())['constraints']).toContainEqual(expect.stringContaining('CHECK ((a < 100))'));
  });

  test.each([
    ['ADD CHECK (a < 3)', 'ROW_NOT_CONVERTIBLE', /t_a_check.*violated by some row/],
    ['ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES p', 'ROW_NOT_CONVERTIBLE', /\(a\)=\(3\) is not present/],
    ['ALTER b SET NOT NULL, ADD z int', 'ROW_NOT_CONVERTIBLE', /violated by some row|contains null values/],
    ['ADD UNIQUE (b)', 'DUPLICATE_KEY', /Key \(b\)=\(1\) is duplicated/],
    ['ADD UNIQUE (a), ADD CHECK (a < 3)', 'ROW_NOT_CONVERTIBLE', /violated by some row/],
    ['ADD PRIMARY KEY (b)', 'ROW_NOT_CONVERTIBLE', /violated by some row|contains null values/],
  ])('a row that does not fit ends %s, and the table is as it was', async (clauses, code, message) => {
    await using database = await open();
    const native = nativeOf(database);
    const untouched = await inventory();
    const plan = await planOf(native, clauses);
    await expect(runAll(native, plan)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(await inventory()).toEqual(untouched);
  });

  test('what only the real table refuses is said in the words of the server, and the table is as it was', async () => {
    await application.run('CREATE VIEW w AS SELECT b FROM t');
    await using database = await open();
    const native = nativeOf(database);
    const untouched = await inventory();
    const plan = await planOf(native, 'DROP b, ADD CHECK (a < 100)');
    await expect(runAll(native, plan)).rejects.toMatchObject({
      code: 'NO_NATIVE_WAY',
      message: expect.stringMatching(/view w depends on column b/),
    });
    expect(await inventory()).toEqual(untouched);
  });

  test('a constraint that somebody else adds meanwhile is left alone', async () => {
    await using database = await open();
    const native = nativeOf(database);
    const plan = await planOf(native, 'ADD CONSTRAINT low CHECK (a > 0)');
    await application.run('ALTER TABLE t ADD CONSTRAINT low CHECK (a > -1)');
    const untouched = await inventory();
    await expect(runAll(native, plan)).rejects.toMatchObject({ code: 'NO_NATIVE_WAY' });
    expect(await inventory()).toEqual(untouched);
  });

  test('hostile names are the same to the steps as to the server, also where they are undone', async () => {
    const [table, column] = ['"T ""x\'; REFERENCES"', '"a , b"'];
    await application.run(
      `CREATE TABLE ${table} (id int PRIMARY KEY, ${column} int); INSERT INTO ${table} VALUES (1, 1), (2, 2)`,
    );
    await using database = await open();
    const native = nativeOf(database);
    const clauses = `ADD CONSTRAINT "c ""d" CHECK (${column} > 0), ADD UNIQUE (${column}), ALTER ${column} SET NOT NULL, ADD FOREIGN KEY (id) REFERENCES ${table}`;
    const request = {
      table: { schema: 'public', table: `T "x'; REFERENCES` },
      clauses,
      options: { deferIndexes: 'auto', key: null },
    } as const;
    const read = (): Promise<Inventory> => inventoryOf(application, 'public', request.table.table);
    const untouched = await read();
    const plan = await native.find(request, never);
    if ('reason' in plan) throw new Error(plan.reason);
    await application.run(`SET search_path TO DEFAULT; UPDATE ${table} SET ${column} = 1`);
    await expect(runAll(native, plan)).rejects.toMatchObject({ code: 'DUPLICATE_KEY' });
    expect(await read()).toEqual(untouched);
    await application.run(`SET search_path TO DEFAULT; UPDATE ${table} SET ${column} = id`);
    expect((await runAll(native, plan)).every(({ kind }) => kind === 'done')).toBe(true);
    const carried = await read();
    await application.run(
      `SET search_path TO DEFAULT; DROP TABLE ${table}; CREATE TABLE ${table} (id int PRIMARY KEY, ${column} int); ALTER TABLE ${table} ${clauses}`,
    );
    expect(carried).toEqual(await read());
  });

  test('an index that an earlier run left half-built is built anew', async () => {
    await using database = await open();
    const native = nativeOf(database);
    const plan = await planOf(native, 'ADD UNIQUE (a)');
    await application.run('UPDATE t SET a = 1');
    await expect(application.run(stepOf(plan, 0).sql)).rejects.toThrow('could not create unique index');
    await application.run('UPDATE t SET a = id');
    expect((await inventory())['indexes']).toHaveLength(1);
    const again = await planOf(native, 'ADD UNIQUE (a)');
    expect(again).toEqual(plan);
    expect(await runAll(native, again)).toEqual([{ kind: 'done' }, { kind: 'done' }]);
    expect((await inventory())['indexes']).toEqual([expect.stringContaining('UNIQUE INDEX t_a_key ON public.t')]);
  });

  test.each<{ fate: Fate; isDone: boolean }>([
    { fate: 'cut-before', isDone: false },
    { fate: 'cut-answer', isDone: true },
  ])('a brief step whose connection is $fate is done only if the server committed it', async ({ fate, isDone }) => {
    let isArmed = true;
    const judge = (sent: string): Fate => {
      if (!isArmed || !sent.includes('; COMMIT\0')) return 'pass';
      isArmed = false;
      return fate;
    };
    await using proxy = await startProxy(url, judge);
    await using database = await open(proxy.url);
    const native = nativeOf(database);
    const plan = await planOf(native, 'ADD z int');
    const outcome = await native.run(stepOf(plan, 0), plan, 5_000, never).then(
      ({ kind }) => kind,
      (error: unknown) => (error as { readonly code?: string }).code,
    );
    expect(outcome).toBe(isDone ? 'done' : 'CONNECTION_LOST');
    const columns = (await inventory())['columns'] ?? [];
    expect(columns.some((line) => line.startsWith('z '))).toBe(isDone);
  });

  test('an ALTER that the server refuses is refused as it is planned', async () => {
    await using database = await open();
    const native = nativeOf(database);
    await expect(find(native, 'DROP nothing_there')).rejects.toMatchObject({
      obstacles: [
        { code: 'INVALID_ALTER', message: expect.stringContaining('column "nothing_there" of relation "t" does not exist') },
      ],
    });
    await application.run('ALTER TABLE t ADD CONSTRAINT low CHECK (a > 0)');
    await expect(find(native, 'ADD CONSTRAINT low CHECK (a > 0)')).rejects.toMatchObject({
      obstacles: [{ code: 'INVALID_ALTER', message: expect.stringContaining('"low" for relation "t" already exists') }],
    });
  });

  test('where there is no cheap way, the clause and the reason are named', async () => {
    await application.run(
      'CREATE UNIQUE INDEX u ON t (a); CREATE TABLE child (a int REFERENCES t (a)); ALTER TABLE t ADD c varchar(5); CREATE VIEW w AS SELECT c FROM t',
    );
    await using database = await open();
    const native = nativeOf(database);
    expect(await find(native, 'ADD z int, ALTER b TYPE bigint')).toEqual({
      clause: 'ALTER b TYPE bigint',
      reason:
        'the server writes the whole table again while nobody can use it; the other clause goes with it, so that all change in one swap',
    });
    expect(await find(native, 'RENAME TO u')).toEqual({ clause: 'RENAME TO u', reason: 'it renames the table' });
    expect(await find(native, 'ALTER a TYPE int')).toEqual({
      clause: 'ALTER a TYPE int',
      reason: 'another table refers to the column, and may have to be read again',
    });
    expect(await find(native, 'ALTER c TYPE varchar(9)')).toMatchObject({
      reason: expect.stringContaining('used by rule _RETURN on view'),
    });
    // The whole is fine; but the new column cannot come before its CHECK while the old one is there.
    expect(await find(native, 'DROP b, ADD b text, ADD CHECK (b IS NULL)')).toMatchObject({
      reason: expect.stringContaining('one after the other'),
    });
  });

  test('a role that is not the owner, and a table whose migration is unfinished, are refused as it is planned', async () => {
    const role = `r_${own}`;
    await application.run(
      `CREATE ROLE ${role} LOGIN; GRANT ALL ON SCHEMA public TO ${role}; GRANT CREATE ON DATABASE ${own} TO ${role}`,
    );
    try {
      await using database = await open(url.replace(`${new URL(url).username}@`, `${role}@`));
      await expect(find(nativeOf(database), 'ADD z int')).rejects.toMatchObject({
        obstacles: [
          { code: 'MISSING_PRIVILEGE', message: expect.stringContaining(`The role ${role} is not the owner of public.t`) },
        ],
      });
    } finally {
      await application.run(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
    await application.run('ALTER TABLE t ADD PRIMARY KEY (id)');
    await using database = await open();
    const request = {
      table: { schema: 'public', table: 't' },
      clauses: 'ADD z int',
      options: { deferIndexes: 'auto', key: null },
    } as const;
    await using claim = await database.claim(await database.plan(request, never), 'start', never);
    expect(claim.lost.aborted).toBe(false);
    expect(await planMigration({ url, table: 'public.t', alter: 'ADD z int', strategy: 'auto' })).toMatchObject({
      strategy: 'native',
      obstacles: [{ code: 'TABLE_IN_USE', message: expect.stringContaining('has the claim on it and runs') }],
    });
  });

  test('what the server refuses of a clause that no shadow carries out is said before that it stands alone', async () => {
    const change = { url, table: 'public.t', alter: 'ADD FOREIGN KEY (id) REFERENCES nothing' };
    const obstacles = [
      { code: 'INVALID_ALTER', message: expect.stringContaining('relation "nothing" does not exist') },
      { code: 'FOREIGN_KEYS', message: expect.stringContaining('adds a foreign key') },
    ];
    expect(await planMigration(change)).toMatchObject({ strategy: 'shadow', noNativeWay: null, obstacles });
    await expect(migrate({ ...change, observer: () => undefined })).rejects.toMatchObject({ obstacles });
    expect(await planMigration({ ...change, alter: 'ADD z nothing' })).toMatchObject({
      obstacles: [{ code: 'INVALID_ALTER' }],
    });
  });

  test('a table that is a partition, or inherits, is left to the shadow', async () => {
    await application.run('CREATE TABLE kin (c int) INHERITS (t)');
    await using database = await open();
    expect(await find(nativeOf(database), 'ADD z int')).toMatchObject({ reason: expect.stringContaining('inherits') });
  });
});
