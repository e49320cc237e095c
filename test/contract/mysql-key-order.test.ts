/** The order of row keys in JavaScript is the server's own. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RowKey } from '../../src/engine/model.ts';
import { keyColumns, readTable } from '../../src/mysql/catalog.ts';
import { compareKeysFor } from '../../src/mysql/row-key-order.ts';
import { keyTextExpression, literalFromText, rowKey } from '../../src/mysql/row-key.ts';
import { createSchema, never, openAdapter } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';

const bytes = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((values) => `X'${Buffer.from(values).toString('hex')}'`);
const two = (number: number): string => String(number).padStart(2, '0');
const moment = fc
  .tuple(
    fc.integer({ min: 0, max: 9999 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 28 }),
    fc.nat(23),
    fc.nat(999),
  )
  .map(
    ([year, month, day, hour, ms]) =>
      `'${String(year).padStart(4, '0')}-${two(month)}-${two(day)} ${two(hour)}:00:00.${String(ms).padStart(3, '0')}'`,
  );
const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat(999))
  .map(([whole, part]) => `${whole}.${String(part).padStart(3, '0')}`);
const near = <Value>(arbitrary: fc.Arbitrary<Value>, ...edges: readonly Value[]): fc.Arbitrary<Value> =>
  fc.oneof(arbitrary, fc.constantFrom(...edges));

/** A column's type, and literals of its values. */
const kinds: readonly (readonly [string, string, fc.Arbitrary<string>])[] = [
  [
    'signed integers',
    'BIGINT',
    near(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), -1n, 0n, 1n, 999999999999999n, 1000000000000000n).map(String),
  ],
  [
    'unsigned integers',
    'BIGINT UNSIGNED',
    near(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), 9007199254740992n, 9007199254740993n).map(String),
  ],
  ['filled-up integers', 'INT(7) ZEROFILL', fc.nat(99_999_999).map(String)],
  ['bits', 'BIT(64)', fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)],
  ['years', 'YEAR', near(fc.integer({ min: 1901, max: 2155 }), 0).map(String)],
  ['decimals', 'DECIMAL(30,3)', near(decimal, '-0.5', '0', '0.001', '-0.001', '99999999999.999')],
  ['bytes of any length', 'VARBINARY(6)', bytes(6)],
  ['bytes of one length', 'BINARY(4)', bytes(4)],
  [
    'dates',
    'DATE',
    near(
      moment.map((text) => `${text.slice(0, 11)}'`),
      "'0000-00-00'",
      "'2026-00-00'",
    ),
  ],
  ['moments', 'DATETIME(3)', near(moment, "'0000-00-00 00:00:00.000'")],
];

for (const flavour of ['mysql', 'mariadb'] as const) {
  test.each([
    ...kinds.map(([name, type, literal]) => [name, [type], literal.map((text) => [text])] as const),
    ...kinds.map(
      ([name, type, literal]) =>
        [
          `${name} behind others`,
          ['TINYINT', type, 'VARBINARY(6)'],
          fc.tuple(
            fc.integer({ min: -1, max: 1 }).map(String),
            fc.oneof(literal, fc.constant(fc.sample(literal, { numRuns: 1, seed: 1 })[0] ?? '0')),
            bytes(1),
          ),
        ] as const,
    ),
  ])(`on ${flavour} %s are ordered as the server does`, async (_name, types, values) => {
    const url = sharedServer(flavour);
    await using server = await openAdapter(url);
    await using schema = await createSchema(url);
    const names = types.map((_type, place) => `c${place}`);
    const definitions = types.map((type, place) => `c${place} ${type} NOT NULL`).join(', ');
    await using session = await server.openSession({}, never);
    await session.execute(`CREATE TABLE ${schema.name}.t (${definitions}, PRIMARY KEY (${names.join(', ')}))`, never);
    const rows = fc.sample(values, { numRuns: 400, seed: 20_261_121 });
    await session.execute(
      `INSERT IGNORE INTO ${schema.name}.t VALUES ${rows.map((row) => `(${row.join(', ')})`).join(', ')}`,
      never,
    );
    const table = await readTable(session, { schema: schema.name, table: 't' }, never);
    if (table === null) throw new Error('The table is gone.');
    const columns = keyColumns(table, names);
    const selected = columns.map((column, place) => `${keyTextExpression(column, '')} AS k${place}`).join(', ');
    const found = await session.query(`SELECT ${selected} FROM ${schema.name}.t ORDER BY ${names.join(', ')}`, never);
    const keys = found.map((row) => rowKey(columns.map((column, place) => literalFromText(column, row[`k${place}`] ?? ''))));
    const compare = compareKeysFor(columns);
    expect(keys.length).toBeGreaterThan(50);
    expect(compare && outOfOrder(keys, compare)).toEqual([]);
  });
}

/** Neighbours that the comparison does not put in this order, in both directions, and keys that differ from themselves. */
function outOfOrder(keys: readonly RowKey[], compare: (a: RowKey, b: RowKey) => number): readonly string[] {
  const wrong: string[] = [];
  for (const [place, key] of keys.entries()) {
    if (compare(key, key) !== 0) wrong.push(key);
    for (const later of [keys[place + 1], keys[place + 17]]) {
      if (later !== undefined && !(compare(key, later) < 0 && compare(later, key) > 0)) wrong.push(`${key} ${later}`);
    }
  }
  return wrong;
}

test.each(['VARCHAR(9)', "ENUM('a')", "SET('a')", 'TIME'])('the order of %s is left to the server', async (type) => {
  const url = sharedServer('mysql');
  await using server = await openAdapter(url);
  await using schema = await createSchema(url);
  await schema.application.run(`CREATE TABLE ${schema.name}.t (a INT, b ${type}, PRIMARY KEY (a, b))`);
  await using session = await server.openSession({}, never);
  const table = await readTable(session, { schema: schema.name, table: 't' }, never);
  expect(table && compareKeysFor(keyColumns(table, ['a', 'b']))).toBeUndefined();
});
