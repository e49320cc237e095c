/** Why rows do not go into the shadow: two rows of the source with the same value, or rows of the shadow that are out of date. */

import { MigrationError } from '../engine/errors.ts';
import type { RowKey } from '../engine/model.ts';
import type { CollisionCause } from '../engine/ports.ts';
import { rowsInTheWay } from '../sessions/rows-in-the-way.ts';
import { OWN_SETTINGS } from './conversion-settings.ts';
import type { PairLayout, ShadowUnique } from './pair-layout.ts';
import { keysFromRows } from './row-key.ts';
import { insertInto, keysCondition, keyTexts } from './row-statements.ts';
import type { Session } from './session.ts';
import { quoteTable } from './statements.ts';

/**
 * Converts the rows as the shadow would, in temporary tables without its indexes: once to find the shadow rows that hold one of
 * their values, and once more, together with these rows, in ONE snapshot of the source, to see whether two of them agree. What is
 * in the way by this snapshot too is older than it; before, it may have been a duplicate. The caller undoes the transaction, and
 * with it the temporary tables. Locks nothing but these.
 */
export async function explainCollision(
  session: Session,
  layout: PairLayout,
  keys: readonly RowKey[],
  signal: AbortSignal,
): Promise<CollisionCause> {
  const asked = await probe(session, layout, { name: 'tableshift_asked', keys }, signal);
  const candidates = await keysInTheWay(session, layout, { keys, table: asked }, signal);
  const judged = new Set([...keys, ...candidates]);
  const both = await probe(session, layout, { name: 'tableshift_both', keys: [...judged] }, signal);
  for (const unique of layout.uniques) {
    const found = await findDuplicates(session, layout, { unique, table: both }, signal);
    if (found !== null) return found;
  }
  const found = (await keysInTheWay(session, layout, { keys, table: both }, signal)).filter((key) => judged.has(key));
  const select = `SELECT ${keyTexts(layout.shadowKey)} FROM ${both} WHERE ${keysCondition(layout.shadowKey, keys)}`;
  return await rowsInTheWay(found, keys, async () => keysFromRows(layout.shadowKey, await session.query(select, signal)));
}

/** Keys of rows of the shadow that hold a value that a row of the probe with one of these keys has, each once. */
async function keysInTheWay(
  session: Session,
  layout: PairLayout,
  { keys, table }: { readonly keys: readonly RowKey[]; readonly table: string },
  signal: AbortSignal,
): Promise<readonly RowKey[]> {
  const asked = `(SELECT * FROM ${table} WHERE ${keysCondition(layout.shadowKey, keys)}) AS asked`;
  const shadow = layout.shadowRows;
  const inTheWay = new Set<RowKey>();
  for (const unique of layout.uniques) {
    const statement =
      `SELECT ${layout.shadowKey.map((_, n) => `o.k${n}`).join(', ')} FROM ${values(layout, unique, asked)} AS p ` +
      `JOIN ${values(layout, unique, shadow)} AS o ON ${agreement(unique)}`;
    for (const key of keysFromRows(layout.shadowKey, await session.query(statement, signal))) inTheWay.add(key);
  }
  return [...inTheWay];
}

async function probe(
  session: Session,
  layout: PairLayout,
  { name, keys }: { readonly name: string; readonly keys: readonly RowKey[] },
  signal: AbortSignal,
): Promise<string> {
  const table = `pg_temp.${name}`;
  // Without indexes and CHECK constraints; NOT NULL comes along, and a row that breaks it was refused before it collided.
  const like = `LIKE ${quoteTable(layout.shadow)} INCLUDING GENERATED INCLUDING DEFAULTS INCLUDING IDENTITY`;
  await session.execute(`CREATE TEMPORARY TABLE ${name} (${like})`, signal);
  await session.execute(insertInto(table, layout, keysCondition(layout.key, keys)), signal);
  // What follows in this transaction converts nothing.
  if (layout.userSettings !== '') await session.execute(OWN_SETTINGS, signal);
  return table;
}

/** The key texts and the values under the unique key, `e0`, `e1`, …, of the rows that it covers. */
function values(layout: PairLayout, unique: ShadowUnique, table: string): string {
  const parts = unique.parts.map(({ expression }, n) => `${expression} AS e${n}`).join(', ');
  const condition = unique.predicate === null ? '' : ` WHERE ${unique.predicate}`;
  return `(SELECT ${keyTexts(layout.shadowKey)}, ${parts} FROM ${table}${condition})`;
}

/** Same values, another row. */
function agreement(unique: ShadowUnique): string {
  const parts = unique.parts.map(({ operator }, n) => {
    const isEqual = `p.e${n} ${operator} o.e${n}`;
    // With the word NULL this is no comparison, and unlike IS NULL it does not look into a row.
    const areNull = `p.e${n} IS NOT DISTINCT FROM NULL AND o.e${n} IS NOT DISTINCT FROM NULL`;
    return unique.areNullsDistinct ? isEqual : `(${isEqual} OR (${areNull}))`;
  });
  return parts.join(' AND ');
}

async function findDuplicates(
  session: Session,
  layout: PairLayout,
  { unique, table }: { readonly unique: ShadowUnique; readonly table: string },
  signal: AbortSignal,
): Promise<CollisionCause | null> {
  const numbers = layout.shadowKey.map((_, n) => n);
  const shown = unique.parts.map((_, n) => `p.e${n}`).join(', ');
  const statement =
    `SELECT ${numbers.map((n) => `p.k${n} AS a${n}, o.k${n} AS b${n}`).join(', ')}, pg_catalog.concat_ws(', ', ${shown}) AS shown ` +
    `FROM ${values(layout, unique, table)} AS p JOIN ${values(layout, unique, table)} AS o ON ${agreement(unique)} ` +
    `AND (${numbers.map((n) => `p.k${n}`).join(', ')}) < (${numbers.map((n) => `o.k${n}`).join(', ')}) LIMIT 1`;
  const [row] = await session.query(statement, signal);
  if (row === undefined) return null;
  const side = (letter: string): Record<string, string | null> =>
    Object.fromEntries(numbers.map((n) => [`k${n}`, row[`${letter}${n}`] ?? null]));
  const [first, second] = keysFromRows(layout.shadowKey, [side('a'), side('b')]);
  if (first === undefined || second === undefined) throw new MigrationError('INTERNAL', 'A pair of duplicates has no keys.');
  return { kind: 'duplicates', index: unique.name, values: row['shown'] ?? '', rows: [first, second] };
}
