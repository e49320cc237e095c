/** What about the table, and about earlier migrations of it, stands in the way. */

import type { Plan } from '../engine/model.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { claimObstacle, openMigrationObstacles } from '../sessions/claims.ts';
import type { ProbedTable } from './alter-probe.ts';
import { findMigrations, missingGrants, readClaim } from './bookkeeping.ts';
import type { TableDescription } from './catalog.ts';
import { claimName, findClaimHolder } from './claim.ts';
import type { PlanningFacts } from './planning-facts.ts';
import { IS_SUPERUSER, maySetRole } from './roles.ts';
import type { Session } from './session.ts';
import { quoteTable, quoteText } from './statements.ts';

/** What the swap and the carrying over need: to be the owner, to create in the schema, to see every row. */
export async function privilegeObstacles(
  session: Session,
  source: TableDescription,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const name = `${source.schema}.${source.table}`;
  const [row] = await session.query(
    `SELECT current_user AS username, pg_has_role(${quoteText(source.owner)}, 'USAGE') AS is_owner,
      ${maySetRole(quoteText(source.owner))} AS may_give,
      has_schema_privilege(${quoteText(source.schema)}, 'CREATE') AS can_create,
      has_schema_privilege(${quoteText(source.owner)}, ${quoteText(source.schema)}, 'CREATE')
        OR ${IS_SUPERUSER} AS owner_can_create,
      (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS sees_all`,
    signal,
  );
  const user = row?.['username'] ?? '';
  const found: Obstacle[] = [];
  if (row?.['is_owner'] !== 't') {
    found.push({
      code: 'MISSING_PRIVILEGE',
      message: `The role ${user} is not the owner of ${name}, nor a member of ${source.owner} that inherits its privileges.`,
    });
  }
  if (row?.['is_owner'] === 't' && row['may_give'] !== 't') {
    const message = `The role ${user} is a member of ${source.owner}, but may not SET ROLE to it, which giving it the new table of ${name} takes.`;
    found.push({ code: 'MISSING_PRIVILEGE', message });
  }
  if (row?.['can_create'] !== 't') {
    found.push({
      code: 'MISSING_PRIVILEGE',
      message: `The role ${user} lacks the privilege CREATE on the schema ${source.schema}.`,
    });
  }
  if (row?.['owner_can_create'] !== 't') {
    const message = `The owner of ${name}, ${source.owner}, lacks the privilege CREATE on the schema ${source.schema}.`;
    found.push({ code: 'MISSING_PRIVILEGE', message });
  }
  const isHidden =
    source.hasRowSecurity && (row?.['is_owner'] !== 't' || source.forcesRowSecurity) && row?.['sees_all'] !== 't';
  if (isHidden) found.push({ code: 'ROW_SECURITY', message: `Row security of ${name} applies to the role ${user}.` });
  return found;
}

