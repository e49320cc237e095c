/**
 * A leaf partition as the source. The shadow is a plain table with a CHECK that says what the partition's bound says, so that the server
 * attaches it without a look at its rows. In the swap's transaction, under the lock of the whole tree that has rows to be routed:
 *
 *   parent DETACH the leaf → both tables are moved → parent ATTACH the new one → drop the CHECK      the catalog alone
 *
 * Triggers of the parent and its marks on indexes and constraints go with DETACH and come with ATTACH.
 */

import type { TableName } from '../engine/model.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** What ties a partition to its table. All that the server looks at when it attaches one is in here or in the partition itself. */
export interface Leaf {
  readonly parent: RelatedTable;
  /** As SQL: `FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')`, `DEFAULT`. */
  readonly bound: string;
  /** The same as a condition on its rows; null where there is none. */
  readonly constraint: string | null;
  /** Behind PARTITION BY: `RANGE (day)`. */
  readonly key: string;
  /** Whether the parent is a partition itself. */
  readonly isNested: boolean;
  /** Whether it is being detached by an ALTER that has not ended. */
  readonly isLeaving: boolean;
  /** Each index of the parent with that of the leaf which stands for it; null where there is none. */
  readonly indexes: readonly (readonly [ofParent: string, ofLeaf: string | null])[];
  /** The partition beside it that takes what no other takes, with its CHECK constraints. */
  readonly rest: (RelatedTable & { readonly kind: string; readonly checks: readonly string[] }) | null;
}

interface RelatedTable extends TableName {
  readonly oid: number;
  readonly owner: string;
}

/** Of the CHECK that says what the bound says. */
const boundCheck = 'tableshift_bound';

/** Reads the ties of a partition; null where it is none. One statement on the catalog; locks nothing. */
export async function readLeaf(session: Session, oid: number, signal: AbortSignal): Promise<Leaf | null> {
  const related = (table: string): string =>
    `'schema', ${table}.relnamespace::regnamespace::text, 'table', ${table}.relname, 'oid', ${table}.oid::bigint, 'owner', pg_get_userbyid(${table}.relowner)`;
  const [row] = await session.query(
    `SELECT json_build_object('parent', json_build_object(${related('p')}), 'bound', pg_get_expr(c.relpartbound, c.oid),
       'constraint', pg_get_partition_constraintdef(c.oid), 'key', pg_get_partkeydef(p.oid), 'isNested', p.relispartition, 'isLeaving', i.inhdetachpending,
       'indexes', (SELECT coalesce(json_agg(json_build_array(x.indexrelid::text, (SELECT w.relname FROM pg_inherits AS h
           JOIN pg_index AS y ON y.indexrelid = h.inhrelid AND y.indrelid = c.oid JOIN pg_class AS w ON w.oid = y.indexrelid
           WHERE h.inhparent = x.indexrelid)) ORDER BY x.indexrelid), '[]') FROM pg_index AS x WHERE x.indrelid = p.oid),
       'rest', (SELECT json_build_object(${related('d')}, 'kind', d.relkind, 'checks', ARRAY(SELECT k.conname || ' ' || pg_get_constraintdef(k.oid) FROM pg_constraint AS k
           WHERE k.conrelid = d.oid AND k.contype IN ('c', 'n') ORDER BY 1))
         FROM pg_partitioned_table AS t JOIN pg_class AS d ON d.oid = t.partdefid WHERE t.partrelid = p.oid AND d.oid <> c.oid)) AS leaf
     FROM pg_class AS c JOIN pg_inherits AS i ON i.inhrelid = c.oid JOIN pg_class AS p ON p.oid = i.inhparent
     WHERE c.oid = ${oid} AND c.relispartition`,
    signal,
  );
  if (row?.['leaf'] == null) return null;
  const leaf = JSON.parse(row['leaf']) as Leaf;
  return { ...leaf, parent: unquoted(leaf.parent), rest: leaf.rest === null ? null : unquoted(leaf.rest) };
}

/** regnamespace quotes names that need it. */
function unquoted<Table extends TableName>(table: Table): Table {
  const { schema } = table;
  return { ...table, schema: schema.startsWith('"') ? schema.slice(1, -1).replaceAll('""', '"') : schema };
}

/**
 * The tables that the swap of a partition locks before it, in this order: the parent, through which most statements come, and the
 * partition that takes the rest, which the server locks to detach or attach another. Locks nothing.
 */
export async function readRoots(session: Session, source: TableName, signal: AbortSignal): Promise<readonly TableName[]> {
  const [row] = await session.query(
    `SELECT pg_catalog.to_regclass(${quoteText(quoteTable(source))})::pg_catalog.oid AS oid`,
    signal,
  );
  const leaf = row?.['oid'] == null ? null : await readLeaf(session, Number(row['oid']), signal);
  if (leaf === null) return [];
  const named = ({ schema, table }: TableName): TableName => ({ schema, table });
  return [named(leaf.parent), ...(leaf.rest === null ? [] : [named(leaf.rest)])];
}

/** What makes a plain copy fit the bound, for all of its rows. */
export function boundStatement(leaf: Leaf, copy: string): string {
  return `ALTER TABLE ${copy} ADD CONSTRAINT ${quoteName(boundCheck)} CHECK (${leaf.constraint ?? 'true'})`;
}

/** Takes the leaf out of its parent. Changes the catalog alone; the locks are held. */
export function detachStatement({ parent }: Leaf, table: TableName): string {
  return `ALTER TABLE ${quoteTable(parent)} DETACH PARTITION ${quoteTable(table)}`;
}

/** Puts the new table in its place. Changes the catalog alone, as the plan has proved. */
export function attachStatements({ parent, bound }: Leaf, table: TableName): readonly string[] {
  const name = quoteTable(table);
  return [
    `ALTER TABLE ${quoteTable(parent)} ATTACH PARTITION ${name} ${bound}`,
    `ALTER TABLE ${name} DROP CONSTRAINT ${quoteName(boundCheck)}`,
  ];
}
