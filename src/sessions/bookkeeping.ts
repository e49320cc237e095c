/** What the bookkeeping on either server holds of a migration, and how it is read. The tables and statements are each server's own. */

import { MigrationError } from '../engine/errors.ts';
import type { Checkpoint, MigrationId } from '../engine/model.ts';
import type { NativePlace, RecordedPlan } from '../engine/native-change.ts';
import type { MigrationRecord, MigrationState, UnreadableMigration } from '../engine/ports.ts';

/** The schema that holds the bookkeeping. Nothing in it can be migrated. */
export const bookkeepingSchema = 'tableshift';

/** Layout of the rows of shadows and of native changes, which came later; rows written by a newer layout are not read. */
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

/** All that are recorded, in the same order. */
export interface RecordedMigrations {
  readonly readable: readonly RecordedMigration[];
  readonly unreadable: readonly UnreadableMigration[];
}

/** With which a plan or what was saved of it is to be written. */
export function layoutVersion(recorded: RecordedPlan | Saved): number {
  const isNative = 'strategy' in recorded ? recorded.strategy === 'native' : 'sql' in recorded;
  return layoutVersions[isNative ? 'native' : 'shadow'];
}

/**
 * From rows with `id`, `version`, `table_schema`, `table_name`, `plan`, `state`, `failure`, `checkpoint`, `checkpoint_version`,
 * `started_at` and `updated_at`. What a newer layout wrote is not read.
 */
export function migrationsFrom(rows: readonly Row[]): RecordedMigrations {
  const readable: RecordedMigration[] = [];
  const unreadable: UnreadableMigration[] = [];
  for (const row of rows) {
    const version = [row['version'], row['checkpoint_version'] ?? row['version']].find((one) => !isKnown(one));
    if (version === undefined) readable.push(migrationFrom(row));
    else unreadable.push(unreadableFrom(row, version));
  }
  return { readable, unreadable };
}

/**
 * Those on which it depends what may be begun or gone on with. Throws PLAN_CHANGED where one of them cannot be read; of those that are
 * over that does not matter, unless it is the one that was asked for.
 */
export function decidingMigrations(
  { readable, unreadable }: RecordedMigrations,
  asked: MigrationId | null,
): readonly RecordedMigration[] {
  const [first] = unreadable.filter(({ id, state }) => state === 'open' || id === asked);
  if (first !== undefined) throw unreadableError(first);
  return readable;
}

/** PLAN_CHANGED. */
export function unreadableError({ sentence }: UnreadableMigration): MigrationError {
  return new MigrationError('PLAN_CHANGED', sentence);
}

function unreadableFrom(row: Row, version: string | null | undefined): UnreadableMigration {
  const id = row['id'] as MigrationId;
  const source = { schema: row['table_schema'] ?? '', table: row['table_name'] ?? '' };
  const state = row['state'] as MigrationState;
  const what = `Migration ${id} of ${source.schema}.${source.table}, which is ${state},`;
  return { id, source, state, sentence: `${what} ${byAnotherVersion(version)}` };
}

function migrationFrom(row: Row): RecordedMigration {
  const text = row['checkpoint'] ?? null;
  const saved = text === null ? null : (JSON.parse(text) as Saved);
  return {
    id: row['id'] as MigrationId,
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
  if (!isKnown(version)) throw new MigrationError('PLAN_CHANGED', `Migration ${id} ${byAnotherVersion(version)}`);
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

function isKnown(version: string | null | undefined): boolean {
  return Object.values(layoutVersions).some((known) => Number(version) === known);
}

function byAnotherVersion(version: string | null | undefined): string {
  return `was recorded by another version of TableShift (layout ${version ?? 'unknown'}, this one knows ${layoutVersions.native}): use that one for it.`;
}
