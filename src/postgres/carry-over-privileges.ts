/** Carrying over who may do what: the owner, and the grants of the table, its columns and its sequences. */

import { keptColumns } from './alter-probe.ts';
import type { CarriedTables } from './carry-over-statements.ts';
import { type OwnedSequence, relationOid, type TableDescription } from './catalog.ts';
import { readPartitions } from './partitioned-shadow.ts';
import { maySetRole } from './roles.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/**
 * Owner, then grants, each by who granted it where we may act as that role. What default privileges gave to the shadow, or took
 * from its owner, the swap leaves on the new table; that is undone. A sequence that only the new table has gets the privileges that
 * the server's own ALTER would give it: the default ones of the table's owner, in the table's schema.
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
    ...owned.map((table) => `ALTER TABLE ${quoteTable(table)} OWNER TO ${quoteName(source.owner)}`),
    ...(await ownersShare(session, { objects, owner: source.owner }, signal)),
    ...inOrder(grants).flatMap(({ statement, grantor }) => asGrantor(statement, grantor)),
  ];
}

/** All that was granted on the tables, their columns and their identity sequences, as a text to compare. GRANT takes no lock on a table. */
export async function readPrivileges(session: Session, oids: readonly number[], signal: AbortSignal): Promise<string> {
  const list = oids.join(', ');
  const [row] = await session.query(
    `SELECT string_agg(concat_ws(' ', p.oid, p.attnum, p.acl), E'\\n' ORDER BY p.oid, p.attnum) AS text FROM (
       SELECT oid, 0 AS attnum, relacl::text AS acl FROM pg_class WHERE oid IN (${list}) OR oid IN (SELECT objid FROM pg_depend
         WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjid IN (${list}) AND deptype = 'i')
       UNION ALL SELECT attrelid, attnum, attacl::text FROM pg_attribute WHERE attrelid IN (${list}) AND attacl IS NOT NULL) AS p`,
    signal,
  );
  return row?.['text'] ?? '';
}

/** Something with grants of its own. */
interface CarriedObject {
  /** As GRANT names it once it is in its place. */
  readonly name: string;
  /** The privileges that it shall have, as an expression; NULL: those that every such object has. */
  readonly acl: string;
  /** As an oid expression. */
  readonly shadow: string;
}

function carriedObjects(tables: CarriedTables): readonly CarriedObject[] {
  const { plan, source, shadow } = tables;
  const aclOf = (oid: string): string => `(SELECT relacl FROM pg_class WHERE oid = ${oid})`;
  const table = { name: `TABLE ${quoteTable(plan.source)}`, acl: aclOf(`${source.oid}`), shadow: `${shadow.oid}` };
  const sequences = shadow.sequences.map((one) => {
    const from = sequenceBefore(tables, one);
    const name = `SEQUENCE ${quoteTable({ schema: plan.source.schema, table: one.name })}`;
    return { name, acl: from === null ? newSequenceAcl(source) : aclOf(sequenceOid(from)), shadow: sequenceOid(one) };
  });
  return [table, ...sequences];
}

/** What the server gives to a sequence that this owner makes in this schema. */
function newSequenceAcl({ oid }: TableDescription): string {
  const defaults = (alias: string, namespace: string): string =>
    `LEFT JOIN pg_default_acl AS ${alias} ON ${alias}.defaclrole = c.relowner AND ${alias}.defaclobjtype = 'S' AND ${alias}.defaclnamespace = ${namespace}`;
  return `(SELECT CASE WHEN coalesce(g.oid, s.oid) IS NOT NULL THEN coalesce(g.defaclacl, acldefault('s', c.relowner)) || coalesce(s.defaclacl, '{}') END
    FROM pg_class AS c ${defaults('g', '0')} ${defaults('s', 'c.relnamespace')} WHERE c.oid = ${oid})`;
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
        ({ name, acl, shadow }) =>
          `SELECT CASE WHEN ${acl} IS NOT NULL THEN format('REVOKE ALL ON %s FROM %I', ${quoteText(name)}::text, ${quoteText(owner)}::text)
             WHEN t.relacl IS NOT NULL THEN format('GRANT ALL ON %s TO %I', ${quoteText(name)}::text, ${quoteText(owner)}::text) END AS statement
           FROM pg_class AS t WHERE t.oid = ${shadow}`,
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
  const { source, shadow } = tables;
  const carried = carriedObjects(tables);
  const tableName = quoteText(carried[0]?.name ?? '');
  const columns = keptColumns(source, shadow).map(([from, to]) => `(${from.attnum}, ${quoteText(quoteName(to.name))})`);
  // The columns that every table has are granted on, too.
  const granted = `(VALUES ${columns.join(', ')} UNION ALL SELECT attnum, quote_ident(attname) FROM pg_attribute WHERE attrelid = ${source.oid} AND attnum < 0)`;
  const objects = [
    ...carried.map(
      ({ name, acl }, place) =>
        `SELECT ${place === 0 ? 0 : place + 2000} AS rank, ${acl} AS acl, NULL::text AS columns, ${quoteText(name)} AS object`,
    ),
    `SELECT 100 + v.attnum, t.attacl, v.columns, ${tableName}
     FROM ${granted} AS v (attnum, columns) JOIN pg_attribute AS t ON t.attnum = v.attnum WHERE t.attrelid = ${source.oid} AND t.attacl IS NOT NULL`,
  ];
  // Acting as a role needs its way into the schema, too.
  const rows = await session.query(
    `SELECT format('GRANT %s%s ON %s TO %s%s', a.privilege_type, ' (' || o.columns || ')', o.object,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
       CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement,
       CASE WHEN a.grantor <> c.relowner AND ${maySetRole('a.grantor')} AND has_schema_privilege(a.grantor, n.oid, 'USAGE')
         THEN quote_ident(pg_get_userbyid(a.grantor)) END AS grantor,
       format('%s %s %s', o.rank, a.privilege_type, a.grantor) AS own_need, format('%s %s %s', 0, a.privilege_type, a.grantor) AS table_need,
       CASE WHEN a.is_grantable THEN format('%s %s %s', o.rank, a.privilege_type, a.grantee) END AS gives
     FROM (${objects.join(' UNION ALL ')}) AS o, aclexplode(o.acl) AS a, pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = ${source.oid} ORDER BY o.rank, a.grantee, a.privilege_type`,
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

/** A grant is recorded as given by the role that is set. */
export function asGrantor(statement: string, grantor: string | null): readonly string[] {
  return grantor === null ? [statement] : [`SET LOCAL ROLE ${grantor}`, statement, 'SET LOCAL ROLE NONE'];
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
       WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = ${shadow.oid} AND deptype IN ('a', 'i')))`,
    signal,
  );
  return rows.map((row) => row['statement'] ?? '');
}

/** The sequence of the source that one of the shadow stands for: that of an identity column which both tables have. */
function sequenceBefore({ source, shadow, renewedIdentities }: CarriedTables, sequence: OwnedSequence): OwnedSequence | null {
  if (!sequence.isIdentity || renewedIdentities.includes(sequence.attnum)) return null;
  const attnum = keptColumns(source, shadow).find(([, to]) => to.attnum === sequence.attnum)?.[0].attnum;
  return source.sequences.find((one) => one.isIdentity && one.attnum === attnum) ?? null;
}

function sequenceOid({ schema, name }: OwnedSequence): string {
  return relationOid(quoteTable({ schema, table: name }));
}
