/** What the statements on source and shadow need to know about the two tables, worked out once. */

import { assert, MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { readAlterClauses } from './alter-clauses.ts';
import { type Column, isKeptAsHash, keyColumnKind, type TableDescription } from './catalog.ts';
import { rowHash, rowText, sourceAsShadow, type ColumnExpression, type HashedValue } from './checksum.ts';
import { type ClientSettings, computingSettings } from './client-settings.ts';
import { mapColumns } from './column-map.ts';
import { isWithoutNotes } from './conversions.ts';
import type { Flavour } from './flavour.ts';
import { hasConstantDefault, implicitDefaults, type ImplicitDefault } from './implicit-defaults.ts';
import type { TextCollation } from './key-collation.ts';
import type { KeyPart, Side } from './key-parts.ts';
import type { KeyColumn } from './row-key.ts';
import { quoteName, quoteTable } from './statements.ts';

/** A column whose values are carried over. */
export interface LayoutColumn {
  readonly source: Column;
  readonly shadow: Column;
  /** See sourceAsShadow. */
  readonly asShadow: ColumnExpression | null;
}

export interface PairLayout {
  readonly plan: Plan;
  readonly flavour: Flavour;
  readonly source: TableDescription;
  readonly shadow: TableDescription;
  /** Both quoted, with their schema. */
  readonly sourceName: string;
  readonly shadowName: string;
  /** `FORCE INDEX (…)` on the index of the migration key. */
  readonly sourceHint: string;
  readonly shadowHint: string;
  /** Without columns that the shadow computes itself. */
  readonly columns: readonly LayoutColumn[];
  /** Columns that have to be given a value although the source has none. */
  readonly implicitDefaults: readonly ImplicitDefault[];
  readonly key: readonly KeyPart[];
  /** The parts of the key by which each table is walked: those in its index, which are unique by themselves. */
  readonly walked: Readonly<Record<Side, readonly KeyPart[]>>;
  /** Beginning of column names that neither table has. */
  readonly freePrefix: string;
  /** See checksum.ts. */
  readonly mark: string;
  /** Both tables' rows can be compared by expressions alone, without a probe table. */
  readonly isComparable: boolean;
  /**
   * The server takes each value of the source as it is or rejects it, gives the same to every row where the source has none, and computes
   * nothing. So an insert need not be looked at before it is committed.
   */
  readonly isWithoutNotes: boolean;
  /**
   * A row of the shadow is found by the key alone, which converts without two keys becoming one, and what is changed in place ends as if it
   * had been deleted and inserted.
   */
  readonly isUpsertable: boolean;
  /** In which the server computes what the shadow, or a probe, holds of the source's rows. */
  readonly computing: ClientSettings;
  /** The server computes values of the shadow's own also for a row that is deleted: it has to find them in an index. */
  readonly isComputingOnDelete: boolean;
}

/** Both tables, as the catalog has them, and the plan for them. */
export interface PairTables {
  readonly plan: Plan;
  readonly keyColumns: readonly KeyColumn[];
  readonly source: TableDescription;
  readonly shadow: TableDescription;
  readonly flavour: Flavour;
  /** Letters and digits that no value has in it. */
  readonly mark: string;
}

/**
 * Works the layout out. Rejects with SHADOW_CHANGED or SOURCE_CHANGED if a table lacks a column of the plan, or has one that the plan
 * does not know: its values would be lost, and nothing would compare them.
 */
export function layoutOf({ plan, keyColumns, source, shadow, flavour, mark }: PairTables): PairLayout {
  const columns = plan.columns
    .map((pair) => ({
      source: columnOf(source, pair.source, 'SOURCE_CHANGED'),
      shadow: columnOf(shadow, pair.shadow, 'SHADOW_CHANGED'),
    }))
    .filter((pair) => pair.shadow.generated === 'none')
    .map((pair) => ({ ...pair, asShadow: sourceAsShadow(pair.source, pair.shadow) }));
  const key = keyColumns.map((column, place): KeyPart => {
    const inSource = columnOf(source, column.name, 'SOURCE_CHANGED');
    const inShadow = columnOf(shadow, plan.key.shadowColumns[place] ?? '', 'SHADOW_CHANGED');
    return {
      column,
      shadowName: inShadow.name,
      memberCount: column.kind === 'enum' ? inShadow.members.length : 0,
      members: areTextsUnlike(inSource, inShadow) ? { source: textOf(inSource), shadow: textOf(inShadow) } : null,
      text:
        column.kind === 'text' ? { length: inSource.length ?? 0, source: textOf(inSource), shadow: textOf(inShadow) } : null,
    };
  });
  assert(key.length > 0 && key.length === plan.key.columns.length, 'the plan and the layout have the same key columns');
  checkColumns(plan, source, shadow);
  const inIndex = (table: TableDescription, name: string, column: string): boolean =>
    table.indexes.some((index) => index.name === name && index.parts.some((part) => part.column === column));
  return {
    plan,
    flavour,
    source,
    shadow,
    sourceName: quoteTable(plan.source),
    shadowName: quoteTable(plan.shadow),
    sourceHint: `FORCE INDEX (${quoteName(plan.key.index)})`,
    shadowHint: `FORCE INDEX (${quoteName(plan.key.shadowIndex)})`,
    columns,
    implicitDefaults: implicitDefaults(shadow, plan.addedColumns),
    key,
    walked: {
      source: key.filter((part) => inIndex(source, plan.key.index, part.column.name)),
      shadow: key.filter((part) => inIndex(shadow, plan.key.shadowIndex, part.shadowName)),
    },
    freePrefix: freePrefix([...source.columns, ...shadow.columns]),
    mark,
    isComparable: columns.every((column) => column.asShadow !== null),
    isWithoutNotes:
      columns.every((column) => isWithoutNotes(column.source, column.shadow)) &&
      shadow.columns.every((column) => columns.some((pair) => pair.shadow === column) || hasConstantDefault(column)) &&
      !isComputing(shadow),
    isUpsertable: isUpsertable(key, { plan, shadow }, columns),
    computing: computingSettings({ key: keyColumns, pairs: columns }, plan),
    isComputingOnDelete: shadow.columns.some(({ generated }) => generated !== 'none') || hasIndexedExpression(shadow),
  };
}

function isUpsertable(
  key: readonly KeyPart[],
  { plan, shadow }: Pick<PairTables, 'plan' | 'shadow'>,
  columns: readonly LayoutColumn[],
): boolean {
  const [part, ...others] = key;
  // None for a key that the server computes, which can't be assigned.
  const carried = columns.find((column) => column.shadow.name === part?.shadowName);
  if (part === undefined || others.length > 0 || carried === undefined || shadow.isPartitioned) return false;
  const parts = shadow.indexes.find(({ name }) => name === plan.key.shadowIndex)?.parts ?? [];
  const isTouched = ({ name, definition }: Column): boolean =>
    !columns.some((column) => column.shadow.name === name) && /\bON UPDATE\b/i.test(definition);
  return (
    part.column.kind === 'integer' &&
    keyColumnKind(carried.shadow) === 'integer' &&
    parts.length === 1 &&
    parts[0]?.column === part.shadowName &&
    columns.length > 1 &&
    // There MariaDB forgets, within such a statement, that a deadlock undid its transaction, or finds no row to change (error 1032).
    !shadow.indexes.some(isKeptAsHash) &&
    // MySQL takes what such a statement has inserted out of the index again when it comes to a row that is there, and says nothing.
    !shadow.indexes.some(({ type }) => type === 'FULLTEXT') &&
    // MySQL takes 1 and 1.0 for one value, and leaves a row alone whose new values are all equal to what it has.
    !columns.some((column) => column.shadow.dataType === 'json') &&
    !shadow.columns.some(isTouched)
  );
}

/** Hash of a source row as the shadow would hold it. Only where the layout is comparable. */
export function sourceHash(layout: PairLayout): string {
  return hashOf(layout, ({ source, shadow, asShadow }) => {
    assert(asShadow !== null, `values of ${source.name} can be compared by an expression`);
    return { expression: asShadow(quoteName(source.name)), column: shadow };
  });
}

/** Hash of a row of the shadow, or of a table with the shadow's columns. */
export function shadowHash(layout: PairLayout): string {
  return hashOf(layout, ({ shadow }) => ({ expression: quoteName(shadow.name), column: shadow }));
}

/** Hash of a source row as it is; equal hashes mean that the row has not changed. */
export function plainSourceHash(layout: PairLayout): string {
  return hashOf(layout, ({ source }) => {
    const name = quoteName(source.name);
    // A probe is loaded in another zone than the one in which the source is looked at.
    return { expression: source.dataType === 'timestamp' ? `UNIX_TIMESTAMP(${name})` : name, column: source };
  });
}

/** Whether a row of the source and one of the shadow differ, where both tables are joined. Only where the layout is comparable. */
export function rowsDiffer(layout: PairLayout): string {
  const source = textOfRow(layout, ({ source, shadow, asShadow }) => {
    assert(asShadow !== null, `values of ${source.name} can be compared by an expression`);
    return { expression: asShadow(`${layout.sourceName}.${quoteName(source.name)}`), column: shadow };
  });
  const shadow = textOfRow(layout, ({ shadow }) => ({
    expression: `${layout.shadowName}.${quoteName(shadow.name)}`,
    column: shadow,
  }));
  // What cannot be told is a difference.
  return `(${source} = ${shadow}) IS NOT TRUE`;
}

type ValueOf = (column: LayoutColumn) => Omit<HashedValue, 'isNullable'>;

function hashOf(layout: PairLayout, valueOf: ValueOf): string {
  return rowHash(textOfRow(layout, valueOf), layout.flavour);
}

function textOfRow(layout: PairLayout, valueOf: ValueOf): string {
  const values = layout.columns.map((column) => ({
    ...valueOf(column),
    isNullable: column.source.isNullable || column.shadow.isNullable,
  }));
  return rowText(values, layout.mark);
}

/** Whether the server evaluates expressions over the values that it stores, besides those of generated columns. */
function isComputing(table: TableDescription): boolean {
  return table.hasChecks || table.isPartitioned || hasIndexedExpression(table);
}

function hasIndexedExpression({ indexes }: TableDescription): boolean {
  return indexes.some((index) => index.parts.some((part) => part.expression !== null));
}

/** Whether the columns become each other as they were planned to. */
function checkColumns(plan: Plan, source: TableDescription, shadow: TableDescription): void {
  const { pairs, dropped, added, problems } = mapColumns(source, shadow, readAlterClauses(plan.clauses).clauses);
  const isPlanned =
    problems.length === 0 &&
    pairs.length === plan.columns.length &&
    pairs.every((pair) => plan.columns.some((planned) => planned.source === pair.source && planned.shadow === pair.shadow)) &&
    isSame(dropped, plan.droppedColumns) &&
    isSame(added, plan.addedColumns);
  if (isPlanned) return;
  const { schema, table } = plan.source;
  throw new MigrationError(
    'SOURCE_CHANGED',
    `The columns of ${schema}.${table}, or of its shadow, are not those of the plan any more; give this migration up and start anew.`,
  );
}

function isSame(names: readonly string[], planned: readonly string[]): boolean {
  return names.length === planned.length && names.every((name) => planned.includes(name));
}

/** The text of no member is that of an empty one, too. */
function areTextsUnlike(source: Column, shadow: Column): boolean {
  const isOfMembers = ['enum', 'set'].includes(source.dataType);
  return isOfMembers && (source.collation !== shadow.collation || source.members.includes(''));
}

function textOf({ charset, collation }: Column): TextCollation {
  return { charset, collation };
}

function freePrefix(columns: readonly Column[]): string {
  let prefix = 'tableshift';
  while (columns.some(({ name }) => name.toLowerCase().startsWith(prefix))) prefix += '_';
  return prefix;
}

function columnOf(table: TableDescription, name: string, code: 'SOURCE_CHANGED' | 'SHADOW_CHANGED'): Column {
  const column = table.columns.find((column) => column.name === name);
  if (column !== undefined) return column;
  throw new MigrationError(
    code,
    `${table.schema}.${table.table} has no column ${name} any more; give this migration up and start anew.`,
  );
}
