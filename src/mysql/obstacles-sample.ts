/** Rows that do not fit the new definition, found by letting the server convert a sample of them. */

import { causeText, MigrationError } from '../engine/errors.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import { probeName } from './alter-probe.ts';
import { keyColumns, type Column } from './catalog.ts';
import { computingSettings, withSettings } from './client-settings.ts';
import { carriedValue } from './conversions.ts';
import { serverErrno } from './errors.ts';
import { implicitDefaults } from './implicit-defaults.ts';
import { describeKey } from './key-parts.ts';
import { copiedColumns, type PlanningFacts } from './planning-facts.ts';
import { keyTextExpression, literalFromText, rowKey } from './row-key.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable } from './statements.ts';
import { lacksPartition, noPartition, valueWarning } from './unconvertible.ts';

/** A sample takes at most this many rows from each end of the table, and about this many bytes. */
const sampleRowsMax = 10_000;
const sampleBytesMax = 16 * 1024 * 1024;

/** Rows from each end of the table that are tried. */
export function sampleRows({ source }: PlanningFacts): number {
  const rowBytes = source.estimatedRows === 0 ? 0 : source.dataBytes / source.estimatedRows;
  return Math.max(1, Math.min(sampleRowsMax, Math.floor(sampleBytesMax / Math.max(rowBytes, 1))));
}

/**
 * Converts rows from both ends of the table into the temporary copy that `probeAlter` left in this session, exactly as the
 * migration will. Reads without locks, writes nothing that lasts. What it does not find stops the copy later.
 */
export async function sampleObstacles(
  session: Session,
  facts: PlanningFacts,
  signal: AbortSignal,
): Promise<readonly Obstacle[]> {
  if (usesSequence(facts)) return [];
  const count = sampleRows(facts);
  for (const direction of ['ASC', 'DESC'] as const) {
    const sample: Sample = { session, facts, direction };
    const failure = await tryRows(sample, { offset: 0, count }, signal);
    if (failure !== null) return [await describeFailure(sample, failure, count, signal)];
    if (facts.source.estimatedRows < count / 2) break;
  }
  return [];
}

/** A default from a sequence (MariaDB) would take numbers from it, also for rows that are thrown away. */
function usesSequence({ probed, map }: PlanningFacts): boolean {
  const isCopied = (name: string): boolean => map.pairs.some((pair) => pair.shadow === name);
  return probed.definition.columns.some((column) => !isCopied(column.name) && /\bnextval\b/i.test(column.definition));
}

/** Rows in key order, from one end of the table. */
interface Sample {
  readonly session: Session;
  readonly facts: PlanningFacts;
  readonly direction: 'ASC' | 'DESC';
}

interface Rows {
  readonly offset: number;
  readonly count: number;
}

/** What the server said. */
interface Failure {
  readonly said: string;
  readonly isDuplicate: boolean;
}

/** Puts these rows, and only these, into the copy; null where they all fit. */
async function tryRows(sample: Sample, { offset, count }: Rows, signal: AbortSignal): Promise<Failure | null> {
  const { session, facts } = sample;
  const { source, map, probed } = facts;
  const probe = quoteTable(probeName(source));
  const implicit = implicitDefaults(probed.definition, map.added);
  const { pairs } = copiedColumns(facts);
  const targets = [...pairs.map(({ shadow }) => shadow.name), ...implicit.map(({ column }) => column)].map(quoteName);
  const values = [
    ...pairs.map((pair) => carriedValue(pair.source, pair.shadow, quoteName(pair.source.name))),
    ...implicit.map(({ literal }) => literal),
  ];
  await session.execute(`DELETE FROM ${probe}`, signal);
  try {
    const insert = `INSERT INTO ${probe} (${targets.join(', ')}) SELECT ${values.join(', ')} ${fromOrdered(sample)} LIMIT ${count} OFFSET ${offset}`;
    const tried = async (): Promise<string | null> =>
      valueWarning(session, (await session.execute(insert, signal)).warnings, signal);
    const settings = computingSettings(copiedColumns(facts));
    const said = await withSettings(session, settings, tried, signal);
    if (said !== null) return { said, isDuplicate: false };
    const { tableOptions } = probed.definition;
    const isLacking = await lacksPartition(session, { table: probe, tableOptions }, signal);
    return isLacking ? { said: noPartition, isDuplicate: false } : null;
  } catch (error) {
    if (!(error instanceof MigrationError) || !['ROW_NOT_CONVERTIBLE', 'DUPLICATE_KEY'].includes(error.code)) throw error;
    const said = causeText(error);
    return { said, isDuplicate: serverErrno(error) === duplicateEntry };
  }
}

