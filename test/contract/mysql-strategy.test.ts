/** Which way `plan` chooses for an ALTER on MySQL and MariaDB, and that the native way gives what the server's own ALTER gives. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate, planMigration } from '../../src/index.ts';
import { createSchema, type TestSchema } from '../support/adapter-server.ts';
import { type Server, startServer } from '../support/servers.ts';

/**
 * `refused`: the plan has obstacles; `online`: natively, by building an index, for no replica is attached to these servers. An array:
 * natively in several steps, as their kinds.
 */
type Expected = 'native' | 'shadow' | 'refused' | 'online' | readonly ('brief' | 'online')[];

/** The clauses are not to be had in one statement. */
const twice = ['brief', 'brief'] as const;
const thenIndex = ['brief', 'online'] as const;

/** Clauses on the table below, and the way on MySQL and, where it is another, on MariaDB. */
const changes: readonly (readonly [clauses: string, mysql: Expected, mariadb?: Expected])[] = [
  ['ADD c INT', 'native'],
  ['ADD c INT NOT NULL DEFAULT 5', 'native'],
  ['ADD c INT FIRST', 'native'],
  ['ADD c VARCHAR(100) AFTER name', 'native'],
  ["ADD c TEXT, ADD d DATETIME DEFAULT '2020-01-01'", 'native'],
  ['ADD c DATETIME ON UPDATE CURRENT_TIMESTAMP', 'native'],
  ['ADD c INT AUTO_INCREMENT UNIQUE', 'refused'],
  ['ADD c INT AS (size + 1) VIRTUAL', 'native'],
  ['ADD c INT AS (size + 1) STORED', 'shadow'],
  ['ADD c BIGINT NOT NULL DEFAULT (size * 2)', 'shadow'],
  ['DROP COLUMN note', 'native'],
  ['DROP COLUMN note, ADD note INT', 'native'],
  ['DROP COLUMN size', 'shadow', 'native'],
  ['DROP COLUMN missing', 'refused'],
  ['RENAME COLUMN note TO remark', 'native'],
  ['RENAME COLUMN size TO length', 'native'],
  ['CHANGE note remark VARCHAR(200)', 'native'],
  ['CHANGE note remark VARCHAR(20)', 'shadow'],
  ['CHANGE size length BIGINT NOT NULL', 'shadow'],
  ['MODIFY note VARCHAR(240)', 'native'],
  ['MODIFY note VARCHAR(300)', 'shadow'],
  ['MODIFY note VARCHAR(100)', 'shadow'],
  ['MODIFY note VARCHAR(200) NOT NULL', 'shadow'],
  ['MODIFY note TEXT', 'shadow'],
  ['MODIFY note VARCHAR(200) COLLATE latin1_bin', 'native'],
  ["MODIFY note VARCHAR(200) COMMENT 'what it is'", 'native'],
  ["MODIFY note VARCHAR(200) DEFAULT 'none'", 'native'],
  ['MODIFY note VARCHAR(200) FIRST', 'shadow', 'native'],
  ['MODIFY size BIGINT NOT NULL', 'shadow'],
  ['MODIFY size INT UNSIGNED NOT NULL', 'shadow'],
  ['MODIFY size INT NULL', 'shadow'],
  ['MODIFY size SMALLINT NOT NULL', 'shadow'],
  ['MODIFY id BIGINT NOT NULL AUTO_INCREMENT', 'shadow'],
  ["MODIFY kind ENUM('a','b','c','d')", 'native'],
  ["MODIFY kind ENUM('d','a','b','c')", 'shadow'],
  ["MODIFY kind ENUM('a','b')", 'shadow'],
  ["MODIFY kind SET('a','b','c')", 'shadow'],
  ['MODIFY price DECIMAL(12,2)', 'shadow'],
  ['MODIFY made DATETIME(3)', 'shadow'],
  ['ALTER size SET DEFAULT 3', 'native'],
  ['ALTER size DROP DEFAULT', 'native'],
  ["ALTER note SET DEFAULT 'x', ALTER size SET DEFAULT 4", 'native'],
  ['ADD INDEX made_index (made)', 'online'],
  ['ADD UNIQUE INDEX name_made (name, made)', 'online'],
  ['ADD INDEX down (size DESC)', 'online'],
  ['ADD INDEX a (note), ADD INDEX b (price)', 'online'],
  ['REORDER note', 'refused'],
  ['ADD FULLTEXT INDEX words (note)', 'shadow'],
  ['DROP INDEX size_index', 'native'],
  ['DROP INDEX size_index, DROP INDEX name_index', 'native'],
  ['DROP INDEX missing', 'refused'],
  ['RENAME INDEX size_index TO other_index', 'native'],
  ['RENAME INDEX size_index TO other_index, ALTER size SET DEFAULT 1', 'native'],
  ['DROP INDEX size_index, ADD INDEX size_index (size, price)', 'online'],
  ['ADD c INT, ADD INDEX c (c)', thenIndex],
  ['ADD c INT AS (size + 1) VIRTUAL, ADD INDEX c (c)', thenIndex, 'shadow'],
  ['ADD UNIQUE INDEX `a b` (note), DROP COLUMN made, ADD c INT FIRST', ['brief', 'online', 'brief']],
  ['ADD c INT, DROP INDEX size_index', twice, 'native'],
  ['RENAME INDEX size_index TO other_index, ADD c INT, ADD d INT AFTER id', twice, 'native'],
  ["DROP INDEX name_index, MODIFY kind ENUM('a','b','c','d'), ADD c INT", twice, 'native'],
  ['DROP INDEX size_index, DROP COLUMN size', 'shadow', 'native'],
  ['ADD c INT, DROP INDEX size_index, MODIFY price DECIMAL(12,2)', 'shadow'],
  ['DROP PRIMARY KEY, ADD PRIMARY KEY (id, size)', 'shadow'],
  ['ADD CHECK (size > -1)', 'shadow'],
  ['ADD CONSTRAINT positive CHECK (price >= 0)', 'shadow'],
  ["COMMENT = 'things'", 'native'],
  ['AUTO_INCREMENT = 1000', 'native'],
  ['STATS_PERSISTENT = 1, STATS_AUTO_RECALC = 0', 'native'],
  ['DEFAULT CHARACTER SET utf8mb4', 'native'],
  ['CONVERT TO CHARACTER SET utf8mb4', 'shadow'],
  ['ROW_FORMAT = COMPRESSED', 'shadow'],
  ['FORCE', 'shadow'],
  ['ENGINE = InnoDB', 'shadow'],
  ['ADD c INT, MODIFY size BIGINT NOT NULL', 'shadow'],
  ["ADD c INT, COMMENT = 'both'", twice, 'native'],
  ['RENAME TO elsewhere', 'refused'],
  ['PARTITION BY KEY (id) PARTITIONS 2', 'refused'],
  ['DROP INDEX name_index PARTITION BY KEY (id) PARTITIONS 2', 'shadow'],
  ['REMOVE PARTITIONING', 'refused'],
];

