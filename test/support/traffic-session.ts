/** A database session as an application holds it: opened again when it breaks, every statement timed, errors counted by code. */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, dialectOf, type Fault, type TrafficConnection, type TrafficDialect } from './traffic-dialect.ts';
import type { TrafficRecord } from './traffic-record.ts';

const reconnectMs = 50;
/** A server that was killed is back within seconds. */
const reconnectAttemptsMax = 1_200;

/** Comes before every statement of the traffic, so that a server's log tells its statements from those of others. */
export const applicationMark = '/* application */';

/** One session at a time; `isBroken` tells that the last statement's outcome was not learned. */
export class ApplicationSession implements AsyncDisposable {
  readonly dialect: TrafficDialect;
  readonly #url: string;
  readonly #record: TrafficRecord;
  #connection: TrafficConnection | null = null;

  constructor(url: string, record: TrafficRecord) {
    this.#url = url;
    this.#record = record;
    this.dialect = dialectOf(url);
  }

  get isBroken(): boolean {
    return this.#connection === null;
  }

  /** Runs a statement, in a new session if there is none; rejects with the server's error, counted. */
  async query(sql: string, values: readonly ({} | null)[] = []): Promise<Answer> {
    return await this.#timed(sql, (connection) => connection.query(`${applicationMark} ${sql}`, values));
  }

  /** Loads rows, as `query` runs a statement. */
  async copyIn(sql: string, text: string): Promise<void> {
    await this.#timed(sql, (connection) => connection.copyIn(`${applicationMark} ${sql}`, text));
  }

  /** What the error was, or null for a fault of this program. */
  faultOf(error: unknown): Fault | null {
    return this.dialect.faultOf(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection?.end().catch(() => undefined);
    this.#connection = null;
  }

  async #timed<Result>(sql: string, run: (connection: TrafficConnection) => Promise<Result>): Promise<Result> {
    const connection = this.#connection ?? (await this.#connect());
    this.#connection = connection;
    const sentMs = performance.now();
    try {
      return await run(connection);
    } catch (error) {
      const fault = this.faultOf(error);
      if (fault?.kind === 'deadlock') this.#record.deadlock();
      else this.#record.error(fault?.code ?? 'unknown');
      if (fault === null || fault.isBroken) this.#drop();
      throw error;
    } finally {
      this.#record.statement(sql, sentMs);
    }
  }

  #drop(): void {
    this.#connection?.destroy();
    this.#connection = null;
  }

  async #connect(): Promise<TrafficConnection> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.dialect.connect(this.#url);
      } catch (error) {
        if (attempt >= reconnectAttemptsMax) throw error;
        await delay(reconnectMs);
      }
    }
  }
}
