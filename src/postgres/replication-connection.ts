/**
 * A connection in replication mode: commands one at a time, then a stream of frames in both directions. The driver hands out
 * views on a buffer that it uses again, and delivers a frame again for ever when its handler throws; so the handler that is
 * given here reads at once and never throws.
 */

import type { Socket } from 'node:net';
import pg from 'pg';
import type { ClientConfig } from 'pg';
import { MigrationError } from '../engine/errors.ts';
import { pauseAtOnce } from '../sessions/reading-rest.ts';
import { asLoggedIn, clientConfig, liftTimeLimits } from './connection.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { isPasswordRefused, sqlState, translate, translateConnecting } from './errors.ts';
import { outputSettings, type Row } from './session.ts';

/** What the driver offers on a connection and its types leave out. */
interface DriverConnection {
  readonly stream: Socket;
  on(event: 'copyData', listener: (message: { readonly chunk: Buffer }) => void): void;
  once(event: 'replicationStart', listener: () => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
}

/** What comes out of a stream. */
export interface StreamHandlers {
  /** Reads the bytes before it returns, and never throws. */
  readonly onFrame: (bytes: Buffer) => void;
  /** The server goes on, but has something to say. */
  readonly onWarning: (message: string) => void;
  /** The stream has ended. Called once. */
  readonly onFailure: (error: MigrationError) => void;
}

/** One replication connection. Disposing it closes it. */
export class ReplicationConnection implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #connection: DriverConnection;
  readonly #answerMs: number;
  #failure: MigrationError | null = null;
  #onFailure: (error: MigrationError) => void = () => {};
  #isClosed = false;

  private constructor(client: pg.Client, answerMs: number) {
    this.#client = client;
    this.#answerMs = answerMs;
    this.#connection = (client as unknown as { readonly connection: DriverConnection }).connection;
    client.on('error', (error) => this.#fail(error));
    client.on('end', () => this.#fail(new Error('the connection was closed')));
  }

  /** Connects. Rejects with a MigrationError: CONNECTION_LOST, ACCESS_DENIED, SERVER_BUSY. `prefer` falls back to plain text. */
  static async open(config: ConnectionConfig, applicationName: string, signal: AbortSignal): Promise<ReplicationConnection> {
    const open = (): Promise<ReplicationConnection> => ReplicationConnection.#open(config, applicationName, signal);
    await config.ssl?.renew();
    return await config.password.login(open, isPasswordRefused, signal);
  }

  static async #open(config: ConnectionConfig, applicationName: string, signal: AbortSignal): Promise<ReplicationConnection> {
    signal.throwIfAborted();
    const connection = new ReplicationConnection(new pg.Client(replicating(config, applicationName)), config.connectTimeoutMs);
    try {
      await connection.#closingOnAbort(() => connection.#client.connect(), signal);
      await connection.command(asLoggedIn, signal);
      // Making a slot, and reading from it, wait for as long as others take; who waits here has limits of his own.
      await connection.command(liftTimeLimits, signal);
      // The values of keys must be written here as in all sessions.
      const settings = [...outputSettings, ...(config.settings ?? []), 'client_min_messages = warning'];
      for (const setting of settings) await connection.command(`SET ${setting}`, signal);
      return connection;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      signal.throwIfAborted();
      if (
        config.isTlsOptional &&
        config.ssl !== null &&
        error instanceof Error &&
        error.message.includes('does not support SSL')
      ) {
        return await ReplicationConnection.#open({ ...config, ssl: null }, applicationName, signal);
      }
      throw error instanceof MigrationError ? error : translateConnecting(error, openingFor(config, error), 'again');
    }
  }

  /** The server's process, or null before it has said so. */
  get pid(): number | null {
    return (this.#client as unknown as { readonly processID: number | null }).processID;
  }

  /** Runs what the server answers at once: where it does not, the connection went dead in silence, and CONNECTION_LOST is the end. */
  async command(text: string, signal: AbortSignal): Promise<readonly Row[]> {
    const timer = setTimeout(() => this.destroy(), this.#answerMs);
    try {
      return await this.longCommand(text, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs a command for which the server may wait. Aborting closes the connection, which ends it on the server. */
  async longCommand(text: string, signal: AbortSignal): Promise<readonly Row[]> {
    signal.throwIfAborted();
    try {
      const result = await this.#closingOnAbort(() => this.#client.query<Row>(text), signal);
      return result.rows;
    } catch (error) {
      signal.throwIfAborted();
      throw translate(error, `The command "${text.slice(0, 60)}"`);
    }
  }

  /** Turns the connection into a stream. Rejects with what the server says against it. */
  async stream(command: string, handlers: StreamHandlers, signal: AbortSignal): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    pauseAtOnce(this.#connection.stream);
    this.#connection.on('copyData', ({ chunk }) => handlers.onFrame(chunk));
    this.#client.on('notice', ({ message, detail }) => handlers.onWarning([message, detail].flatMap(sentenceOf).join(' ')));
    const begin = (): Promise<void> =>
      new Promise((resolve, reject) => {
        this.#connection.once('replicationStart', resolve);
        this.#onFailure = (error) => {
          reject(error);
          handlers.onFailure(error);
        };
        // Stays pending while the stream runs; its rejection is how the server tells why it ended.
        this.#client.query(command).catch((error: unknown) => this.#fail(error));
      });
    await this.#closingOnAbort(begin, signal);
  }

  send(bytes: Buffer): void {
    if (!this.#isClosed && this.#failure === null) this.#connection.sendCopyFromChunk(bytes);
  }

  pause(): void {
    this.#connection.stream.pause();
  }

  resume(): void {
    this.#connection.stream.resume();
  }

  /** Closes at once; the server ends what it was doing for us. */
  destroy(): void {
    this.#isClosed = true;
    this.#connection.stream.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#onFailure = () => {};
    this.destroy();
    await Promise.resolve();
  }

  /** Does what an abort ends by closing the connection. */
  async #closingOnAbort<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const onAbort = (): void => this.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await work();
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    const translated = translate(error, 'The replication connection');
    const isLost = translated.isTransient || this.#isClosed;
    const failure = isLost ? new MigrationError('CONNECTION_LOST', translated.message, { cause: error }) : translated;
    this.#failure = failure;
    this.#onFailure(failure);
  }
}

/** What the server says of a role that may not is that permission is denied, and not what for. */
function openingFor({ user }: ConnectionConfig, error: unknown): string {
  const isDenied = sqlState(error) === '42501';
  return `Opening a replication connection${isDenied ? `, for which the role ${user} needs the attribute REPLICATION,` : ''}`;
}

function sentenceOf(part: string | undefined): readonly string[] {
  return part === undefined ? [] : [`${part.replace(/\.$/, '')}.`];
}

function replicating(config: ConnectionConfig, applicationName: string): ClientConfig {
  const replication: ClientConfig & { readonly replication: string } = {
    ...clientConfig(config, applicationName),
    replication: 'database',
  };
  return replication;
}
