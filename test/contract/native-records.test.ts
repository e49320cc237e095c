/** Native changes in the bookkeeping: what is recorded of them, whom they keep away, how they are resumed and given up. */
import { describe, expect, test } from 'vitest';
import type { NativeChange, NativeMigration } from '../../src/engine/native-change.ts';
import type { Database } from '../../src/engine/ports.ts';
import {
  cleanUp,
  DEFAULT_OPTIONS,
  listEvents,
  listMigrations,
  migrate,
  type MigrationRecord,
  planMigration,
  resumeMigration,
} from '../../src/index.ts';
import { openDatabase as openMysql } from '../../src/mysql/database.ts';
import { openDatabase as openPostgres } from '../../src/postgres/database.ts';
import { createSchema, never, openApplication } from '../support/adapter-server.ts';
import { openPostgresApplication } from '../support/postgres-adapter.ts';
import { ownDatabase } from '../support/postgres-own-database.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

interface Application extends AsyncDisposable {
  run(sql: string): Promise<unknown>;
}

/** A schema of one's own with a table `things` of two rows. */
interface Place extends AsyncDisposable {
  readonly url: string;
  readonly schema: string;
  readonly application: Application;
  openApplication(): Promise<Application>;
  openDatabase(): Promise<Database>;
}

const login = { defaultsFile: null, password: null, home: null, environment: {} };
const definition = 'CREATE TABLE things (id INT PRIMARY KEY, size INT NOT NULL)';
const cutover = { ...DEFAULT_OPTIONS.cutover, lockTimeoutMs: 1_000, attemptsMax: 5, pauseFirstMs: 10, pauseMaxMs: 20 };
const once = { cutover: { ...cutover, attemptsMax: 1 } };

async function openMysqlPlace(flavour: 'mysql' | 'mariadb'): Promise<Place> {
  const url = sharedServer(flavour);
  const { application, name, ...rest } = await createSchema(url);
  await application.run(`USE ${name}`);
  return {
    ...{ url: `${url}${name}`, schema: name, application },
    async openApplication() {
      const another = await openApplication(url);
      await another.run(`USE ${name}`);
      return another;
    },
    openDatabase: () => openMysql(`${url}${name}`, login, never),
    [Symbol.asyncDispose]: () => rest[Symbol.asyncDispose](),
  };
}

