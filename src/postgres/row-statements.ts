/**
 * Statements on rows of a source and its shadow. All of them read the source without a lock; each is one statement, behind settings where
 * it converts, and so sees one snapshot. Names are pinned to schemas, also those of the server's own operators and aggregates: sessions
 * have an empty search path, but what converts rows has the user's.
 */

import type { KeyRange, RowKey, TableName } from '../engine/model.ts';
import type { PairLayout } from './pair-layout.ts';
import {
  type ComparedColumn,
  type KeyColumn,
  keyLiterals,
  type KeyOperators,
  keyTextExpression,
  OWN_OPERATORS,
} from './row-key.ts';
import { quoteName, quoteTable } from './statements.ts';

/** Condition on the key columns for a range, which the key's index serves. */
export function rangeCondition(key: readonly ComparedColumn[], { after, through }: KeyRange): string {
  const bounds: string[] = [];
  if (after !== null) bounds.push(boundCondition(key, after, 'after'));
  if (through !== null) bounds.push(boundCondition(key, through, 'through'));
  return bounds.length === 0 ? 'true' : bounds.join(' AND ');
}

/** The server's own row comparison, or the same spelt out where its columns do not share an operator. */
function boundCondition(key: readonly ComparedColumn[], bound: RowKey, side: 'after' | 'through'): string {
  const values = typedLiterals(key, bound);
  if (key.length === 1 || hasOwnOperators(key)) {
    const operator = key[0]?.operators[side === 'after' ? 'greater' : 'lessOrEqual'] ?? '';
    return `${tuple(key.map(({ name }) => quoteName(name)))} ${operator} ${tuple(values)}`;
  }
  const [strict, last, first] =
    side === 'after' ? (['greater', 'greater', 'greaterOrEqual'] as const) : (['less', 'lessOrEqual', 'lessOrEqual'] as const);
  const compare = (part: number, kind: keyof KeyOperators): string =>
    `${quoteName(key[part]?.name ?? '')} ${key[part]?.operators[kind] ?? ''} ${values[part] ?? ''}`;
  let condition = compare(key.length - 1, last);
  for (let part = key.length - 2; part >= 0; part -= 1) {
    condition = `(${compare(part, strict)} OR (${compare(part, 'equal')} AND ${condition}))`;
  }
  return `${compare(0, first)} AND ${condition}`;
}

/** Condition for a list of keys. Several columns go through VALUES, which the planner joins by the index. */
export function keysCondition(key: readonly ComparedColumn[], keys: readonly RowKey[]): string {
  const [only] = key;
  if (only !== undefined && key.length === 1) {
    const name = `${quoteName(only.name)} ${only.operators.equal}`;
    // An array of arrays would be searched for their elements.
    if (only.literalType.endsWith('[]'))
      return `(${keys.map((one) => `${name} ${typedLiterals(key, one).join('')}`).join(' OR ')})`;
    return `${name} ANY (ARRAY[${keys.join(', ')}]::${only.literalType}[])`;
  }
  const rows = `(VALUES ${keys.join(', ')}) AS tableshift_key(${key.map((_, part) => `tableshift_${part}`).join(', ')})`;
  const values = key.map(({ literalType }, part) => `tableshift_key.tableshift_${part}::${literalType}`);
  if (hasOwnOperators(key)) {
    return `${tuple(key.map(({ name }) => quoteName(name)))} ${OWN_OPERATORS.equal} ANY (SELECT ${values.join(', ')} FROM ${rows})`;
  }
  const equal = key.map(({ name, operators }, part) => `${quoteName(name)} ${operators.equal} ${values[part] ?? ''}`);
  return `EXISTS (SELECT FROM ${rows} WHERE ${equal.join(' AND ')})`;
}

/** Whether the index compares all of them by operators of one name in one schema, as a comparison of rows does. */
function hasOwnOperators(key: readonly ComparedColumn[]): boolean {
  return key.every(({ operators }) => operators.equal === OWN_OPERATORS.equal);
}

function typedLiterals(key: readonly ComparedColumn[], values: RowKey): readonly string[] {
  return keyLiterals(values).map((literal, part) => `${literal}::${key[part]?.literalType ?? ''}`);
}

