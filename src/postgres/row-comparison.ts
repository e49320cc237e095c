/**
 * Judging whether source and shadow hold the same rows, each time in one statement and so in one snapshot.
 *
 *   by key    the rows of a range are joined by their keys and compared value by value. Tells the keys that differ, and costs
 *             about half of what hashing both sides does. Only where `=` means the same key in both tables, and a row of the join
 *             has no more columns than the server can put into one
 *   by hash   counts and checksums of both sides: where a key column changes its type or collation, or there are over 800 columns
 */

import type { KeyRange, RowKey } from '../engine/model.ts';
import type { RangeComparison } from '../engine/ports.ts';
import { kindOf, shadowRowHash, sourceRowHash } from './checksum.ts';
import type { CarriedColumn, PairLayout } from './pair-layout.ts';
import { type ComparedColumn, keysFromRows, OWN_OPERATORS, rowKey } from './row-key.ts';
import { integerTypes } from './row-key-order.ts';
import { keyTexts, rangeCondition } from './row-statements.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable } from './statements.ts';

/** Counts and compares a range. */
export async function compareRange(
  session: Session,
  layout: PairLayout,
  range: KeyRange,
  signal: AbortSignal,
): Promise<RangeComparison> {
  if (areKeysJoined(layout)) {
    const { differing, ...rows } = await compareByKey(session, layout, range, signal);
    return differing.length === 0 ? { isEqual: true, ...rows } : { isEqual: false, ...rows, differing };
  }
  const [row] = await session.query(hashStatement(layout, range), signal);
  const [source, shadow] = [row?.['source'] ?? '', row?.['shadow'] ?? ''];
  const rows = (side: string): number => Number(side.slice(0, side.indexOf(':')));
  return { isEqual: source === shadow, sourceRows: rows(source), shadowRows: rows(shadow) };
}

/** Which rows of a range differ, at most `limitRows` of them: see TablePair.findDifferences. */
export async function findDifferences(
  session: Session,
  layout: PairLayout,
  { range, limitRows }: { readonly range: KeyRange; readonly limitRows: number },
  signal: AbortSignal,
): Promise<readonly RowKey[]> {
  if (areKeysJoined(layout)) {
    return (await compareByKey(session, layout, range, signal)).differing.slice(0, limitRows);
  }
  const conditions = { source: rangeCondition(layout.key, range), shadow: rangeCondition(layout.shadowKey, range) };
  return keysFromRows(layout.key, await session.query(differencesStatement(layout, conditions, limitRows), signal));
}

/** What both tables must hold alike. What the shadow computes by itself too: the server's own ALTER keeps what is stored. */
function comparedColumns({ columns, generated }: PairLayout): readonly CarriedColumn[] {
  return [...columns, ...generated];
}

/** MaxTupleAttributeNumber: of a row that a statement makes, while a table has 1,600 at most. */
const joinedColumnsMax = 1664;

/** Whether `=` between the keys of both tables is that of their unique indexes, and different spellings are never equal. */
function areKeysJoined(layout: PairLayout): boolean {
  const { key, shadowKey } = layout;
  if (2 * (key.length + comparedColumns(layout).length) > joinedColumnsMax) return false;
  return key.every((column, part) => {
    const other = shadowKey[part];
    if (other === undefined || [column, other].some(({ operators }) => operators.equal !== OWN_OPERATORS.equal)) return false;
    const isSameType =
      column.literalType === other.literalType || (integerTypes.has(column.literalType) && integerTypes.has(other.literalType));
    return isSameType && column.collation !== null && column.collation === other.collation;
  });
}

async function compareByKey(
  session: Session,
  layout: PairLayout,
  range: KeyRange,
  signal: AbortSignal,
): Promise<Required<Omit<RangeComparison, 'isEqual'>>> {
  const [row] = await session.query(joinStatement(layout, range), signal);
  const keys = JSON.parse(row?.['differing'] ?? '[]') as readonly (readonly string[])[];
  return { sourceRows: Number(row?.['source']), shadowRows: Number(row?.['shadow']), differing: keys.map(rowKey) };
}

/** Counts of both sides and the keys that differ, those of the source, or else of the shadow. */
function joinStatement(layout: PairLayout, range: KeyRange): string {
  const { key, shadowKey } = layout;
  const columns = comparedColumns(layout);
  const side = (sideKey: readonly ComparedColumn[], values: readonly string[], rows: string): string => {
    const keys = sideKey.map(({ name }, part) => `${quoteName(name)} AS k${part}`);
    const selected = [...keys, ...values.map((value, place) => `${value} AS c${place}`)];
    return `(SELECT ${selected.join(', ')} FROM ${rows} WHERE ${rangeCondition(sideKey, range)})`;
  };
  const source = side(key, columns.map(valueInShadow), `ONLY ${quoteTable(layout.source)}`);
  const shadow = side(
    shadowKey,
    columns.map((column) => column.shadow),
    layout.shadowRows,
  );
  const texts = key.map((_, part) => `pg_catalog.concat(coalesce(s.k${part}, t.k${part}))`);
  return (
    `${layout.userSettings}SELECT pg_catalog.count(s.k0) AS source, pg_catalog.count(t.k0) AS shadow, ` +
    `pg_catalog.json_agg(pg_catalog.json_build_array(${texts.join(', ')})) FILTER (WHERE s.k0 IS NULL OR t.k0 IS NULL OR ${valuesDiffer(columns)}) AS differing ` +
    `FROM ${source} AS s FULL JOIN ${shadow} AS t ON ${key.map((_, part) => `s.k${part} ${OWN_OPERATORS.equal} t.k${part}`).join(' AND ')}`
  );
}

