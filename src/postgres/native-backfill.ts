/**
 * Fills a new column of the rows that were there before it, a few pages at a time, each time in a transaction of its own. The
 * place is implied: what is NULL is not filled. Rows that are locked are left for later, so that no application waits for one
 * that waits, and none can be in a deadlock with it; a row that has moved meanwhile is met by the next pass.
 */

import type { TableName } from '../engine/model.ts';
import { hasPassed } from '../sessions/pause.ts';
import { systemClock } from '../sessions/system-clock.ts';
import type { TableDescription } from './catalog.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** So long a chunk should take; as long is the rest after it. */
const chunkMs = 50;
const firstPages = 4;
const pagesMax = 4096;
/** Between two passes, for what was locked. */
const passPauseMs = 500;

/** As the plan shows it. */
export function backfillStatement(table: TableName, column: string): string {
  const name = quoteName(column);
  return `UPDATE ${quoteTable(table)} SET ${name} = DEFAULT WHERE ${name} IS NULL`;
}

/** The column that a step of a plan fills, as SQL; null where it is none of these steps. */
export function filledColumn(sql: string): string | null {
  return /^UPDATE .* SET ("(?:[^"]|"")+") = DEFAULT WHERE \1 IS NULL$/s.exec(sql)?.[1] ?? null;
}

/** Why the rows of the table cannot be filled in place; null where they can. Reads the catalog. */
export async function backfillHindrance(
  session: Session,
  { oid }: TableDescription,
  signal: AbortSignal,
): Promise<string | null> {
  const [row] = await session.query(
    `SELECT (SELECT tgname FROM pg_catalog.pg_trigger
               WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 16 <> 0 LIMIT 1) AS trigger,
       (SELECT rulename FROM pg_catalog.pg_rewrite WHERE ev_class = c.oid AND ev_type = '2' AND ev_enabled <> 'D' LIMIT 1) AS rule,
       c.relforcerowsecurity AS is_hidden
     FROM pg_catalog.pg_class AS c WHERE c.oid = ${oid}`,
    signal,
  );
  const [trigger, rule] = [row?.['trigger'] ?? null, row?.['rule'] ?? null];
  if (trigger !== null) return `the rows would be filled in place, and the trigger ${trigger} would fire for each`;
  if (rule !== null) return `the rows would be filled in place, and the rule ${rule} would change that`;
  return row?.['is_hidden'] === 't' ? 'the rows would be filled in place, and policies may hide some of them' : null;
}

/** ROW EXCLUSIVE, and locks of the rows of one chunk at a time. Resolves once no row is left. Safe to repeat. */
export async function backfill(session: Session, table: TableName, column: string, signal: AbortSignal): Promise<void> {
  const name = quoteTable(table);
  const left = `SELECT EXISTS (SELECT FROM ${name} WHERE ${column} IS NULL) AS is_left`;
  for (;;) {
    await fillOnce(session, { name, column }, signal);
    const [row] = await session.query(left, signal);
    if (row?.['is_left'] !== 't') return;
    if (!(await hasPassed(passPauseMs, signal))) signal.throwIfAborted();
  }
}

/** One pass over the pages that there are now. */
async function fillOnce(
  session: Session,
  { name, column }: { readonly name: string; readonly column: string },
  signal: AbortSignal,
): Promise<void> {
  const [size] = await session.query(
    `SELECT pg_catalog.pg_relation_size(${quoteText(name)}::pg_catalog.regclass)
       / pg_catalog.current_setting('block_size')::bigint AS pages`,
    signal,
  );
  const end = Number(size?.['pages'] ?? 0);
  let pages = firstPages;
  for (let page = 0; page < end; ) {
    const startedAtMs = systemClock.now();
    await session.execute(
      `UPDATE ${name} SET ${column} = DEFAULT WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${name}
         WHERE ctid >= '(${page},0)'::tid AND ctid < '(${page + pages},0)'::tid AND ${column} IS NULL
         FOR UPDATE SKIP LOCKED)) AND ${column} IS NULL`,
      signal,
    );
    page += pages;
    const durationMs = systemClock.now() - startedAtMs;
    pages = Math.max(1, Math.min(pagesMax, durationMs > chunkMs ? Math.floor(pages / 2) : pages * 2));
    if (page < end && !(await hasPassed(Math.ceil(durationMs), signal))) signal.throwIfAborted();
  }
}
