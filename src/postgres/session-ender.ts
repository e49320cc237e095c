/**
 * Ends statements and sessions from outside, and sees them gone. A statement outlives its client: after a lost connection it
 * may still be running, and may commit later. A session is known by its process id together with the moment at which it began,
 * because process ids come again; it leaves pg_stat_activity, and its locks are free, after it has ended its transaction.
 */

import { runAtOnce, type SessionEnderFor } from '../sessions/connection-driver.ts';
import { CONTROL_STATEMENT_MS, ControlConnection } from '../sessions/control-connection.ts';
import type { SessionState } from '../sessions/watched-session.ts';
import { asLoggedIn, connect, liftTimeLimits, type Connection, type Reply } from './connection.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { isConnectionLoss, translate, translateConnecting } from './errors.ts';
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

/** Connects nothing yet; call `observe` first to be sure that the server lets us in. */
export function createSessionEnder(config: ConnectionConfig, leaving: AbortSignal): SessionEnder {
  return new ServerProcesses(config, leaving);
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

class ServerProcesses implements SessionEnder {
  readonly #control: ControlConnection<Reply>;

  constructor(config: ConnectionConfig, leaving: AbortSignal) {
    this.#control = new ControlConnection({
      connect: (signal) => connectToControl(config, signal),
      connectTimeoutMs: config.connectTimeoutMs,
      isLoss: isConnectionLoss,
      translate,
      translateConnecting: (error) => translateConnecting(error, 'Connecting', 'again'),
      sessionList: 'pg_stat_activity',
      leaving,
    });
  }

  async cancelStatement(session: SessionIdentity): Promise<void> {
    await this.#control.run(
      `SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE ${isSession(session)}`,
    );
  }

  endSession(session: SessionIdentity): Promise<void> {
    return this.#end(`SELECT pid FROM pg_catalog.pg_stat_activity WHERE ${isSession(session)}`);
  }

  endHolders(key: LockKey): Promise<void> {
    return this.#end(`SELECT DISTINCT pid FROM pg_catalog.pg_locks WHERE ${heldLock(key)}`);
  }

  async observe(session: SessionIdentity): Promise<SessionState> {
    const { rows } = await this.#control.run(`SELECT state FROM pg_catalog.pg_stat_activity WHERE ${isSession(session)}`);
    const [row] = rows;
    if (row === undefined) return 'gone';
    return (row['state'] ?? '').startsWith('idle') ? 'idle' : 'busy';
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#control[Symbol.asyncDispose]();
  }

  /** Terminates what `pids` selects until it selects nothing. */
  async #end(pids: string): Promise<void> {
    const terminateAll = async (deadline: number): Promise<readonly string[]> => {
      const { rows } = await this.#control.run(
        `SELECT pid, pg_catalog.pg_terminate_backend(pid) AS isTold FROM (${pids}) AS ended WHERE pid <> pg_catalog.pg_backend_pid()`,
        deadline,
      );
      return rows.map((row) => row['pid'] ?? '');
    };
    await this.#control.endAll(terminateAll, (sessions) => `process ${sessions} was told to end`);
  }
}

async function connectToControl(config: ConnectionConfig, signal: AbortSignal): Promise<Connection> {
  const connection = await connect(config, 'tableshift control', signal);
  // Moments are compared as text, and nothing that the role or the database has set may end or stall this session.
  try {
    await runAtOnce(
      connection,
      `${asLoggedIn}; ${liftTimeLimits}; SET datestyle = 'ISO'; SET timezone = 'UTC';
       SET default_transaction_read_only = off`,
      CONTROL_STATEMENT_MS,
    );
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}
