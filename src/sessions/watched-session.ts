/**
 * One server session, on whatever server, whose statements end on the server when they are aborted.
 *
 * How a statement ends:
 *   reply                          resolves, or rejects with what the server said
 *   signal aborts                  cancelled on the server; if that does not end it in time, the session is ended and seen gone;
 *                                  rejects with the signal's reason
 *   connection closed or broken    the session is ended and seen gone; rejects with CONNECTION_LOST
 *   no reply for a while           the server is asked by another connection: still busy → wait on; else as a broken one
 */

import { assert, type MigrationError } from '../engine/errors.ts';
import { hasPassed } from './pause.ts';
import { theStatement } from './statement-text.ts';

/** `busy`: a statement of it is running. */
export type SessionState = 'gone' | 'idle' | 'busy';

/** The connection of a session, and what can be done to the session by way of another one. */
export interface SessionDriver<Reply> {
  /** False once the connection is known to be gone. A half-open one still looks open. */
  readonly isOpen: boolean;
  run(sql: string): Promise<Reply>;
  /** Takes in a cancellation that came too late for its statement. */
  runNothing(): Promise<unknown>;
  /** Says goodbye and closes; resolves when the server has closed its end, or after `limitMs`. */
  end(limitMs: number): Promise<void>;
  /** Closes the socket at once. The server may go on with a statement. */
  destroy(): void;
  /** Whether an error of `run` means that the connection is gone, or may be. */
  isLoss(error: unknown): boolean;
  /** An error of `run` as one of ours. */
  translate(error: unknown, what: string): MigrationError;
  observe(): Promise<SessionState>;
  /** Ends the statement that the session is running, if any. Comes back at once; the statement may take a while to end. */
  cancel(): Promise<void>;
  /** Ends the session and resolves once the server has rolled it back. Rejects with SESSION_STUCK after a time limit. */
  endSession(): Promise<void>;
}

/** A connection that went dead in silence is noticed within this time, however long the statement is. */
const silenceMs = 5_000;
/** A cancellation ends most statements in milliseconds; one that is committing or rolling back takes longer. */
const cancelLimitMs = 10_000;
const endLimitMs = 2_000;

/** The statement that runs now. */
interface Running {
  /** Since when nothing is known of it, by `performance.now()`. */
  unseenSince: number;
  /** How often in a row the server did not know of it. */
  idleSeen: number;
}

/** See above. One statement at a time. */
export class WatchedSession<Reply> implements AsyncDisposable {
  readonly #driver: SessionDriver<Reply>;
  #isBusy = false;
  #isGone = false;
  /** Null while no statement runs, and while one is being cancelled. */
  #running: Running | null = null;
  /** Whether the timer runs. It is one for all statements: one for each is a good part of what a short statement costs here. */
  #isWatching = false;

  constructor(driver: SessionDriver<Reply>) {
    this.#driver = driver;
  }

  /** False once the session has ended or is about to. */
  get isUsable(): boolean {
    return this.#driver.isOpen && !this.#isGone;
  }

  async run(sql: string, signal: AbortSignal): Promise<Reply> {
    signal.throwIfAborted();
    assert(!this.#isBusy, 'a session runs one statement at a time');
    this.#isBusy = true;
    const statement = this.#driver.run(sql);
    const cancelling: Promise<void>[] = [];
    const cancel = (): void => void cancelling.push(this.#cancel(statement));
    signal.addEventListener('abort', cancel, { once: true });
    this.#running = { unseenSince: performance.now(), idleSeen: 0 };
    if (!this.#isWatching) this.#lookAfter(silenceMs);
    try {
      const reply = await statement;
      signal.throwIfAborted();
      return reply;
    } catch (error) {
      if (this.#driver.isLoss(error)) await this.kill();
      signal.throwIfAborted();
      throw this.#driver.translate(error, theStatement(sql));
    } finally {
      signal.removeEventListener('abort', cancel);
      this.#running = null;
      // It must not hit the next statement.
      await Promise.all(cancelling);
      this.#isBusy = false;
    }
  }

  /** Ends the session on the server, whatever it is doing, and sees it gone. Does nothing to one that is gone. */
  async kill(): Promise<void> {
    if (this.#isGone) return;
    this.#driver.destroy();
    await this.#driver.endSession();
    this.#isGone = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isGone) return;
    if (this.#isBusy || !this.#driver.isOpen) return this.kill();
    this.#isGone = true;
    await this.#driver.end(endLimitMs);
    // An idle session ends by itself; what it held is free when the next holder may want it.
    await this.#driver.endSession();
  }

  #lookAfter(ms: number): void {
    this.#isWatching = true;
    // A session that nobody uses keeps no process alive.
    setTimeout(() => void this.#look(), ms).unref();
  }

  /** Closes the connection when the server no longer knows of the statement. Never rejects. */
  async #look(): Promise<void> {
    const running = this.#running;
    if (running === null) {
      this.#isWatching = false;
      return;
    }
    const leftMs = running.unseenSince + silenceMs - performance.now();
    if (leftMs > 0) return this.#lookAfter(leftMs);
    const state = await this.#driver.observe().catch(() => 'gone' as const);
    this.#lookAfter(silenceMs);
    running.unseenSince = performance.now();
    // Once may be the reply just being on its way.
    running.idleSeen = state === 'idle' ? running.idleSeen + 1 : 0;
    const isLost = state === 'gone' || running.idleSeen > 1;
    if (isLost && this.#running === running) this.#driver.destroy();
  }

  /** Ends the statement, or closes the connection where that cannot be done in time. Never rejects. */
  async #cancel(statement: Promise<unknown>): Promise<void> {
    this.#running = null;
    const settled = statement.then(
      () => true,
      () => true,
    );
    try {
      await this.#driver.cancel();
      const limit = new AbortController();
      const isSettled = await Promise.race([settled, hasPassed(cancelLimitMs, limit.signal).then(() => false)]);
      limit.abort();
      if (!isSettled) return this.#driver.destroy();
      const timer = setTimeout(() => this.#driver.destroy(), cancelLimitMs);
      await this.#driver.runNothing().catch(() => undefined);
      clearTimeout(timer);
    } catch {
      // The statement then rejects as a lost connection, and `kill` says what is wrong.
      this.#driver.destroy();
    }
  }
}
