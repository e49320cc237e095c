/**
 * Judging whether source and shadow hold the same rows. Where expressions can say what the shadow must hold (nearly always),
 * one statement compares both tables in one snapshot. Otherwise a probe table has the server convert the source's rows first;
 * the snapshot then also tells whether a row has changed since it went into the probe, and such a row counts as different, which
 * the caller looks at again.
 *
 * Of a recollated key (key-parts.ts) the tables have orders of their own, so a range is judged from both sides. Rows that are
 * missing or unequal: the source's rows of the range, each with its row in the shadow. Extra rows: the shadow's rows between the
 * same two keys in the shadow's order, each without a row in the source. No extra row escapes: the walk goes from one open end
 * through adjoining ranges to the other, so whatever the order of their bounds in the shadow, for each row there is a last
 * bound before it, and the range from there ends at it or behind it. A range may lie the other way round there, and is
 * empty then; others may overlap, or be long, so they are looked through piece by piece.
 */

import { MigrationError } from '../engine/errors.ts';
import type { KeyRange, RowKey } from '../engine/model.ts';
import type { RangeComparison } from '../engine/ports.ts';
import type { TableDescription } from './catalog.ts';
import { isHashCheap } from './checksum.ts';
import { withSettings } from './client-settings.ts';
import { typeFamily } from './conversions.ts';
import { isRecollated, keyFromRow, samenessFromRow, shadowSpelled } from './key-parts.ts';
import { plainSourceHash, shadowHash, sourceHash, type PairLayout } from './pair-layout.ts';
import { createProbe } from './probe.ts';
import * as statements from './row-statements.ts';
import type { Row, Session } from './session.ts';
import { loadProbe } from './unconvertible.ts';

/**
 * Counts and compares a range. Checksums cost about half of what comparing one by one does, which tells the keys that differ:
 * `isDifferenceLikely` says what the caller expects.
 */
export async function compareRange(
  session: Session,
  layout: PairLayout,
  { range, isDifferenceLikely }: { readonly range: KeyRange; readonly isDifferenceLikely: boolean },
  signal: AbortSignal,
): Promise<RangeComparison> {
  if (!layout.isComparable) {
    const { keys, sourceRows, shadowRows } = await compareRows(session, layout, { range }, signal);
    const extra = keys.length > 0 ? [] : await findExtraRows(session, layout, range, signal);
    return { isEqual: keys.length + extra.length === 0, sourceRows, shadowRows: shadowRows + extra.length };
  }
  if (isKeyLookedUp(layout) && (isDifferenceLikely || !isHashCheap(layout.flavour))) {
    const { keys, isAll, ...rows } = await compareOneByOne(session, layout, { range, limitRows: DIFFERING_MAX }, signal);
    const isEqual = isAll && keys.length === 0;
    return { isEqual, ...rows, ...(isAll && !isEqual ? { differing: keys } : {}) };
  }
  const rows = await session.query(statements.compareRange(layout, range), signal);
  const [source, shadow] = ['source', 'shadow'].map((side) => rows.find((row) => row['side'] === side));
  const sourceRows = Number(source?.['row_count']);
  const shadowRows = Number(shadow?.['row_count']);
  const isEqual = sourceRows === shadowRows && source?.['checksum'] === shadow?.['checksum'];
  const extra = isEqual ? await findExtraRows(session, layout, range, signal) : [];
  return { isEqual: isEqual && extra.length === 0, sourceRows, shadowRows: shadowRows + extra.length };
}

/** Of the newest range in what is expected of the next. */
const NEWEST_WEIGHT = 1 / 8;
/** Checksums that differ cost as much again as comparing one by one does. */
const LIKELY_SHARE = 1 / 2;

/** Whether the next range is likely to differ, from those before it. */
export class RecentDifferences {
  #share = 0;

  get isLikely(): boolean {
    return this.#share > LIKELY_SHARE;
  }

  observe({ isEqual }: RangeComparison): void {
    this.#share += ((isEqual ? 0 : 1) - this.#share) * NEWEST_WEIGHT;
  }
}

/** With more in one range it is not worth while to look at each of them. */
const DIFFERING_MAX = 1000;

interface OneByOne {
  readonly keys: readonly RowKey[];
  /** False where there may be more that differ. */
  readonly isAll: boolean;
  readonly sourceRows: number;
  readonly shadowRows: number;
}

/** At most `limitRows` keys. */
async function compareOneByOne(
  session: Session,
  layout: PairLayout,
  { range, limitRows }: { readonly range: KeyRange; readonly limitRows: number },
  signal: AbortSignal,
): Promise<OneByOne> {
  const rows = await session.query(statements.compareOneByOne(layout, range, limitRows), signal);
  const countOf = (what: string): number => Number(rows.find((row) => row['what'] === what)?.['row_count']);
  const counts = { sourceRows: countOf('source'), shadowRows: countOf('shadow') };
  const told = rows.filter((row) => row['what'] === 'missing' || row['what'] === 'unequal');
  const keys = told.map((row) => keyFromRow(layout.key, row));
  if (keys.length >= limitRows) return { ...counts, keys, isAll: false };
  const missing = told.filter((row) => row['what'] === 'missing').length;
  if (counts.shadowRows === counts.sourceRows - missing) return { ...counts, keys, isAll: true };
  // In a later snapshot. Whatever is no extra row any more has changed since, and a change is applied by itself.
  const extra = await session.query(statements.extraRows(layout, range, limitRows - keys.length), signal);
  return {
    ...counts,
    keys: [...keys, ...extra.map((row) => extraKey(layout, row))],
    isAll: extra.length < limitRows - keys.length,
  };
}

