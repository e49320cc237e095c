/** What depends on the table by its identity, so that it would stay with the old one. What is not known here is an obstacle. */

import type { PlanOptions } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { Column, TableDescription } from './catalog.ts';
import { DESCRIBED_DEPENDENT, isRepointed } from './dependents.ts';
import { materializedViewObstacles } from './materialized-views.ts';
import { isOnRowType, rowTypeFunctionObstacles } from './row-type-functions.ts';
import { FORBIDDEN_SETTINGS, IS_SUPERUSER } from './roles.ts';
import type { Session } from './session.ts';
import { quoteText } from './statements.ts';

/** What the dependencies are judged by. */
export interface DependencyScope {
  readonly source: TableDescription;
  /** The altered table: the shadow, or the copy on which the ALTER was tried. */
  readonly altered: TableDescription;
  /** Columns that exist before and after. */
  readonly kept: readonly (readonly [source: Column, shadow: Column])[];
  /** The oids of the other tables that are swapped together with it: what of theirs is made anew is so on their new tables. */
  readonly siblings: readonly number[];
  readonly options: Pick<PlanOptions, 'materializedViews'>;
}

/**
 * Dependencies of others on the table, its columns and its row type, and on what belongs to it and is made anew (indexes,
 * constraints, statistics, identity sequences). Left out is what the shadow has of its own and what is carried over (triggers,
 * policies, rules, sequences, publications) or re-pointed, and functions on the row type, which are judged by themselves.
 */
export async function dependencyObstacles(
  session: Session,
  scope: DependencyScope,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const { oid } = scope.source;
  const anew = ['pg_trigger.tgrelid', 'pg_policy.polrelid', 'pg_rewrite.ev_class'].map((column) => {
    const [catalog = ''] = column.split('.');
    return `UNION ALL SELECT '${catalog}'::regclass, oid, false FROM ${catalog} WHERE ${column} IN (${[0, ...scope.siblings].join(', ')})`;
  });
  const name = `${scope.source.schema}.${scope.source.table}`;
  const rows = await session.query(
    `WITH own AS (
       SELECT 'pg_constraint'::regclass AS class, oid, true AS is_made_anew FROM pg_constraint WHERE conrelid = ${oid} OR confrelid = ${oid}
       UNION ALL SELECT 'pg_attrdef'::regclass, oid, false FROM pg_attrdef WHERE adrelid = ${oid}
       UNION ALL SELECT 'pg_trigger'::regclass, oid, false FROM pg_trigger WHERE tgrelid = ${oid} OR tgconstrrelid = ${oid} AND tgisinternal
       UNION ALL SELECT 'pg_policy'::regclass, oid, false FROM pg_policy WHERE polrelid = ${oid}
       UNION ALL SELECT 'pg_rewrite'::regclass, oid, false FROM pg_rewrite WHERE ev_class = ${oid}
       UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, true FROM pg_statistic_ext WHERE stxrelid = ${oid}
       UNION ALL SELECT 'pg_publication_rel'::regclass, oid, false FROM pg_publication_rel WHERE prrelid = ${oid}
       UNION ALL SELECT 'pg_class'::regclass, indexrelid, true FROM pg_index WHERE indrelid = ${oid}
       UNION ALL SELECT 'pg_class'::regclass, reltoastrelid, false FROM pg_class WHERE oid = ${oid}
       UNION ALL SELECT 'pg_class'::regclass, d.objid, ${isLostSequence(scope)} FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ${oid} AND d.deptype IN ('a', 'i')
       UNION ALL SELECT 'pg_type'::regclass, oid, true FROM pg_type
         WHERE typrelid = ${oid} OR typelem = (SELECT reltype FROM pg_class WHERE oid = ${oid}) AND typcategory = 'A'
       UNION ALL SELECT 'pg_class'::regclass, ${oid}, true
       ${anew.join(' ')}
     )
     SELECT ${DESCRIBED_DEPENDENT} AS object, bool_and(used.class <> 'pg_type'::regclass
       AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = r.ev_class AND c.relkind = 'm')) AS can_be_remade,
       bool_or(used.class = 'pg_type'::regclass) AS has_row_type
     FROM pg_depend AS d LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
       JOIN own AS used ON used.is_made_anew AND used.class = d.refclassid AND used.oid = d.refobjid
     WHERE NOT EXISTS (SELECT FROM own WHERE own.class = d.classid AND own.oid = d.objid)
       AND NOT ((used.oid = ${oid} AND used.class = 'pg_class'::regclass OR used.class = 'pg_constraint'::regclass) AND ${isRepointed})
       AND NOT ${isOnRowType([oid])}
     GROUP BY object ORDER BY object`,
    signal,
  );
  const isAlone = scope.siblings.length === 0;
  const isRecreating = scope.options.materializedViews === 'recreate' && isAlone;
  const found = rows
    .filter((row) => row['can_be_remade'] === 'f' || !isRecreating)
    .map((row): Obstacle => {
      const reason = row['has_row_type'] === 't' ? ": it uses the type of the table's rows, not only columns" : '';
      const hint = row['can_be_remade'] === 't' && isAlone ? '; --materialized-views recreate makes it again' : reason;
      const message = `${name} is used by ${row['object'] ?? ''}, which would stay with the old table${hint}.`;
      return { code: 'DEPENDENT_OBJECTS', message };
    });
  return [
    ...found,
    ...(await rowTypeFunctionObstacles(session, scope.source, signal)),
    ...(isRecreating ? await materializedViewObstacles(session, scope, signal) : []),
    ...(await columnObstacles(session, scope, signal)),
    ...(await lostToOthers(session, scope, signal)),
    ...(await ownerObstacles(session, scope, signal)),
    ...(await redefinitionObstacles(session, scope, signal)),
    ...(await schemaObstacles(session, scope, signal)),
  ];
}

