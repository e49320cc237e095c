/** Old tables from the swap to their end, and the tables of a migration that is given up, on every server. */
import { test } from 'vitest';
import {
  cleanUp,
  DEFAULT_SOAK_MS,
  listMigrations,
  listRetiredTables,
  migrate,
  type MigrationEvent,
  type MigrationId,
  type Plan,
  type RetiredTable,
} from '../../src/index.ts';
import { createSchema, openApplication } from '../support/adapter-server.ts';
import { createPostgresSchema, openPostgresApplication } from '../support/postgres-adapter.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

interface Application extends AsyncDisposable {
  /** How it is called where it is in the way. */
  readonly name: string;
  run(sql: string): Promise<readonly unknown[]>;
}

/** A server with a schema of its own. */
interface Place extends AsyncDisposable {
  readonly url: string;
  readonly schema: string;
  readonly application: Application;
  connect(): Promise<Application>;
  /** Statements that move the recorded swap into the past. */
  age(id: MigrationId): readonly string[];
  /** Foreign keys of a table, by name. */
  foreignKeys(table: string): Promise<readonly unknown[]>;
  /** A statement after which no use of the table is known; null where there is none, or nothing is known of its use at all. */
  forgetUse(table: string): string | null;
  /** What is told of its use when it has been read; null where the server does not tell. */
  readonly use: RegExp | null;
}

async function openMySql(server: 'mysql' | 'mariadb'): Promise<Place> {
  const url = sharedServer(server);
  const schema = await createSchema(url);
  const connect = async (): Promise<Application> => {
    const application = await openApplication(url);
    return { ...application, name: `connection ${application.connectionId} of root` };
  };
  const application = await connect();
  const past = 'INTERVAL 8 DAY';
  return {
    url,
    schema: schema.name,
    application,
    connect,
    age: (id) => [
      `UPDATE tableshift.migrations SET updated_at = updated_at - ${past} WHERE id = '${id}'`,
      `UPDATE tableshift.checkpoints SET saved_at = saved_at - ${past} WHERE migration_id = '${id}'`,
    ],
    foreignKeys: (table) =>
      application.run(
        `SELECT CONSTRAINT_NAME AS name FROM information_schema.REFERENTIAL_CONSTRAINTS
         WHERE CONCAT(CONSTRAINT_SCHEMA, '.', TABLE_NAME) = '${table}' ORDER BY 1`,
      ),
    forgetUse: () => null,
    use: server === 'mysql' ? /^2 rows were read and 0 written since the swap$/ : null,
    async [Symbol.asyncDispose]() {
      await application[Symbol.asyncDispose]();
      await schema[Symbol.asyncDispose]();
    },
  };
}

async function openPostgres(server: 'postgres-15' | 'postgres-18'): Promise<Place> {
  const url = sharedServer(server);
  const schema = await createPostgresSchema(url);
  const connect = async (): Promise<Application> => {
    const application = await openPostgresApplication(url);
    return { ...application, name: `process ${application.pid} of postgres` };
  };
  const application = await connect();
  return {
    url,
    schema: schema.name,
    application,
    connect,
    age: (id) => [`UPDATE tableshift.swaps SET swapped_at = swapped_at - interval '8 days' WHERE migration_id = '${id}'`],
    foreignKeys: (table) =>
      application.run(
        `SELECT conname AS name FROM pg_constraint WHERE contype = 'f' AND conrelid = '${table}'::regclass ORDER BY 1`,
      ),
    forgetUse: (table) => (server === 'postgres-15' ? null : forgetting(table)),
    use: server === 'postgres-15' ? null : /^it was read at \d{4}-\d\d-\d\dT[\d:.]+Z, since the swap$/,
    async [Symbol.asyncDispose]() {
      await application[Symbol.asyncDispose]();
      await schema[Symbol.asyncDispose]();
    },
  };
}

/** Statistics come when they come. */
const patiently = { timeout: 60_000 };