/** Selects the key columns as texts `k0`, `k1`, …, which `rowKey` takes. */
export function keyTexts(key: readonly KeyColumn[]): string {
  return key.map((column, index) => `${keyTextExpression(column, '')} AS k${index}`).join(', ');
}

/** Copies what `condition` selects. Locks the new rows of the shadow; on an error nothing is inserted. */
export function insertStatement(layout: PairLayout, condition: string, existing: 'collide' | 'skip'): string {
  const conflict = existing === 'skip' ? ` ON CONFLICT (${layout.shadowKeyIndex.join(', ')}) DO NOTHING` : '';
  return `${layout.userSettings}INSERT INTO ${quoteTable(layout.shadow)} ${insertSelect(layout, condition)}${conflict}`;
}

/** Copies what `condition` selects over the rows that are there. Only where the layout is upsertable. Locks as `insertStatement`. */
export function upsertStatement(layout: PairLayout, condition: string): string {
  const [key = ''] = layout.shadowKeyIndex;
  const assignments = layout.columns.flatMap(({ shadow }) => (shadow === key ? [] : `${shadow} = EXCLUDED.${shadow}`));
  return `${insertStatement(layout, condition, 'collide')} ON CONFLICT (${key}) DO UPDATE SET ${assignments.join(', ')}`;
}

/** The same rows into another table with the shadow's columns. */
export function insertInto(table: string, layout: PairLayout, condition: string): string {
  return `${layout.userSettings}INSERT INTO ${table} ${insertSelect(layout, condition)}`;
}

function insertSelect(layout: PairLayout, condition: string): string {
  const names = layout.columns.map(({ shadow }) => shadow).join(', ');
  const values = layout.columns.map(({ expression }) => expression).join(', ');
  return `(${names}) OVERRIDING SYSTEM VALUE SELECT ${values} FROM ONLY ${quoteTable(layout.source)} WHERE ${condition}`;
}

/** Deletes keys from the shadow. Safe to run twice. */
export function deleteStatement(layout: PairLayout, keys: readonly RowKey[]): string {
  return `DELETE FROM ${layout.shadowRows} WHERE ${keysCondition(layout.shadowKey, keys)}`;
}

/** Key of the row that ends a chunk: a walk along the key's index from `after` on. */
export function chunkEndStatement(layout: PairLayout, after: RowKey | null, limitRows: number): string {
  return (
    `SELECT ${keyTexts(layout.key)} FROM ONLY ${quoteTable(layout.source)} WHERE ${rangeCondition(layout.key, { after, through: null })} ` +
    `ORDER BY ${orderedBy(layout.source, layout.key).join(', ')} OFFSET ${limitRows - 1} LIMIT 1`
  );
}

/** The first and the last key, of one column: columns first, last. Looks at both ends of the index. */
export function keyEndsStatement(layout: PairLayout): string {
  const name = quoteName(layout.key[0]?.name ?? '');
  return `SELECT min(${name})::text AS first, max(${name})::text AS last FROM ONLY ${quoteTable(layout.source)}`;
}

export function sourceKeysStatement(layout: PairLayout, range: KeyRange): string {
  return `SELECT ${keyTexts(layout.key)} FROM ONLY ${quoteTable(layout.source)} WHERE ${rangeCondition(layout.key, range)}`;
}

export function greatestShadowKeyStatement(layout: PairLayout): string {
  const order = orderedBy(layout.shadow, layout.shadowKey)
    .map((column) => `${column} DESC`)
    .join(', ');
  return `SELECT ${keyTexts(layout.shadowKey)} FROM ${layout.shadowRows} ORDER BY ${order} LIMIT 1`;
}

/** A bare name would mean the text that is selected under it: a column may be called `k0`. */
function orderedBy({ table }: TableName, key: readonly KeyColumn[]): readonly string[] {
  return key.map(({ name }) => `${quoteName(table)}.${quoteName(name)}`);
}

function tuple(names: readonly string[]): string {
  return names.length === 1 ? names.join('') : `(${names.join(', ')})`;
}
