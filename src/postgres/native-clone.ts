/**
 * An empty clone of a table on which statements are tried and watched: what the server would do to the rows, without any. All of
 * it happens in one transaction that is rolled back. Tables that are referred to are cloned too, for to try a foreign key on a
 * real one would lock it.
 */

import type { TableName } from '../engine/model.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { readReferences } from './native-clauses.ts';
import { withDefaultPath, withDefaults } from './search-path.ts';
import type { Session } from './session.ts';
import { makeCopy } from './shadow.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** What the server does to all rows, while writers or all others wait. */
export type RowWork = 'rewrite' | 'index' | 'scan';

/** The clone, inside a transaction that its user ends. Takes ACCESS SHARE on the source and on the tables that are referred to. */
export class NativeClone {
  /** The clone itself. */
  readonly table: TableName;
  readonly #session: Session;
  readonly #source: TableDescription;
  /** By the name of the table that is referred to. */
  readonly #referred = new Map<string, string>();
  #savepoints = 0;
  #taken = 0;

  private constructor(session: Session, source: TableDescription) {
    this.#session = session;
    this.#source = source;
    this.table = { schema: `tableshift_probe_${session.pid}`, table: source.table };
  }

  /** Null where a foreign key refers to a table that cannot be cloned. Inside a transaction. */
  static async make(session: Session, source: TableDescription, signal: AbortSignal): Promise<NativeClone | null> {
    const clone = new NativeClone(session, source);
    await session.execute(`CREATE SCHEMA ${quoteName(clone.table.schema)}`, signal);
    await makeCopy(session, source, clone.table.schema, signal);
    for (const { name, definition } of source.constraints.filter(({ type }) => type === 'f')) {
      const added = await clone.retarget(`ADD CONSTRAINT ${quoteName(name)} ${definition}`, signal);
      if (added === null) return null;
      await session.execute(`ALTER TABLE ${quoteTable(clone.table)} ${added}`, signal);
    }
    return clone;
  }

  /**
   * The statement with each table that it refers to replaced by its clone; a name that is nobody's stays. Null where one cannot be
   * cloned. What is met for the first time is cloned now: not behind a savepoint.
   */
  async retarget(statement: string, signal: AbortSignal): Promise<string | null> {
    let text = statement;
    for (const { start, end, text: name } of readReferences(statement).toReversed()) {
      const clone = await this.#cloneOf(name, signal);
      if (clone === null) return null;
      text = text.slice(0, start) + clone + text.slice(end);
    }
    return text;
  }

  /** Runs statements with the names that the user would find, and says what the server did to all rows. */
  async watch(statements: readonly string[], signal: AbortSignal): Promise<ReadonlySet<RowWork>> {
    const before = await this.#files(signal);
    const seen = new Set<RowWork>();
    for (const statement of statements) {
      const notices = await this.#runSpeaking(statement, signal);
      for (const notice of notices) {
        const work = rowWorkOf(notice);
        if (work !== null) seen.add(work);
      }
    }
    const after = await this.#files(signal);
    // What has a file that was not there before has been written.
    if (after.table !== before.table) seen.add('rewrite');
    if (after.indexes.some((file) => !before.indexes.includes(file))) seen.add('index');
    return seen;
  }

  /** The clone as it is now; oid and sizes mean nothing. */
  async read(signal: AbortSignal): Promise<TableDescription | null> {
    const read = await readTable(this.#session, this.table, signal);
    return read === null ? null : { ...read, oid: 0, estimatedRows: 0, dataBytes: 0, indexBytes: 0 };
  }

  /** Works, and undoes on the server what was done, also where it rejects. */
  async undone<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const { signal: always } = new AbortController();
    this.#savepoints += 1;
    const savepoint = `tableshift_${this.#savepoints}`;
    await this.#session.execute(`SAVEPOINT ${savepoint}`, signal);
    try {
      return await work();
    } finally {
      // A broken session has no savepoint any more.
      await this.#session.execute(`ROLLBACK TO SAVEPOINT ${savepoint}`, always).catch(() => undefined);
    }
  }

