/** The databases of a family on MySQL or MariaDB. */
import { randomBytes } from 'node:crypto';
import mysql from 'mysql2/promise';
import { mysqlIndexFaults } from '../support/index-faults.ts';
import { dropSchema } from '../support/drop-schema.ts';
import type { PlayingSession } from '../support/session-plays.ts';
import { readTable } from '../support/table-content.ts';
import { applicationConnection } from '../support/traffic-mysql.ts';
import type { FamilyCase } from './family-case.ts';
import { HERE } from './family-traffic.ts';
import { FamilyRun, type FamilyServer, type Side } from './family-run.ts';

type Row = mysql.RowDataPacket;

export async function prepareMysqlFamily(url: string, item: FamilyCase): Promise<FamilyRun> {
  return await FamilyRun.prepare(item, new MysqlFamilyServer(url, item));
}

class MysqlFamilyServer implements FamilyServer {
  readonly url: string;
  readonly #item: FamilyCase;
  readonly #schema = `family_${randomBytes(4).toString('hex')}`;

  constructor(url: string, item: FamilyCase) {
    this.url = url;
    this.#item = item;
  }

  async prepare(): Promise<void> {
    for (const side of ['ours', 'twin'] as const) {
      await this.#withConnection(async (connection) => {
        await connection.query(`CREATE DATABASE ${this.#schemaOf(side)} DEFAULT CHARACTER SET utf8mb4`);
        await connection.query(`USE ${this.#schemaOf(side)}`);
        for (const sql of this.#item.before) await connection.query(sql);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#withConnection(async (connection) => {
      for (const side of ['ours', 'twin'] as const) await dropSchema((sql) => connection.query(sql), this.#schemaOf(side));
    });
  }

  nameOf(table: string): string {
    return `${this.#schema}.${table}`;
  }

  async open(side: Side): Promise<PlayingSession> {
    const connection = await mysql.createConnection({ ...applicationConnection(this.url), database: this.#schemaOf(side) });
    return {
      run: (sql) => connection.query(sql.replaceAll(HERE, this.#schemaOf(side))),
      meaningOf,
      [Symbol.asyncDispose]: () => connection.end(),
    };
  }

  /** The server changes no column that a key joins. */
  async alterTwin(): Promise<void> {
    const { changes, native } = this.#item;
    await this.#withConnection(async (connection) => {
      await connection.query(`USE ${this.#schemaOf('twin')}; SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'`);
      const keys = await this.#keys(connection);
      for (const { table, name } of keys) await connection.query(`ALTER TABLE \`${table}\` DROP FOREIGN KEY ${name}`);
      if (native.statements !== undefined) for (const sql of native.statements) await connection.query(sql);
      else for (const { table, clauses } of changes) await connection.query(`ALTER TABLE \`${table}\` ${clauses}`);
      for (const { table, sql } of keys) await connection.query(`ALTER TABLE \`${table}\` ADD ${this.#renamed(table, sql)}`);
    });
  }

  async read(side: Side): Promise<unknown> {
    return await this.#withConnection(async (connection) => {
      const content: Record<string, unknown> = {};
      const schema = this.#schemaOf(side);
      for (const table of await this.#tables(connection, schema)) {
        const { definition, rows } = await readTable(connection, schema, table);
        const { isOfRows = false } = this.#item.native;
        content[table] = { definition: isOfRows ? '' : definition.replaceAll(`\`${schema}\``, '`schema`').split('\n'), rows };
      }
      const [triggers] = await connection.query<Row[]>(
        'SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS t, ACTION_STATEMENT AS s FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ? ORDER BY 1',
        [schema],
      );
      return { ...content, triggers: triggers.map((row) => `${String(row['name'])} ${String(row['t'])} ${String(row['s'])}`) };
    });
  }

  async indexFaults(): Promise<readonly string[]> {
    const { changes, gate } = this.#item;
    const isWritten = (table: string): boolean => gate === null || changes.every((change) => change.table !== table);
    return await this.#withConnection((connection) => mysqlIndexFaults(connection, this.#schemaOf('ours'), isWritten));
  }

  async #tables(connection: mysql.Connection, schema: string): Promise<readonly string[]> {
    const [rows] = await connection.query<Row[]>(
      'SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY 1',
      [schema],
    );
    return rows.map((row) => String(row['name']));
  }

  /** As SHOW CREATE TABLE has them. */
  async #keys(connection: mysql.Connection): Promise<readonly { table: string; name: string; sql: string }[]> {
    const all: { table: string; name: string; sql: string }[] = [];
    for (const table of await this.#tables(connection, this.#schemaOf('twin'))) {
      const [rows] = await connection.query<Row[]>(`SHOW CREATE TABLE \`${table}\``);
      const found = String(rows[0]?.['Create Table']).match(/CONSTRAINT `\w+` FOREIGN KEY .*[^,\n]/g) ?? [];
      for (const sql of found) all.push({ table, name: /`\w+`/.exec(sql)?.[0] ?? '', sql });
    }
    return all;
  }

  #renamed(table: string, sql: string): string {
    const { renamed = {} } = this.#item.native;
    const [, own = '', parent = '', theirs = '', rest = ''] = /^(.*) REFERENCES `(\w+)` (\([^)]*\))(.*)$/.exec(sql) ?? [];
    const named = (text: string, of: string): string =>
      Object.entries(renamed[of] ?? {}).reduce((changed, [from, to]) => changed.replaceAll(`\`${from}\``, `\`${to}\``), text);
    return `${named(own, table)} REFERENCES \`${parent}\` ${named(theirs, parent)}${rest}`;
  }

  #schemaOf(side: Side): string {
    return side === 'ours' ? this.#schema : `${this.#schema}_twin`;
  }

  /** A new one each time: reading sets the session. */
  async #withConnection<Result>(work: (connection: mysql.Connection) => Promise<Result>): Promise<Result> {
    const connection = await mysql.createConnection({ ...applicationConnection(this.url), multipleStatements: true });
    try {
      return await work(connection);
    } finally {
      await connection.end();
    }
  }
}

/** Duplicates, NULLs and values that do not fit. */
const refused = new Set([1062, 1048, 1264, 1406, 1526]);
/** Deadlocks, locks that were not got, both within XA, too, and on MariaDB rows that have changed since the snapshot. */
const repeated = new Set([1213, 1205, 1020, 1613, 1614]);
/**
 * Keys, which docs/tables.md says may refuse too much for a moment. Where one refuses, and another goes round without end (6575), the
 * error is a matter of their order.
 */
const ofKeys = new Set([1451, 1452, 1761, 1762, 6575]);

function meaningOf(error: unknown): ReturnType<PlayingSession['meaningOf']> {
  const { errno = 0 } = error as { readonly errno?: number };
  const code = String(errno);
  if (repeated.has(errno)) return { meaning: 'repeat', code };
  if (ofKeys.has(errno)) return { meaning: 'while-swapping', code: 'key' };
  return { meaning: refused.has(errno) ? 'refused' : 'unexpected', code };
}
