/**
 * The change stream from the binary log. The parts: a connection on which the server sends events (binlog-feed.ts,
 * binlog-connection.ts), a reader that makes transactions of them (binlog-reader.ts), a bounded queue that makes batches
 * (binlog-batches.ts), rows of ours that come by as fences (binlog-fences.ts), and the wait until what came by can be read
 * (binlog-visibility.ts).
 *
 *   reading ──queue full──▶ paused ──half empty──▶ reading
 *   reading, paused ──connection lost or silent──▶ reconnecting ──first event──▶ reading
 *   reading ──nobody asks, nothing comes──▶ resting ──somebody asks──▶ reading     (../sessions/reading-rest.ts)
 *   any ──anything that could miss a change, attempts used up──▶ failed: `batches` hands out what is left, then rejects
 */

import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { Observer } from '../engine/events.ts';
import type { Fence, Position, TableName } from '../engine/model.ts';
import type { ChangeBatch, ChangeStream, Clock, OnReconnect, OnWarning } from '../engine/ports.ts';
import { retry } from '../engine/retry.ts';
import { disposingOnFailure } from '../sessions/disposal.ts';
import { RECONNECTS_MAX } from '../sessions/pause.ts';
import { ReadingRest } from '../sessions/reading-rest.ts';
import { BatchQueue, type BatchLimits } from './binlog-batches.ts';
import { checkDistantWrites } from './binlog-distant-write.ts';
import { LogFeed, type FeedLimits } from './binlog-feed.ts';
import { Fences } from './binlog-fences.ts';
import { BinlogReader, changedWhileMigrated } from './binlog-reader.ts';
import { findStart, type StreamStart } from './binlog-start.ts';
import type { DistantWrite } from './binlog-statement.ts';
import { Visibility } from './binlog-visibility.ts';
import type { Column } from './catalog.ts';
import { LogPosition } from './position.ts';
import type { KeyColumn } from './row-key.ts';
import type { Server } from './server.ts';
import { describeIndexChanges, type IndexChanges } from './source-indexes.ts';
import type { SessionPool } from './session.ts';

/** What a stream is opened for. */
export interface ChangeStreamOptions {
  readonly server: Pick<Server, 'config' | 'flavour' | 'identity' | 'ignoresNameCase'>;
  /** For fences, barriers and questions: two sessions at the same time at most. */
  readonly sessions: SessionPool;
  /** The schema that has the table of `fenceTableDefinition`. */
  readonly bookkeeping: string;
  readonly source: TableName;
  /** Null where there is none yet that anybody could empty. */
  readonly shadow?: TableName | null;
  /** All columns of the source in table order, invisible and generated ones included: the log must show just these. */
  readonly columns: readonly Column[];
  readonly key: readonly KeyColumn[];
  /** Token of the position to go on from, or null for the present end of the log. */
  readonly from: string | null;
  /** A comment in the statement that swaps the tables; nothing behind that statement is delivered. Null: there is none. */
  readonly ownMark: string | null;
  readonly clock: Clock;
  /**
   * Asked once a statement came by that changes nothing but indexes of the source: what has changed of them; null where the shadow cannot
   * follow that. Absent: a change of an index is one of the source.
   */
  readonly findIndexChanges?: (signal: AbortSignal) => Promise<IndexChanges | null>;
  /** Told of each place from which a resume would now begin. */
  readonly onAcknowledge?: (position: LogPosition) => void;
  readonly limits?: Partial<StreamLimits>;
}

/** Bounds, each with a default. */
export interface StreamLimits extends BatchLimits, FeedLimits {
  /** How long a logged transaction may take to become visible, milliseconds. */
  readonly visibilityTimeoutMs: number;
}

const defaultLimits: StreamLimits = {
  changesMax: 5_000,
  bytesMax: 8 * 1024 * 1024,
  heartbeatMs: 5_000,
  reconnectsMax: RECONNECTS_MAX,
  writeTimeoutSeconds: 28_800,
  visibilityTimeoutMs: 60_000,
};

/** Closing waits no longer than this for the server to take our rows back and to end the connection. */
const closeLimitMs = 5_000;

/** The stream, and what it has seen beside its changes. */
export interface LoggedChanges extends ChangeStream {
  /** XA transactions with changes of the source that are prepared and not yet decided, as XA COMMIT names them. */
  undecided(): readonly string[];
  /** How many statements came by that changed nothing but indexes of the source. */
  readonly indexChanges: number;
}

