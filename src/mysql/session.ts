/**
 * Sessions on MySQL and MariaDB: one connection each, with our settings, whose statements end on the server when they are
 * aborted (src/sessions/watched-session.ts says how).
 */

import { randomUUID } from 'node:crypto';
import { MigrationError } from '../engine/errors.ts';
import { addressText } from '../sessions/server-address.ts';
import { connectionDriver, runAtOnce } from '../sessions/connection-driver.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import type { Pool } from '../sessions/session-pool.ts';
import { WatchedSession } from '../sessions/watched-session.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { connect, type Connection, type Reply } from './connection.ts';
import { isConnectionLoss, isUnknownTable, translate, translateConnecting } from './errors.ts';
import type { Flavour } from './flavour.ts';
import type { SessionEnder, SessionIdentity } from './session-ender.ts';
import { quoteName, quoteText } from './statements.ts';

/** A result row: every value as the server's text, NULL as null. Select binary and non-ASCII data as HEX(). */
export type Row = Readonly<Record<string, string | null>>;

/** One server session. One statement at a time. */
export interface Session extends AsyncDisposable {
  /** The server's connection id, for KILL and the metadata lock list. */
  readonly connectionId: number;
  /**
   * Runs a statement that returns rows. Rejects with a MigrationError (errors.ts of this folder translates). Aborting sends
   * KILL QUERY from another connection and waits until the statement has ended, or ends the session and sees it gone.
   */
  query(sql: string, signal: AbortSignal): Promise<readonly Row[]>;
  /** Runs a statement that returns no rows. Never judges warnings; the caller does (`warnings` is how many there are). */
  execute(sql: string, signal: AbortSignal): Promise<{ readonly affectedRows: number; readonly warnings: number }>;
}

/** A bounded set of equal working sessions. */
export type SessionPool = Pool<Session>;

/** A session with what its owner needs to know about it. */
export interface OwnedSession extends Session {
  readonly identity: SessionIdentity;
  /** False once the session has ended or is about to. */
  readonly isUsable: boolean;
  /** Ends the session on the server, whatever it is doing, and sees it gone. Does nothing to one that is gone. */
  kill(): Promise<void>;
}

/** What opening a session needs. */
export interface SessionOptions {
  readonly config: ConnectionConfig;
  readonly flavour: Flavour;
  readonly ender: SessionEnder;
  /** Name of the user-level lock that marks the session, at most 64 characters; without it, a random one. */
  readonly mark?: string;
  /** Assignments for SET SESSION, after the usual ones. */
  readonly settings?: readonly string[];
  /**
   * The default database, where it exists. Replicas that filter by database (replicate-do-db) go by it for what is logged as a
   * statement, and by the table's own for rows: whoever creates, alters, renames or drops a table needs both to be the same.
   */
  readonly schema?: string;
  /**
   * READ COMMITTED when it is not given, at which InnoDB refuses to write where statements are logged (binlog_format). The other is for
   * what must go on there as well and writes rows that it names by their key.
   */
  readonly isolation?: 'READ COMMITTED' | 'REPEATABLE READ';
  /** As in `ConnectionUse`. */
  readonly takesSeveral?: boolean;
}

/** Set in every session of ours, and in no other. */
export const OWN_SESSION_MARK = '@tableshift_session';

/** Strict, but lets pass what the source may already hold: zero dates (no NO_ZERO_DATE) and zero in an AUTO_INCREMENT column. */
const ownSqlModes = ['STRICT_ALL_TABLES', 'NO_AUTO_VALUE_ON_ZERO', 'NO_ENGINE_SUBSTITUTION'];

/**
 * What is taken from the server's own sql_mode: whatever decides what the operator's ALTER means and what values come to, as far as
 * it leaves our statements, and the texts that the server prints, as they are.
 */
const takenSqlModes = [
  'PIPES_AS_CONCAT',
  'REAL_AS_FLOAT',
  'HIGH_NOT_PRECEDENCE',
  'NO_UNSIGNED_SUBTRACTION',
  'ALLOW_INVALID_DATES',
  'TIME_TRUNCATE_FRACTIONAL',
  'TIME_ROUND_FRACTIONAL',
];

/** Expression for the sql_mode of our sessions. */
export const OWN_SQL_MODE = `CONCAT('${ownSqlModes.join(',')}', ${takenSqlModes
  .map((mode) => `IF(FIND_IN_SET('${mode}', @@GLOBAL.sql_mode), ',${mode}', '')`)
  .join(', ')})`;

/**
 * Opens a session and marks it. Rejects with LOCK_WAIT if another session holds the mark, and with ACCESS_DENIED,
 * SERVER_BUSY or CONNECTION_LOST. `when`: see `translateConnecting`.
 */
