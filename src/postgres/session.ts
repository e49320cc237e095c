/**
 * Sessions on PostgreSQL: one connection each, with our settings, whose statements end on the server when they are aborted
 * (src/sessions/watched-session.ts says how).
 */

import { addressText } from '../sessions/server-address.ts';
import { connectionDriver, runAtOnce } from '../sessions/connection-driver.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import type { Pool } from '../sessions/session-pool.ts';
import { WatchedSession } from '../sessions/watched-session.ts';
import { asLoggedIn, connect, type Connection, type Reply, type TransactionState } from './connection.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { isConnectionLoss, translate, translateConnecting } from './errors.ts';
import type { Flavour } from './flavour.ts';
import type { SessionEnder, SessionIdentity } from './session-ender.ts';

export type { TransactionState } from './connection.ts';

/** A result row: every value as the server's text, NULL as null. */
export type Row = Readonly<Record<string, string | null>>;

/**
 * One server session. One statement at a time; several with `;` between run as one transaction and give the rows of the last.
 * In a transaction any error makes the rest fail until it is rolled back: take a SAVEPOINT before what may fail.
 */
export interface Session extends AsyncDisposable {
  /** The server process. */
  readonly pid: number;
  /** Whether it is inside a transaction, as the server said with its last reply. */
  readonly transaction: TransactionState;
  /**
   * Runs a statement that returns rows. Rejects with a MigrationError (errors.ts of this folder translates). Aborting cancels
   * the statement by another connection and waits until it has ended, or ends the session and sees it gone.
   */
  query(sql: string, signal: AbortSignal): Promise<readonly Row[]>;
  /** Runs statements that return rows, sent together as one transaction, and gives the rows of each. */
  queryEach(statements: readonly string[], signal: AbortSignal): Promise<readonly (readonly Row[])[]>;
  /** Runs a statement that returns no rows. `notices`: what the server said beside, each as `LEVEL: text`. */
  execute(sql: string, signal: AbortSignal): Promise<{ readonly affectedRows: number; readonly notices: readonly string[] }>;
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
  /** Shown in pg_stat_activity; `tableshift` unless given. */
  readonly applicationName?: string;
  /** Assignments for SET, after the usual ones: `lock_timeout = 200`. */
  readonly settings?: readonly string[];
}

/** Opens a session. Rejects with ACCESS_DENIED, SERVER_BUSY or CONNECTION_LOST. `when`: see `translateConnecting`. */
export async function openSession(
  options: SessionOptions,
  signal: AbortSignal,
  when: 'first' | 'again' = 'again',
): Promise<OwnedSession> {
  let connection: Connection | null = null;
  let row: Row | undefined;
  try {
    connection = await connect(options.config, options.applicationName ?? 'tableshift', signal);
    // Not watched as later statements are: that takes the identity that is asked for here.
    ({
      rows: [row],
    } = await runAtOnce(
      connection,
      `${asLoggedIn}; SET timezone = 'UTC'; SET datestyle = 'ISO';
       SELECT pid, backend_start::pg_catalog.text AS started FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()`,
      options.config.connectTimeoutMs,
    ));
  } catch (error) {
    connection?.destroy();
    signal.throwIfAborted();
    throw translateConnecting(error, `Connecting to ${describeServer(options.config)}`, when);
  }
  const identity = { pid: Number(row?.['pid']), startedAt: row?.['started'] ?? '' };
  const session = new PostgresSession(connection, identity, options.ender);
  return await disposingOnFailure(session, async () => {
    await session.execute(settingStatements(options), signal);
    return session;
  });
}

/** Who is connected to, without user and password. */
export function describeServer(config: ConnectionConfig): string {
  return config.host.startsWith('/') ? `${config.host}/.s.PGSQL.${config.port}` : addressText(config);
}

/** How long a statement of a session waits for a lock, milliseconds, unless it is told otherwise. */
export const usualLockTimeoutMs = 5_000;

/**
 * Settings that decide how the server writes values as text. Keys are compared as text, so every session must have them.
 *
 * How it reads them is as the role or the database has it (the time zone, the order of day and month), for a conversion must give
 * what the server's own ALTER would give that user: `timestamp` to `timestamptz`, or `USING day::date`. That is of when the change was
 * planned: it comes behind these (`sessionSettings` of conversion-settings.ts). How the user's sessions write them counts where a value is
 * converted to a text: such a statement sets that for itself.
 */
