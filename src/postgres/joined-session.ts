/**
 * A session that keeps statements without an answer back, and sends them in front of the next question, in one message: under the locks
 * of a cutover writers wait for each way to the server and back. The order is that of the calls. An error of a statement comes with the
 * answer that it was sent with, names that statement, and as in any transaction nothing behind it was done.
 */

import type { TransactionState } from './connection.ts';
import { ofFailedStatement } from './errors.ts';
import type { Row, Session } from './session.ts';

/** Works inside the transaction of another session, until `flush`. */
export class JoinedSession implements Session {
  readonly #session: Session;
  #keptBack: string[] = [];

  constructor(session: Session) {
    this.#session = session;
  }

  get pid(): number {
    return this.#session.pid;
  }

  get transaction(): TransactionState {
    return this.#session.transaction;
  }

  /** One statement, which is kept back: neither rows nor notices of it are told. */
  async execute(sql: string, _signal: AbortSignal): ReturnType<Session['execute']> {
    this.#keptBack.push(sql);
    return { affectedRows: 0, notices: [] };
  }

  async query(sql: string, signal: AbortSignal): Promise<readonly Row[]> {
    return (await this.queryEach([sql], signal))[0] ?? [];
  }

  async queryEach(statements: readonly string[], signal: AbortSignal): ReturnType<Session['queryEach']> {
    const sent = [...this.#keptBack, ...statements];
    this.#keptBack = [];
    try {
      return (await this.#session.queryEach(sent, signal)).slice(sent.length - statements.length);
    } catch (error) {
      throw ofFailedStatement(error, sent);
    }
  }

  /** Sends what is kept back. */
  async flush(signal: AbortSignal): Promise<void> {
    if (this.#keptBack.length > 0) await this.queryEach([], signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}