async function openPostgresPlace(): Promise<Place> {
  const own = await ownDatabase('postgres-18');
  return {
    ...{ url: own.url, schema: 'public', application: own.application },
    openApplication: () => openPostgresApplication(own.url),
    openDatabase: () => openPostgres(own.url, login, never),
    [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
  };
}

const places = {
  mysql: () => openMysqlPlace('mysql'),
  mariadb: () => openMysqlPlace('mariadb'),
  'postgres-18': openPostgresPlace,
} as const;

describeSideBySide(['mysql', 'mariadb', 'postgres-18'], 'on', (name) => {
  async function open(): Promise<Place> {
    const place = await places[name]();
    await place.application.run(definition);
    await place.application.run('INSERT INTO things VALUES (1, 1), (2, 2)');
    return place;
  }

  const changeOf = ({ url, schema }: Place, alter: string) => ({ url, table: `${schema}.things`, alter });

  /** Other tests have their migrations on the same server. */
  const recordsOf = async ({ url, schema }: Place): Promise<readonly MigrationRecord[]> =>
    (await listMigrations({ url })).filter(({ plan }) => plan.source.schema === schema);

  /** A transaction that has read the table. */
  async function openReader(place: Place): Promise<Application> {
    const reader = await place.openApplication();
    await reader.run('BEGIN');
    await reader.run('SELECT * FROM things');
    return reader;
  }

  test('a change is recorded with its steps, keeps others from the table while it runs, and leaves its events', async () => {
    await using place = await open();
    await using reader = await openReader(place);
    const change = changeOf(place, 'ADD c INT');
    const others: Promise<void>[] = [];
    const look = async (): Promise<void> => {
      expect(await recordsOf(place)).toMatchObject([
        { state: 'open', isRunning: true, checkpoint: null, place: { step: 1, steps: 1 }, plan: { strategy: 'native' } },
      ]);
      const [{ id } = { id: '' }] = await recordsOf(place);
      const inUse = { code: 'TABLE_IN_USE', message: expect.stringContaining(id) };
      await expect(migrate(change)).rejects.toMatchObject({ code: 'OBSTACLE', obstacles: [inUse] });
      const shadow = await planMigration({ ...change, strategy: 'shadow' });
      expect(shadow.obstacles).toEqual([inUse]);
      await reader.run('ROLLBACK');
    };
    const result = await migrate({
      ...change,
      pace: { cutover: { ...cutover, attemptsMax: 1_000 } },
      observer: (event) => {
        if (event.kind === 'native-step-blocked' && others.length === 0) others.push(look());
      },
    });
    await Promise.all(others);
    expect(others).toHaveLength(1);
    const [record] = await recordsOf(place);
    expect(record).toMatchObject({
      ...{ id: result.id, state: 'done', isRunning: false, failure: null, unsettled: [] },
      plan: { strategy: 'native', clauses: 'ADD c INT', native: { steps: [{ kind: 'brief' }] } },
    });
    const events = await listEvents({ url: place.url, id: record?.id ?? missing(), eventsMax: 1_000 });
    expect([...new Set(events.map(({ kind }) => kind))]).toEqual([
      ...['native-step-begun', 'native-step-blocked', 'native-step-done', 'finished'],
    ]);
    expect(await cleanUp({ url: place.url, id: result.id })).toMatchObject({
      outcome: 'nothing-left',
      strategy: 'native',
    });
  });

  test('a limit on something that the server does not count is refused before anything is changed', async () => {
    await using place = await open();
    const load = { ...DEFAULT_OPTIONS.load, max: { no_such_figure: 1 } };
    await expect(migrate({ ...changeOf(place, 'ADD c INT'), pace: { load } })).rejects.toMatchObject({
      code: 'BAD_USAGE',
      message: expect.stringContaining('no_such_figure'),
    });
    expect(await recordsOf(place)).toEqual([]);
  });

  test('a change that had no lock stays open with its reason, until it is resumed or given up', async () => {
    await using place = await open();
    await using reader = await openReader(place);
    const change = changeOf(place, 'ADD c INT');
    await expect(migrate({ ...change, pace: once })).rejects.toMatchObject({ code: 'NATIVE_NOT_LOCKED' });
    const [first] = await recordsOf(place);
    expect(first).toMatchObject({ state: 'open', isRunning: false, failure: expect.stringContaining('NATIVE_NOT_LOCKED') });
    expect((await planMigration(change)).obstacles).toMatchObject([{ code: 'MIGRATION_OPEN' }]);
    await expect(resumeMigration({ url: place.url, id: first?.id ?? null, pace: once })).rejects.toMatchObject({
      code: 'NATIVE_NOT_LOCKED',
    });
    expect(await cleanUp({ url: place.url, id: first?.id ?? '' })).toMatchObject({ outcome: 'given-up', strategy: 'native' });
    await expect(migrate({ ...change, pace: once })).rejects.toMatchObject({ code: 'NATIVE_NOT_LOCKED' });
    const second = (await recordsOf(place)).find(({ state }) => state === 'open');
    await reader.run('ROLLBACK');
    expect(await resumeMigration({ url: place.url, id: second?.id ?? null })).toMatchObject({
      ...{ strategy: 'native', id: second?.id, steps: 1, attempts: 1 },
    });
    expect((await recordsOf(place)).map(({ state }) => state).toSorted()).toEqual(['aborted', 'done']);
    await place.application.run('SELECT c FROM things');
  });

  test('a change whose last step happened before its run died is found done, and one that did not happen is resumed', async () => {
    for (const hasHappened of [true, false]) {
      await using place = await open();
      await using database = await place.openDatabase();
      const native = database.native ?? missing();
      const plan = await planOf(native, place, 'ADD UNIQUE (size)');
      {
        await using claim = await native.claim(plan, 'start', never);
        const last = plan.native.steps.length;
        for (const [index, step] of plan.native.steps.entries()) {
          const definition = await claim.readDefinition(never);
          await claim.checkpoints.save({ step: index + 1, steps: last, sql: step.sql, definition }, never);
          if (index + 1 < last || hasHappened) await claim.run(step, plan.native, 1_000, never);
        }
      }
      const resumed = await resumeMigration({ url: place.url, id: plan.id });
      expect(resumed).toMatchObject({ strategy: 'native', id: plan.id, steps: hasHappened ? 0 : 1 });
      expect(await recordsOf(place)).toMatchObject([{ id: plan.id, state: 'done' }]);
      expect(await uniquesOf(place)).toBe(1);
    }
  });

  async function uniquesOf({ application, schema }: Place): Promise<number> {
    const rows = (await application.run(
      `SELECT constraint_name FROM information_schema.table_constraints
       WHERE table_schema = '${schema}' AND table_name = 'things' AND constraint_type = 'UNIQUE'`,
    )) as readonly unknown[];
    return rows.length;
  }
});

describe('on postgres-18', () => {
  test('a last step that a row does not allow is not taken for done because its preparations were undone', async () => {
    await using place = await openPostgresPlace();
    await place.application.run(definition);
    await place.application.run('INSERT INTO things VALUES (1, 1), (2, 2)');
    const change = { url: place.url, table: 'public.things' };
    await expect(migrate({ ...change, alter: 'ADD CONSTRAINT c CHECK (size < 2)' })).rejects.toMatchObject({
      code: 'ROW_NOT_CONVERTIBLE',
    });
    await place.application.run('UPDATE things SET size = 0 WHERE id = 2');
    expect(await resumeMigration({ url: place.url, id: null })).toMatchObject({ strategy: 'native', steps: 2 });
    expect(await place.application.run("SELECT convalidated AS is_valid FROM pg_constraint WHERE conname = 'c'")).toEqual([
      { is_valid: 't' },
    ]);
    await expect(migrate({ ...change, alter: 'ADD CONSTRAINT d CHECK (size < 1)' })).rejects.toMatchObject({
      code: 'ROW_NOT_CONVERTIBLE',
    });
    const [open] = (await listMigrations({ url: place.url })).filter(({ state }) => state === 'open');
    expect(await cleanUp({ url: place.url, id: open?.id ?? '' })).toMatchObject({ outcome: 'given-up', strategy: 'native' });
  });

  test('what was made ready goes when a change is given up', async () => {
    await using place = await openPostgresPlace();
    await place.application.run(definition);
    await using database = await place.openDatabase();
    const native = database.native ?? missing();
    const plan = await planOf(native, place, 'ADD CHECK (size > 0), ADD UNIQUE (size)');
    {
      await using claim = await native.claim(plan, 'start', never);
      for (const step of plan.native.steps.filter(({ sql }) => !/VALIDATE|USING INDEX/.test(sql)))
        await claim.run(step, plan.native, 1_000, never);
    }
    const left = `SELECT conname AS name FROM pg_constraint WHERE conrelid = 'things'::regclass AND contype IN ('c', 'u')
      UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'tableshift_%'`;
    expect(await place.application.run(left)).toHaveLength(2);
    expect(await cleanUp({ url: place.url, id: plan.id })).toMatchObject({ outcome: 'given-up' });
    expect(await place.application.run(left)).toEqual([]);
  });
});

async function planOf(native: NativeChange, { schema }: Place, clauses: string): Promise<NativeMigration> {
  const source = { schema, table: 'things' };
  const options = { deferIndexes: 'auto', key: null } as const;
  const found = await native.find({ table: source, clauses, options }, never);
  if ('reason' in found) throw new Error(`There is no native way: ${found.reason}`);
  return { id: native.newId(source), strategy: 'native', source, clauses, options, native: found };
}

function missing(): never {
  throw new Error('Something that must be there is missing.');
}
