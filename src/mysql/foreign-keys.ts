/** Foreign keys of a table, and of others to it: what the catalog says, and what the change makes of them. */

import type { CarriedForeignKey, FamilyMember, Plan, TableName } from '../engine/model.ts';
import type { Column } from './catalog.ts';
import { readCreateStatement } from './create-statement.ts';
import { isUnknownTable } from './errors.ts';
import { isSameInAnyCase, lowerCase } from './name-case.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { tokenise, type Token } from './sql-tokens.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** One foreign key as it is. */
export type ForeignKey = Omit<CarriedForeignKey, 'after'>;

type NamingServer = Pick<Server, 'flavour' | 'ignoresNameCase'>;

/**
 * All foreign keys of the table and to it, in the order of child and name, whoever owns the other table. Needs PROCESS, and a
 * privilege on each child. Takes short metadata locks.
 */
export async function readForeignKeys(
  session: Session,
  { server, table }: { readonly server: NamingServer; readonly table: TableName },
  signal: AbortSignal,
): Promise<readonly ForeignKey[]> {
  const children = [table, ...(await findChildren(session, { server, table }, signal))];
  const found: ForeignKey[] = [];
  for (const child of children) {
    const keys = await readKeysOf(session, child, signal);
    const isOwn = isSameTable(server, child, table);
    found.push(...keys.filter((key) => isOwn || isSameTable(server, key.parent, table)));
  }
  return found;
}

/** Foreign keys that the table has; none where there is no such table. */
export async function readKeysOf(session: Session, table: TableName, signal: AbortSignal): Promise<readonly ForeignKey[]> {
  try {
    const [created] = await session.query(`SHOW CREATE TABLE ${quoteTable(table)}`, signal);
    return parseForeignKeys(created?.['Create Table'] ?? '', table);
  } catch (error) {
    if (isUnknownTable(error)) return [];
    throw error;
  }
}

/** Whether both names are of one table for this server. */
export function isSameTable(server: Pick<Server, 'ignoresNameCase'>, one: TableName, other: TableName): boolean {
  const spelled = ({ schema, table }: TableName): string => {
    const text = `${schema}\0${table}`;
    return server.ignoresNameCase ? lowerCase(text) : text;
  };
  return spelled(one) === spelled(other);
}

/** The tables that are swapped together with this plan's, its own included. */
export function membersOf(plan: Plan): readonly FamilyMember[] {
  return plan.family?.members ?? [plan];
}

/** Whether the key belongs to another table that is swapped with this one: then the other's plan has it. */
export function isOfSibling(
  server: Pick<Server, 'ignoresNameCase'>,
  plan: Pick<Plan, 'source' | 'family'>,
  { child }: Pick<ForeignKey, 'child'>,
): boolean {
  const sources = (plan.family?.members ?? []).map(({ source }) => source);
  return !isSameTable(server, child, plan.source) && sources.some((source) => isSameTable(server, child, source));
}

/** The tables, other than this one, that refer to it. Needs PROCESS, and no privilege on them. */
export async function findChildren(
  session: Session,
  { server, table }: { readonly server: NamingServer; readonly table: TableName },
  signal: AbortSignal,
): Promise<readonly TableName[]> {
  const { innodbPrefix } = server.flavour;
  const part = (column: string, at: number): string => {
    const text = `SUBSTRING_INDEX(${column}, '/', ${at})`;
    return innodbPrefix === 'INNODB' ? text : `CONVERT(CONVERT(CAST(${text} AS BINARY) USING filename) USING utf8mb4)`;
  };
  const rows = await session.query(
    `SELECT DISTINCT ${part('FOR_NAME', 1)} AS child_schema, ${part('FOR_NAME', -1)} AS child_table
     FROM information_schema.${innodbPrefix}_FOREIGN
     WHERE ${part('REF_NAME', 1)} = ${quoteText(table.schema)} AND ${part('REF_NAME', -1)} = ${quoteText(table.table)}
     ORDER BY child_schema, child_table`,
    signal,
  );
  return rows
    .map((row) => ({ schema: row['child_schema'] ?? '', table: row['child_table'] ?? '' }))
    .filter((child) => !isSameTable(server, child, table));
}

