/**
 * Waiting until what the change stream has delivered can be seen. A commit is in the log, and on its way to us, before it leaves
 * the server's list of running transactions; while it waits for a synchronous standby that gap has no bound. Visible means: a
 * snapshot does not count the transaction as running any more.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { MigrationError } from '../engine/errors.ts';
import type { SessionPool } from './session.ts';

/** A snapshot of `pg_current_snapshot()`: everything below `xmin` has ended, everything from `xmax` on had not. */
export interface Snapshot {
  readonly xmin: bigint;
  readonly xmax: bigint;
  readonly running: ReadonlySet<bigint>;
}

/** A delivered transaction: its full id is only known relative to a snapshot; `order` is that of its position. */
interface Delivered {
  readonly xid: number;
  readonly order: number;
}

const pauseFirstMs = 1;
const pauseMaxMs = 50;
/** A transaction that ran at the start, and is seen at work for so long without waiting for a standby, has not been logged as committed. */
const committingLimitMs = 2000;
/**
 * Without the name of a standby nobody waits for one: not where none was named since the server started, and otherwise once every
 * process has heeded that the name is gone. The last to do so is the one that lets the waiting go, which may be busy with a checkpoint.
 */
const noStandby = `(pg_catalog.current_setting('synchronous_standby_names') = '' AND (pg_catalog.pg_conf_load_time() <= pg_catalog.pg_postmaster_start_time()
  OR pg_catalog.pg_conf_load_time() < pg_catalog.clock_timestamp() - interval '5 minutes'))`;

/** Keeps the transactions that may not be visible yet, oldest first. */
export class VisibilityBarrier {
  readonly #sessions: SessionPool;
  readonly #limitMs: number;
  #delivered: Delivered[] = [];
  /** Full ids of those that ran when the stream began; null until asked. */
  #runningAtStart: ReadonlySet<bigint> | null = null;

  constructor(sessions: SessionPool, limitMs: number) {
    this.#sessions = sessions;
    this.#limitMs = limitMs;
  }

  /** Notes what runs now; to be called once, after the stream's start is fixed. */
  async noteStart(signal: AbortSignal): Promise<void> {
    // A snapshot ends with the last id whose transaction has ended: with this one, which comes after all that it is to hold.
    await this.#sessions.withSession((session) => session.query('SELECT pg_catalog.pg_current_xact_id()', signal), signal);
    const { xmin, xmax, running } = await this.#snapshot(signal);
    this.#runningAtStart = new Set([...running].filter((xid) => xid >= xmin && xid < xmax));
  }

  /** Takes in a transaction of which a change was delivered. */
  add(xid: number, order: number): void {
    const last = this.#delivered.at(-1);
    if (last?.xid !== xid) this.#delivered.push({ xid, order });
  }

  /** Resolves once new statements see everything delivered up to `order`, and everything logged before the start. */
  async awaitVisible(order: number, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + this.#limitMs;
    if (this.#runningAtStart === null || this.#runningAtStart.size > 0) await this.#awaitStart(deadline, signal);
    for (let pauseMs = pauseFirstMs; ; pauseMs = Math.min(pauseMaxMs, pauseMs * 2)) {
      const awaited = this.#delivered.filter((one) => one.order <= order);
      if (awaited.length === 0) return;
      const snapshot = await this.#snapshot(signal);
      const open = new Set(awaited.filter((one) => !isVisible(fullXid(one.xid, snapshot), snapshot)));
      this.#delivered = this.#delivered.filter((one) => one.order > order || open.has(one));
      if (open.size === 0) return;
      if (performance.now() > deadline)
        throw await this.#timeoutError(
          [...open].map((one) => fullXid(one.xid, snapshot)),
          signal,
        );
      await delay(pauseMs, undefined, { signal });
    }
  }