export const outputSettings: readonly string[] = [
  "datestyle = 'ISO'",
  "intervalstyle = 'postgres'",
  'extra_float_digits = 3',
  "bytea_output = 'hex'",
  "xmlbinary = 'base64'",
  "lc_monetary = 'C'",
  'standard_conforming_strings = on',
  // A definition is compared with what it was.
  'quote_all_identifiers = off',
  // A key may be an array with the word NULL in it.
  'array_nulls = on',
];

/**
 * Where, and as what kind, tables and indexes are made that name neither: what is made for ourselves, such as the bookkeeping, is none of
 * what the role or the database has set for theirs. What the user has written is run by their settings (`withDefaults` of search-path.ts).
 */
export const ownPlaces: readonly string[] = ["default_tablespace = ''", 'default_table_access_method = heap'];

/**
 * The settings of all sessions. The role or the database may have set any of them to something else.
 *
 * synchronous_commit = local: a commit is on this server's disk before it counts, because a process that lived through a crash
 * of the server trusts what was confirmed to it. It does not wait for standbys: a failover to one that lags ends the run by its
 * claim (claim.ts), and the resume begins where the bookkeeping of that standby says.
 */
function settingStatements({ config, flavour, settings }: SessionOptions): string {
  const all = [
    ...outputSettings,
    ...(config.settings ?? []),
    // Names in our statements are qualified; what others put into a schema must not stand in for what we mean.
    'search_path = pg_catalog, pg_temp',
    ...ownPlaces,
    "default_transaction_isolation = 'read committed'",
    'default_transaction_read_only = off',
    'default_transaction_deferrable = off',
    // A policy that would hide rows from us is then an error.
    'row_security = off',
    'synchronous_commit = local',
    'statement_timeout = 0',
    `lock_timeout = ${usualLockTimeoutMs}`,
    // Sessions idle through throttled and paused hours, but never inside a transaction: only a frozen process does.
    'idle_session_timeout = 0',
    'idle_in_transaction_session_timeout = 60000',
    // A host that lost its power is noticed by the server, too.
    'tcp_keepalives_idle = 10',
    'tcp_keepalives_interval = 5',
    'tcp_keepalives_count = 3',
    // Compiling chunk statements costs more than it saves.
    'jit = off',
    // What reports need a role may be kept from; our statements are made for these, and would read the whole table each time.
    'enable_nestloop = on',
    'enable_indexscan = on',
    'enable_bitmapscan = on',
    'client_min_messages = notice',
    ...flavour.sessionSettings,
    ...(settings ?? []),
  ];
  return [...all.map((assignment) => `SET ${assignment}`), asOrigin].join('; ');
}

/** As a replica a session checks no constraint by a trigger. Only who may set that can undo it; others are refused to try. */
const asOrigin = `SELECT pg_catalog.set_config('session_replication_role', 'origin', false)
  WHERE pg_catalog.has_parameter_privilege('session_replication_role', 'SET')`;

class PostgresSession implements OwnedSession {
  readonly identity: SessionIdentity;
  readonly #connection: Connection;
  readonly #watched: WatchedSession<Reply>;

  constructor(connection: Connection, identity: SessionIdentity, ender: SessionEnder) {
    this.identity = identity;
    this.#connection = connection;
    this.#watched = new WatchedSession(
      connectionDriver({ connection, identity, ender, nothing: 'SELECT', isLoss: isConnectionLoss, translate }),
    );
  }

  get pid(): number {
    return this.identity.pid;
  }

  get transaction(): TransactionState {
    return this.#connection.transaction;
  }

  get isUsable(): boolean {
    return this.#watched.isUsable;
  }

  async query(sql: string, signal: AbortSignal): Promise<readonly Row[]> {
    return (await this.#watched.run(sql, signal)).rows;
  }

  async queryEach(statements: readonly string[], signal: AbortSignal): Promise<readonly (readonly Row[])[]> {
    return (await this.#watched.run(statements.join('; '), signal)).each;
  }

  async execute(
    sql: string,
    signal: AbortSignal,
  ): Promise<{ readonly affectedRows: number; readonly notices: readonly string[] }> {
    const { affectedRows, notices } = await this.#watched.run(sql, signal);
    return { affectedRows, notices };
  }

  kill(): Promise<void> {
    return this.#watched.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#watched[Symbol.asyncDispose]();
  }
}

/** Does the work with other settings of the session, which get their usual values again whatever comes of it. */
export async function withSettings(
  session: Session,
  { set, restore }: { readonly set: string; readonly restore: string },
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  await session.execute(set, signal);
  try {
    await work();
  } finally {
    const { signal: always } = new AbortController();
    // A broken session is not used again.
    await session.execute(restore, always).catch(() => undefined);
  }
}
