/**
 * A materialised view over the table gets a twin over the shadow, beside it and under its own name, which takes its place in the swap:
 *
 *   before an attempt    the twin is made, filled and indexed, while nobody waits; it is kept for the attempts that follow
 *   under the locks      is the view what it was when the twin was begun? If it was refreshed or altered since, the attempt ends
 *   in the swap          the view is dropped, the twin comes into its schema and gets its grants
 *
 * A REFRESH is an update of the view's entry in the catalog, which is how it is told. So no reader ever sees older rows than before.
 * What a dead run left in the shadow's schema is made anew, and goes with the shadow.
 */

import { assert, MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import { asGrantor, type Grant, inOrder } from './carry-over-privileges.ts';
import { readMaterializedView, readTable, tableOid, type TableDescription } from './catalog.ts';
import { OWN_SETTINGS, USERS_FORMATS } from './conversion-settings.ts';
import {
  columnStatements,
  indexMarks,
  indexProperties,
  indexStatement,
  statisticsStatements,
  storageOf,
  typeComment,
} from './create-statement.ts';
import { type MaterializedView, nameOf, readMaterializedViews, readQuery, readsFrom, withPath } from './materialized-views.ts';
import { maySetRole } from './roles.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** What a swap does for the views, or why it cannot be done now. */
export interface TwinStatements {
  readonly inTheWay: readonly string[];
  readonly beforeSwap: readonly string[];
  readonly afterSwap: readonly string[];
}

/** The twins of one migration. */
export class MaterializedViewTwins {
  readonly #plan: Plan;
  /** By the view's oid: what it was when its twin was begun. */
  readonly #seen = new Map<string, string>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Those that are locked before the table. */
  find(session: Session, signal: AbortSignal): Promise<readonly MaterializedView[]> {
    return readMaterializedViews(session, this.#plan.source, signal);
  }

  /** Makes the twins that are missing or out of date. Takes as long as the queries of the views do. Safe to repeat. */
  async build(session: Session, signal: AbortSignal): Promise<void> {
    const views = await this.find(session, signal);
    for (const twin of await this.#existing(session, signal)) {
      const view = views.find(({ table }) => table === twin);
      const seen = view === undefined ? undefined : this.#seen.get(view.oid);
      if (view !== undefined && seen !== undefined && seen === (await stateOf(session, view, signal))) continue;
      await session.execute(`DROP MATERIALIZED VIEW IF EXISTS ${quoteTable(this.#twinOf({ table: twin }))}`, signal);
      if (view !== undefined) this.#seen.delete(view.oid);
    }
    for (const view of views) {
      if (this.#seen.has(view.oid)) continue;
      const state = await stateOf(session, view, signal);
      await this.#buildOne(session, view, signal);
      this.#seen.set(view.oid, state);
    }
  }

  /** Under the locks. */
  async statements(session: Session, signal: AbortSignal): Promise<TwinStatements> {
    const inTheWay: string[] = [];
    const beforeSwap: string[] = [];
    const afterSwap: string[] = [];
    for (const view of await this.find(session, signal)) {
      if (this.#seen.get(view.oid) !== (await stateOf(session, view, signal))) {
        inTheWay.push(`The materialized view ${nameOf(view)} was refreshed, altered or made meanwhile`);
      }
      const twin = this.#twinOf(view);
      const description = await readMaterializedView(session, view, signal);
      beforeSwap.push(`DROP MATERIALIZED VIEW ${quoteTable(view)}`);
      afterSwap.push(
        `ALTER MATERIALIZED VIEW ${quoteTable(twin)} SET SCHEMA ${quoteName(view.schema)}`,
        ...(description?.statistics ?? []).flatMap(({ name, schema, owner }) => [
          `ALTER STATISTICS ${quoteTable({ schema: twin.schema, table: name })} SET SCHEMA ${quoteName(schema)}`,
          `ALTER STATISTICS ${quoteTable({ schema, table: name })} OWNER TO ${quoteName(owner)}`,
        ]),
        ...(await grantStatements(session, view, twin, signal)),
      );
    }
    return { inTheWay, beforeSwap, afterSwap };
  }

  #twinOf({ table }: Pick<TableName, 'table'>): TableName {
    return { schema: this.#plan.shadow.schema, table };
  }

  async #existing(session: Session, signal: AbortSignal): Promise<readonly string[]> {
    const rows = await session.query(
      `SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
       WHERE n.nspname = ${quoteText(this.#plan.shadow.schema)} AND c.relkind = 'm' ORDER BY c.relname`,
      signal,
    );
    return rows.map(({ relname }) => relname ?? '');
  }

  /** All of it happens or nothing; what only makes it faster to use comes afterwards. */
  async #buildOne(session: Session, view: MaterializedView, signal: AbortSignal): Promise<void> {
    const { shadow, source } = this.#plan;
    const { signal: always } = new AbortController();
    const twin = this.#twinOf(view);
    const description = await readMaterializedView(session, view, signal);
    const tables = { source: await readTable(session, source, signal), altered: await readTable(session, shadow, signal) };
    if (description === null || tables.source === null || tables.altered === null)
      throw this.#changed(view, 'its table, or it, is gone');
    const read = await readQuery(session, view, { source: tables.source, altered: tables.altered }, signal);
    if ('refusal' in read) throw this.#changed(view, read.refusal);
    await session.execute('BEGIN', signal);
    try {
      const create = `CREATE MATERIALIZED VIEW ${quoteTable(twin)} ${storageOf(description)} AS ${read.query.replace(/;\s*$/, '')} WITH NO DATA`;
      await withPath(session, [shadow.schema, source.schema], () => session.execute(create, signal), signal);
      const isOfSource = await readsFrom(session, tableOid(twin), tableOid(source), signal);
      assert(!isOfSource, 'a twin reads the shadow, not the source');
      for (const statement of this.#ownerStatements(view, twin)) await session.execute(statement, signal);
      if (view.isPopulated) await fill(session, twin, signal);
      for (const statement of furnishings(description, twin)) await session.execute(statement, signal);
      await session.execute('COMMIT', signal);
    } catch (error) {
      // A broken session has no transaction any more.
      await session.execute('ROLLBACK', always).catch(() => undefined);
      throw error;
    }
    if (view.isPopulated) await session.execute(`VACUUM (ANALYZE) ${quoteTable(twin)}`, signal);
  }

  /** Its query runs as its owner, who must see the shadow until the swap; what he is granted on that, the swap takes back. */
  #ownerStatements({ owner }: MaterializedView, twin: TableName): readonly string[] {
    const { shadow } = this.#plan;
    const role = quoteName(owner);
    return [
      `GRANT USAGE, CREATE ON SCHEMA ${quoteName(shadow.schema)} TO ${role}`,
      `GRANT SELECT ON ${quoteTable(shadow)} TO ${role}`,
      `ALTER MATERIALIZED VIEW ${quoteTable(twin)} OWNER TO ${role}`,
    ];
  }

  #changed(view: MaterializedView, why: string): MigrationError {
    const { id } = this.#plan;
    return new MigrationError(
      'PLAN_CHANGED',
      `The materialized view ${nameOf(view)} cannot be made again: ${why}. Drop it and resume migration ${id}, or give that up.`,
    );
  }
}