/** Types whose own `=` holds for the same bytes only. Of texts, under "C"; of char(n), while both are of one length. */
const exactTypes =
  /^(?:smallint|integer|bigint|oid|boolean|uuid|date|bytea|text|character varying(?:\(\d+\))?|character\(\d+\)|(?:time|timestamp)(?:\(\d\))? without time zone|timestamp(?:\(\d\))? with time zone)$/;

/** Condition on the values `c0`, `c1`, … of a row of each side: by their own operator, else by their bytes, else by their text. */
function valuesDiffer(columns: readonly CarriedColumn[]): string {
  const places = columns.map((column, place) => ({
    ...{ place, kind: kindOf(column), isExact: exactTypes.test(column.shadowType) },
    // The server has no operator for varchar, so that one of the user's would stand in for that of text.
    cast: column.shadowType.startsWith('character varying') ? '::pg_catalog.text' : '',
  }));
  const row = (side: string, kept: typeof places): string => `ROW(${kept.map(({ place }) => `${side}.c${place}`).join(', ')})`;
  const bytes = places.filter(({ isExact, kind }) => !isExact && kind !== 'rest');
  const written = places.filter(({ isExact, kind }) => !isExact && kind === 'rest');
  const conditions = [
    ...places
      .filter(({ isExact }) => isExact)
      .map(({ place, kind, cast }) => {
        const collation = kind === 'text' ? `${cast} COLLATE pg_catalog."C"` : '';
        return `s.c${place}${collation} IS DISTINCT FROM t.c${place}${collation}`;
      }),
    ...(bytes.length > 0 ? [`NOT pg_catalog.record_image_eq(${row('s', bytes)}, ${row('t', bytes)})`] : []),
    ...(written.length > 0
      ? [`${row('s', written)}::text COLLATE pg_catalog."C" <> ${row('t', written)}::text COLLATE pg_catalog."C"`]
      : []),
  ];
  return conditions.join(' OR ');
}

/** Count and checksum of both tables. The checksum is the sum of 64-bit hashes of the rows, and so free of their order. */
function hashStatement(layout: PairLayout, range: KeyRange): string {
  const side = (rows: string): string =>
    `(SELECT pg_catalog.concat(pg_catalog.count(*), ':', coalesce(pg_catalog.sum(r.row_hash), 0)) FROM (${rows}) AS r)`;
  const source = `SELECT ${sourceRowHash(comparedColumns(layout))} AS row_hash FROM ONLY ${quoteTable(layout.source)} WHERE ${rangeCondition(layout.key, range)}`;
  const shadow = `SELECT ${shadowRowHash(comparedColumns(layout))} AS row_hash FROM ${layout.shadowRows} WHERE ${rangeCondition(layout.shadowKey, range)}`;
  return `${layout.userSettings}SELECT ${side(source)} AS source, ${side(shadow)} AS shadow`;
}

/** Keys whose rows are missing in one table or unequal, in one snapshot. Keys are those of the source, or else of the shadow. */
export function differencesStatement(
  layout: PairLayout,
  conditions: { readonly source: string; readonly shadow: string },
  limitRows: number,
): string {
  const numbers = layout.key.map((_, index) => index);
  const source = `SELECT ${keyTexts(layout.key)}, ${sourceRowText(comparedColumns(layout))} AS row_text FROM ONLY ${quoteTable(layout.source)} WHERE ${conditions.source}`;
  const shadow = `SELECT ${keyTexts(layout.shadowKey)}, ${shadowRowText(comparedColumns(layout))} AS row_text FROM ${layout.shadowRows} WHERE ${conditions.shadow}`;
  return (
    `${layout.userSettings}SELECT ${numbers.map((n) => `coalesce(s.k${n}, t.k${n}) AS k${n}`).join(', ')} FROM (${source}) AS s ` +
    `FULL JOIN (${shadow}) AS t ON ${numbers.map((n) => `s.k${n} = t.k${n}`).join(' AND ')} ` +
    `WHERE s.row_text IS DISTINCT FROM t.row_text LIMIT ${limitRows}`
  );
}

function sourceRowText(columns: readonly CarriedColumn[]): string {
  return `ROW(${columns.map(valueInShadow).join(', ')})::text`;
}

function shadowRowText(columns: readonly CarriedColumn[]): string {
  return `ROW(${columns.map(({ shadow }) => shadow).join(', ')})::text`;
}

/** What the shadow must hold. */
function valueInShadow({ expression, shadowType }: CarriedColumn): string {
  return `(${expression})::${shadowType}`;
}
