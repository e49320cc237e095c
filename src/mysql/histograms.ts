/** Statistics about the values of columns, which belong to a table and not to its name: the new table has none. */

import { unlessDenied } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { Flavour } from './flavour.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** Names of the columns that have some. None where the user may not see them, or where the server knows no such thing. */
export async function readHistograms(
  session: Session,
  { table, flavour }: { readonly table: TableName; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (!flavour.hasHistograms) return [];
  const [schema, name] = [quoteText(table.schema), quoteText(table.table)];
  const sql = flavour.isMariaDb
    ? `SELECT column_name AS name FROM mysql.column_stats WHERE db_name = ${schema} AND table_name = ${name} ORDER BY name`
    : `SELECT COLUMN_NAME AS name FROM information_schema.COLUMN_STATISTICS WHERE SCHEMA_NAME = ${schema} AND TABLE_NAME = ${name} ORDER BY name`;
  const rows = await unlessDenied(() => session.query(sql, signal), []);
  return rows.flatMap((row) => row['name'] ?? []);
}

/** What a plan says of them. */
export function histogramNotes(columns: readonly string[], table: TableName, isMariaDb: boolean): readonly string[] {
  if (columns.length === 0) return [];
  const names = columns.map(quoteName).join(', ');
  const gathering = isMariaDb ? `PERSISTENT FOR COLUMNS (${names}) INDEXES ()` : `UPDATE HISTOGRAM ON ${names}`;
  return [
    `Statistics about values (${columns.join(', ')}) stay with the old table: gather them again after the swap, by ANALYZE TABLE ${quoteTable(table)} ${gathering}.`,
  ];
}
