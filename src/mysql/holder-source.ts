/** Whether the server tells a user who holds a lock on a table, which is what a run goes by when its cutover gets none. */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import { accountText, readAccount } from './account.ts';
import { serverErrno } from './errors.ts';
import type { Flavour } from './flavour.ts';
import { surely } from './lock-holders.ts';
import type { Session } from './session.ts';

/** What keeps it from telling. */
export type HolderSilence = 'privilege' | 'plug-in' | 'instrument';

/** Null: it tells. */
export async function findHolderSilence(
  session: Session,
  { table, flavour }: { readonly table: TableName; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<HolderSilence | null> {
  try {
    await session.query(`${surely(flavour)([table], session.connectionId)} LIMIT 1`, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (serverErrno(error) === null) throw error;
    if (flavour.isMariaDb) return 'plug-in';
    return error instanceof MigrationError && error.code === 'ACCESS_DENIED' ? 'privilege' : 'instrument';
  }
  if (flavour.isMariaDb) return null;
  const enabled = await session.query(
    `SELECT 1 FROM performance_schema.setup_instruments WHERE NAME = 'wait/lock/metadata/sql/mdl' AND ENABLED = 'YES'`,
    signal,
  );
  return enabled.length > 0 ? null : 'instrument';
}

/** What makes it tell. */
export const BREAK_SILENCE = {
  'plug-in': "the plug-in METADATA_LOCK_INFO is not loaded: INSTALL SONAME 'metadata_lock_info'",
  instrument:
    'performance_schema is off, or its instrument wait/lock/metadata/sql/mdl: turn both on in the configuration of the server',
} as const satisfies Record<Exclude<HolderSilence, 'privilege'>, string>;

/** What an operator should know of it before a run: at most one sentence. */
export async function readHolderNotes(
  session: Session,
  at: { readonly table: TableName; readonly flavour: Flavour },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const silence = await findHolderSilence(session, at, signal);
  if (silence === null) return [];
  const reason =
    silence === 'privilege'
      ? `the user may not read performance_schema: GRANT SELECT ON performance_schema.* TO ${accountText(await readAccount(session, signal))};`
      : `${BREAK_SILENCE[silence]}.`;
  const guessed = 'Who keeps the cutover from its lock can only be guessed';
  const unseen = 'who waits for the migration is not seen';
  const dying =
    'a transaction that has read the table and writes it while the lock is waited for may be ended by the server (1213)';
  // MariaDB need not be asked who has read: LOCK TABLES … NOWAIT.
  const lacking = at.flavour.isMariaDb ? `${guessed}, and ${unseen}` : `${guessed}, ${unseen}, and ${dying}`;
  return [`${lacking}, for ${reason}`];
}