/** Which rows of a range differ, at most `limitRows` of them: see TablePair.findDifferences. */
export async function findDifferences(
  session: Session,
  layout: PairLayout,
  { range, limitRows }: { readonly range: KeyRange; readonly limitRows: number },
  signal: AbortSignal,
): Promise<readonly RowKey[]> {
  if (layout.isComparable && isKeyLookedUp(layout)) {
    return (await compareOneByOne(session, layout, { range, limitRows }, signal)).keys;
  }
  const { keys } = await compareRows(session, layout, { range }, signal);
  return [...keys, ...(await findExtraRows(session, layout, range, signal))].slice(0, limitRows);
}

/** Whether either table finds the other's keys by its index: not by values of another kind, nor in another order. */
function isKeyLookedUp({ key, source, shadow }: PairLayout): boolean {
  const typeIn = (table: TableDescription, name: string): string | undefined => {
    const column = table.columns.find((column) => column.name === name);
    return column !== undefined && typeFamily(column) === 'integer' ? 'integer' : column?.columnType;
  };
  return (
    !isRecollated(key) && key.every(({ column, shadowName }) => typeIn(source, column.name) === typeIn(shadow, shadowName))
  );
}

/** Which of these rows differ, in one snapshot: see RowWriter.findDifferingRows. */
export async function differingRows(
  session: Session,
  layout: PairLayout,
  keys: readonly RowKey[],
  signal: AbortSignal,
): Promise<readonly RowKey[]> {
  return (await compareRows(session, layout, { keys }, signal)).keys;
}

/** Rows of the shadow that are looked through in one statement, each of which is looked up in the source. */
const PIECE_ROWS = 5000;
/** So many tell that the tables differ; there may be more. */
const EXTRA_ROWS_MAX = 10_000;

/** Of a recollated key, the rows of the shadow in the range, in its own order, that have none in the source; else none. */
async function findExtraRows(
  session: Session,
  layout: PairLayout,
  { after, through }: KeyRange,
  signal: AbortSignal,
): Promise<readonly RowKey[]> {
  if (!isRecollated(layout.key)) return [];
  const extra: RowKey[] = [];
  let begin = after;
  for (;;) {
    const [last] = await session.query(statements.findShadowPieceEnd(layout, { after: begin, through }, PIECE_ROWS), signal);
    const end = last === undefined ? null : keyFromRow(shadowSpelled(layout.key), last);
    const piece = { after: begin, through: end ?? through };
    const rows = await session.query(statements.extraRows(layout, piece, EXTRA_ROWS_MAX), signal);
    extra.push(...rows.map((row) => extraKey(layout, row)));
    if (end === null || extra.length >= EXTRA_ROWS_MAX) return extra;
    begin = end;
  }
}

function extraKey(layout: PairLayout, row: Row): RowKey {
  const key = keyFromRow(layout.key, row);
  if (row['is_spellable'] === '1') return key;
  const { schema, table } = layout.plan.shadow;
  throw new MigrationError(
    'SHADOW_CHANGED',
    `The shadow ${schema}.${table} has a row that cannot stem from the source: its key has a character that the source's character set lacks. Find out who writes to the shadow, give this migration up and start anew.`,
  );
}

interface Differences {
  readonly keys: readonly RowKey[];
  readonly sourceRows: number;
  readonly shadowRows: number;
}

async function compareRows(
  session: Session,
  layout: PairLayout,
  listed: statements.Listed,
  signal: AbortSignal,
): Promise<Differences> {
  const shadow = statements.listRows(layout, 'shadow', shadowHash(layout), listed);
  if (layout.isComparable) {
    const source = statements.listRows(layout, 'source', sourceHash(layout), listed);
    return judge(layout, await session.query(`${source} UNION ALL ${shadow}`, signal), (row) => row['hash'] ?? null);
  }
  const source = statements.listRows(layout, 'source', plainSourceHash(layout), listed);
  const probe = await createProbe(session, layout, signal);
  await withSettings(session, layout.computing, () => loadProbe({ session, layout, probe }, listed, signal), signal);
  const rows = await session.query(`${source} UNION ALL ${shadow} UNION ALL ${probe.listing}`, signal);
  const probed = new Map(
    rows.filter((row) => row['side'] === 'probe').map((row) => [keyFromRow(layout.key, row), row] as const),
  );
  return judge(layout, rows, (row) => {
    const converted = probed.get(keyFromRow(layout.key, row));
    return converted !== undefined && converted['plain_hash'] === row['hash'] ? (converted['hash'] ?? null) : null;
  });
}

/** `expectedHash` is what the shadow must hold of a source row, null when that is not known. */
function judge(layout: PairLayout, rows: readonly Row[], expectedHash: (row: Row) => string | null): Differences {
  const inSource = rows.filter((row) => row['side'] === 'source');
  const inShadow = rows.filter((row) => row['side'] === 'shadow');
  const hashes = new Map(inShadow.map((row) => [keyFromRow(layout.key, row), row['hash']] as const));
  const unequal = inSource.filter((row) => {
    const expected = expectedHash(row);
    return expected === null || hashes.get(keyFromRow(layout.key, row)) !== expected;
  });
  const spellings = new Set(inSource.map((row) => samenessFromRow(layout.key, row)));
  const extra = inShadow.filter((row) => !spellings.has(samenessFromRow(layout.key, row)));
  return {
    keys: [...unequal, ...extra].map((row) => keyFromRow(layout.key, row)),
    sourceRows: inSource.length,
    shadowRows: inShadow.length,
  };
}
