/** Native changes on MySQL and MariaDB beside locks, migrations, triggers and limits. */
import { expect, test } from 'vitest';
import {
  DEFAULT_OPTIONS,
  listMigrations,
  migrate,
  type MigrationEvent,
  planMigration,
  resumeMigration,
} from '../../src/index.ts';
import { openDatabase } from '../../src/mysql/database.ts';
import { createSchema, never, openApplication, type TestSchema } from '../support/adapter-server.ts';
import { startServer } from '../support/servers.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';
import { startProxy } from '../support/tcp-proxy.ts';

const login = { defaultsFile: null, password: null, home: null };
const cutover = { ...DEFAULT_OPTIONS.cutover, lockTimeoutMs: 1_000, attemptsMax: 3, pauseFirstMs: 10, pauseMaxMs: 20 };

describeSideBySide(['mysql', 'mariadb'], 'on', (flavour) => {
  const url = (): string => sharedServer(flavour);

  async function openTable(): Promise<TestSchema> {
    const schema = await createSchema(url());
    await schema.application.run(`USE ${schema.name}`);
    await schema.application.run('CREATE TABLE things (id INT PRIMARY KEY, size INT NOT NULL, KEY size_index (size))');
    await schema.application.run('INSERT INTO things VALUES (1, 1), (2, 2)');
    return schema;
  }

  const columnsOf = async ({ application }: TestSchema): Promise<readonly unknown[]> =>
    (await application.run('SHOW COLUMNS FROM things')).map((row) => row['Field']);

  test('a change that is blocked names who blocks it, lets writers go on, and is done when the blocker is', async () => {
    await using schema = await openTable();
    await using holder = await openApplication(url());
    await using writer = await openApplication(url());
    await holder.run('BEGIN');
    await holder.run(`SELECT * FROM ${schema.name}.things`);
    const events: MigrationEvent[] = [];
    const going: Promise<unknown>[] = [];
    const result = await migrate({
      url: url(),
      table: `${schema.name}.things`,
      alter: 'ADD c INT',
      pace: { cutover },
      observer: (event) => {
        events.push(event);
        if (event.kind !== 'native-step-blocked') return;
        going.push(writer.run(`INSERT INTO ${schema.name}.things (id, size) VALUES (3, 3)`).then(() => holder.run('ROLLBACK')));
      },
    });
    await Promise.all(going);
    expect(result).toMatchObject({ strategy: 'native', steps: 1 });
    const blocked = events.find((event) => event.kind === 'native-step-blocked');
    expect(blocked?.blockers.join()).toContain(`connection ${holder.connectionId} of root`);
    expect(await columnsOf(schema)).toEqual(['id', 'size', 'c']);
    expect(await schema.application.run('SELECT id, c FROM things')).toHaveLength(3);
  });

  test('a change that never gets its lock gives up after its attempts and leaves the table as it was', async () => {
    await using schema = await openTable();
    await using holder = await openApplication(url());
    await holder.run('BEGIN');
    await holder.run(`SELECT * FROM ${schema.name}.things`);
    const change = { url: url(), table: `${schema.name}.things`, alter: 'ADD c INT', pace: { cutover } };
    await expect(migrate(change)).rejects.toMatchObject({
      code: 'NATIVE_NOT_LOCKED',
      exitCode: 5,
      message: expect.stringMatching(
        /within 1000 ms in 3 attempts\. In the way: .*connection \d+ of root.*The table is as it was/,
      ),
    });
    expect(await columnsOf(schema)).toEqual(['id', 'size']);
    await holder.run('ROLLBACK');
    const record = (await listMigrations({ url: url() })).find(({ plan }) => plan.source.schema === schema.name);
    expect(await resumeMigration({ url: url(), id: record?.id ?? null })).toMatchObject({ strategy: 'native', attempts: 1 });
  });

  test('a lost connection is not taken for a change that was not done, nor for one that was', async () => {
    await using schema = await openTable();
    await using proxy = await startProxy(url());
    await using holder = await openApplication(url());
    await holder.run('BEGIN');
    await holder.run(`SELECT * FROM ${schema.name}.things`);
    const kinds: string[] = [];
    const going: Promise<unknown>[] = [];
    const waiting = `SELECT 1 AS found FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata lock%' AND INFO LIKE '%${schema.name}%'`;
    const cutWhenItWaits = async (): Promise<void> => {
      while ((await schema.application.run(waiting)).length === 0);
      proxy.cut();
    };
    const result = await migrate({
      url: proxy.url,
      table: `${schema.name}.things`,
      alter: 'ADD c INT',
      pace: { cutover: { ...cutover, lockTimeoutMs: 30_000 } },
      observer: (event) => {
        kinds.push(event.kind);
        if (kinds.length === 1) going.push(cutWhenItWaits());
        if (event.kind === 'retrying') going.push(holder.run('ROLLBACK'));
      },
    });
    await Promise.all(going);
    expect(result).toMatchObject({ strategy: 'native', steps: 1 });
    // What saves the place of the next attempt is tried again, too, until the claim is had again.
    expect(kinds.slice(0, 2)).toEqual(['native-step-begun', 'retrying']);
    expect(kinds.filter((kind) => kind !== 'retrying')).toEqual([
      ...['native-step-begun', 'native-step-begun', 'native-step-done', 'finished'],
    ]);
    expect(await columnsOf(schema)).toEqual(['id', 'size', 'c']);
  });

  test('rows that are equal under a new unique key are named, and the change is done when they are corrected', async () => {
    await using schema = await openTable();
    const { application, name } = schema;
    // A name so short that the error shows the whole statement, and the algorithm in it.
    await application.run('RENAME TABLE things TO t');
    await application.run('UPDATE t SET size = 7');
    const change = { url: url(), table: `${name}.t`, alter: 'ADD UNIQUE u (size)' };
    await expect(migrate(change)).rejects.toMatchObject({
      code: 'DUPLICATE_KEY',
      message: expect.stringContaining("Duplicate entry '7' for key"),
    });
    const record = (await listMigrations({ url: url() })).find(({ plan }) => plan.source.schema === name);
    expect(record).toMatchObject({ state: 'open' });
    await application.run('UPDATE t SET size = id');
    expect(await resumeMigration({ url: url(), id: record?.id ?? null })).toMatchObject({ strategy: 'native', steps: 1 });
  });

  test('the native strategy names the clause that has no cheap way, and why', async () => {
    await using schema = await openTable();
    const change = { url: url(), table: `${schema.name}.things`, alter: 'ADD c INT, MODIFY size BIGINT NOT NULL' };
    await expect(migrate({ ...change, strategy: 'native' })).rejects.toMatchObject({
      code: 'NO_NATIVE_WAY',
      exitCode: 2,
      message: expect.stringMatching(
        /^The server has no cheap way for “MODIFY size BIGINT NOT NULL” on .*: .*ann?ot change column type.*; the other clause goes with it/,
      ),
    });
    expect(await planMigration(change)).toMatchObject({
      strategy: 'shadow',
      native: null,
      noNativeWay: { clause: 'MODIFY size BIGINT NOT NULL' },
      obstacles: [],
    });
    expect(await planMigration({ ...change, alter: 'ADD c INT', strategy: 'shadow' })).toMatchObject({
      strategy: 'shadow',
      noNativeWay: null,
      plan: { addedColumns: ['c'] },
    });
  });

  test('an unfinished migration of the table keeps a native change from it', async () => {
    await using schema = await openTable();
    await using database = await openDatabase(url(), login, never);
    const table = { schema: schema.name, table: 'things' };
    const options = { deferIndexes: 'never', key: null } as const;
    const plan = await database.plan({ table, clauses: 'ADD a INT', options }, never);
    await (await database.claim(plan, 'start', never))[Symbol.asyncDispose]();
    const change = { url: url(), table: `${schema.name}.things`, alter: 'ADD c INT' };
    expect(await planMigration(change)).toMatchObject({ strategy: 'native', obstacles: [{ code: 'MIGRATION_OPEN' }] });
    await expect(migrate(change)).rejects.toMatchObject({ code: 'OBSTACLE', obstacles: [{ code: 'MIGRATION_OPEN' }] });
    expect(await columnsOf(schema)).toEqual(['id', 'size']);
  });

  test('foreign keys and triggers, which keep a shadow away, are nothing to a native change', async () => {
    await using schema = await openTable();
    const { application } = schema;
    await application.run('CREATE TABLE children (id INT PRIMARY KEY, thing INT, FOREIGN KEY (thing) REFERENCES things (id))');
    await application.run('CREATE TRIGGER watch BEFORE INSERT ON things FOR EACH ROW SET NEW.size = NEW.size + 1');
    const change = { url: url(), table: `${schema.name}.things` };
    expect(await migrate({ ...change, alter: 'ADD c INT' })).toMatchObject({ strategy: 'native' });
    const renaming = await planMigration({ ...change, alter: 'RENAME COLUMN size TO length' });
    expect(renaming).toMatchObject({ strategy: 'shadow', noNativeWay: { reason: expect.stringContaining('trigger watch') } });
    expect(renaming.obstacles.map(({ code }) => code)).toContain('TRIGGERS');
  });

  test.each(['DROP COLUMN size', 'DROP INDEX size_index'])(
    'what a foreign key needs is not dropped natively, although a clone would let it go: %s',
    async (alter) => {
      await using schema = await openTable();
      const { application, name } = schema;
      await application.run('CREATE TABLE sizes (id INT PRIMARY KEY)');
      await application.run('INSERT INTO sizes VALUES (1), (2)');
      await application.run('ALTER TABLE things ADD CONSTRAINT sized FOREIGN KEY (size) REFERENCES sizes (id)');
      const change = { url: url(), table: `${name}.things` };
      const reason = expect.stringContaining(`the foreign key sized of ${name}.things`);
      expect(await planMigration({ ...change, alter })).toMatchObject({ strategy: 'shadow', noNativeWay: { reason } });
      await expect(migrate({ ...change, alter })).rejects.toMatchObject({
        obstacles: expect.arrayContaining([expect.objectContaining({ code: 'FOREIGN_KEYS' })]),
      });
      await application.run('ALTER TABLE things ADD INDEX other (size, id)');
      expect(await planMigration({ ...change, alter: 'DROP INDEX size_index' })).toMatchObject({ strategy: 'native' });
    },
  );

  test('what can be neither tried on a clone nor copied is refused with the way out, whatever the strategy', async () => {
    await using schema = await openTable();
    const change = { url: url(), table: `${schema.name}.things`, alter: 'ADD FOREIGN KEY (size) REFERENCES things (id)' };
    const plan = await planMigration(change);
    expect(plan).toMatchObject({ strategy: 'shadow', obstacles: [{ code: 'FOREIGN_KEYS' }] });
    await expect(migrate({ ...change, strategy: 'native' })).rejects.toMatchObject({ code: 'NO_NATIVE_WAY' });
  });

  test('the privileges of a migration are enough, and without them the obstacles name what is missing', async () => {
    await using schema = await openTable();
    const { application, name } = schema;
    const privileges = 'SELECT, INSERT, DELETE, CREATE, ALTER, DROP, LOCK TABLES, CREATE TEMPORARY TABLES, TRIGGER';
    const user = `u_${name}`;
    await application.run(`CREATE USER ${user}@'%' IDENTIFIED BY 'secret'`);
    await application.run(`GRANT ${privileges} ON ${name}.* TO ${user}@'%'`);
    const login = new URL(url());
    const change = { url: `${login.protocol}//${user}:secret@${login.host}/`, table: `${name}.things`, alter: 'ADD c INT' };
    try {
      const denied = await planMigration({ ...change, alter: 'DROP INDEX size_index' });
      expect(denied).toMatchObject({ strategy: 'shadow', noNativeWay: { reason: expect.stringContaining('PROCESS') } });
      expect(denied.obstacles.map(({ code }) => code)).toContain('MISSING_PRIVILEGE');
      await application.run(`GRANT SELECT ON tableshift.* TO ${user}@'%'`);
      await application.run(`GRANT PROCESS ON *.* TO ${user}@'%'`);
      const unrecorded = {
        code: 'MISSING_PRIVILEGE',
        message: expect.stringContaining('INSERT, UPDATE, DELETE, CREATE ON `tableshift`.*'),
      };
      expect(await planMigration(change)).toMatchObject({ strategy: 'native', obstacles: [unrecorded] });
      await application.run(`GRANT INSERT, UPDATE, DELETE, CREATE ON tableshift.* TO ${user}@'%'`);
      expect(await migrate(change)).toMatchObject({ strategy: 'native' });
      expect(await columnsOf(schema)).toEqual(['id', 'size', 'c']);
    } finally {
      await application.run(`DROP USER ${user}@'%'`);
    }
  });

  test('what a killed trial left is dropped by the next one', async () => {
    await using schema = await openTable();
    const { application, name } = schema;
    const tables: string[] = [];
    await using database = await openDatabase(url(), login, never);
    const request = {
      table: { schema: name, table: 'things' },
      clauses: 'ADD c INT',
      options: { deferIndexes: 'auto', key: null },
    } as const;
    const ending = new AbortController();
    const finding = database.native?.find(request, ending.signal);
    while (tables.length === 0) {
      const rows = await application.run(`SHOW TABLES LIKE '\\_tableshift\\_try%'`);
      tables.push(...rows.flatMap((row) => Object.values(row).map(String)));
    }
    await finding;
    await application.run(`CREATE TABLE \`${tables[0]}\` (other INT)`);
    expect(await database.native?.find(request, never)).toMatchObject({ steps: [{ kind: 'brief' }] });
    expect((await application.run('SHOW TABLES')).flatMap((row) => Object.values(row))).toEqual(['things']);
  });
});

