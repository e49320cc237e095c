/**
 * Ends statements and sessions from outside, and sees them gone. A statement outlives its client: after a lost connection it
 * may still be running, and may commit later. A session is known by its process id together with the moment at which it began,
 * because process ids come again; it leaves pg_stat_activity, and its locks are free, after it has ended its transaction.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { MigrationError } from '../engine/errors.ts';
import type { SessionEnderFor } from '../sessions/connection-driver.ts';
import type { SessionState } from '../sessions/watched-session.ts';
import { connect, liftTimeLimits, runAtOnce, type Connection, type Reply } from './connection.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { isConnectionLoss, translate } from './errors.ts';
import { quoteText } from './statements.ts';

/** What is needed to find a session on the server. */
export interface SessionIdentity {
  readonly pid: number;
  /** `backend_start` of pg_stat_activity, as the server prints it. */
  readonly startedAt: string;
}

/** Key of an advisory lock: a signed 64-bit number. */
export type LockKey = bigint;

export interface SessionEnder extends SessionEnderFor<SessionIdentity> {
  /**
   * Ends whatever sessions hold this advisory lock in any mode, replication connections included, and resolves once nobody
   * does. Rejects like `endSession`, and with ACCESS_DENIED if they belong to a user whose sessions we may not end.
   */
  endHolders(key: LockKey): Promise<void>;
}

/** The server may be restarting or recovering; a run that goes on after it is worth a wait. */
const endLimitMs = 120_000;
/** A control statement reads shared memory; one that takes longer went into a dead connection. */
const statementLimitMs = 5_000;
const pollMs = 20;
const reconnectMs = 250;

/** Connects nothing yet; call `observe` first to be sure that the server lets us in. */
export function createSessionEnder(config: ConnectionConfig): SessionEnder {
  return new ControlConnection(config);
}

/** Advisory locks with this key that are held, as a condition on pg_locks, in the present database. */
export function heldLock(key: LockKey): string {
  const bits = BigInt.asUintN(64, key);
  return (
    `locktype = 'advisory' AND granted AND classid = ${bits >> 32n} AND objid = ${bits & 0xffff_ffffn} AND objsubid = 1 ` +
    `AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`
  );
}

/** Whether the row of pg_stat_activity is this session. */
export function isSession({ pid, startedAt }: SessionIdentity): string {
  return `pid = ${pid} AND backend_start = ${quoteText(startedAt)}::pg_catalog.timestamptz`;
}

class ControlConnection implements SessionEnder {
  readonly #config: ConnectionConfig;
  #connection: Promise<Connection> | null = null;
  /** Resolves, never rejects, when the statements that were asked for so far have ended. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(config: ConnectionConfig) {
    this.#config = config;
  }

  async cancelStatement(session: SessionIdentity): Promise<void> {
    await this.#run(
      `SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE ${isSession(session)}`,
      performance.now() + endLimitMs,
    );
  }

  endSession(session: SessionIdentity): Promise<void> {
    return this.#end(`SELECT pid FROM pg_catalog.pg_stat_activity WHERE ${isSession(session)}`);
  }

  endHolders(key: LockKey): Promise<void> {
    return this.#end(`SELECT DISTINCT pid FROM pg_catalog.pg_locks WHERE ${heldLock(key)}`);
  }

  async observe(session: SessionIdentity): Promise<SessionState> {
    const { rows } = await this.#run(
      `SELECT state FROM pg_catalog.pg_stat_activity WHERE ${isSession(session)}`,
      performance.now() + endLimitMs,
    );
    const [row] = rows;
    if (row === undefined) return 'gone';
    return (row['state'] ?? '').startsWith('idle') ? 'idle' : 'busy';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    if (connection === null) return;
    try {
      await (await connection).end(statementLimitMs);
    } catch {
      // It was never made, or broke: nothing is left to close.
    }
  }

  /** Terminates what `pids` selects until it selects nothing. Repeated, because a session may be slow to heed it. */
  async #end(pids: string): Promise<void> {
    const deadline = performance.now() + endLimitMs;
    for (;;) {
      const { rows } = await this.#run(
        `SELECT pid, pg_catalog.pg_terminate_backend(pid) AS isTold FROM (${pids}) AS ended WHERE pid <> pg_catalog.pg_backend_pid()`,
        deadline,
      );
      if (rows.length === 0) return;
      if (performance.now() > deadline) {
        const ids = rows.map((row) => row['pid']).join(', ');
        throw stuck(`process ${ids} was told to end but is still there after ${endLimitMs / 1000} s`);
      }
      await delay(pollMs);
    }
  }

  /** Runs a control statement, on a new connection when the old one broke, until the deadline. All of them may be repeated. */
  async #run(sql: string, deadline: number): Promise<Reply> {
    for (;;) {
      let connection: Connection | null = null;
      try {
        this.#connection ??= this.#connect();
        connection = await this.#connection;
        return await this.#inTurn(connection, sql);
      } catch (error) {
        // An error while connecting is worth waiting for as well: a server that restarts refuses for a while.
        if (connection !== null && !isConnectionLoss(error))
          throw translate(error, `Controlling a session (${sql.slice(0, 80)})`);
        connection?.destroy();
        this.#connection = null;
        if (performance.now() > deadline) throw stuck('the server could not be asked', error);
        await delay(reconnectMs);
      }
    }
  }

  /** A connection takes one statement at a time, and several sessions may end at once. */
  #inTurn(connection: Connection, sql: string): Promise<Reply> {
    const reply = this.#turn.then(() => runAtOnce(connection, sql, statementLimitMs));
    this.#turn = reply.catch(() => undefined);
    return reply;
  }

  async #connect(): Promise<Connection> {
    const limit = AbortSignal.timeout(this.#config.connectTimeoutMs + statementLimitMs);
    const connection = await connect(this.#config, 'tableshift control', limit);
    // Moments are compared as text, and nothing that the role or the database has set may end or stall this session.
    await runAtOnce(
      connection,
      `${liftTimeLimits}; SET datestyle = 'ISO'; SET timezone = 'UTC'; SET search_path = pg_catalog, pg_temp;
       SET default_transaction_read_only = off`,
      statementLimitMs,
    );
    return connection;
  }
}

function stuck(why: string, cause?: unknown): MigrationError {
  return new MigrationError(
    'SESSION_STUCK',
    `A session could not be shown to have ended on the server: ${why}. Look for it in pg_stat_activity, end it, then resume.`,
    { cause },
  );
}
