/**
 * Runs a case folder against MySQL or MariaDB. The judge is the server itself: the same statements on a second database, there
 * with the native ALTER, must give the same rows, byte for byte, and the same SHOW CREATE TABLE.
 */
import { randomBytes } from 'node:crypto';
import mysql from 'mysql2/promise';
import { cleanUp } from '../../src/index.ts';
import type { Case } from './case-folder.ts';
import { type CaseMigration, type MigratedTo, migrateDuringWrites, withoutValues } from './case-runner.ts';
import { dropSchema } from './drop-schema.ts';
import { mysqlIndexFaults } from './index-faults.ts';
import { readTable, type TableContent } from './table-content.ts';

/** What there is in the end. */
export interface CaseOutcome {
  /** Null where there is none by that name. */
  readonly table: TableContent | null;
  /** Tables and views of the database after `cleanUp`. */
  readonly tablesLeft: readonly string[];
}

/** A case on two databases of its own: one to migrate, one for the native ALTER. Disposing drops both. */
export class CaseRun implements AsyncDisposable {
  readonly #url: string;
  readonly #item: Case;
  readonly #schema: string;
  readonly #connections: mysql.Connection[] = [];

  private constructor(url: string, item: Case) {
    this.#url = url;
    this.#item = item;
    this.#schema = `${item.schema ?? 'case'}_${randomBytes(4).toString('hex')}`;
  }

