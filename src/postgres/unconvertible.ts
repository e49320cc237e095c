/** Finds the row that does not fit the new definition, so that the operator can correct it. */

import { causeText, MigrationError } from '../engine/errors.ts';
import type { RowKey } from '../engine/model.ts';
import type { PairLayout } from './pair-layout.ts';
import { describeKey } from './row-key.ts';
import { insertStatement, keysCondition } from './row-statements.ts';
import type { Session } from './session.ts';

/**
 * The error that names the row among `keys` which does not fit, with the server's words. Tries halves behind savepoints, on the
 * shadow itself, for its CHECK constraints count too; the caller undoes the transaction around.
 */
export async function unconvertibleRow(
  session: Session,
  layout: PairLayout,
  { keys, cause }: { readonly keys: readonly RowKey[]; readonly cause: MigrationError },
  signal: AbortSignal,
): Promise<MigrationError> {
  const table = `${layout.source.schema}.${layout.source.table}`;
  const found = await bisect(session, layout, keys, signal);
  const message =
    found === null
      ? `A row of ${table} does not fit the new definition: ${serverText(cause)}. It was not found again; it may have been changed since.`
      : `The row ${describeKey(layout.key, found.key)} of ${table} does not fit the new definition: ${found.said}. Correct it, then resume; no row was lost.`;
  return new MigrationError('ROW_NOT_CONVERTIBLE', message, { cause });
}

interface Culprit {
  readonly key: RowKey;
  readonly said: string;
}

async function bisect(
  session: Session,
  layout: PairLayout,
  keys: readonly RowKey[],
  signal: AbortSignal,
): Promise<Culprit | null> {
  let suspects = keys;
  let said: string | null = null;
  for (;;) {
    const [only] = suspects;
    if (only === undefined) return null;
    const half = suspects.slice(0, Math.ceil(suspects.length / 2));
    const complaint = await complaintAbout(session, layout, half, signal);
    if (suspects.length === 1) return complaint === null && said === null ? null : { key: only, said: complaint ?? said ?? '' };
    if (complaint !== null) said = complaint;
    suspects = complaint === null ? suspects.slice(half.length) : half;
  }
}

/** What the server says against these rows, or null. A collision is no complaint: equal keys may be there already. */
async function complaintAbout(
  session: Session,
  layout: PairLayout,
  keys: readonly RowKey[],
  signal: AbortSignal,
): Promise<string | null> {
  // A shadow that has no key yet has no rows of this range either.
  const existing = layout.shadowKeyIndex.length === 0 ? 'collide' : 'skip';
  await session.execute('SAVEPOINT tableshift_try', signal);
  try {
    await session.execute(insertStatement(layout, keysCondition(layout.key, keys), existing), signal);
    return null;
  } catch (error) {
    if (error instanceof MigrationError && error.code === 'ROW_NOT_CONVERTIBLE') return serverText(error);
    if (error instanceof MigrationError && error.code === 'DUPLICATE_KEY') return null;
    throw error;
  } finally {
    await session.execute('ROLLBACK TO SAVEPOINT tableshift_try', signal);
  }
}

/** What the server itself said, without our words around it. */
function serverText(error: MigrationError): string {
  return causeText(error).replace(/\.$/, '');
}
