/** Carrying over who may do what: the owner, and the grants of the table, its columns and its identity sequences. */

import type { CarriedTables } from './carry-over-statements.ts';
import { relationOid, type TableDescription } from './catalog.ts';
import { readPartitions } from './partitioned-shadow.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/**
 * Owner, then grants, each by who granted it where we may act as that role. What default privileges gave to the shadow, or took
 * from its owner, the swap leaves on the new table; that is undone.
 */
export async function privilegeStatements(
  session: Session,
  tables: CarriedTables,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { plan, source } = tables;
  const objects = carriedObjects(tables);
  const grants = await readGrants(session, tables, signal);
  const partitions = await readPartitions(session, plan.shadow, signal);
  const owned = [plan.source, ...partitions.map((table) => ({ schema: plan.source.schema, table }))];
  return [
    ...(await shadowRevocations(session, tables, signal)),
    owned.map((table) => `ALTER TABLE ${quoteTable(table)} OWNER TO ${quoteName(source.owner)}`).join('; '),
    ...(await ownersShare(session, { objects, owner: source.owner }, signal)),
    ...inOrder(grants).map(({ statement, grantor }) => asGrantor(statement, grantor)),
  ];
}

/** Something with grants of its own. */
interface CarriedObject {
  /** As GRANT names it once it is in its place. */
  readonly name: string;
  /** As an oid expression. */
  readonly source: string;
  readonly shadow: string;
}

function carriedObjects(tables: CarriedTables): readonly CarriedObject[] {
  const { plan, source, shadow } = tables;
  const table = { name: `TABLE ${quoteTable(plan.source)}`, source: `${source.oid}`, shadow: `${shadow.oid}` };
  return [
    table,
    ...identityPairs(tables).map(({ from, now, to }) => ({
      name: `SEQUENCE ${to}`,
      source: relationOid(from),
      shadow: relationOid(now),
    })),
  ];
}

