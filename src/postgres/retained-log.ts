/**
 * How much log the server keeps for our replication slot. Copying writes log too, so it waits until the applier has caught up;
 * the applier is what frees log, and it never rests. A run does not end for this: its slot would then keep still more.
 */

import type { Plan } from '../engine/model.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import { askSeldom } from '../engine/spaced-signal.ts';
import { mebibytes } from '../sessions/sizes.ts';
import { fromClient } from './lock-holders.ts';
import { slotLimit } from './log-retention.ts';
import { slotName } from './replication-slot.ts';
import type { Session, SessionPool } from './session.ts';
import { quoteText } from './statements.ts';

/** Without a limit of the operator's, this share of the server's own limit. */
const DEFAULT_SHARE = 0.5;
/** Whatever the limit: with less than this share of the server's own left, the slot is about to be lost. */
const SAFE_SHARE_MIN = 0.25;
/** This many times the limit, for a cause that is not ours, is worth a warning. */
const WARNING_FACTOR = 1.5;

/** The slot moves with the checkpoints of the run, so it need not be looked at more often. */
const ASK_EACH_MS = 1_000;

/** What the server says of our slot. Bytes of log. */
export interface RetainedLog {
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string;
  /** From where reading would begin again to the present end. */
  readonly retained: number;
  /** The part of it that is not yet acknowledged: the rest is kept because of transactions that began before. */
  readonly unconfirmed: number;
  /** How much may still be written before the slot may be lost; null where there is no limit. */
  readonly safe: number | null;
  /** max_slot_wal_keep_size, or null where it sets no limit. */
  readonly keepMax: number | null;
  /** The slot that keeps the oldest log of all, if that is more than ours. */
  readonly other: { readonly slot: string; readonly retained: number } | null;
}

/** What to look at. */
export interface RetainedLogOptions {
  readonly pool: SessionPool;
  readonly plan: Plan;
  /** Bytes, as it is now; null: half of what the server allows; 0: only what it allows. */
  readonly limit: () => number | null;
  readonly clock: Clock;
}

/** Pressure by the log that our slot keeps. */
export function retainedLog({ pool, plan, limit, clock }: RetainedLogOptions): ThrottleSignal {
  const sample = (signal: AbortSignal): Promise<ThrottleSample> =>
    pool.withSession(async (session) => {
      const log = await readRetainedLog(session, slotName(plan.id), signal);
      if (log === null) return { pressure: 0, detail: 'there is no replication slot' };
      const limitBytes = limitOf(log, limit());
      const isHeld = limitBytes !== null && isHeldByOthers(log, limitBytes);
      return judgeRetainedLog(log, limitBytes, isHeld ? await findOldestWriter(session, signal) : null);
    }, signal);
  return askSeldom({ name: 'retained WAL', sample }, ASK_EACH_MS, clock);
}

/** The limit that holds, in bytes, or null. */
export function limitOf({ keepMax }: Pick<RetainedLog, 'keepMax'>, asked: number | null): number | null {
  if (asked !== null) return asked === 0 ? null : asked;
  return keepMax === null ? null : keepMax * DEFAULT_SHARE;
}

/** `writer`: the oldest transaction that has written, where one is to blame. */
export function judgeRetainedLog(log: RetainedLog, limit: number | null, writer: string | null): ThrottleSample {
  const kept = `the replication slot keeps ${mebibytes(log.retained)} of log`;
  const held = writer === null ? '' : `, because of ${writer}`;
  const warning = warningOf(log, limit, writer);
  const told = warning === null ? {} : { warning };
  const pressure = limit === null ? 0 : log.retained / limit;
  if (log.walStatus === 'lost') return { pressure: 1, detail: 'the replication slot is lost', ...told };
  if (log.walStatus === 'unreserved') {
    const detail = `${kept}${held}, more than the server allows (max_slot_wal_keep_size), and may be lost at any moment`;
    return { pressure: Math.max(1, pressure), detail, ...told };
  }
  if (log.safe !== null && log.keepMax !== null && log.safe < log.keepMax * SAFE_SHARE_MIN) {
    const detail = `${kept}${held}, and is lost when ${mebibytes(Math.max(0, log.safe))} more are written (max_slot_wal_keep_size)`;
    return { pressure: Math.max(1, pressure), detail, ...told };
  }
  const limitText = limit === null ? 'without a limit' : `the limit is ${mebibytes(limit)}`;
  return { pressure, detail: `${kept}${held}, ${limitText}`, ...told };
}