  /**
   * Which of these names for constraints and indexes something else in the source's schema has. They are then taken beside the
   * clone as well, so that the server chooses among the rest as it would there.
   */
  async take(names: readonly string[], signal: AbortSignal): Promise<boolean> {
    if (names.length === 0) return false;
    const list = names.map(quoteText).join(', ');
    const schema = quoteText(quoteName(this.#source.schema));
    const clone = quoteText(quoteName(this.table.schema));
    const isFree = (other: string): string => `NOT EXISTS (${other} = ${clone}::pg_catalog.regnamespace)`;
    const rows = await this.#session.query(
      `SELECT 'relation' AS kind, c.relname AS name FROM pg_class AS c
        WHERE c.relnamespace = ${schema}::pg_catalog.regnamespace AND c.relname IN (${list})
          AND ${isFree('SELECT FROM pg_class AS o WHERE o.relname = c.relname AND o.relnamespace')}
       UNION SELECT 'constraint', k.conname FROM pg_constraint AS k
        WHERE k.connamespace = ${schema}::pg_catalog.regnamespace AND k.conname IN (${list}) AND k.conrelid <> ${this.#source.oid}
          AND ${isFree('SELECT FROM pg_constraint AS o WHERE o.conname = k.conname AND o.connamespace')}`,
      signal,
    );
    for (const row of rows) {
      this.#taken += 1;
      const name = row['name'] ?? '';
      const isRelation = row['kind'] === 'relation';
      const table = isRelation ? name : `tableshift_taken_${this.#taken}`;
      const parts = isRelation ? '' : `CONSTRAINT ${quoteName(name)} CHECK (true)`;
      await this.#session.execute(`CREATE TABLE ${quoteTable({ ...this.table, table })} (${parts})`, signal);
    }
    return rows.length > 0;
  }

  async #runSpeaking(statement: string, signal: AbortSignal): Promise<readonly string[]> {
    let notices: readonly string[] = [];
    const work = async (): Promise<void> => {
      await this.#session.execute('SET LOCAL client_min_messages = debug1', signal);
      ({ notices } = await this.#session.execute(statement, signal));
      await this.#session.execute('SET LOCAL client_min_messages = notice', signal);
    };
    await withDefaults(this.#session, work, signal);
    return notices;
  }

  async #files(signal: AbortSignal): Promise<{ readonly table: string; readonly indexes: readonly string[] }> {
    const oid = `${quoteText(quoteTable(this.table))}::pg_catalog.regclass`;
    const [row] = await this.#session.query(
      `SELECT pg_relation_filenode(${oid}) AS own, ARRAY(SELECT pg_relation_filenode(indexrelid)::text FROM pg_index
         WHERE indrelid = ${oid} AND pg_relation_filenode(indexrelid) IS NOT NULL)::text AS indexes`,
      signal,
    );
    const indexes = (row?.['indexes'] ?? '{}').slice(1, -1).split(',');
    return { table: row?.['own'] ?? '', indexes: indexes.filter((file) => file !== '') };
  }

  /** As SQL. The name itself where nothing has it; null where that is no plain table. */
  async #cloneOf(name: string, signal: AbortSignal): Promise<string | null> {
    let [found, isPlain] = ['', true];
    await withDefaultPath(
      this.#session,
      async () => {
        const [row] = await this.#session.query(
          `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, c.relkind = 'r' AS is_plain
             FROM pg_catalog.pg_class AS c
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             WHERE c.oid = pg_catalog.to_regclass(${quoteText(name)})`,
          signal,
        );
        found = row?.['name'] ?? '';
        isPlain = row?.['is_plain'] !== 'f';
      },
      signal,
    );
    if (!isPlain) return null;
    if (found === '') return name;
    const [own] = await this.#session.query(
      `SELECT ${quoteText(found)}::pg_catalog.regclass::pg_catalog.oid = ${this.#source.oid} AS is_own`,
      signal,
    );
    if (own?.['is_own'] === 't') return quoteTable(this.table);
    const known = this.#referred.get(found);
    if (known !== undefined) return known;
    const clone = quoteTable({ ...this.table, table: `tableshift_referred_${this.#referred.size}` });
    await this.#session.execute(`CREATE TABLE ${clone} (LIKE ${found} INCLUDING INDEXES)`, signal);
    this.#referred.set(found, clone);
    return clone;
  }
}

/** The server's messages for its developers, which are in English whatever its language. */
function rowWorkOf(notice: string): RowWork | null {
  if (/: rewriting table "/.test(notice)) return 'rewrite';
  if (/: (?:verifying table|validating foreign key constraint) "/.test(notice)) return 'scan';
  return /: building index "(?!pg_toast_)/.test(notice) ? 'index' : null;
}
