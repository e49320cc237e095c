/** What the catalog reader says about real tables. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keyColumns, readTable, type Column, type TableDescription } from '../../src/mysql/catalog.ts';
import { hasConstantDefault } from '../../src/mysql/implicit-defaults.ts';
import type { Server } from '../../src/mysql/server.ts';
import { createSchema, never, openAdapter, schemaWith, type TestSchema } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';

describe.each(['mysql', 'mariadb'] as const)('the catalog of %s', (flavour) => {
  const url = sharedServer(flavour);
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const withTable = (...statements: readonly string[]): Promise<TestSchema> => schemaWith(url, ...statements);
  const read = async (schema: TestSchema, table = 't'): Promise<TableDescription | null> => {
    await using session = await server.openSession({}, never);
    return await readTable(session, { schema: schema.name, table }, never);
  };
  const columnsOf = async (schema: TestSchema): Promise<ReadonlyMap<string, Column>> =>
    new Map((await read(schema))?.columns.map((column) => [column.name, column]));

  test('counts generated and invisible columns, in the order of the table', async () => {
    await using schema = await withTable(
      'CREATE TABLE t (v INT AS (x + 1) VIRTUAL, s INT AS (x + 2) STORED, x INT, i INT DEFAULT 9 INVISIBLE, id INT PRIMARY KEY)',
    );
    const table = await read(schema);
    expect(table?.columns.map((column) => `${column.ordinal} ${column.name} ${column.generated}`)).toEqual([
      '0 v virtual',
      '1 s stored',
      '2 x none',
      '3 i none',
      '4 id none',
    ]);
  });

  test('tells columns that a row without a value for them fills with the same in every session', async () => {
    const constant = [
      ...['a INT', 'b INT NULL DEFAULT NULL', "c INT NOT NULL DEFAULT '-7'", 'd DECIMAL(5,2) NOT NULL DEFAULT -1.5'],
      ...["e VARCHAR(20) NOT NULL DEFAULT 'it''s DEFAULT' COMMENT 'DEFAULT (1)'", "f BIGINT UNSIGNED DEFAULT 5 COMMENT ''"],
      ...["g ENUM('x','y') NOT NULL DEFAULT 'y'", "h SET('x','y') DEFAULT 'x,y'", 'i DOUBLE DEFAULT 1e3', 'j TEXT'],
    ];
    const other = [
      ...['k DATETIME', 'l TIMESTAMP NULL', "m DATE DEFAULT '2020-01-02'", 'n DATETIME DEFAULT CURRENT_TIMESTAMP'],
      ...['o VARCHAR(40) DEFAULT (UUID())', 'p INT DEFAULT (1 + 1)', 'q INT AS (a) VIRTUAL', 'r INT AS (a) STORED'],
      ...['s INT NOT NULL AUTO_INCREMENT PRIMARY KEY'],
    ];
    await using schema = await withTable(`CREATE TABLE t (${[...constant, ...other].join(', ')})`);
    const found = [...(await columnsOf(schema)).values()].filter((column) => hasConstantDefault(column));
    expect(found.map(({ name }) => name)).toEqual(constant.map((definition) => definition.slice(0, 1)));
    await schema.application.run("SET sql_mode = '', time_zone = '+05:00'");
    await schema.application.run('INSERT INTO t (s) VALUES (1)');
    await using session = await server.openSession({}, never);
    await session.execute(`INSERT INTO ${schema.name}.t (s) VALUES (2)`, never);
    const names = found.map(({ name }) => name).join(', ');
    expect(await schema.application.run(`SELECT COUNT(*) AS n FROM (SELECT DISTINCT ${names} FROM t) AS one`)).toMatchObject([
      { n: 1 },
    ]);
  });

  test('reads types with all their figures', async () => {
    await using schema = await withTable(
      'CREATE TABLE t (n BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, d DECIMAL(12,3), b BIT(5), c VARCHAR(20) CHARACTER SET latin1, ' +
        "u CHAR(3) CHARACTER SET utf8mb4, x BINARY(4), m MEDIUMTEXT, ts TIMESTAMP(3) NULL, e ENUM('a','b,c','d''e','f\\\\g'), st SET('x','(')) " +
        'CHARACTER SET utf8mb4',
    );
    const columns = await columnsOf(schema);
    expect(columns.get('n')).toMatchObject({ dataType: 'bigint', isUnsigned: true, isAutoIncrement: true, isNullable: false });
    expect(columns.get('d')).toMatchObject({ dataType: 'decimal', precision: 12, scale: 3, length: null });
    expect(columns.get('b')).toMatchObject({ dataType: 'bit', precision: 5 });
    expect(columns.get('c')).toMatchObject({ charset: 'latin1', collation: 'latin1_swedish_ci', length: 20, octetLength: 20 });
    expect(columns.get('u')).toMatchObject({ charset: 'utf8mb4', length: 3, octetLength: 12 });
    expect(columns.get('x')).toMatchObject({ dataType: 'binary', charset: null, length: 4, octetLength: 4 });
    expect(columns.get('m')).toMatchObject({ dataType: 'mediumtext', octetLength: 16_777_215 });
    expect(columns.get('ts')).toMatchObject({ dataType: 'timestamp', fractionalDigits: 3, precision: 0 });
    expect(columns.get('e')?.members).toEqual(['a', 'b,c', "d'e", 'f\\g']);
    expect(columns.get('st')).toMatchObject({ dataType: 'set', members: ['x', '('], isUnsigned: false });
  });

  test('reads indexes with prefixes, directions and kinds', async () => {
    await using schema = await withTable(
      'CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20) NOT NULL, b INT, UNIQUE u (a, b), KEY k (a(3), b DESC), FULLTEXT f (a))',
    );
    const table = await read(schema);
    const shown = table?.indexes.map((index) => {
      const parts = index.parts.map((part) => `${part.column}${part.prefixLength ?? ''}${part.isDescending ? ' desc' : ''}`);
      return `${index.name} ${index.isUnique ? 'unique ' : ''}${index.type} ${parts.join(',')}`;
    });
    expect(shown).toEqual(['PRIMARY unique BTREE id', 'u unique BTREE a,b', 'k BTREE a3,b desc', 'f FULLTEXT a']);
  });

  test('knows the next AUTO_INCREMENT value, whatever the server has cached', async () => {
    await using schema = await withTable('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY)');
    expect((await read(schema))?.autoIncrement).toBe(1n);
    await schema.application.run('INSERT INTO t VALUES (41)');
    expect((await read(schema))?.autoIncrement).toBe(42n);
    await schema.application.run('ALTER TABLE t MODIFY id INT');
    expect((await read(schema))?.autoIncrement).toBeNull();
  });

  test('knows engine, partitions, foreign keys and options', async () => {
    await using schema = await withTable(
      'CREATE TABLE p (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2',
      'CREATE TABLE q (id INT PRIMARY KEY)',
      "CREATE TABLE t (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES q (id)) COMMENT 'PARTITION BY; AUTO_INCREMENT=7'",
    );
    expect(await read(schema, 'p')).toMatchObject({ isPartitioned: true, hasForeignKeys: false, engine: 'InnoDB' });
    expect(await read(schema)).toMatchObject({
      isPartitioned: false,
      hasForeignKeys: true,
      tableOptions: expect.stringMatching(/^ENGINE=InnoDB .* COMMENT='PARTITION BY; AUTO_INCREMENT=7'$/),
    });
  });

  test('knows CHECK constraints of the table and of a column, and takes nothing else for one', async () => {
    await using schema = await withTable(
      'CREATE TABLE t (id INT PRIMARY KEY, CONSTRAINT c CHECK (id > 0))',
      'CREATE TABLE c (id INT PRIMARY KEY CHECK (id > 0))',
      "CREATE TABLE n (id INT PRIMARY KEY COMMENT 'CHECK', `CHECK` INT, KEY `check` (`CHECK`)) CHECKSUM = 1",
    );
    expect(await read(schema)).toMatchObject({ hasChecks: true });
    expect(await read(schema, 'c')).toMatchObject({ hasChecks: true });
    expect(await read(schema, 'n')).toMatchObject({ hasChecks: false });
  });

  test('reads names and comments with any letters', async () => {
    await using schema = await withTable("CREATE TABLE `t` (`a``b` INT PRIMARY KEY COMMENT 'x\\ny'')', `größe (` INT)");
    const columns = await columnsOf(schema);
    expect([...columns.keys()]).toEqual(['a`b', 'größe (']);
    expect(columns.get('a`b')).toMatchObject({ definition: expect.stringContaining("COMMENT 'x\\ny'')'") });
  });

  test('has no views and nothing that does not exist', async () => {
    await using schema = await withTable('CREATE VIEW v AS SELECT 1 AS a');
    expect([await read(schema, 'v'), await read(schema, 'nothing')]).toEqual([null, null]);
  });

  test('describes key columns as row keys need them', async () => {
    await using schema = await withTable(
      'CREATE TABLE t (x INT, b BINARY(4), c VARCHAR(9) CHARACTER SET latin1, d DECIMAL(9,2), t TIME(3), PRIMARY KEY (t, c, b, d))',
    );
    const table = await read(schema);
    expect(table && keyColumns(table, ['t', 'c', 'b', 'd'])).toEqual([
      { name: 't', kind: 'time', ordinal: 4, isUnsigned: false, charset: null, fixedBytes: null, scale: 3, precision: 0 },
      { name: 'c', kind: 'text', ordinal: 2, isUnsigned: false, charset: 'latin1', fixedBytes: null, scale: 0, precision: 0 },
      { name: 'b', kind: 'binary', ordinal: 1, isUnsigned: false, charset: null, fixedBytes: 4, scale: 0, precision: 0 },
      { name: 'd', kind: 'decimal', ordinal: 3, isUnsigned: false, charset: null, fixedBytes: null, scale: 2, precision: 9 },
    ]);
  });
});

test('a generated invisible primary key is seen even where the server hides it', async () => {
  const url = sharedServer('mysql');
  await using server = await openAdapter(url);
  await using schema = await createSchema(url);
  await schema.application.run('SET sql_generate_invisible_primary_key = ON');
  await schema.application.run(`CREATE TABLE ${schema.name}.t (a INT)`);
  await using session = await server.openSession(
    { settings: ['show_gipk_in_create_table_and_information_schema = OFF'] },
    never,
  );
  const table = await readTable(session, { schema: schema.name, table: 't' }, never);
  expect(table?.columns.map((column) => `${column.ordinal} ${column.name}`)).toEqual(['0 my_row_id', '1 a']);
});