/** An identity sequence is another one in the new table; the sequence of a column that is dropped goes with the old one. */
function isLostSequence({ source, kept }: DependencyScope): string {
  const dropped = source.columns.filter((column) => !kept.some(([one]) => one.attnum === column.attnum));
  return `(d.deptype = 'i' OR d.refobjsubid IN (${[0, ...dropped.map(({ attnum }) => attnum)].join(', ')}))`;
}

/**
 * Triggers, policies and publications are made anew from their text. It names columns; and expressions in it are over the types
 * and collations of columns, which the server itself refuses to change then: a policy might let others through. Our own
 * publication, of the key's columns, goes away by itself.
 */
async function columnObstacles(
  session: Session,
  { source, kept }: DependencyScope,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const shadows = new Map(kept.map(([column, shadow]) => [column.attnum, shadow]));
  const lost = source.columns.filter(({ attnum }) => !shadows.has(attnum));
  const retyped = kept.filter(([from, to]) => from.type !== to.type || from.collation !== to.collation).map(([from]) => from);
  if (lost.length + retyped.length === 0) return [];
  const rows = await session.query(
    `SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) AS object, a.attname, d.refobjsubid IN (${numbers(lost)}) AS is_lost
     FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ${source.oid}
       AND d.classid IN ('pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_publication_rel'::regclass)
       AND NOT EXISTS (SELECT FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
         WHERE d.classid = 'pg_publication_rel'::regclass AND r.oid = d.objid AND p.pubname LIKE 'tableshift\\_%')
       AND (d.refobjsubid IN (${numbers(lost)}) OR d.refobjsubid IN (${numbers(retyped)}) AND (d.classid = 'pg_policy'::regclass
         OR EXISTS (SELECT FROM pg_trigger AS t WHERE d.classid = 'pg_trigger'::regclass AND t.oid = d.objid AND t.tgqual IS NOT NULL)
         OR EXISTS (SELECT FROM pg_publication_rel AS r WHERE d.classid = 'pg_publication_rel'::regclass AND r.oid = d.objid AND r.prqual IS NOT NULL)))
     ORDER BY 1, 2`,
    signal,
  );
  return rows.map((row) => {
    const what = row['is_lost'] === 't' ? 'names the column' : 'has an expression, and uses the column';
    const how = row['is_lost'] === 't' ? 'the ALTER drops' : 'gets another type';
    return { code: 'DEPENDENT_OBJECTS', message: `${row['object'] ?? ''} ${what} ${row['attname'] ?? ''}, which ${how}.` };
  });
}

