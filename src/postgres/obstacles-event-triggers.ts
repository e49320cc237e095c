/** What event triggers of the database would make upon the shadow, or refuse to a run, found before there is one. */

import { MigrationError } from '../engine/errors.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { TableDescription } from './catalog.ts';
import { refusalIn } from './errors.ts';
import { readUninvited } from './event-triggers.ts';
import type { Session } from './session.ts';
import { makeCopy } from './shadow.ts';
import { quoteName, quoteTable } from './statements.ts';
import { beginTrial } from './transaction.ts';

/** Tries it on an empty copy in a transaction that is rolled back, where the database has event triggers at all. */
export async function eventTriggerObstacles(
  session: Session,
  source: TableDescription,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const known = await session.query("SELECT 1 FROM pg_event_trigger WHERE evtenabled <> 'D' LIMIT 1", signal);
  if (known.length === 0) return [];
  const schema = `tableshift_probe_${session.pid}`;
  await using _ = await beginTrial(session, signal);
  await session.execute(`CREATE SCHEMA ${quoteName(schema)}`, signal);
  await makeCopy(session, source, schema, signal);
  const uninvited = await readUninvited(session, schema, signal);
  const found = [
    ...uninvited.map((object) => `${object}.`),
    ...(await refused(session, { schema, table: source.table }, signal)),
  ];
  return found.map((message) => ({ code: 'EVENT_TRIGGERS', message }));
}

/** Of what a run does beside making tables, until its end or until it is given up, the first that is refused, as a sentence. */
async function refused(
  session: Session,
  copy: { readonly schema: string; readonly table: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const [schema, publication] = [quoteName(copy.schema), quoteName(copy.schema)];
  const old = { schema: `${copy.schema}_old`, table: copy.table };
  const statements = [
    `CREATE PUBLICATION ${publication} FOR TABLE ${quoteTable(copy)}`,
    `COMMENT ON SCHEMA ${schema} IS 'TableShift'`,
    `CREATE SCHEMA ${quoteName(old.schema)}`,
    `ALTER TABLE ${quoteTable(copy)} SET SCHEMA ${quoteName(old.schema)}`,
    `DROP PUBLICATION ${publication}`,
    `DROP TABLE ${quoteTable(old)}`,
    `DROP SCHEMA ${quoteName(old.schema)}`,
  ];
  try {
    for (const statement of statements) await session.execute(statement, signal);
    return [];
  } catch (error) {
    const isByTrigger =
      error instanceof MigrationError && error.code === 'ACCESS_DENIED' && refusalIn(error)?.code.startsWith('P0');
    if (isByTrigger) return [error.message];
    // A privilege that is lacking is an obstacle of its own.
    if (refusalIn(error) !== null) return [];
    throw error;
  }
}
