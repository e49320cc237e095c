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
  const source = await readCounter(session, tables.source, signal);
  const shadow = await readCounter(session, tables.shadow, signal);
  if (source === null || shadow === null || shadow >= source) return;
  await session.execute(`ALTER TABLE ${quoteTable(tables.shadow)} AUTO_INCREMENT = ${source}`, signal);
}

/** The next number, or null where the table has no such column. */
async function readCounter(session: Session, table: TableName, signal: AbortSignal): Promise<bigint | null> {
  const rows = await session.query(
    `SELECT TABLE_NAME AS name, AUTO_INCREMENT AS counter FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = ${quoteText(table.schema)} AND TABLE_NAME = ${quoteText(table.table)}`,
    signal,
  );
  const counter = (rows.find((row) => row['name'] === table.table) ?? rows[0])?.['counter'] ?? null;
  return counter === null ? null : BigInt(counter);
}
