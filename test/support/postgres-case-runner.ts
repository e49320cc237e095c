/**
 * Runs a case folder against PostgreSQL. The judge is the server itself: the same statements in a second database, there with
 * the native ALTER, must give the same rows, letter by letter, and the same inventory of the table.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { cleanUp } from '../../src/index.ts';
import { tokenise } from '../../src/postgres/sql-tokens.ts';
import type { Case } from './case-folder.ts';
import { type CaseMigration, type MigratedTo, migrateDuringWrites } from './case-runner.ts';
import { openPostgresApplication, type PostgresApplication } from './postgres-adapter.ts';
import { postgresIndexFaults } from './index-faults.ts';
import { readPostgresTable, type PostgresTableContent } from './postgres-table-content.ts';

/** What there is in the end. */
export interface PostgresCaseOutcome {
  /** Null where there is none by that name. */
  readonly table: PostgresTableContent | null;
  /** Schemas, relations, types, publications and slots of the database after `cleanUp`, without the bookkeeping. */
  readonly left: readonly string[];
}

/** A case in two databases of its own: one to migrate, one for the native ALTER. Disposing drops both. */
export class PostgresCaseRun implements AsyncDisposable {
  readonly #item: Case;
  readonly #server: PostgresApplication;
  readonly #url: string;
  readonly #database: string;

  private constructor(url: string, item: Case, server: PostgresApplication) {
    this.#url = url;
    this.#item = item;
    this.#server = server;
    this.#database = `case_${randomBytes(4).toString('hex')}`;
  }

