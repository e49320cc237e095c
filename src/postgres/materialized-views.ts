/**
 * Materialised views whose query reads the table itself. The query cannot be replaced, so that they are made anew, where the operator
 * asks for it: which they are, why one cannot be, and how its query reads over another table.
 */

import type { TableName } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { withNewColumns } from './carry-over-dependents.ts';
import { readTable, tableOid, type TableDescription } from './catalog.ts';
import type { OuterRelation } from './dependents.ts';
import { refusalIn } from './errors.ts';
import { maySetRole } from './roles.ts';
import type { Session } from './session.ts';
import { makeCopy } from './shadow.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { beginTrial } from './transaction.ts';

/** One of them, as a relation that is locked before the table, for that is what REFRESH does. */
export interface MaterializedView extends OuterRelation {
  readonly oid: string;
  readonly isPopulated: boolean;
}

/** In the order of their names. Locks nothing. */
export async function readMaterializedViews(
  session: Session,
  source: TableName,
  signal: AbortSignal,
): Promise<readonly MaterializedView[]> {
  const rows = await session.query(
    `SELECT DISTINCT c.oid, n.nspname, c.relname, pg_get_userbyid(c.relowner) AS owner, c.relispopulated AS is_populated, c.xmin::text AS version
     ${viewsOver(tableOid(source))} ORDER BY n.nspname, c.relname`,
    signal,
  );
  return rows.map((row) => ({
    oid: row['oid'] ?? '',
    schema: row['nspname'] ?? '',
    table: row['relname'] ?? '',
    kind: 'MATERIALIZED VIEW',
    owner: row['owner'] ?? '',
    isPopulated: row['is_populated'] === 't',
    version: row['version'] ?? '',
  }));
}

/** `c` is each of them, `n` its schema. */
function viewsOver(oid: string): string {
  return `FROM pg_depend AS d JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
     JOIN pg_class AS c ON c.oid = r.ev_class AND c.relkind = 'm' JOIN pg_namespace AS n ON n.oid = c.relnamespace
     JOIN pg_type AS y ON y.oid = c.reltype
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ${oid}`;
}

/** The table before and after the change. */
export interface ChangedTable {
  readonly source: TableDescription;
  /** The shadow, or the copy on which the ALTER was tried. */
  readonly altered: TableDescription;
}

/** Why one of them cannot be made again, or not by this role. */
export async function materializedViewObstacles(
  session: Session,
  { source, altered }: ChangedTable,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const name = `${source.schema}.${source.table}`;
  const rows = await session.query(
    `SELECT DISTINCT pg_describe_object('pg_class'::regclass, v.oid, 0) AS object, o.code, o.reason
     FROM (SELECT DISTINCT c.oid, c.relowner, c.reltype, c.relnamespace, r.oid AS rule, y.typarray, n.nspname ${viewsOver(`${source.oid}`)}) AS v
     CROSS JOIN LATERAL (${reasons.join(' UNION ALL ')}) AS o (code, reason) ORDER BY 1, 2, 3`,
    signal,
  );
  return [
    ...rows.map(({ object, code, reason }): Obstacle => {
      return code === 'MISSING_PRIVILEGE'
        ? { code, message: `${reason ?? ''}, which making the ${object ?? ''} again takes.` }
        : {
            code: 'DEPENDENT_OBJECTS',
            message: `${name} is used by ${object ?? ''}, which cannot be made again: ${reason ?? ''}.`,
          };
    }),
    ...(source.hasRowSecurity ? await rowSecurityObstacles(session, source, signal) : []),
    ...(await nameObstacles(session, { source, altered }, signal)),
  ];
}

/**
 * That a query cannot be read over the new table: a name in it would mean something else. Tries it, in transactions that are
 * rolled back.
 */
export async function materializedQueryObstacles(
  session: Session,
  changed: ChangedTable,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const found: Obstacle[] = [];
  const { schema, table } = changed.source;
  for (const view of await readMaterializedViews(session, changed.source, signal)) {
    const read = await readQuery(session, view, changed, signal);
    if ('query' in read) continue;
    const message = `${schema}.${table} is used by materialized view ${nameOf(view)}, which cannot be made again: ${read.refusal}.`;
    found.push({ code: 'DEPENDENT_OBJECTS', message });
  }
  return found;
}

