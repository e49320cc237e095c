/** What the operator asked for, from a whole ALTER TABLE statement or from clauses and a table's name. */

import { MigrationError } from '../engine/errors.ts';
import { parseAlterStatement } from './alter-clauses.ts';
import { tokenise, UnreadableSqlError } from './sql-tokens.ts';

/** The change as it was asked for. */
export interface AskedChange {
  /** A whole statement, or only clauses; then `table` names the table. */
  readonly alter: string;
  /** `[schema.]name`, each part perhaps in double quotes. */
  readonly table: string | null;
}

/** A name whose schema, where it has none, is for the server to find through the search path. */
export interface PartialName {
  readonly schema: string | null;
  readonly table: string;
}

/** The table and the clauses. Rejects with BAD_USAGE where there is no table or more than one statement. */
export function readChange({ alter, table }: AskedChange): { readonly table: PartialName; readonly clauses: string } {
  const statement = isWholeStatement(alter) ? parseAlterStatement(alter) : { table: null, clauses: alter };
  const asked = table === null ? null : parseTableName(table);
  const named = statement.table ?? asked;
  if (named === null) {
    throw new MigrationError('BAD_USAGE', 'No table is named: give a whole ALTER TABLE statement, or the table with --table.');
  }
  const schema = named.schema ?? asked?.schema ?? null;
  if (asked !== null && (asked.table !== named.table || (asked.schema !== null && asked.schema !== schema))) {
    throw new MigrationError('BAD_USAGE', `The statement alters ${named.table}, but --table says ${table}.`);
  }
  return { table: { schema, table: named.table }, clauses: statement.clauses };
}

/**
 * `[schema.]name`. Without double quotes only a dot is special, so that names with a dash need no quotes, and letters are folded
 * to lower case as in SQL.
 */
export function parseTableName(text: string): PartialName {
  const part = '(?:"((?:[^"]|"")+)"|([^".]+))';
  const match = new RegExp(`^(?:${part}\\.)?${part}$`).exec(text.trim());
  const [, schemaQuoted, schemaBare, tableQuoted, tableBare] = match ?? [];
  const schema = schemaQuoted?.replaceAll('""', '"') ?? folded(schemaBare) ?? null;
  const table = tableQuoted?.replaceAll('""', '"') ?? folded(tableBare);
  if (table !== undefined) return { schema, table };
  throw new MigrationError(
    'BAD_USAGE',
    `The table's name cannot be read: ${text}. Write schema.name, with double quotes around a part that has a dot or capitals.`,
  );
}

/** The server folds the letters of ASCII only, in a multi-byte encoding. */
function folded(name: string | undefined): string | undefined {
  return name?.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Clauses may begin with ALTER too: `ALTER COLUMN a SET DEFAULT 1`. */
function isWholeStatement(alter: string): boolean {
  const [first, second] = firstWords(alter);
  if (first === 'create') {
    throw new MigrationError(
      'BAD_USAGE',
      'Only ALTER TABLE is carried out; the server builds an index beside the writers with CREATE INDEX CONCURRENTLY.',
    );
  }
  return first === 'alter' && second === 'table';
}

function firstWords(sql: string): readonly string[] {
  try {
    return tokenise(sql)
      .slice(0, 2)
      .map((token) => (token.kind === 'word' ? token.value : ''));
  } catch (error) {
    if (!(error instanceof UnreadableSqlError)) throw error;
    throw new MigrationError('BAD_USAGE', `The SQL cannot be read: ${error.message}.`, { cause: error });
  }
}
