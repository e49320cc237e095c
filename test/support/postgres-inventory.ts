/** Everything that the catalog says about a table, by name and without numbers: to be the same before and after a migration. */
import pg from 'pg';
import type { PostgresApplication } from './postgres-adapter.ts';

/** The inventory by subject; each entry is one line of text. */
export type Inventory = Readonly<Record<string, readonly string[]>>;

/** Reads the inventory of a table. Definitions are those that the server writes for an empty search path. */
export async function inventoryOf(application: PostgresApplication, schema: string, table: string): Promise<Inventory> {
  await application.run('SET search_path = pg_catalog');
  const oid = `${pg.escapeLiteral(`${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`)}::regclass`;
  const others = { ...ofOthers(schema), ...ofMaterializedViews(schema), ...ofSchema(schema) };
  const queries = { ...ofTable(oid), ...ofParts(oid), ...ofDependencies(oid), ...others };
  const inventory: Record<string, readonly string[]> = {};
  for (const [subject, query] of Object.entries(queries)) {
    inventory[subject] = (await application.run(query)).map((row) => row['line'] ?? '').toSorted();
  }
  return inventory;
}

/** What differs, by subject: `- ` before a line that is gone, `+ ` before one that is new. */
export function inventoryChanges(before: Inventory, after: Inventory): Inventory {
  const changes = Object.keys(before).map((subject) => {
    const [old, now] = [before[subject] ?? [], after[subject] ?? []];
    const gone = old.filter((line) => !now.includes(line)).map((line) => `- ${line}`);
    return [subject, [...gone, ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`)]] as const;
  });
  return Object.fromEntries(changes.filter(([, lines]) => lines.length > 0));
}

type Queries = Readonly<Record<string, string>>;

/** What a version has that others lack is read by its name. Grants that were never made are those that the owner has by default. */
function ofTable(oid: string): Queries {
  return {
    table: `SELECT concat_ws(' | ', c.relname, n.nspname, c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), c.reloptions, t.reloptions,
        c.relreplident, c.relrowsecurity, c.relforcerowsecurity, s.spcname, m.amname, obj_description(c.oid, 'pg_class'),
        obj_description(c.reltype, 'pg_type')) AS line
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
      LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace LEFT JOIN pg_am AS m ON m.oid = c.relam WHERE c.oid = ${oid}`,
    grants: `SELECT concat_ws(' | ', a.grantee::regrole, a.grantor::regrole, a.privilege_type, a.is_grantable) AS line
      FROM pg_class AS c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a WHERE c.oid = ${oid}`,
    columnGrants: `SELECT concat_ws(' | ', t.attname, a.grantee::regrole, a.grantor::regrole, a.privilege_type, a.is_grantable) AS line
      FROM pg_attribute AS t, aclexplode(t.attacl) AS a WHERE t.attrelid = ${oid} AND NOT t.attisdropped`,
    columns: `SELECT concat_ws(' | ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation, a.attidentity,
        a.attgenerated, a.attstorage, a.attcompression, coalesce(a.attstattarget, -1), a.attoptions, pg_get_expr(d.adbin, CASE a.attgenerated WHEN '' THEN 0 ELSE d.adrelid END),
        col_description(a.attrelid, a.attnum)) AS line
      FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped`,
    sequences: `SELECT concat_ws(' | ', a.attname, n.nspname, s.relname, s.relpersistence, d.deptype, pg_get_userbyid(s.relowner),
        format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmax, q.seqmin, q.seqcache, q.seqcycle, obj_description(s.oid, 'pg_class'),
        (SELECT string_agg(concat_ws('/', g.grantee::regrole, g.grantor::regrole, g.privilege_type, g.is_grantable), ','
           ORDER BY g.grantee::regrole::text, g.privilege_type) FROM aclexplode(coalesce(s.relacl, acldefault('s', s.relowner))) AS g)) AS line
      FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace AS n ON n.oid = s.relnamespace
      JOIN pg_sequence AS q ON q.seqrelid = s.oid JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ${oid} AND d.deptype IN ('a', 'i')`,
  };
}

function ofParts(oid: string): Queries {
  return {
    constraints: `SELECT concat_ws(' | ', k.conname, k.contype, k.convalidated, k.condeferrable, k.condeferred, pg_get_constraintdef(k.oid),
        k.connoinherit, k.conislocal, to_jsonb(k) ->> 'conenforced', to_jsonb(k) ->> 'conperiod', obj_description(k.oid, 'pg_constraint')) AS line
      FROM pg_constraint AS k WHERE k.conrelid = ${oid}`,
    referredToBy: `SELECT concat_ws(' | ', k.conrelid::regclass, k.conname, k.convalidated, pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint')) AS line
      FROM pg_constraint AS k WHERE k.confrelid = ${oid}`,
    indexes: `SELECT concat_ws(' | ', pg_get_indexdef(i.indexrelid), i.indisprimary, i.indisexclusion, i.indimmediate, i.indisvalid, i.indisready,
        i.indisclustered, i.indisreplident, i.indnullsnotdistinct, k.conname, pg_get_userbyid(c.relowner), c.reloptions, s.spcname,
        obj_description(c.oid, 'pg_class'), (SELECT string_agg(a.attnum || ':' || a.attstattarget, ',' ORDER BY a.attnum)
          FROM pg_attribute AS a WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) <> -1)) AS line
      FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
      LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid WHERE i.indrelid = ${oid}`,
    statistics: `SELECT concat_ws(' | ', pg_get_statisticsobjdef(oid), coalesce(stxstattarget, -1), pg_get_userbyid(stxowner),
        obj_description(oid, 'pg_statistic_ext')) AS line FROM pg_statistic_ext WHERE stxrelid = ${oid}`,
    triggers: `SELECT concat_ws(' | ', pg_get_triggerdef(oid), tgenabled, tgdeferrable, tginitdeferred, tgoldtable, tgnewtable,
        obj_description(oid, 'pg_trigger')) AS line FROM pg_trigger WHERE tgrelid = ${oid} AND NOT tgisinternal`,
    rules: `SELECT concat_ws(' | ', pg_get_ruledef(oid), ev_enabled) AS line FROM pg_rewrite WHERE ev_class = ${oid}`,
    policies: `SELECT concat_ws(' | ', polname, polpermissive, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid),
        pg_get_expr(polwithcheck, polrelid), obj_description(oid, 'pg_policy')) AS line FROM pg_policy WHERE polrelid = ${oid}`,
    publications: `SELECT concat_ws(' | ', p.pubname, pg_get_expr(r.prqual, r.prrelid), (SELECT string_agg(a.attname, ',' ORDER BY a.attname) FROM pg_attribute AS a
        WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs))) AS line
      FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid WHERE r.prrelid = ${oid}`,
    publishedBy: `SELECT p.pubname AS line FROM pg_publication_tables AS p JOIN pg_namespace AS n ON n.nspname = p.schemaname
      JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.tablename WHERE c.oid = ${oid}`,
    securityLabels: `SELECT concat_ws(' | ', provider, label, objsubid) AS line FROM pg_seclabel
      WHERE classoid = 'pg_class'::regclass AND objoid = ${oid}`,
  };
}

/** Whatever else there may be: what is connected with the table in either direction, as the server describes it. */
function ofDependencies(oid: string): Queries {
  const described = (side: '' | 'ref'): string =>
    `regexp_replace(pg_describe_object(d.${side}classid, d.${side}objid, d.${side}objsubid), 'pg_toast_\\d+', 'pg_toast_N')`;
  const isTable = (side: '' | 'ref'): string => `d.${side}classid = 'pg_class'::regclass AND d.${side}objid = ${oid}`;
  return {
    dependents: `SELECT concat_ws(' | ', d.deptype, d.refobjsubid > 0, ${described('')}) AS line FROM pg_depend AS d WHERE ${isTable('ref')}`,
    dependsOn: `SELECT concat_ws(' | ', d.deptype, ${described('ref')}) AS line FROM pg_depend AS d WHERE ${isTable('')}`,
    shared: `SELECT concat_ws(' | ', d.deptype, pg_describe_object(d.refclassid, d.refobjid, 0)) AS line FROM pg_shdepend AS d
      WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND d.classid = 'pg_class'::regclass AND d.objid = ${oid}`,
  };
}

/** Views, and rules wherever they are, with what a view has of its own; functions by their text. */
function ofOthers(schema: string): Queries {
  const namespace = `(SELECT oid FROM pg_namespace WHERE nspname = ${pg.escapeLiteral(schema)})`;
  const grants = (acl: string): string =>
    `(SELECT string_agg(concat_ws('/', g.grantee::regrole, g.grantor::regrole, g.privilege_type, g.is_grantable), ',' ORDER BY g.grantee::regrole::text, g.privilege_type)
       FROM aclexplode(${acl}) AS g)`;
  return {
    views: `SELECT concat_ws(' | ', c.relname, c.relkind, pg_get_userbyid(c.relowner), c.reloptions, pg_get_viewdef(c.oid), ${grants('c.relacl')},
        obj_description(c.oid, 'pg_class')) AS line
      FROM pg_class AS c WHERE c.relkind IN ('v', 'm') AND c.relnamespace = ${namespace}`,
    viewColumns: `SELECT concat_ws(' | ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation,
        pg_get_expr(d.adbin, d.adrelid), ${grants('a.attacl')}, col_description(c.oid, a.attnum)) AS line
      FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
      LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
      WHERE c.relkind IN ('v', 'm') AND c.relnamespace = ${namespace}`,
    viewTriggers: `SELECT concat_ws(' | ', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger')) AS line
      FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid WHERE c.relkind = 'v' AND c.relnamespace = ${namespace}`,
    otherRules: `SELECT concat_ws(' | ', pg_get_ruledef(r.oid), r.ev_enabled, obj_description(r.oid, 'pg_rewrite')) AS line
      FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class WHERE c.relnamespace = ${namespace}`,
    functions: `SELECT concat_ws(' | ', pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner), p.proacl, obj_description(p.oid, 'pg_proc')) AS line
      FROM pg_proc AS p WHERE p.prokind IN ('f', 'p') AND p.pronamespace = ${namespace}`,
  };
}

/** What materialised views have of a table, those in the schema beside it too. */
function ofMaterializedViews(schema: string): Queries {
  const views = `pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace AND c.relkind = 'm'
    AND n.nspname IN (${pg.escapeLiteral(schema)}, ${pg.escapeLiteral(`other_${schema}`)})`;
  return {
    materialized: `SELECT concat_ws(' | ', c.oid::regclass, m.amname, s.spcname, c.relispopulated, t.reloptions, c.relacl, obj_description(c.oid, 'pg_class'),
        pg_get_viewdef(c.oid)) AS line
      FROM ${views} JOIN pg_am AS m ON m.oid = c.relam LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid`,
    materializedColumns: `SELECT concat_ws(' | ', c.oid::regclass, a.attname, a.attstattarget, a.attstorage, a.attcompression, a.attoptions, a.attacl) AS line
      FROM ${views} JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0`,
    materializedIndexes: `SELECT concat_ws(' | ', pg_get_indexdef(i.indexrelid), i.indisclustered, i.indisvalid, x.reloptions, s.spcname, pg_get_userbyid(x.relowner),
        obj_description(x.oid, 'pg_class'), (SELECT string_agg(a.attnum || ':' || a.attstattarget, ',' ORDER BY a.attnum) FROM pg_attribute AS a WHERE a.attrelid = x.oid)) AS line
      FROM ${views} JOIN pg_index AS i ON i.indrelid = c.oid JOIN pg_class AS x ON x.oid = i.indexrelid LEFT JOIN pg_tablespace AS s ON s.oid = x.reltablespace`,
    materializedStatistics: `SELECT concat_ws(' | ', pg_get_statisticsobjdef(e.oid), e.stxstattarget, pg_get_userbyid(e.stxowner), obj_description(e.oid, 'pg_statistic_ext')) AS line
      FROM ${views} JOIN pg_statistic_ext AS e ON e.stxrelid = c.oid`,
  };
}

/** What has a name in the table's schema: nothing is left behind and nothing comes along. */
function ofSchema(schema: string): Queries {
  return {
    names: `SELECT concat_ws(' | ', o.kind, o.name) AS line FROM pg_namespace AS n, LATERAL (
        SELECT relkind::text AS kind, relname AS name FROM pg_class WHERE relnamespace = n.oid
        UNION ALL SELECT 'type', typname FROM pg_type WHERE typnamespace = n.oid
        UNION ALL SELECT 'statistics', stxname FROM pg_statistic_ext WHERE stxnamespace = n.oid) AS o WHERE n.nspname = ${pg.escapeLiteral(schema)}`,
  };
}
