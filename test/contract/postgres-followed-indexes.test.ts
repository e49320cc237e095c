/** Indexes of a PostgreSQL table that others add or drop while it is migrated: the new table has what the server's own ALTER would leave. */
import { describe, expect, test } from 'vitest';
import type { Plan } from '../../src/engine/model.ts';
import type { CutoverOutcome, Database, TableClaim } from '../../src/engine/ports.ts';
import { DEFAULT_OPTIONS, migrate, migrateFamily, type MigrationEvent, resumeMigration } from '../../src/index.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { never, openPostgresApplication, type PostgresApplication } from '../support/postgres-adapter.ts';
import { inventoryChanges, inventoryOf } from '../support/postgres-inventory.ts';
import { cutover, endingOf, migrateDuring } from '../support/postgres-live-change.ts';
import { type OwnDatabase, ownDatabase } from '../support/postgres-own-database.ts';
import { testedPostgres } from '../support/shared-servers.ts';
import { EVERYTHING, StreamReader } from './port-fixture.ts';

const table = [
  'CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, note text, words text[], junk int)',
  "INSERT INTO t SELECT n, n, 'N' || n, ARRAY['w'], n FROM generate_series(1, 40) AS n",
  "CREATE INDEX old ON t (a); CREATE INDEX gone ON t (a, note); CREATE INDEX kept ON t (a, id); COMMENT ON INDEX kept IS 'kept'; ALTER TABLE t CLUSTER ON kept",
] as const;

/** Of every kind; some are on columns that an ALTER changes or drops. */
const addAndDrop = `CREATE INDEX i ON t (a DESC) INCLUDE (id) WITH (fillfactor = 70); COMMENT ON INDEX i IS 'new';
  CREATE INDEX low ON t (lower(note)) WHERE a > 3; ALTER INDEX low ALTER COLUMN 1 SET STATISTICS 50;
  CREATE INDEX words ON t USING gin (words); CREATE INDEX junk ON t (junk, a); DROP INDEX gone; DROP INDEX old; CREATE INDEX old ON t (note, a)`;

const warnings = (events: readonly MigrationEvent[]): readonly string[] =>
  events.flatMap((event) => (event.kind === 'warning' && event.about === 'the source' ? [event.message] : []));

const told = (changes: string): string =>
  `Somebody has changed indexes of public.t: ${changes}. The new table gets the same before the swap.`;

const namesOf = async (application: PostgresApplication, name = 'public.t'): Promise<readonly string[]> =>
  (
    await application.run(
      `SELECT i.indexrelid::regclass::text AS name FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
       WHERE i.indrelid = '${name}'::regclass AND i.indisvalid AND i.indisready ORDER BY c.relname`,
    )
  ).map((row) => (row['name'] ?? '').replace(/^.*\./, ''));

interface Finished extends AsyncDisposable {
  readonly plan: Plan;
  readonly claim: TableClaim;
  readonly attempt: () => Promise<CutoverOutcome>;
  readonly shadowIndexes: () => Promise<readonly string[]>;
}

const open = ({ url }: OwnDatabase): Promise<Database> =>
  openDatabase(url, { defaultsFile: null, password: null, home: null, environment: {} }, never);

/** `t` with another column, copied and finished. */
async function finish({ application }: OwnDatabase, database: Database): Promise<Finished> {
  const options = { deferIndexes: 'auto', key: null } as const;
  const plan = await database.plan({ table: { schema: 'public', table: 't' }, clauses: 'ADD b int', options }, never);
  const claim = await database.claim(plan, 'start', never);
  const reader = new StreamReader(await claim.openChangeStream(null, never));
  await claim.pair.createShadow(never);
  await reader.stream.awaitVisible(reader.stream.start, never);
  expect(await claim.pair.copyRange(EVERYTHING, 'collide', never)).toMatchObject({ kind: 'copied' });
  await claim.pair.finishShadow(never);
  return {
    plan,
    claim,
    attempt: () => claim.cutover.attempt({ lockTimeoutMs: 5000, holdTimeoutMs: 10_000 }, async () => undefined, never),
    shadowIndexes: () => namesOf(application, `${plan.shadow.schema}.t`),
    [Symbol.asyncDispose]: () => claim[Symbol.asyncDispose](),
  };
}

const others = expect.stringMatching(/^Indexes of public\.t were added or dropped meanwhile/);

