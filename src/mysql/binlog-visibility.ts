/**
 * When a logged transaction can be read. A server hands its log to readers before the engine has committed, so what was received
 * may not be there yet for a new statement.
 *
 *   MySQL with GTIDs   WAIT_FOR_EXECUTED_GTID_SET: a GTID is executed after the engine's commit, in whatever order
 *   else               commit a heartbeat, sent after the transactions were received: commits become visible in the order in which
 *                      they are logged (MariaDB always, MySQL with binlog_order_commits=ON, which is asked each time)
 *
 * XA transactions that were prepared before the stream began are in neither, so the first wait is also for those.
 */

import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { Position } from '../engine/model.ts';
import type { Clock } from '../engine/ports.ts';
import { withinTime } from '../engine/tasks.ts';
import type { Fences } from './binlog-fences.ts';
import { formatXid } from './binlog-statement.ts';
import type { PreparedTransactions } from './binlog-xa.ts';
import type { Flavour } from './flavour.ts';
import { parseToken } from './position.ts';
import type { Row, SessionPool } from './session.ts';
import { quoteText } from './statements.ts';

export interface VisibilityOptions {
  readonly sessions: SessionPool;
  readonly fences: Fences;
  readonly flavour: Flavour;
  readonly clock: Clock;
  /** What the stream has seen prepared: these will be delivered. */
  readonly prepared: PreparedTransactions;
  /** How long a commit, or the decision of a prepared transaction, is waited for. */
  readonly timeoutMs: number;
}

/** One statement waits this long at most, so that an abort never has to wait for a server that is stuck. */
const SLICE_SECONDS = 2;
const PREPARED_POLL_MS = 100;

export class Visibility {
  readonly #options: VisibilityOptions;
  #visibleOrder = -1;
  #arePredecessorsDecided = false;

  constructor(options: VisibilityOptions) {
    this.#options = options;
  }

  /** Resolves once every statement that starts from now on sees all transactions up to `reach`. */
  async await(reach: Position, signal: AbortSignal): Promise<void> {
    if (reach.order > this.#visibleOrder) {
      const place = parseToken(reach.token);
      if (place.kind === 'gtid') await this.#awaitExecuted(place.executed, signal);
      else await this.#awaitHeartbeat(signal);
      this.#visibleOrder = Math.max(this.#visibleOrder, reach.order);
    }
    if (!this.#arePredecessorsDecided) await this.#awaitDecided(signal);
  }

  async #awaitExecuted(executed: string, signal: AbortSignal): Promise<void> {
    const { clock, sessions, timeoutMs } = this.#options;
    const wait = `SELECT WAIT_FOR_EXECUTED_GTID_SET(${quoteText(executed)}, ${SLICE_SECONDS}) AS hasTimedOut`;
    const deadline = clock.now() + timeoutMs;
    for (;;) {
      const [row] = await sessions.withSession((session) => session.query(wait, signal), signal);
      if (row?.['hasTimedOut'] === '0') return;
      if (clock.now() >= deadline) throw stuck('Logged transactions have not been committed', timeoutMs);
    }
  }

  /** The heartbeat's own commit waits for whatever the others wait for. */
  async #awaitHeartbeat(signal: AbortSignal): Promise<void> {
    const { clock, fences, sessions, timeoutMs } = this.#options;
    // A server that is away for a while is no commit that waits: having a session at hand is not limited.
    await sessions.withSession(() => Promise.resolve(), signal);
    const lateMessage = 'the heartbeat took too long';
    try {
      await withinTime({ ms: timeoutMs, clock, lateMessage }, (inner) => fences.beat(inner), signal);
    } catch (error) {
      if (!(error instanceof MigrationError) || error.message !== lateMessage) throw error;
      throw stuck('A heartbeat behind the logged transactions has not been committed', timeoutMs, error);
    }
    await this.#checkOrder(signal);
  }

  /** Asked behind each heartbeat: whoever switched the order off while it was on its way may have let it overtake. */
  async #checkOrder(signal: AbortSignal): Promise<void> {
    const { flavour, sessions } = this.#options;
    if (flavour.isMariaDb) return;
    const ask = 'SELECT @@GLOBAL.binlog_order_commits AS isOrdered';
    const [row] = await sessions.withSession((session) => session.query(ask, signal), signal);
    if (row?.['isOrdered'] !== '0') return;
    const message =
      'binlog_order_commits was switched off, and without GTIDs (gtid_mode) nothing tells when a logged change can be read. ' +
      'Set it ON globally (SET GLOBAL, no restart), then resume.';
    throw new MigrationError('STREAM_BROKEN', message);
  }

  async #awaitDecided(signal: AbortSignal): Promise<void> {
    const { clock, prepared, timeoutMs } = this.#options;
    const deadline = clock.now() + timeoutMs;
    let waited = await this.#findPrepared(signal);
    for (;;) {
      waited = waited.filter((xid) => !prepared.has(xid));
      if (waited.length === 0) break;
      if (clock.now() >= deadline) {
        const [xid] = waited;
        const message =
          `XA transaction ${xid} was prepared before the migration began and is still undecided after ${timeoutMs} ms. ` +
          `Decide it with XA COMMIT or XA ROLLBACK, then go on.`;
        throw new MigrationError('VISIBILITY_TIMEOUT', message);
      }
      await clock.sleep(PREPARED_POLL_MS, signal);
      const now = new Set(await this.#findPrepared(signal));
      waited = waited.filter((xid) => now.has(xid));
    }
    this.#arePredecessorsDecided = true;
  }

  /** XA RECOVER lists what is prepared; takes no locks. */
  async #findPrepared(signal: AbortSignal): Promise<readonly string[]> {
    const { flavour, sessions } = this.#options;
    const sql = flavour.isMariaDb ? "XA RECOVER FORMAT = 'SQL'" : 'XA RECOVER CONVERT XID';
    const rows = await sessions.withSession((session) => session.query(sql, signal), signal);
    return rows.map((row) => (flavour.isMariaDb ? xidOfSql(row) : xidOfHex(row)));
  }
}

function stuck(what: string, timeoutMs: number, cause?: unknown): MigrationError {
  const message = `${what} within ${timeoutMs} ms, so they cannot be read yet.`;
  return new MigrationError('VISIBILITY_TIMEOUT', message, cause === undefined ? {} : { cause: asMigrationError(cause) });
}

/** MySQL: `0x6162`, the lengths of both parts beside it. */
function xidOfHex(row: Row): string {
  const bytes = Buffer.from((row['data'] ?? '').replace(/^0x/, ''), 'hex');
  const middle = Number(row['gtrid_length']);
  return formatXid(bytes.subarray(0, middle), bytes.subarray(middle), Number(row['formatID']));
}

/** MariaDB: `'a','b',7` or `X'61',X'62',7`; parts at the end may be missing. */
function xidOfSql(row: Row): string {
  const parts = [...(row['data'] ?? '').matchAll(/(X?)'((?:[^'\\]|''|\\.)*)'/gi)];
  const [gtrid, bqual] = [0, 1].map((index) => {
    const [, hex = '', text = ''] = parts[index] ?? [];
    return hex === '' ? Buffer.from(text.replace(/''/g, "'"), 'latin1') : Buffer.from(text, 'hex');
  });
  return formatXid(gtrid ?? Buffer.alloc(0), bqual ?? Buffer.alloc(0), Number(row['formatID']));
}
