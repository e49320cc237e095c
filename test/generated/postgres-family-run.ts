/** The databases of a family on PostgreSQL. */
import { randomBytes } from 'node:crypto';
import { postgresIndexFaults } from '../support/index-faults.ts';
import { openPostgresApplication, type PostgresApplication } from '../support/postgres-adapter.ts';
import { type PostgresTableContent, readPostgresTable } from '../support/postgres-table-content.ts';
import type { PlayingSession } from '../support/session-plays.ts';
import type { FamilyCase } from './family-case.ts';
import { HERE } from './family-traffic.ts';
import { FamilyRun, type FamilyServer, type Side } from './family-run.ts';

export async function preparePostgresFamily(url: string, item: FamilyCase): Promise<FamilyRun> {
  return await FamilyRun.prepare(item, new PostgresFamilyServer(url, item, await openPostgresApplication(url)));
}

class PostgresFamilyServer implements FamilyServer {
  readonly #url: string;
  readonly #item: FamilyCase;
  readonly #server: PostgresApplication;
  readonly #database = `family_${randomBytes(4).toString('hex')}`;

  constructor(url: string, item: FamilyCase, server: PostgresApplication) {
    this.#url = url;
    this.#item = item;
    this.#server = server;
  }

  async prepare(): Promise<void> {
    for (const side of ['ours', 'twin'] as const) {
      await this.#server.run(`CREATE DATABASE ${this.#databaseOf(side)} STRATEGY file_copy`);
      await this.#runAll(side, this.#item.before);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const side of ['ours', 'twin'] as const) {
      await this.#server.run(`DROP DATABASE IF EXISTS ${this.#databaseOf(side)} WITH (FORCE)`);
    }
    await this.#server[Symbol.asyncDispose]();
  }

  get url(): string {
    return this.#urlOf('ours');
  }

  nameOf(table: string): string {
    return `public.${table}`;
  }

  async open(side: Side): Promise<PlayingSession> {
    const application = await openPostgresApplication(this.#urlOf(side));
    return {
      run: (sql) => application.run(sql.replaceAll(HERE, this.#databaseOf(side))),
      meaningOf,
      [Symbol.asyncDispose]: () => application[Symbol.asyncDispose](),
    };
  }

  async alterTwin(): Promise<void> {
    const { changes, native } = this.#item;
    const altered = changes.map(({ table, clauses }) => `ALTER TABLE ${table} ${clauses}`);
    await this.#runAll('twin', native.statements ?? altered);
  }

  async read(side: Side): Promise<unknown> {
    await using application = await openPostgresApplication(this.#urlOf(side));
    const { isOfRows = false } = this.#item.native;
    const relations = await application.run(`
      SELECT c.relkind, c.relispartition, n.nspname AS schema, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
       WHERE n.nspname !~ '^pg_|^information_schema$|^tableshift$' ORDER BY 3, 4, 1`);
    const content: Record<string, unknown> = {};
    for (const { relkind, relispartition, schema, relname } of relations) {
      const name = `${schema ?? ''}.${relname ?? ''}`;
      const isTable = relkind === 'r' || relkind === 'p';
      if (!isTable && isOfRows) continue;
      const leftOut = { valuesLeftOut: [], subjectsLeftOut: [] };
      const read = isTable
        ? await readPostgresTable(application, { schema: schema ?? '', table: relname ?? '' }, leftOut)
        : relkind;
      if (read === null || read === undefined || typeof read === 'string') content[name] = read;
      else if (isOfRows) content[name] = read.rows;
      else content[name] = relispartition === 't' ? asAttached(read) : read;
    }
    const slots = await application.run(
      'SELECT slot_name AS line FROM pg_replication_slots WHERE database = current_database() UNION ALL SELECT pubname FROM pg_publication ORDER BY 1',
    );
    return { ...content, slots: slots.map((row) => row['line']) };
  }

  async indexFaults(): Promise<readonly string[]> {
    await using application = await openPostgresApplication(this.#urlOf('ours'));
    return await postgresIndexFaults(application);
  }

  async #runAll(side: Side, statements: readonly string[]): Promise<void> {
    await using application = await openPostgresApplication(this.#urlOf(side));
    for (const sql of statements) await application.run(sql);
  }

  #databaseOf(side: Side): string {
    return side === 'ours' ? this.#database : `${this.#database}_twin`;
  }

  #urlOf(side: Side): string {
    const url = new URL(this.#url);
    url.pathname = `/${this.#databaseOf(side)}`;
    return url.href;
  }
}

/** Unique keys of a partition that was made as one count as inherited on by its own, of one that was attached not; none of both can be. */
function asAttached(read: PostgresTableContent): PostgresTableContent {
  const { constraints = [] } = read.inventory;
  const alike = constraints.map((line) => line.replace(/^(\S+ \| [pu] .*\)) \| f \| /, '$1 | t | '));
  return { ...read, inventory: { ...read.inventory, constraints: alike } };
}

/** Integrity, and what was sent in a transaction that has failed by it, or to commit one that was not prepared because of that. */
const refused = /^(?:23...|25P02|22003|22001|42704)$/;
/** Serialization failures and deadlocks. */
const repeated = /^40/;

function meaningOf(error: unknown): ReturnType<PlayingSession['meaningOf']> {
  const code = (error as { readonly code?: string }).code ?? 'none';
  if (repeated.test(code)) return { meaning: 'repeat', code };
  return { meaning: refused.test(code) ? 'refused' : 'unexpected', code };
}