describe.concurrent.each(testedPostgres)('indexes that others add and drop on %s', (server) => {
  test.each([
    ['while rows are copied', 'copy', 'ALTER a TYPE bigint, DROP COLUMN junk', 'index old was altered'],
    ['while the cutover is awaited', 'await-cutover', 'RENAME a TO z', 'and 1 more'],
  ])('are those of the new table, too: %s', async (_, at, clauses, last) => {
    await using database = await ownDatabase(server, ...table);
    await using twin = await ownDatabase(server, ...table, addAndDrop, `ALTER TABLE t ${clauses}`);
    const { ending, events } = await migrateDuring(database, {
      at,
      clauses,
      during: (application) => application.run(addAndDrop),
    });
    expect(ending).toBe('swapped');
    const own = await inventoryOf(twin.application, 'public', 't');
    expect(inventoryChanges(own, await inventoryOf(database.application, 'public', 't'))).toEqual({});
    const added = at === 'copy' ? ['i', 'low', 'words'] : ['i', 'junk', 'low', 'words'];
    const changes = [...added.map((name) => `index ${name} was added`), 'index gone was dropped', last];
    expect(warnings(events)).toEqual([told(changes.join(', '))]);
  });

  test('end the migration where the ALTER does not go with one', async () => {
    await using database = await ownDatabase(server, ...table);
    const { ending } = await migrateDuring(database, {
      clauses: 'ALTER words TYPE json USING to_json(words)',
      during: (application) => application.run('CREATE INDEX i ON t (words)'),
    });
    expect(ending).toMatch(
      /^SOURCE_CHANGED: Somebody has altered public\.t since its shadow was made: index i was added\. Give/,
    );
  });

  test('are there and gone again before each attempt, and no attempt swaps without them', async () => {
    await using own = await ownDatabase(server, ...table);
    await using database = await open(own);
    await using t = await finish(own, database);
    const { application } = own;
    await t.claim.cutover.prepare?.(never);
    await using user = await openPostgresApplication(own.url);
    await user.run('BEGIN; SELECT FROM t');
    const attempting = t.attempt();
    // It has looked by then, and has to look again once the lock is had.
    const isWaiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass`;
    while ((await application.run(isWaiting)).length === 0);
    await user.run('CREATE INDEX i ON t (a); DROP INDEX old; COMMIT');
    expect(await attempting).toMatchObject({ kind: 'prevented', blockers: [others] });
    expect(await t.shadowIndexes()).toEqual(['gone', 'kept', 'old', 't_pkey']);
    await t.claim.cutover.prepare?.(never);
    expect(await t.shadowIndexes()).toEqual(['gone', 'i', 'kept', 't_pkey']);
    await application.run('DROP INDEX i');
    expect(await t.attempt()).toMatchObject({ kind: 'prevented', blockers: [others] });
    await t.claim.cutover.prepare?.(never);
    expect(await t.attempt()).toMatchObject({ kind: 'swapped' });
    expect(await namesOf(application)).toEqual(['gone', 'kept', 't_pkey']);
    await t.claim.checkpoints.conclude('done', null, never);
  });

  test('keep the swap away while one is being built, by its name, and its writers are not kept waiting', async () => {
    await using own = await ownDatabase(server, ...table);
    await using database = await open(own);
    await using t = await finish(own, database);
    await using writer = await openPostgresApplication(own.url);
    await using builder = await openPostgresApplication(own.url);
    await writer.run('BEGIN; UPDATE t SET a = -1 WHERE id = 1');
    const building = builder.run('CREATE INDEX CONCURRENTLY i ON t (a)');
    const isThere = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass('i')";
    while ((await own.application.run(isThere)).length === 0);
    await t.claim.cutover.prepare?.(never);
    const blocker = 'The index i of public.t is being built or was left invalid: wait for it, or drop it';
    expect(await t.attempt()).toMatchObject({ kind: 'prevented', blockers: [blocker] });
    await writer.run('ROLLBACK');
    await building;
    expect(await t.attempt()).toMatchObject({ kind: 'prevented', blockers: [others] });
    await t.claim.cutover.prepare?.(never);
    expect(await t.attempt()).toMatchObject({ kind: 'swapped' });
    expect(await namesOf(own.application)).toEqual(['gone', 'i', 'kept', 'old', 't_pkey']);
    await t.claim.checkpoints.conclude('done', null, never);
  });

  test('are gone on with by another process where the one that began died', async () => {
    await using own = await ownDatabase(server, ...table);
    await using database = await open(own);
    let token = '';
    let plan: Plan;
    {
      await using t = await finish(own, database);
      plan = t.plan;
      await own.application.run('DROP INDEX old; CREATE INDEX old ON t (a DESC)');
      // The build waits for whoever uses the shadow.
      await using user = await openPostgresApplication(own.url);
      await user.run(`BEGIN; LOCK TABLE ${plan.shadow.schema}.t IN ROW EXCLUSIVE MODE`);
      const died = new AbortController();
      const preparing = t.claim.cutover.prepare?.(died.signal);
      const isWaiting =
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^(CREATE|DROP) INDEX CONCURRENTLY'";
      while ((await own.application.run(isWaiting)).length === 0);
      died.abort(new Error('It died.'));
      await expect(preparing).rejects.toThrow('It died.');
      expect(await t.attempt()).toMatchObject({ kind: 'prevented', blockers: [others] });
      await user.run('ROLLBACK');
      token = (await own.application.run('SELECT pg_current_wal_lsn()::text AS lsn'))[0]?.['lsn'] ?? '';
    }
    await using claim = await database.claim(plan, 'resume', never);
    expect(token).not.toBe('');
    await using _ = await claim.openChangeStream(token, never);
    await claim.cutover.prepare?.(never);
    const outcome = await claim.cutover.attempt({ lockTimeoutMs: 5000, holdTimeoutMs: 10_000 }, async () => undefined, never);
    expect(outcome).toMatchObject({ kind: 'swapped' });
    expect(await own.application.run("SELECT pg_get_indexdef('old'::regclass) AS old")).toEqual([
      { old: 'CREATE INDEX old ON public.t USING btree (a DESC)' },
    ]);
    await claim.checkpoints.conclude('done', null, never);
  });

  test.each([
    ['are found by a resume', '', 'swapped'],
    [
      'end a migration that was begun before they were followed',
      " - 'following'",
      /^SOURCE_CHANGED: Somebody has altered public\.t /,
    ],
  ])('%s', async (_, without, expected) => {
    await using database = await ownDatabase(server, ...table);
    const { application, url } = database;
    const died = new AbortController();
    const observer = (event: MigrationEvent): void => {
      if (event.kind === 'phase-entered' && event.phase === 'copy') died.abort();
    };
    const alter = 'ALTER TABLE public.t ADD b int';
    await expect(migrate({ url, strategy: 'shadow', alter, observer, signal: died.signal })).rejects.toMatchObject({
      isResumable: true,
    });
    await application.run('CREATE INDEX i ON t (a)');
    const note = "substr(obj_description(oid), length('The shadow of a table, made by TableShift. ') + 1)::jsonb";
    if (without !== '')
      await application.run(
        `DO $$ BEGIN EXECUTE (SELECT format('COMMENT ON SCHEMA %I IS %L', nspname, 'The shadow of a table, made by TableShift. ' || (${note}${without})::text)
         FROM pg_namespace WHERE nspname ~ '^tableshift_t'); END $$`,
      );
    const events: MigrationEvent[] = [];
    const ending = await resumeMigration({ url, observer: (event) => void events.push(event), pace: { cutover } }).then(
      () => 'swapped',
      endingOf,
    );
    expect(ending).toMatch(expected);
    const isFollowed = ending === 'swapped';
    expect(warnings(events)).toEqual(isFollowed ? [told('index i was added')] : []);
    expect((await inventoryOf(application, 'public', 't'))['columns']).toHaveLength(isFollowed ? 6 : 5);
    await application.run('RESET search_path');
    expect(await namesOf(application)).toEqual(['gone', 'i', 'kept', 'old', 't_pkey']);
  });

  test('are those of the new tables of a family, too', async () => {
    await using database = await ownDatabase(server, ...table, 'CREATE TABLE c (id int PRIMARY KEY, t_id int REFERENCES t)');
    const { application, url } = database;
    await using gate = await openPostgresApplication(url);
    await gate.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    const doing: Promise<unknown>[] = [];
    const during = async (): Promise<void> => {
      await application.run('CREATE INDEX i ON t (a); CREATE INDEX by_t ON c (t_id)');
      await gate.run('ROLLBACK');
    };
    const observer = (event: MigrationEvent): void => {
      if (event.kind === 'cutover-attempt' && doing.length === 0) doing.push(during());
    };
    const changes = ['t ALTER id TYPE bigint', 'c ALTER t_id TYPE bigint'].map((alter) => ({
      alter: `ALTER TABLE public.${alter}`,
    }));
    await migrateFamily({ url, changes, observer, pace: { cutover: { ...DEFAULT_OPTIONS.cutover, ...cutover } } });
    await Promise.all(doing);
    expect(await namesOf(application)).toEqual(['gone', 'i', 'kept', 'old', 't_pkey']);
    expect(await namesOf(application, 'public.c')).toEqual(['by_t', 'c_pkey']);
  });
});
