/** What a watched session needs of its connection and of the one that ends sessions, the same on either server. */

import type { MigrationError } from '../engine/errors.ts';
import type { SessionDriver, SessionState } from './watched-session.ts';

/** A connection as the driver library sees it: it knows nothing about aborting, and its errors are the driver's. */
export interface DriverConnection<Reply> {
  /** False once the driver knows that the connection is gone. A half-open one still looks open. */
  readonly isOpen: boolean;
  run(sql: string): Promise<Reply>;
  /** Says goodbye to the server and closes; resolves when the server has closed its end, or after `limitMs`. */
  end(limitMs: number): Promise<void>;
  /** Closes the socket at once. The server may go on with a statement. */
  destroy(): void;
}

/** Runs what the server answers at once; a connection on which it does not is closed, for it went dead in silence. */
export async function runAtOnce<Reply>(
  connection: Pick<DriverConnection<Reply>, 'run' | 'destroy'>,
  sql: string,
  limitMs: number,
): Promise<Reply> {
  const timer = setTimeout(() => connection.destroy(), limitMs);
  try {
    return await connection.run(sql);
  } finally {
    clearTimeout(timer);
  }
}

/** Through a connection of its own, made anew when it breaks. Nothing here can be aborted; all of it has time limits. */
export interface SessionEnderFor<Identity> extends AsyncDisposable {
  /** Ends the statement that the session is running, if any. Comes back at once; the statement may take a while to end. */
  cancelStatement(session: Identity): Promise<void>;
  /** Ends the session and resolves once the server has rolled it back. Rejects with SESSION_STUCK after a time limit. */
  endSession(session: Identity): Promise<void>;
  observe(session: Identity): Promise<SessionState>;
}

export interface ConnectionDriverParts<Reply, Identity> {
  readonly connection: DriverConnection<Reply>;
  readonly identity: Identity;
  readonly ender: SessionEnderFor<Identity>;
  /** A statement that does nothing. */
  readonly nothing: string;
  readonly isLoss: (error: unknown) => boolean;
  readonly translate: (error: unknown, what: string) => MigrationError;
}

export function connectionDriver<Reply, Identity>(parts: ConnectionDriverParts<Reply, Identity>): SessionDriver<Reply> {
  const { connection, ender, identity, isLoss, nothing, translate } = parts;
  return {
    get isOpen() {
      return connection.isOpen;
    },
    run: (sql) => connection.run(sql),
    runNothing: () => connection.run(nothing),
    end: (limitMs) => connection.end(limitMs),
    destroy: () => connection.destroy(),
    isLoss,
    translate,
    observe: () => ender.observe(identity),
    cancel: () => ender.cancelStatement(identity),
    endSession: () => ender.endSession(identity),
  };
}
