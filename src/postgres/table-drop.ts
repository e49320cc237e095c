/**
 * Dropping a table that no application uses, without making those wait that use others. The DROP locks the tables that its
 * foreign keys refer to, all of them at once, so the keys go first, one at a time. The files are removed when the locks have been
 * given back, so the size of the table makes nobody wait, and there is nothing to gain by emptying it before.
 */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { StepOutcome } from '../engine/native-change.ts';
import { serverError } from './errors.ts';
import { askForLock } from './lock-wait.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** What to drop. */
export interface TableDrop {
  /** Opens a session with further settings. */
  open(settings: readonly string[]): Promise<Session>;
  readonly table: TableName;
  readonly lockTimeoutMs: number;
  /** Drops the table, and what was made for it alone. Does nothing where it is gone. */
  drop(session: Session): Promise<void>;
}

/** One attempt, as `RetiredTables.drop` says. Safe to repeat: what is gone is not looked for again. */
export async function dropInSteps(order: TableDrop, signal: AbortSignal): Promise<StepOutcome> {
  const { table, lockTimeoutMs } = order;
  await using session = await order.open([`lock_timeout = ${lockTimeoutMs}`]);
  await using observer = await order.open([]);
  const keys = await readForeignKeys(session, table, signal);
  const fromOthers = keys.filter(({ isOwn }) => !isOwn);
  if (fromOthers.length > 0) {
    const list = fromOthers.map(({ name, other }) => `the foreign key ${name} of ${other.schema}.${other.table}`).join(', ');
    throw needed(table, list);
  }
  const steps = [
    ...keys.map(({ name, other }) => ({
      table: other,
      // Locks both tables for a moment.
      run: () => session.execute(`ALTER TABLE ${quoteTable(table)} DROP CONSTRAINT IF EXISTS ${quoteName(name)}`, signal),
    })),
    // Locks the table, and nobody else once its foreign keys are gone.
    { table, run: () => order.drop(session) },
  ];
  for (const step of steps) {
    const wait = { session, observer, table: step.table, lockTimeoutMs, isEndedSoon: false };
    const outcome = await askForLock(wait, () => runOrExplain(step.run, table, signal), signal);
    if (outcome.kind === 'not-locked') return outcome;
  }
  return { kind: 'done' };
}

interface ForeignKey {
  readonly name: string;
  /** Whether it is the table's own, and refers to another. */
  readonly isOwn: boolean;
  readonly other: TableName;
}

/** Those between the table and another. Reads the catalog only. */
async function readForeignKeys(session: Session, table: TableName, signal: AbortSignal): Promise<readonly ForeignKey[]> {
  const rows = await session.query(
    `SELECT k.conname AS name, k.is_own, n.nspname AS schema, c.relname AS "table"
     FROM (
       SELECT f.conname, f.conrelid = t.oid AS is_own, CASE f.conrelid WHEN t.oid THEN f.confrelid ELSE f.conrelid END AS other
       FROM pg_catalog.pg_constraint AS f, (SELECT pg_catalog.to_regclass(${quoteText(quoteTable(table))})::pg_catalog.oid) AS t (oid)
       WHERE f.contype = 'f' AND f.conparentid = 0 AND f.conrelid <> f.confrelid AND t.oid IN (f.conrelid, f.confrelid)
     ) AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.other JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     ORDER BY 1`,
    signal,
  );
  return rows.map((row) => ({
    name: row['name'] ?? '',
    isOwn: row['is_own'] === 't',
    other: { schema: row['schema'] ?? '', table: row['table'] ?? '' },
  }));
}

/** dependent_objects_still_exist: the detail has a line for each. */
async function runOrExplain(run: () => Promise<unknown>, table: TableName, signal: AbortSignal): Promise<void> {
  try {
    await run();
  } catch (error) {
    signal.throwIfAborted();
    const report = serverError(error);
    if (report?.code !== '2BP01') throw error;
    throw needed(table, (report.detail ?? report.message).split('\n').join(', '), error);
  }
}

function needed({ schema, table }: TableName, by: string, cause?: unknown): MigrationError {
  return new MigrationError('TABLE_NEEDED', `${schema}.${table} was not dropped, because others depend on it: ${by}.`, {
    cause,
  });
}
