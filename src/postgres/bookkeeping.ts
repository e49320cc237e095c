/**
 * The schema `tableshift` in the database: which migrations there are, who holds which claim, the checkpoints, which swaps have
 * been made and what they left to be done. Every statement here touches one row by its primary key and commits by itself, so it
 * can be repeated; but for `swapRecord`, which is part of the swap's transaction.
 */

import { MigrationError } from '../engine/errors.ts';
import type { MigrationId, Plan, TableName } from '../engine/model.ts';
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
import { tableOid } from './catalog.ts';
import { sqlState } from './errors.ts';
import type { Row, Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import { inTransaction } from './transaction.ts';

const migrations = quoteTable({ schema: bookkeepingSchema, table: 'migrations' });
const checkpoints = quoteTable({ schema: bookkeepingSchema, table: 'checkpoints' });
const claims = quoteTable({ schema: bookkeepingSchema, table: 'claims' });
/** The swaps that have been made, by migration. */
export const swaps = quoteTable({ schema: bookkeepingSchema, table: 'swaps' });
/** Foreign keys that the swap of a migration has left to be validated (settlement.ts). */
export const unsettledTable = quoteTable({ schema: bookkeepingSchema, table: 'unsettled' });

/** Plans, checkpoints and failures are JSON in ASCII, so that any encoding of the database can hold them. */
const definitions = [
  `CREATE TABLE IF NOT EXISTS ${migrations} (
    id text NOT NULL PRIMARY KEY,
    version integer NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    plan text NOT NULL,
    state text NOT NULL,
    failure text,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS ${checkpoints} (
    migration_id text NOT NULL PRIMARY KEY,
    version integer NOT NULL,
    checkpoint text NOT NULL,
    saved_at timestamptz NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS ${claims} (
    name text NOT NULL PRIMARY KEY,
    token text NOT NULL,
    timeline text NOT NULL,
    migration_id text NOT NULL,
    connection_id integer NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    claimed_at timestamptz NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS ${swaps} (
    migration_id text NOT NULL PRIMARY KEY,
    source_oid oid NOT NULL,
    shadow_oid oid NOT NULL,
    swapped_at timestamptz NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS ${unsettledTable} (
    migration_id text NOT NULL,
    table_oid oid NOT NULL,
    constraint_name name NOT NULL,
    PRIMARY KEY (migration_id, table_oid, constraint_name)
  )`,
];

/**
 * Creates what is missing, and takes from everybody but the owner what default privileges may have granted. One run at a time;
 * all of it happens or nothing. Rejects with ACCESS_DENIED where the role may not create a schema or does not own this one.
 */
export async function createBookkeeping(session: Session, signal: AbortSignal): Promise<void> {
  // Asked for first: CREATE … IF NOT EXISTS needs the privilege also for what exists.
  if ((await countTables(session, signal)) >= definitions.length) return;
  const isMissing = async (): Promise<boolean> => (await countTables(session, signal)) < definitions.length;
  const statements = [`CREATE SCHEMA IF NOT EXISTS ${quoteName(bookkeepingSchema)}`, ...definitions];
  await create(session, { isMissing, statements }, signal);
}

interface Creation {
  readonly isMissing: () => Promise<boolean>;
  readonly statements: readonly string[];
}

/** In a transaction, while nobody else creates; and takes from everybody but the owner what default privileges may have granted. */
async function create(session: Session, { isMissing, statements }: Creation, signal: AbortSignal): Promise<void> {
  const creation = async (): Promise<void> => {
    await session.query(`SELECT pg_catalog.pg_advisory_xact_lock(${creationKey})`, signal);
    // A statement of its own begins after the lock was had, and sees what another run has made meanwhile.
    if (!(await isMissing())) return;
    await session.execute(statements.join('; '), signal);
    for (const statement of await revocations(session, signal)) await session.execute(statement, signal);
  };
  await inTransaction(session, creation, signal);
}

/**
 * Creates one more table beside the bookkeeping unless it is there, for its owner alone. One run at a time. Safe to repeat.
 * Rejects with ACCESS_DENIED.
 */
export async function createFurther(session: Session, table: string, definition: string, signal: AbortSignal): Promise<void> {
  const name = quoteText(`${bookkeepingSchema}.${table}`);
  const isMissing = async (): Promise<boolean> => {
    const [row] = await session.query(`SELECT pg_catalog.to_regclass(${name}) AS found`, signal);
    return (row?.['found'] ?? null) === null;
  };
  if (await isMissing()) await create(session, { isMissing, statements: [definition] }, signal);
}

/** What to grant to a role for which another one has made the bookkeeping, as a sentence; null where nothing is missing. */
export async function missingGrants(session: Session, signal: AbortSignal): Promise<string | null> {
  const rows = await session.query(
    `SELECT current_user AS username, pg_catalog.pg_get_userbyid(n.nspowner) AS owner FROM pg_catalog.pg_namespace AS n
     WHERE n.nspname = ${quoteText(bookkeepingSchema)} AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_class AS c, pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
       WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND NOT pg_catalog.has_table_privilege(c.oid, privilege)))`,
    signal,
  );
  const [row] = rows;
  if (row === undefined) return null;
  const role = quoteName(row['username'] ?? '');
  return `The role ${row['username'] ?? ''} may not use the bookkeeping, which ${row['owner'] ?? ''} has made: GRANT USAGE ON SCHEMA ${bookkeepingSchema} TO ${role}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA ${bookkeepingSchema} TO ${role}.`;
}

/** Any number that nobody else uses: the letters of the name. */
const creationKey = 0x7461626c65736869n;

async function countTables(session: Session, signal: AbortSignal): Promise<number> {
  const [row] = await session.query(
    `SELECT count(*) AS tables FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = ${quoteText(bookkeepingSchema)} AND c.relkind = 'r' AND c.relname IN ('migrations', 'checkpoints', 'claims', 'swaps', 'unsettled')`,
    signal,
  );
  return Number(row?.['tables']);
}

const ownTransaction = 'pg_catalog.pg_current_xact_id()::pg_catalog.xid';

/** Of what this transaction has made: what stood there before may have been granted to others since. */
async function revocations(session: Session, signal: AbortSignal): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT DISTINCT pg_catalog.format('REVOKE ALL ON %s FROM %s', o.object, CASE a.grantee WHEN 0 THEN 'PUBLIC'
       ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END) AS statement
     FROM (
       SELECT pg_catalog.format('TABLE %I.%I', n.nspname, c.relname) AS object, c.relacl AS acl, c.relowner AS owner
       FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       WHERE n.nspname = ${quoteText(bookkeepingSchema)} AND c.relkind = 'r' AND c.xmin = ${ownTransaction}
       UNION ALL
       SELECT pg_catalog.format('SCHEMA %I', nspname), nspacl, nspowner
       FROM pg_catalog.pg_namespace WHERE nspname = ${quoteText(bookkeepingSchema)} AND xmin = ${ownTransaction}
     ) AS o, pg_catalog.aclexplode(o.acl) AS a WHERE a.grantee <> o.owner`,
    signal,
  );
  return rows.map((row) => row['statement'] ?? '');
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
         ${isoTime('m.started_at')} AS started_at, ${isoTime('GREATEST(m.updated_at, c.saved_at)')} AS updated_at
       FROM ${migrations} AS m LEFT JOIN ${checkpoints} AS c ON c.migration_id = m.id ${condition}
       ORDER BY m.started_at DESC, m.id`,
      signal,
    );
    return migrationsFrom(rows.map((row) => ({ ...row, failure: failureFrom(row) })));
  } catch (error) {
    if (isMissing(error)) return { readable: [], unreadable: [] };
    const missing = sqlState(error) === insufficientPrivilege ? await missingGrants(session, signal) : null;
    throw missing === null ? error : new MigrationError('ACCESS_DENIED', missing, { cause: error });
  }
}

