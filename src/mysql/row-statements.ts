/**
 * The statements on source and shadow, as pure functions from the layout and keys to text. Tables have no aliases and each
 * occurs once in a statement, because under LOCK TABLES the servers refuse anything else; the exceptions say so. All reads of
 * the source are snapshot reads: at READ COMMITTED also those of INSERT … SELECT take no lock on it.
 */

import type { KeyRange, RowKey } from '../engine/model.ts';
import { combineHashes } from './checksum.ts';
import { carriedValue } from './conversions.ts';
import {
  isRecollated,
  joinCondition,
  keyOrder,
  keysCondition,
  keySelection,
  rangeCondition,
  samenessSelection,
  shadowSpelled,
  spellableCondition,
  type Side,
} from './key-parts.ts';
import { type LayoutColumn, rowsDiffer, shadowHash, sourceHash, type PairLayout } from './pair-layout.ts';
import { quoteName } from './statements.ts';

/**
 * Copies a range. Locks the new rows of the shadow until its transaction ends. A repetition collides with its own rows.
 */
export function copyRange(layout: PairLayout, range: KeyRange): string {
  return `${insertInto(layout, layout.shadowName)} WHERE ${rangeCondition(layout.key, 'source', range)}`;
}

/**
 * Copies those rows of a range whose key the shadow does not have. Locks as `copyRange`; safe to run twice. It names the
 * shadow twice and both tables have columns of one name, so this is not for a session with LOCK TABLES.
 */
export function copyMissing(layout: PairLayout, range: KeyRange): string {
  const { sourceName, shadowName, shadowHint, key } = layout;
  const [source, shadow] = [`${sourceName}.`, `${shadowName}.`];
  const isMissing = isNoRow(`${shadow}${quoteName(key[0]?.shadowName ?? '')}`);
  return (
    `${insertInto(layout, shadowName)} LEFT JOIN ${shadowName} ${shadowHint} ON ${joinCondition(key, { source, shadow, lookUp: 'shadow' })}` +
    ` WHERE ${rangeCondition(key, 'source', range, source)} AND ${isMissing}`
  );
}

/** Copies the rows with these keys. Locks as `copyRange`; a repetition collides with its own rows. */
export function insertRows(layout: PairLayout, keys: readonly RowKey[]): string {
  return `${insertInto(layout, layout.shadowName)} WHERE ${keysCondition(layout.key, 'source', keys)}`;
}

/**
 * Copies the rows with these keys over those that are there. Only where the layout is upsertable. Locks as `copyRange`; safe to run
 * twice. The server would change whatever row holds one of the values under any unique key: for one with another key the new key is
 * out of the range of all numbers, which is an error.
 */
export function upsertRows(layout: PairLayout, keys: readonly RowKey[]): string {
  const { sourceName, shadowName, key, columns } = layout;
  const [part] = key;
  const [ours, theirs] = [
    `${shadowName}.${quoteName(part?.shadowName ?? '')}`,
    `${sourceName}.${quoteName(part?.column.name ?? '')}`,
  ];
  const assignments = columns
    .filter(({ shadow }) => shadow.name !== part?.shadowName)
    .map((column) => `${shadowName}.${quoteName(column.shadow.name)} = ${carriedColumn(layout, column)}`);
  return `${insertRows(layout, keys)} ON DUPLICATE KEY UPDATE ${[`${ours} = IF(${ours} = ${theirs}, ${ours}, ~(${ours} * 0) + 1)`, ...assignments].join(', ')}`;
}

/**
 * Deletes rows by key. Locks these rows of the shadow for the statement; safe to run twice. The form with USING takes an index
 * hint, which the shadow needs while its statistics are those of an empty table.
 */
export function deleteRows(layout: PairLayout, keys: readonly RowKey[]): string {
  const { shadowName, shadowHint, key } = layout;
  return `DELETE FROM ${shadowName} USING ${shadowName} ${shadowHint} WHERE ${keysCondition(key, 'shadow', keys)}`;
}

/** Key of the `limitRows`-th row behind `after`; no row when fewer are left. Reads `limitRows` entries of the index. */
export function findChunkEnd(layout: PairLayout, after: RowKey | null, limitRows: number): string {
  return `${selectKeys(layout, { after, through: null })} LIMIT 1 OFFSET ${limitRows - 1}`;
}