/** Without figures that change, for a warning is told again when its text is another. */
function warningOf({ other, retained }: RetainedLog, limit: number | null, writer: string | null): string | null {
  if (limit === null) return null;
  const much = `more than ${WARNING_FACTOR} times the limit of ${mebibytes(limit)}`;
  if (writer !== null && retained >= WARNING_FACTOR * limit) {
    return `The server keeps ${much} of log because of ${writer}: end it, or the disk may fill and copying does not go on.`;
  }
  if (other === null || other.retained < WARNING_FACTOR * limit) return null;
  return `The replication slot ${other.slot}, which is not of this run, keeps ${much} of log: see to its reader, or drop it.`;
}

/** Whether what is left to apply is within the limit, and only what lies before it is not. */
function isHeldByOthers({ retained, unconfirmed }: RetainedLog, limit: number): boolean {
  return retained >= limit && unconfirmed < limit;
}

/** Null when there is no slot. One statement over what is in the server's memory; needs no privilege. */
async function readRetainedLog(session: Session, name: string, signal: AbortSignal): Promise<RetainedLog | null> {
  const behind = (place: string): string => `pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), ${place})`;
  const [row] = await session.query(
    `SELECT s.wal_status, s.safe_wal_size AS safe, ${behind('s.restart_lsn')} AS retained, ${behind('s.confirmed_flush_lsn')} AS unconfirmed,
       ${slotLimit} AS keep_max,
       other.slot_name AS other_slot, ${behind('other.restart_lsn')} AS other_retained
     FROM pg_catalog.pg_replication_slots AS s
     LEFT JOIN LATERAL (SELECT o.slot_name, o.restart_lsn FROM pg_catalog.pg_replication_slots AS o
       WHERE o.restart_lsn < s.restart_lsn ORDER BY o.restart_lsn LIMIT 1) AS other ON true
     WHERE s.slot_name = ${quoteText(name)}`,
    signal,
  );
  if (row === undefined) return null;
  const number = (text: string | null | undefined): number | null => (text == null ? null : Number(text));
  const keepMax = number(row['keep_max']);
  const otherSlot = row['other_slot'] ?? null;
  return {
    walStatus: row['wal_status'] ?? 'unknown',
    retained: number(row['retained']) ?? 0,
    unconfirmed: number(row['unconfirmed']) ?? 0,
    safe: number(row['safe']),
    keepMax: keepMax === null || keepMax < 0 ? null : keepMax,
    other: otherSlot === null ? null : { slot: otherSlot, retained: number(row['other_retained']) ?? 0 },
  };
}

/**
 * The transaction of the whole server that has written and is oldest, a prepared one included: decoding would have to begin
 * before it. Named by what does not change while it lasts. Null where there is none: the server lets go of the log only some time
 * after what was applied. A role that may not see who writes (without pg_monitor) cannot tell.
 */
async function findOldestWriter(session: Session, signal: AbortSignal): Promise<string | null> {
  const [row] = await session.query(
    `SELECT a.pid, a.usename AS name, ${fromClient} AS client, NULL AS gid,
       pg_catalog.to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SSTZH') AS since, pg_catalog.age(a.backend_xid) AS age
     FROM pg_catalog.pg_stat_activity AS a WHERE a.backend_xid IS NOT NULL
     UNION ALL SELECT NULL, owner, NULL, gid, pg_catalog.to_char(prepared, 'YYYY-MM-DD HH24:MI:SSTZH'), pg_catalog.age(transaction)
     FROM pg_catalog.pg_prepared_xacts ORDER BY age DESC LIMIT 1`,
    signal,
  );
  if (row === undefined) {
    const [sight] = await session.query("SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS is_whole", signal);
    return sight?.['is_whole'] === 't' ? null : 'a transaction that began before';
  }
  const { pid, name, client, gid, since } = row;
  if (gid != null) return `the prepared transaction ${gid} of ${name ?? ''}, since ${since ?? ''}`;
  return `the transaction of process ${pid ?? ''} of ${name ?? ''}${client ?? ''}${since == null ? '' : `, open since ${since}`}`;
}
