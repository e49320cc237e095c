/** One pg connection, tamed: text in, text out, every failure a rejection, nothing left to the driver's defaults. */

import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import pg from 'pg';
import type { DriverConnection } from '../sessions/connection-driver.ts';
import type { TlsConfig } from '../sessions/tls.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { doneBefore, isConnectionLoss, isPasswordRefused } from './errors.ts';
import type { Row } from './session.ts';

/** What a statement gave. `rows` is empty for a statement that returns none. */
export interface Reply {
  readonly rows: readonly Row[];
  /** The rows of each statement, where several were sent. */
  readonly each: readonly (readonly Row[])[];
  /** By all of the statements. */
  readonly affectedRows: number;
  /** What the server said about it, from the level that client_min_messages sets: `DEBUG: rewriting table "t"`. */
  readonly notices: readonly string[];
}

/** `failed`: an error has ended it in all but name; only a roll-back is of use. */
export type TransactionState = 'none' | 'open' | 'failed';

/** See `DriverConnection`. Several statements, with `;` between, are one transaction and give the reply of the last. */
export interface Connection extends DriverConnection<Reply> {
  /** As the server told it with its last reply. */
  readonly transaction: TransactionState;
  /** What the server called its process when we connected; a pooler in between invents a number. */
  readonly announcedPid: number;
  readonly isEncrypted: boolean;
}

/** Probing begins after this; the probes also keep the state of NAT gateways and firewalls alive. */
const keepAliveDelayMs = 10_000;

/**
 * Whom a session is of, and what names mean in it; before anything else is said to the server. It is of who logged in: a role that is set
 * for the account (`ALTER ROLE app SET role = owner`) may not look at its other sessions, nor end them, nor replicate. A path that is set
 * may have a schema before pg_catalog, whose operators are not those that are meant: `pid = …` would find the sessions of others.
 */
export const asLoggedIn = 'SET ROLE NONE; SET search_path = pg_catalog, pg_temp';

/**
 * Lifts every time limit that the role or the database has set on its sessions, those that this server knows (`transaction_timeout`
 * is of 17). A statement that may be run again.
 */
export const liftTimeLimits = `SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN
  ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout')`;

/**
 * Connects. Rejects with the driver's error, with the signal's reason, or with that for which a password cannot be read. `prefer` falls
 * back to plain text.
 */
export async function connect(config: ConnectionConfig, applicationName: string, signal: AbortSignal): Promise<Connection> {
  await config.ssl?.renew();
  return await config.password.login(() => openEitherWay(config, applicationName, signal), isPasswordRefused, signal);
}

async function openEitherWay(config: ConnectionConfig, applicationName: string, signal: AbortSignal): Promise<Connection> {
  try {
    return await open(config, applicationName, signal);
  } catch (error) {
    if (!config.isTlsOptional || !(error instanceof Error) || !error.message.includes('does not support SSL')) throw error;
    return open({ ...config, ssl: null }, applicationName, signal);
  }
}

/**
 * A configuration as the driver takes it, also for a replication connection. Everything is given, so that the driver takes
 * nothing from elsewhere. Settings of the session are made with SET, which works everywhere and wins.
 */
export function clientConfig(config: ConnectionConfig, applicationName: string): pg.ClientConfig {
  return {
    host: config.host,
    port: config.port,
    user: config.user,
    database: config.database,
    password: () => config.password.known ?? '',
    ssl: config.ssl === null ? false : tlsOptions(config.ssl.known, config.host),
    enableChannelBinding: true,
    application_name: applicationName,
    ...(config.options === null ? {} : { options: config.options }),
    connectionTimeoutMillis: config.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
    // The server's own text of every value, whatever its type.
    types: { getTypeParser: () => (text: string) => text },
  };
}

function tlsOptions(tls: TlsConfig, host: string): pg.ClientConfig['ssl'] {
  const { verifyIdentity, ...options } = tls;
  return {
    ...options,
    checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
      verifyIdentity ? checkServerIdentity(host, certificate) : undefined,
  };
}

