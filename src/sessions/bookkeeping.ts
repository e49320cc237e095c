/** What the bookkeeping on either server holds of a migration, and how it is read. The tables and statements are each server's own. */

import { MigrationError } from '../engine/errors.ts';
import type { Checkpoint, MigrationId } from '../engine/model.ts';
import type { NativePlace, RecordedPlan } from '../engine/native-change.ts';
import type { MigrationRecord, MigrationState } from '../engine/ports.ts';

/** The schema that holds the bookkeeping. Nothing in it can be migrated. */
export const bookkeepingSchema = 'tableshift';

/** Layout of the rows of shadows and of native changes, which came later; rows written by a newer layout are refused. */
const layoutVersions = { shadow: 1, native: 2 } as const;

/** A recorded migration without what is not in its row: whether and where it runs, and what its swap has left. */
export type RecordedMigration = Omit<MigrationRecord, 'isRunning' | 'lastRun' | 'unsettled'>;

/** A checkpoint, or the place of a native change. */
export type Saved = Checkpoint | NativePlace;

/** Who took a claim last. Whether it is still held only the lock says. */
export interface ClaimRecord {
  readonly token: string;
  readonly migrationId: string;
  /** Of the claim session: the connection's id, or that of the server process. */
  readonly connectionId: number;
  readonly host: string;
  readonly pid: number;
  readonly claimedAt: string;
}

type Row = Readonly<Record<string, string | null>>;

/** With which a plan or what was saved of it is to be written. */
export function layoutVersion(recorded: RecordedPlan | Saved): number {
  const isNative = 'strategy' in recorded ? recorded.strategy === 'native' : 'sql' in recorded;
  return layoutVersions[isNative ? 'native' : 'shadow'];
}

/**
 * From a row with `id`, `version`, `plan`, `state`, `failure`, `checkpoint`, `checkpoint_version`, `started_at` and `updated_at`. Throws
 * PLAN_CHANGED where a newer layout wrote it.
 */
export function migrationFrom(row: Row): RecordedMigration {
  const id = row['id'] as MigrationId;
  checkVersion(row['version'], id);
  const text = row['checkpoint'] ?? null;
  const saved = text === null ? null : savedFrom(text, row['checkpoint_version'], id);
  return {
    id,
    plan: JSON.parse(row['plan'] ?? '') as RecordedPlan,
    state: row['state'] as MigrationState,
    checkpoint: saved === null || 'sql' in saved ? null : saved,
    place: saved !== null && 'sql' in saved ? saved : null,
    startedAt: row['started_at'] ?? '',
    updatedAt: row['updated_at'] ?? '',
    failure: row['failure'] ?? null,
  };
}

/** What was saved of a migration. Throws PLAN_CHANGED where a newer layout wrote it. */
export function savedFrom(text: string, version: string | null | undefined, id: MigrationId): Saved {
  checkVersion(version, id);
  return JSON.parse(text) as Saved;
}

/** From a row with `token`, `migration_id`, `connection_id`, `host`, `pid` and `claimed_at`. */
export function claimFrom(row: Row): ClaimRecord {
  return {
    token: row['token'] ?? '',
    migrationId: row['migration_id'] ?? '',
    connectionId: Number(row['connection_id']),
    host: row['host'] ?? '',
    pid: Number(row['pid']),
    claimedAt: row['claimed_at'] ?? '',
  };
}

/** RECORDS_LOST. */
export function recordLostError(id: MigrationId): MigrationError {
  return new MigrationError(
    'RECORDS_LOST',
    `Somebody has deleted the record of migration ${id} from ${bookkeepingSchema}.migrations, so it could be neither resumed nor given up.`,
  );
}

function checkVersion(version: string | null | undefined, id: MigrationId): void {
  if (Object.values(layoutVersions).some((known) => Number(version) === known)) return;
  throw new MigrationError(
    'PLAN_CHANGED',
    `Migration ${id} was recorded by another version of TableShift (layout ${version ?? 'unknown'}, this one knows ${layoutVersions.native}); go on with that version.`,
  );
}