/** The first and the last key of the source, of one column: columns first, last. Looks at both ends of the index. */
export function keyEnds(layout: PairLayout): string {
  const name = quoteName(layout.key[0]?.column.name ?? '');
  return `SELECT MIN(${name}) AS first, MAX(${name}) AS last ${from(layout, 'source')}`;
}

/** All keys of the source in the range, in key order. */
export function findSourceKeys(layout: PairLayout, range: KeyRange): string {
  return selectKeys(layout, range);
}

/** Key of the shadow's last row; no row when it is empty. */
export function greatestShadowKey(layout: PairLayout): string {
  return `SELECT ${keySelection(layout.key, 'shadow')} ${from(layout, 'shadow')} ${order(layout, 'shadow', 'DESC')} LIMIT 1`;
}

/**
 * Counts and checksums of a range, a row for each table, in one snapshot. Only where the layout is comparable. Of a recollated key
 * only those rows of the shadow are looked at that have their row in the source: see `extraRows`.
 */
export function compareRange(layout: PairLayout, range: KeyRange): string {
  const side = (side: Side, hash: string): string =>
    `SELECT '${side}' AS side, COUNT(*) AS row_count, ${combineHashes(hash, layout.flavour)} AS checksum` +
    ` ${fromListed(layout, side, { range })}`;
  return `${side('source', sourceHash(layout))} UNION ALL ${side('shadow', shadowHash(layout))}`;
}

/** Which rows to list: by range or by keys. */
export type Listed = { readonly range: KeyRange } | { readonly keys: readonly RowKey[] };

/**
 * Keys and hashes of rows of one table: columns side, key_0 …, same_0 …, hash, plain_hash. For a UNION ALL in one snapshot. Of a range
 * of a recollated key, those rows of the shadow that have their row in the source.
 */
export function listRows(layout: PairLayout, side: Side, hash: string, listed: Listed): string {
  return (
    `SELECT '${side}' AS side, ${keySelection(layout.key, side)}, ${samenessSelection(layout.key, side)},` +
    ` ${hash} AS hash, NULL AS plain_hash ${fromListed(layout, side, listed)}`
  );
}

/**
 * Compares the rows of a range one by one, in one snapshot: columns what, row_count, key_0 …. A row `missing` or `unequal` for each
 * such row of the source, at most `limitRows`; then `source` and `shadow` with the number of rows. Looks each row of the source up
 * in the shadow: only where `isKeyLookedUp` of row-comparison.ts. Not for a session with LOCK TABLES.
 */
export function compareOneByOne(layout: PairLayout, range: KeyRange, limitRows: number): string {
  const { key, sourceName, shadowName, shadowHint } = layout;
  const [source, shadow] = [`${sourceName}.`, `${shadowName}.`];
  const isMissing = isNoRow(`${shadow}${quoteName(key[0]?.shadowName ?? '')}`);
  const noKey = key.map((_, place) => `NULL AS key_${place}`).join(', ');
  const count = (side: Side): string =>
    `(SELECT '${side}' AS what, COUNT(*) AS row_count, ${noKey} ${fromListed(layout, side, { range })})`;
  return (
    `(SELECT IF(${isMissing}, 'missing', 'unequal') AS what, 1 AS row_count, ${keySelection(key, 'source', source)} ${from(layout, 'source')}` +
    ` LEFT JOIN ${shadowName} ${shadowHint} ON ${joinCondition(key, { source, shadow, lookUp: 'shadow' })}` +
    ` WHERE ${rangeCondition(key, 'source', range, source)} AND (${isMissing} OR ${rowsDiffer(layout)}) LIMIT ${limitRows})` +
    ` UNION ALL ${count('source')} UNION ALL ${count('shadow')}`
  );
}

/** Key, as the shadow spells it, of the `limitRows`-th row of the shadow in the range, in the shadow's order; no row if fewer are left. */
export function findShadowPieceEnd(layout: PairLayout, range: KeyRange, limitRows: number): string {
  const condition = rangeCondition(layout.key, 'shadow', range);
  return (
    `SELECT ${keySelection(shadowSpelled(layout.key), 'shadow')} ${from(layout, 'shadow')} WHERE ${condition}` +
    ` ${order(layout, 'shadow', 'ASC')} LIMIT 1 OFFSET ${limitRows - 1}`
  );
}