const duplicateEntry = 1062;

function fromOrdered({ facts, direction }: Sample): string {
  const index = facts.source.indexes.find(({ name }) => name === facts.key.index);
  const walked = index?.parts.map((part) => part.column ?? '') ?? facts.key.columns;
  const order = walked.map((column) => `${quoteName(column)} ${direction}`).join(', ');
  return `FROM ${quoteTable(facts.source)} ORDER BY ${order}`;
}

/** Finds the row, or both rows, by halving: the servers do not number the row in every message. */
async function describeFailure(sample: Sample, failure: Failure, count: number, signal: AbortSignal): Promise<Obstacle> {
  const { source } = sample.facts;
  const table = `${source.schema}.${source.table}`;
  const probe = probeName(source).table;
  // Constraints without a name of their own are named after the table.
  const said = failure.said.replaceAll(`${probe}.`, '').replaceAll(probe, source.table).replace(/\.$/, '');
  const fails = async (rows: Rows): Promise<boolean> => (await tryRows(sample, rows, signal)) !== null;
  const last = await leastThat((rows) => fails({ offset: 0, count: rows }), count);
  const at = await keyAt(sample, last - 1, signal);
  if (failure.isDuplicate) {
    // Without the rows before the other one, the last one still collides.
    const left = await leastThat(async (dropped) => !(await fails({ offset: dropped, count: last - dropped })), last);
    const other = await keyAt(sample, left - 1, signal);
    const rows = at === null || other === null || at === other ? '' : `: ${other}, and ${at}`;
    return { code: 'DUPLICATE_ROWS', message: `Rows of ${table} are equal under a unique key of the change${rows} (${said}).` };
  }
  const row = at === null ? 'A row' : `The row ${at}`;
  return { code: codeFor(said, sample.facts), message: `${row} of ${table} does not fit the new definition: ${said}.` };
}

/** The least number from 1 to `most` for which it holds, if it holds for `most` and then for all numbers in between. */
async function leastThat(holds: (number: number) => Promise<boolean>, most: number): Promise<number> {
  let [low, high] = [1, most];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Members that rows hold have a code of their own, and so have rows without a partition. */
function codeFor(said: string, { map }: PlanningFacts): Obstacle['code'] {
  if (said === noPartition) return 'PARTITIONS';
  const name = /column '([^']*)'/.exec(said)?.[1];
  const isMembers = (column: Column): boolean => column.dataType === 'enum' || column.dataType === 'set';
  const pair = map.kept.find(([, shadowColumn]) => shadowColumn.name === name);
  return pair !== undefined && isMembers(pair[0]) && isMembers(pair[1]) ? 'ENUM_MEANING_CHANGED' : 'LOSSY_CONVERSION';
}

/** The key of a row of the sample as an operator reads it; null where the row is gone. */
async function keyAt(sample: Sample, offset: number, signal: AbortSignal): Promise<string | null> {
  const { session, facts } = sample;
  const columns = keyColumns(facts.source, facts.key.columns);
  const selected = columns.map((column, place) => `${keyTextExpression(column, '')} AS key_${place}`).join(', ');
  const [row] = await session.query(`SELECT ${selected} ${fromOrdered(sample)} LIMIT 1 OFFSET ${offset}`, signal);
  if (row === undefined) return null;
  return describeKey(columns, rowKey(columns.map((column, place) => literalFromText(column, row[`key_${place}`] ?? ''))));
}