export async function openSession(
  options: SessionOptions,
  signal: AbortSignal,
  when: 'first' | 'again' = 'again',
): Promise<OwnedSession> {
  let connection: Connection;
  try {
    connection = await connect(options.config, signal, { takesSeveral: options.takesSeveral });
    if (when === 'first') await greet(connection, options.config);
  } catch (error) {
    signal.throwIfAborted();
    throw translateConnecting(error, `Connecting to ${describeServer(options.config)}`, when);
  }
  const mark = options.mark ?? `tableshift:${randomUUID()}`;
  const session = new MySqlSession(connection, { connectionId: connection.connectionId, mark }, options.ender);
  return await disposingOnFailure(session, async () => {
    // The mark comes first: from here on the session can be found and ended.
    const [row] = await session.query(`SELECT GET_LOCK(${quoteText(mark)}, 0) AS isMarked`, signal);
    if (row?.['isMarked'] !== '1') throw new MigrationError('LOCK_WAIT', `Another session still holds the mark ${mark}.`);
    for (const statement of settingStatements(options)) await session.execute(statement, signal);
    if (options.schema !== undefined) await useSchema(session, options.schema, signal);
    return session;
  });
}

/**
 * A login whose init_connect fails is let in, and thrown out at its first statement. That is found before the connection is a session,
 * which would be looked for on the server until it is seen gone.
 */
async function greet(connection: Connection, { connectTimeoutMs }: ConnectionConfig): Promise<void> {
  try {
    await runAtOnce(connection, 'DO 0', connectTimeoutMs);
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

/** See `SessionOptions.schema`. Nothing changes where there is no such database: it may be gone when a migration is given up. */
export async function useSchema(session: Pick<Session, 'execute'>, schema: string, signal: AbortSignal): Promise<void> {
  try {
    await session.execute(`USE ${quoteName(schema)}`, signal);
  } catch (error) {
    if (!isUnknownTable(error)) throw error;
  }
}

/** Who is connected to, without user and password. */
export function describeServer(config: ConnectionConfig): string {
  return config.socketPath ?? addressText(config);
}

/** The settings of all sessions. READ COMMITTED is what makes INSERT … SELECT read the source without locks. */
function settingStatements(options: SessionOptions): readonly string[] {
  const settings = [
    'autocommit = 1',
    `sql_mode = ${OWN_SQL_MODE}`,
    "time_zone = '+00:00'",
    'lock_wait_timeout = 10',
    'innodb_lock_wait_timeout = 5',
    'sql_safe_updates = 0',
    // Never DEFAULT, which is what is set globally.
    'sql_select_limit = 18446744073709551615',
    'sql_big_selects = 1',
    'sql_auto_is_null = 0',
    'sql_quote_show_create = 1',
    'completion_type = 0',
    'unique_checks = 1',
    // A value that is only cut (decimals, the time of a date) is a note, which must be counted.
    'sql_notes = 1',
    // Global values may be seconds; sessions here idle through throttled and paused hours, and their mark must live on.
    'wait_timeout = 86400',
    'net_read_timeout = 60',
    'net_write_timeout = 60',
    ...options.flavour.sessionSettings,
    ...(options.settings ?? []),
    `${OWN_SESSION_MARK} = 1`,
  ];
  return [
    'SET NAMES utf8mb4 COLLATE utf8mb4_bin',
    `SET SESSION TRANSACTION ISOLATION LEVEL ${options.isolation ?? 'READ COMMITTED'}, READ WRITE`,
    `SET SESSION ${settings.join(', ')}`,
  ];
}

class MySqlSession implements OwnedSession {
  readonly identity: SessionIdentity;
  readonly #watched: WatchedSession<Reply>;

  constructor(connection: Connection, identity: SessionIdentity, ender: SessionEnder) {
    this.identity = identity;
    this.#watched = new WatchedSession(
      connectionDriver({ connection, identity, ender, nothing: 'DO 0', isLoss: isConnectionLoss, translate }),
    );
  }

  get connectionId(): number {
    return this.identity.connectionId;
  }

  get isUsable(): boolean {
    return this.#watched.isUsable;
  }

  async query(sql: string, signal: AbortSignal): Promise<readonly Row[]> {
    return (await this.#watched.run(sql, signal)).rows;
  }

  async execute(sql: string, signal: AbortSignal): Promise<{ readonly affectedRows: number; readonly warnings: number }> {
    const { affectedRows, warnings } = await this.#watched.run(sql, signal);
    return { affectedRows, warnings };
  }

  kill(): Promise<void> {
    return this.#watched.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#watched[Symbol.asyncDispose]();
  }
}
