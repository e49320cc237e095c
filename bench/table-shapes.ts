/** The tables of the benches, in SQL: sysbench's, and a narrow and a wide one. In each, the column `k` becomes a BIGINT. */
import type { Flavour } from '../test/support/servers.ts';
import type { Native } from './table.ts';

/** What is said in SQL of a table of so many rows. */
export interface TableText {
  /** Makes `base`, which has all rows. */
  readonly create: readonly string[];
  /** Makes `t` from `base`, and drops what a contender may have left. */
  readonly restore: readonly string[];
  readonly alter: string;
  readonly natives: readonly Native[];
}

export type TableShape = (flavour: Flavour, rows: number) => TableText;

/** What a row has beside `id` and `k`: fixed texts, so that every row is as large. */
interface Filling {
  readonly texts: readonly { readonly name: string; readonly length: number }[];
}

/** Its row: 4 + 4 + 120 + 60 bytes and what the server adds; an index on `k`. */
export const SYSBENCH: TableShape = shapeOf({
  texts: [
    { name: 'c', length: 120 },
    { name: 'pad', length: 60 },
  ],
});

/** A quarter of sysbench's row. */
export const NARROW: TableShape = shapeOf({ texts: [{ name: 'c', length: 16 }] });

/** Four times sysbench's row. */
export const WIDE: TableShape = shapeOf({
  texts: ['c', 'd', 'e', 'f', 'g', 'h'].map((name) => ({ name, length: 120 })),
});

function shapeOf(filling: Filling): TableShape {
  return (flavour, rows) => (flavour === 'postgres' ? postgresText(filling, rows) : mysqlText(filling, rows));
}

function columnsOf({ texts }: Filling): string {
  return ['id', 'k', ...texts.map(({ name }) => name)].join(', ');
}

function bodyOf({ texts }: Filling, type: string, key: string): string {
  const columns = texts.map(({ length, name }) => `, ${name} CHAR(${length}) NOT NULL DEFAULT ''`);
  return `(id INT NOT NULL PRIMARY KEY, k ${type} NOT NULL DEFAULT 0${columns.join('')}${key})`;
}

/** Logs of every table that was made would fill the disk. For the present session. */
const notLogged = 'SET SESSION sql_log_bin = 0';
const mysqlDigits = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

function mysqlText(filling: Filling, rows: number): TableText {
  const columns = columnsOf(filling);
  const texts = filling.texts.map(({ length }, place) => `LEFT(REPEAT(SHA2(n + ${place}, 256), 2), ${length - 1})`);
  const numbers = `SELECT 1 + ${mysqlDigits.map((name, place) => `${name}.d * ${10 ** place}`).join(' + ')} AS n
    FROM ${mysqlDigits.map((name) => `digits AS ${name}`).join(', ')}`;
  return {
    create: [
      notLogged,
      'CREATE TABLE digits (d INT PRIMARY KEY)',
      'INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)',
      `CREATE TABLE base ${bodyOf(filling, 'INT', ', KEY k (k)')} ENGINE=InnoDB`,
      `INSERT INTO base (${columns}) SELECT n, n * 7919 % ${rows}, ${texts.join(', ')}
       FROM (${numbers}) AS numbers WHERE n <= ${rows} ORDER BY n`,
    ],
    restore: [
      notLogged,
      'FLUSH BINARY LOGS',
      'PURGE BINARY LOGS BEFORE NOW()',
      'DROP TABLE IF EXISTS t, _t_old, _t_new, plain',
      'CREATE TABLE t LIKE base',
      `INSERT INTO t (${columns}) SELECT ${columns} FROM base`,
      'ANALYZE TABLE t',
    ],
    alter: 'MODIFY k BIGINT NOT NULL DEFAULT 0',
    natives: [
      {
        name: 'native ALTER, copying',
        isReference: true,
        statements: ['ALTER TABLE t MODIFY k BIGINT NOT NULL DEFAULT 0, ALGORITHM=COPY'],
      },
      { name: 'native rebuild in place (FORCE)', isReference: false, statements: ['ALTER TABLE t FORCE, ALGORITHM=INPLACE'] },
      {
        name: 'INSERT … SELECT, then the index',
        isReference: false,
        statements: [
          `CREATE TABLE plain ${bodyOf(filling, 'BIGINT', '')} ENGINE=InnoDB`,
          `INSERT INTO plain (${columns}) SELECT ${columns} FROM t`,
          'ALTER TABLE plain ADD KEY k (k)',
        ],
      },
    ],
  };
}

function postgresText(filling: Filling, rows: number): TableText {
  const columns = columnsOf(filling);
  const texts = filling.texts.map(({ length }, place) => `left(repeat(md5((n + ${place})::text), 4), ${length - 1})`);
  return {
    create: [
      `CREATE TABLE base ${bodyOf(filling, 'INT', '')}`,
      `INSERT INTO base (${columns}) SELECT n, n::bigint * 7919 % ${rows}, ${texts.join(', ')}
       FROM generate_series(1, ${rows}) AS n`,
    ],
    restore: [
      'DROP TABLE IF EXISTS t, plain',
      'CREATE TABLE t (LIKE base INCLUDING ALL)',
      `INSERT INTO t (${columns}) SELECT ${columns} FROM base`,
      'CREATE INDEX t_k ON t (k)',
      'VACUUM (ANALYZE) t',
      'CHECKPOINT',
    ],
    alter: 'ALTER COLUMN k TYPE bigint',
    natives: [
      { name: 'native ALTER', isReference: true, statements: ['ALTER TABLE t ALTER COLUMN k TYPE bigint'] },
      { name: 'VACUUM FULL', isReference: false, statements: ['VACUUM FULL t'] },
      {
        name: 'INSERT … SELECT, then the index',
        isReference: false,
        statements: [
          `CREATE TABLE plain ${bodyOf(filling, 'BIGINT', '')}`,
          `INSERT INTO plain (${columns}) SELECT ${columns} FROM t`,
          'CREATE INDEX ON plain (k)',
        ],
      },
    ],
  };
}
