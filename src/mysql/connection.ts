/** One mysql2 connection, tamed: text in, text out, every failure a rejection, nothing left to defaults of the driver. */

import {
  createConnection,
  type Connection as DriverHandle,
  type ConnectionOptions,
  type QueryError,
  type ResultSetHeader,
  type TypeCastField,
} from 'mysql2';
import type { Socket } from 'node:net';
import type { DriverConnection } from '../sessions/connection-driver.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { isPasswordRefused } from './errors.ts';
import type { Row } from './session.ts';

/** What a statement gave; of several, nothing that is meant. `rows` is empty for a statement that returns none. */
export interface Reply {
  readonly rows: readonly Row[];
  /** Rows really changed (not: matched). */
  readonly affectedRows: number;
  readonly warnings: number;
}

/** See `DriverConnection`. */
export interface Connection extends DriverConnection<Reply> {
  readonly connectionId: number;
}

/** Probing begins after this; the probes also keep the state of NAT gateways and firewalls alive. */
const keepAliveDelayMs = 10_000;

/** The first byte of a packet that tells an error. */
const errorMark = 0xff;

/** What only some connections are to do. */
export interface ConnectionUse {
  /** Whether one message may hold several statements, with `;` between them; those after one that fails are not run. */
  readonly takesSeveral?: boolean | undefined;
}

/**
 * Connects. Rejects with the driver's error, with the signal's reason, or with that for which a password cannot be read. `PREFERRED`
 * falls back to plain text.
 */
export async function connect(config: ConnectionConfig, signal: AbortSignal, use: ConnectionUse = {}): Promise<Connection> {
  await config.ssl?.renew();
  return await config.password.login(() => openEitherWay(config, use, signal), isPasswordRefused, signal);
}

async function openEitherWay(config: ConnectionConfig, use: ConnectionUse, signal: AbortSignal): Promise<Connection> {
  try {
    return await open(config, use, signal);
  } catch (error) {
    if (!config.isTlsOptional || (error as QueryError).code !== 'HANDSHAKE_NO_SSL_SUPPORT') throw error;
    return open({ ...config, ssl: null }, use, signal);
  }
}

function open(config: ConnectionConfig, { takesSeveral = false }: ConnectionUse, signal: AbortSignal): Promise<Connection> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const driver = createConnection({ ...driverOptions(config), multipleStatements: takesSeveral });
    takeFarewell(driver);
    const connection = new MySqlConnection(driver);
    const giveUp = (reason: unknown): void => {
      signal.removeEventListener('abort', abort);
      connection.destroy();
      reject(reason);
    };
    const abort = (): void => giveUp(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    // Both stay for the life of the connection: an 'error' event without a listener would end the process.
    driver.on('error', giveUp);
    // Once the connection is destroyed the driver says nothing more, so this may be all that is heard of a server that dies
    // while it is connected to.
    driver.on('end', () => giveUp(lossError()));
    driver.once('connect', () => {
      signal.removeEventListener('abort', abort);
      resolve(connection);
    });
  });
}

class MySqlConnection implements Connection {
  readonly #driver: DriverHandle;
  readonly #pending = new Set<(error: Error) => void>();
  #isOpen = true;

  constructor(driver: DriverHandle) {
    this.#driver = driver;
  }

  get connectionId(): number {
    return this.#driver.threadId;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  run(sql: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (!this.#isOpen) {
        reject(lossError());
        return;
      }
      this.#pending.add(reject);
      this.#driver.query({ sql }, (error: QueryError | null, result: unknown) => {
        this.#pending.delete(reject);
        if (error === null) return resolve(replyFrom(result));
        // Who waited for an answer is told of a loss, and nobody else.
        if (socketOf(this.#driver).destroyed) this.destroy();
        reject(error);
      });
    });
  }

  async end(limitMs: number): Promise<void> {
    if (!this.#isOpen) return;
    const socket = socketOf(this.#driver);
    const closed = new Promise<void>((resolve) => {
      if (socket.destroyed) resolve();
      else socket.once('close', resolve);
    });
    const timer = setTimeout(() => this.destroy(), limitMs);
    this.#driver.end();
    await closed;
    clearTimeout(timer);
    this.destroy();
  }

  destroy(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // The driver's own destroy() only ends the writing side, and leaves the statement in hand waiting for ever.
    this.#driver.destroy();
    socketOf(this.#driver).destroy();
    for (const fail of this.#pending) fail(lossError());
    this.#pending.clear();
  }
}

/** Missing in the driver's types; with TLS it is another one than at first. */
export function socketOf(driver: DriverHandle): Socket {
  return (driver as DriverHandle & { readonly stream: Socket }).stream;
}

/** What the driver's types leave out. */
interface DriverInside {
  /** Of the packet that is expected. */
  sequenceId: number;
  handlePacket: (packet?: { readonly sequenceId: number; peekByte(): number }) => void;
}

/**
 * A server that ends a session for its silence says so (MySQL from 8.0.24 on, error 4031), in a packet that no statement has asked for.
 * Where it meets one, such as when this process was stopped for long, that is told of it as it should; but the driver first prints
 * on stderr that the number of the packet is another than expected.
 */
function takeFarewell(driver: DriverHandle): void {
  const inside = driver as DriverHandle & DriverInside;
  const handle = inside.handlePacket.bind(driver);
  inside.handlePacket = (packet) => {
    if (packet?.peekByte() === errorMark) inside.sequenceId = packet.sequenceId;
    handle(packet);
  };
}

function lossError(): Error {
  return Object.assign(new Error('The connection was closed'), { code: 'PROTOCOL_CONNECTION_LOST', fatal: true });
}

/** How any connection of ours gets there and logs in. */
export function loginOptions(config: ConnectionConfig): ConnectionOptions {
  return {
    ...(config.socketPath === null ? { host: config.host, port: config.port } : { socketPath: config.socketPath }),
    ...(config.user === null ? {} : { user: config.user }),
    ...(config.password.known === null ? {} : { password: config.password.known }),
    ...(config.ssl === null || config.socketPath !== null ? {} : { ssl: config.ssl.known }),
    connectTimeout: config.connectTimeoutMs,
    enableKeepAlive: true,
    keepAliveInitialDelay: keepAliveDelayMs,
    connectAttributes: { program_name: 'tableshift' },
  };
}

function driverOptions(config: ConnectionConfig): ConnectionOptions {
  return {
    ...loginOptions(config),
    // By default the driver asks for IGNORE_SPACE, which changes how SQL is parsed, and for matched instead of changed rows.
    flags: ['-IGNORE_SPACE', '-FOUND_ROWS', '-LOCAL_FILES'],
    charset: 'UTF8MB4_BIN',
    timezone: 'Z',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    jsonStrings: true,
    typeCast: asText,
  };
}

/** The server's own text of every value, whatever its type. */
function asText(field: TypeCastField): string | null {
  // Spelled unlike the driver's own name for it, which makes it print a warning for JSON.
  return field.string('utf-8');
}

function replyFrom(result: unknown): Reply {
  if (Array.isArray(result)) return { rows: result as readonly Row[], affectedRows: 0, warnings: 0 };
  const header = result as ResultSetHeader;
  return { rows: [], affectedRows: header.affectedRows, warnings: header.warningStatus };
}
