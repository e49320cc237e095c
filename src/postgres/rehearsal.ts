/**
 * Reads of the catalog that one session does twice: once beforehand, and once more under the locks of a cutover, while writers wait.
 *
 * What is read the first time is prepared on the server, which parses and plans each statement then, and learns the catalog. The
 * second time all of them are executed by one message, and what is asked is answered from its reply: two thirds of the time went
 * into planning and into waiting for one reply after the other. The answers are as new as if each had been asked for by itself,
 * for the locks were there before all of them; what was not rehearsed, or comes behind a write, goes to the server. A statement must not
 * name relations by constants, which stay what they were when it was prepared (`tableOid`).
 */

import type { TransactionState } from './connection.ts';
import type { Row, Session } from './session.ts';

/** What one session has rehearsed. */
export class Rehearsal {
  readonly session: Session;
  /** Names of the prepared statements by their text, in the order in which they were asked for. */
  readonly #prepared = new Map<string, string>();

  constructor(session: Session) {
    this.session = session;
  }

  /** The session, as it notes what it is asked. Each statement must be one that can be prepared. */
  get noting(): Session {
    return new WrappedSession(this.session, async (sql, signal) => {
      const known = this.#prepared.get(sql);
      if (known !== undefined) return await this.session.query(`EXECUTE ${known}`, signal);
      const name = `tableshift_read_${this.#prepared.size}`;
      const [, rows = []] = await this.session.queryEach([`PREPARE ${name} AS ${sql}`, `EXECUTE ${name}`], signal);
      this.#prepared.set(sql, name);
      return rows;
    });
  }

  /**
   * Reads all again, and gives the session as it answers from what it read, until somebody writes through it. To be called inside
   * a transaction. Where anything cannot be read any more, the session is as it was.
   */
  async replay(signal: AbortSignal): Promise<Session> {
    const executions = [...this.#prepared.values()].map((name) => `EXECUTE ${name}`);
    if (executions.length === 0) return this.session;
    let answers: ReadonlyMap<string, readonly Row[]>;
    try {
      const [, ...results] = await this.session.queryEach([`SAVEPOINT ${savepoint}`, ...executions], signal);
      answers = new Map([...this.#prepared.keys()].map((sql, place) => [sql, results[place] ?? []]));
    } catch (error) {
      if (this.session.transaction !== 'failed') throw error;
      await this.session.execute(`ROLLBACK TO SAVEPOINT ${savepoint}`, signal);
      return this.session;
    }
    let isCurrent = true;
    return new WrappedSession(
      this.session,
      async (sql, inner) => (isCurrent ? answers.get(sql) : undefined) ?? (await this.session.query(sql, inner)),
      () => {
        isCurrent = false;
      },
    );
  }
}

const savepoint = 'tableshift_reads';

/** A session whose questions are answered in another way. */
class WrappedSession implements Session {
  readonly query: Session['query'];
  readonly #session: Session;
  readonly #onWrite: () => void;

  constructor(session: Session, query: Session['query'], onWrite: () => void = () => undefined) {
    this.query = query;
    this.#session = session;
    this.#onWrite = onWrite;
  }

  get pid(): number {
    return this.#session.pid;
  }

  get transaction(): TransactionState {
    return this.#session.transaction;
  }

  queryEach(statements: readonly string[], signal: AbortSignal): ReturnType<Session['queryEach']> {
    return this.#session.queryEach(statements, signal);
  }

  execute(sql: string, signal: AbortSignal): ReturnType<Session['execute']> {
    this.#onWrite();
    return this.#session.execute(sql, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}