async function open(config: ConnectionConfig, applicationName: string, signal: AbortSignal): Promise<Connection> {
  signal.throwIfAborted();
  const client = new pg.Client(clientConfig(config, applicationName)) as DriverClient;
  const connection = new PostgresConnection(client, config.ssl !== null);
  let abort = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      abort = (): void => {
        connection.destroy();
        reject(signal.reason);
      };
      signal.addEventListener('abort', abort, { once: true });
      client.connect().then(() => resolve(), reject);
    });
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What the driver has and its types leave out. */
type DriverClient = pg.Client & {
  readonly processID: number;
  readonly connection: {
    readonly stream: { destroy(): void; once(event: 'close', listener: () => void): void; readonly destroyed: boolean };
    on(event: 'readyForQuery', listener: (message: { readonly status: string }) => void): void;
    once(event: 'readyForQuery', listener: () => void): void;
    on(event: 'commandComplete', listener: () => void): void;
  };
};

class PostgresConnection implements Connection {
  readonly isEncrypted: boolean;
  readonly #client: DriverClient;
  readonly #pending = new Set<(error: Error) => void>();
  #isOpen = true;
  #transaction: TransactionState = 'none';
  #notices: string[] = [];
  /** Of the statements that were sent last. */
  #done = 0;

  constructor(client: DriverClient, isEncrypted: boolean) {
    this.#client = client;
    this.isEncrypted = isEncrypted;
    // Stays for the life of the connection: an 'error' event without a listener would end the process.
    client.on('error', () => this.destroy());
    client.on('end', () => this.destroy());
    client.on('notice', ({ severity, message }) => this.#notices.push(`${severity ?? ''}: ${message ?? ''}`));
    client.connection.on('commandComplete', () => {
      this.#done += 1;
    });
    client.connection.on('readyForQuery', ({ status }) => {
      this.#transaction = status === 'I' ? 'none' : status === 'T' ? 'open' : 'failed';
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get transaction(): TransactionState {
    return this.#transaction;
  }

  get announcedPid(): number {
    return this.#client.processID;
  }

  run(sql: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (!this.#isOpen) {
        reject(lossError());
        return;
      }
      this.#pending.add(reject);
      this.#notices = [];
      this.#done = 0;
      // The driver reports an error before the server is ready again, that is, before the transaction's state is known.
      const ready = new Promise<void>((isReady) => {
        this.#client.connection.once('readyForQuery', isReady);
      });
      this.#client.query(sql).then(
        (result) => {
          this.#pending.delete(reject);
          resolve(replyFrom(result, this.#notices));
        },
        (error: unknown) => {
          if (error instanceof pg.DatabaseError) Object.assign(error, { [doneBefore]: this.#done });
          const settle = (): void => {
            if (this.#pending.delete(reject)) reject(error);
          };
          ready.then(settle, settle);
          if (!this.#isOpen || !(error instanceof pg.DatabaseError) || isConnectionLoss(error)) settle();
        },
      );
    });
  }

  async end(limitMs: number): Promise<void> {
    if (!this.#isOpen) return;
    const { stream } = this.#client.connection;
    const closed = new Promise<void>((resolve) => {
      if (stream.destroyed) resolve();
      else stream.once('close', resolve);
    });
    const timer = setTimeout(() => this.destroy(), limitMs);
    this.#client.end().catch(() => undefined);
    await closed;
    clearTimeout(timer);
    this.destroy();
  }

  destroy(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#client.connection.stream.destroy();
    for (const fail of this.#pending) fail(lossError());
    this.#pending.clear();
  }
}

function lossError(): Error {
  return new Error('The connection was closed');
}

/** Several statements give several results. */
function replyFrom(result: pg.QueryResult | readonly pg.QueryResult[], notices: readonly string[]): Reply {
  const results = Array.isArray(result) ? (result as readonly pg.QueryResult[]) : [result as pg.QueryResult];
  const each = results.map(({ rows }) => rows as readonly Row[]);
  const affectedRows = results.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0);
  return { rows: each.at(-1) ?? [], each, affectedRows, notices };
}
