/** What the operator asked for, from a whole ALTER TABLE statement or from clauses and a table's name. */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import { parseAlterStatement } from './alter-clauses.ts';
import { tokenise, UnfinishedSqlError } from './sql-tokens.ts';

/** The change as it was asked for. */
export interface AskedChange {
  /** A whole statement, or only clauses; then `table` names the table. */
  readonly alter: string;
  /** `[schema.]name`, each part perhaps in backquotes. */
  readonly table: string | null;
  /** The schema of a name that has none. */
  readonly database: string | null;
}

interface PartialName {
  readonly schema: string | null;
  readonly table: string;
}

/** The table and the clauses. Rejects with BAD_USAGE where there is no table, no schema or more than one statement. */
export function readChange({ alter, table, database }: AskedChange): { readonly table: TableName; readonly clauses: string } {
  const statement = isWholeStatement(alter) ? parseAlterStatement(alter) : { table: null, clauses: alter };
  const asked = table === null ? null : parseTableName(table);
  const named = statement.table ?? asked;
  if (named === null) {
    throw new MigrationError('BAD_USAGE', 'No table is named: give a whole ALTER TABLE statement, or the table with --table.');
  }
  const schema = named.schema ?? asked?.schema ?? database;
  if (schema === null) {
    throw new MigrationError(
      'BAD_USAGE',
      `The schema of ${named.table} is not known: write schema.${named.table}, or name it in the URL.`,
    );
  }
  if (asked !== null && (asked.table !== named.table || (asked.schema ?? schema) !== schema)) {
    throw new MigrationError('BAD_USAGE', `The statement alters ${named.table}, but --table says ${table}.`);
  }
  return { table: { schema, table: named.table }, clauses: statement.clauses };
}

/** `[schema.]name`. Without backquotes only a dot is special, so that names with a dash need no quotes. */
export function parseTableName(text: string): PartialName {
  const part = '(?:`((?:[^`]|``)+)`|([^`.]+))';
  const match = new RegExp(`^(?:${part}\\.)?${part}$`).exec(text.trim());
  const [, schemaQuoted, schemaBare, tableQuoted, tableBare] = match ?? [];
  const schema = schemaQuoted?.replaceAll('``', '`') ?? schemaBare ?? null;
  const table = tableQuoted?.replaceAll('``', '`') ?? tableBare;
  if (table !== undefined) return { schema, table };
  throw new MigrationError(
    'BAD_USAGE',
    `The table's name cannot be read: ${text}. Write schema.name, with backquotes around a part that has a dot.`,
  );
}

/** Clauses may begin with ALTER too: `ALTER COLUMN a SET DEFAULT 1`. */
function isWholeStatement(alter: string): boolean {
  const [first, second, third] = firstWords(alter);
  if (first === 'CREATE') {
    throw new MigrationError('BAD_USAGE', 'Only ALTER TABLE is carried out; write CREATE INDEX as ADD INDEX.');
  }
  return first === 'ALTER' && (second === 'TABLE' || third === 'TABLE');
}

function firstWords(sql: string): readonly string[] {
  try {
    return tokenise(sql)
      .slice(0, 3)
      .map((token) => (token.kind === 'word' ? token.value : ''));
  } catch (error) {
    if (!(error instanceof UnfinishedSqlError)) throw error;
    throw new MigrationError('BAD_USAGE', `The SQL cannot be read: ${error.message}.`, { cause: error });
  }
}
