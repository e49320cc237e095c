/** Finds the row that does not fit the new definition, so that the operator can correct it. */

import { causeText, MigrationError } from '../engine/errors.ts';
import type { RowKey } from '../engine/model.ts';
import { withSettings } from './client-settings.ts';
import { serverErrno } from './errors.ts';
import { describeKey, keyFromRow } from './key-parts.ts';
import type { PairLayout } from './pair-layout.ts';
import { partitionCondition } from './partitions.ts';
import { createProbe, type Probe } from './probe.ts';
import { findSourceKeys, type Listed } from './row-statements.ts';
import type { Session } from './session.ts';

/** A probe takes as many rows at a time as a statement of the applier. */
const KEYS_PER_TRY = 1000;

/**
 * Warnings that say nothing about values: MySQL warns of each literal in an old character set, which row keys have (1287,
 * 3719), and of old features in the table's own expressions (1681).
 */
const harmless: ReadonlySet<number> = new Set([1287, 1681, 3719]);

/**
 * What the server said about values, after a statement with `count` warnings; null when it was nothing. In strict mode a value
 * that does not fit is an error, but one that is only cut (decimals, the time of a date) is a note.
 */
export async function valueWarning(session: Session, count: number, signal: AbortSignal): Promise<string | null> {
  if (count === 0) return null;
  const rows = await session.query('SHOW WARNINGS', signal);
  const found = rows.find((row) => !harmless.has(Number(row['Code'])));
  if (found !== undefined) return `${found['Message'] ?? ''} (warning ${found['Code'] ?? ''})`;
  return rows.length < count ? `${count - rows.length} warnings that the server did not keep` : null;
}

/**
 * The error that names the row among `listed` which does not fit, with the server's words. `said` is what the server said
 * about the whole statement, whose effect must be rolled back. Takes no lock on either table.
 */
export async function unconvertibleRow(
  session: Session,
  layout: PairLayout,
  { listed, said, cause }: { readonly listed: Listed; readonly said: string; readonly cause?: unknown },
  signal: AbortSignal,
): Promise<MigrationError> {
  const table = `${layout.plan.source.schema}.${layout.plan.source.table}`;
  const found = await findCulprit(session, layout, listed, signal);
  // Only the shadow's own error has the name of the CHECK that was violated, and the value that no partition takes.
  const words = tellingErrnos.has(serverErrno(cause) ?? 0) ? said : found?.said;
  const message =
    found === null
      ? `A row of ${table} does not fit the new definition: ${said}. It was not found again; it may have been changed since.`
      : `The row ${describeKey(
          layout.key.map((part) => part.column),
          found.key,
        )} of ${table} does not fit the new definition: ${words ?? said}. Correct it, then resume; no row was lost.`;
  return new MigrationError('ROW_NOT_CONVERTIBLE', message, { cause });
}

/** Loads the probe, and names the row where one does not fit. */
export async function loadProbe({ session, layout, probe }: Trial, listed: Listed, signal: AbortSignal): Promise<void> {
  try {
    await probe.load(listed, signal);
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== 'ROW_NOT_CONVERTIBLE') throw error;
    throw await unconvertibleRow(session, layout, { listed, said: serverMessage(error), cause: error }, signal);
  }
}

/** ER_CHECK_CONSTRAINT_VIOLATED of MySQL, ER_CONSTRAINT_FAILED of MariaDB, ER_NO_PARTITION_FOR_GIVEN_VALUE. */
const tellingErrnos: ReadonlySet<number> = new Set([3819, 4025, 1526]);

/** What the server itself said, without our words around it. */
export function serverMessage(error: MigrationError): string {
  const errno = serverErrno(error);
  const text = causeText(error);
  return errno === null ? text : `${text.replace(/\.$/, '')} (error ${errno})`;
}

/** A probe of this layout in this session. */
interface Trial {
  readonly session: Session;
  readonly layout: PairLayout;
  readonly probe: Probe;
}

interface Culprit {
  readonly key: RowKey;
  readonly said: string;
}

/** What is said of rows that no partition takes, to whose table the server itself says nothing. */
export const noPartition = 'no partition takes it';

/** Whether some row of a table without partitions has none in a table with these options. */
export async function lacksPartition(
  session: Session,
  { table, tableOptions }: { readonly table: string; readonly tableOptions: string },
  signal: AbortSignal,
): Promise<boolean> {
  const condition = partitionCondition(tableOptions);
  if (condition === null) return false;
  return (await session.query(`SELECT 1 FROM ${table} WHERE ${condition} IS NOT TRUE LIMIT 1`, signal)).length > 0;
}

async function findCulprit(session: Session, layout: PairLayout, listed: Listed, signal: AbortSignal): Promise<Culprit | null> {
  const keys =
    'keys' in listed
      ? listed.keys
      : (await session.query(findSourceKeys(layout, listed.range), signal)).map((row) => keyFromRow(layout.key, row));
  const probe = await createProbe(session, layout, signal);
  for (let start = 0; start < keys.length; start += KEYS_PER_TRY) {
    const tried = keys.slice(start, start + KEYS_PER_TRY);
    const bisected = (): Promise<Culprit | null> => bisect({ session, layout, probe }, tried, signal);
    const culprit = await withSettings(session, layout.computing, bisected, signal);
    if (culprit !== null) return culprit;
  }
  return null;
}

async function bisect(trial: Trial, keys: readonly RowKey[], signal: AbortSignal): Promise<Culprit | null> {
  const said = await tryRows(trial, keys, signal);
  const [first] = keys;
  if (said === null || first === undefined) return null;
  if (keys.length === 1) return { key: first, said };
  const middle = Math.ceil(keys.length / 2);
  return (await bisect(trial, keys.slice(0, middle), signal)) ?? (await bisect(trial, keys.slice(middle), signal));
}

/** What the server says about the values of these rows, or null when it takes them. */
async function tryRows(
  { session, layout, probe }: Trial,
  keys: readonly RowKey[],
  signal: AbortSignal,
): Promise<string | null> {
  try {
    await probe.clear(signal);
    const said = await valueWarning(session, await probe.load({ keys }, signal), signal);
    if (said !== null) return said;
    const { tableOptions } = layout.shadow;
    return (await lacksPartition(session, { table: probe.name, tableOptions }, signal)) ? noPartition : null;
  } catch (error) {
    if (error instanceof MigrationError && error.code === 'ROW_NOT_CONVERTIBLE') return serverMessage(error);
    throw error;
  }
}
