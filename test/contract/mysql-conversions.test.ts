/**
 * What the planner says about conversions, held against the server: INSERT … SELECT into the new type, with our sql_mode and no
 * warning allowed, against the server's own ALTER TABLE.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTable, type Column } from '../../src/mysql/catalog.ts';
import { isWithoutNotes, judgeConversion, typeFamily, type ConversionSetting } from '../../src/mysql/conversions.ts';
import type { Server } from '../../src/mysql/server.ts';
import type { Session } from '../../src/mysql/session.ts';
import { valueWarning } from '../../src/mysql/unconvertible.ts';
import { createSchema, never, openAdapter, type TestSchema } from '../support/adapter-server.ts';
import { sharedServer } from '../support/shared-servers.ts';

/** Types, by a short name, with values as literals: the edges, and what is known to go wrong somewhere. */
const types: readonly (readonly [type: string, values: readonly string[]])[] = [
  ['TINYINT', ['-128', '127', '0']],
  ['INT', ['-1', '2147483647', '16777217', '5', '20260101']],
  ['INT UNSIGNED', ['0', '4294967295']],
  ['INT(6) ZEROFILL', ['42', '1234567']],
  ['BIGINT', ['9223372036854775807', '-9007199254740993']],
  ['BIGINT UNSIGNED', ['18446744073709551615', '1']],
  ['DECIMAL(10,3)', ['1.235', '-0.500', '2.000', '9999999.999']],
  ['DECIMAL(10,2)', ['1.25', '-0.01']],
  ['DECIMAL(30,10)', ['1234567890123456789.1234567891']],
  ['FLOAT', ['1.1', '16777216', '3.4e38', '-0.5']],
  ['FLOAT(7,2)', ['1.25', '12345.67']],
  ['DOUBLE', ['1.1', '1e300', '-0.5', '0.1']],
  ['DOUBLE UNSIGNED', ['1.5']],
  ['BIT(8)', ["b'1111'", "b'11111111'"]],
  ['BIT(3)', ["b'101'"]],
  ['YEAR', ['2026', '0']],
  ['VARCHAR(10)', ["'abc'", "'ab  '", "''", "'1.6'", "'12 '", "'é'", "'日本'"]],
  ['VARCHAR(3)', ["'ab '", "'12'"]],
  ['VARCHAR(300)', ["REPEAT('x', 280)", "'2026-01-01'", "'2026-01-01 10:11:12.7'", "'A'", "'b,a'", "'[1, 2]'", "'1e3'"]],
  ['VARCHAR(10) CHARACTER SET latin1', ["'é'"]],
  ['VARCHAR(10) CHARACTER SET utf8mb3', ["'日'"]],
  ['VARCHAR(10) CHARACTER SET ascii', ["'abc'"]],
  ['VARCHAR(10) COLLATE utf8mb4_bin', ["'A'"]],
  ['CHAR(10)', ["'ab'", "'abcdefghij'"]],
  ['CHAR(3)', ["'ab'"]],
  ['TINYTEXT', ["'ab  '"]],
  ['TEXT', ["REPEAT('x', 300)", "'ab '", "'12'"]],
  ['MEDIUMTEXT', ["REPEAT('x', 70000)"]],
  ['TEXT CHARACTER SET latin1', ["REPEAT('é', 300)"]],
  ['BINARY(3)', ["X'616263'", "X'610000'"]],
  ['BINARY(5)', ["X'6162630000'"]],
  ['VARBINARY(9)', ["X'61'", "X'6100'", "X'FF'", "X'C3A9'"]],
  ['TINYBLOB', ["X'6162'"]],
  ['MEDIUMBLOB', ["REPEAT(X'61', 300)", "REPEAT(X'61', 70000)"]],
  ["ENUM('a','b','c')", ["'a'", "'c'"]],
  ["ENUM('c','b','a','d')", ["'a'", "'d'"]],
  ["ENUM('b','c')", ["'b'"]],
  ["ENUM('A','b','c')", ["'b'"]],
  ["SET('a','b','c')", ["'a,c'", "''"]],
  ["SET('c','b','a')", ["'a,c'"]],
  ['DATE', ["'2026-01-01'", "'0000-00-00'"]],
  ['TIME', ["'-10:00:00'", "'838:59:59'"]],
  ['TIME(3)', ["'10:00:00.600'"]],
  ['DATETIME', ["'2026-01-01 10:00:00'", "'0000-00-00 00:00:00'", "'1960-01-01 00:00:00'"]],
  ['DATETIME(6)', ["'2026-01-01 00:00:00.600000'", "'2026-01-01 00:00:00'"]],
  ['TIMESTAMP NULL', ["'2026-01-01 10:00:00'"]],
  ['TIMESTAMP(3) NULL', ["'2026-01-01 10:00:00.123'"]],
  ['JSON', ['\'{"b": 1, "a": [1.0]}\'']],
  ['POINT', ["ST_GeomFromText('POINT(1 2)')"]],
  ['GEOMETRY', ["ST_GeomFromText('LINESTRING(1 2,3 4)')", "ST_GeomFromText('POINT(1 2)')"]],
];

