/**
 * Why rows of the source do not go into the shadow: two of them have the same value under a unique key, or rows of the shadow
 * still hold a value that one of them has now. Values are compared as the shadow's types and collations see them, in a probe.
 */

import type { RowKey } from '../engine/model.ts';
import type { CollisionCause } from '../engine/ports.ts';
import { rowsInTheWay } from '../sessions/rows-in-the-way.ts';
import type { Column, Index, IndexPart } from './catalog.ts';
import { withSettings } from './client-settings.ts';
import { keyFromRow, keySelection, keysCondition } from './key-parts.ts';
import type { PairLayout } from './pair-layout.ts';
import { createProbe, expressionText, type Probe } from './probe.ts';
import type { Session } from './session.ts';
import { quoteName } from './statements.ts';
import { loadProbe } from './unconvertible.ts';

/** See RowWriter.explainCollision. Takes no lock on either table. */
export async function explainCollision(
  session: Session,
  layout: PairLayout,
  keys: readonly RowKey[],
  signal: AbortSignal,
): Promise<CollisionCause> {
  if (keys.length === 0) return { kind: 'in-the-way', keys: [] };
  const probe = await createProbe(session, layout, signal);
  // Expressions of indexes have to come to what they came to when the rows were put in.
  return await withSettings(session, layout.computing, () => explain(session, { layout, probe, keys }, signal), signal);
}

async function explain(session: Session, { layout, probe, keys }: Explained, signal: AbortSignal): Promise<CollisionCause> {
  const uniques = layout.shadow.indexes.filter((index) => index.isUnique);
  const load = (listed: readonly RowKey[]): Promise<void> => loadProbe({ session, layout, probe }, { keys: listed }, signal);
  await load(keys);
  const findInTheWay = async (): Promise<ReadonlySet<RowKey>> => {
    const found = new Set<RowKey>();
    for (const index of uniques) {
      for (const key of await keysInTheWay(session, { layout, probe, index, of: keys }, signal)) found.add(key);
    }
    if (found.size > 0) return found;
    for (const index of uniques.filter((index) => index.parts.some(isBeginning))) {
      const search = { layout, probe, index, of: keys, isExhaustive: true };
      for (const key of await keysInTheWayOneByOne(session, search, signal)) found.add(key);
    }
    return found;
  };
  const inTheWay = await findInTheWay();
  // Whether two rows of the source collide is judged in one snapshot of it, which is this statement's.
  await probe.clear(signal);
  await load([...new Set([...keys, ...inTheWay])]);
  for (const index of uniques) {
    const cause = await duplicates(session, { layout, probe, index }, signal);
    if (cause !== null) return cause;
  }
  // In the way by this snapshot too, and so older than it: a row that was in the way before may have been a duplicate then.
  const judged = new Set([...keys, ...inTheWay]);
  const found = [...(await findInTheWay())].filter((key) => judged.has(key));
  const asked = `SELECT ${keySelection(layout.key, 'shadow')} FROM ${probe.name} WHERE ${keysCondition(layout.key, 'shadow', keys)}`;
  return await rowsInTheWay(found, keys, async () =>
    (await session.query(asked, signal)).map((row) => keyFromRow(layout.key, row)),
  );
}

interface Explained {
  readonly layout: PairLayout;
  readonly probe: Probe;
  readonly keys: readonly RowKey[];
}

interface Search {
  readonly layout: PairLayout;
  readonly probe: Probe;
  readonly index: Index;
}

interface SearchOfKeys extends Search {
  readonly of: readonly RowKey[];
  /** Looks at all rows, where the index finds only those that begin with the same characters: `ss` and `ß` are equal as well. */
  readonly isExhaustive?: boolean;
}

/** Keys of rows of the shadow that hold, under this index, a value that a row of the probe with one of these keys has. */
async function keysInTheWay(session: Session, search: SearchOfKeys, signal: AbortSignal): Promise<readonly RowKey[]> {
  const { layout, probe, index, of } = search;
  const { shadowName, key } = layout;
  if (!index.parts.every(isPlain)) return await keysInTheWayOneByOne(session, search, signal);
  // By name: an invisible column is not among all of them.
  const columns = index.parts.map((part) => quoteName(part.column ?? ''));
  const isEqual = columns.map((name) => `${shadowName}.${name} = asked.${name}`);
  const rows = await session.query(
    `SELECT ${keySelection(key, 'shadow', `${shadowName}.`)} FROM (SELECT ${columns.join(', ')} FROM ${probe.name} WHERE ${keysCondition(key, 'shadow', of)}) AS asked STRAIGHT_JOIN ${shadowName}` +
      ` ${hint(index)} ON ${isEqual.join(' AND ')}`,
    signal,
  );
  return rows.map((row) => keyFromRow(key, row));
}

/** Behind the shadow's name. The server refuses to hear of an index that it hides, and reads all rows instead. */
function hint({ name, isHidden }: Index): string {
  return isHidden ? '' : `FORCE INDEX (${quoteName(name)})`;
}

/**
 * For an index over expressions or beginnings of columns, which neither server looks up for a join, but does for constants.
 * The values go through user variables, because the probe may be named once a statement.
 */