/** The indexes have figures of their own. */
function forgetting(table: string): string {
  return `SELECT pg_stat_reset_single_table_counters(oid) FROM (
    SELECT '${table}'::regclass UNION SELECT indexrelid FROM pg_index WHERE indrelid = '${table}'::regclass) AS t (oid)`;
}

const places = {
  mysql: () => openMySql('mysql'),
  mariadb: () => openMySql('mariadb'),
  'postgres-15': () => openPostgres('postgres-15'),
  'postgres-18': () => openPostgres('postgres-18'),
};

describeSideBySide(['mysql', 'mariadb', 'postgres-15', 'postgres-18'] as const, 'old tables on', (name) => {
  const open = places[name];
  const isPostgres = name.startsWith('postgres');

  async function createTable({ schema, application }: Place): Promise<void> {
    for (const parent of ['a', 'b']) await application.run(`CREATE TABLE ${schema}.${parent} (id INT PRIMARY KEY)`);
    await application.run(`CREATE TABLE ${schema}.t (id INT PRIMARY KEY, a INT, b INT)`);
    await application.run(`INSERT INTO ${schema}.t VALUES (1, NULL, NULL), (2, NULL, NULL)`);
  }

  test('an old table is kept for its soak, is not dropped while it is used, and then goes without keeping others waiting', async ({
    expect,
  }) => {
    await using place = await open();
    const { url, schema, application } = place;
    await createTable(place);
    const { id, retired: kept } = await migrate({ url, table: `${schema}.t`, alter: 'ADD COLUMN c INT', strategy: 'shadow' });
    const look = async (): Promise<RetiredTable | undefined> =>
      (await listRetiredTables({ url })).find((retired) => retired.id === id);
    const retired = await look();
    expect(retired).toMatchObject({
      id,
      table: kept,
      use: null,
      swappedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    if (retired === undefined) return;
    const swappedAtMs = Date.parse(retired.swappedAt);
    expect(retired.ageMs).toBeGreaterThanOrEqual(0);
    expect(retired.ageMs).toBeLessThan(DEFAULT_SOAK_MS);
    const table = `${retired.table.schema}.${retired.table.table}`;
    await expect(cleanUp({ url, id })).rejects.toMatchObject({
      code: 'RETIRED_TABLE_KEPT',
      exitCode: 2,
      message: `${table}, the old table of migration ${id}, is kept: its soak ends at ${new Date(swappedAtMs + DEFAULT_SOAK_MS).toISOString()}.`,
    });

    for (const statement of place.age(id)) await application.run(statement);
    const forget = place.forgetUse(table);
    await expect
      .poll(async () => {
        if (forget !== null) await application.run(forget);
        return (await look())?.use;
      }, patiently)
      .toBeNull();
    expect((await look())?.ageMs).toBeGreaterThanOrEqual(8 * 86_400_000);
    await application.run(`SELECT * FROM ${table}`);
    // Else a session tells it when it has been idle for some seconds.
    if (isPostgres) await application.run('SELECT pg_stat_force_next_flush()');
    if (place.use !== null) {
      await expect.poll(async () => (await look())?.use, patiently).toMatch(place.use);
      await expect(cleanUp({ url, id })).rejects.toThrow(/is kept: .* since the swap\.$/);
      await expect(cleanUp({ url, id, soakMs: 9 * 86_400_000 })).rejects.toThrow(
        /is kept: its soak ends at .*, and .* since the swap\.$/,
      );
    }

    await application.run(
      `CREATE TABLE ${schema}.child (id INT PRIMARY KEY, CONSTRAINT kid FOREIGN KEY (id) REFERENCES ${table} (id))`,
    );
    await expect(cleanUp({ url, id, isNow: true })).rejects.toMatchObject({
      code: 'TABLE_NEEDED',
      message: expect.stringMatching(new RegExp(`^${table} was not dropped, because .* kid of ${schema}\\.child\\.$`)),
    });
    await application.run(`DROP TABLE ${schema}.child`);
    if (isPostgres) {
      await application.run(`CREATE VIEW ${schema}.looks AS SELECT * FROM ${table}`);
      await expect(cleanUp({ url, id, isNow: true })).rejects.toThrow(/view \S+looks depends on table /);
      await application.run(`DROP VIEW ${schema}.looks`);
    }

    for (const parent of ['a', 'b']) {
      await application.run(
        `ALTER TABLE ${table} ADD CONSTRAINT to_${parent} FOREIGN KEY (${parent}) REFERENCES ${schema}.${parent} (id)`,
      );
    }
    await using holder = await place.connect();
    await using writer = await place.connect();
    // On MariaDB neither a key nor a table that goes locks a parent.
    await holder.run('BEGIN');
    await holder.run(`SELECT * FROM ${name === 'mariadb' ? table : `${schema}.b`}`);
    const blocked: Extract<MigrationEvent, { kind: 'drop-blocked' }>[] = [];
    const going: Promise<unknown>[] = [];
    const result = await cleanUp({
      url,
      id,
      isNow: true,
      observer: (event) => {
        if (event.kind !== 'drop-blocked' || event.blockers.length === 0 || blocked.push(event) > 1) return;
        going.push(
          (async () => {
            // The first key is gone, and its parent is nobody's any more, while the second is still waited for.
            await writer.run(`INSERT INTO ${schema}.a VALUES (7)`);
            const left = await place.foreignKeys(table);
            await holder.run('COMMIT');
            expect(left).toEqual((name === 'mariadb' ? ['to_a', 'to_b'] : ['to_b']).map((key) => ({ name: key })));
          })(),
        );
      },
    });
    await Promise.all(going);
    expect(blocked[0]).toMatchObject({ kind: 'drop-blocked', table });
    expect(blocked[0]?.blockers.join()).toContain(holder.name);
    expect(result).toMatchObject({ id, outcome: 'dropped', dropped: { table: retired.table } });
    expect(await look()).toBeUndefined();
    expect(await cleanUp({ url, id })).toEqual({ id, strategy: 'shadow', outcome: 'nothing-left', dropped: null, ended: [] });
    expect(await application.run(`SELECT id, c FROM ${schema}.t ORDER BY id`)).toHaveLength(2);
  });

  test('a migration that is given up waits for who reads its shadow, by turns, and then leaves nothing', async ({ expect }) => {
    await using place = await open();
    const { url, schema, application } = place;
    await createTable(place);
    const stop = new AbortController();
    const plans: Plan[] = [];
    const run = migrate({
      ...{ url, table: `${schema}.t`, alter: 'ADD COLUMN c INT', strategy: 'shadow', signal: stop.signal },
      onStart: (plan) => plans.push(plan),
      observer: (event) => {
        if (event.kind === 'phase-entered' && event.phase === 'copy') stop.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ code: 'INTERRUPTED' });
    const [plan] = plans;
    if (plan === undefined) throw new Error('The migration did not start.');
    await using holder = await place.connect();
    await holder.run('BEGIN');
    await holder.run(`SELECT * FROM ${plan.shadow.schema}.${plan.shadow.table}`);
    const going: Promise<unknown>[] = [];
    const blockers: string[] = [];
    const result = await cleanUp({
      url,
      id: plan.id,
      observer: (event) => {
        if (event.kind !== 'drop-blocked' || event.blockers.length === 0) return;
        blockers.push(...event.blockers);
        going.push(holder.run('COMMIT'));
      },
    });
    await Promise.all(going);
    expect(blockers.join()).toContain(holder.name);
    expect(result).toEqual({ id: plan.id, strategy: 'shadow', outcome: 'given-up', dropped: null, ended: [plan.id] });
    const tables = `SELECT table_name AS name FROM information_schema.tables WHERE table_schema IN ('${schema}', '${plan.shadow.schema}') ORDER BY 1`;
    expect(await application.run(tables)).toEqual([{ name: 'a' }, { name: 'b' }, { name: 't' }]);
    expect((await listMigrations({ url })).find(({ id }) => id === plan.id)?.state).toBe('aborted');
  });
});
