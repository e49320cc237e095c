/** The counter of an AUTO_INCREMENT column: the new table must not hand out a number that the old one has handed out before. */

import type { TableName } from '../engine/model.ts';
import type { Flavour } from './flavour.ts';
import type { Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';

/** Makes information_schema show counters as they are, not as they were up to a day ago (MySQL 8). */
export function counterSettings(flavour: Flavour): readonly string[] {
  return flavour.isMariaDb ? [] : ['information_schema_stats_expiry = 0'];
}

/**
 * Raises the shadow's counter to the source's where it is lower: rows that were inserted and deleted, or rolled back, have used
 * up numbers that no copied row shows. In place, milliseconds; takes the shadow's exclusive lock, also under LOCK TABLES, which
 * stays in force. Safe to run twice. The session needs `counterSettings`.
 */
export async function carryAutoIncrement(
  session: Session,
  tables: { readonly source: TableName; readonly shadow: TableName },
  signal: AbortSignal,
): Promise<void> {
  // One that has the name in another case is the table only where there is none that has it as it is.
  const counter = ({ schema, table }: TableName): string =>
    `(SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${quoteText(schema)}
      AND TABLE_NAME = ${quoteText(table)}
      ORDER BY CAST(TABLE_NAME AS BINARY) = CAST(${quoteText(table)} AS BINARY) DESC LIMIT 1)`;
  const [row] = await session.query(`SELECT ${counter(tables.source)} AS source, ${counter(tables.shadow)} AS shadow`, signal);
  const source = row?.['source'] ?? null;
  const shadow = row?.['shadow'] ?? null;
  if (source === null || shadow === null || BigInt(shadow) >= BigInt(source)) return;
  await session.execute(`ALTER TABLE ${quoteTable(tables.shadow)} AUTO_INCREMENT = ${source}`, signal);
}