  static async prepare(url: string, item: Case): Promise<CaseRun> {
    const run = new CaseRun(url, item);
    try {
      const connection = await run.#connect();
      for (const schema of [run.#schema, run.#nativeSchema]) {
        await connection.query(`CREATE DATABASE ${quote(schema)} DEFAULT CHARACTER SET utf8mb4`);
        await run.#inSession(schema, item.before);
      }
    } catch (error) {
      await run[Symbol.asyncDispose]();
      throw error;
    }
    return run;
  }

  /** Migrates, while the writes of the case run, and cleans up. */
  async migrate(): Promise<MigratedTo<CaseOutcome>> {
    const { plans, ...came } = await this.#migrate();
    const table = await this.#read(this.#schema);
    for (const plan of plans) await cleanUp({ url: this.#url, id: plan.id, isNow: true });
    return { ...came, outcome: { table, tablesLeft: await this.#tables(this.#schema) } };
  }

  /**
   * The same on the other database with the server's own ALTER; without it where the case does not end with a swap. `item`: in place of
   * the case, with the same table.
   */
  async nativeOutcome(item: Case = this.#item): Promise<CaseOutcome> {
    const { refused, fails, writes, clauses, nativeSqlMode = usualSqlMode } = item;
    if (refused === undefined) await this.#write(this.#nativeSchema, writes);
    if (refused === undefined && fails === undefined) {
      const session = `SET SESSION sql_mode = '${nativeSqlMode}'`;
      await this.#inSession(this.#nativeSchema, `${session}; ALTER TABLE ${quote(this.#table)} ${clauses}`);
    }
    return { table: await this.#read(this.#nativeSchema), tablesLeft: await this.#tables(this.#nativeSchema) };
  }

  /** Of all tables of the database that was migrated. */
  async indexFaults(): Promise<readonly string[]> {
    return await mysqlIndexFaults(await this.#connect(), this.#schema);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connection = await this.#connect();
    for (const schema of [this.#schema, this.#nativeSchema]) await dropSchema((sql) => connection.query(sql), schema);
    await Promise.all(this.#connections.map((open) => open.end()));
  }

  /** A reader in an open transaction keeps the swap away until the writes are done. */
  async #migrate(): Promise<CaseMigration> {
    const { clauses, writes } = this.#item;
    const gate = await this.#connect();
    if (writes !== '')
      await gate.query(`START TRANSACTION; SELECT 1 FROM ${quote(this.#schema)}.${quote(this.#table)} LIMIT 1`);
    const write = async (): Promise<void> => {
      try {
        await this.#write(this.#schema, writes);
      } finally {
        await gate.query('ROLLBACK');
      }
    };
    const alter = `ALTER TABLE ${quote(this.#schema)}.${quote(this.#table)} ${clauses}`;
    const migrated = await migrateDuringWrites({ url: this.#url, item: this.#item, changes: [{ alter }], write });
    await gate.query('ROLLBACK');
    return migrated;
  }

  get #table(): string {
    return this.#item.table ?? 't';
  }

  get #nativeSchema(): string {
    return `${this.#schema}_native`;
  }

  /** Up to the first statement that the server refuses, where one may be. */
  async #write(schema: string, writes: string): Promise<void> {
    const connection = await this.#connect();
    await connection.query(`USE ${quote(schema)}`);
    if (writes === '') return;
    try {
      await connection.query(writes);
    } catch (error) {
      if (this.#item.writesMayFail !== true) throw error;
      await connection.query('ROLLBACK');
    }
  }

  async #inSession(schema: string, sql: string): Promise<void> {
    const connection = await this.#connect();
    await connection.query(`USE ${quote(schema)}`);
    if (sql !== '') await connection.query(sql);
  }

  async #read(schema: string): Promise<TableContent | null> {
    if (!(await this.#tables(schema)).includes(`${this.#table} (BASE TABLE)`)) return null;
    const content = await readTable(await this.#connect(), schema, this.#table);
    const triggers = await this.#triggers(schema);
    const definition = [content.definition, ...triggers].join(';\n').replaceAll(quote(schema), '`schema`');
    const { checkNames = false, values = [] } = this.#item.differs ?? {};
    if (checkNames) return { ...content, definition: withoutCheckNames(definition) };
    if (values.length === 0) return { ...content, definition };
    return {
      definition: definition.replace(/ AUTO_INCREMENT=\d+/, ''),
      rows: content.rows.map((row) => withoutValues(row, values)).sort(),
    };
  }

  async #tables(schema: string): Promise<readonly string[]> {
    const connection = await this.#connect();
    const [rows] = await connection.query<mysql.RowDataPacket[]>(
      'SELECT table_name AS name, table_type AS type FROM information_schema.tables WHERE table_schema = ? ORDER BY 1',
      [schema],
    );
    return rows.map((row) => `${row['name']} (${row['type']})`);
  }

  /** SHOW CREATE TRIGGER of all that the table has, in the order in which they fire, with what they are run with. */
  async #triggers(schema: string): Promise<readonly string[]> {
    const connection = await this.#connect();
    const [rows] = await connection.query<mysql.RowDataPacket[]>(
      `SELECT trigger_name AS name FROM information_schema.triggers WHERE event_object_schema = ? AND event_object_table = ?
       ORDER BY event_manipulation, action_timing, action_order`,
      [schema, this.#table],
    );
    const shown: string[] = [];
    for (const { name } of rows) {
      const [created] = await connection.query<mysql.RowDataPacket[]>(
        `SHOW CREATE TRIGGER ${quote(schema)}.${quote(String(name))}`,
      );
      const told = Object.entries(created[0] ?? {}).filter(([what]) => what !== 'Created');
      shown.push(told.map(([what, value]) => `${what}: ${String(value)}`).join(', '));
    }
    return shown;
  }

  async #connect(): Promise<mysql.Connection> {
    const { hostname, port, username, password } = new URL(this.#url);
    const connection = await mysql.createConnection({
      host: hostname,
      port: Number(port),
      user: username,
      password,
      charset: 'utf8mb4',
      multipleStatements: true,
      flags: ['-IGNORE_SPACE', '-FOUND_ROWS'],
    });
    this.#connections.push(connection);
    return connection;
  }
}

/** The server lists them in the order of their names, which go. */
function withoutCheckNames(definition: string): string {
  const nameless = definition.split(/,?\n/).map((line) => line.replace(/^ *CONSTRAINT `[^`]*` CHECK/, '  CHECK'));
  return nameless.sort().join('\n');
}

/** Strict, and taking the dates that tables already hold. */
const usualSqlMode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO';

function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
