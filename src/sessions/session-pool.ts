/** A bounded pool of equal sessions on whatever server, opened when first needed. */

import { MigrationError } from '../engine/errors.ts';
import { allEnded, disposeAll } from './disposal.ts';

/** What the pool needs of a session. */
export interface PooledSession extends AsyncDisposable {
  /** False once the session has ended or is about to. */
  readonly isUsable: boolean;
  /** Ends the session on the server, whatever it is doing, and sees it gone. */
  kill(): Promise<void>;
}

/** What a pool opens, how many of it, and how it keeps them clean. */
export interface PoolOptions<Session extends PooledSession> {
  readonly sizeMax: number;
  readonly open: (signal: AbortSignal) => Promise<Session>;
  /** Any statement that succeeds on a session that lives, whatever work has left in it. */
  readonly ping: (session: Session, signal: AbortSignal) => Promise<unknown>;
  /** Ends what failed work may have left: a transaction, locks. */
  readonly reset: (session: Session, signal: AbortSignal) => Promise<void>;
}

/** A bounded set of equal working sessions. */
export interface Pool<Session> extends AsyncDisposable {
  /**
   * Runs `work` on a free session. If the session broke (CONNECTION_LOST), it is not used again and, before this rejects, it has
   * been ended on the server and seen gone.
   */
  withSession<Result>(work: (session: Session) => Promise<Result>, signal: AbortSignal): Promise<Result>;
}

/** A session that was idle for longer is asked for a sign of life before it is used: firewalls drop idle connections in silence. */
const restMs = 30_000;

/** Makes an empty pool. Waiters are served in the order in which they came. */
export function createPool<Session extends PooledSession>(options: PoolOptions<Session>): Pool<Session> {
  return new BoundedPool(options);
}

class BoundedPool<Session extends PooledSession> implements Pool<Session> {
  readonly #options: PoolOptions<Session>;
  readonly #idle: { readonly session: Session; readonly since: number }[] = [];
  readonly #waiting: (() => void)[] = [];
  #used = 0;
  #isClosed = false;

  constructor(options: PoolOptions<Session>) {
    this.#options = options;
  }

  async withSession<Result>(work: (session: Session) => Promise<Result>, signal: AbortSignal): Promise<Result> {
    await this.#enter(signal);
    try {
      const session = await this.#take(signal);
      try {
        const result = await work(session);
        await this.#giveBack(session, true, signal);
        return result;
      } catch (error) {
        await this.#giveBack(session, false, signal);
        throw error;
      }
    } finally {
      this.#leave();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await disposeAll(this.#idle.splice(0).map(({ session }) => session));
  }

  /** Waits for one of `sizeMax` places. */
  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#isClosed) throw new MigrationError('INTERNAL', 'A session was asked of a pool that is closed.');
    if (this.#used < this.#options.sizeMax) {
      this.#used += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(admit), 1);
        reject(signal.reason);
      };
      const admit = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(admit);
    });
  }

  /** Hands the place to the next in line. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#used -= 1;
    else next();
  }

  async #take(signal: AbortSignal): Promise<Session> {
    for (let entry = this.#idle.pop(); entry !== undefined; entry = this.#idle.pop()) {
      const { session, since } = entry;
      if (session.isUsable && (performance.now() - since < restMs || (await this.#isAlive(session, signal)))) return session;
      await this.#end(session, signal);
      signal.throwIfAborted();
    }
    return this.#options.open(signal);
  }

  /**
   * Ends a session that broke. What broke it may have broken those that lie idle, and a dead one is known only after a time without an
   * answer: so all of them are asked now, side by side, and not each when it comes to be used, one such time after the other.
   */
  async #end(broken: Session, signal: AbortSignal): Promise<void> {
    const suspects = signal.aborted ? [] : this.#idle.splice(0);
    await allEnded([broken.kill(), ...suspects.map(({ session }) => this.#keepIfAlive(session, signal))]);
  }

  async #keepIfAlive(session: Session, signal: AbortSignal): Promise<void> {
    if (session.isUsable && (await this.#isAlive(session, signal))) return this.#keep(session);
    return session.kill();
  }

  async #isAlive(session: Session, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#options.ping(session, signal);
      return true;
    } catch {
      // What cannot be asked in time is not used again.
      return false;
    }
  }

  /** After a failure the session may be inside a transaction or hold locks. */
  async #giveBack(session: Session, isClean: boolean, signal: AbortSignal): Promise<void> {
    if (session.isUsable && !isClean) await this.#reset(session);
    return session.isUsable ? this.#keep(session) : this.#end(session, signal);
  }

  async #keep(session: Session): Promise<void> {
    if (this.#isClosed) return session[Symbol.asyncDispose]();
    this.#idle.push({ session, since: performance.now() });
  }

  /** Not abortable: the session is only of use afterwards, and a statement that hangs is noticed by the session. */
  async #reset(session: Session): Promise<void> {
    try {
      await this.#options.reset(session, new AbortController().signal);
    } catch {
      await session.kill();
    }
  }
}
