/**
 * What the swap leaves to be done: the foreign keys that were valid before it are NOT VALID after it, until all rows have been
 * checked. Which these are is recorded in the swap's transaction, and the catalog tells which still are: nothing else is trusted.
 */

import { MigrationError } from '../engine/errors.ts';
import type { MigrationId, TableName } from '../engine/model.ts';
import { isMissing, unsettledTable } from './bookkeeping.ts';
import { serverError } from './errors.ts';
import { keyName } from './foreign-keys.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** A foreign key whose rows are still to be checked. */
interface UnsettledKey {
  readonly name: string;
  readonly child: TableName;
}

/** The statement that records a foreign key as one to be validated; `table` as SQL. Run behind the one that adds it. */
export function settlementRecord(
  id: MigrationId,
  { table, constraint }: { readonly table: string; readonly constraint: string },
): string {
  return `INSERT INTO ${unsettledTable} (migration_id, table_oid, constraint_name)
    VALUES (${quoteText(id)}, ${quoteText(table)}::pg_catalog.regclass, ${quoteText(constraint)})`;
}

/** A sentence for each thing that the swap of a migration has left; none before it. Locks nothing. */
export async function readUnsettled(session: Session, id: MigrationId, signal: AbortSignal): Promise<readonly string[]> {
  return (await readKeys(session, id, signal)).map(sentence);
}

/**
 * Validates them one after another. VALIDATE reads both tables and takes SHARE UPDATE EXCLUSIVE on the one that refers, ROW SHARE
 * on the other: nobody who reads or writes rows waits for it. One that is validated is not found again. What cannot be
 * validated now does not keep the others from it; then this rejects with the first reason.
 */
export async function settle(
  session: Session,
  { id, onSettled }: { readonly id: MigrationId; readonly onSettled: (what: string) => void },
  signal: AbortSignal,
): Promise<void> {
  const failures: MigrationError[] = [];
  for (const key of await readKeys(session, id, signal)) {
    try {
      await session.execute(`ALTER TABLE ${quoteTable(key.child)} VALIDATE CONSTRAINT ${quoteName(key.name)}`, signal);
      onSettled(sentence(key));
    } catch (error) {
      signal.throwIfAborted();
      const failure = failureOf(error, key);
      if (failure.code === 'CONNECTION_LOST') throw failure;
      failures.push(failure);
    }
  }
  // What may pass by itself is tried again only when nothing else is wrong.
  const [first] = [...failures.filter(({ isTransient }) => !isTransient), ...failures];
  if (first !== undefined) throw first;
}

async function readKeys(session: Session, id: MigrationId, signal: AbortSignal): Promise<readonly UnsettledKey[]> {
  try {
    const rows = await session.query(
      `SELECT k.conname AS name, n.nspname AS schema, c.relname AS table FROM ${unsettledTable} AS u
         JOIN pg_catalog.pg_constraint AS k ON k.conrelid = u.table_oid AND k.conname = u.constraint_name
         JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       WHERE u.migration_id = ${quoteText(id)} AND k.contype = 'f' AND NOT k.convalidated ORDER BY 2, 3, 1`,
      signal,
    );
    return rows.map((row) => ({
      name: row['name'] ?? '',
      child: { schema: row['schema'] ?? '', table: row['table'] ?? '' },
    }));
  } catch (error) {
    // Bookkeeping from before there was anything to settle.
    if (isMissing(error)) return [];
    throw error;
  }
}

function sentence(key: UnsettledKey): string {
  return `${keyName(key)} is to be validated.`;
}

/** What the server said, and for a row without partner which one. */
function failureOf(error: unknown, key: UnsettledKey): MigrationError {
  if (!(error instanceof MigrationError)) throw error;
  const report = serverError(error);
  if (report?.code !== '23503') return error;
  const message = `${keyName(key)} cannot be validated: ${(report.detail ?? report.message).replace(/\.$/, '')}. Correct the row that is named.`;
  return new MigrationError('ROW_NOT_CONVERTIBLE', message, { cause: error });
}
