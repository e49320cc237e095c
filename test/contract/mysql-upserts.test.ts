/** Rows that are changed in place on MySQL and MariaDB: keys at the ends of their range, and what must not be changed in place. */
import { expect, test } from 'vitest';
import { rowKey } from '../../src/mysql/row-key.ts';
import { createSchema, never, openAdapter } from '../support/adapter-server.ts';
import { claimTable } from '../support/claimed-table.ts';
import { sharedServer } from '../support/shared-servers.ts';
import { describeSideBySide } from '../support/side-by-side.ts';

describeSideBySide(['mysql', 'mariadb'], 'on', (flavour) => {
  const url = sharedServer(flavour);

  test.for([
    { type: 'TINYINT', keys: ['-128', '0', '127'] },
    { type: 'BIGINT', keys: ['-9223372036854775808', '-1', '9223372036854775807'] },
    { type: 'BIGINT UNSIGNED', keys: ['0', '1', '18446744073709551615'] },
  ])('a $type that holds the unique value of another row collides, whatever number it is', async ({ type, keys }) => {
    await using schema = await createSchema(url);
    await using server = await openAdapter(url);
    const { application, name } = schema;
    await application.run('SET SESSION sql_mode = CONCAT(@@sql_mode, ",NO_AUTO_VALUE_ON_ZERO")');
    await application.run(
      `CREATE TABLE ${name}.t (id ${type} NOT NULL AUTO_INCREMENT PRIMARY KEY, u INT NOT NULL UNIQUE, v VARCHAR(10))`,
    );
    const [first = '', second = '', third = ''] = keys;
    await application.run(`INSERT INTO ${name}.t VALUES (${first}, 1, 'a'), (${second}, 2, 'b'), (${third}, 3, 'c')`);
    await using orders = await claimTable(server, { schema: name, table: 't', clauses: 'MODIFY v VARCHAR(300)' });
    const { pair, plan } = orders;
    const shadow = `${name}.${plan.shadow.table}`;
    const upsert = (...some: readonly string[]): Promise<string> | undefined =>
      pair.upsertRows?.(
        some.map((one) => rowKey([one])),
        never,
      );
    expect(await upsert(...keys)).toBe('upserted');
    const before = await application.run(`SELECT * FROM ${shadow} ORDER BY id`);
    for (const [one, other] of [
      [first, third],
      [third, first],
      [second, first],
    ]) {
      await application.run(`DELETE FROM ${shadow} WHERE id = ${one}`);
      const [row] = await application.run(`SELECT u FROM ${name}.t WHERE id = ${one}`);
      await application.run(`UPDATE ${shadow} SET u = ${String(row?.['u'])} WHERE id = ${other}`);
      const held = await application.run(`SELECT * FROM ${shadow} ORDER BY id`);
      expect(await upsert(one ?? '')).toBe('collided');
      expect(await application.run(`SELECT * FROM ${shadow} ORDER BY id`)).toEqual(held);
      expect(await upsert(other ?? '')).toBe('upserted');
      expect(await upsert(one ?? '')).toBe('upserted');
      expect(await application.run(`SELECT * FROM ${shadow} ORDER BY id`)).toEqual(before);
    }
  });

  test('a new column that the server sets at each update is as a new row has it', async () => {
    await using schema = await createSchema(url);
    await using server = await openAdapter(url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.t (id INT PRIMARY KEY, v INT)`);
    await application.run(`INSERT INTO ${name}.t VALUES (1, 1), (2, 2)`);
    const clauses = 'ADD touched TIMESTAMP NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP';
    await using orders = await claimTable(server, { schema: name, table: 't', clauses });
    const { pair, plan } = orders;
    await application.run(`UPDATE ${name}.t SET v = 7 WHERE id = 1`);
    expect(await pair.upsertRows?.([rowKey(['1']), rowKey(['2'])], never)).toBe('upserted');
    expect(await application.run(`SELECT * FROM ${name}.${plan.shadow.table} ORDER BY id`)).toEqual([
      { id: 1, v: 7, touched: null },
      { id: 2, v: 2, touched: null },
    ]);
  });
});

describeSideBySide(['mysql', 'mariadb'], 'on', (flavour) => {
  test('rows that come before one that is there already are found by a full-text index', async () => {
    const url = sharedServer(flavour);
    await using schema = await createSchema(url);
    await using server = await openAdapter(url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.t (id INT PRIMARY KEY, v INT, x TEXT, FULLTEXT KEY f (x))`);
    await application.run(`INSERT INTO ${name}.t VALUES (2, 2, 'word')`);
    await using orders = await claimTable(server, { schema: name, table: 't', clauses: 'MODIFY v BIGINT' });
    const { pair, plan } = orders;
    await application.run(`INSERT INTO ${name}.t VALUES (1, 1, 'word'), (3, 3, 'word')`);
    expect(await pair.upsertRows?.([rowKey(['1']), rowKey(['2']), rowKey(['3'])], never)).toBe('upserted');
    const found = `SELECT id FROM ${name}.${plan.shadow.table} WHERE MATCH (x) AGAINST ('word') ORDER BY id`;
    expect(await application.run(found)).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  });

  test('a JSON value that is equal to the one before and written otherwise is carried over', async () => {
    const url = sharedServer(flavour);
    await using schema = await createSchema(url);
    await using server = await openAdapter(url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.t (id INT PRIMARY KEY, j JSON)`);
    await application.run(`INSERT INTO ${name}.t VALUES (1, '1'), (2, '{"a": [0]}')`);
    await using orders = await claimTable(server, { schema: name, table: 't', clauses: 'ADD COLUMN n INT' });
    const { pair, plan } = orders;
    const keys = [rowKey(['1']), rowKey(['2'])];
    expect(await pair.upsertRows?.(keys, never)).toBe('upserted');
    await application.run(`REPLACE INTO ${name}.t VALUES (1, '1.0'), (2, '{"a": [-0.0]}')`);
    expect(await pair.upsertRows?.(keys, never)).toBe('upserted');
    const shown = `SELECT CAST(j AS CHAR) AS j FROM ${name}.${plan.shadow.table} ORDER BY id`;
    expect(await application.run(shown)).toEqual([{ j: '1.0' }, { j: '{"a": [-0.0]}' }]);
  });
});

describeSideBySide(['mariadb'], 'on', (flavour) => {
  test('rows under a unique index over long text are deleted and inserted', async () => {
    const url = sharedServer(flavour);
    await using schema = await createSchema(url);
    await using server = await openAdapter(url);
    const { application, name } = schema;
    await application.run(`CREATE TABLE ${name}.t (id INT PRIMARY KEY, x TEXT)`);
    await application.run(`INSERT INTO ${name}.t VALUES (1, REPEAT('a', 5000)), (2, REPEAT('b', 5000))`);
    await using orders = await claimTable(server, { schema: name, table: 't', clauses: 'ADD UNIQUE (x)' });
    const { pair, plan } = orders;
    const shadow = `${name}.${plan.shadow.table}`;
    const keys = [rowKey(['1']), rowKey(['2'])];
    expect(await pair.upsertRows?.(keys, never)).toBe('upserted');
    await application.run(
      `CREATE TRIGGER ${name}.never BEFORE UPDATE ON ${shadow} FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'in place'`,
    );
    await application.run(`UPDATE ${name}.t SET x = REPEAT('c', 5000) WHERE id = 1`);
    expect(await pair.upsertRows?.(keys, never)).toBe('upserted');
    expect(await application.run(`SELECT id, LEFT(x, 1) AS x FROM ${shadow} ORDER BY id`)).toEqual([
      { id: 1, x: 'c' },
      { id: 2, x: 'b' },
    ]);
  });
});
