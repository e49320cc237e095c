/**
 * The connection by which a server is told to end statements and sessions, on whatever server: made when it is first needed, and
 * anew when it breaks. Nothing here can be aborted; all of it has time limits.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { MigrationError } from '../engine/errors.ts';
import { type DriverConnection, runAtOnce } from './connection-driver.ts';
import { timeLimit } from './pause.ts';

/**
 * The server may be restarting, recovering, or rolling a long statement back; a run that goes on after it is worth a wait. One wait: of a
 * server that has been away for so long nobody waits any more, or each session of a run would take its own time to end.
 */
const LIMIT_MS = 120_000;
/**
 * Once the run has been told to end, a server that does not answer is not waited for any longer: what it may still do for us is
 * ended by the next claim of the table, as after a process that was killed.
 */
const LEAVE_MS = 3_000;
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
  /** Aborts when the run is to end, which goes on all the same to see its sessions gone. */
  readonly leaving: AbortSignal;
}

/** One statement at a time, and several sessions may end at once: they take turns. */
export class ControlConnection<Reply> implements AsyncDisposable {
  readonly #parts: ControlParts<Reply>;
  readonly #limitMs: number;
  #opened: Promise<DriverConnection<Reply>> | null = null;
  /** Since when the server has not answered, by `performance.now()`; null where it has. */
  #awaySince: number | null = null;
  /** When the run was told to end, by `performance.now()`. */
  #leavingSince: number | null = null;
  /** Aborts some time after that. */
  readonly #left = new AbortController();
  /** Whether the server was away for long enough after that. */
  #isGivenUp = false;
  /** Resolves, never rejects, when the statements that were asked for so far have ended. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ControlParts<Reply>, limitMs = LIMIT_MS) {
    this.#parts = parts;
    this.#limitMs = limitMs;
    parts.leaving.addEventListener('abort', this.#leave, { once: true });
  }

  /** Runs a control statement, on a new connection when the old one broke, until the deadline. All of them may be repeated. */
  async run(sql: string, deadline = this.#deadline()): Promise<Reply> {
    const { isLoss, translate, translateConnecting } = this.#parts;
    for (;;) {
      if (this.#isGivenUp) throw this.#stuck('the server could not be asked');
      const askedAt = performance.now();
      this.#opened ??= this.#connect();
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
          const why = refusal.message.replace(/\.$/, '');
          throw this.#stuck(why, refusal, 'Have the server let the user in, then resume, which ends it.');
        }
        this.#awaySince ??= Math.max(askedAt, this.#leavingSince ?? 0);
        const limitMs = this.#leavingSince === null ? this.#limitMs : Math.min(LEAVE_MS, this.#limitMs);
        // A timer may be a moment early.
        if (this.#left.signal.aborted || performance.now() > Math.min(deadline, this.#awaySince + limitMs)) {
          this.#isGivenUp = this.#leavingSince !== null;
          const reason = refusal ?? translate(error, 'Asking it');
          throw this.#stuck(`the server could not be asked (${reason.message.replace(/\.$/, '')})`, error);
        }
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
    this.#parts.leaving.removeEventListener('abort', this.#leave);
    const opened = this.#opened;
    this.#opened = null;
    if (opened === null) return;
    try {
      await (await opened).end(this.#statementMs);
    } catch {
      // It was never made, or broke: nothing is left to close.
    }
  }

  #connect(): Promise<DriverConnection<Reply>> {
    const limitMs = this.#parts.connectTimeoutMs + CONTROL_STATEMENT_MS;
    const limit = timeLimit(limitMs, `It let nobody in within ${limitMs / 1000} s.`);
    return this.#parts.connect(AbortSignal.any([limit, this.#left.signal]));
  }

  readonly #leave = (): void => {
    this.#leavingSince = performance.now();
    this.#awaySince = null;
    const reason = new MigrationError('CONNECTION_LOST', 'It did not answer, and is not waited for any longer.');
    setTimeout(() => this.#left.abort(reason), LEAVE_MS).unref();
  };

  /** Until when what begins now must have been done, by `performance.now()`. */
  #deadline(): number {
    return performance.now() + this.#limitMs;
  }

  get #statementMs(): number {
    return this.#leavingSince === null ? CONTROL_STATEMENT_MS : LEAVE_MS;
  }

  #inTurn(connection: DriverConnection<Reply>, sql: string): Promise<Reply> {
    const reply = this.#turn.then(() => runAtOnce(connection, sql, this.#statementMs));
    this.#turn = reply.catch(() => undefined);
    return reply;
  }

  #stuck(
    why: string,
    cause?: unknown,
    remedy = `Look for it in ${this.#parts.sessionList}, end it, then resume.`,
  ): MigrationError {
    const message = `A session could not be shown to have ended on the server: ${why}. ${remedy}`;
    return new MigrationError('SESSION_STUCK', message, { cause });
  }
}