/** Records a migration as open. Rejects with DUPLICATE_KEY if the id is taken. */
export async function recordMigration(session: Session, plan: RecordedPlan, signal: AbortSignal): Promise<void> {
  await session.execute(
    `INSERT INTO ${migrations} (id, version, table_schema, table_name, plan, state, failure, started_at, updated_at)
     VALUES (${quoteText(plan.id)}, ${layoutVersion(plan)}, ${quoteText(plan.source.schema)}, ${quoteText(plan.source.table)},
       ${quoteJson(plan)}, 'open', NULL, clock_timestamp(), clock_timestamp())`,
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
       failure = ${outcome.failure === null ? 'NULL' : quoteJson(outcome.failure)}, updated_at = clock_timestamp()
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
    `INSERT INTO ${checkpoints} (migration_id, version, checkpoint, saved_at)
     SELECT id, ${layoutVersion(saved)}, ${quoteJson(saved)}, clock_timestamp() FROM ${migrations} WHERE id = ${quoteText(id)}
     ON CONFLICT (migration_id) DO UPDATE
       SET version = EXCLUDED.version, checkpoint = EXCLUDED.checkpoint, saved_at = EXCLUDED.saved_at`,
    signal,
  );
  if (affectedRows === 0) throw recordLostError(id);
}