const ofMariaDb: typeof types = [
  ['UUID', ["'123e4567-e89b-12d3-a456-426655440000'"]],
  ['CHAR(36)', ["'123E4567-e89b-12d3-a456-426655440000'", "'nope'"]],
  ['BINARY(16)', ["X'123e4567e89b12d3a456426655440000'"]],
  ['INET4', ["'1.2.3.4'"]],
  ['INET6', ["'::1'"]],
  ['VARCHAR(300) COMPRESSED', ["REPEAT('x', 280)"]],
  ['BLOB COMPRESSED', ["REPEAT(X'61', 280)"]],
];
const ofMySql: typeof types = [
  ['VECTOR(2)', ["TO_VECTOR('[1,2]')"]],
  ['VECTOR(3)', ["TO_VECTOR('[1,2,3]')"]],
];

describe.each(['mysql', 'mariadb'] as const)('a conversion on %s', (flavour) => {
  const url = sharedServer(flavour);
  const all = [...types, ...(flavour === 'mysql' ? ofMySql : ofMariaDb)];
  const setting: ConversionSetting = { isMariaDb: flavour === 'mariadb', isServerUtc: true, hasExplicitTimestamps: true };
  let server: Server;
  beforeAll(async () => {
    server = await openAdapter(url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const prepare = async (schema: TestSchema, session: Session): Promise<readonly Column[]> => {
    await session.execute(`USE ${schema.name}`, never);
    const columns = all.map(([type], place) => `c${place} ${type}`).join(', ');
    await session.execute(`CREATE TABLE t (${columns}) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci`, never);
    const table = await readTable(session, { schema: schema.name, table: 't' }, never);
    return table?.columns ?? [];
  };

  test('that is not refused gives what the ALTER gives, or is rejected', async () => {
    await using schema = await createSchema(url);
    await using session = await server.openSession({}, never);
    const columns = await prepare(schema, session);
    const wrong: string[] = [];
    let judged = 0;
    for (const [place, [from, values]] of all.entries()) {
      for (const [target, [to]] of all.entries()) {
        const [source, shadow] = [columns[place], columns[target]];
        if (source === undefined || shadow === undefined || place === target) continue;
        const conversion = judgeConversion(source, shadow, setting);
        if (conversion.kind === 'refused') continue;
        judged += 1;
        const isOpaque = [source, shadow].some((column) => ['geometry', 'vector'].includes(typeFamily(column) ?? ''));
        const isKept = conversion.kind !== 'changing';
        const pair = { from, to, values, isKept, isOpaque, equality: isOpaque ? inBytes : equalityOf(source, shadow) };
        wrong.push(...(await faultsOf(session, pair)));
      }
    }
    expect(wrong).toEqual([]);
    expect(judged).toBeGreaterThan(400);
  });

  test('that is said to give no notes gives none: each value is taken or rejected', async () => {
    await using schema = await createSchema(url);
    await using session = await server.openSession({}, never);
    const columns = await prepare(schema, session);
    const noted: string[] = [];
    const outcomes = { taken: 0, rejected: 0 };
    for (const [place, [from, values]] of all.entries()) {
      for (const [target, [to]] of all.entries()) {
        const [source, shadow] = [columns[place], columns[target]];
        if (source === undefined || shadow === undefined || !isWithoutNotes(source, shadow)) continue;
        await fill(session, { from, to, values });
        for (const id of values.keys()) {
          const outcome = await copyOne(session, id);
          if (outcome === 'noted') noted.push(`${values[id]} of ${from} to ${to}`);
          else outcomes[outcome] += 1;
        }
      }
    }
    expect(noted).toEqual([]);
    expect(outcomes.taken).toBeGreaterThan(100);
    expect(outcomes.rejected).toBeGreaterThan(5);
  });
});

interface Pair {
  readonly from: string;
  readonly to: string;
  readonly values: readonly string[];
  /** Each value that is copied must be the same as before. */
  readonly isKept: boolean;
  /** Values that have no text. */
  readonly isOpaque: boolean;
  /** Condition for `s.v` and `d.v` to hold the same. */
  readonly equality: string;
}

/** Makes the tables s, with the values, and d. */
async function fill(session: Session, { from, to, values }: Pick<Pair, 'from' | 'to' | 'values'>): Promise<void> {
  await session.execute('DROP TEMPORARY TABLE IF EXISTS s, d', never);
  await session.execute(`CREATE TEMPORARY TABLE s (id INT PRIMARY KEY, v ${from}) ${options}`, never);
  await session.execute(`CREATE TEMPORARY TABLE d (id INT PRIMARY KEY, v ${to}) ${options}`, never);
  await session.execute(`INSERT INTO s VALUES ${values.map((value, id) => `(${id}, ${value})`).join(', ')}`, never);
}

const options = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci';

/** Copies each value by itself from s to d, alters the same values in n, and says which are not as they should be. */
async function faultsOf(session: Session, { from, to, values, isKept, isOpaque, equality }: Pair): Promise<readonly string[]> {
  await fill(session, { from, to, values });
  await session.execute('DROP TEMPORARY TABLE IF EXISTS n', never);
  await session.execute(`CREATE TEMPORARY TABLE n (id INT PRIMARY KEY, v ${from}) ${options}`, never);
  for (const id of values.keys()) {
    if ((await copyOne(session, id)) !== 'taken') continue;
    await session.execute(`INSERT INTO n SELECT id, v FROM s WHERE id = ${id}`, never);
  }
  const pair = `${from} to ${to}`;
  try {
    await session.execute(`ALTER TABLE n MODIFY v ${to}`, never);
  } catch (error) {
    return [`${pair}: copied what the ALTER rejects: ${String(error)}`];
  }
  const value = (table: string): string => (isOpaque ? `HEX(${table}.v)` : `HEX(CONCAT(${table}.v))`);
  const text = (table: string): string => `LEFT(${value(table)}, 60)`;
  const rows = await session.query(
    `SELECT s.id, ${equality} AS is_kept, ${value('d')} = ${value('n')} AS is_altered_alike, ${text('d')} AS copied, ${text('n')} AS altered
    FROM s JOIN d ON d.id = s.id JOIN n ON n.id = s.id`,
    never,
  );
  return rows
    .filter((row) => row['is_altered_alike'] !== '1' || (isKept && row['is_kept'] !== '1'))
    .map((row) => `${pair}: ${values[Number(row['id'])]} became ${row['copied']}, and ${row['altered']} by the ALTER`);
}

/** Copies one value from s to d. `noted`: the server took it and warned, which stops a migration; it is taken out again. */
async function copyOne(session: Session, id: number): Promise<'taken' | 'noted' | 'rejected'> {
  try {
    const { warnings } = await session.execute(`INSERT INTO d SELECT id, v FROM s WHERE id = ${id}`, never);
    if ((await valueWarning(session, warnings, never)) === null) return 'taken';
    await session.execute(`DELETE FROM d WHERE id = ${id}`, never);
    return 'noted';
  } catch {
    return 'rejected';
  }
}

const inBytes = 'HEX(s.v) = HEX(d.v)';

/** Numbers and times are compared as the server does, all others letter by letter or byte by byte. */
function equalityOf(source: Column, shadow: Column): string {
  const families = [typeFamily(source), typeFamily(shadow)];
  const isText = families.some(
    (family) => family !== null && ['text', 'binary', 'enum', 'set', 'json', 'uuid', 'inet4', 'inet6'].includes(family),
  );
  const inText = (table: string): string => `CAST(${table}.v AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin`;
  return isText ? `(${inText('s')} = ${inText('d')} OR ${inBytes})` : 's.v = d.v';
}