  static async prepare(url: string, item: Case): Promise<PostgresCaseRun> {
    const run = new PostgresCaseRun(url, item, await openPostgresApplication(url));
    try {
      for (const database of [run.#database, run.#nativeDatabase]) {
        // Quicker for a database as small as the template than to log each of its pages.
        await run.#server.run(`CREATE DATABASE ${database} STRATEGY file_copy`);
        if (run.#schema !== 'public') await run.#inSession(database, `CREATE SCHEMA ${quote(run.#schema)}`);
        await run.#inSession(database, item.before);
      }
    } catch (error) {
      await run[Symbol.asyncDispose]();
      throw error;
    }
    return run;
  }

  /** Migrates, while the writes of the case run, and cleans up. */
  async migrate(): Promise<MigratedTo<PostgresCaseOutcome>> {
    const { plans, ...came } = await this.#migrate();
    for (const plan of plans) await cleanUp({ url: this.#urlOf(this.#database), id: plan.id, isNow: true });
    return {
      ...came,
      outcome: { table: await this.#read(this.#database), left: await this.#objects(this.#database) },
    };
  }

  /**
   * The same in the other database with the server's own ALTER; without it where the case does not end with a swap. `item`: in place of
   * the case, with the same table.
   */
  async nativeOutcome(item: Case = this.#item): Promise<PostgresCaseOutcome> {
    const { refused, fails, writes, clauses } = item;
    if (refused === undefined) await this.#write(this.#nativeDatabase, writes);
    if (refused === undefined && fails === undefined) {
      const table = `${quote(this.#schema)}.${quote(this.#table)}`;
      await this.#inSession(this.#nativeDatabase, `ALTER TABLE ${table} ${clauses}`);
    }
    return { table: await this.#read(this.#nativeDatabase), left: await this.#objects(this.#nativeDatabase) };
  }

  /** Of all tables of the database that was migrated. */
  async indexFaults(): Promise<readonly string[]> {
    await using application = await openPostgresApplication(this.#urlOf(this.#database));
    return await postgresIndexFaults(application);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const database of [this.#database, this.#nativeDatabase]) {
      await this.#server.run(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    }
    await this.#server[Symbol.asyncDispose]();
  }

  /** A reader in an open transaction keeps the swap away until the writes are done. */
  async #migrate(): Promise<CaseMigration> {
    const { clauses, writes } = this.#item;
    const table = `${quote(this.#schema)}.${quote(this.#table)}`;
    await using gate = await openPostgresApplication(this.#urlOf(this.#database));
    if (writes !== '') await this.#closeGate(gate, table);
    const write = async (): Promise<void> => {
      try {
        await this.#write(this.#database, writes);
      } finally {
        await gate.run('ROLLBACK');
      }
    };
    return await migrateDuringWrites({
      url: this.#urlOf(this.#database),
      item: this.#item,
      changes: [{ alter: `ALTER TABLE ${table} ${clauses}` }],
      write,
    });
  }

  /** A lock keeps the swap from getting its own. A kept snapshot does so without a lock on the table: the swap waits for it. */
  async #closeGate(gate: PostgresApplication, table: string): Promise<void> {
    if (this.#item.gate === 'snapshot') await gate.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    else await gate.run(`BEGIN; LOCK TABLE ${table} IN ACCESS SHARE MODE`);
  }

  get #table(): string {
    return this.#item.table ?? 't';
  }

  get #schema(): string {
    return this.#item.schema ?? 'public';
  }

  get #nativeDatabase(): string {
    return `${this.#database}_native`;
  }

  #urlOf(database: string): string {
    const url = new URL(this.#url);
    url.pathname = `/${database}`;
    return url.href;
  }

  async #write(database: string, writes: string): Promise<void> {
    await this.#inSession(database, writes, this.#item.writesMayFail === true ? () => undefined : undefined);
  }

  /** Each statement by itself, as a client would send them: together they would be one transaction. */
  async #inSession(database: string, sql: string, onRefused?: () => void): Promise<void> {
    await using application = await openPostgresApplication(this.#urlOf(database));
    if (this.#schema !== 'public') await application.run(`SET search_path = ${quote(this.#schema)}, public`);
    for (const statement of statementsOf(sql)) {
      const ran = application.run(statement);
      await (onRefused === undefined ? ran : ran.catch(onRefused));
    }
  }

  async #read(database: string): Promise<PostgresTableContent | null> {
    await using application = await openPostgresApplication(this.#urlOf(database));
    const { values = [], inventory = [] } = this.#item.differs ?? {};
    const table = { schema: this.#schema, table: this.#table };
    return await readPostgresTable(application, table, { valuesLeftOut: values, subjectsLeftOut: inventory });
  }

  async #objects(database: string): Promise<readonly string[]> {
    await using application = await openPostgresApplication(this.#urlOf(database));
    const rows = await application.run(`
      SELECT format('schema %I', nspname) AS line FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^tableshift$'
      UNION ALL SELECT format('%s %I.%I', c.relkind, n.nspname, c.relname) FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_|^information_schema$|^tableshift$'
      UNION ALL SELECT format('type %I.%I', n.nspname, t.typname) FROM pg_type AS t
        JOIN pg_namespace AS n ON n.oid = t.typnamespace
        WHERE n.nspname !~ '^pg_|^information_schema$|^tableshift$' AND t.typtype IN ('e', 'd', 'r')
      UNION ALL SELECT format('publication %I', pubname) FROM pg_publication
      UNION ALL SELECT format('slot %I', slot_name) FROM pg_replication_slots WHERE database = current_database()
      UNION ALL SELECT format('prepared transaction %s', gid) FROM pg_prepared_xacts WHERE database = current_database()
      ORDER BY 1`);
    return rows.map((row) => row['line'] ?? '');
  }
}

/** Splits at semicolons that end a statement. */
function statementsOf(sql: string): readonly string[] {
  const statements: string[] = [];
  let start = 0;
  for (const token of tokenise(sql)) {
    if (token.kind !== 'symbol' || token.value !== ';' || token.depth > 0) continue;
    statements.push(sql.slice(start, token.start));
    start = token.end;
  }
  return [...statements, sql.slice(start)].filter((statement) => tokenise(statement).length > 0);
}

function quote(name: string): string {
  return pg.escapeIdentifier(name);
}
