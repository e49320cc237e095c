/**
 * One connection of the change stream: payloads in, status out, and signs of life in both directions.
 *
 * What the server learns: `written` is what came in, `flushed` what the engine has acknowledged and nothing more, for a resume
 * begins there. A server that shuts down waits until everything is flushed. As that may never come, a burst of its requests, or
 * a look from another connection while nobody reads, makes us close the connection, and it can end.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { causeText, MigrationError, messageOf } from '../engine/errors.ts';
import type { Position } from '../engine/model.ts';
import type { RunOnConnection } from './claim.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { sqlState } from './errors.ts';
import { frameEnd, frameKind, framePayload, statusUpdate } from './pgoutput.ts';
import type { Lsn } from './position.ts';
import { ReplicationConnection } from './replication-connection.ts';
import { lossReason, slotFault, slotReader } from './replication-slot.ts';
import { quoteName, quoteText } from './statements.ts';

export interface FeedLimits {
  /** The server hears from us at least this often, milliseconds; more often where its own patience is shorter. */
  readonly statusMs: number;
  /**
   * A server that says nothing for so long, though it is asked, counts as dead, milliseconds. Never less than half its own
   * patience with us and a status more: while it leaves out a large transaction it answers only so often. Whoever waits for a
   * fence must wait for longer.
   */
  readonly silenceMs: number;
}

export interface FeedOptions {
  readonly config: ConnectionConfig;
  readonly slot: string;
  readonly publication: string;
  readonly limits: FeedLimits;
  /** Marks the connection, so that a successor finds and ends it. */
  readonly mark?: ((run: RunOnConnection, signal: AbortSignal) => Promise<void>) | undefined;
}

/** Who is fed. */
export interface FeedReceiver {
  /** A message of the log. The bytes are good only during the call. What it throws ends the feed. */
  readonly payload: (payload: Buffer) => void;
  /** The server goes on without anything lost, and says what the operator should look at. May repeat itself. */
  readonly warned: (message: string) => void;
  /** No more will come. Called once. */
  readonly failed: (error: MigrationError) => void;
  /** Up to here the server may forget. */
  readonly flushed: () => Lsn;
  /** Asked while nobody reads; rejects when the server, as another connection sees it, cannot wait any longer. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
}

/** The process of a connection that was closed needs a moment to let go of its slot. */
const slotLimitMs = 5_000;
const slotPollMs = 20;
/** So many requests to reply within a second mean that the server shuts down and waits for us. */
const shutdownRequests = 20;
/** A question that is not answered by then will not be: who shuts down answers nobody. */
const probeLimitMs = 3_000;
/** Of the server's patience: a status that is late twice is still in time. */
const patienceShare = 1 / 3;

export class ReplicationFeed {
  readonly #connection: ReplicationConnection;
  readonly #receiver: FeedReceiver;
  readonly #silenceMs: number;
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #isOver = false;
  #isPaused = false;
  /** Whether reading was paused at any moment since the last status. */
  #hasPaused = false;
  #probingSince: number | null = null;
  /** As the order of a position. */
  #received: number;
  #frames = 0;
  #hasHeard = true;
  #heardAt = performance.now();
  #requests: number[] = [];

  private constructor(
    connection: ReplicationConnection,
    receiver: FeedReceiver,
    { from, statusMs, silenceMs }: { readonly from: Position; readonly statusMs: number; readonly silenceMs: number },
  ) {
    this.#connection = connection;
    this.#receiver = receiver;
    this.#received = from.order;
    this.#silenceMs = silenceMs;
    this.#timer = setInterval(() => this.#tick(), statusMs);
  }

  /**
   * Connects and reads behind `from`. `formerPid`: the server's process of a feed before this one, ended if it still has the slot.
   * Rejects with LOG_PURGED if the slot is gone, invalid or ahead, SERVER_BUSY if someone else reads from it, CONNECTION_LOST.
   */
  static async open(
    options: FeedOptions,
    receiver: FeedReceiver,
    { from, formerPid }: { readonly from: Position; readonly formerPid: number | null },
    signal: AbortSignal,
  ): Promise<ReplicationFeed> {
    const { config, slot, limits, mark } = options;
    const connection = await ReplicationConnection.open(config, slot, signal);
    let feed: ReplicationFeed | null = null;
    try {
      await mark?.((sql, inner) => connection.command(sql, inner), signal);
      await awaitSlot(connection, { slot, from, formerPid }, signal);
      await refuseToBeStandby((sql, inner) => connection.command(sql, inner), signal);
      const patienceMs = await readPatience(connection, signal);
      const statusMs = patienceMs === 0 ? limits.statusMs : Math.min(limits.statusMs, patienceMs * patienceShare);
      feed = new ReplicationFeed(connection, receiver, {
        from,
        statusMs,
        silenceMs: Math.max(limits.silenceMs, patienceMs / 2 + statusMs),
      });
      await feed.#start(options, from, signal);
      return feed;
    } catch (error) {
      feed?.close();
      await connection[Symbol.asyncDispose]();
      throw explained(error, slot);
    }
  }

