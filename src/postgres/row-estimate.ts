/** About how many rows a table has now. */

import type { TableDescription } from './catalog.ts';
import type { Session } from './session.ts';
import { quoteTable } from './statements.ts';

/** A table of so few pages, of 8 KiB as a rule, is counted. */
const COUNTED_PAGES_MAX = 16;

/**
 * What VACUUM or ANALYZE found, scaled to the size of today; of a table that neither has seen, what the server's planner makes of its
 * size. Takes ACCESS SHARE on the table and reads a few pages at most.
 */
export async function readRowEstimate(session: Session, source: TableDescription, signal: AbortSignal): Promise<number> {
  const [size] = await session.query(
    `SELECT relpages AS pages, pg_relation_size(oid) / current_setting('block_size')::int AS pages_now, row_security_active(oid) AS is_hidden
      FROM pg_class WHERE oid = ${source.oid}`,
    signal,
  );
  const [rows, pages, pagesNow] = [source.estimatedRows, Number(size?.['pages']), Number(size?.['pages_now'])];
  // A reason to refuse, which the obstacles tell; the server would end even an EXPLAIN.
  if (size?.['is_hidden'] === 't') return rows;
  if (pagesNow <= COUNTED_PAGES_MAX) {
    const [counted] = await session.query(`SELECT count(*) AS rows FROM ONLY ${quoteTable(source)}`, signal);
    return Number(counted?.['rows']);
  }
  if (rows > 0 && pages > 0) return Math.round((rows / pages) * pagesNow);
  const [explained] = await session.query(`EXPLAIN (FORMAT JSON) SELECT FROM ONLY ${quoteTable(source)}`, signal);
  const [plan] = JSON.parse(explained?.['QUERY PLAN'] ?? '[]') as readonly {
    readonly Plan?: { readonly 'Plan Rows'?: number };
  }[];
  return plan?.Plan?.['Plan Rows'] ?? 0;
}