  /**
   * What was logged as committed before the start but still counts as running will never be delivered: it must become visible
   * first. A transaction that is idle, waits for a lock or its client, or works on without waiting for a standby, is not
   * committing; its commit will be logged behind the start, and delivered. The same holds for a prepared one while nobody waits
   * for a standby, and for a session whose state this user may not see where no standby is named. Where one is, such a session counts
   * as committing until its transaction has ended.
   */
  async #awaitStart(deadline: number, signal: AbortSignal): Promise<void> {
    if (this.#runningAtStart === null) await this.noteStart(signal);
    const since = performance.now();
    for (let pauseMs = pauseFirstMs; ; pauseMs = Math.min(pauseMaxMs, pauseMs * 2)) {
      const snapshot = await this.#snapshot(signal);
      const open = new Set([...(this.#runningAtStart ?? [])].filter((xid) => !isVisible(xid, snapshot)));
      if (open.size > 0) {
        for (const xid of await this.#notCommitting([...open], performance.now() - since > committingLimitMs, signal))
          open.delete(xid);
      }
      this.#runningAtStart = open;
      if (open.size === 0) return;
      if (performance.now() > deadline) throw await this.#timeoutError([...open], signal);
      await delay(pauseMs, undefined, { signal });
    }
  }

  async #notCommitting(xids: readonly bigint[], isLongSince: boolean, signal: AbortSignal): Promise<readonly bigint[]> {
    const list = xids.map((xid) => `'${lowXid(xid)}'`).join(', ');
    const rows = await this.#sessions.withSession(
      (session) =>
        session.query(
          `SELECT backend_xid::text AS xid, state, wait_event_type AS kind, (CASE WHEN state IS NULL THEN ${noStandby} ` +
            `ELSE wait_event IS DISTINCT FROM 'SyncRep' END)::text AS is_alone ` +
            `FROM pg_catalog.pg_stat_activity WHERE backend_xid::text IN (${list}) ` +
            `UNION ALL SELECT transaction::text, 'prepared', NULL, (${noStandby} OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') ` +
            `AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE wait_event = 'SyncRep'))::text ` +
            `FROM pg_catalog.pg_prepared_xacts WHERE transaction::text IN (${list})`,
          signal,
        ),
      signal,
    );
    const idle = new Set<string>();
    for (const { xid, state, kind, is_alone } of rows) {
      if (xid == null) continue;
      const isWaiting = state?.startsWith('idle') === true || kind === 'Lock' || kind === 'Client';
      if (isWaiting || (isLongSince && is_alone === 'true')) idle.add(xid);
    }
    return xids.filter((xid) => idle.has(lowXid(xid)));
  }

  async #snapshot(signal: AbortSignal): Promise<Snapshot> {
    const [row] = await this.#sessions.withSession(
      (session) => session.query('SELECT pg_catalog.pg_current_snapshot()::text AS snapshot', signal),
      signal,
    );
    return parseSnapshot(row?.['snapshot'] ?? '');
  }

  async #timeoutError(xids: readonly bigint[], signal: AbortSignal): Promise<MigrationError> {
    const list = xids.map((xid) => `'${lowXid(xid)}'`).join(', ');
    const rows = await this.#sessions.withSession(
      (session) =>
        session.query(
          `SELECT 'process ' || pid || coalesce(' (' || coalesce(wait_event, state) || ')', '') AS who, ` +
            `CASE WHEN state IS NULL THEN pg_catalog.quote_ident(current_user) END AS blind ` +
            `FROM pg_catalog.pg_stat_activity WHERE backend_xid::text IN (${list}) ` +
            `UNION ALL SELECT 'prepared transaction ' || gid, NULL FROM pg_catalog.pg_prepared_xacts WHERE transaction::text IN (${list})`,
          signal,
        ),
      signal,
    );
    const who = rows.map((row) => row['who'] ?? '').join(', ') || `transaction ${xids.join(', ')}`;
    const blind = rows.flatMap((row) => row['blind'] ?? [])[0];
    const grant = blind === undefined ? '' : `GRANT pg_read_all_stats TO ${blind}, who may not see what others do; `;
    return new MigrationError(
      'VISIBILITY_TIMEOUT',
      `A logged transaction did not become visible within ${Math.round(this.#limitMs / 1000)} s: ${who}. ${grant === '' ? 'Look' : `${grant}look`} for a commit that waits for a standby.`,
    );
  }
}

/** From the server's text, `xmin:xmax:running,…`. */
function parseSnapshot(text: string): Snapshot {
  const [xmin, xmax, running] = text.split(':');
  if (xmin === undefined || xmax === undefined || running === undefined) {
    throw new MigrationError('INTERNAL', `"${text}" is no snapshot.`);
  }
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: new Set(running === '' ? [] : running.split(',').map(BigInt)) };
}

/** Whether the transaction has ended as the snapshot sees it. */
function isVisible(xid: bigint, { xmin, xmax, running }: Snapshot): boolean {
  return xid < xmin || (xid < xmax && !running.has(xid));
}

/** The full id of a 32-bit one that ended lately: the nearest to the snapshot's end. */
function fullXid(xid: number, { xmax }: Snapshot): bigint {
  const epoch = 1n << 32n;
  const candidate = (xmax & ~(epoch - 1n)) | BigInt(xid);
  if (candidate - xmax > epoch / 2n) return candidate - epoch;
  if (xmax - candidate > epoch / 2n) return candidate + epoch;
  return candidate;
}

/** As `pg_stat_activity` shows it. */
function lowXid(xid: bigint): string {
  return (xid & 0xffffffffn).toString();
}