  /** Of the server. */
  get pid(): number | null {
    return this.#connection.pid;
  }

  /** Stops reading from the socket; what the server sends fills its buffers, and then it waits. It still hears from us. */
  pause(): void {
    if (this.#isPaused || this.#isOver) return;
    this.#isPaused = true;
    this.#hasPaused = true;
    this.#connection.pause();
  }

  resume(): void {
    if (!this.#isPaused || this.#isOver) return;
    this.#isPaused = false;
    this.#heardAt = performance.now();
    this.#connection.resume();
  }

  /** How many frames have come. */
  get frames(): number {
    return this.#frames;
  }

  /** Looks away for a moment, too short for the server to mind. */
  rest(): void {
    if (!this.#isPaused && !this.#isOver) this.#connection.pause();
  }

  /** Ends a rest; a pause goes on. */
  wake(): void {
    if (!this.#isPaused && !this.#isOver) this.#connection.resume();
  }

  sendStatus(isReplyRequested = false): void {
    if (!this.#isOver) this.#connection.send(statusUpdate(BigInt(this.#received), this.#receiver.flushed(), isReplyRequested));
  }

  /** Closes the connection without telling the receiver. */
  close(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#closing.abort();
    this.#connection.destroy();
  }

  /** Changes that carry an origin count: whoever applies replicated changes to the source sets one. Ours do not touch it. */
  async #start({ slot, publication }: FeedOptions, from: Position, signal: AbortSignal): Promise<void> {
    await this.#connection.stream(
      `START_REPLICATION SLOT ${quoteName(slot)} LOGICAL ${from.token} ` +
        `(proto_version '1', publication_names ${quoteText(quoteName(publication))}, messages 'true')`,
      {
        onFrame: (bytes) => this.#onFrame(bytes),
        onWarning: (message) => this.#onWarning(message, publication),
        onFailure: (error) => this.#fail(explained(error, slot)),
      },
      signal,
    );
    this.sendStatus();
  }

  /** Called by the driver for each frame; whatever goes wrong is told to the receiver, never thrown to the driver. */
  #onFrame(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#frames += 1;
    this.#hasHeard = true;
    try {
      const kind = frameKind(bytes);
      if (kind === 'unknown') {
        const type = String.fromCharCode(bytes[0] ?? 0);
        throw new MigrationError(
          'UNKNOWN_LOG_EVENT',
          `The replication stream has a frame of type "${type}", which is not known here.`,
        );
      }
      const end = frameEnd(bytes);
      if (end > this.#received) this.#received = end;
      if (kind === 'data') this.#receiver.payload(framePayload(bytes));
      else if (kind === 'request') this.#onRequest();
    } catch (error) {
      this.#fail(
        error instanceof MigrationError
          ? error
          : new MigrationError('UNKNOWN_LOG_EVENT', 'A message of the log could not be read.', { cause: error }),
      );
    }
  }

  /**
   * PostgreSQL 18 goes on without a publication that is gone, and leaves its changes out; in whatever language, it names it. What
   * else it warns of, such as a standby that it waits for, loses nothing; and the cutover looks at the publication again.
   */
  #onWarning(message: string, publication: string): void {
    if (this.#isOver) return;
    if (!message.includes(publication)) {
      this.#receiver.warned(message);
      return;
    }
    this.#fail(
      new MigrationError(
        'SOURCE_CHANGED',
        `The server warned that changes may be missing: ${message} Give this migration up and start anew.`,
      ),
    );
  }

  #onRequest(): void {
    this.sendStatus();
    const now = performance.now();
    this.#requests = [...this.#requests.filter((at) => now - at < 1000), now];
    if (this.#requests.length >= shutdownRequests) this.#failBecause('The server is shutting down.');
  }

  #tick(): void {
    if (this.#hasHeard) this.#heardAt = performance.now();
    const silentMs = performance.now() - this.#heardAt;
    if (this.#hasPaused || this.#probingSince !== null) void this.#probe();
    else if (silentMs > this.#silenceMs) this.#failBecause(`The server has been silent for ${Math.round(silentMs / 1000)} s.`);
    // Who hears from us on his own needs no sign of life, and so gives none: we ask for it.
    this.sendStatus(!this.#hasHeard);
    this.#hasHeard = false;
    this.#hasPaused = this.#isPaused;
  }

  /** While nobody reads we do not see that the server wants to end, or to end this connection. */
  async #probe(): Promise<void> {
    if (this.#probingSince !== null) {
      if (performance.now() - this.#probingSince > probeLimitMs)
        this.#failBecause('The server does not answer while nobody reads.');
      return;
    }
    this.#probingSince = performance.now();
    try {
      await this.#receiver.probe(this.#closing.signal);
    } catch (error) {
      const reason = messageOf(error);
      this.#failBecause(`The change stream cannot wait any longer for its reader: ${reason}`);
    } finally {
      this.#probingSince = null;
    }
  }

  #failBecause(reason: string): void {
    this.#fail(new MigrationError('CONNECTION_LOST', reason));
  }

  #fail(error: MigrationError): void {
    if (this.#isOver) return;
    this.close();
    this.#receiver.failed(error);
  }
}

/** Milliseconds after which the server gives up on a silent client; 0: never. */
async function readPatience(connection: ReplicationConnection, signal: AbortSignal): Promise<number> {
  const [row] = await connection.command(
    "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'",
    signal,
  );
  return Number(row?.['setting'] ?? 0);
}

/**
 * With `*` among the names, commits wait for us as for any standby, until the changes are applied and saved; we wait until they
 * are visible, which they are when the commit has ended. Nothing makes the server leave out one connection.
 */
export async function refuseToBeStandby(run: RunOnConnection, signal: AbortSignal): Promise<void> {
  const [row] = await run("SELECT pg_catalog.current_setting('synchronous_standby_names') AS names", signal);
  const names = row?.['names'];
  if (typeof names !== 'string' || !names.includes('*')) return;
  throw new MigrationError(
    'STREAM_BROKEN',
    `synchronous_standby_names is ${names}, so commits of applications would wait for this migration. Name the standbys instead of *, then resume.`,
  );
}

/** Resolves when the slot can be read from behind `from`. One read transaction at a time; locks nothing. */
async function awaitSlot(
  connection: ReplicationConnection,
  { slot, from, formerPid }: { readonly slot: string; readonly from: Position; readonly formerPid: number | null },
  signal: AbortSignal,
): Promise<void> {
  const name = quoteText(slot);
  if (formerPid !== null) {
    // A process whose client died without a word keeps the slot until its own patience ends.
    const former = `slot_name = ${name} AND active_pid = ${formerPid}`;
    await connection.command(
      `SELECT pg_catalog.pg_terminate_backend(active_pid) FROM pg_catalog.pg_replication_slots WHERE ${former}`,
      signal,
    );
  }
  const deadline = performance.now() + slotLimitMs;
  for (;;) {
    const [row] = await connection.command(
      `SELECT s.wal_status, ${lossReason} AS reason, s.active_pid, (s.confirmed_flush_lsn > ${quoteText(from.token)}::pg_catalog.pg_lsn)::text AS is_ahead, ` +
        `${slotReader} AS reader ` +
        `FROM pg_catalog.pg_replication_slots AS s LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = s.active_pid WHERE s.slot_name = ${name}`,
      signal,
    );
    const state = row === undefined ? null : { walStatus: row['wal_status'] ?? '', reason: row['reason'] ?? null };
    const fault = slotFault(slot, state);
    if (fault !== null) throw fault;
    if (row?.['is_ahead'] === 'true') {
      throw new MigrationError(
        'LOG_PURGED',
        `The replication slot ${slot} is ahead of what this migration has applied, so changes would be missing: someone else read from it, or the server was replaced by a standby. Give this migration up and start anew.`,
      );
    }
    if (row?.['active_pid'] == null) return;
    if (performance.now() > deadline) {
      throw new MigrationError(
        'SERVER_BUSY',
        `Someone else reads from the replication slot ${slot}: ${row?.['reader'] ?? ''}. End it, then resume.`,
      );
    }
    await delay(slotPollMs, undefined, { signal });
  }
}

/** What the server says about a slot, in our words. */
function explained(error: unknown, slot: string): MigrationError {
  const failure = error instanceof MigrationError ? error : new MigrationError('INTERNAL', String(error), { cause: error });
  const text = causeText(failure);
  switch (sqlState(failure)) {
    case '55006':
      return new MigrationError('SERVER_BUSY', `The replication slot ${slot} is in use: ${text}.`, { cause: error });
    // The slot was invalidated; the log is gone; there is no such slot, or no such publication.
    case '55000':
    case '58P01':
    case '42704':
      return new MigrationError(
        'LOG_PURGED',
        `The replication slot ${slot} can no longer be read: ${text}. Give this migration up and start anew.`,
        { cause: error },
      );
    default:
      return failure;
  }
}