/** Who else has to do with the table, outside the catalog of dependencies. */
export async function tableObstacles(
  session: Session,
  source: TableDescription,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const name = `${source.schema}.${source.table}`;
  const { oid } = source;
  const rows = await session.query(
    `SELECT 'UNSUPPORTED_TABLE' AS code, format('%s belongs to the extension %s.', ${quoteText(name)}, e.extname) AS message
      FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
      WHERE d.classid = 'pg_class'::regclass AND d.objid = ${oid} AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
     UNION ALL SELECT 'SUBSCRIBED', format('%s receives the changes of a subscription (%s).', ${quoteText(name)}, r.srsubid)
      FROM pg_subscription_rel AS r WHERE r.srrelid = ${oid}
     UNION ALL SELECT 'UNSUPPORTED_TABLE', format('%s has a security label of %s, which is not carried over.', ${quoteText(name)}, provider)
      FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = ${oid}
     UNION ALL SELECT 'UNSUPPORTED_TABLE', format('%s is tied to the extension %s, which is not carried over.', pg_describe_object(d.classid, d.objid, 0), e.extname)
      FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x'
        AND (d.classid = 'pg_class'::regclass AND d.objid IN (SELECT indexrelid FROM pg_index WHERE indrelid = ${oid})
          OR d.classid = 'pg_trigger'::regclass AND d.objid IN (SELECT oid FROM pg_trigger WHERE tgrelid = ${oid}))
     UNION ALL SELECT 'MISSING_PRIVILEGE', format('The role %s is not the owner of the publication %s, which lists %s.', current_user, p.pubname, ${quoteText(name)})
      FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid WHERE r.prrelid = ${oid} AND NOT pg_has_role(p.pubowner, 'USAGE')
     UNION ALL SELECT 'MISSING_PRIVILEGE', format('The role %s is not the owner of the statistics %s on %s.', current_user, s.stxname, ${quoteText(name)})
      FROM pg_statistic_ext AS s WHERE s.stxrelid = ${oid} AND NOT pg_has_role(s.stxowner, 'USAGE')
     UNION ALL SELECT 'MISSING_PRIVILEGE', format('The role %s lacks the privilege %s on the schema %s, in which the statistics %s on %s are.', r.name, w.privilege,
        n.nspname, s.stxname, ${quoteText(name)}) FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace
      CROSS JOIN LATERAL (SELECT DISTINCT x FROM unnest(ARRAY[current_user, pg_get_userbyid(s.stxowner)]) AS x) AS r (name)
      CROSS JOIN (VALUES ('USAGE'), ('CREATE')) AS w (privilege)
      WHERE s.stxrelid = ${oid} AND NOT ${IS_SUPERUSER} AND (r.name = current_user OR w.privilege = 'CREATE') AND NOT has_schema_privilege(r.name, n.oid, w.privilege)
     UNION ALL SELECT 'MISSING_PRIVILEGE', format('The role %s may not SET ROLE %I, which giving it the statistics %s on %s takes.', current_user,
        pg_get_userbyid(s.stxowner), s.stxname, ${quoteText(name)})
      FROM pg_statistic_ext AS s WHERE s.stxrelid = ${oid} AND pg_has_role(s.stxowner, 'USAGE') AND NOT ${maySetRole('s.stxowner')}
     UNION ALL SELECT 'MISSING_PRIVILEGE', format('The role %s lacks the privilege EXECUTE on the function of the trigger %s of %s.', current_user, t.tgname, ${quoteText(name)})
      FROM pg_trigger AS t WHERE t.tgrelid = ${oid} AND NOT t.tgisinternal AND NOT has_function_privilege(t.tgfoid, 'EXECUTE')
     ORDER BY 1, 2`,
    signal,
  );
  return rows.map((row) => ({ code: row['code'] as Obstacle['code'], message: row['message'] ?? '' }));
}

/** Where applications commit in two phases there is always one that was prepared just now; only one that stays is in the way. */
const preparedForMs = 2_000;

/** Transactions that hold the table and wait to be decided. The cutover goes by their locks (lock-holders.ts). */
export async function preparedObstacles(
  session: Session,
  source: TableDescription,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const rows = await session.query(
    `SELECT p.gid FROM pg_locks AS l
      JOIN pg_locks AS x ON x.virtualtransaction = l.virtualtransaction AND x.locktype = 'transactionid' AND x.pid IS NULL
      JOIN pg_prepared_xacts AS p ON p.transaction = x.transactionid
      WHERE l.locktype = 'relation' AND l.pid IS NULL AND l.relation = ${source.oid} AND p.database = current_database()
        AND clock_timestamp() - p.prepared > interval '${preparedForMs} ms'
      GROUP BY p.gid ORDER BY p.gid`,
    signal,
  );
  return rows.map(({ gid }) => ({
    code: 'PREPARED_TRANSACTION',
    message: `The prepared transaction ${gid ?? ''} holds a lock on ${source.schema}.${source.table}.`,
  }));
}

/**
 * Added columns that no row which is there can have a value for; in an empty table there is none. A domain may have a default of its
 * own. Takes ACCESS SHARE on the source.
 */
