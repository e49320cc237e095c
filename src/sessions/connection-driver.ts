/** What a watched session needs of its connection and of the one that ends sessions, the same on either server. */

import type { MigrationError } from '../engine/errors.ts';
import type { SessionDriver, SessionState } from './watched-session.ts';

/** A connection as the driver library sees it. */
interface DriverConnection<Reply> {
  readonly isOpen: boolean;
  run(sql: string): Promise<Reply>;
  end(limitMs: number): Promise<void>;
  destroy(): void;
}

/** Ends sessions and their statements by way of another connection. */
interface Ender<Identity> {
  observe(session: Identity): Promise<SessionState>;
  cancelStatement(session: Identity): Promise<void>;
  endSession(session: Identity): Promise<void>;
}

export interface ConnectionDriverParts<Reply, Identity> {
  readonly connection: DriverConnection<Reply>;
  readonly identity: Identity;
  readonly ender: Ender<Identity>;
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