/**
 * What the server's own ALTER refuses because of views, rules and functions: that a column which they use goes away or gets
 * another type, and that a primary key goes away by which a view groups. That a column is renamed it allows, and so do we.
 * Writing out a CHECK locks its table, so none of another table is: without CASE the server is free to begin with that.
 */
async function lostToOthers(
  session: Session,
  { source, altered, kept }: DependencyScope,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const dropped = source.columns.filter(({ attnum }) => !kept.some(([one]) => one.attnum === attnum));
  const retyped = kept.filter(([from, to]) => from.type !== to.type || from.collation !== to.collation).map(([from]) => from);
  const texts = (list: readonly string[]): string => ['', ...list].map(quoteText).join(', ');
  const constraints = texts(altered.constraints.map(({ name }) => name));
  const definitions = texts(altered.constraints.map(({ definition }) => definition));
  const rows = await session.query(
    `SELECT DISTINCT ${DESCRIBED_DEPENDENT} AS object,
       coalesce('column ' || a.attname, 'constraint ' || k.conname) AS used,
       a.attname IS NULL OR d.refobjsubid IN (${numbers(dropped)}) AS is_lost
     FROM pg_depend AS d LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
       LEFT JOIN pg_attribute AS a ON d.refclassid = 'pg_class'::regclass AND a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         AND a.attnum IN (${numbers([...dropped, ...retyped])}) AND a.attnum > 0
       LEFT JOIN pg_constraint AS k ON d.refclassid = 'pg_constraint'::regclass AND k.oid = d.refobjid AND k.conname NOT IN (${constraints})
         AND CASE WHEN k.conrelid = ${source.oid} THEN pg_get_constraintdef(k.oid) NOT IN (${definitions}) END
     WHERE d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass) AND (a.attrelid = ${source.oid} OR k.conrelid = ${source.oid})
     ORDER BY 1, 2`,
    signal,
  );
  return rows.map((row) => {
    const how = row['is_lost'] === 't' ? 'the ALTER drops' : 'gets another type';
    const message = `${row['object'] ?? ''} uses the ${row['used'] ?? ''}, which ${how}; without CASCADE the server itself would refuse that, too.`;
    return { code: 'DEPENDENT_OBJECTS', message };
  });
}

/** Only an owner who may create in the schema replaces a view or a function, and only an owner a rule of his table. */
async function ownerObstacles(
  session: Session,
  { source }: DependencyScope,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const rows = await session.query(
    `SELECT DISTINCT current_user AS username, o.object, n.schema, pg_has_role(o.owner, 'USAGE') AS is_owner
     FROM pg_depend AS d LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
       CROSS JOIN LATERAL (
         SELECT pg_describe_object('pg_class'::regclass, c.oid, 0), c.relowner, c.relnamespace, c.relkind = 'v' FROM pg_class AS c WHERE c.oid = r.ev_class
         UNION ALL SELECT pg_describe_object('pg_proc'::regclass, p.oid, 0), p.proowner, p.pronamespace, true FROM pg_proc AS p
           WHERE d.classid = 'pg_proc'::regclass AND p.oid = d.objid) AS o (object, owner, schema_oid, is_created)
       CROSS JOIN LATERAL (SELECT nspname FROM pg_namespace WHERE oid = o.schema_oid) AS n (schema)
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ${source.oid} AND r.ev_class IS DISTINCT FROM ${source.oid} AND ${isRepointed}
       AND NOT (pg_has_role(o.owner, 'USAGE') AND (NOT o.is_created OR has_schema_privilege(o.schema_oid, 'CREATE')))
     ORDER BY o.object`,
    signal,
  );
  return rows.map((row) => {
    const { username, object, schema } = row;
    const message =
      row['is_owner'] === 't'
        ? `The role ${username ?? ''} lacks the privilege CREATE on the schema ${schema ?? ''}, which replacing the ${object ?? ''} takes.`
        : `The role ${username ?? ''} is not the owner of the ${object ?? ''}, which leads to the table and is to be replaced.`;
    return { code: 'MISSING_PRIVILEGE', message };
  });
}

