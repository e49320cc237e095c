/**
 * The parts of carrying over that make anew, upon the new table, what is bound to the old one: rules, views, functions; and how
 * the text of whatever names columns is read.
 */

import type { Plan } from '../engine/model.ts';
import { keptColumns } from './alter-probe.ts';
import type { CarriedTables } from './carry-over-statements.ts';
import type { Column, TableDescription } from './catalog.ts';
import { type Dependent, readDependents } from './dependents.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/**
 * Whatever is re-pointed but the tables' own rules, each as it is now and once, however many of the tables it is bound to. Read
 * before the swap, its text names the sources. Inside the transaction that holds the locks.
 */
export async function dependentStatements(
  session: Session,
  sources: readonly TableDescription[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const oids = sources.map(({ oid }) => oid);
  return await definitions(session, await readDependents(session, oids, signal), signal);
}

/**
 * Works while the source has the columns of the new table, by number and name, and undoes that. What the server then writes is
 * what it would write after its own ALTER: the new names, and lists of aliases, which go by number, as long as they must be.
 * What names a column that goes away is an obstacle before; the server refuses to drop it here, too. Changes the catalog only,
 * and where no column is renamed not even that, unless there are rules, views or functions. Inside the transaction that holds the
 * locks. May be nested, of one table within another.
 */
export async function withNewColumns<T>(
  session: Session,
  { source, shadow, plan }: Pick<CarriedTables, 'source' | 'shadow'> & { readonly plan: Pick<Plan, 'source'> },
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const kept = keptColumns(source, shadow);
  const table = quoteTable(plan.source);
  const named = (columns: readonly Column[]): readonly string[] => columns.map(({ name }) => quoteName(name));
  const isKept = (column: Column): boolean => kept.some(([one]) => one.attnum === column.attnum);
  // A generated column goes before those that it is made from.
  const dropped = source.columns
    .filter((column) => !isKept(column))
    .toSorted((a, b) => Number(b.generated !== '') - Number(a.generated !== ''));
  const renamed = kept.filter(([from, to]) => from.name !== to.name);
  const added = shadow.columns.filter(({ attnum }) => !kept.some(([, to]) => to.attnum === attnum));
  const between = (index: number): string => quoteName(`tableshift ${index}`);
  const statements = [
    ...named(dropped).map((name) => `ALTER TABLE ${table} DROP COLUMN ${name}`),
    ...renamed.map(([from], index) => `ALTER TABLE ${table} RENAME COLUMN ${quoteName(from.name)} TO ${between(index)}`),
    ...renamed.map(([, to], index) => `ALTER TABLE ${table} RENAME COLUMN ${between(index)} TO ${quoteName(to.name)}`),
    // Of any type: nothing reads it.
    ...named(added).map((name) => `ALTER TABLE ${table} ADD COLUMN ${name} boolean`),
  ];
  const isNeeded = renamed.length > 0 || (statements.length > 0 && (await hasDependents(session, source.oid, signal)));
  if (!isNeeded) return await work();
  await session.execute(['SAVEPOINT tableshift_columns', ...statements].join('; '), signal);
  const result = await work();
  await session.execute('ROLLBACK TO SAVEPOINT tableshift_columns; RELEASE SAVEPOINT tableshift_columns', signal);
  return result;
}

/** The table's own rules included. */
async function hasDependents(session: Session, oid: number, signal: AbortSignal): Promise<boolean> {
  const own = await session.query(`SELECT 1 FROM pg_rewrite WHERE ev_class = ${oid} LIMIT 1`, signal);
  return own.length > 0 || (await readDependents(session, [oid], signal)).length > 0;
}

/**
 * What takes off the old tables those of their policies, triggers and rules that name another of them: one could otherwise not be
 * dropped before the other. They are made anew on the new tables. Takes locks that are held already.
 */
export async function releaseStatements(
  session: Session,
  sources: readonly TableDescription[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const oids = sources.map(({ oid }) => oid).join(', ');
  const kinds = [
    ['POLICY', 'pg_policy', 'polrelid', 'polname'],
    ['TRIGGER', 'pg_trigger', 'tgrelid', 'tgname'],
    ['RULE', 'pg_rewrite', 'ev_class', 'rulename'],
  ] as const;
  const queries = kinds.map(
    ([kind, catalog, table, name]) =>
      `SELECT DISTINCT format('DROP ${kind} %I ON %s', o.${name}, o.${table}::regclass) AS statement
       FROM pg_depend AS d JOIN ${catalog} AS o ON d.classid = '${catalog}'::regclass AND o.oid = d.objid
       WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN (${oids}) AND o.${table} IN (${oids}) AND o.${table} <> d.refobjid
       ${kind === 'TRIGGER' ? 'AND NOT o.tgisinternal' : ''}`,
  );
  const rows = await session.query(queries.join(' UNION ALL '), signal);
  return rows.map((row) => row['statement'] ?? '');
}

/** The table's own rules as they are defined, switched on or off as they are, with their comments. */
export async function ruleStatements(
  session: Session,
  { plan, source }: CarriedTables,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const table = quoteText(quoteTable(plan.source));
  const rows = await session.query(
    `SELECT pg_get_ruledef(oid) AS statement, CASE ev_enabled
         WHEN 'D' THEN format('ALTER TABLE %s DISABLE RULE %I', ${table}::text, rulename)
         WHEN 'A' THEN format('ALTER TABLE %s ENABLE ALWAYS RULE %I', ${table}::text, rulename)
         WHEN 'R' THEN format('ALTER TABLE %s ENABLE REPLICA RULE %I', ${table}::text, rulename) END AS state,
       format('COMMENT ON RULE %I ON %s IS ', rulename, ${table}::text) || quote_literal(obj_description(oid, 'pg_rewrite')) AS comment
     FROM pg_rewrite WHERE ev_class = ${source.oid} ORDER BY rulename`,
    signal,
  );
  return rows.flatMap((row) => [row['statement'], row['state'], row['comment']].flatMap((statement) => statement ?? []));
}

/** A view's options are not kept by replacing it. */
async function definitions(
  session: Session,
  dependents: readonly Dependent[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const statements: string[] = [];
  for (const { kind, oid } of dependents) {
    const [row] = await session.query(definitionQuery(kind, oid), signal);
    statements.push(row?.['statement'] ?? '');
  }
  return statements;
}

function definitionQuery(kind: Dependent['kind'], oid: string): string {
  switch (kind) {
    case 'view':
      return `SELECT format('CREATE OR REPLACE VIEW %I.%I%s AS %s', n.nspname, c.relname, ' WITH (' || (SELECT string_agg(
          format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') FROM unnest(c.reloptions) AS o) || ')',
          pg_get_viewdef(c.oid)) AS statement
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = ${oid}`;
    case 'rule':
      return `SELECT regexp_replace(pg_get_ruledef(${oid}), '^CREATE RULE', 'CREATE OR REPLACE RULE') AS statement`;
    case 'function':
      return `SELECT pg_get_functiondef(${oid}) AS statement`;
  }
}
