/**
 * Functions and procedures that take or return rows of the table. The row type is part of their signature, which nothing can
 * alter, so that they are dropped and made again in the swap's transaction: whoever looks for one finds the old one or the new.
 * A body that is a text is looked up when it runs, and is not looked at here, as by the server's own ALTER.
 */

import type { Obstacle } from '../engine/obstacles.ts';
import { asGrantor, type Grant, inOrder } from './carry-over-privileges.ts';
import type { TableDescription } from './catalog.ts';
import { FORBIDDEN_SETTINGS, IS_SUPERUSER, maySetRole } from './roles.ts';
import type { Session } from './session.ts';

/** A condition on a row `d` of pg_depend: that a function depends on the row type of one of the tables, or on an array of it. */
export function isOnRowType(oids: readonly number[]): string {
  const types = `SELECT unnest(ARRAY[y.oid, y.typarray]) FROM pg_type AS y WHERE y.typrelid IN (${oids.join(', ')})`;
  return `(d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_type'::regclass AND d.refobjid IN (${types}))`;
}

/** Those that are made again, as an operator would name them. */
export async function readRowTypeFunctions(
  session: Session,
  oids: readonly number[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT DISTINCT pg_describe_object('pg_proc'::regclass, p.oid, 0) AS object ${functionsOn(oids)} ORDER BY 1`,
    signal,
  );
  return rows.map(({ object }) => object ?? '');
}

/**
 * What drops them while the tables have their places, and what makes them again afterwards: with owner, grants and comment. Locks
 * nothing that a call of them needs. Names are those before the swap, which are those after it.
 */
export async function rowTypeFunctionStatements(
  session: Session,
  oids: readonly number[],
  signal: AbortSignal,
): Promise<{ readonly beforeSwap: readonly string[]; readonly afterSwap: readonly string[] }> {
  const rows = await session.query(
    `SELECT DISTINCT p.oid, p.oid::regprocedure AS name, pg_get_functiondef(p.oid) AS definition,
       format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure, pg_get_userbyid(p.proowner)) AS owner,
       format('COMMENT ON ROUTINE %s IS ', p.oid::regprocedure) || quote_literal(obj_description(p.oid, 'pg_proc')) AS comment
     ${functionsOn(oids)} ORDER BY p.oid`,
    signal,
  );
  if (rows.length === 0) return { beforeSwap: [], afterSwap: [] };
  const afterSwap = ['SET LOCAL check_function_bodies = off'];
  for (const { oid, definition, owner, comment } of rows) {
    afterSwap.push(definition ?? '', owner ?? '', ...(await grantStatements(session, oid ?? '', signal)));
    if (comment != null) afterSwap.push(comment);
  }
  return { beforeSwap: [`DROP ROUTINE ${rows.map(({ name }) => name ?? '').join(', ')}`], afterSwap };
}

/** Why one of them cannot be made again, or not by this role. */
export async function rowTypeFunctionObstacles(
  session: Session,
  { oid, schema, table }: TableDescription,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const rows = await session.query(
    `SELECT DISTINCT pg_describe_object('pg_proc'::regclass, p.oid, 0) AS object, o.code, o.reason ${functionsOn([oid])}
     CROSS JOIN LATERAL (${reasons.join(' UNION ALL ')}) AS o (code, reason) ORDER BY 1, 2, 3`,
    signal,
  );
  return rows.map(({ object, code, reason }) =>
    code === 'MISSING_PRIVILEGE'
      ? { code, message: `${reason ?? ''}, which making the ${object ?? ''} again takes.` }
      : {
          code: 'DEPENDENT_OBJECTS' as const,
          message: `${schema}.${table} is used by ${object ?? ''}, which would stay with the old table: ${reason ?? ''}.`,
        },
  );
}

/** From here on: `p` is each of the functions, as often as it is bound to a table, and `l` its language. */
function functionsOn(oids: readonly number[]): string {
  return `FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid AND ${isOnRowType(oids)} JOIN pg_language AS l ON l.oid = p.prolang
    CROSS JOIN LATERAL (SELECT d.refobjid AS row_type) AS t`;
}

const own = (catalog: string, alias: string, side: '' | 'ref'): string =>
  `FROM ${catalog} AS ${alias} WHERE ${alias}.${side}classid = 'pg_proc'::regclass AND ${alias}.${side}objid = p.oid`;

/** Of a function `p`. A parameter's default is kept as a tree that says the numbers of its types. */
const reasons: readonly string[] = [
  "SELECT 'DEPENDENT_OBJECTS', 'it is an aggregate or a window function' WHERE p.prokind NOT IN ('f', 'p')",
  "SELECT 'DEPENDENT_OBJECTS', 'the server has read its body (BEGIN ATOMIC)' WHERE p.prosqlbody IS NOT NULL",
  `SELECT 'DEPENDENT_OBJECTS', 'a parameter has a default of that type' WHERE p.proargdefaults::text ~ format('\\m%s\\M', t.row_type)`,
  `SELECT 'DEPENDENT_OBJECTS', format('it is used by %s', coalesce((SELECT pg_describe_object('pg_class'::regclass, r.ev_class, 0) FROM pg_rewrite AS r
     WHERE u.classid = 'pg_rewrite'::regclass AND r.oid = u.objid), pg_describe_object(u.classid, u.objid, 0))) ${own('pg_depend', 'u', 'ref')}`,
  `SELECT 'DEPENDENT_OBJECTS', format('it goes with the extension %s', (SELECT extname FROM pg_extension WHERE oid = u.refobjid))
     ${own('pg_depend', 'u', '')} AND u.deptype IN ('e', 'x')`,
  `SELECT 'DEPENDENT_OBJECTS', 'it has a security label' FROM pg_seclabel AS s WHERE s.classoid = 'pg_proc'::regclass AND s.objoid = p.oid`,
  `SELECT 'MISSING_PRIVILEGE', format('The role %s is not a member of %s', current_user, pg_get_userbyid(p.proowner)) WHERE NOT pg_has_role(p.proowner, 'USAGE')`,
  `SELECT 'MISSING_PRIVILEGE', format('The role %s may not SET ROLE %I', current_user, pg_get_userbyid(p.proowner))
     WHERE pg_has_role(p.proowner, 'USAGE') AND NOT ${maySetRole('p.proowner')}`,
  `SELECT 'MISSING_PRIVILEGE', format('The role %s lacks the privilege SET on the parameter %s', current_user, s.name) FROM ${FORBIDDEN_SETTINGS}`,
  `SELECT 'MISSING_PRIVILEGE', format('The role %s lacks the privilege CREATE on the schema %s', r.name, n.nspname)
     FROM pg_namespace AS n, (VALUES (current_user), (pg_get_userbyid(p.proowner))) AS r (name)
     WHERE n.oid = p.pronamespace AND NOT ${IS_SUPERUSER} AND NOT has_schema_privilege(r.name, n.oid, 'CREATE')`,
  `SELECT 'MISSING_PRIVILEGE', format('The role %s is no superuser', current_user) WHERE NOT ${IS_SUPERUSER} AND (p.proleakproof OR NOT l.lanpltrusted)`,
  `SELECT 'MISSING_PRIVILEGE', format('The role %s lacks the privilege USAGE on the language %s', current_user, l.lanname)
     WHERE l.lanpltrusted AND NOT has_language_privilege(l.oid, 'USAGE')`,
  `SELECT 'MISSING_PRIVILEGE', format('The role %s lacks the privilege USAGE on the type %s or its schema', current_user, u.refobjid::regtype) ${own('pg_depend', 'u', '')}
     AND u.refclassid = 'pg_type'::regclass AND NOT (has_type_privilege(u.refobjid, 'USAGE')
       AND has_schema_privilege((SELECT typnamespace FROM pg_type WHERE oid = u.refobjid), 'USAGE'))`,
];

/** None where it has those that every function has, and gets no others by the role's default privileges. */
async function grantStatements(session: Session, oid: string, signal: AbortSignal): Promise<readonly string[]> {
  const grantee = (acl: string): string =>
    `CASE ${acl}.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(${acl}.grantee)) END`;
  const [row] = await session.query(
    `SELECT format('REVOKE ALL ON ROUTINE %s FROM PUBLIC, %I', p.oid::regprocedure, pg_get_userbyid(p.proowner))
       || coalesce(', ' || f.grantees, '') AS statement
     FROM pg_proc AS p CROSS JOIN LATERAL (SELECT count(*) AS defaults, string_agg(DISTINCT ${grantee('a')}, ', ') FILTER (WHERE a.grantee <> 0) AS grantees
       FROM pg_default_acl AS f LEFT JOIN LATERAL aclexplode(f.defaclacl) AS a ON true WHERE f.defaclobjtype = 'f'
         AND f.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND f.defaclnamespace IN (0, p.pronamespace)) AS f
     WHERE p.oid = ${oid} AND (p.proacl IS NOT NULL OR f.defaults > 0)`,
    signal,
  );
  if (row === undefined) return [];
  const rows = await session.query(
    `SELECT format('GRANT EXECUTE ON ROUTINE %s TO %s', p.oid::regprocedure, ${grantee('a')}) || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS statement,
       CASE WHEN a.grantor <> p.proowner AND ${maySetRole('a.grantor')} AND has_schema_privilege(a.grantor, p.pronamespace, 'USAGE')
         THEN quote_ident(pg_get_userbyid(a.grantor)) END AS grantor, a.grantor AS need, CASE WHEN a.is_grantable THEN a.grantee END AS gives
     FROM pg_proc AS p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WITH ORDINALITY AS a
     WHERE p.oid = ${oid} ORDER BY a.ordinality`,
    signal,
  );
  const grants = rows.map(({ statement, grantor, need, gives }): Grant => {
    return {
      statement: statement ?? '',
      grantor: grantor ?? null,
      needs: grantor == null ? [] : [need ?? ''],
      gives: gives ?? null,
    };
  });
  return [row['statement'] ?? '', ...inOrder(grants).flatMap(({ statement, grantor }) => asGrantor(statement, grantor))];
}
