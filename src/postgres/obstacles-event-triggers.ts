/** What event triggers of the database would make upon the shadow, found before there is one. */

import type { Obstacle } from '../engine/obstacles.ts';
import type { TableDescription } from './catalog.ts';
import { readUninvited } from './event-triggers.ts';
import type { Session } from './session.ts';
import { makeCopy } from './shadow.ts';
import { quoteName } from './statements.ts';
import { beginTrial } from './transaction.ts';

/** Tries it on an empty copy in a transaction that is rolled back, where the database has event triggers at all. */
export async function eventTriggerObstacles(
  session: Session,
  source: TableDescription,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const known = await session.query(
    "SELECT 1 FROM pg_event_trigger WHERE evtenabled <> 'D' AND evtevent = 'ddl_command_end' LIMIT 1",
    signal,
  );
  if (known.length === 0) return [];
  const schema = `tableshift_probe_${session.pid}`;
  await using _ = await beginTrial(session, signal);
  await session.execute(`CREATE SCHEMA ${quoteName(schema)}`, signal);
  await makeCopy(session, source, schema, signal);
  const uninvited = await readUninvited(session, schema, signal);
  return uninvited.map((message) => ({ code: 'EVENT_TRIGGERS', message: `${message}.` }));
}
