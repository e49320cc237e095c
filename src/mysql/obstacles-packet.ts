/** Whether the server can make the text of a row, by which rows are compared: beyond max_allowed_packet CONCAT gives NULL. */

import type { Obstacle } from '../engine/obstacles.ts';
import { rowTextBytesMax } from './checksum.ts';
import type { PlanningFacts } from './planning-facts.ts';
import type { Session } from './session.ts';

/** Rows that could not be compared. Reads one variable. */
export async function packetObstacles(
  session: Session,
  { source, map }: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const [row] = await session.query('SELECT @@max_allowed_packet AS bytes', signal);
  const stored = map.kept.filter(([, shadow]) => shadow.generated === 'none');
  const bytesMax = Math.max(
    rowTextBytesMax(stored.map(([column]) => column)),
    rowTextBytesMax(stored.map(([, column]) => column)),
  );
  if (bytesMax <= Number(row?.['bytes'])) return [];
  const message = `Rows of ${source.schema}.${source.table} may have ${bytesMax} bytes as text, but max_allowed_packet is ${row?.['bytes'] ?? ''}: the longest of them could not be compared.`;
  return [{ code: 'PACKET_TOO_SMALL', message }];
}
