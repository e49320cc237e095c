/**
 * The schema `tableshift` on the server: which migrations there are, who holds which claim, and the checkpoints. Every
 * statement here touches one row by its primary key and commits by itself, so it can be repeated.
 */

import type { MigrationId, TableName } from '../engine/model.ts';
import type { RecordedPlan } from '../engine/native-change.ts';
import type { MigrationState } from '../engine/ports.ts';
import {
  bookkeepingSchema,
  claimFrom,
  layoutVersion,
  migrationsFrom,
  recordLostError,
  savedFrom,
  type ClaimRecord,
  decidingMigrations,
  type RecordedMigration,
  type RecordedMigrations,
  type Saved,
} from '../sessions/bookkeeping.ts';
import { isUnknownTable } from './errors.ts';
import { type Session, useSchema } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

const migrations = quoteTable({ schema: bookkeepingSchema, table: 'migrations' });
const checkpoints = quoteTable({ schema: bookkeepingSchema, table: 'checkpoints' });
const claims = quoteTable({ schema: bookkeepingSchema, table: 'claims' });

const schemaDefinition = `CREATE DATABASE IF NOT EXISTS ${quoteName(bookkeepingSchema)} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`;

const definitions = [
  `CREATE TABLE IF NOT EXISTS ${migrations} (
    id VARCHAR(24) NOT NULL PRIMARY KEY,
    version INT NOT NULL,
    table_schema VARCHAR(64) NOT NULL,
    table_name VARCHAR(64) NOT NULL,
    plan LONGTEXT NOT NULL,
    state VARCHAR(16) NOT NULL,
    failure TEXT NULL,
    started_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL
  ) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
  `CREATE TABLE IF NOT EXISTS ${checkpoints} (
    migration_id VARCHAR(24) NOT NULL PRIMARY KEY,
    version INT NOT NULL,
    checkpoint LONGTEXT NOT NULL,
    saved_at DATETIME(3) NOT NULL
  ) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
  `CREATE TABLE IF NOT EXISTS ${claims} (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    token CHAR(36) NOT NULL,
    migration_id VARCHAR(24) NOT NULL,
    connection_id BIGINT UNSIGNED NOT NULL,
    host VARCHAR(255) NOT NULL,
    pid INT NOT NULL,
    claimed_at DATETIME(3) NOT NULL
  ) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
];

/** Somebody who holds the lock for longer is not creating these tables, and they can be created without it. */
const creationLimitSeconds = 10;

/**
 * Creates what is missing, the tables that `further` defines (with CREATE TABLE IF NOT EXISTS) included. Safe to repeat. Takes
 * a user-level lock, which the end of the session frees if this rejects; what it creates becomes the default database.
 */
export async function createBookkeeping(session: Session, further: readonly string[], signal: AbortSignal): Promise<void> {
  // Asked for first: CREATE … IF NOT EXISTS of what exists would still be written to the log, and needs the privilege.
  const [row] = await session.query(
    `SELECT COUNT(*) AS tables FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${quoteText(bookkeepingSchema)}`,
    signal,
  );
  if (Number(row?.['tables']) >= definitions.length + further.length) return;
  // One at a time: MySQL lets two that create the same tables run into a deadlock.
  const lock = quoteText('tableshift:bookkeeping');
  await session.query(`SELECT GET_LOCK(${lock}, ${creationLimitSeconds})`, signal);
  await session.execute(schemaDefinition, signal);
  await useSchema(session, bookkeepingSchema, signal);
  for (const definition of [...definitions, ...further]) await session.execute(definition, signal);
  await session.query(`SELECT RELEASE_LOCK(${lock})`, signal);
}

/**
 * Newest first; none where there is no bookkeeping yet. `id`: only that one. Rejects with PLAN_CHANGED where another version has recorded
 * that one, or one that is unfinished.
 */
export async function findMigrations(
  session: Session,
  id: MigrationId | null,
  signal: AbortSignal,
): Promise<readonly RecordedMigration[]> {
  return decidingMigrations(await readMigrations(session, id, signal), id);
}

/** As `findMigrations`, but those that cannot be read do not matter. */
export async function readMigrations(
  session: Session,
  id: MigrationId | null,
  signal: AbortSignal,
): Promise<RecordedMigrations> {
  const condition = id === null ? '' : `WHERE m.id = ${quoteText(id)}`;
  try {
    const rows = await session.query(
      `SELECT m.id, m.version, m.table_schema, m.table_name, m.plan, m.state, m.failure, c.checkpoint, c.version AS checkpoint_version,
         ${isoTime('m.started_at')} AS started_at, ${isoTime('GREATEST(m.updated_at, COALESCE(c.saved_at, m.updated_at))')} AS updated_at
       FROM ${migrations} AS m LEFT JOIN ${checkpoints} AS c ON c.migration_id = m.id ${condition}
       ORDER BY m.started_at DESC, m.id`,
      signal,
    );
    return migrationsFrom(rows);
  } catch (error) {
    if (isUnknownTable(error)) return { readable: [], unreadable: [] };
    throw error;
  }
}

/** Records a migration as open. Rejects with DUPLICATE_KEY if the id is taken. */
export async function recordMigration(session: Session, plan: RecordedPlan, signal: AbortSignal): Promise<void> {
  await session.execute(
    `INSERT INTO ${migrations} (id, version, table_schema, table_name, plan, state, failure, started_at, updated_at)
     VALUES (${quoteText(plan.id)}, ${layoutVersion(plan)}, ${quoteText(plan.source.schema)}, ${quoteText(plan.source.table)},
       ${quoteText(JSON.stringify(plan))}, 'open', NULL, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))`,
    signal,
  );
}

/** Sets the state, and the failure that ended the last run or NULL. */
export async function recordState(
  session: Session,
  id: MigrationId,
  outcome: { readonly state: MigrationState; readonly failure: string | null },
  signal: AbortSignal,
): Promise<void> {
  await session.execute(
    `UPDATE ${migrations} SET state = ${quoteText(outcome.state)},
       failure = ${outcome.failure === null ? 'NULL' : quoteText(outcome.failure)}, updated_at = UTC_TIMESTAMP(3)
     WHERE id = ${quoteText(id)}`,
    signal,
  );
}

/** What `writeCheckpoint` has written for the same migration. */
export async function readCheckpoint<Kind extends Saved>(
  session: Session,
  id: MigrationId,
  signal: AbortSignal,
): Promise<Kind | null> {
  const [row] = await session.query(
    `SELECT checkpoint, version FROM ${checkpoints} WHERE migration_id = ${quoteText(id)}`,
    signal,
  );
  return row === undefined ? null : (savedFrom(row['checkpoint'] ?? '', row['version'], id) as Kind);
}

/** One row replaced in one transaction. Rejects with RECORDS_LOST where the migration is not recorded any more. */
export async function writeCheckpoint(session: Session, id: MigrationId, saved: Saved, signal: AbortSignal): Promise<void> {
  const { affectedRows } = await session.execute(
    `REPLACE INTO ${checkpoints} (migration_id, version, checkpoint, saved_at)
     SELECT id, ${layoutVersion(saved)}, ${quoteText(JSON.stringify(saved))}, UTC_TIMESTAMP(3)
     FROM ${migrations} WHERE id = ${quoteText(id)}`,
    signal,
  );
  if (affectedRows === 0) throw recordLostError(id);
}

export async function readClaim(session: Session, name: string, signal: AbortSignal): Promise<ClaimRecord | null> {
  const [row] = await session.query(
    `SELECT token, migration_id, connection_id, host, pid, ${isoTime('claimed_at')} AS claimed_at
     FROM ${claims} WHERE name = ${quoteText(name)}`,
    signal,
  );
  return row === undefined ? null : claimFrom(row);
}

export async function writeClaim(
  session: Session,
  name: string,
  claim: Omit<ClaimRecord, 'claimedAt'>,
  signal: AbortSignal,
): Promise<void> {
  await session.execute(
    `REPLACE INTO ${claims} (name, token, migration_id, connection_id, host, pid, claimed_at)
     VALUES (${quoteText(name)}, ${quoteText(claim.token)}, ${quoteText(claim.migrationId)}, ${claim.connectionId},
       ${quoteText(claim.host)}, ${claim.pid}, UTC_TIMESTAMP(3))`,
    signal,
  );
}

/** Whether a table belongs to the bookkeeping. */
export function isBookkeeping(table: TableName): boolean {
  return table.schema.toLowerCase() === bookkeepingSchema;
}

/** ISO 8601 in UTC with milliseconds; sessions have the time zone +00:00. */
export function isoTime(expression: string): string {
  return `CONCAT(LEFT(DATE_FORMAT(${expression}, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')`;
}