/** Some properties of a function only a superuser, or whoever was granted that, gives to it; even where it has them already. */
async function redefinitionObstacles(
  session: Session,
  { source }: DependencyScope,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const rows = await session.query(
    `SELECT DISTINCT current_user AS username, pg_describe_object('pg_proc'::regclass, p.oid, 0) AS object, o.lack
     FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid CROSS JOIN LATERAL (
       SELECT 'is no superuser, which replacing a LEAKPROOF function takes' WHERE p.proleakproof
       UNION ALL SELECT format('lacks the privilege SET on the parameter %s, which replacing what sets it takes', s.name) FROM ${FORBIDDEN_SETTINGS}
     ) AS o (lack)
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ${source.oid} AND ${isRepointed} AND NOT ${IS_SUPERUSER}
     ORDER BY object, o.lack`,
    signal,
  );
  return rows.map(({ username, object, lack }) => ({
    code: 'MISSING_PRIVILEGE',
    message: `The role ${username ?? ''} ${lack ?? ''}: ${object ?? ''}.`,
  }));
}

/**
 * The texts of what is made anew name relations, functions and types with their schemas, which only those find who may use these;
 * and so do the statements that compare columns.
 */
async function schemaObstacles(
  session: Session,
  { source, kept }: DependencyScope,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const rows = await session.query(
    `SELECT DISTINCT current_user AS username, n.nspname AS schema, ${DESCRIBED_DEPENDENT} AS object
     FROM pg_depend AS d LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
       JOIN pg_depend AS u ON u.classid = d.classid AND u.objid = d.objid
       CROSS JOIN LATERAL (SELECT relnamespace FROM pg_class WHERE u.refclassid = 'pg_class'::regclass AND oid = u.refobjid
         UNION ALL SELECT pronamespace FROM pg_proc WHERE u.refclassid = 'pg_proc'::regclass AND oid = u.refobjid
         UNION ALL SELECT typnamespace FROM pg_type WHERE u.refclassid = 'pg_type'::regclass AND oid = u.refobjid) AS named (schema_oid)
       JOIN pg_namespace AS n ON n.oid = named.schema_oid
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ${source.oid} AND (r.ev_class = ${source.oid} OR ${isRepointed} OR d.classid IN ('pg_trigger'::regclass, 'pg_policy'::regclass))
       AND NOT has_schema_privilege(n.oid, 'USAGE')
     UNION SELECT current_user, n.nspname, pg_describe_object('pg_class'::regclass, a.attrelid, a.attnum)
     FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid JOIN pg_namespace AS n ON n.oid = t.typnamespace
     WHERE a.attrelid = ${source.oid} AND a.attnum IN (${numbers(kept.map(([column]) => column))}) AND NOT has_schema_privilege(n.oid, 'USAGE')
     ORDER BY object, schema`,
    signal,
  );
  return rows.map(({ username, schema, object }) => ({
    code: 'MISSING_PRIVILEGE',
    message: `The role ${username ?? ''} lacks the privilege USAGE on the schema ${schema ?? ''}, which the ${object ?? ''} names.`,
  }));
}

/** Of these columns, for IN: never an empty list. */
function numbers(columns: readonly Column[]): string {
  return [0, ...columns.map(({ attnum }) => attnum)].join(', ');
}
