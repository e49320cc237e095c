/**
 * The slot and the publication of a migration: made before the shadow, found again by a resume, dropped at the end. The
 * publication lists one table and only the columns of its key, so that only keys come over the wire.
 */

import { MigrationError } from '../engine/errors.ts';
import type { MigrationId, TableName } from '../engine/model.ts';
import type { ReplicationConnection } from './replication-connection.ts';
import type { Session } from './session.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';

/** Names on the server; the same for both. */
export function slotName(id: MigrationId): string {
  return `tableshift_${id}`;
}

/** What the slot of a migration looks like, or null when there is none. */
export interface SlotState {
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string;
  /** Why it is lost, in the server's word for it (since 17); null where it is not, or where the server does not tell. */
  readonly reason: string | null;
}

/**
 * Creates the publication. Takes SHARE UPDATE EXCLUSIVE on the table for a moment; writers go on. It must come before the slot:
 * a publication made later does not exist for what the slot decodes first. `columns: null` publishes whole rows (needed where
 * the replica identity is FULL); with `withGenerated` also stored generated columns, without which the server would refuse updates.
 */
export async function createPublication(
  session: Session,
  what: {
    readonly name: string;
    readonly table: TableName;
    readonly columns: readonly string[] | null;
    readonly withGenerated?: boolean;
  },
  signal: AbortSignal,
): Promise<void> {
  const list = what.columns === null ? '' : ` (${what.columns.map(quoteName).join(', ')})`;
  const generated = what.withGenerated === true ? ' WITH (publish_generated_columns = stored)' : '';
  await session.execute(`DROP PUBLICATION IF EXISTS ${quoteName(what.name)}`, signal);
  await session.execute(
    `CREATE PUBLICATION ${quoteName(what.name)} FOR TABLE ${quoteTable(what.table)}${list}${generated}`,
    signal,
  );
}

/**
 * Creates the slot, without a snapshot. Waits for every transaction that runs now, so it is bounded by `signal`. Must be called
 * on a session without a transaction id of its own, or it waits for itself.
 */
export async function createSlot(
  connection: ReplicationConnection,
  name: string,
  hasFailover: boolean,
  signal: AbortSignal,
): Promise<void> {
  const options = hasFailover ? "(SNAPSHOT 'nothing', FAILOVER true)" : "(SNAPSHOT 'nothing')";
  await connection.longCommand(`CREATE_REPLICATION_SLOT ${quoteName(name)} LOGICAL pgoutput ${options}`, signal);
}

/** Of rows `s` of pg_replication_slots and `a` of pg_stat_activity: who reads from the slot. */
export const slotReader = "pg_catalog.format('process %s (%s)', s.active_pid, a.application_name)";

/** Of a row `s` of pg_replication_slots. */
export const lossReason = "(pg_catalog.to_jsonb(s) ->> 'invalidation_reason')";

export async function findSlot(session: Session, name: string, signal: AbortSignal): Promise<SlotState | null> {
  const [row] = await session.query(
    `SELECT wal_status, ${lossReason} AS reason FROM pg_catalog.pg_replication_slots AS s WHERE slot_name = ${quoteText(name)}`,
    signal,
  );
  return row === undefined ? null : { walStatus: row['wal_status'] ?? 'unknown', reason: row['reason'] ?? null };
}

/** Who reads from a slot, as far as we may see it; null where nobody does. */
export async function findSlotReader(session: Session, name: string, signal: AbortSignal): Promise<string | null> {
  const [row] = await session.query(
    `SELECT ${slotReader} AS reader FROM pg_catalog.pg_replication_slots AS s
     LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = s.active_pid WHERE s.slot_name = ${quoteText(name)} AND s.active_pid IS NOT NULL`,
    signal,
  );
  return row?.['reader'] ?? null;
}

/** What drops a slot and its publication, as far as they are there. The slot must not be in use. Safe to repeat. */
export function slotRemoval(name: string): { readonly slot: string; readonly publication: string } {
  return {
    slot: `SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = ${quoteText(name)}`,
    publication: `DROP PUBLICATION IF EXISTS ${quoteName(name)}`,
  };
}

/** Drops what is there of both, as `slotRemoval`. */
export async function dropSlotAndPublication(session: Session, name: string, signal: AbortSignal): Promise<void> {
  const { slot, publication } = slotRemoval(name);
  await session.query(slot, signal);
  await session.execute(publication, signal);
}

/** Rejects with LOG_PURGED unless the slot that a resume needs is there, with all its log. */
export async function requireSlot(session: Session, name: string, signal: AbortSignal): Promise<void> {
  const fault = slotFault(name, await findSlot(session, name, signal));
  if (fault !== null) throw fault;
}

/** Why nothing can be read from a slot: it is gone (null) or lost. Null where it can. */
export function slotFault(name: string, state: SlotState | null): MigrationError | null {
  if (state !== null && state.walStatus !== 'lost') return null;
  const { why, remedy } = lossOf(state);
  return new MigrationError(
    'LOG_PURGED',
    `The replication slot ${name} ${why}. Give this migration up${remedy}, and start anew.`,
  );
}

function lossOf(state: Pick<SlotState, 'reason'> | null): { readonly why: string; readonly remedy: string } {
  if (state === null)
    return { why: 'is gone: somebody has dropped it, or a standby that did not have it has taken over', remedy: '' };
  switch (state.reason) {
    case 'wal_removed':
    case null:
      return {
        why: 'was invalidated, because it kept more log than the server allows',
        remedy: ', raise max_slot_wal_keep_size',
      };
    case 'idle_timeout':
      return {
        why: 'was invalidated, because nobody has read from it for longer than the server allows',
        remedy: ', raise idle_replication_slot_timeout',
      };
    default:
      return { why: `was invalidated (${state.reason})`, remedy: '' };
  }
}