test('a CHECK constraint, whose name is another on a clone, is not taken for one that does not exist', async () => {
  const url = sharedServer('mysql');
  await using schema = await createSchema(url);
  await schema.application.run(`CREATE TABLE ${schema.name}.things (id INT PRIMARY KEY, CONSTRAINT small CHECK (id < 9))`);
  const change = { url, table: `${schema.name}.things`, alter: 'DROP CHECK small', strategy: 'native' } as const;
  await expect(migrate(change)).rejects.toMatchObject({
    code: 'NO_NATIVE_WAY',
    message: expect.stringContaining('run “DROP CHECK small” by itself, which needs no copy of the table'),
  });
});

test('when the instant changes of a table run out, the plan warns before, and then takes the shadow', async () => {
  const url = sharedServer('mysql');
  await using schema = await createSchema(url);
  const { application, name } = schema;
  await application.run(`USE ${name}`);
  for (const table of ['plain', 'größe']) {
    await application.run(`CREATE TABLE \`${table}\` (id INT PRIMARY KEY)`);
    await application.run(`INSERT INTO \`${table}\` VALUES (1)`);
  }
  const change = { url, alter: 'ADD last INT' };
  const fill = async (table: string, from: number, to: number): Promise<void> => {
    for (let column = from; column < to; column++)
      await application.run(`ALTER TABLE \`${table}\` ADD c${column} INT, ALGORITHM=INSTANT`);
  };
  await fill('plain', 0, 200);
  const near = await planMigration({ ...change, table: `${name}.plain` });
  expect(near.native?.notes).toEqual([
    'This is instant change 201 of the 255 that the server allows before the table has to be rebuilt.',
  ]);
  await fill('plain', 200, 255);
  expect(await planMigration({ ...change, table: `${name}.plain` })).toMatchObject({
    strategy: 'shadow',
    noNativeWay: { reason: expect.stringContaining('has had 255 instant changes') },
  });
  expect(await planMigration({ ...change, table: `${name}.plain`, alter: "COMMENT 'x'" })).toMatchObject({
    strategy: 'native',
  });

  // The count of a table with such a name cannot be read, so that the server refuses at last what it did to the clone.
  await fill('größe', 0, 255);
  const events: MigrationEvent[] = [];
  const result = await migrate({ ...change, table: `${name}.größe`, observer: (event) => events.push(event) });
  expect(result).toMatchObject({ strategy: 'shadow', rowsCopied: 1 });
  expect(events[1]).toMatchObject({ kind: 'warning', message: expect.stringContaining('Maximum row versions reached') });
  await expect(migrate({ ...change, table: `${name}.plain`, strategy: 'native' })).rejects.toMatchObject({
    code: 'NO_NATIVE_WAY',
  });
});

test('an index is not built natively where a replica would stall', async () => {
  await using source = await startServer({ flavour: 'mysql' });
  await using replica = await startServer({ flavour: 'mysql', replicaOf: source });
  await using schema = await createSchema(source.url);
  await schema.application.run(`CREATE TABLE ${schema.name}.things (id INT PRIMARY KEY, size INT)`);
  expect(replica.isSemiSync).toBe(false);
  const change = { url: source.url, table: `${schema.name}.things`, alter: 'ADD INDEX size_index (size)' };
  expect(await planMigration(change)).toMatchObject({
    strategy: 'shadow',
    noNativeWay: { reason: 'the server would build the index size_index, and the replicas would stall for as long' },
  });
});
