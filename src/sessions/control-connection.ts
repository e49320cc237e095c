/**
 * The connection by which a server is told to end statements and sessions, on whatever server: made when it is first needed, and
 * anew when it breaks. Nothing here can be aborted; all of it has time limits.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { MigrationError } from '../engine/errors.ts';
import { type DriverConnection, runAtOnce } from './connection-driver.ts';

/**
 * The server may be restarting, recovering, or rolling a long statement back; a run that goes on after it is worth a wait. One wait: of a
 * server that has been away for so long nobody waits any more, or each session of a run would take its own time to end.
 */
const LIMIT_MS = 120_000;
/** A control statement reads what the server has in memory; one that takes longer went into a dead connection. */
export const CONTROL_STATEMENT_MS = 5_000;
const POLL_MS = 20;
const RECONNECT_MS = 250;

/** What differs between servers. */
export interface ControlParts<Reply> {
  readonly connect: (signal: AbortSignal) => Promise<DriverConnection<Reply>>;
  readonly connectTimeoutMs: number;
  readonly isLoss: (error: unknown) => boolean;
  readonly translate: (error: unknown, what: string) => MigrationError;
  readonly translateConnecting: (error: unknown) => MigrationError;
  /** Where a person finds the sessions of the server. */
  readonly sessionList: string;
}

/** One statement at a time, and several sessions may end at once: they take turns. */
export class ControlConnection<Reply> implements AsyncDisposable {
  readonly #parts: ControlParts<Reply>;
  readonly #limitMs: number;
  #opened: Promise<DriverConnection<Reply>> | null = null;
  /** Since when the server has not answered, by `performance.now()`; null where it has. */
  #awaySince: number | null = null;
  /** Resolves, never rejects, when the statements that were asked for so far have ended. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ControlParts<Reply>, limitMs = LIMIT_MS) {
    this.#parts = parts;
    this.#limitMs = limitMs;
  }

  /** Runs a control statement, on a new connection when the old one broke, until the deadline. All of them may be repeated. */
  async run(sql: string, deadline = this.#deadline()): Promise<Reply> {
    const { connectTimeoutMs, isLoss, translate, translateConnecting } = this.#parts;
    for (;;) {
      this.#opened ??= this.#parts.connect(AbortSignal.timeout(connectTimeoutMs + CONTROL_STATEMENT_MS));
      const opened = this.#opened;
      let connection: DriverConnection<Reply> | null = null;
      try {
        connection = await opened;
        const reply = await this.#inTurn(connection, sql);
        this.#awaySince = null;
        return reply;
      } catch (error) {
        if (connection !== null && !isLoss(error)) {
          this.#awaySince = null;
          throw translate(error, `Controlling a session (${sql.slice(0, 80)})`);
        }
        connection?.destroy();
        // Another statement that met the same loss may have connected anew already.
        if (this.#opened === opened) this.#opened = null;
        // A server that restarts refuses for a while; one that knows no such user or password goes on doing so.
        const refusal = connection === null ? translateConnecting(error) : null;
        if (refusal?.isTransient === false) {
          this.#awaySince = null;
          throw this.#stuck(refusal.message.replace(/\.$/, ''), refusal);
        }
        this.#awaySince ??= performance.now();
        const isLate = performance.now() > Math.min(deadline, this.#awaySince + this.#limitMs);
        if (isLate) throw this.#stuck('the server could not be asked', error);
        await delay(RECONNECT_MS);
      }
    }
  }

  /**
   * Resolves once `tell` finds no session any more that it has to tell to end. Repeated, because a session may be slow to heed it,
   * or overlook it. `stays`: what is to be said of those that do not go.
   */
  async endAll(
    tell: (deadline: number) => Promise<readonly (string | number)[]>,
    stays: (sessions: string) => string,
  ): Promise<void> {
    const deadline = this.#deadline();
    for (;;) {
      const told = await tell(deadline);
      if (told.length === 0) return;
      if (performance.now() > deadline)
        throw this.#stuck(`${stays(told.join(', '))} but is still there after ${this.#limitMs / 1000} s`);
      await delay(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    if (opened === null) return;
    try {
      await (await opened).end(CONTROL_STATEMENT_MS);
    } catch {
      // It was never made, or broke: nothing is left to close.
    }
  }

  /** Until when what begins now must have been done, by `performance.now()`. */
  #deadline(): number {
    return performance.now() + this.#limitMs;
  }

  #inTurn(connection: DriverConnection<Reply>, sql: string): Promise<Reply> {
    const reply = this.#turn.then(() => runAtOnce(connection, sql, CONTROL_STATEMENT_MS));
    this.#turn = reply.catch(() => undefined);
    return reply;
  }

  #stuck(why: string, cause?: unknown): MigrationError {
    return new MigrationError(
      'SESSION_STUCK',
      `A session could not be shown to have ended on the server: ${why}. Look for it in ${this.#parts.sessionList}, end it, then resume.`,
      { cause },
    );
  }
}