/**
 * Opens a stream and waits until the server sends it. Rejects with LOG_PURGED if the position is gone, with ACCESS_DENIED
 * without REPLICATION SLAVE and REPLICATION CLIENT, and with STREAM_BROKEN if the position is of another server.
 */
export async function openChangeStream(options: ChangeStreamOptions, signal: AbortSignal): Promise<LoggedChanges> {
  const start = await options.sessions.withSession((session) => findStart(session, options, signal), signal);
  const stream = new BinlogChangeStream(options, start);
  return await disposingOnFailure(stream, async () => {
    await stream.begin(signal);
    return stream;
  });
}

class BinlogChangeStream implements LoggedChanges {
  readonly start: Position;
  readonly #options: ChangeStreamOptions;
  readonly #fences: Fences;
  readonly #queue: BatchQueue;
  readonly #reader: BinlogReader;
  readonly #feed: LogFeed;
  readonly #rest: ReadingRest;
  readonly #visibility: Visibility;
  #distantWrites: DistantWrite[] = [];
  /** Statements that came by and are not judged yet. */
  #indexStatements: string[] = [];
  #indexChanges = 0;
  #warn: OnWarning | null = null;
  #failure: MigrationError | null = null;
  #isPaused = false;
  #onReconnect: OnReconnect | null = null;
  #isClosed = false;

