/**
 * A write that another session logged as a statement may reach the source although it is one to another table: through a view over
 * the source, a trigger that writes to it, a routine, or a foreign key by which its rows change with those of another table. Whether
 * any of these mentions the source at all, the catalog knows.
 */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { DistantWrite } from './binlog-statement.ts';
import { isSameInAnyCase, lowerCase } from './name-case.ts';
import type { SessionPool } from './session.ts';
import { tokenise, UnfinishedSqlError } from './sql-tokens.ts';
import { quoteText } from './statements.ts';

/**
 * Rejects with STATEMENT_FORMAT_WRITE if something in the catalog could have carried one of these writes to the source. It errs
 * on the side of rejecting; what our user may not see in the catalog (a trigger without the TRIGGER privilege) it cannot judge.
 */
export async function checkDistantWrites(
  writes: readonly DistantWrite[],
  source: TableName,
  sessions: SessionPool,
  signal: AbortSignal,
): Promise<void> {
  const [first] = writes;
  if (first === undefined) return;
  const query = writes.every(({ isByFunction }) => isByFunction)
    ? whereFunctionsAre(carriersQuery(source))
    : carriersQuery(source);
  const rows = await sessions.withSession((session) => session.query(query, signal), signal);
  const carrier = rows.find((row) => mentions(row['definition'] ?? '', source.table));
  if (carrier === undefined) return;
  const message =
    `A write was logged as a statement, not as rows (${first.sql.slice(0, 200)}), and ${carrier['carrier']}, which mentions ` +
    `${source.schema}.${source.table}, may have carried it there. Make that client log rows, then start anew.`;
  throw new MigrationError('STATEMENT_FORMAT_WRITE', message);
}

/** Definitions that contain the source's name as text, or that we may not read. Reads the catalog; takes no locks on tables. */
function carriersQuery(source: TableName): string {
  const name = quoteText(lowerCase(source.table));
  const select = (carrier: string, definition: string, from: string, schema: string): string =>
    `SELECT CONCAT(${carrier}) AS carrier, ${definition} AS definition FROM information_schema.${from} ` +
    `WHERE ${schema} NOT IN ('sys', 'mysql', 'information_schema', 'performance_schema') AND ` +
    `(COALESCE(${definition}, '') = '' OR LOCATE(${name}, CONVERT(LOWER(${definition}) USING utf8mb4)) > 0)`;
  return [
    select(`'view ', TABLE_SCHEMA, '.', TABLE_NAME`, 'VIEW_DEFINITION', 'VIEWS', 'TABLE_SCHEMA'),
    select(`'trigger ', TRIGGER_SCHEMA, '.', TRIGGER_NAME`, 'ACTION_STATEMENT', 'TRIGGERS', 'TRIGGER_SCHEMA'),
    select(`LOWER(ROUTINE_TYPE), ' ', ROUTINE_SCHEMA, '.', ROUTINE_NAME`, 'ROUTINE_DEFINITION', 'ROUTINES', 'ROUTINE_SCHEMA'),
    cascadesQuery(source),
  ].join(' UNION ALL ');
}

/** Nothing where no function is defined that a statement could call. */
function whereFunctionsAre(query: string): string {
  return (
    `SELECT * FROM (${query}) AS carriers WHERE EXISTS (SELECT 1 FROM information_schema.ROUTINES ` +
    `WHERE ROUTINE_TYPE <> 'PROCEDURE' AND ROUTINE_SCHEMA NOT IN ('sys', 'mysql'))`
  );
}

/** Foreign keys of the source that have the server change its rows. */
function cascadesQuery({ schema, table }: TableName): string {
  const rules = `('CASCADE', 'SET NULL', 'SET DEFAULT')`;
  return (
    `SELECT CONCAT('foreign key ', CONSTRAINT_NAME) AS carrier, '' AS definition FROM information_schema.REFERENTIAL_CONSTRAINTS ` +
    `WHERE CONSTRAINT_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(table)} AND (DELETE_RULE IN ${rules} OR UPDATE_RULE IN ${rules})`
  );
}

/** Whether a definition has the name as a word of its own; one that we may not read, or cannot, may have it. */
export function mentions(definition: string, table: string): boolean {
  if (definition === '') return true;
  try {
    return tokenise(definition).some(({ kind, text, value }) => isSameInAnyCase(kind === 'word' ? text : value, table));
  } catch (error) {
    if (error instanceof UnfinishedSqlError) return true;
    throw error;
  }
}