/**
 * The query of one of them as it is after the change, for a search path that has the schema of the new table, under the source's
 * name, before the source's own; or why there is none. It is read as that of a view over an empty copy, which then gets the columns
 * of the new table (`withNewColumns`): so nobody waits. In a transaction of its own that is rolled back; takes ACCESS SHARE on
 * what the query reads.
 */
export async function readQuery(
  session: Session,
  view: MaterializedView,
  { source, altered }: ChangedTable,
  signal: AbortSignal,
): Promise<{ readonly query: string } | { readonly refusal: string }> {
  const copy = { schema: `tableshift_query_${session.pid}`, table: source.table };
  const reader = quoteTable({ schema: copy.schema, table: 'tableshift_reader' });
  const definition = async (oid: string, path: readonly string[]): Promise<string> => {
    const read = `SELECT pg_catalog.pg_get_viewdef(${oid}::pg_catalog.oid) AS definition`;
    const [row] = await withPath(session, path, () => session.query(read, signal), signal);
    return row?.['definition'] ?? '';
  };
  await using _ = await beginTrial(session, signal);
  try {
    await session.execute(`CREATE SCHEMA ${quoteName(copy.schema)}`, signal);
    await makeCopy(session, source, copy.schema, signal);
    const description = await readTable(session, copy, signal);
    if (description === null) return { refusal: 'its table is gone' };
    // Without a schema, the source's name means the copy where that is found first.
    const query = await definition(view.oid, [source.schema]);
    const path = [copy.schema, source.schema];
    await withPath(session, path, () => session.execute(`CREATE VIEW ${reader} AS ${query}`, signal), signal);
    const oid = `${quoteText(reader)}::pg_catalog.regclass`;
    if (await readsFrom(session, oid, `${source.oid}`, signal))
      return { refusal: `its query has another ${source.table} in it` };
    const carried = { source: description, shadow: altered, plan: { source: copy } };
    return { query: await withNewColumns(session, carried, () => definition(oid, path), signal) };
  } catch (error) {
    const report = refusalIn(error);
    if (report === null) throw error;
    return { refusal: report.message.replace(/\.$/, '') };
  }
}

/** Runs work that names things without their schemas. Inside a transaction. */
export async function withPath<T>(
  session: Session,
  schemas: readonly string[],
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  await session.execute(`SET LOCAL search_path = ${schemas.map(quoteName).join(', ')}`, signal);
  const result = await work();
  await session.execute('SET LOCAL search_path = pg_catalog, pg_temp', signal);
  return result;
}

/** Whether the query of a view uses a relation. */
export async function readsFrom(session: Session, view: string, relation: string, signal: AbortSignal): Promise<boolean> {
  const rows = await session.query(
    `SELECT 1 FROM pg_depend AS d JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
     WHERE r.ev_class = ${view} AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ${relation} LIMIT 1`,
    signal,
  );
  return rows.length > 0;
}