/** The same on the table partitioned by ranges of its id. */
const partitionChanges: readonly (readonly [clauses: string, way: Expected])[] = [
  ['ADD PARTITION (PARTITION far VALUES LESS THAN (1000))', 'native'],
  ['DROP PARTITION low', 'native'],
  ['ADD c INT', 'native'],
  ['DROP PARTITION missing', 'refused'],
  ['REORGANIZE PARTITION low, high INTO (PARTITION every VALUES LESS THAN (100))', 'refused'],
  ['EXCHANGE PARTITION low WITH TABLE twin', 'refused'],
  ['PARTITION BY RANGE (id) (PARTITION every VALUES LESS THAN (100))', 'shadow'],
  ['REMOVE PARTITIONING', 'shadow'],
  ['MODIFY size BIGINT NOT NULL', 'shadow'],
];

const definition = `(
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL, note VARCHAR(200), size INT NOT NULL,
  kind ENUM('a','b','c'), price DECIMAL(10,2), made DATETIME,
  KEY size_index (size), UNIQUE KEY name_index (name)
) ENGINE=InnoDB DEFAULT CHARSET=latin1`;

describe.each(['mysql', 'mariadb'] as const)('on %s', (flavour) => {
  // A server of its own: the streams of other tests count as replicas.
  let server: Server;
  beforeAll(async () => {
    server = await startServer({ flavour });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function openTable(): Promise<TestSchema> {
    const schema = await createSchema(server.url);
    const { application, name } = schema;
    await application.run(`USE ${name}`);
    for (const table of ['things', 'twin']) {
      await application.run(`CREATE TABLE ${table} ${definition}`);
      await application.run(`INSERT INTO ${table} (name, note, size, kind, price, made) VALUES
        ('one', 'n', 1, 'a', 1.5, '2024-01-01'), ('two', NULL, 2, 'b', NULL, NULL), ('three', 'x', 3, NULL, 3, NULL)`);
    }
    return schema;
  }

  async function look({ application }: TestSchema, table: string): Promise<unknown> {
    const [shown] = await application.run(`SHOW CREATE TABLE ${table}`);
    const rows = await application.run(`SELECT * FROM ${table} ORDER BY id`);
    return { definition: String(shown?.['Create Table']).replace(`\`${table}\``, ''), rows };
  }

  const expectations = changes.map(([clauses, mysql, mariadb = mysql]) => ({
    clauses,
    expected: flavour === 'mysql' ? mysql : mariadb,
  }));

  const those = (kind: Expected) => expectations.filter(({ expected }) => expected === kind);
  const native = expectations.flatMap(({ clauses, expected }) => {
    if (expected === 'shadow' || expected === 'refused') return [];
    return [{ clauses, kinds: expected === 'native' ? ['brief'] : expected === 'online' ? ['online'] : expected }];
  });

  test.concurrent.each(native)('native, $kinds: $clauses', async ({ clauses, kinds }) => {
    await using schema = await openTable();
    const { application, name } = schema;
    const change = { url: server.url, table: `${name}.things`, alter: clauses };
    const tables = await application.run('SHOW TABLES');
    const planned = await planMigration(change);
    expect(planned).toMatchObject({ strategy: 'native', obstacles: [] });
    expect(planned.native?.steps.map(({ kind }) => kind)).toEqual(kinds);
    expect(await application.run('SHOW TABLES')).toEqual(tables);
    const tablespace = await tablespaceOf(schema);
    expect(tablespace).toHaveLength(1);
    expect(await migrate(change)).toMatchObject({ strategy: 'native', steps: kinds.length, attempts: kinds.length });
    expect(await tablespaceOf(schema)).toEqual(tablespace);
    await application.run(`ALTER TABLE twin ${clauses}`);
    expect(await look(schema, 'things')).toEqual(await look(schema, 'twin'));
  });

  const several = native.filter(({ kinds }) => kinds.length > 1);

  test.concurrent.each(several)(
    'a run that died after its first step leaves the rest of: $clauses',
    async ({ clauses, kinds }) => {
      await using schema = await openTable();
      const { application, name } = schema;
      const change = { url: server.url, table: `${name}.things`, alter: clauses };
      const { native: whole } = await planMigration(change);
      await application.run(whole?.steps[0]?.sql ?? '');
      const { native: rest } = await planMigration(change);
      expect(rest?.notes?.[0]).toMatch(/^“ADD c INT[^”]*” is done already/);
      expect(await migrate(change)).toMatchObject({ strategy: 'native', steps: kinds.length - 1 });
      await application.run(`ALTER TABLE twin ${clauses}`);
      expect(await look(schema, 'things')).toEqual(await look(schema, 'twin'));
      expect((await planMigration(change)).obstacles).toMatchObject([{ code: 'INVALID_ALTER' }]);
    },
  );

  test('what is there by another definition than the ALTER gives it is not taken for done', async () => {
    await using schema = await openTable();
    await schema.application.run('ALTER TABLE things ADD c BIGINT');
    const change = { url: server.url, table: `${schema.name}.things`, alter: 'ADD c INT, DROP INDEX size_index' };
    const [obstacle, ...more] = (await planMigration(change)).obstacles;
    expect([obstacle?.code, more]).toEqual(['INVALID_ALTER', []]);
    expect(obstacle?.message).toContain("Duplicate column name 'c'");
  });

  test.concurrent.each(those('shadow'))('$expected: $clauses', async ({ clauses }) => {
    await using schema = await openTable();
    const { application, name } = schema;
    const tables = await application.run('SHOW TABLES');
    const plan = await planMigration({ url: server.url, table: `${name}.things`, alter: clauses });
    expect(plan).toMatchObject({ strategy: 'shadow', native: null, noNativeWay: { reason: expect.stringMatching(/./) } });
    expect(await application.run('SHOW TABLES')).toEqual(tables);
  });

  test.concurrent.each(those('refused'))('$expected: $clauses', async ({ clauses }) => {
    await using schema = await openTable();
    const plan = await planMigration({ url: server.url, table: `${schema.name}.things`, alter: clauses });
    expect(plan).toMatchObject({ strategy: 'shadow', native: null, plan: null });
    expect(plan.obstacles).toHaveLength(1);
  });

  test('a table with partitions goes the ways of others, and gets or loses partitions by the server itself', async () => {
    for (const [clauses, way] of partitionChanges) {
      await using schema = await openTable();
      const { application, name } = schema;
      const parts = 'PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (3), PARTITION high VALUES LESS THAN (100))';
      for (const table of ['things', 'twin']) await application.run(`ALTER TABLE ${table} DROP INDEX name_index ${parts}`);
      const change = { url: server.url, table: `${name}.things`, alter: clauses };
      const { strategy, obstacles } = await planMigration(change);
      expect([strategy, obstacles.length > 0], clauses).toEqual([way === 'native' ? way : 'shadow', way === 'refused']);
      if (way !== 'native') continue;
      expect(await migrate(change)).toMatchObject({ strategy: 'native', steps: 1 });
      await application.run(`ALTER TABLE twin ${clauses}`);
      expect(await look(schema, 'things')).toEqual(await look(schema, 'twin'));
    }
  });

  test('a list gets no partition beside DEFAULT, whose rows the server would not find', async (context) => {
    context.skip(flavour === 'mysql', 'MySQL has no DEFAULT partition');
    await using schema = await openTable();
    const parts =
      'PARTITION BY LIST (id) (PARTITION low VALUES IN (1), PARTITION middle VALUES IN (2), PARTITION others DEFAULT)';
    await schema.application.run(`ALTER TABLE things DROP INDEX name_index ${parts}`);
    const change = { url: server.url, table: `${schema.name}.things` };
    expect(await planMigration({ ...change, alter: 'ADD PARTITION (PARTITION high VALUES IN (3))' })).toMatchObject({
      native: null,
      noNativeWay: { reason: expect.stringContaining('leave rows in the partition DEFAULT') },
      obstacles: [{ code: 'PARTITIONS' }],
    });
    expect(await planMigration({ ...change, alter: 'DROP PARTITION middle' })).toMatchObject({ strategy: 'native' });
  });

  /**
   * Another tablespace would mean that the server has copied the table. InnoDB lists these without a lock on any table, so that
   * the changes of the tests beside this one are no matter.
   */
  function tablespaceOf({ application, name }: TestSchema): Promise<unknown> {
    const list = flavour === 'mysql' ? 'INNODB_TABLESPACES' : 'INNODB_SYS_TABLESPACES';
    return application.run(`SELECT SPACE FROM information_schema.${list} WHERE NAME = '${name}/things'`);
  }
});
