/**
 * Foreign keys of the table and of others to it. The catalog ties them to tables by identity, so they stay with the old table
 * when it is swapped: each is dropped in the swap's transaction and made again on the new table, NOT VALID, which checks what is
 * written from then on. Rows that are there already are checked afterwards (settlement.ts).
 */

import type { TableName } from '../engine/model.ts';
import type { Column } from './catalog.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** One end of a foreign key. */
export interface KeyEnd extends TableName {
  readonly oid: number;
  readonly columns: readonly string[];
}

export interface ForeignKey {
  readonly name: string;
  /** The table that refers. */
  readonly child: KeyEnd;
  /** The table that is referred to; the same as `child` where a table refers to itself. */
  readonly parent: KeyEnd;
  /** The child's, which ON DELETE SET NULL or SET DEFAULT names; none: all of them. */
  readonly nulled: readonly string[];
  /** As SQL: `FULL`, `SIMPLE`. */
  readonly match: string;
  /** As SQL: `NO ACTION`, `CASCADE`. */
  readonly onUpdate: string;
  readonly onDelete: string;
  /** As SQL, with a space before each. */
  readonly deferral: string;
  readonly isValid: boolean;
  /** False since 18 where it is only a note. */
  readonly isEnforced: boolean;
  /** Since 18: whether the last columns are periods. */
  readonly hasPeriod: boolean;
  readonly comment: string | null;
  /** Whether the child is partitioned, a partition, or has to do with inheritance. */
  readonly isChildInTree: boolean;
  /** Whether somebody has switched off, or changed, what checks it. */
  readonly isSwitched: boolean;
}

/** Names of columns before and after, by the one before; what is dropped is not among them. */
export type ColumnNames = ReadonlyMap<string, string>;

/** The names of columns that exist before and after. */
export function columnNames(kept: readonly (readonly [source: Column, shadow: Column])[]): ColumnNames {
  return new Map(kept.map(([source, shadow]) => [source.name, shadow.name]));
}

/**
 * All of these tables, in both directions, each once, by name. Those of single partitions, which others stand for, are left
 * out. Locks nothing.
 */
export async function readForeignKeys(
  session: Session,
  oids: readonly number[],
  signal: AbortSignal,
): Promise<readonly ForeignKey[]> {
  const end = (relation: string, numbers: string): string =>
    `json_build_object('oid', ${relation}::bigint, 'schema', (SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
       WHERE c.oid = ${relation}), 'table', (SELECT relname FROM pg_class WHERE oid = ${relation}), 'columns', ${names(relation, numbers)})`;
  const names = (relation: string, numbers: string): string =>
    `ARRAY(SELECT a.attname::text FROM unnest(${numbers}) WITH ORDINALITY AS u (attnum, place)
       JOIN pg_attribute AS a ON a.attrelid = ${relation} AND a.attnum = u.attnum ORDER BY u.place)`;
  const action = (column: string): string =>
    `CASE ${column} WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' ELSE 'NO ACTION' END`;
  const rows = await session.query(
    `SELECT json_build_object('name', k.conname, 'child', ${end('k.conrelid', 'k.conkey')}, 'parent', ${end('k.confrelid', 'k.confkey')},
       'nulled', ${names('k.conrelid', 'k.confdelsetcols')}, 'match', CASE k.confmatchtype WHEN 'f' THEN 'FULL' ELSE 'SIMPLE' END,
       'onUpdate', ${action('k.confupdtype')}, 'onDelete', ${action('k.confdeltype')},
       'deferral', CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END,
       'isValid', k.convalidated, 'isEnforced', coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true),
       'hasPeriod', coalesce((to_jsonb(k) ->> 'conperiod')::boolean, false), 'comment', obj_description(k.oid, 'pg_constraint'),
       'isChildInTree', (SELECT c.relkind <> 'r' OR c.relispartition FROM pg_class AS c WHERE c.oid = k.conrelid)
         OR EXISTS (SELECT FROM pg_inherits AS i WHERE k.conrelid IN (i.inhrelid, i.inhparent)),
       'isSwitched', EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O')) AS description
     FROM pg_constraint AS k WHERE k.contype = 'f' AND k.conparentid = 0
       AND (k.conrelid IN (${oids.join(', ')}) OR k.confrelid IN (${oids.join(', ')}))
     ORDER BY k.conname, k.conrelid`,
    signal,
  );
  return rows.map((row) => JSON.parse(row['description'] ?? '') as ForeignKey);
}

