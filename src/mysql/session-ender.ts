/**
 * Ends statements and sessions from outside, and sees them gone. A statement outlives its client: after a lost connection it
 * may still be running, and may commit later. So each session holds a user-level lock of its own, its mark; the server frees
 * it after it has rolled the session back, and it cannot be mistaken for another session's, as a connection id can be after a
 * restart of the server.
 */

import type { SessionEnderFor } from '../sessions/connection-driver.ts';
import { ControlConnection } from '../sessions/control-connection.ts';
import type { SessionState } from '../sessions/watched-session.ts';
import { connect, type Reply } from './connection.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { isConnectionLoss, serverErrno, translate, translateConnecting } from './errors.ts';
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

/** Connects nothing yet; call `observe` or hand in a session first to be sure that the server lets us in. */
export function createSessionEnder(config: ConnectionConfig, leaving: AbortSignal): SessionEnder {
  return new MarkedSessions(config, leaving);
}

class MarkedSessions implements SessionEnder {
  readonly #control: ControlConnection<Reply>;

  constructor(config: ConnectionConfig, leaving: AbortSignal) {
    this.#control = new ControlConnection({
      connect: (signal) => connect(config, signal),
      connectTimeoutMs: config.connectTimeoutMs,
      isLoss: isConnectionLoss,
      translate,
      translateConnecting: (error) => translateConnecting(error, 'Connecting', 'again'),
      sessionList: 'the process list',
      leaving,
    });
  }

  async cancelStatement(session: SessionIdentity): Promise<void> {
    await this.#kill('KILL QUERY', session.connectionId, [session.mark]);
  }

  /** Once it is gone another session may have its mark, such as the next one in its slot of a claim: that one goes on. */
  endSession({ connectionId, mark }: SessionIdentity): Promise<void> {
    return this.#end([mark], (holder) => holder === connectionId);
  }

  endHolders(marks: readonly string[]): Promise<void> {
    return this.#end(marks, () => true);
  }

  async #end(marks: readonly string[], isMeant: (holder: number) => boolean): Promise<void> {
    const killAll = async (deadline: number): Promise<readonly number[]> => {
      const holders = (await this.#holders(marks, deadline)).filter(isMeant);
      for (const holder of holders) await this.#kill('KILL', holder, marks, deadline);
      return holders;
    };
    await this.#control.endAll(killAll, (sessions) => `connection ${sessions} was killed`);
  }

  async observe(session: SessionIdentity): Promise<SessionState> {
    const [holder] = await this.#holders([session.mark]);
    if (holder !== session.connectionId) return 'gone';
    // Not information_schema: on MySQL it fails whenever any session runs a statement with a character beyond the BMP (3854).
    const { rows } = await this.#control.run('SHOW PROCESSLIST');
    const command = rows.find((row) => row['Id'] === String(session.connectionId))?.['Command'];
    return command === undefined ? 'gone' : command === 'Sleep' ? 'idle' : 'busy';
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#control[Symbol.asyncDispose]();
  }

  /** Connection ids of the sessions that hold these marks. */
  async #holders(marks: readonly string[], deadline?: number): Promise<readonly number[]> {
    const columns = marks.map((mark, index) => `IS_USED_LOCK(${quoteText(mark)}) AS m${index}`);
    const { rows } = await this.#control.run(`SELECT ${columns.join(', ')}`, deadline);
    const ids = Object.values(rows[0] ?? {}).flatMap((id) => (id === null ? [] : [Number(id)]));
    return [...new Set(ids)];
  }

  /**
   * Kills only while the connection still holds one of the marks, so that a connection of the same number is left alone, and not while it
   * carries a RENAME out.
   */
  async #kill(
    command: 'KILL' | 'KILL QUERY',
    connectionId: number,
    marks: readonly string[],
    deadline?: number,
  ): Promise<void> {
    try {
      if (!(await this.#holders(marks, deadline)).includes(connectionId)) return;
      if (await this.#isRenaming(connectionId, deadline)) return;
      await this.#control.run(`${command} ${connectionId}`, deadline);
    } catch (error) {
      if (serverErrno(error) !== noSuchThread) throw error;
    }
  }

  /**
   * MariaDB that is told to end a RENAME loses the triggers of the table while it takes the RENAME back, and nobody can use the table then
   * (docs/decisions/mysql-triggers.md). It ends by itself: ours wait inside InnoDB for a second. One that waits for a table has not begun.
   */
  async #isRenaming(connectionId: number, deadline?: number): Promise<boolean> {
    const { rows } = await this.#control.run('SHOW PROCESSLIST', deadline);
    const session = rows.find((row) => row['Id'] === String(connectionId));
    return (session?.['Info'] ?? '').startsWith('RENAME ') && !(session?.['State'] ?? '').startsWith('Waiting for ');
  }
}

const noSuchThread = 1094;
