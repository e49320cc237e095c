/**
 * Settings in which the server computes: those of an ordinary client, in which the operator's own ALTER would run and
 * applications write. Zone and collation decide what CURRENT_TIMESTAMP, HOUR(a TIMESTAMP) or an index over an expression comes to.
 *
 * All else runs in UTC: there a key or a value in a TIMESTAMP has one text and each text is one moment, also in the hour that a zone
 * has twice. A TIMESTAMP is copied as it is stored, whatever the zone, but for MySQL's that gets more or fewer digits: that goes
 * by its local time.
 *
 * What is set globally while a migration runs, or before it is resumed, changes nothing of it: some rows would be computed otherwise than
 * those before them.
 */

import type { Plan } from '../engine/model.ts';
import type { Column } from './catalog.ts';
import type { KeyColumn } from './row-key.ts';
import { restoreSession } from './session-restore.ts';
import type { Session } from './session.ts';
import { quoteText } from './statements.ts';

/** What SET takes at the beginning and at the end. */
export interface ClientSettings {
  readonly begin: string;
  readonly end: string;
}

/** As session.ts has them. */
const ours = "NAMES utf8mb4 COLLATE utf8mb4_bin, time_zone = '+00:00'";

/** Those of a client that has set nothing but its character set. */
export const ordinaryClient: ClientSettings = {
  begin: 'NAMES utf8mb4, time_zone = @@global.time_zone',
  end: ours,
};

/** The same for a migration: as it was when the change was planned. */
export function plannedClient({ computing }: Pick<Plan, 'computing'>): ClientSettings {
  if (computing === undefined) return ordinaryClient;
  return { begin: `NAMES utf8mb4, time_zone = ${quoteText(computing.timeZone)}`, end: ours };
}

const ordinaryClientInUtc: ClientSettings = { begin: 'NAMES utf8mb4', end: ours };

/** The key, and the columns whose values are carried over. */
export interface CopiedColumns {
  readonly key: readonly Pick<KeyColumn, 'kind'>[];
  readonly pairs: readonly { readonly source: Column; readonly shadow: Column }[];
}

/** Settings for statements that put rows of the source somewhere; without a plan, as they would be planned now. */
export function computingSettings(copied: CopiedColumns, plan: Pick<Plan, 'computing'> = {}): ClientSettings {
  return isBoundToUtc(copied) ? ordinaryClientInUtc : plannedClient(plan);
}

/** Whether a moment could become another one in a zone that has an hour twice. */
export function isBoundToUtc({ key, pairs }: CopiedColumns): boolean {
  return (
    key.some(({ kind }) => kind === 'timestamp') ||
    pairs.some(({ source, shadow }) => source.dataType === 'timestamp' && source.columnType !== shadow.columnType)
  );
}

/** Runs work in these settings. Warnings of its last statement are gone afterwards. */
export async function withSettings<Result>(
  session: Session,
  { begin, end }: ClientSettings,
  work: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  await session.execute(`SET ${begin}`, signal);
  try {
    return await work();
  } finally {
    await restoreSession(session, [`SET ${end}`]);
  }
}
