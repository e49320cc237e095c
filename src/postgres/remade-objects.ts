/**
 * What the swap drops or replaces and makes again by its text, but cannot lock: functions on the table's rows, functions whose body
 * the server has read, and the grants of materialised views. What somebody did to one of them in between would be undone.
 */

import { isOnRowType } from './row-type-functions.ts';
import type { Session } from './session.ts';

/** All of them as they are now, by who wrote their rows in the catalog, as a text to compare. */
export async function readRemade(session: Session, tables: readonly number[], signal: AbortSignal): Promise<string> {
  const oids = tables.join(', ');
  const onTable = `d.refclassid = 'pg_class'::regclass AND d.refobjid IN (${oids})`;
  const views = `SELECT c.oid FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid JOIN pg_class AS c ON c.oid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND ${onTable} AND c.relkind = 'm'`;
  const [row] = await session.query(
    `SELECT string_agg(concat_ws(' ', o.oid, o.part, o.version), E'\\n' ORDER BY o.oid, o.part) AS text FROM (
       SELECT p.oid, 0 AS part, p.xmin::text AS version FROM pg_proc AS p WHERE p.oid IN (SELECT d.objid FROM pg_depend AS d
         WHERE ${isOnRowType(tables)} OR d.classid = 'pg_proc'::regclass AND ${onTable})
       UNION ALL SELECT oid, 0, xmin::text FROM pg_class WHERE oid IN (${views})
       UNION ALL SELECT attrelid, attnum, xmin::text FROM pg_attribute WHERE attrelid IN (${views}) AND attacl IS NOT NULL) AS o`,
    signal,
  );
  return row?.['text'] ?? '';
}
