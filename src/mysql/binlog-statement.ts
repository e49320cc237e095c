/**
 * What a statement in the log means for the source. Statements are logged as text when they define something, when they bound a
 * transaction, and when a session logs its writes as statements instead of rows.
 */

import type { TableName } from '../engine/model.ts';
import { isIndexStatement } from './binlog-index-statement.ts';
import { isSameInAnyCase, lowerCase } from './name-case.ts';
import { tokenise, UnfinishedSqlError, type Token, type TokenOptions } from './sql-tokens.ts';

/** A statement in the log, with what its session had set. */
export interface LoggedStatement extends TokenOptions {
  readonly sql: string;
  /** The default database. */
  readonly schema: string;
  /** sql_mode ANSI_QUOTES: double quotes hold names. */
  readonly hasAnsiQuotes: boolean;
}

/** A write that was logged as a statement and does not name the source. */
export interface DistantWrite {
  readonly sql: string;
  /** It can reach the source only through a function that it calls. */
  readonly isByFunction: boolean;
}

/** What to look for. */
export interface StatementTarget {
  readonly source: TableName;
  /** Null: there is none. */
  readonly shadow?: TableName | null;
  /** lower_case_table_names=0: `T` and `t` are two tables. */
  readonly areNamesCaseSensitive: boolean;
}

/**
 * `changes-source`: it defines, empties, renames or drops the source; `changes-indexes`: only indexes of it, none that is told to be
 * unique. `writes-source`: a write, logged as a statement, to the source, or
 * to what cannot be told where the source is named. `writes-elsewhere`: one to another table, or that does not name the source, but may
 * reach it through a trigger, a view, a function or a foreign key. `calls-elsewhere`: it makes a table out of what a query gives, and can
 * reach the source only through a function that the query calls (MariaDB). `empties-shadow`: TRUNCATE, or an ALTER by which rows go with
 * their partition, which we never send.
 */
export type StatementMeaning =
  | { readonly kind: 'begin' | 'commit' | 'rollback' | 'rollback-to-savepoint' | 'harmless' }
  | { readonly kind: 'xa'; readonly action: 'start' | 'commit' | 'rollback' | 'other'; readonly xid: string }
  | {
      readonly kind:
        | 'changes-source'
        | 'changes-indexes'
        | 'writes-source'
        | 'writes-elsewhere'
        | 'calls-elsewhere'
        | 'empties-shadow';
    };

/** Judges a statement. In doubt it is held against the statement, as far as the source's own name goes. */
export function judgeStatement(statement: LoggedStatement, target: StatementTarget): StatementMeaning {
  try {
    return new StatementReader(statement, target).judge();
  } catch (error) {
    // The server has read it, so it has an end; we have not understood where.
    if (!(error instanceof UnfinishedSqlError)) throw error;
    const isNamed = lowerCase(statement.sql).includes(lowerCase(target.source.table));
    return { kind: isNamed ? 'changes-source' : 'harmless' };
  }
}

const NOT_ASCII = /[\u0080-\uffff]/;

/** Statements that write rows, or call what may. */
const WRITES: ReadonlySet<string> = new Set([
  'INSERT',
  'REPLACE',
  'UPDATE',
  'DELETE',
  'LOAD',
  'WITH',
  'CALL',
  'SELECT',
  'DO',
  'VALUES',
]);
/** Statements that define things which are no tables, or change no definition. */
const HARMLESS: ReadonlySet<string> = new Set([
  'ANALYZE',
  'CHECK',
  'FLUSH',
  'GRANT',
  'INSTALL',
  'OPTIMIZE',
  'RELEASE',
  'REPAIR',
  'RESET',
  'REVOKE',
  'SAVEPOINT',
  'SET',
  'UNINSTALL',
]);

/** A table as a statement names it. */
interface NamedTable {
  readonly schema?: string | undefined;
  readonly table: string;
}

class StatementReader {
  readonly #tokens: readonly Token[];
  readonly #statement: LoggedStatement;
  readonly #target: StatementTarget;
  #at = 0;
  /** Where the statement itself begins. */
  #from = 0;

  constructor(statement: LoggedStatement, target: StatementTarget) {
    this.#tokens = tokenise(statement.sql, statement);
    this.#statement = statement;
    this.#target = target;
  }

