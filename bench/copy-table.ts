/** The table of the copy bench: sysbench's, whose column `k` becomes a BIGINT. Everything that is said in SQL. */
import { runSql } from '../test/support/server-process.ts';
import type { Flavour, Server } from '../test/support/servers.ts';

/** How a server without a tool does such a change, or a part of it. */
export interface Native {
  readonly name: string;
  /** What the ratios are to. */
  readonly isReference: boolean;
  readonly statements: readonly string[];
}

interface Dialect {
  /** Rows come from `numbers`, whose `n` is 1 and up. */
  readonly create: (rows: number) => readonly string[];
  /** `t` again, as it was made first. */
  readonly restore: readonly string[];
  readonly clauses: string;
  readonly natives: readonly Native[];
  /** So that a private server is no smaller than the table. */
  readonly flags: readonly string[];
}

const columns = 'id, k, c, pad';
const shape = (type: string, key: string): string =>
  `(id INT NOT NULL PRIMARY KEY, k ${type} NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT ''${key})`;

const mysqlDigits = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const mysqlNatives: readonly Native[] = [
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
      `CREATE TABLE plain ${shape('BIGINT', '')} ENGINE=InnoDB`,
      `INSERT INTO plain (${columns}) SELECT ${columns} FROM t`,
      'ALTER TABLE plain ADD KEY k (k)',
    ],
  },
];

const mysql: Dialect = {
  create: (rows) => [
    'CREATE TABLE digits (d INT PRIMARY KEY)',
    'INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)',
    `CREATE TABLE base ${shape('INT', ', KEY k (k)')} ENGINE=InnoDB`,
    `INSERT INTO base (${columns}) SELECT n, n * 7919 % ${rows}, LEFT(REPEAT(SHA2(n, 256), 2), 119), LEFT(SHA2(-n, 256), 59)
     FROM (SELECT 1 + ${mysqlDigits.map((name, index) => `${name}.d * ${10 ** index}`).join(' + ')} AS n
           FROM ${mysqlDigits.map((name) => `digits AS ${name}`).join(', ')}) AS numbers WHERE n <= ${rows} ORDER BY n`,
  ],
  restore: [
    'DROP TABLE IF EXISTS t, plain',
    'CREATE TABLE t LIKE base',
    `INSERT INTO t (${columns}) SELECT ${columns} FROM base`,
    'ANALYZE TABLE t',
  ],
  clauses: 'MODIFY k BIGINT NOT NULL DEFAULT 0',
  natives: mysqlNatives,
  flags: ['--innodb-buffer-pool-size=1G', '--innodb-redo-log-capacity=1G'],
};

const dialects: Readonly<Record<Flavour, Dialect>> = {
  mysql,
  mariadb: { ...mysql, flags: ['--innodb-buffer-pool-size=1G', '--innodb-log-file-size=1G'] },
  postgres: {
    create: (rows) => [
      `CREATE TABLE base ${shape('INT', '')}`,
      `INSERT INTO base (${columns}) SELECT n, n::bigint * 7919 % ${rows}, left(repeat(md5(n::text), 4), 119), left(repeat(md5((-n)::text), 2), 59)
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
    clauses: 'ALTER COLUMN k TYPE bigint',
    natives: [
      { name: 'native ALTER', isReference: true, statements: ['ALTER TABLE t ALTER COLUMN k TYPE bigint'] },
      { name: 'VACUUM FULL', isReference: false, statements: ['VACUUM FULL t'] },
      {
        name: 'INSERT … SELECT, then the index',
        isReference: false,
        statements: [
          `CREATE TABLE plain ${shape('BIGINT', '')}`,
          `INSERT INTO plain (${columns}) SELECT ${columns} FROM t`,
          'CREATE INDEX ON plain (k)',
        ],
      },
    ],
    flags: [
      ...['--shared-buffers=1GB', '--max-wal-size=4GB', '--maintenance-work-mem=256MB', '--autovacuum=off'],
      '--max-connections=100',
    ],
  },
};

/** The table on a server of its own. */
export interface CopyTable {
  /** With the database in its path. */
  readonly url: string;
  /** Schema and name. */
  readonly name: string;
  readonly clauses: string;
  readonly natives: readonly Native[];
  /** Makes `t` as it was first. */
  restore(): Promise<void>;
  run(statements: readonly string[]): Promise<void>;
}

/** Flags of the private server. */
export function flagsFor(flavour: Flavour): readonly string[] {
  return dialects[flavour].flags;
}

/** Fills the base table. */
export async function createCopyTable(server: Server, rows: number): Promise<CopyTable> {
  const { clauses, create, natives, restore } = dialects[server.flavour];
  const isPostgres = server.flavour === 'postgres';
  const first = isPostgres ? [] : ['CREATE DATABASE IF NOT EXISTS bench', 'USE bench'];
  const run = async (statements: readonly string[]): Promise<void> => {
    await runSql(server, ...first, ...statements);
  };
  await run(create(rows));
  return {
    url: isPostgres ? server.url : `${server.url}bench`,
    name: isPostgres ? 'public.t' : 'bench.t',
    clauses,
    natives,
    restore: () => run(restore),
    run,
  };
}
