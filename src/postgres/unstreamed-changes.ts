/**
 * Changes of the source that do not come by the change stream, by the marks that they leave in the catalog: an ALTER TABLE that
 * computes the rows anew and perhaps gives the same definition, and a publication that did not list the table for a while.
 */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { tableOid } from './catalog.ts';
import { slotName } from './replication-slot.ts';
import type { Session } from './session.ts';
import { quoteText } from './statements.ts';

/** The marks at one moment. */
export interface StreamMarks {
  /** The file of the rows: another one after VACUUM FULL and CLUSTER, which keep the rows, and after an ALTER that rewrites them. */
  readonly file: string;
  /** Who wrote the catalog's rows of the columns: an ALTER that rewrites the table writes them, VACUUM FULL and CLUSTER do not. */
  readonly columns: string;
  /** What is published, and who wrote that; null where no publication of this migration lists the table. */
  readonly publication: string | null;
}

/** Reads the marks. One statement on the catalog; locks nothing. */
export async function readStreamMarks(session: Session, plan: Plan, signal: AbortSignal): Promise<StreamMarks> {
  const oid = tableOid(plan.source);
  const [row] = await session.query(
    `SELECT pg_relation_filenode(${oid}) AS file,
       (SELECT string_agg(a.attnum || ':' || a.xmin::text, ' ' ORDER BY a.attnum) FROM pg_attribute AS a WHERE a.attrelid = ${oid} AND a.attnum > 0) AS columns,
       (SELECT concat_ws(' ', p.oid, p.xmin, r.oid, r.xmin) FROM pg_publication AS p JOIN pg_publication_rel AS r ON r.prpubid = p.oid
         WHERE r.prrelid = ${oid} AND p.pubname = ${quoteText(slotName(plan.id))}) AS publication`,
    signal,
  );
  return { file: row?.['file'] ?? '', columns: row?.['columns'] ?? '', publication: row?.['publication'] ?? null };
}

/** Throws SOURCE_CHANGED where changes may be missing. In doubt (VACUUM FULL and a GRANT on a column) it does so, too. */
export function checkStreamMarks(plan: Plan, before: StreamMarks, now: StreamMarks): void {
  const name = `${plan.source.schema}.${plan.source.table}`;
  const changed = (what: string): MigrationError =>
    new MigrationError('SOURCE_CHANGED', `${what} Give migration ${plan.id} up and start anew.`);
  if (before.file !== now.file && before.columns !== now.columns) {
    throw changed(`Somebody has rewritten the rows of ${name} with an ALTER TABLE since its shadow was made.`);
  }
  if (before.publication !== now.publication) {
    throw changed(`Somebody has altered the publication ${slotName(plan.id)}, so that changes of ${name} may be missing.`);
  }
}
