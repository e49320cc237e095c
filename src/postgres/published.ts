/** Publications that would send what is ours to their subscribers, which have no such tables and stop at the first row of one. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { Session } from './session.ts';
import { quoteText } from './statements.ts';

/** Whatever is published wholly has the bookkeeping in it, and the shadow where there is one. Reads the catalog only. */
export async function publishedForAll(session: Session, what: string, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const names = await publishers(session, 'puballtables', signal);
  if (names === null) return [];
  return [{ code: 'PUBLISHED_FOR_ALL', message: `All tables are published, and so would ${what} be: ${names}.` }];
}

/** What is said of publications that others have made since the plan and that send the shadow, without a full stop; null: there is none. */
export async function shadowPublishers(session: Session, { shadow }: Plan, signal: AbortSignal): Promise<string | null> {
  const ofShadow = `(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ${quoteText(shadow.schema)})`;
  const names = await publishers(
    session,
    `puballtables OR oid IN (SELECT pnpubid FROM pg_catalog.pg_publication_namespace WHERE pnnspid = ${ofShadow}) OR oid IN (
       SELECT prpubid FROM pg_catalog.pg_publication_rel AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid WHERE c.relnamespace = ${ofShadow})`,
    signal,
  );
  return names === null ? null : `The shadow ${shadow.schema}.${shadow.table} is published, by ${names}`;
}

/** Rejects with SHADOW_PUBLISHED where there is one. */
export async function checkUnpublished(session: Session, plan: Plan, signal: AbortSignal): Promise<void> {
  const said = await shadowPublishers(session, plan, signal);
  if (said === null) return;
  throw new MigrationError('SHADOW_PUBLISHED', `${said}. Drop that publication, or let it list its tables, and then resume.`);
}

async function publishers(session: Session, condition: string, signal: AbortSignal): Promise<string | null> {
  const [row] = await session.query(
    `SELECT pg_catalog.string_agg(pubname, ', ' ORDER BY pubname) AS names FROM pg_catalog.pg_publication WHERE ${condition}`,
    signal,
  );
  return row?.['names'] ?? null;
}