/**
 * Rows of the shadow, in a range in the shadow's order, that have no row in the source; in one snapshot. Columns key_0 …, and
 * is_spellable: 0 for a key that no row of the source can have. Not for a session with LOCK TABLES.
 */
export function extraRows(layout: PairLayout, range: KeyRange, limitRows: number): string {
  const { sourceName, sourceHint, key } = layout;
  const [source, shadow] = [`${sourceName}.`, `${layout.shadowName}.`];
  return (
    `SELECT ${keySelection(key, 'shadow', shadow)}, ${spellableCondition(key, shadow)} AS is_spellable ${from(layout, 'shadow')}` +
    ` LEFT JOIN ${sourceName} ${sourceHint} ON ${joinCondition(key, { source, shadow, lookUp: 'source' })}` +
    ` WHERE ${rangeCondition(key, 'shadow', range, shadow)} AND ${isNoRow(`${source}${quoteName(key[0]?.column.name ?? '')}`)}` +
    ` LIMIT ${limitRows}`
  );
}

/** `INSERT INTO … SELECT … FROM source`, up to the condition. `extra` are further columns of the target and their values. */
export function insertInto(layout: PairLayout, target: string, extra: readonly (readonly [string, string])[] = []): string {
  const names = [
    ...layout.columns.map(({ shadow }) => quoteName(shadow.name)),
    ...layout.implicitDefaults.map(({ column }) => quoteName(column)),
    ...extra.map(([name]) => name),
  ];
  const values = [
    ...layout.columns.map((column) => carriedColumn(layout, column)),
    ...layout.implicitDefaults.map(({ literal }) => literal),
    ...extra.map(([, value]) => value),
  ];
  return `INSERT INTO ${target} (${names.join(', ')}) SELECT ${values.join(', ')} ${from(layout, 'source')}`;
}

function carriedColumn({ sourceName }: PairLayout, { source, shadow }: LayoutColumn): string {
  return carriedValue(source, shadow, `${sourceName}.${quoteName(source.name)}`);
}

/** The condition for the listed rows, as the table of this side sees them. */
export function rowsCondition(layout: PairLayout, side: Side, listed: Listed): string {
  return 'keys' in listed ? keysCondition(layout.key, side, listed.keys) : rangeCondition(layout.key, side, listed.range);
}

/** `FROM … WHERE …` for the listed rows. Columns of the table need no prefix. */
function fromListed(layout: PairLayout, side: Side, listed: Listed): string {
  const { key, sourceName, shadowName, shadowHint, freePrefix } = layout;
  if ('keys' in listed || side === 'source' || !isRecollated(key)) {
    return `${from(layout, side)} WHERE ${rowsCondition(layout, side, listed)}`;
  }
  const inList = key.map((part, place) => ({ ...part, column: { ...part.column, name: `${freePrefix}_key_${place}` } }));
  const selected = key.map(
    ({ column }, place) => `${sourceName}.${quoteName(column.name)} AS ${quoteName(inList[place]?.column.name ?? '')}`,
  );
  return (
    `FROM (SELECT ${selected.join(', ')} ${from(layout, 'source')} WHERE ${rangeCondition(key, 'source', listed.range)}) AS listed` +
    ` STRAIGHT_JOIN ${shadowName} ${shadowHint} ON ${joinCondition(inList, { source: 'listed.', shadow: `${shadowName}.`, lookUp: 'shadow' })}`
  );
}

/** Whether an outer join has found no row, by a column of its key. `IS NULL` also holds for a zero date that cannot be NULL. */
function isNoRow(column: string): string {
  return `${column} <=> NULL`;
}

function from(layout: PairLayout, side: Side): string {
  return side === 'source'
    ? `FROM ${layout.sourceName} ${layout.sourceHint}`
    : `FROM ${layout.shadowName} ${layout.shadowHint}`;
}

function selectKeys(layout: PairLayout, range: KeyRange): string {
  const condition = rangeCondition(layout.key, 'source', range);
  return `SELECT ${keySelection(layout.key, 'source')} ${from(layout, 'source')} WHERE ${condition} ${order(layout, 'source', 'ASC')}`;
}

/** By qualified columns: a bare name would mean a selected text. */
function order(layout: PairLayout, side: Side, direction: 'ASC' | 'DESC'): string {
  return `ORDER BY ${keyOrder(layout.walked[side], side, `${side === 'source' ? layout.sourceName : layout.shadowName}.`, direction)}`;
}
