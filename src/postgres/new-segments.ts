/** Whether the server has files of its log at hand for what a copy writes: commits wait while it makes one. For the plan. */

import type { PlanEstimate } from '../engine/model.ts';
import { mebibytes } from '../sessions/sizes.ts';
import type { Session } from './session.ts';

/** Fewer bytes than this for which files have to be made are not worth a word. */
const NOTED_BYTES = 256 * 1024 ** 2;

/**
 * What an operator should know of it before a run. Nothing where the user may not list these files (pg_monitor may), and where
 * making one is no work (wal_init_zero is off).
 */
export async function newSegmentNotes(
  session: Session,
  { dataBytes, indexBytes }: Pick<PlanEstimate, 'dataBytes' | 'indexBytes'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const ready = await readReadyBytes(session, signal);
  const written = dataBytes + indexBytes;
  if (ready === null || written - ready < NOTED_BYTES) return [];
  return [
    `Copying writes some ${mebibytes(written)} of log, and the server has files for ${mebibytes(ready)} of it at hand: while it makes another (a few of them a second), all commits wait. It keeps more of them at hand with a larger min_wal_size.`,
  ];
}

/** Bytes of log for which there are files beyond the present one; null: it can't be told, or does not matter. */
async function readReadyBytes(session: Session, signal: AbortSignal): Promise<number | null> {
  const [allowed] = await session.query(
    `SELECT 1 WHERE pg_catalog.current_setting('wal_init_zero')::boolean ` +
      `AND pg_catalog.has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE')`,
    signal,
  );
  if (allowed === undefined) return null;
  // The first eight digits are the timeline, of which files made in advance may have an older one.
  const [row] = await session.query(
    `SELECT count(*) * pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) AS bytes FROM pg_catalog.pg_ls_waldir() ` +
      `WHERE name ~ '^[0-9A-F]{24}$' AND substr(name, 9) > substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 9)`,
    signal,
  );
  return Number(row?.['bytes'] ?? 0);
}
