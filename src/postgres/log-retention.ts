/** What the server keeps of its log for a replication slot, and what a run takes of its disk: for the plan. */

import type { PlanEstimate } from '../engine/model.ts';
import { mebibytes } from '../sessions/sizes.ts';
import type { Session } from './session.ts';

/** A smaller table needs no word about space. */
const NOTED_BYTES = 1024 ** 3;

/** For how long the server keeps its log for a slot; null: there is no limit. */
export interface LogRetention {
  /** Bytes (max_slot_wal_keep_size). */
  readonly keepMax: number | null;
  /** After so long without a reader a slot is given up (idle_replication_slot_timeout, since 18), as the server writes it. */
  readonly idleMax: string | null;
}

export async function readLogRetention(session: Session, signal: AbortSignal): Promise<LogRetention> {
  const [row] = await session.query(
    `SELECT ${slotLimit} AS bytes, nullif(pg_catalog.current_setting('idle_replication_slot_timeout', true), '0') AS idle`,
    signal,
  );
  const bytes = Number(row?.['bytes'] ?? -1);
  return { keepMax: bytes < 0 ? null : bytes, idleMax: row?.['idle'] ?? null };
}

/** The expression that gives it; -1: there is no limit. */
export const slotLimit = "pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size'))";

/** What an operator should know of it before a run. Copying logs about as much as the table has. */
export function retentionNotes(
  { keepMax, idleMax }: LogRetention,
  { dataBytes }: Pick<PlanEstimate, 'dataBytes'>,
): readonly string[] {
  const idle =
    idleMax === null
      ? []
      : [
          `The server gives up a replication slot that nobody has read from for ${idleMax} (idle_replication_slot_timeout): a run that is interrupted can be resumed only until then.`,
        ];
  if (keepMax === null || keepMax >= 2 * dataBytes) return idle;
  return [
    ...idle,
    `The server keeps ${mebibytes(keepMax)} of log for a replication slot (max_slot_wal_keep_size), and the copy writes about ${mebibytes(dataBytes)}: a run that is interrupted can be resumed only until what others write has used that up.`,
  ];
}

/** PostgreSQL never tells how much is free. */
export function diskNotes({ dataBytes, indexBytes }: Pick<PlanEstimate, 'dataBytes' | 'indexBytes'>): readonly string[] {
  const needed = dataBytes + indexBytes;
  if (needed < NOTED_BYTES) return [];
  return [
    `The server does not tell how much disk space is free: the shadow takes about ${mebibytes(needed)}, and the log of the copy about as much while it is kept.`,
  ];
}
