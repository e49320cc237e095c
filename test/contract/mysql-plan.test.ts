/** What is decided before a migration, on real tables: columns, key, uniques, indexes, names. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../src/mysql/server.ts';
import { quoteName } from '../../src/mysql/statements.ts';
import { createSchema, openAdapter, schemaWith, type TestSchema } from '../support/adapter-server.ts';
import { plan, refusal } from '../support/plan-request.ts';
import { sharedServer } from '../support/shared-servers.ts';

/** Copied as `source>shadow`, dropped, added. */
type ColumnLists = readonly [readonly string[], readonly string[], readonly string[]];

describe.each(['mysql', 'mariadb'] as const)('a plan on %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const withTable = (definition: string): Promise<TestSchema> => schemaWith(url, `CREATE TABLE t ${definition}`);

  describe('the columns', () => {
    test.each<[string, string, string, ColumnLists]>([
      ['a column that is added is not copied', '(id INT PRIMARY KEY, a INT)', 'ADD b INT FIRST', [['id>id', 'a>a'], [], ['b']]],
      ['a column that is dropped is not copied', '(id INT PRIMARY KEY, a INT)', 'DROP a', [['id>id'], ['a'], []]],
      ['a column that is renamed is copied', '(id INT PRIMARY KEY, a INT)', 'CHANGE a b BIGINT', [['id>id', 'a>b'], [], []]],
      ['a column may change its case', '(id INT PRIMARY KEY, a INT)', 'RENAME COLUMN a TO A', [['id>id', 'a>A'], [], []]],
      [
        'two columns may swap names',
        '(id INT PRIMARY KEY, a INT, b INT)',
        'RENAME COLUMN a TO b, RENAME COLUMN b TO a',
        [['id>id', 'a>b', 'b>a'], [], []],
      ],
      [
        'names may move along a chain',
        '(id INT PRIMARY KEY, a INT, b INT, c INT)',
        'CHANGE a b INT, CHANGE b c INT, DROP c',
        [['id>id', 'a>b', 'b>c'], ['c'], []],
      ],
      [
        'a column that is dropped and added under the same name is a new one',
        '(id INT PRIMARY KEY, a INT)',
        'DROP a, ADD a INT',
        [['id>id'], ['a'], ['a']],
      ],
      [
        'a column may take the name of one that is dropped',
        '(id INT PRIMARY KEY, a INT, b INT)',
        'DROP a, CHANGE b a INT',
        [['id>id', 'b>a'], ['a'], []],
      ],
      [
        'columns are listed in the new order',
        '(id INT PRIMARY KEY, a INT, b INT)',
        'MODIFY b INT FIRST',
        [['b>b', 'id>id', 'a>a'], [], []],
      ],
      [
        'generated columns are not copied, but those that become plain ones are',
        '(id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a + 2) STORED)',
        'MODIFY s INT, ADD w INT AS (a + 3) STORED',
        [['id>id', 'a>a', 's>s'], [], ['w']],
      ],
      ['invisible columns are copied', '(id INT PRIMARY KEY, a INT INVISIBLE)', 'ADD b INT', [['id>id', 'a>a'], [], ['b']]],
      [
        'a table with a full-text index is planned too',
        '(id INT PRIMARY KEY, a TEXT, FULLTEXT f (a))',
        'DROP INDEX f, CHANGE a b TEXT, ADD FULLTEXT g (b)',
        [['id>id', 'a>b'], [], []],
      ],
      [
        'every conversion of the whole table keeps the columns',
        '(id INT PRIMARY KEY, a VARCHAR(10)) CHARACTER SET latin1',
        'CONVERT TO CHARACTER SET utf8mb4',
        [['id>id', 'a>a'], [], []],
      ],
    ])('%s', async (_name, definition, clauses, [columns, dropped, added]) => {
      await using schema = await withTable(definition);
      const { columns: pairs, droppedColumns, addedColumns } = await plan({ server, schema, clauses });
      expect(pairs.map(({ source, shadow }) => `${source}>${shadow}`)).toEqual(columns);
      expect(droppedColumns).toEqual(dropped);
      expect(addedColumns).toEqual(added);
    });
  });

  describe('the key', () => {
    test.each<[string, string, string, string]>([
      ['is the primary key', '(a INT NOT NULL UNIQUE, id CHAR(5) PRIMARY KEY)', 'ADD b INT', 'PRIMARY(id)>PRIMARY(id) server'],
      [
        'is a single integer where the primary key goes',
        '(a CHAR(5) NOT NULL UNIQUE, b INT NOT NULL UNIQUE, id INT PRIMARY KEY)',
        'DROP id, ADD nr INT AUTO_INCREMENT PRIMARY KEY',
        'b(b)>b(b) known',
      ],
      [
        'follows renames and a new order of its columns',
        '(a INT, b BINARY(3), PRIMARY KEY (a, b))',
        'CHANGE a x BIGINT NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (b, x)',
        'PRIMARY(a,b)>PRIMARY(x,b) known',
      ],
      [
        'may become a secondary one',
        '(id INT PRIMARY KEY, nr INT)',
        'DROP PRIMARY KEY, ADD UNIQUE u (id), ADD new INT AUTO_INCREMENT PRIMARY KEY',
        'PRIMARY(id)>u(id) known',
      ],
      ['may get wider integers', '(id INT UNSIGNED PRIMARY KEY)', 'MODIFY id BIGINT', 'PRIMARY(id)>PRIMARY(id) known'],
      [
        'of text may get longer and go to utf8mb4 under the same rules',
        '(id VARCHAR(5) PRIMARY KEY) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci',
        'MODIFY id VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci',
        'PRIMARY(id)>PRIMARY(id) server',
      ],
      [
        'of text may be compared in another way',
        '(id VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY) CHARACTER SET utf8mb4',
        'MODIFY id VARCHAR(20) COLLATE utf8mb4_unicode_ci',
        'PRIMARY(id)>PRIMARY(id) server',
      ],
      [
        'gets the columns that are put behind it',
        '(id INT PRIMARY KEY, a INT NOT NULL)',
        'DROP PRIMARY KEY, CHANGE a b BIGINT NOT NULL, ADD PRIMARY KEY (id, b)',
        'PRIMARY(id,a)>PRIMARY(id,b) known',
      ],
      [
        'keeps the columns that are taken off its end',
        '(id INT, a VARCHAR(5), PRIMARY KEY (id, a))',
        'DROP PRIMARY KEY, ADD PRIMARY KEY (id)',
        'PRIMARY(id,a)>PRIMARY(id,a) server',
      ],
      [
        'is rather another one that stays as it is',
        '(id INT PRIMARY KEY, a INT NOT NULL, UNIQUE u (a, id))',
        'DROP PRIMARY KEY, ADD PRIMARY KEY (id, a)',
        'u(a,id)>PRIMARY(a,id) known',
      ],
      [
        'may be wholly descending',
        '(a INT NOT NULL, b INT NOT NULL, UNIQUE u (a DESC, b DESC))',
        'ADD c INT',
        'u(a,b)>u(a,b) known',
      ],
      [
        'may be of dates and decimals',
        '(d DATE, t DATETIME(3), n DECIMAL(10,2), PRIMARY KEY (d, t, n))',
        'ADD c INT',
        'PRIMARY(d,t,n)>PRIMARY(d,t,n) known',
      ],
    ])('%s', async (_name, definition, clauses, expected) => {
      await using schema = await withTable(definition);
      const { key } = await plan({ server, schema, clauses });
      const text = `${key.index}(${key.columns.join(',')})>${key.shadowIndex}(${key.shadowColumns.join(',')})`;
      expect(`${text} ${key.isOrderKnown ? 'known' : 'server'}`).toBe(expected);
    });

    test.each<[string, string, string, string]>([
      ['a table without one', '(a INT)', 'ADD b INT', 'has no unique key'],
      ['a key that may be NULL', '(a INT UNIQUE)', 'ADD b INT', 'a may be NULL'],
      ['a key that becomes nullable', '(a INT NOT NULL UNIQUE)', 'MODIFY a INT NULL', 'a may be NULL'],
      ['a prefix', '(a VARCHAR(20) NOT NULL, UNIQUE u (a(5)))', 'ADD b INT', 'it has only a prefix of a column'],
      ['floating point', '(a DOUBLE PRIMARY KEY)', 'ADD b INT', 'a is of type double'],
      [
        'a key that is dropped',
        '(id INT PRIMARY KEY)',
        'DROP PRIMARY KEY',
        'it is not unique over the same columns after the change',
      ],
      [
        'a key that gets columns in front of it',
        '(id INT PRIMARY KEY, a INT NOT NULL)',
        'DROP PRIMARY KEY, ADD PRIMARY KEY (a, id)',
        'nor is an index that begins with them',
      ],
      [
        'a key that gets columns which may be NULL',
        '(id INT PRIMARY KEY, a INT)',
        'DROP PRIMARY KEY, ADD PRIMARY KEY (id, a)',
        'nor is an index that begins with them',
      ],
      ['a key column that is made anew', '(id INT PRIMARY KEY)', 'DROP id, ADD id INT NOT NULL', 'id is not carried over'],
      ['a number that becomes text', '(id INT PRIMARY KEY)', 'MODIFY id VARCHAR(20)', 'id becomes varchar(20)'],
      [
        'text in a character set whose bytes are not all characters of their own',
        '(id VARCHAR(20) CHARACTER SET sjis PRIMARY KEY)',
        'MODIFY id VARCHAR(20) CHARACTER SET utf8mb4',
        'id becomes utf8mb4, in which keys in sjis cannot be told exactly',
      ],
      ['text that gets shorter', '(id VARCHAR(20) PRIMARY KEY)', 'MODIFY id VARCHAR(10)', 'id becomes varchar(10)'],
      ['bytes that get filled up', '(id BINARY(5) PRIMARY KEY)', 'MODIFY id BINARY(8)', 'id becomes binary(8)'],
      ['a time that loses digits', '(t DATETIME(3) PRIMARY KEY)', 'MODIFY t DATETIME', 't becomes datetime'],
      ['an ENUM in another order', "(e ENUM('a','b') PRIMARY KEY)", "MODIFY e ENUM('b','a')", "e becomes enum('b','a')"],
      ['a mixed direction', '(a INT NOT NULL, b INT NOT NULL, UNIQUE u (a, b DESC))', 'ADD c INT', 'it is partly descending'],
    ])('%s cannot be shared', async (_name, definition, clauses, reason) => {
      await using schema = await withTable(definition);
      expect(await refusal({ server, schema, clauses })).toEqual([
        { code: 'NO_SHARED_KEY', message: expect.stringContaining(reason) },
      ]);
    });

    test('can be asked for by name', async () => {
      await using schema = await withTable('(id INT PRIMARY KEY, a VARCHAR(9) NOT NULL, UNIQUE Ua (a))');
      const { key } = await plan({ server, schema, clauses: 'ADD b INT', options: { key: 'ua' } });
      expect(key.index).toBe('Ua');
    });

    test.each<[string, string]>([
      ['nothing', 'has no index nothing'],
      ['k', 'it is not unique'],
      ['u', 'a may be NULL'],
    ])('is refused with the reason when %s is asked for', async (name, reason) => {
      await using schema = await withTable('(id INT PRIMARY KEY, a INT, b INT, UNIQUE u (a), KEY k (b))');
      expect(await refusal({ server, schema, clauses: 'ADD c INT', options: { key: name } })).toEqual([
        { code: 'UNSUPPORTED_KEY', message: expect.stringContaining(reason) },
      ]);
    });
  });

  describe('unique indexes', () => {
    test.each<[string, string, string, string[]]>([
      [
        'those of the source are not added',
        '(id INT PRIMARY KEY, a INT, b INT, UNIQUE u (a, b))',
        'MODIFY a BIGINT, ADD c INT',
        [],
      ],
      ['a new one is added', '(id INT PRIMARY KEY, a INT)', 'ADD UNIQUE u (a)', ['u']],
      ['an inline one is added', '(id INT PRIMARY KEY)', 'ADD a INT UNIQUE', ['a']],
      [
        'the order of columns does not matter',
        '(id INT PRIMARY KEY, a INT, b INT, UNIQUE u (a, b))',
        'DROP INDEX u, ADD UNIQUE v (b, a)',
        [],
      ],
      [
        'fewer columns make it a new one',
        '(id INT PRIMARY KEY, a INT, b INT, UNIQUE u (a, b))',
        'DROP INDEX u, ADD UNIQUE u (a)',
        ['u'],
      ],
      [
        'a shorter prefix makes it a new one',
        '(id INT PRIMARY KEY, a VARCHAR(20), UNIQUE u (a(9)))',
        'DROP INDEX u, ADD UNIQUE u (a(5))',
        ['u'],
      ],
      [
        'another collation makes it a new one',
        '(id INT PRIMARY KEY, a VARCHAR(9) COLLATE utf8mb4_bin, UNIQUE u (a)) CHARACTER SET utf8mb4',
        'MODIFY a VARCHAR(9) COLLATE utf8mb4_unicode_ci',
        ['u'],
      ],
      ['rounding makes it a new one', '(id INT PRIMARY KEY, a DOUBLE, UNIQUE u (a))', 'MODIFY a FLOAT', ['u']],
      [
        'a column made anew makes it a new one, though the index stays',
        '(id INT PRIMARY KEY, a INT, UNIQUE u (a))',
        'DROP a, ADD a INT',
        ['u'],
      ],
      ['a renamed column keeps it', '(id INT PRIMARY KEY, a INT, UNIQUE u (a))', 'CHANGE a b INT, RENAME INDEX u TO v', []],
      [
        'swapped columns are followed',
        '(id INT PRIMARY KEY, a INT, b INT, UNIQUE u (a))',
        'RENAME COLUMN a TO b, RENAME COLUMN b TO a, DROP INDEX u, ADD UNIQUE u (a)',
        ['u'],
      ],
      [
        'the same generated column keeps it',
        '(id INT PRIMARY KEY, a INT, g INT AS (a * 2) STORED, UNIQUE u (g))',
        'ADD b INT',
        [],
      ],
    ])('%s', async (_name, definition, clauses, expected) => {
      await using schema = await withTable(definition);
      expect((await plan({ server, schema, clauses })).addedUniques).toEqual(expected);
    });
  });

  describe('indexes that are built after the copy', () => {
    const definition =
      '(id INT PRIMARY KEY, nr INT NOT NULL AUTO_INCREMENT, a INT, b TEXT, g POINT NOT NULL, KEY nr (nr), KEY a (a), KEY b (b(9)), ' +
      'UNIQUE u (a, id), FULLTEXT f (b), SPATIAL g (g))';

    test('are plain ones that nothing needs meanwhile, where no replica is attached', async () => {
      await using schema = await withTable(definition);
      const { deferredIndexes } = await plan({
        server,
        schema,
        clauses: 'ADD INDEX c (a, b(5))',
        options: { deferIndexes: 'always' },
      });
      expect(deferredIndexes.toSorted()).toEqual(['a', 'b', 'c']);
    });

    test('are none over virtual columns on MariaDB, which leaves rows that are written meanwhile out of such an index', async () => {
      await using schema = await withTable(
        '(id INT PRIMARY KEY, v INT AS (id DIV 2) VIRTUAL, s INT AS (id DIV 3) STORED, KEY v (id, v), KEY s (s))',
      );
      const { deferredIndexes } = await plan({ server, schema, clauses: 'ADD c INT', options: { deferIndexes: 'always' } });
      expect(deferredIndexes.toSorted()).toEqual(flavour === 'mysql' ? ['s', 'v'] : ['s']);
    });

    test('are none when that is asked for', async () => {
      await using schema = await withTable(definition);
      const { deferredIndexes } = await plan({ server, schema, clauses: 'ADD c INT', options: { deferIndexes: 'never' } });
      expect(deferredIndexes).toEqual([]);
    });
  });

  describe('the rest of it', () => {
    test('names what is made after the table and the migration', async () => {
      await using schema = await withTable('(id INT PRIMARY KEY)');
      const made = await plan({ server, schema, clauses: 'ADD a INT;' });
      expect(made).toMatchObject({
        source: { schema: schema.name, table: 't' },
        shadow: { schema: schema.name, table: 't_ts_new' },
        retired: { schema: schema.name, table: expect.stringMatching(/^t_ts_old_[a-z0-9]{8}$/) },
        id: expect.stringMatching(/^t[a-z0-9]{8}$/),
        clauses: 'ADD a INT',
        strategy: 'shadow',
        server: { flavour },
      });
    });

    test.each(['t', "a`b'c"])('shows the statement that makes the shadow of %s, and the server takes it', async (table) => {
      await using schema = await schemaWith(
        url,
        `CREATE TABLE ${quoteName(table)} (id INT PRIMARY KEY, a INT CHECK (a > 0), b VARCHAR(9) DEFAULT 'x''y' INVISIBLE, CHECK (a < 9)) COMMENT 'c'`,
      );
      const { shadowDefinition, shadow } = await plan({ server, schema, table, clauses: 'ADD UNIQUE u (b)' });
      await schema.application.run(shadowDefinition);
      const shown = await schema.application.run(`SHOW CREATE TABLE ${quoteName(shadow.table)}`);
      const bare = (text: unknown): string => String(text).replace(/^CREATE TABLE \S+/, '');
      expect(bare(shown[0]?.['Create Table'])).toBe(bare(shadowDefinition));
    });

    test('shows the whole shadow where no temporary table can have everything', async () => {
      await using schema = await withTable('(id INT PRIMARY KEY, a TEXT, FULLTEXT f (a))');
      const { shadowDefinition, notes } = await plan({ server, schema, clauses: 'ADD b INT' });
      expect(shadowDefinition).toMatch(/^CREATE TABLE `.*`\.`t_ts_new` \([^]*`b` int[^]*FULLTEXT KEY `f` \(`a`\)/);
      expect(notes.join()).not.toContain('Full-text indexes');
      expect(await schema.application.run('SHOW TABLES')).toHaveLength(1);
    });

    test('has the same hash for the same table and request, whatever its rows', async () => {
      await using schema = await withTable('(id INT AUTO_INCREMENT PRIMARY KEY, a INT)');
      const before = await plan({ server, schema, clauses: 'ADD b INT' });
      await schema.application.run('INSERT INTO t (a) VALUES (1), (2)');
      const after = await plan({ server, schema, clauses: 'ADD b INT' });
      expect(after.hash).toBe(before.hash);
    });

    test('has another hash once the table or the request differs', async () => {
      await using schema = await withTable('(id INT PRIMARY KEY, a INT)');
      const hashes = [(await plan({ server, schema, clauses: 'ADD b INT' })).hash];
      hashes.push((await plan({ server, schema, clauses: 'ADD b BIGINT' })).hash);
      hashes.push((await plan({ server, schema, clauses: 'ADD b INT', options: { deferIndexes: 'always' } })).hash);
      await schema.application.run("ALTER TABLE t MODIFY a INT COMMENT 'c'");
      hashes.push((await plan({ server, schema, clauses: 'ADD b INT' })).hash);
      expect(new Set(hashes).size).toBe(4);
    });

    test('says which values are altered or stop the migration', async () => {
      await using schema = await withTable('(id INT PRIMARY KEY, a DECIMAL(10,2), b DATETIME(3), c INT)');
      const clauses = 'MODIFY a DECIMAL(10,1), CHANGE b bb DATETIME, MODIFY c INT NOT NULL, ADD d INT NOT NULL';
      const { notes } = await plan({ server, schema, clauses });
      expect(notes).toEqual(
        expect.arrayContaining([
          'a, decimal(10,2) to decimal(10,1): a value with more than 1 decimals stops the migration.',
          'b (now bb), datetime(3) to datetime: fractions of a second are rounded or cut.',
          expect.stringMatching(/^c.*: a row with NULL stops the migration\.$/),
          expect.stringMatching(/^d: it is NOT NULL without a DEFAULT, so rows get the zero of its type,/),
        ]),
      );
    });

    test('says that new numbers are given as rows are copied', async () => {
      await using schema = await withTable('(id INT PRIMARY KEY)');
      const { notes } = await plan({ server, schema, clauses: 'ADD nr INT AUTO_INCREMENT UNIQUE' });
      expect(notes).toContainEqual(expect.stringMatching(/^nr: rows are numbered as they are copied/));
    });

    test('leaves nothing behind and nothing in the log', async () => {
      await using schema = await withTable('(id INT PRIMARY KEY, a INT)');
      const statement = flavour === 'mysql' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS';
      const logged = async (): Promise<unknown> => {
        const events = await schema.application.run(
          `SHOW BINLOG EVENTS IN '${String((await schema.application.run(statement))[0]?.['File'])}'`,
        );
        return events.filter((event) => String(event['Info']).includes('_tableshift_probe'));
      };
      await plan({ server, schema, clauses: 'ADD b INT' });
      await refusal({ server, schema, clauses: 'ADD a INT' });
      expect(await logged()).toEqual([]);
      expect(await schema.application.run('SHOW TABLES')).toHaveLength(1);
    });

    test.each<[string, string, string]>([
      ['ADD a INT', 'INVALID_ALTER', 'Duplicate column name'],
      ['MODIFY nothing INT', 'INVALID_ALTER', "Unknown column 'nothing' in 't'."],
      ['ADD b NONSENSE', 'INVALID_ALTER', 'NONSENSE'],
      ['ADD b INT, LOCK=NONE', 'UNSUPPORTED_CLAUSE', 'LOCK'],
      ['RENAME TO u', 'UNSUPPORTED_CLAUSE', 'RENAME'],
    ])('is refused for %s', async (clauses, code, message) => {
      await using schema = await withTable('(id INT PRIMARY KEY, a INT)');
      expect(await refusal({ server, schema, clauses })).toEqual([{ code, message: expect.stringContaining(message) }]);
    });

    test.each<[string, string]>([
      ['a view', 'v'],
      ['nothing at all', 'nothing'],
    ])('is refused for %s', async (_name, table) => {
      await using schema = await withTable('(id INT PRIMARY KEY)');
      await schema.application.run('CREATE VIEW v AS SELECT 1 AS a');
      expect(await refusal({ server, schema, table, clauses: 'ADD b INT' })).toEqual([
        { code: 'TABLE_NOT_FOUND', message: `${schema.name}.${table} does not exist or is not a base table.` },
      ]);
    });
  });
});

