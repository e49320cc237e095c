/** A table to be changed by each contender, made as it was before each time; and how the server would change it by itself. */
import { setTimeout as delay } from 'node:timers/promises';
import { startServer, type Flavour, type Server } from '../test/support/servers.ts';
import type { PostgresVersion } from '../test/support/postgres-software.ts';
import { withApplication } from '../test/support/traffic-dialect.ts';
import { SYSBENCH, type TableShape } from './table-shapes.ts';

/** How a server without a tool does such a change, or a part of it. */
export interface Native {
  readonly name: string;
  /** What the ratios are to. */
  readonly isReference: boolean;
  readonly statements: readonly string[];
}

/** The table, in a schema (PostgreSQL: or database) that holds nothing else. */
export interface BenchTable {
  readonly flavour: Flavour;
  /** With the database in its path; may hold a password. */
  readonly url: string;
  /** Null for a server that is not on this machine. */
  readonly serverPid: number | null;
  readonly schema: string;
  readonly table: string;
  readonly rows: number;
  readonly alter: string;
  readonly natives: readonly Native[];
  /** Makes the table as it was first. */
  restore(): Promise<void>;
  /** One after another, in one session whose default schema is the table's. */
  run(statements: readonly string[]): Promise<readonly Record<string, unknown>[]>;
}

/** A table that is gone with its server when it is disposed. */
export interface PrivateTable extends BenchTable, AsyncDisposable {
  readonly server: Server;
  /** The server's flags, for the record. */
  readonly flags: readonly string[];
}

/** What to make. */
export interface PrivateTableOptions {
  readonly flavour: Flavour;
  readonly version: PostgresVersion;
  readonly rows: number;
  readonly shape?: TableShape;
  /** Memory of the server for pages, MiB. */
  readonly poolMib?: number;
}

/** Flags of a private server that is no smaller than the table. */
export function benchFlags(flavour: Flavour, poolMib = 2048): readonly string[] {
  switch (flavour) {
    case 'mysql':
      return [`--innodb-buffer-pool-size=${poolMib}M`, '--innodb-redo-log-capacity=4G'];
    case 'mariadb':
      return [`--innodb-buffer-pool-size=${poolMib}M`, '--innodb-log-file-size=4G'];
    case 'postgres':
      return [
        `--shared-buffers=${poolMib}MB`,
        '--max-wal-size=4GB',
        '--min-wal-size=4GB',
        '--maintenance-work-mem=256MB',
        '--autovacuum=off',
        '--max-connections=100',
      ];
  }
}

/** Starts a server and fills the table that the others are made from; `restore` has to be called before the first use. */
export async function createPrivateTable(options: PrivateTableOptions): Promise<PrivateTable> {
  const { flavour, version, rows, poolMib, shape = SYSBENCH } = options;
  const flags = benchFlags(flavour, poolMib);
  const server = await startServer({ flavour, version, extraFlags: flags });
  const { alter, create, natives, restore } = shape(flavour, rows);
  const url = flavour === 'postgres' ? server.url : `${server.url}bench`;
  const run = (statements: readonly string[]): Promise<readonly Record<string, unknown>[]> =>
    runIn(url, flavour === 'postgres' ? null : 'bench', statements);
  try {
    if (flavour !== 'postgres') await runIn(url, null, ['CREATE DATABASE bench']);
    await run(create);
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return {
    server,
    flags,
    flavour,
    url,
    get serverPid() {
      return server.pid;
    },
    schema: flavour === 'postgres' ? 'public' : 'bench',
    table: 't',
    rows,
    alter,
    natives,
    async restore() {
      await run(restore);
      if (flavour !== 'postgres') await settle(url);
    },
    run,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const settledPages = 100;
const settlePollMs = 100;
const settlePace = 20_000;
const settleMs = 120_000;

/**
 * Waits until what was just written is on the disk, as CHECKPOINT does on PostgreSQL: else the first contender's time has the
 * writing of its own table in it. Resolves too when that does not end.
 */
async function settle(url: string): Promise<void> {
  await withApplication(url, async (connection) => {
    const { rows: settings } = await connection.query(
      `SELECT @@innodb_max_dirty_pages_pct AS high, @@innodb_max_dirty_pages_pct_lwm AS low,
         @@innodb_io_capacity AS pace, @@innodb_io_capacity_max AS pace_max`,
    );
    const { high, low, pace, pace_max: paceMax } = settings[0] ?? {};
    const setLimits = async (high: unknown, low: unknown): Promise<void> => {
      await connection.query(`SET GLOBAL innodb_max_dirty_pages_pct_lwm = ${Number(low)}`);
      await connection.query(`SET GLOBAL innodb_max_dirty_pages_pct = ${Number(high)}`);
      await connection.query(`SET GLOBAL innodb_max_dirty_pages_pct_lwm = ${Number(low)}`);
    };
    // Pages a second: MariaDB keeps to 200 otherwise.
    await connection.query(`SET GLOBAL innodb_io_capacity_max = ${settlePace}, innodb_io_capacity = ${settlePace}`);
    await setLimits(0, 0);
    for (const until = performance.now() + settleMs; performance.now() < until; await delay(settlePollMs)) {
      const { rows } = await connection.query("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'");
      if (Number(rows[0]?.['Value']) <= settledPages) break;
    }
    await setLimits(high, low);
    await connection.query(`SET GLOBAL innodb_io_capacity = ${Number(pace)}, innodb_io_capacity_max = ${Number(paceMax)}`);
  });
}

/** Runs statements in one session, and gives the rows of the last. */
export async function runIn(
  url: string,
  schema: string | null,
  statements: readonly string[],
): Promise<readonly Record<string, unknown>[]> {
  return await withApplication(url, async (connection) => {
    if (schema !== null)
      await connection.query(url.startsWith('postgres') ? `SET search_path TO ${schema}, public` : `USE ${schema}`);
    let rows: readonly Record<string, unknown>[] = [];
    for (const statement of statements) ({ rows } = await connection.query(statement));
    return rows;
  });
}

/** `schema.table`, as the tool and most others want it. */
export function nameOf({ schema, table }: Pick<BenchTable, 'schema' | 'table'>): string {
  return `${schema}.${table}`;
}

/** Kind and version of the server. */
export async function serverText(flavour: Flavour, url: string): Promise<string> {
  const name = { mysql: 'MySQL', mariadb: 'MariaDB', postgres: 'PostgreSQL' }[flavour];
  const [row] = await runIn(url, null, ['SELECT VERSION() AS version']);
  const version = String(row?.['version']).replace('PostgreSQL ', '');
  return `${name} ${/^[\d.]+/.exec(version)?.[0] ?? version}`;
}
