/** The parts of carrying over that are read from the catalog as statements: policies, triggers, publications. */

import type { Plan } from '../engine/model.ts';
import type { TableDescription } from './catalog.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** The two tables before the swap. */
export interface CarriedTables {
  readonly plan: Plan;
  readonly source: TableDescription;
  readonly shadow: TableDescription;
  /** Columns of the shadow, by number, whose identity is no longer that of the source but another one. */
  readonly renewedIdentities: readonly number[];
}

/** Row security, on or off as it is, and its policies, with their comments. */
export async function policyStatements(
  session: Session,
  { plan, source, shadow }: CarriedTables,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const table = quoteTable(plan.source);
  const rows = await session.query(
    `SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', polname, ${quoteText(table)}::text,
       CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
       CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
       (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(polroles) AS r),
       ' USING (' || pg_get_expr(polqual, polrelid) || ')', ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')') AS statement,
       format('COMMENT ON POLICY %I ON %s IS ', polname, ${quoteText(table)}::text) || quote_literal(obj_description(oid, 'pg_policy')) AS comment
     FROM pg_policy WHERE polrelid = ${source.oid} ORDER BY polname`,
    signal,
  );
  // An event trigger may have switched it on for the new table.
  const switches = [
    { shall: source.hasRowSecurity, has: shadow.hasRowSecurity, on: 'ENABLE', off: 'DISABLE' },
    { shall: source.forcesRowSecurity, has: shadow.forcesRowSecurity, on: 'FORCE', off: 'NO FORCE' },
  ];
  return [
    ...switches
      .filter(({ shall, has }) => shall !== has)
      .map(({ shall, on, off }) => `ALTER TABLE ${table} ${shall ? on : off} ROW LEVEL SECURITY`),
    ...rows.flatMap(withComment),
  ];
}

/**
 * Triggers as they are defined, switched on or off as they are. Read before the swap, their text names the source. Those that a
 * partition has from its table come with ATTACH.
 */
export async function triggerStatements(
  session: Session,
  { plan, source }: CarriedTables,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const table = quoteTable(plan.source);
  const rows = await session.query(
    `SELECT pg_get_triggerdef(oid) AS statement, CASE tgenabled
         WHEN 'D' THEN format('ALTER TABLE %s DISABLE TRIGGER %I', ${quoteText(table)}::text, tgname)
         WHEN 'A' THEN format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', ${quoteText(table)}::text, tgname)
         WHEN 'R' THEN format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', ${quoteText(table)}::text, tgname) END AS state,
       format('COMMENT ON TRIGGER %I ON %s IS ', tgname, ${quoteText(table)}::text) || quote_literal(obj_description(oid, 'pg_trigger')) AS comment
     FROM pg_trigger WHERE tgrelid = ${source.oid} AND NOT tgisinternal AND tgparentid = 0 ORDER BY tgname`,
    signal,
  );
  return rows.flatMap((row) => [row['statement'] ?? '', ...(row['state'] == null ? [] : [row['state']]), ...commentOf(row)]);
}

/** Explicit memberships, with column list and row filter; ours, which the change stream reads, is not one of them. */
export async function publicationStatements(
  session: Session,
  { plan, source }: CarriedTables,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT quote_ident(p.pubname) AS publication, pg_get_expr(r.prqual, r.prrelid) AS filter,
       (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute AS a
         WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) AS columns
     FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
     WHERE r.prrelid = ${source.oid} AND p.pubname <> ${quoteText(`tableshift_${plan.id}`)} ORDER BY p.pubname`,
    signal,
  );
  return rows.flatMap((row) => {
    const columns =
      row['columns'] == null ? '' : ` (${(JSON.parse(row['columns']) as readonly string[]).map(quoteName).join(', ')})`;
    const filter = row['filter'] == null ? '' : ` WHERE (${row['filter']})`;
    const alter = `ALTER PUBLICATION ${row['publication'] ?? ''}`;
    return [
      `${alter} DROP TABLE ${quoteTable(plan.retired)}`,
      `${alter} ADD TABLE ${quoteTable(plan.source)}${columns}${filter}`,
    ];
  });
}

type StatementRow = Readonly<Record<string, string | null>>;

function withComment(row: StatementRow): readonly string[] {
  return [row['statement'] ?? '', ...commentOf(row)];
}

function commentOf(row: StatementRow): readonly string[] {
  return row['comment'] == null ? [] : [row['comment']];
}