async function keysInTheWayOneByOne(session: Session, search: SearchOfKeys, signal: AbortSignal): Promise<readonly RowKey[]> {
  const { layout, probe, index, of, isExhaustive = false } = search;
  const found: RowKey[] = [];
  const variables = index.parts.map((_, place) => `@tableshift_${place}`);
  const parts = index.parts.map((part) => partOf(part, layout.shadow.columns));
  const values = parts.map((part) => part.value);
  const rows = await session.query(
    `SELECT ${probe.row} AS number FROM ${probe.name} WHERE ${keysCondition(layout.key, 'shadow', of)}` +
      values.map((value) => ` AND ${value} IS NOT NULL`).join(''),
    signal,
  );
  const condition = parts.map((part, place) => part.condition(variables[place] ?? '', isExhaustive)).join(' AND ');
  for (const row of rows) {
    await session.execute(
      `SELECT ${values.join(', ')} INTO ${variables.join(', ')} FROM ${probe.name} WHERE ${probe.row} = ${row['number'] ?? ''}`,
      signal,
    );
    const inTheWay = await session.query(
      `SELECT ${keySelection(layout.key, 'shadow')} FROM ${layout.shadowName} ${hint(index)} WHERE ${condition}`,
      signal,
    );
    found.push(...inTheWay.map((row) => keyFromRow(layout.key, row)));
  }
  return found;
}

/** Two rows of the probe that are equal under this index. */
async function duplicates(session: Session, search: Search, signal: AbortSignal): Promise<CollisionCause | null> {
  const { layout, probe, index } = search;
  const parts = index.parts.map((part) => partOf(part, layout.shadow.columns));
  const values = parts.map((part) => part.value);
  const [pair] = await session.query(
    `SELECT MIN(${probe.row}) AS one, MAX(${probe.row}) AS other FROM ${probe.name}` +
      ` WHERE ${values.map((value) => `${value} IS NOT NULL`).join(' AND ')}` +
      ` GROUP BY ${values.join(', ')} HAVING COUNT(*) > 1 LIMIT 1`,
    signal,
  );
  if (pair === undefined) return null;
  const rows = await session.query(
    `SELECT ${probe.keySelection('')}, ${parts.map((part, place) => `${part.shown} AS shown_${place}`).join(', ')}` +
      ` FROM ${probe.name} WHERE ${probe.row} IN (${pair['one'] ?? ''}, ${pair['other'] ?? ''}) ORDER BY ${probe.row}`,
    signal,
  );
  const [one, other] = rows;
  if (one === undefined || other === undefined) return null;
  const shown = parts.map((_, place) => one[`shown_${place}`] ?? '').join('-');
  return {
    kind: 'duplicates',
    index: index.name,
    values: `'${shown}'`,
    rows: [keyFromRow(layout.key, one), keyFromRow(layout.key, other)],
  };
}

interface SearchedPart {
  /** What the index holds of a row. */
  readonly value: string;
  /** The value as text. */
  readonly shown: string;
  /** The rows with the value in this user variable; found by the index, unless the search is exhaustive. */
  readonly condition: (variable: string, isExhaustive: boolean) => string;
}

function partOf(part: IndexPart, columns: readonly Column[]): SearchedPart {
  if (part.expression !== null) {
    const value = `(${expressionText(part.expression)})`;
    return { value, shown: value, condition: (variable) => `${value} = ${variable}` };
  }
  const name = quoteName(part.column ?? '');
  const column = columns.find((column) => column.name === part.column);
  const isBinary = /binary|blob/.test(column?.dataType ?? '');
  const inHex = (value: string): string => (isBinary ? `CONCAT('0x', HEX(${value}))` : value);
  if (part.prefixLength === null) {
    // Variables hold no ENUM, SET or BIT, but their numbers.
    const isNumbered = ['enum', 'set', 'bit'].includes(column?.dataType ?? '');
    const value = isNumbered ? `${name} + 0` : name;
    return { value, shown: inHex(name), condition: (variable) => `${name} = ${variable}` };
  }
  const value = `LEFT(${name}, ${part.prefixLength})`;
  return {
    value,
    shown: inHex(value),
    // LIKE finds the candidates by the index; equality decides.
    condition: (variable, isExhaustive) =>
      isExhaustive ? `${value} = ${variable}` : `${name} LIKE ${asPattern(variable)} AND ${value} = ${variable}`,
  };
}

/** A pattern for what begins with the text, which may end with fewer spaces. `|` escapes, because a backslash depends on the sql_mode. */
function asPattern(text: string): string {
  const trimmed = `TRIM(TRAILING ' ' FROM ${text})`;
  const escaped = ['|', '%', '_'].reduce((inner, special) => `REPLACE(${inner}, '${special}', '|${special}')`, trimmed);
  return `CONCAT(${escaped}, '%') ESCAPE '|'`;
}

function isBeginning(part: IndexPart): boolean {
  return part.prefixLength !== null;
}

function isPlain(part: IndexPart): boolean {
  return part.expression === null && part.prefixLength === null;
}
