/**
 * Committed changes of the source from the write-ahead log: a slot, a publication of the key columns, pgoutput, and our own
 * reading of the replication protocol (docs/decisions/postgres-stream.md says why).
 */

import { randomUUID } from 'node:crypto';
import { type ErrorCode, MigrationError } from '../engine/errors.ts';
import type { Fence, Position } from '../engine/model.ts';
import type { ChangeBatch, ChangeStream, OnReconnect, OnWarning } from '../engine/ports.ts';
import { pauseAfter } from '../engine/retry.ts';
import { Condition } from '../engine/tasks.ts';
import { hasPassed, RECONNECT_PAUSES, RECONNECTS_MAX } from '../sessions/pause.ts';
import { Flow, FLOW_REST_MS, ReadingRest } from '../sessions/reading-rest.ts';
import { systemClock } from '../sessions/system-clock.ts';
import { BatchCollector, type BatchScope } from './change-batches.ts';
import { parseMessage } from './pgoutput.ts';
import { type Lsn, lsnOf, parseLsn, positionAt } from './position.ts';
import { type FeedLimits, type FeedOptions, refuseToBeStandby, ReplicationFeed } from './replication-feed.ts';
import { findSlot } from './replication-slot.ts';
import type { SessionPool } from './session.ts';
import type { SourceWatch } from './source-watch.ts';
import { quoteText } from './statements.ts';
import { VisibilityBarrier } from './visibility.ts';

export interface ChangeStreamOptions extends Omit<FeedOptions, 'limits'> {
  /** For fences and the barrier. */
  readonly sessions: SessionPool;
  readonly source: BatchScope['source'];
  /** Names of the key's columns, in key order. */
  readonly keyColumns: readonly string[];
  /** Where to begin: the slot's consistent point, or the checkpoint's token. */
  readonly from: string;
  readonly limits?: Partial<StreamLimits>;
  /** Looked at again and again; `batches` rejects with what it rejects with. */
  readonly watch?: SourceWatch;
}

/** Bounds, each with a default. */
export interface StreamLimits extends FeedLimits {
  /** Changes collected beyond this make us stop reading from the socket. */
  readonly changesMax: number;
  /** Attempts to connect again in a row. */
  readonly reconnectsMax: number;
  /** How long a logged transaction may take to become visible, milliseconds. */
  readonly visibilityTimeoutMs: number;
}

const defaultLimits: StreamLimits = {
  // A key of 100 bytes makes this some 2 MB; one as long as an index allows, 20 MB.
  changesMax: 5_000,
  reconnectsMax: RECONNECTS_MAX,
  statusMs: 5_000,
  silenceMs: 15_000,
  visibilityTimeoutMs: 60_000,
};
/** A connection that lasted this long had nothing wrong with it, even if nothing came. */
const steadyMs = 30_000;
/** Between looks at the source, most of which are glances. */
const lookMs = 1_000;
const looksPerCheck = 5;
const toldByWatch: ReadonlySet<string> = new Set<ErrorCode>([
  'SOURCE_CHANGED',
  'SHADOW_CHANGED',
  'SHADOW_PUBLISHED',
  'STREAM_BROKEN',
]);
const fencePrefix = 'tableshift';
/** Of things that the server warns of, so many different ones are told. */
const warningsMax = 20;

/** Opens the stream; the slot and the publication exist. Rejects with LOG_PURGED if the slot cannot give the position any more. */
export async function openChangeStream(options: ChangeStreamOptions, signal: AbortSignal): Promise<ChangeStream> {
  const stream = new WalStream(options);
  await stream.connect(signal);
  stream.watch();
  return stream;
}

