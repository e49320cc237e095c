/** Keeps the log coming: connects, notices a dead peer, connects again where it stopped, a bounded number of times. */

import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { Clock, OnReconnect } from '../engine/ports.ts';
import { pauseAfter } from '../engine/retry.ts';
import { RECONNECT_PAUSES } from '../sessions/pause.ts';
import { openDump, type Dump, type DumpRequest } from './binlog-connection.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { isPasswordRefused } from './errors.ts';
import type { LogPlace } from './position.ts';

export interface FeedLimits {
  /** The server says something at least this often; after three times that in silence the connection counts as dead. */
  readonly heartbeatMs: number;
  /** Attempts to connect again in a row. */
  readonly reconnectsMax: number;
  /** How long the server waits for a paused reader. */
  readonly writeTimeoutSeconds: number;
}

export interface FeedOptions {
  readonly config: ConnectionConfig;
  readonly server: DumpRequest['server'];
  readonly clock: Clock;
  readonly limits: FeedLimits;
  readonly onReconnect: OnReconnect;
}

/** Who is fed. */
export interface FeedReceiver {
  /** From where to read; called before each connection. */
  readonly restart: () => LogPlace;
  /** How many transactions have come so far: progress since the last connection means that attempts are counted anew. */
  readonly received: () => number;
  /** One event; the bytes are good only during the call. Must not throw. */
  readonly event: (bytes: Buffer, start: number, end: number) => void;
  /** No more events will come. Called once. */
  readonly failed: (error: MigrationError) => void;
}

/** A connection that lasted this long had nothing wrong with it either. */
const STEADY_MS = 30_000;
const SILENT_HEARTBEATS_MAX = 3;

/** A connection whose first event has come. */
interface Connected {
  readonly since: number;
  readonly receivedBefore: number;
  /** Resolves with what ended it. */
  readonly ended: Promise<MigrationError>;
}

export class LogFeed {
  readonly #options: FeedOptions;
  readonly #receiver: FeedReceiver;
  readonly #closing = new AbortController();
  #dump: Dump | null = null;
  #isPaused = false;
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: FeedOptions, receiver: FeedReceiver) {
    this.#options = options;
    this.#receiver = receiver;
  }

  /** Connects, resolves with the first event, and goes on by itself. Rejects with what the server says. */
  async begin(signal: AbortSignal): Promise<void> {
    const first = await this.#connect(AbortSignal.any([signal, this.#closing.signal]));
    this.#keeping = this.#keep(first);
  }

  /** The server's id of the present connection. */
  get connectionId(): number | null {
    return this.#dump?.connectionId ?? null;
  }

  pause(): void {
    this.#isPaused = true;
    this.#dump?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#dump?.resume();
  }

  /** How many packets have come over the present connection. */
  get packets(): number {
    return this.#dump?.packets ?? 0;
  }

  /**
   * Looks away for a moment. Unlike a pause it is nobody's wish that nothing comes. Not while a connection is made: the driver loses a
   * statement that is sent on one that is paused, and the log would never begin.
   */
  rest(): void {
    if (!this.#isPaused && this.packets > 0) this.#dump?.pause();
  }

  /** Ends a rest; a pause goes on. */
  wake(): void {
    if (!this.#isPaused) this.#dump?.resume();
  }

  /** Ends the present connection as if it had been lost. */
  giveUp(why: string): void {
    this.#dump?.giveUp(why);
  }

  /** Closes the connection for good; `failed` is not called any more. */
  async close(): Promise<void> {
    this.#closing.abort(new MigrationError('INTERRUPTED', 'The change stream was closed.'));
    this.#dump?.close();
    await this.#keeping;
  }

  async #keep(first: Connected): Promise<void> {
    const { clock } = this.#options;
    let connected = first;
    let attempts = 0;
    try {
      for (;;) {
        const reason = await connected.ended;
        if (this.#closing.signal.aborted) return;
        const isProgress = this.#receiver.received() > connected.receivedBefore;
        if (isProgress || clock.now() - connected.since >= STEADY_MS) attempts = 0;
        [connected, attempts] = await this.#reconnect(reason, attempts);
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#receiver.failed(asMigrationError(error));
    }
  }

  async #reconnect(lost: MigrationError, attemptsBefore: number): Promise<[Connected, number]> {
    const { clock, limits, onReconnect } = this.#options;
    let cause = lost;
    for (let attempt = attemptsBefore + 1; attempt <= limits.reconnectsMax; attempt += 1) {
      if (!cause.isTransient) throw cause;
      onReconnect({ attempt, cause });
      await clock.sleep(pauseAfter(attempt, RECONNECT_PAUSES, clock), this.#closing.signal);
      try {
        return [await this.#connect(this.#closing.signal), attempt];
      } catch (error) {
        cause = asMigrationError(error);
      }
    }
    if (!cause.isTransient) throw cause;
    const message = `The connection that reads the log could not be had again in ${limits.reconnectsMax} attempts: ${cause.message}`;
    throw new MigrationError('STREAM_BROKEN', message, { cause });
  }

  async #connect(signal: AbortSignal): Promise<Connected> {
    const { password, ssl } = this.#options.config;
    await ssl?.renew();
    return await password.login(() => this.#open(signal), isPasswordRefused, signal);
  }

  async #open(signal: AbortSignal): Promise<Connected> {
    signal.throwIfAborted();
    const { config, clock, limits, server } = this.#options;
    const firstEvent = deferred<void>();
    const end = deferred<MigrationError>();
    const place = this.#receiver.restart();
    const receivedBefore = this.#receiver.received();
    this.#isPaused = false;
    const serverId = 2 ** 31 + Math.floor(clock.random() * (2 ** 31 - 1));
    let isFirst = true;
    const dump = openDump(
      { config, server, place, serverId, ...limits },
      {
        event: (bytes, from, to) => {
          if (isFirst) firstEvent.resolve();
          isFirst = false;
          this.#receiver.event(bytes, from, to);
        },
        ended: end.resolve,
      },
    );
    this.#dump = dump;
    const abort = (): void => end.resolve(asMigrationError(signal.reason));
    const close = (): void => end.resolve(asMigrationError(this.#closing.signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    this.#closing.signal.addEventListener('abort', close, { once: true });
    const watch = new AbortController();
    void end.promise.then((reason) => {
      watch.abort();
      firstEvent.reject(reason);
      this.#closing.signal.removeEventListener('abort', close);
    });
    void this.#watch(dump, watch.signal);
    try {
      await firstEvent.promise;
      return { since: clock.now(), receivedBefore, ended: end.promise };
    } catch (error) {
      dump.close();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Gives a connection up when nothing comes, although somebody listens. Never rejects. */
  async #watch(dump: Dump, over: AbortSignal): Promise<void> {
    const { clock, limits } = this.#options;
    let packets = -1;
    let silent = 0;
    const signal = AbortSignal.any([over, this.#closing.signal]);
    while (!signal.aborted) {
      await clock.sleep(limits.heartbeatMs, signal).catch(() => {});
      silent = this.#isPaused || dump.packets !== packets ? 0 : silent + 1;
      packets = dump.packets;
      if (silent >= SILENT_HEARTBEATS_MAX && !signal.aborted) {
        dump.giveUp(`nothing came for ${silent * limits.heartbeatMs} ms, not even a heartbeat`);
      }
    }
  }
}

/** A promise with its ends in hand. */
function deferred<Value>(): {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (reason: unknown) => void;
} {
  let resolve: (value: Value) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