/** As an operator would name it. */
export function nameOf({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}

/** Of a materialised view `v`, with the rule that has its query, its row type and the array of that. */
const reasons: readonly string[] = [
  `SELECT 'DEPENDENT_OBJECTS', format('it is used by %s', CASE WHEN w.rulename = '_RETURN' THEN pg_describe_object('pg_class'::regclass, w.ev_class, 0)
       ELSE pg_describe_object(u.classid, u.objid, 0) END)
     FROM pg_depend AS u LEFT JOIN pg_rewrite AS w ON u.classid = 'pg_rewrite'::regclass AND w.oid = u.objid
     WHERE u.deptype = 'n' AND w.ev_class IS DISTINCT FROM v.oid AND (u.refclassid = 'pg_class'::regclass AND u.refobjid = v.oid
       OR u.refclassid = 'pg_type'::regclass AND u.refobjid IN (v.reltype, v.typarray))`,
  `SELECT 'DEPENDENT_OBJECTS', format('it goes with the extension %s', e.extname) FROM pg_depend AS u JOIN pg_extension AS e ON e.oid = u.refobjid
     WHERE u.refclassid = 'pg_extension'::regclass AND u.deptype IN ('e', 'x') AND u.classid = 'pg_class'::regclass
       AND (u.objid = v.oid OR u.objid IN (SELECT indexrelid FROM pg_index WHERE indrelid = v.oid))`,
  "SELECT 'DEPENDENT_OBJECTS', 'it has a security label' FROM pg_seclabel AS s WHERE s.classoid = 'pg_class'::regclass AND s.objoid = v.oid",
  `SELECT 'MISSING_PRIVILEGE', format('The role %s is not a member of %s', current_user, pg_get_userbyid(v.relowner))
     WHERE NOT pg_has_role(v.relowner, 'USAGE')`,
  `SELECT 'MISSING_PRIVILEGE', format('The role %s may not SET ROLE %I', current_user, pg_get_userbyid(v.relowner))
     WHERE pg_has_role(v.relowner, 'USAGE') AND NOT ${maySetRole('v.relowner')}`,
  `SELECT 'MISSING_PRIVILEGE', format('The role %s lacks the privilege CREATE on the schema %s', current_user, v.nspname)
     WHERE NOT has_schema_privilege(v.relnamespace, 'CREATE')`,
  `SELECT DISTINCT 'MISSING_PRIVILEGE', format('The role %s lacks the privilege USAGE on the schema %s', current_user, n.nspname)
     FROM pg_depend AS u CROSS JOIN LATERAL (SELECT relnamespace FROM pg_class WHERE u.refclassid = 'pg_class'::regclass AND oid = u.refobjid
         UNION ALL SELECT pronamespace FROM pg_proc WHERE u.refclassid = 'pg_proc'::regclass AND oid = u.refobjid
         UNION ALL SELECT typnamespace FROM pg_type WHERE u.refclassid = 'pg_type'::regclass AND oid = u.refobjid) AS named (schema_oid)
       JOIN pg_namespace AS n ON n.oid = named.schema_oid
     WHERE u.classid = 'pg_rewrite'::regclass AND u.objid = v.rule AND NOT has_schema_privilege(n.oid, 'USAGE')`,
];

/** The shadow has none, so that it would be filled with more than its owner may see. */
async function rowSecurityObstacles(
  session: Session,
  source: TableDescription,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const views = await readMaterializedViews(session, source, signal);
  const message = (view: MaterializedView): string =>
    `${nameOf(source)} is used by materialized view ${nameOf(view)}, which cannot be made again: row security of the table decides on its rows.`;
  return views.map((view) => ({ code: 'DEPENDENT_OBJECTS', message: message(view) }));
}

/** What is made again stands beside the shadow until the swap, under its own name, and so do its indexes and statistics. */
async function nameObstacles(
  session: Session,
  { source, altered }: ChangedTable,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const rows = await session.query(
    `SELECT o.name, v.nspname, v.relname FROM (SELECT DISTINCT c.oid, n.nspname, c.relname ${viewsOver(`${source.oid}`)}) AS v
     CROSS JOIN LATERAL (SELECT v.relname UNION ALL SELECT i.relname FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
       WHERE x.indrelid = v.oid UNION ALL SELECT s.stxname FROM pg_statistic_ext AS s WHERE s.stxrelid = v.oid) AS o (name)
     ORDER BY v.nspname, v.relname, o.name`,
    signal,
  );
  const taken = new Set([
    altered.table,
    ...[...altered.indexes, ...altered.sequences, ...altered.statistics].map(({ name }) => name),
  ]);
  return rows.flatMap(({ name, nspname, relname }) => {
    const isTaken = taken.has(name ?? '');
    taken.add(name ?? '');
    const view = nameOf({ schema: nspname ?? '', table: relname ?? '' });
    const message = `The materialized view ${view} cannot be made again: it, or something of it, has a name, ${name ?? ''}, that is also in another schema.`;
    return isTaken ? [{ code: 'NAME_TAKEN', message }] : [];
  });
}