/** What foreign keys tie to the tables that are swapped: in the cutover each of these is locked as they are. */
export interface Partners {
  /** The others that refer to them. */
  readonly children: readonly KeyEnd[];
  /** The others that they refer to and that do not refer to them. */
  readonly parents: readonly KeyEnd[];
  /** The keys by which they refer to each other. */
  readonly between: readonly Pick<ForeignKey, 'child' | 'parent'>[];
}

/** The other tables of these keys, each once. `oids`: of the tables that are swapped. */
export function partnersOf(keys: readonly ForeignKey[], oids: readonly number[]): Partners {
  const others = (ends: readonly KeyEnd[]): readonly KeyEnd[] => [
    ...new Map(ends.filter((one) => !oids.includes(one.oid)).map((one) => [one.oid, one])).values(),
  ];
  const children = others(keys.map(({ child }) => child));
  const parents = others(keys.map(({ parent }) => parent));
  return {
    children,
    parents: parents.filter((one) => !children.some(({ oid: other }) => other === one.oid)),
    between: keys.filter(
      ({ child, parent }) => oids.includes(child.oid) && oids.includes(parent.oid) && child.oid !== parent.oid,
    ),
  };
}

/** The same, read from the catalog; a table that is not there has none. Locks nothing. */
export async function readPartners(session: Session, sources: readonly TableName[], signal: AbortSignal): Promise<Partners> {
  const names = sources.map((source) => `(${quoteText(quoteTable(source))})`).join(', ');
  const rows = await session.query(
    `SELECT coalesce(pg_catalog.to_regclass(name)::pg_catalog.oid, 0) AS oid FROM (VALUES ${names}) AS v (name)`,
    signal,
  );
  const oids = rows.map((row) => Number(row['oid']));
  return partnersOf(await readForeignKeys(session, oids, signal), oids);
}

/**
 * What adds the key on or to the new table, behind ADD; existing rows are not looked at. `names`: of the columns of the tables
 * that change, by the oid of each. Null where a column of it is dropped.
 */
export function keyClause(
  key: ForeignKey,
  { names, parent }: { readonly names: ReadonlyMap<number, ColumnNames>; readonly parent: string },
): string | null {
  const list = (end: KeyEnd, columns: readonly string[]): readonly string[] | null => {
    const changed = names.get(end.oid);
    const after = columns.map((name) => (changed === undefined ? name : changed.get(name)));
    return after.every((name) => name !== undefined) ? after.map((name) => quoteName(name)) : null;
  };
  const own = list(key.child, key.child.columns);
  const others = list(key.parent, key.parent.columns);
  const nulled = list(key.child, key.nulled);
  if (own === null || others === null || nulled === null) return null;
  const columns = (names: readonly string[]): string =>
    names.map((name, place) => (key.hasPeriod && place === names.length - 1 ? `PERIOD ${name}` : name)).join(', ');
  const onDelete = nulled.length === 0 ? key.onDelete : `${key.onDelete} (${nulled.join(', ')})`;
  return (
    `CONSTRAINT ${quoteName(key.name)} FOREIGN KEY (${columns(own)}) REFERENCES ${parent} (${columns(others)})` +
    ` MATCH ${key.match} ON UPDATE ${key.onUpdate} ON DELETE ${onDelete}${key.deferral} ${key.isEnforced ? 'NOT VALID' : 'NOT ENFORCED'}`
  );
}

/** `The foreign key orders_customer_fkey of shop.orders`. */
export function keyName({ name, child }: Pick<ForeignKey, 'name'> & { readonly child: TableName }): string {
  return `The foreign key ${name} of ${child.schema}.${child.table}`;
}

/** The end as SQL. */
export function endName(end: KeyEnd): string {
  return quoteTable(end);
}