  constructor(options: ChangeStreamOptions, start: StreamStart) {
    const limits = { ...defaultLimits, ...options.limits };
    const { server, source, sessions, clock } = options;
    this.start = start.position;
    this.#options = options;
    this.#fences = new Fences(options.bookkeeping, sessions);
    this.#queue = new BatchQueue(start.position, limits);
    this.#reader = new BinlogReader({
      start: start.position,
      table: { columns: options.columns, key: options.key, defaults: start.defaults },
      source,
      shadow: options.shadow ?? null,
      areNamesCaseSensitive: !server.ignoresNameCase,
      charsets: start.charsets,
      ownMark: options.ownMark,
      fences: this.#fences,
      queue: this.#queue,
      onDistantWrite: (write) => this.#distantWrites.push(write),
      onIndexChange: options.findIndexChanges === undefined ? null : (statement) => this.#noteIndexChange(statement),
    });
    this.#feed = new LogFeed(
      { config: server.config, server, clock, limits, onReconnect: (reconnect) => this.#onReconnect?.(reconnect) },
      {
        restart: () => {
          this.#isPaused = false;
          return this.#reader.restart();
        },
        received: () => this.#reader.received,
        event: (bytes, from, to) => this.#take(bytes, from, to),
        failed: (error) => this.#fail(error),
      },
    );
    this.#rest = new ReadingRest({
      received: () => this.#feed.packets,
      pause: () => this.#feed.rest(),
      resume: () => this.#feed.wake(),
    });
    this.#visibility = new Visibility({
      sessions,
      clock,
      fences: this.#fences,
      flavour: server.flavour,
      prepared: this.#reader.prepared,
      timeoutMs: limits.visibilityTimeoutMs,
    });
  }

  begin(signal: AbortSignal): Promise<void> {
    return this.#feed.begin(signal);
  }

  async *batches(signal: AbortSignal): AsyncGenerator<ChangeBatch, void, undefined> {
    const wake = (): void => this.#queue.wakeNow();
    signal.addEventListener('abort', wake, { once: true });
    try {
      while (!signal.aborted && !this.#isClosed) {
        await this.#judgeDistantWrites(signal);
        await this.#judgeIndexStatements(signal);
        const batch = this.#queue.take();
        this.#goOn();
        if (batch !== null) {
          this.#rest.begin();
          yield batch;
          this.#rest.end();
        } else if (this.#failure !== null) throw this.#failure;
        else if (!signal.aborted && !this.#isClosed) await this.#queue.wait();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#rest.end();
      signal.removeEventListener('abort', wake);
    }
  }

  undecided(): readonly string[] {
    return this.#reader.prepared.undecided();
  }

  get indexChanges(): number {
    return this.#indexChanges;
  }

  watchWarnings(told: OnWarning): void {
    this.#warn = told;
  }

  placeFence(signal: AbortSignal): Promise<Fence> {
    return this.#fences.place(signal);
  }

  awaitVisible(reach: Position, signal: AbortSignal): Promise<void> {
    return this.#visibility.await(reach, signal);
  }

  readAnew(): void {
    this.#feed.giveUp('it lives, and nothing comes, not even a fence');
  }

  watchReconnects(told: OnReconnect): void {
    this.#onReconnect = told;
  }

  /** The server keeps its log by age and size, not by what its readers have seen. */
  acknowledge(position: Position): Promise<void> {
    if (position instanceof LogPosition) this.#options.onAcknowledge?.(position);
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { connectionId } = this.#feed;
    await this.#feed.close();
    this.#queue.wakeNow();
    await this.#cleanUp(connectionId);
  }

  /** Best effort: rows left behind are removed by a later stream, and the server ends the connection at the next heartbeat. */
  async #cleanUp(connectionId: number | null): Promise<void> {
    const limit = AbortSignal.timeout(closeLimitMs);
    const { sessions } = this.#options;
    const kill = async (): Promise<void> => {
      if (connectionId === null) return;
      await sessions.withSession((session) => session.execute(`KILL ${connectionId}`, limit), limit);
    };
    await Promise.allSettled([kill(), this.#fences.close(limit)]);
  }

  /** Runs in the driver's packet callback, so it must not throw. */
  #take(bytes: Buffer, from: number, to: number): void {
    if (this.#failure !== null) return;
    try {
      this.#reader.read(bytes, from, to);
      this.#readInner();
    } catch (error) {
      this.#fail(asMigrationError(error));
    }
  }

  /** Reads what a compressed transaction holds, as far as there is room for it. */
  #readInner(): void {
    while (this.#reader.hasInner && !this.#queue.isFull) this.#reader.readInner();
    if (this.#reader.hasInner || this.#queue.isFull) this.#pause();
  }

  #pause(): void {
    this.#isPaused = true;
    this.#feed.pause();
  }

  /** Reads on once half of what waited is gone. */
  #goOn(): void {
    if (!this.#isPaused || this.#failure !== null || !this.#queue.isHalfEmpty) return;
    try {
      while (this.#reader.hasInner && !this.#queue.isFull) this.#reader.readInner();
    } catch (error) {
      return this.#fail(asMigrationError(error));
    }
    if (this.#reader.hasInner || this.#queue.isFull) return;
    this.#isPaused = false;
    this.#feed.resume();
  }

  #fail(error: MigrationError): void {
    this.#failure ??= error;
    this.#pause();
    this.#queue.wakeNow();
  }

  #noteIndexChange(statement: string): void {
    this.#indexChanges += 1;
    this.#indexStatements.push(statement);
  }

  async #judgeIndexStatements(signal: AbortSignal): Promise<void> {
    const [statement] = this.#indexStatements;
    const { source, findIndexChanges } = this.#options;
    if (statement === undefined || findIndexChanges === undefined) return;
    // The catalog is read once for all that came by until now.
    const judged = this.#indexStatements.length;
    const changes = await this.#ask('asking which indexes the table has', () => findIndexChanges(signal), signal);
    if (changes === null) throw changedWhileMigrated(source, statement);
    this.#indexStatements.splice(0, judged);
    const described = describeIndexChanges(changes);
    const since = described.length === 0 ? 'they are what they were' : described.join(', ');
    this.#warn?.(
      `Somebody has changed indexes of ${source.schema}.${source.table}: ${since}. The new table gets the same before the swap.`,
      'the source',
    );
  }

  async #judgeDistantWrites(signal: AbortSignal): Promise<void> {
    if (this.#distantWrites.length === 0) return;
    const writes = this.#distantWrites;
    this.#distantWrites = [];
    const { source, sessions } = this.#options;
    const judge = (): Promise<void> => checkDistantWrites(writes, source, sessions, signal);
    try {
      await this.#ask('asking what may carry a write', judge, signal);
    } catch (error) {
      // Not judged, so not let pass by whoever asks for batches again.
      this.#distantWrites.unshift(...writes);
      throw error;
    }
  }

  async #ask<Result>(what: string, ask: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const observer: Observer = (event) => {
      if (event.kind !== 'retrying') return;
      const { attempt, code, message } = event;
      this.#onReconnect?.({ attempt, cause: new MigrationError(code, message) });
    };
    const isCurable = ({ isTransient }: MigrationError): boolean => isTransient && !this.#isClosed;
    return await retry(what, ask, { clock: this.#options.clock, observer, isCurable }, signal);
  }
}
