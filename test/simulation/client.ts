/**
 * The client side of a statement: sends it, waits for the reply, and meets the faults of a connection. It keeps the promise of
 * ports.ts that nothing of a rejected call is still running: after a lost connection it ends the session and sees it gone.
 */

import { MigrationError, type ErrorCode } from '../../src/engine/errors.ts';
import type { SimulatedProcess } from './process.ts';
import { type Outcome, type Server, Statement, type Work } from './server.ts';

const TRANSIENT: readonly [ErrorCode, ...ErrorCode[]] = ['LOCK_WAIT', 'DEADLOCK', 'STATEMENT_TIMEOUT', 'SERVER_BUSY'];

/** A statement and how the judge sees it. */
export interface CallWork<Result> extends Work<Result> {
  /** Whether it changes tables or bookkeeping; nothing may be written once the claim is lost. */
  readonly isWrite: boolean;
}

export class Client {
  readonly server: Server;
  readonly process: SimulatedProcess;

  constructor(server: Server, process: SimulatedProcess) {
    this.server = server;
    this.process = process;
  }

  /** One port call: one statement, with a session's faults. */
  call<Result>(work: CallWork<Result>, signal: AbortSignal): Promise<Result> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const { server, process } = this;
    if (work.isWrite && process.lost.aborted) server.judge.violate('written after the claim was lost', work.name);
    if (process.isFenced) {
      return Promise.reject(new MigrationError('CLAIM_LOST', 'Another run has ended the sessions of this one.'));
    }
    process.openCalls.add(work);
    return new Promise<Result>((resolve, reject) => {
      const exchange = new Exchange<Result>(this, work, (outcome) => {
        process.openCalls.delete(work);
        signal.removeEventListener('abort', onAbort);
        if (outcome.kind === 'result') resolve(outcome.result);
        else if (outcome.kind === 'error') reject(outcome.error);
        else reject(signal.aborted ? (signal.reason as Error) : connectionLost(work.name));
      });
      const onAbort = (): void => exchange.abandon('aborted');
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** A transient error that this statement meets instead of its effect, or null. */
  transientFault(): MigrationError | null {
    const { server } = this;
    if (!server.hasFaults || !server.chance.hits(server.scenario.transientFaults)) return null;
    server.world.count('transient errors');
    return new MigrationError(server.chance.pick(TRANSIENT), 'The server says: not now.');
  }
}

/** One statement on its way to the server and back. */
class Exchange<Result> {
  readonly #client: Client;
  readonly #statement: Statement<Result>;
  readonly #settle: (outcome: Outcome<Result>) => void;
  #isSettled = false;
  #isAbandoned = false;

  constructor(client: Client, work: Work<Result>, settle: (outcome: Outcome<Result>) => void) {
    this.#client = client;
    this.#settle = settle;
    const { server, process } = client;
    this.#statement = new Statement({ work, process, fault: client.transientFault() }, (outcome) => this.#onEnd(outcome));
    server.send(this.#statement);
    if (!server.hasFaults) return;
    const { scenario, chance, world } = server;
    if (chance.hits(scenario.slowStatements)) this.#statement.extraMs = chance.delay(scenario.hangMs / 2);
    if (chance.hits(scenario.lostConnections)) {
      if (chance.hits(0.6)) server.slowDown(this.#statement);
      world.reach(process, chance.delay(scenario.statementMs * 1.5), 'connection lost', () => this.abandon('lost'));
    }
  }

  /** Ends the session of the statement and settles when it is gone. */
  abandon(why: 'lost' | 'aborted'): void {
    if (this.#isSettled || this.#isAbandoned) return;
    this.#isAbandoned = true;
    const { server, process } = this.#client;
    server.world.count(why === 'lost' ? 'lost connections' : 'aborted statements');
    server.world.note(() => `p${process.number} ${why}: ${this.#statement.work.name}`);
    if (why === 'lost' && server.scenario.plants.has('ZC')) {
      this.#finish({ kind: 'killed' });
      return;
    }
    server.kill(this.#statement, () => {
      server.world.reach(process, server.chance.delay(server.scenario.statementMs * 0.2), 'session gone', () =>
        this.#finish({ kind: 'killed' }),
      );
    });
  }

  #onEnd(outcome: Outcome<Result>): void {
    if (this.#isAbandoned) return;
    const { server, process } = this.#client;
    // A statement that somebody else killed looks like a lost connection.
    server.world.reach(process, server.chance.delay(server.scenario.statementMs * 0.2), 'reply', () => {
      if (!this.#isAbandoned) this.#finish(outcome);
    });
  }

  #finish(outcome: Outcome<Result>): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#settle(outcome);
  }
}

export function connectionLost(what: string): MigrationError {
  return new MigrationError('CONNECTION_LOST', `The connection broke during: ${what}.`);
}