describe('a plan on mysql alone', () => {
  const url = sharedServer('mysql');

  test('walks a generated invisible primary key, which the log has first', async () => {
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    await schema.application.run(`USE ${schema.name}`);
    await schema.application.run('SET sql_generate_invisible_primary_key = ON');
    await schema.application.run('CREATE TABLE t (a INT)');
    const { key, columns } = await plan({ server, schema, clauses: 'ADD b INT' });
    expect(key).toMatchObject({ index: 'PRIMARY', columns: ['my_row_id'], isOrderKnown: true });
    expect(columns.map(({ source }) => source)).toEqual(['my_row_id', 'a']);
  });

  test('drops no CHECK constraint by name, for the shadow has other names, and says that names are lost', async () => {
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    await schema.application.run(
      `CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY, a INT, CONSTRAINT positive CHECK (a > 0))`,
    );
    expect(await refusal({ server, schema, clauses: 'DROP CONSTRAINT Positive, ADD b INT' })).toEqual([
      { code: 'UNSUPPORTED_CLAUSE', message: expect.stringContaining('run “DROP CONSTRAINT Positive” by itself') },
    ]);
    expect((await plan({ server, schema, clauses: 'ADD b INT' })).notes).toContainEqual(
      expect.stringContaining('positive will be called t_chk_1'),
    );
  });

  test('keeps an index over an expression where it is, and counts it as unique before', async () => {
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    await schema.application.run(`USE ${schema.name}`);
    await schema.application.run('CREATE TABLE t (id INT PRIMARY KEY, a INT, KEY k ((a + 1)), UNIQUE u ((a * 2)))');
    const made = await plan({ server, schema, clauses: 'ADD b INT', options: { deferIndexes: 'always' } });
    expect(made).toMatchObject({ addedUniques: [], deferredIndexes: [] });
    const changed = await plan({ server, schema, clauses: 'MODIFY a BIGINT' });
    expect(changed.addedUniques).toEqual(['u']);
  });
});