/** What the owner may do is written down only where something was ever granted or taken. */
async function ownersShare(
  session: Session,
  { objects, owner }: { readonly objects: readonly CarriedObject[]; readonly owner: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rows = await session.query(
    objects
      .map(
        ({ name, source, shadow }) =>
          `SELECT CASE WHEN s.relacl IS NOT NULL THEN format('REVOKE ALL ON %s FROM %I', ${quoteText(name)}::text, ${quoteText(owner)}::text)
             WHEN t.relacl IS NOT NULL THEN format('GRANT ALL ON %s TO %I', ${quoteText(name)}::text, ${quoteText(owner)}::text) END AS statement
           FROM pg_class AS s, pg_class AS t WHERE s.oid = ${source} AND t.oid = ${shadow}`,
      )
      .join(' UNION ALL '),
    signal,
  );
  return rows.flatMap((row) => row['statement'] ?? []);
}

/** What a role granted to another. */
export interface Grant {
  readonly statement: string;
  /** Whom to act as; null: the owner. */
  readonly grantor: string | null;
  /** What has to be granted before: any of these, or nothing if there are none. */
  readonly needs: readonly string[];
  /** What it is for those behind it. */
  readonly gives: string | null;
}

async function readGrants(session: Session, tables: CarriedTables, signal: AbortSignal): Promise<readonly Grant[]> {
  const { plan, source } = tables;
  const [table, ...sequences] = carriedObjects(tables);
  const tableName = quoteText(table?.name ?? '');
  const acl = (rank: string, from: string, name: string): string =>
    `SELECT ${rank} AS rank, relacl AS acl, relowner AS owner, NULL::text AS columns, ${name} AS object FROM pg_class WHERE oid = ${from}`;
  const columns = plan.columns.map(
    (pair, index) => `(${index + 1}, ${quoteText(pair.source)}, ${quoteText(quoteName(pair.shadow))})`,
  );
  const objects = [
    acl('0', `${source.oid}`, tableName),
    `SELECT v.rank, t.attacl, ${ownerOid(source)}, v.columns, ${tableName}
     FROM (VALUES ${columns.join(', ')}) AS v(rank, source, columns) JOIN pg_attribute AS t ON t.attname = v.source
     WHERE t.attrelid = ${source.oid} AND t.attacl IS NOT NULL`,
    ...sequences.map((one, index) => acl(`${index + 2000}`, one.source, quoteText(one.name))),
  ];
  // Acting as a role needs its way into the schema, too.
  const rows = await session.query(
    `SELECT format('GRANT %s%s ON %s TO %s%s', a.privilege_type, ' (' || o.columns || ')', o.object,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
       CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement,
       CASE WHEN a.grantor <> o.owner AND pg_has_role(a.grantor, 'MEMBER') AND has_schema_privilege(a.grantor, n.oid, 'USAGE')
         THEN quote_ident(pg_get_userbyid(a.grantor)) END AS grantor,
       format('%s %s %s', o.rank, a.privilege_type, a.grantor) AS own_need, format('%s %s %s', 0, a.privilege_type, a.grantor) AS table_need,
       CASE WHEN a.is_grantable THEN format('%s %s %s', o.rank, a.privilege_type, a.grantee) END AS gives
     FROM (${objects.join(' UNION ALL ')}) AS o, aclexplode(o.acl) AS a, pg_namespace AS n
     WHERE n.nspname = ${quoteText(plan.source.schema)} ORDER BY o.rank, a.grantee, a.privilege_type`,
    signal,
  );
  return rows.map((row) => {
    const grantor = row['grantor'] ?? null;
    const needs = grantor === null ? [] : [row['own_need'] ?? '', row['table_need'] ?? ''];
    return { statement: row['statement'] ?? '', grantor, needs, gives: row['gives'] ?? null };
  });
}

/** A role can grant only what it was granted itself. */
export function inOrder(grants: readonly Grant[]): readonly Grant[] {
  const ordered: Grant[] = [];
  const given = new Set<string | null>();
  let waiting = grants;
  while (waiting.length > 0) {
    const isReady = ({ needs }: Grant): boolean => needs.length === 0 || needs.some((need) => given.has(need));
    const ready = waiting.filter(isReady);
    // There is no circle in the grants of a server; if there were, its roles would be granted to by the owner.
    if (ready.length === 0) return [...ordered, ...waiting.map((grant) => ({ ...grant, grantor: null }))];
    for (const grant of ready) given.add(grant.gives);
    ordered.push(...ready);
    waiting = waiting.filter((grant) => !ready.includes(grant));
  }
  return ordered;
}

function ownerOid({ oid }: TableDescription): string {
  return `(SELECT relowner FROM pg_class WHERE oid = ${oid})`;
}

/** A grant is recorded as given by the role that is set. */
export function asGrantor(statement: string, grantor: string | null): string {
  return grantor === null ? statement : `SET LOCAL ROLE ${grantor}; ${statement}; RESET ROLE`;
}

async function shadowRevocations(
  session: Session,
  { plan, shadow }: CarriedTables,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT DISTINCT format('REVOKE ALL ON %s %s FROM %s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
       CASE c.oid WHEN ${shadow.oid} THEN ${quoteText(quoteTable(plan.source))} ELSE format('%I.%I', ${quoteText(plan.source.schema)}::text, c.relname) END,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) AS statement
     FROM pg_class AS c, aclexplode(c.relacl) AS a
     WHERE a.grantee <> c.relowner AND (c.oid = ${shadow.oid}
       OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = ${shadow.oid}) OR c.oid IN (SELECT objid FROM pg_depend
       WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = ${shadow.oid} AND deptype = 'i'))`,
    signal,
  );
  return rows.map((row) => row['statement'] ?? '');
}

interface IdentityPair {
  /** The old one, and the new one as it is now, by their present names. */
  readonly from: string;
  readonly now: string;
  /** The new one as it will be named. */
  readonly to: string;
}

/** Identity sequences that both tables have. */
function identityPairs({ plan, source, shadow }: CarriedTables): readonly IdentityPair[] {
  return source.sequences.flatMap((one) => {
    const name = source.columns.find(({ attnum }) => attnum === one.attnum)?.name;
    const kept = plan.columns.find((pair) => pair.source === name)?.shadow;
    const attnum = shadow.columns.find((column) => column.name === kept)?.attnum;
    const other = shadow.sequences.find((sequence) => sequence.isIdentity && sequence.attnum === attnum);
    if (!one.isIdentity || other === undefined) return [];
    const placed = (schema: string, table: string): string => quoteTable({ schema, table });
    return [
      { from: placed(one.schema, one.name), now: placed(other.schema, other.name), to: placed(plan.source.schema, other.name) },
    ];
  });
}