  judge(): StatementMeaning {
    if (this.#skip('SET', 'STATEMENT')) this.#skipThrough('FOR');
    this.#from = this.#at;
    this.#skipAnalyze();
    while (this.#skipSymbol('(')) continue;
    const verb = this.#nextKeyword();
    switch (verb) {
      case 'BEGIN':
        return { kind: 'begin' };
      case 'START':
        return { kind: this.#skip('TRANSACTION') ? 'begin' : 'harmless' };
      case 'COMMIT':
        return { kind: 'commit' };
      case 'ROLLBACK':
        return {
          kind: this.#tokens.some((_, index) => this.#keywordAt(index) === 'TO') ? 'rollback-to-savepoint' : 'rollback',
        };
      case 'XA':
        return this.#judgeXa();
      case 'ALTER':
        return this.#takesRowsOfShadow() ? { kind: 'empties-shadow' } : this.#judgeIf(this.#alters());
      case 'CREATE':
        if (this.#creates()) return this.#judgeIf(true);
        return { kind: this.#makesTableOfQuery() ? 'calls-elsewhere' : 'harmless' };
      case 'DROP':
        return this.#judgeIf(this.#drops());
      case 'RENAME':
        return this.#judgeIf(this.#skipAny('TABLE', 'TABLES') && this.#namesSource(this.#at));
      case 'TRUNCATE':
        this.#skip('TABLE');
        return this.#truncates();
      default:
        if (HARMLESS.has(verb)) return { kind: 'harmless' };
        if (WRITES.has(verb)) return { kind: this.#writesSource(verb) ? 'writes-source' : 'writes-elsewhere' };
        return this.#judgeIf(this.#namesSource(0));
    }
  }

  /** `ANALYZE [FORMAT = JSON] UPDATE …` (MariaDB) is the UPDATE; what it tells of it is no matter here. `ANALYZE TABLE` stays. */
  #skipAnalyze(): void {
    const from = this.#at;
    if (!this.#skip('ANALYZE')) return;
    if (this.#skip('FORMAT') && this.#skipSymbol('=')) this.#at += 1;
    const at = this.#at;
    while (this.#skipSymbol('(')) continue;
    this.#at = WRITES.has(this.#keywordAt(this.#at)) ? at : from;
  }

  #truncates(): StatementMeaning {
    const at = this.#at;
    const { shadow = null } = this.#target;
    if (this.#namesSource(at)) return { kind: 'changes-source' };
    this.#at = at;
    const table = this.#nextTable();
    const isShadow = table !== null && shadow !== null && this.#isTable(table, shadow);
    return { kind: isShadow ? 'empties-shadow' : 'harmless' };
  }

  /** Whether a write is one of the source: by its target, or by any name in it where several tables may be written to. */
  #writesSource(verb: string): boolean {
    const target = this.#onlyTarget(verb);
    return target === null ? this.#namesSource(0) : this.#isSource(target);
  }

  /** The one table that the statement writes to; null where that is not sure. What else it names is only read. */
  #onlyTarget(verb: string): NamedTable | null {
    switch (verb) {
      case 'INSERT':
      case 'REPLACE':
        while (this.#skipAny('LOW_PRIORITY', 'DELAYED', 'HIGH_PRIORITY', 'IGNORE')) continue;
        this.#skip('INTO');
        return this.#nextTable();
      case 'DELETE':
        while (this.#skipAny('LOW_PRIORITY', 'QUICK', 'IGNORE')) continue;
        return this.#skip('FROM') ? this.#tableBefore('WHERE', 'ORDER', 'LIMIT', 'RETURNING', '') : null;
      case 'UPDATE':
        while (this.#skipAny('LOW_PRIORITY', 'IGNORE')) continue;
        return this.#tableBefore('SET');
      default:
        return null;
    }
  }

  /** Reads a table, perhaps with an alias, behind which one of these keywords comes, or '' for the end; null where something else does. */
  #tableBefore(...keywords: readonly string[]): NamedTable | null {
    const table = this.#nextTable();
    const isFollowed = (): boolean =>
      this.#at < this.#tokens.length ? keywords.includes(this.#keywordAt(this.#at) || '?') : keywords.includes('');
    if (isFollowed()) return table;
    this.#skip('AS');
    this.#nextName();
    return isFollowed() ? table : null;
  }

  #judgeIf(isChange: boolean): StatementMeaning {
    if (!isChange) return { kind: 'harmless' };
    return { kind: isIndexStatement(this.#tokens.slice(this.#from)) ? 'changes-indexes' : 'changes-source' };
  }

  /** `XA COMMIT X'6162',X'63',1`: the log always has all three parts, the first two in hex. */
  #judgeXa(): StatementMeaning {
    const word = this.#nextKeyword();
    const action =
      word === 'START' || word === 'BEGIN'
        ? 'start'
        : word === 'COMMIT'
          ? 'commit'
          : word === 'ROLLBACK'
            ? 'rollback'
            : 'other';
    const [gtrid = '', bqual = ''] = this.#tokens.filter((token) => token.kind === 'string').map((token) => token.value);
    const format = this.#tokens.findLast((token) => token.kind === 'number')?.text ?? '1';
    return { kind: 'xa', action, xid: formatXid(Buffer.from(gtrid, 'hex'), Buffer.from(bqual, 'hex'), Number(format)) };
  }

  /** ALTER TABLE on the shadow that empties, drops or exchanges a partition or its tablespace, or one that exchanges the shadow itself. */
  #takesRowsOfShadow(): boolean {
    const { shadow = null } = this.#target;
    if (shadow === null) return false;
    const words = this.#tokens.map((_, index) => this.#keywordAt(index));
    const isTaking = words.some(
      (word, index) =>
        word === 'DISCARD' || (words[index + 1] === 'PARTITION' && ['TRUNCATE', 'DROP', 'EXCHANGE', 'CONVERT'].includes(word)),
    );
    if (!isTaking) return false;
    const from = this.#at;
    while (this.#skipAny('ONLINE', 'OFFLINE', 'IGNORE', 'TABLE', 'IF', 'EXISTS')) continue;
    let table = this.#nextTable();
    let isNamed = table !== null && this.#isTable(table, shadow);
    while (!isNamed && this.#skipThrough('WITH') !== null) {
      table = this.#skip('TABLE') ? this.#nextTable() : null;
      isNamed = table !== null && this.#isTable(table, shadow);
    }
    this.#at = from;
    return isNamed;
  }

  /** ALTER TABLE on the source, or one on another table that takes, refers to or becomes the source. */
  #alters(): boolean {
    while (this.#skipAny('ONLINE', 'OFFLINE', 'IGNORE')) continue;
    if (!this.#skip('TABLE')) return false;
    this.#skip('IF', 'EXISTS');
    const table = this.#nextTable();
    if (table === null || this.#isSource(table)) return true;
    while (this.#at < this.#tokens.length) {
      const isReference = this.#skip('REFERENCES');
      if (isReference || this.#skip('WITH', 'TABLE') || this.#skip('CONVERT', 'TABLE') || this.#skipRename()) {
        const other = this.#nextTable();
        if (other !== null && this.#isSource(isReference ? { schema: table.schema, ...other } : other)) return true;
      } else {
        this.#at += 1;
      }
    }
    return false;
  }

  /** `RENAME [TO | AS | =] table`, but not `RENAME COLUMN` and its like. */
  #skipRename(): boolean {
    if (!this.#skip('RENAME') || this.#skipAny('COLUMN', 'INDEX', 'KEY')) return false;
    if (!this.#skipAny('TO', 'AS')) this.#skipSymbol('=');
    return true;
  }

  #creates(): boolean {
    const isReplacing = this.#skip('OR', 'REPLACE');
    const kind = this.#skipThrough(
      'TABLE',
      'INDEX',
      'TRIGGER',
      'VIEW',
      'PROCEDURE',
      'FUNCTION',
      'EVENT',
      'DATABASE',
      'SCHEMA',
      'USER',
    );
    if (kind === 'INDEX' || kind === 'TRIGGER') return this.#isOnSource();
    if (kind !== 'TABLE' || this.#keywordAt(this.#at - 2) === 'TEMPORARY') return false;
    const isUnlessExists = this.#skip('IF', 'NOT', 'EXISTS');
    const table = this.#nextTable();
    if (table === null || this.#isSource(table)) return isReplacing || !isUnlessExists;
    while (this.#skipThrough('REFERENCES') !== null) {
      const other = this.#nextTable();
      if (other !== null && this.#isSource({ schema: table.schema, ...other })) return true;
    }
    return false;
  }

  /** CREATE TABLE … SELECT, or VALUES (…): that of partitions has other words before its parenthesis, and no definition has a query. */
  #makesTableOfQuery(): boolean {
    this.#at = 0;
    const kind = this.#skipThrough('TABLE', 'INDEX', 'TRIGGER', 'VIEW', 'PROCEDURE', 'FUNCTION', 'EVENT');
    if (kind !== 'TABLE') return false;
    for (;;) {
      const word = this.#skipThrough('SELECT', 'VALUES');
      if (word !== 'VALUES' || this.#skipSymbol('(')) return word !== null;
    }
  }

  #drops(): boolean {
    if (this.#skip('TEMPORARY')) return false;
    const kind = this.#nextKeyword();
    this.#skip('IF', 'EXISTS');
    if (kind === 'TABLE' || kind === 'TABLES') return this.#namesSource(this.#at);
    if (kind === 'INDEX') return this.#isOnSource();
    if (kind !== 'DATABASE' && kind !== 'SCHEMA') return false;
    const name = this.#nextName();
    return name === null || this.#isSameName(name, this.#target.source.schema);
  }

  #isOnSource(): boolean {
    this.#skipThrough('ON');
    const table = this.#nextTable();
    return table === null || this.#isSource(table);
  }

  /** Whether any name from here on may be the source. */
  #namesSource(from: number): boolean {
    this.#at = from;
    while (this.#at < this.#tokens.length) {
      const table = this.#nextTable();
      if (table === null) this.#at += 1;
      else if (this.#isSource(table)) return true;
    }
    return false;
  }

  /** Reads `table` or `database.table`. */
  #nextTable(): NamedTable | null {
    const first = this.#nextName();
    if (first === null || !this.#skipSymbol('.')) return first === null ? null : { table: first };
    return { schema: first, table: this.#nextName() ?? '' };
  }

  #isSource(named: NamedTable): boolean {
    return this.#isTable(named, this.#target.source);
  }

  #isTable(named: NamedTable, { schema, table }: TableName): boolean {
    return this.#isSameName(named.table, table) && this.#isSameName(named.schema ?? this.#statement.schema, schema);
  }

  #isSameName(one: string, other: string): boolean {
    if (one === other) return true;
    // A name in a character set that is not known here.
    if (one.includes('\ufffd') && NOT_ASCII.test(other)) return true;
    return !this.#target.areNamesCaseSensitive && isSameInAnyCase(one, other);
  }

  #nextName(): string | null {
    const token = this.#tokens[this.#at];
    const isName =
      token?.kind === 'name' || token?.kind === 'word' || (token?.kind === 'double' && this.#statement.hasAnsiQuotes);
    if (token === undefined || !isName) return null;
    this.#at += 1;
    return token.kind === 'word' ? token.text : token.value;
  }

  #keywordAt(index: number): string {
    const token = this.#tokens[index];
    return token?.kind === 'word' ? token.value : '';
  }

  #nextKeyword(): string {
    const keyword = this.#keywordAt(this.#at);
    this.#at += 1;
    return keyword;
  }

  #skip(...keywords: readonly string[]): boolean {
    if (!keywords.every((keyword, index) => this.#keywordAt(this.#at + index) === keyword)) return false;
    this.#at += keywords.length;
    return true;
  }

  #skipAny(...keywords: readonly string[]): boolean {
    return keywords.some((keyword) => this.#skip(keyword));
  }

  #skipSymbol(symbol: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'symbol' || token.text !== symbol) return false;
    this.#at += 1;
    return true;
  }

  /** Goes behind the next of these keywords, and tells which it was; to the end where there is none. */
  #skipThrough(...keywords: readonly string[]): string | null {
    while (this.#at < this.#tokens.length) {
      const keyword = this.#nextKeyword();
      if (keywords.includes(keyword)) return keyword;
    }
    return null;
  }
}

/** A transaction id as one text, the same for events and for statements. */
export function formatXid(gtrid: Buffer, bqual: Buffer, format: number): string {
  return `X'${gtrid.toString('hex')}',X'${bqual.toString('hex')}',${format}`;
}