describe('a plan on mariadb alone', () => {
  const url = sharedServer('mariadb');

  test('drops CHECK constraints by name, which are the table’s own', async () => {
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    await schema.application.run(
      `CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY, a INT, CONSTRAINT positive CHECK (a > 0))`,
    );
    const made = await plan({ server, schema, clauses: 'DROP CONSTRAINT positive' });
    expect(made.shadowDefinition).not.toContain('positive');
    expect(made.notes).toEqual([]);
  });

  test('takes IF EXISTS and IF NOT EXISTS as the server does', async () => {
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY, a INT)`);
    const clauses =
      'ADD COLUMN IF NOT EXISTS a INT, ADD COLUMN IF NOT EXISTS b INT, DROP COLUMN IF EXISTS c, CHANGE COLUMN IF EXISTS d e INT';
    const made = await plan({ server, schema, clauses });
    expect(made.columns).toEqual([
      { source: 'id', shadow: 'id' },
      { source: 'a', shadow: 'a' },
    ]);
    expect([made.addedColumns, made.droppedColumns]).toEqual([['b'], []]);
  });

  test('is refused for a table that keeps its history, and for a sequence', async () => {
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    await schema.application.run(`CREATE TABLE ${schema.name}.t (id INT PRIMARY KEY) WITH SYSTEM VERSIONING`);
    await schema.application.run(`CREATE SEQUENCE ${schema.name}.s`);
    const codes = async (table: string): Promise<unknown> =>
      (await refusal({ server, schema, table, clauses: 'ADD b INT' })).map(({ code }) => code);
    expect(await codes('t')).toEqual(['SYSTEM_VERSIONED']);
    expect(await codes('s')).toEqual(['TABLE_NOT_FOUND']);
  });
});