/**
 * As a REFRESH by the role would be: with its search path and its style of texts, and as far as rows of other tables are hidden from the
 * owner, without them.
 */
async function fill(session: Session, twin: TableName, signal: AbortSignal): Promise<void> {
  const settings = ['search_path TO DEFAULT', 'row_security = on', ...USERS_FORMATS];
  await session.execute(settings.map((one) => `SET LOCAL ${one}`).join('; '), signal);
  await session.execute(`REFRESH MATERIALIZED VIEW ${quoteTable(twin)}`, signal);
  await session.execute(`${OWN_SETTINGS}; SET LOCAL row_security = off`, signal);
}

/** All that a view has beside its query, its rows, its owner and its grants. */
function furnishings(description: TableDescription, twin: TableName): readonly string[] {
  const name = quoteTable(twin);
  return [
    ...description.columns.flatMap((column) => [
      ...columnStatements(column, name),
      ...storageStatements(column, name),
      ...(column.comment === null
        ? []
        : [`COMMENT ON COLUMN ${name}.${quoteName(column.name)} IS ${quoteText(column.comment)}`]),
    ]),
    ...description.indexes.flatMap((index) => [
      indexStatement(index, name),
      ...indexProperties(index, twin.schema),
      ...indexMarks(index, name),
    ]),
    ...description.statistics.flatMap((one) => statisticsStatements(one, name, twin.schema)),
    ...(description.comment === null ? [] : [`COMMENT ON MATERIALIZED VIEW ${name} IS ${quoteText(description.comment)}`]),
    ...typeComment(description, name),
  ];
}