class WalStream implements ChangeStream {
  readonly start: Position;
  readonly #options: ChangeStreamOptions;
  readonly #limits: StreamLimits;
  readonly #collector: BatchCollector;
  readonly #barrier: VisibilityBarrier;
  readonly #news = new Condition();
  readonly #run = randomUUID();
  readonly #rest = new ReadingRest({
    received: () => this.#feed?.frames ?? 0,
    pause: () => this.#feed?.rest(),
    resume: () => this.#feed?.wake(),
  });
  readonly #flow = new Flow();
  readonly #closed = new AbortController();
  readonly #warnings = new Set<string>();
  #feed: ReplicationFeed | null = null;
  #formerPid: number | null = null;
  #failure: MigrationError | null = null;
  #acknowledged: Lsn;
  #fences = 0;
  #onReconnect: OnReconnect | null = null;
  #onWarning: OnWarning | null = null;
  #attempts = 0;
  #connectedAt = 0;
  #connectedBehind: Position;
  #watching: Promise<void> | null = null;

  constructor(options: ChangeStreamOptions) {
    const from = parseLsn(options.from);
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.start = positionAt(from);
    this.#connectedBehind = this.start;
    this.#acknowledged = from;
    this.#barrier = new VisibilityBarrier(options.sessions, this.#limits.visibilityTimeoutMs);
    const { source, keyColumns } = options;
    this.#collector = new BatchCollector({ source, keyColumns, fencePrefix, run: this.#run }, this.start, (xid, order) =>
      this.#barrier.add(xid, order),
    );
  }

  /** Opens a connection and begins behind the last wholly received transaction. */
  async connect(signal: AbortSignal): Promise<void> {
    this.#collector.restart();
    this.#failure = null;
    const from = this.#collector.position;
    const feed = await ReplicationFeed.open(
      { ...this.#options, limits: this.#limits },
      {
        payload: (bytes) => this.#take(bytes),
        warned: (message) => this.#warn(message),
        failed: (error) => this.#fail(error),
        flushed: () => this.#acknowledged,
        probe: (inner) => this.#checkSlot(inner),
      },
      { from, formerPid: this.#formerPid },
      signal,
    );
    this.#feed = feed;
    this.#formerPid = feed.pid;
    this.#connectedAt = performance.now();
    this.#connectedBehind = from;
    if (this.#closed.signal.aborted || this.#failure !== null) feed.close();
  }

  /**
   * Looks at the source, and whether commits have come to wait for us, until the stream is closed. A look that fails is no answer; there
   * is another one.
   */
  watch(): void {
    const { watch, sessions } = this.#options;
    const { signal } = this.#closed;
    const look = async (isCheck: boolean): Promise<void> => {
      await sessions.withSession((session) => refuseToBeStandby((sql, inner) => session.query(sql, inner), signal), signal);
      await (isCheck ? watch?.check : watch?.glance)?.(signal);
    };
    const lookOn = async (): Promise<void> => {
      for (let looks = 1; await hasPassed(lookMs, signal); looks++) {
        await look(looks % looksPerCheck === 0).catch((error: unknown) => {
          if (error instanceof MigrationError && toldByWatch.has(error.code)) this.#fail(error);
        });
      }
    };
    this.#watching = lookOn();
  }

  async *batches(signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    try {
      yield* this.#read(signal);
    } catch (error) {
      // Reading ends when it is aborted; that is no failure.
      if (!signal.aborted) throw error;
    } finally {
      this.#rest.end();
    }
  }

  async *#read(signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    for (;;) {
      const askedAt = performance.now();
      while (!this.#collector.hasNews && this.#failure === null) await this.#news.changed(signal);
      signal.throwIfAborted();
      this.#flow.note(performance.now() - askedAt);
      if (this.#collector.hasNews) {
        const batch = this.#collector.take();
        this.#feed?.resume();
        this.#rest.begin();
        yield batch;
        this.#rest.end();
        if (this.#flow.isSteady) await this.#lookAway(signal);
      } else if (this.#failure !== null) {
        await this.#reconnect(this.#failure, signal);
      }
    }
  }

  /** The server sends each change by itself, as soon as it has decoded it; what comes meanwhile is read at once. */
  async #lookAway(signal: AbortSignal): Promise<void> {
    this.#feed?.rest();
    await systemClock.sleep(FLOW_REST_MS, signal);
    this.#feed?.wake();
  }

  async placeFence(signal: AbortSignal): Promise<Fence> {
    const number = ++this.#fences;
    // Transactional: it comes out at its commit, behind every commit logged before. Locks nothing. Repeating places another.
    const statement = `SELECT pg_catalog.pg_logical_emit_message(true, ${quoteText(fencePrefix)}, ${quoteText(`${this.#run}:${number}`)})`;
    await this.#options.sessions.withSession((session) => session.query(statement, signal), signal);
    return number as Fence;
  }

  async awaitVisible(reach: Position, signal: AbortSignal): Promise<void> {
    await this.#barrier.awaitVisible(reach.order, signal);
  }

  watchReconnects(told: OnReconnect): void {
    this.#onReconnect = told;
  }

  watchWarnings(told: OnWarning): void {
    this.#onWarning = told;
    for (const message of this.#warnings) told(message);
    this.#options.watch?.listen?.((message) => told(message, 'the source'));
  }

  async acknowledge(position: Position, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const lsn = lsnOf(position);
    if (lsn > this.#acknowledged) this.#acknowledged = lsn;
    this.#feed?.sendStatus();
    await Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new MigrationError('INTERRUPTED', 'The change stream was closed.');
    this.#feed?.close();
    this.#feed = null;
    this.#closed.abort(this.#failure);
    await this.#watching;
    this.#news.notify();
  }

  /**
   * Asked while we do not read: the server can then neither end the process that sends to us, nor finish a checkpoint that has to
   * take the slot away from it.
   */
  async #checkSlot(signal: AbortSignal): Promise<void> {
    const { sessions, slot } = this.#options;
    const state = await sessions.withSession((session) => findSlot(session, slot, signal), signal);
    if (state?.walStatus === 'reserved' || state?.walStatus === 'extended') return;
    throw new MigrationError('CONNECTION_LOST', `The replication slot ${slot} keeps more log than the server allows.`);
  }

  #take(payload: Buffer): void {
    const hadNews = this.#collector.hasNews;
    this.#collector.add(parseMessage(payload));
    if (this.#collector.size >= this.#limits.changesMax) this.#feed?.pause();
    // Who waits was told by the first.
    if (!hadNews && this.#collector.hasNews) this.#news.notify();
  }

  /** The server repeats itself for as long as it waits. */
  #warn(message: string): void {
    if (this.#warnings.has(message) || this.#warnings.size >= warningsMax) return;
    this.#warnings.add(message);
    this.#onWarning?.(message);
  }

  /** Closes the connection and keeps the first reason. */
  #fail(error: MigrationError): void {
    this.#failure ??= error;
    this.#feed?.close();
    this.#news.notify();
  }

  /** Goes on behind the last wholly received transaction. Anything but a lost connection is for the consumer. */
  async #reconnect(cause: MigrationError, signal: AbortSignal): Promise<void> {
    if (!cause.isTransient) throw cause;
    const hasProgressed = this.#collector.position.order > this.#connectedBehind.order;
    if (hasProgressed || performance.now() - this.#connectedAt > steadyMs) this.#attempts = 0;
    let last = cause;
    while (this.#attempts < this.#limits.reconnectsMax) {
      this.#attempts += 1;
      this.#onReconnect?.({ attempt: this.#attempts, cause: last });
      await systemClock.sleep(pauseAfter(this.#attempts, RECONNECT_PAUSES, systemClock), signal);
      try {
        await this.connect(signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof MigrationError) || !error.isTransient) throw error;
        last = error;
      }
    }
    throw new MigrationError(
      'STREAM_BROKEN',
      `The change stream could not be kept up in ${this.#limits.reconnectsMax} attempts: ${last.message} Resume when the server can be reached.`,
      { cause: last },
    );
  }
}