/** With the timeline of the log at that time: after a failover to a standby it is another. */
export interface TimedClaimRecord extends ClaimRecord {
  readonly timeline: string;
}

export async function readClaim(session: Session, name: string, signal: AbortSignal): Promise<TimedClaimRecord | null> {
  const [row] = await session.query(
    `SELECT token, timeline, migration_id, connection_id, host, pid, ${isoTime('claimed_at')} AS claimed_at
     FROM ${claims} WHERE name = ${quoteText(name)}`,
    signal,
  );
  return row === undefined ? null : { ...claimFrom(row), timeline: row['timeline'] ?? '' };
}

export async function writeClaim(
  session: Session,
  name: string,
  claim: Omit<TimedClaimRecord, 'claimedAt'>,
  signal: AbortSignal,
): Promise<void> {
  await session.execute(
    `INSERT INTO ${claims} (name, token, timeline, migration_id, connection_id, host, pid, claimed_at)
     VALUES (${quoteText(name)}, ${quoteText(claim.token)}, ${quoteText(claim.timeline)}, ${quoteText(claim.migrationId)},
       ${claim.connectionId}, ${quoteText(claim.host)}, ${claim.pid}, clock_timestamp())
     ON CONFLICT (name) DO UPDATE SET token = EXCLUDED.token, timeline = EXCLUDED.timeline,
       migration_id = EXCLUDED.migration_id, connection_id = EXCLUDED.connection_id, host = EXCLUDED.host, pid = EXCLUDED.pid,
       claimed_at = EXCLUDED.claimed_at`,
    signal,
  );
}

/**
 * The statement that records a swap. Run inside the transaction that makes it, so that both are true or neither, and while both tables
 * have their old places.
 */
export function swapRecord({ id, source, shadow }: Pick<Plan, 'id' | 'source' | 'shadow'>): string {
  return `INSERT INTO ${swaps} (migration_id, source_oid, shadow_oid, swapped_at)
    VALUES (${quoteText(id)}, ${tableOid(source)}, ${tableOid(shadow)}, clock_timestamp())`;
}

/** Whether a swap has been committed. */
export async function isSwapRecorded(session: Session, id: MigrationId, signal: AbortSignal): Promise<boolean> {
  const rows = await session.query(`SELECT 1 FROM ${swaps} WHERE migration_id = ${quoteText(id)}`, signal);
  return rows.length > 0;
}

/** Whether a table belongs to the bookkeeping. */
export function isBookkeeping(table: TableName): boolean {
  return table.schema === bookkeepingSchema;
}

function failureFrom(row: Row): string | null {
  const failure = row['failure'] ?? null;
  return failure === null ? null : (JSON.parse(failure) as string);
}

/** JSON in ASCII as a literal, which any encoding of the database can hold. */
export function quoteJson(value: unknown): string {
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return quoteText(JSON.stringify(value).replaceAll(/[\u007f-\uffff]/g, escape));
}

/** ISO 8601 in UTC with milliseconds. */
export function isoTime(expression: string): string {
  return `pg_catalog.to_char(${expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

const insufficientPrivilege = '42501';

/** undefined_table, invalid_schema_name. */
export function isMissing(error: unknown): boolean {
  const state = sqlState(error);
  return state === '42P01' || state === '3F000';
}