/** The FOREIGN KEY constraints in a SHOW CREATE TABLE, ordered by name. */
function parseForeignKeys(createStatement: string, child: TableName): readonly ForeignKey[] {
  if (createStatement === '') return [];
  const { otherElements } = readCreateStatement(createStatement);
  const keys = otherElements.flatMap((element) => parseForeignKey(element, child) ?? []);
  return keys.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** CONSTRAINT `f` FOREIGN KEY (`a`, `b`) REFERENCES [`schema`.]`table` (`c`, `d`) actions. */
function parseForeignKey(element: string, child: TableName): ForeignKey | null {
  const pattern = /^CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY \(/;
  if (!pattern.test(element)) return null;
  const tokens = tokenise(element);
  const reference = tokens.findIndex((token) => token.kind === 'word' && token.value === 'REFERENCES');
  const [name = '', ...columns] = namesIn(tokens.slice(0, reference));
  const open = tokens.findIndex((token, at) => at > reference && token.text === '(');
  const close = tokens.findIndex((token, at) => at > open && token.text === ')');
  const parent = namesIn(tokens.slice(reference, open));
  return {
    name,
    child,
    columns,
    parent: { schema: parent.length === 2 ? (parent[0] ?? '') : child.schema, table: parent.at(-1) ?? '' },
    parentColumns: namesIn(tokens.slice(open, close)),
    actions: element.slice(tokens[close]?.end ?? element.length).trim(),
  };
}

function namesIn(tokens: readonly Token[]): readonly string[] {
  return tokens.filter(({ kind }) => kind === 'name').map(({ value }) => value);
}

/** A table that is changed, with what becomes of its columns. */
export interface ChangedTable {
  readonly source: TableName;
  readonly kept: KeptColumns;
}

/**
 * The keys with their columns as the changes of all tables that are swapped together leave them; a column that does not live on
 * keeps its name, and is an obstacle.
 */
export function carriedForeignKeys(
  keys: readonly ForeignKey[],
  { server, changed }: { readonly server: NamingServer; readonly changed: readonly ChangedTable[] },
): readonly CarriedForeignKey[] {
  const renamed = (table: TableName, columns: readonly string[]): readonly string[] => {
    const change = changed.find(({ source }) => isSameTable(server, source, table));
    return columns.map((column) => (change === undefined ? null : shadowColumn(change.kept, column)?.name) ?? column);
  };
  return keys.map((key) => ({
    ...key,
    after: { columns: renamed(key.child, key.columns), parentColumns: renamed(key.parent, key.parentColumns) },
  }));
}

/** Columns of the source that live on, each with what it becomes. */
export type KeptColumns = readonly (readonly [Column, Column])[];

/** What the change makes of a column of the source. The server takes names of columns without regard to case. */
export function shadowColumn(kept: KeptColumns, name: string): Column | undefined {
  return kept.find(([column]) => isSameInAnyCase(column.name, name))?.[1];
}

/** Behind ADD: the key as it is after the change, under this name, to this table. */
export function keyDefinition(key: CarriedForeignKey, name: string, parent: TableName): string {
  const list = (columns: readonly string[]): string => columns.map(quoteName).join(', ');
  const { columns, parentColumns } = key.after;
  const definition = `CONSTRAINT ${quoteName(name)} FOREIGN KEY (${list(columns)}) REFERENCES ${quoteTable(parent)} (${list(parentColumns)})`;
  return key.actions === '' ? definition : `${definition} ${key.actions}`;
}

/** Tables that a note names; of more it says how many they are. */
const namedMax = 5;

/** What the swap does to other tables, which are locked for it too. */
export function foreignKeyNotes(keys: readonly ForeignKey[], source: TableName): readonly string[] {
  const listed = (tables: readonly TableName[]): string => {
    const others = new Set(tables.map(nameOf));
    others.delete(nameOf(source));
    const names = [...others].slice(0, namedMax).join(', ');
    return others.size > namedMax ? `${others.size} tables (${names}, …)` : names;
  };
  const parents = listed(keys.map(({ parent }) => parent));
  const children = listed(keys.map(({ child }) => child));
  const own = keys.filter(({ child }) => nameOf(child) === nameOf(source)).map(({ name }) => name);
  const notes: string[] = [];
  if (own.length > 0) {
    const locked = parents === '' ? '' : `; what they refer to is locked for that moment too: ${parents}`;
    notes.push(
      `Its foreign keys (${own.join(', ')}) are given to the new table at the swap, without a look at the rows${locked}.`,
    );
  }
  if (children !== '') {
    notes.push(
      `The foreign keys of ${children} are pointed to the new table at the swap, without a look at the rows; these tables are locked for it too.`,
    );
  }
  if (parents !== '' || children !== '') {
    notes.push(
      'At the swap a transaction that has written to one of the tables which foreign keys join, and then wants another, may be ended as a deadlock (error 1213): applications repeat it.',
    );
  }
  return notes;
}

/** `shop.items` */
export function nameOf({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}
