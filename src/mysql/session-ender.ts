/**
 * Ends statements and sessions from outside, and sees them gone. A statement outlives its client: after a lost connection it
 * may still be running, and may commit later. So each session holds a user-level lock of its own, its mark; the server frees
 * it after it has rolled the session back, and it cannot be mistaken for another session's, as a connection id can be after a
 * restart of the server.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { MigrationError } from '../engine/errors.ts';
import type { SessionEnderFor } from '../sessions/connection-driver.ts';
import type { SessionState } from '../sessions/watched-session.ts';
import { connect, type Connection } from './connection.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { isConnectionLoss, serverErrno, translate } from './errors.ts';
import { quoteText } from './statements.ts';

/** What is needed to find a session on the server. */
export interface SessionIdentity {
  readonly connectionId: number;
  /** Name of the user-level lock that the session holds as long as it lives. */
  readonly mark: string;
}

export interface SessionEnder extends SessionEnderFor<SessionIdentity> {
  /** Ends whatever session holds each of these marks, and resolves once all are free. Rejects like `endSession`. */
  endHolders(marks: readonly string[]): Promise<void>;
}

/** The server may be restarting, recovering, or rolling a long statement back; a run that goes on after it is worth a wait. */
const endLimitMs = 120_000;
/** A control statement reads a hash table on the server; one that takes longer went into a dead connection. */
const statementLimitMs = 5_000;
const pollMs = 20;
const reconnectMs = 250;

/** Connects nothing yet; call `observe` or hand in a session first to be sure that the server lets us in. */
export function createSessionEnder(config: ConnectionConfig): SessionEnder {
  return new ControlConnection(config);
}

class ControlConnection implements SessionEnder {
  readonly #config: ConnectionConfig;
  #connection: Promise<Connection> | null = null;

  constructor(config: ConnectionConfig) {
    this.#config = config;
  }

  async cancelStatement(session: SessionIdentity): Promise<void> {
    await this.#kill('KILL QUERY', session.connectionId, [session.mark], performance.now() + endLimitMs);
  }

  endSession(session: SessionIdentity): Promise<void> {
    return this.endHolders([session.mark]);
  }

  async endHolders(marks: readonly string[]): Promise<void> {
    const deadline = performance.now() + endLimitMs;
    for (;;) {
      const holders = await this.#holders(marks, deadline);
      if (holders.length === 0) return;
      // Repeated each time: a session can be in a state in which it overlooks a KILL.
      for (const holder of holders) await this.#kill('KILL', holder, marks, deadline);
      if (performance.now() > deadline) {
        throw stuck(`connection ${holders.join(', ')} was killed but is still there after ${endLimitMs / 1000} s`);
      }
      await delay(pollMs);
    }
  }

  async observe(session: SessionIdentity): Promise<SessionState> {
    const deadline = performance.now() + endLimitMs;
    const [holder] = await this.#holders([session.mark], deadline);
    if (holder !== session.connectionId) return 'gone';
    // Not information_schema: on MySQL it fails whenever any session runs a statement with a character beyond the BMP (3854).
    const { rows } = await this.#run('SHOW PROCESSLIST', deadline);
    const command = rows.find((row) => row['Id'] === String(session.connectionId))?.['Command'];
    return command === undefined ? 'gone' : command === 'Sleep' ? 'idle' : 'busy';
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

  /** Connection ids of the sessions that hold these marks. */
  async #holders(marks: readonly string[], deadline: number): Promise<readonly number[]> {
    const columns = marks.map((mark, index) => `IS_USED_LOCK(${quoteText(mark)}) AS m${index}`);
    const { rows } = await this.#run(`SELECT ${columns.join(', ')}`, deadline);
    const ids = Object.values(rows[0] ?? {}).flatMap((id) => (id === null ? [] : [Number(id)]));
    return [...new Set(ids)];
  }

  /** Kills only while the connection still holds one of the marks, so that a connection of the same number is left alone. */
  async #kill(command: 'KILL' | 'KILL QUERY', connectionId: number, marks: readonly string[], deadline: number): Promise<void> {
    try {
      if (!(await this.#holders(marks, deadline)).includes(connectionId)) return;
      await this.#run(`${command} ${connectionId}`, deadline);
    } catch (error) {
      if (serverErrno(error) !== noSuchThread) throw error;
    }
  }

  /** Runs a control statement, on a new connection when the old one broke, until the deadline. All of them may be repeated. */
  async #run(sql: string, deadline: number): ReturnType<Connection['run']> {
    for (;;) {
      let connection: Connection | null = null;
      try {
        this.#connection ??= connect(this.#config, AbortSignal.timeout(this.#config.connectTimeoutMs + statementLimitMs));
        connection = await this.#connection;
        return await runWithin(connection, sql);
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
}

const noSuchThread = 1094;

async function runWithin(connection: Connection, sql: string): ReturnType<Connection['run']> {
  const timer = setTimeout(() => connection.destroy(), statementLimitMs);
  try {
    return await connection.run(sql);
  } finally {
    clearTimeout(timer);
  }
}

function stuck(why: string, cause?: unknown): MigrationError {
  return new MigrationError(
    'SESSION_STUCK',
    `A session could not be shown to have ended on the server: ${why}. Look for it in the process list, end it, then resume.`,
    { cause },
  );
}