/** Where values are kept, and how they are packed; it counts for what is written from then on. */
function storageStatements(
  { name, storage, compression }: TableDescription['columns'][number],
  table: string,
): readonly string[] {
  const alter = `ALTER TABLE ${table} ALTER COLUMN ${quoteName(name)}`;
  const kind = { p: 'PLAIN', e: 'EXTERNAL', m: 'MAIN', x: 'EXTENDED' }[storage];
  const method = { p: 'pglz', l: 'lz4' }[compression];
  return [
    ...(kind === undefined ? [] : [`${alter} SET STORAGE ${kind}`]),
    ...(method === undefined ? [] : [`${alter} SET COMPRESSION ${method}`]),
  ];
}

/** Changes with whatever is done to it, a REFRESH among that, but not with VACUUM and ANALYZE. */
async function stateOf(session: Session, view: MaterializedView, signal: AbortSignal): Promise<string> {
  const description = await readMaterializedView(session, view, signal);
  const [row] = await session.query(
    `SELECT pg_get_viewdef(oid) AS query, xmin::text AS version FROM pg_class WHERE oid = ${view.oid}`,
    signal,
  );
  const unsized = { ...description, estimatedRows: 0, dataBytes: 0, indexBytes: 0 };
  return JSON.stringify([row?.['query'], row?.['version'], unsized]);
}

/** In the order in which the roles were granted something. None where the owner alone may do something, and the twin is like that. */
async function grantStatements(
  session: Session,
  view: MaterializedView,
  twin: TableName,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const name = quoteText(quoteTable(view));
  const grantee = "CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END";
  const [row] = await session.query(
    `SELECT format('REVOKE ALL ON %s FROM %I', ${name}::text, pg_get_userbyid(v.relowner))
       || coalesce((SELECT ', ' || string_agg(DISTINCT ${grantee}, ', ') FROM aclexplode(t.relacl) AS a WHERE a.grantee <> v.relowner), '') AS statement
     FROM pg_class AS v, pg_class AS t WHERE v.oid = ${view.oid} AND t.oid = ${tableOid(twin)} AND (v.relacl IS NOT NULL OR t.relacl IS NOT NULL)`,
    signal,
  );
  const rows = await session.query(
    `SELECT format('GRANT %s%s ON %s TO %s', a.privilege_type, ' (' || quote_ident(o.attname) || ')', ${name}::text, ${grantee})
       || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS statement,
       CASE WHEN a.grantor <> o.relowner AND ${maySetRole('a.grantor')} AND has_schema_privilege(a.grantor, o.relnamespace, 'USAGE')
         THEN quote_ident(pg_get_userbyid(a.grantor)) END AS grantor,
       format('%s %s %s', o.attname, a.privilege_type, a.grantor) AS own_need, format(' %s %s', a.privilege_type, a.grantor) AS table_need,
       CASE WHEN a.is_grantable THEN format('%s %s %s', o.attname, a.privilege_type, a.grantee) END AS gives
     FROM (SELECT 0 AS attnum, NULL::name AS attname, relowner, relnamespace, coalesce(relacl, acldefault('r', relowner)) AS acl
         FROM pg_class WHERE oid = ${view.oid} AND ${row === undefined ? 'false' : 'true'}
       UNION ALL SELECT f.attnum, f.attname, c.relowner, c.relnamespace, f.attacl FROM pg_attribute AS f JOIN pg_class AS c ON c.oid = f.attrelid
         WHERE c.oid = ${view.oid} AND f.attacl IS NOT NULL) AS o, aclexplode(o.acl) WITH ORDINALITY AS a
     ORDER BY o.attnum, a.ordinality`,
    signal,
  );
  const grants = rows.map(({ statement, grantor, own_need, table_need, gives }): Grant => {
    const needs = grantor == null ? [] : [own_need ?? '', table_need ?? ''];
    return { statement: statement ?? '', grantor: grantor ?? null, needs, gives: gives ?? null };
  });
  return [
    ...(row === undefined ? [] : [row['statement'] ?? '']),
    ...inOrder(grants).flatMap(({ statement, grantor }) => asGrantor(statement, grantor)),
  ];
}
