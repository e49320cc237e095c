/**
 * What max_allowed_packet has no room for: the text of a row, by which rows are compared (beyond it CONCAT gives NULL), and our longest
 * statement with the least number of keys.
 */

import type { Obstacle } from '../engine/obstacles.ts';
import { type Column, keyColumns } from './catalog.ts';
import { rowTextBytesMax } from './checksum.ts';
import type { PlanningFacts } from './planning-facts.ts';
import { keyBytesMax, SHARE_OF_KEYS } from './row-writer.ts';
import type { Session } from './session.ts';

/** Rows that could not be compared, or not be named. Reads one variable. */
export async function packetObstacles(
  session: Session,
  facts: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const [row] = await session.query('SELECT @@max_allowed_packet AS bytes', signal);
  const { source, map } = facts;
  const packetBytes = Number(row?.['bytes']);
  const stored = map.kept.filter(([, shadow]) => shadow.generated === 'none');
  const bytesMax = Math.max(
    rowTextBytesMax(stored.map(([column]) => column)),
    rowTextBytesMax(stored.map(([, column]) => column)),
  );
  const table = `${source.schema}.${source.table}`;
  const refused = (what: string): readonly Obstacle[] => [
    { code: 'PACKET_TOO_SMALL', message: `${what}, but max_allowed_packet is ${packetBytes}.` },
  ];
  if (bytesMax > packetBytes)
    return refused(`Rows of ${table} may have ${bytesMax} bytes as text, and the longest of them could not be compared`);
  const needed = statementBytesMin(facts, stored);
  if (needed > packetBytes) return refused(`Statements on ${table} may need ${needed} bytes`);
  return [];
}

/** In a column's share of a statement, beside its name: what makes comparable text of it, on both sides. */
const COLUMN_BYTES = 420;
const OTHER_BYTES = 1_000;
/** A member's number and the comma behind it. */
const MEMBER_BYTES = 7;

/** How long a statement has to be allowed to be: the columns are named four times with their table, both ends of a range twice. */
function statementBytesMin({ source, key }: PlanningFacts, stored: readonly (readonly [Column, Column])[]): number {
  const bytes = (text: string): number => Buffer.byteLength(text, 'utf8');
  const qualifier = bytes(source.schema) + bytes(source.table) + bytes('``.`_ts_new`.``');
  const columns = stored.map(([column, shadow]) => Math.max(bytes(column.name), bytes(shadow.name)));
  const text = columns.reduce((sum, name) => sum + 4 * (qualifier + name) + COLUMN_BYTES, OTHER_BYTES);
  const keyBytes = keyBytesMax(source, keyColumns(source, key.columns));
  const members = source.columns.flatMap((column) => (key.columns.includes(column.name) ? column.members : [])).length;
  // A range of several columns spells the first of them out for each.
  const range = 4 * key.columns.length * (keyBytes + MEMBER_BYTES * members);
  return Math.max(text + range, 2 * text, keyBytes / SHARE_OF_KEYS);
}
