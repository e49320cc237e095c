/**
 * What names the table and stays as it is: views, routines, events, and triggers of other tables. They go by the name, so after the
 * swap they use the new table; what of them names a column that is gone then fails.
 */

import type { TableName } from '../engine/model.ts';
import type { ColumnMap } from './column-map.ts';
import type { Flavour } from './flavour.ts';
import { isSameInAnyCase, lowerCase } from './name-case.ts';
import type { Session } from './session.ts';
import { tokenise, UnfinishedSqlError } from './sql-tokens.ts';
import { quoteText } from './statements.ts';

export interface Dependent {
  readonly kind: 'view' | 'procedure' | 'function' | 'event' | 'trigger';
  /** `schema.name`. */
  readonly name: string;
  /** All names in its text, in lower case. */
  readonly names: ReadonlySet<string>;
}

/** Those that the user may see. Reads the catalog only. Views of views are not looked through. */
export async function findDependents(
  session: Session,
  { table, flavour }: { readonly table: TableName; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<readonly Dependent[]> {
  const rows = await session.query(
    [viewsQuery(table, flavour), ...textQueries(table)].join('\nUNION ALL\n') + '\nORDER BY 1, 2, 3',
    signal,
  );
  return rows.flatMap((row): readonly Dependent[] => {
    const [schema, name, text] = [row['ownerSchema'] ?? '', row['ownerName'] ?? '', row['text'] ?? ''];
    const kind = kinds.find((known) => known === row['kind']);
    const isOwn = isSameInAnyCase(schema, table.schema);
    const names = namesIn(text);
    const isNamed = kind === 'view' || (names.has(lowerCase(table.table)) && (isOwn || names.has(lowerCase(table.schema))));
    return kind === undefined || !isNamed ? [] : [{ kind, name: `${schema}.${name}`, names }];
  });
}

const kinds: readonly Dependent['kind'][] = ['view', 'procedure', 'function', 'event', 'trigger'];

/** MariaDB keeps the text alone, with every name in backquotes and with its schema. */
function viewsQuery({ schema, table }: TableName, { listsTablesOfViews }: Flavour): string {
  const columns = "SELECT 'view' AS kind, v.TABLE_SCHEMA AS ownerSchema, v.TABLE_NAME AS ownerName, v.VIEW_DEFINITION AS text";
  if (!listsTablesOfViews) {
    const named = ['`', schema, '`.`', table, '`'].map(quoteText).join(', ');
    return `${columns} FROM information_schema.VIEWS v WHERE LOCATE(CONCAT(${named}), v.VIEW_DEFINITION) > 0`;
  }
  return `${columns} FROM information_schema.VIEWS v JOIN information_schema.VIEW_TABLE_USAGE u
    ON u.VIEW_SCHEMA = v.TABLE_SCHEMA AND u.VIEW_NAME = v.TABLE_NAME
    WHERE u.TABLE_SCHEMA = ${quoteText(schema)} AND u.TABLE_NAME = ${quoteText(table)}`;
}

function textQueries({ schema, table }: TableName): readonly string[] {
  const isNamed = (text: string): string => `LOCATE(LOWER(${quoteText(table)}), LOWER(${text})) > 0`;
  const isOther = `NOT (EVENT_OBJECT_SCHEMA = ${quoteText(schema)} AND EVENT_OBJECT_TABLE = ${quoteText(table)})`;
  return [
    `SELECT LOWER(ROUTINE_TYPE), ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES
     WHERE ROUTINE_SCHEMA NOT IN ('sys', 'mysql') AND ${isNamed('ROUTINE_DEFINITION')}`,
    `SELECT 'event', EVENT_SCHEMA, EVENT_NAME, EVENT_DEFINITION FROM information_schema.EVENTS
     WHERE ${isNamed('EVENT_DEFINITION')}`,
    `SELECT 'trigger', TRIGGER_SCHEMA, TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS
     WHERE ${isOther} AND ${isNamed('ACTION_STATEMENT')}`,
  ];
}

function namesIn(text: string): ReadonlySet<string> {
  try {
    const names = tokenise(text).filter(({ kind }) => kind !== 'string' && kind !== 'number' && kind !== 'symbol');
    return new Set(names.map(({ kind, text: written, value }) => lowerCase(kind === 'word' ? written : value)));
  } catch (error) {
    if (!(error instanceof UnfinishedSqlError)) throw error;
    return new Set(lowerCase(text).split(/[^\w$\u0080-\uffff]+/));
  }
}

/** What a plan says of them. */
export function dependentNotes(dependents: readonly Dependent[], { kept, dropped }: ColumnMap): readonly string[] {
  const renamed = kept.filter(([source, shadow]) => !isSameInAnyCase(source.name, shadow.name));
  const going = [...dropped, ...renamed.map(([source]) => source.name)];
  const views = dependents.filter(({ kind }) => kind === 'view');
  const others = dependents.filter(({ kind }) => kind !== 'view');
  const list = (some: readonly Dependent[]): string => some.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  return [
    ...(views.length === 0 ? [] : [`Views over the table stay as they are and show the new one: ${list(views)}.`]),
    ...(others.length === 0 ? [] : [`The text of these names the table, or seems to, and stays as it is: ${list(others)}.`]),
    ...dependents.flatMap(({ kind, name, names }) => {
      const gone = going.filter((column) => names.has(lowerCase(column)));
      if (gone.length === 0) return [];
      return [
        `Warning: the ${kind} ${name} seems to use ${gone.join(', ')}, which the change drops or renames, and would fail from the swap on: make it again right after it.`,
      ];
    }),
  ];
}