export async function missingValueObstacles(
  session: Session,
  { source, probed }: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const added = probed.definition.columns
    .slice(probed.kept.length)
    .filter((column) => column.isNotNull && column.expression === null && column.identity === '');
  if (added.length === 0) return [];
  const values = added.map(({ name, type }) => `(${quoteText(name)}, ${quoteText(type)})`).join(', ');
  const rows = await session.query(
    `SELECT c.name FROM (VALUES ${values}) AS c (name, type) WHERE EXISTS (SELECT FROM ONLY ${quoteTable(source)})
      AND NOT EXISTS (SELECT FROM pg_type AS t WHERE t.oid = to_regtype(c.type) AND t.typdefault IS NOT NULL)`,
    signal,
  );
  return rows.map((row) => {
    const message = `${row['name'] ?? ''} is added to ${source.schema}.${source.table} as NOT NULL and without a DEFAULT, so the rows that are there would have no value for it. Give it a DEFAULT; that can be dropped again afterwards.`;
    return { code: 'INVALID_ALTER', message };
  });
}

/** A live run on the table alone; or else an unfinished migration of it, and what has the names which the plan gives. */
export async function earlierObstacles(
  session: Session,
  plan: Plan,
  facts: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const found = await migrationObstacles(session, plan, signal);
  if (found.some(({ code }) => code === 'TABLE_IN_USE')) return found;
  return [...(await nameObstacles(session, plan, facts, signal)), ...found];
}

/** Schemas that have the names which the plan gives, and names that would meet in the source's schema. */
async function nameObstacles(
  session: Session,
  plan: Plan,
  { source, probed }: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const found: Obstacle[] = [];
  const schemas = await session.query(
    `SELECT nspname FROM pg_namespace WHERE nspname IN (${quoteText(plan.shadow.schema)}, ${quoteText(plan.retired.schema)})`,
    signal,
  );
  for (const row of schemas) {
    const isShadow = row['nspname'] === plan.shadow.schema;
    const message = `The schema ${row['nspname'] ?? ''}, for the ${isShadow ? 'shadow' : 'retired table'}, exists already.`;
    found.push({ code: isShadow ? 'SHADOW_EXISTS' : 'RETIRED_EXISTS', message });
  }
  return [...found, ...(await takenNameObstacles(session, source, probed, signal))];
}

/** What the new table brings along into the source's schema, and somebody else has there under that name. Reads the catalog only. */
export async function takenNameObstacles(
  session: Session,
  source: TableDescription,
  { definition, relationsOfPartitions }: Pick<ProbedTable, 'definition' | 'relationsOfPartitions'>,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  const arriving = [...[...definition.indexes, ...definition.sequences].map(({ name }) => name), ...relationsOfPartitions];
  const leaving = new Set(
    [...source.indexes, ...source.sequences.filter(({ schema }) => schema === source.schema)].map(({ name }) => name),
  );
  const names = arriving.filter((name) => !leaving.has(name));
  if (names.length === 0) return [];
  const taken = await session.query(
    `SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = ${quoteText(source.schema)} AND c.relname IN (${names.map(quoteText).join(', ')}) ORDER BY 1`,
    signal,
  );
  return taken.map((row) => ({
    code: 'NAME_TAKEN',
    message: `The new table would have ${row['relname'] ?? ''}, but ${source.schema} has something else of that name.`,
  }));
}

/** A live run on the table, or else an unfinished migration of it. */
async function migrationObstacles(session: Session, plan: Plan, signal: AbortSignal): Promise<readonly Obstacle[]> {
  const missing = await missingGrants(session, signal);
  if (missing !== null) return [{ code: 'MISSING_PRIVILEGE', message: missing }];
  const claim = claimName(plan.source);
  const holder = await findClaimHolder(session, claim, signal);
  if (holder !== null) {
    const told = `process ${holder}`;
    return [claimObstacle(plan, { connectionId: holder, told }, await readClaim(session, claim, signal))];
  }
  return openMigrationObstacles(plan, await findMigrations(session, null, signal));
}
