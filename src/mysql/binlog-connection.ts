/**
 * The connection on which the server sends its log. @vlasky/zongji connects, logs in and asks for the log; from the first
 * packet on the bytes are ours (docs/decisions/mysql-log.md).
 *
 * What must be so on this connection, and is queued before the log is asked for:
 *   checksums     said to be understood; whether events have one then follows from each file's FORMAT_DESCRIPTION event
 *   heartbeats    so that silence means that the server, or the network, is gone
 *   write limit   a server drops a reader that takes nothing for net_write_timeout, by default a minute; ours may pause for longer
 */

import ZongJi from '@vlasky/zongji';
import { type ErrorCode, MigrationError } from '../engine/errors.ts';
import { pauseAtOnce } from '../sessions/reading-rest.ts';
import { loginOptions, socketOf } from './connection.ts';
import type { ConnectionConfig } from './connection-config.ts';
import { isConnectionLoss, serverErrno, translateConnecting } from './errors.ts';
import type { Flavour } from './flavour.ts';
import type { LogPlace } from './position.ts';

/** What to ask for, and how. */
export interface DumpRequest {
  readonly config: ConnectionConfig;
  /** Whose log it must be. */
  readonly server: { readonly identity: string; readonly flavour: Pick<Flavour, 'identityExpression'> };
  readonly place: LogPlace;
  /** The server ends an older reader with the same number, so it must be nobody else's. */
  readonly serverId: number;
  readonly heartbeatMs: number;
  readonly writeTimeoutSeconds: number;
}

/** Who gets what the server sends. Neither may throw. */
export interface DumpReceiver {
  /** One event; the bytes are good only during the call. */
  readonly event: (bytes: Buffer, start: number, end: number) => void;
  /** Called once: nothing more will come. */
  readonly ended: (reason: MigrationError) => void;
}

/** An open connection. */
export interface Dump {
  /** The server's id of the connection, once it is known and while it is open. */
  readonly connectionId: number | null;
  /** Packets so far: a number that stands still for several heartbeats tells that the peer is dead. */
  readonly packets: number;
  pause(): void;
  resume(): void;
  /** Ends it as if the connection had been lost. */
  giveUp(why: string): void;
  /** Closes the socket; `ended` is not called any more. */
  close(): void;
}

/** Connects and asks for the log. Failures of any kind come as `ended`. */
export function openDump(request: DumpRequest, receiver: DumpReceiver): Dump {
  return new ZongjiDump(request, receiver);
}

/** The part of a driver's packet that is used. `offset` is at the payload's first byte: 0 for an event, 0xff for an error. */
interface Packet {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
  asError(encoding: string): Error;
}

/** The places of one server's log mean nothing in that of another. */
function takenOver(): MigrationError {
  const message = 'Another server answers where the log was read, so a replica has taken over. Resume the migration.';
  return new MigrationError('STREAM_BROKEN', message);
}

/** Where zongji keeps the command that it puts into the driver's queue after 'ready' (pinned to 0.9.0; a test looks for it). */
interface ZongjiInternals {
  BinlogClass: new (handler: () => void) => { start(packet: Packet | undefined, connection: DriverInternals): unknown };
}

/** The driver's own type knows of no rows. */
interface AskingConnection {
  query(sql: string, done: (error: Error | null, rows?: readonly Readonly<Record<string, unknown>>[]) => void): void;
}

interface DriverInternals {
  readonly clientEncoding: string;
  _resetSequenceId(): void;
}

const ERROR_PACKET = 0xff;
const END_PACKET = 0xfe;

class ZongjiDump implements Dump {
  packets = 0;
  readonly #request: DumpRequest;
  readonly #receiver: DumpReceiver;
  #zongji: ZongJi;
  #isOver = false;
  #isPaused = false;

  constructor(request: DumpRequest, receiver: DumpReceiver) {
    this.#request = request;
    this.#receiver = receiver;
    this.#zongji = this.#connect(request.config);
  }

  get connectionId(): number | null {
    return this.#isOver ? null : (this.#zongji.connection?.threadId ?? null);
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#zongji.connection?.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#zongji.connection?.resume();
  }

  giveUp(why: string): void {
    this.#end(new MigrationError('CONNECTION_LOST', `The connection that reads the log was given up: ${why}.`));
  }

  close(): void {
    this.#isOver = true;
    const { connection } = this.#zongji;
    this.#zongji.stop();
    // The driver's own way of closing only ends the writing side.
    if (connection !== null) socketOf(connection).destroy();
  }

  #connect(config: ConnectionConfig): ZongJi {
    const zongji = new ZongJi(loginOptions(config));
    // Stays for good: an 'error' event without a listener would end the process.
    zongji.on('error', (error: Error & { readonly code?: string }) => {
      if (zongji !== this.#zongji) return;
      if (error.code === 'HANDSHAKE_NO_SSL_SUPPORT' && config.isTlsOptional && config.ssl !== null) {
        zongji.stop();
        this.#zongji = this.#connect({ ...config, ssl: null });
      } else {
        this.#end(this.#explain(error));
      }
    });
    zongji.once('ready', () => this.#takeOver(zongji));
    const { place, serverId } = this.#request;
    zongji.start(
      place.kind === 'gtid'
        ? { serverId, gtidSet: place.executed }
        : { serverId, filename: place.file, position: place.offset },
    );
    return zongji;
  }

  /** Runs when everything but the request itself has been done; what is queued here comes before it. */
  #takeOver(zongji: ZongJi): void {
    const { heartbeatMs, server, writeTimeoutSeconds } = this.#request;
    if (zongji.connection !== null) pauseAtOnce(socketOf(zongji.connection));
    const ask = `SELECT ${server.flavour.identityExpression} AS identity`;
    const asking = zongji.connection as unknown as AskingConnection | null;
    asking?.query(ask, (error, rows) => {
      if (error !== null) this.#end(this.#explain(error));
      else if (String(rows?.[0]?.['identity']) !== server.identity) this.#end(takenOver());
    });
    const heartbeat = heartbeatMs * 1_000_000;
    const set =
      `SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', @master_heartbeat_period = ${heartbeat}, ` +
      `@source_heartbeat_period = ${heartbeat}, SESSION net_write_timeout = ${writeTimeoutSeconds}`;
    zongji.connection?.query(set, (error: Error | null) => {
      if (error !== null) this.#end(this.#explain(error));
    });
    const internals = zongji as unknown as ZongjiInternals;
    const Request = internals.BinlogClass;
    const execute = (packet: Packet | undefined, connection: DriverInternals): boolean => this.#take(packet, connection);
    internals.BinlogClass = class {
      #isSent = false;

      start(): void {}

      execute(packet: Packet | undefined, connection: DriverInternals): boolean {
        if (this.#isSent) return execute(packet, connection);
        this.#isSent = true;
        // oxlint-disable-next-line no-underscore-dangle -- the driver's own commands begin so, and it has no other name
        connection._resetSequenceId();
        new Request(() => {}).start(packet, connection);
        return false;
      }
    };
    // Only used until here, and it would die of idleness later.
    zongji.ctrlConnection?.end();
  }

  /** True: the command is over. */
  #take(packet: Packet | undefined, connection: DriverInternals): boolean {
    if (packet === undefined || this.#isOver) return this.#isOver;
    this.packets += 1;
    const { buffer, offset, end } = packet;
    const first = buffer[offset];
    if (first === ERROR_PACKET) this.#end(this.#explain(packet.asError(connection.clientEncoding)));
    else if (first === END_PACKET) this.giveUp('the server ended the log');
    else this.#receiver.event(buffer, offset + 1, end);
    return this.#isOver;
  }

  #end(reason: MigrationError): void {
    if (this.#isOver) return;
    this.close();
    this.#receiver.ended(reason);
  }

  #explain(error: Error): MigrationError {
    return explainDumpError(error, this.#request.place);
  }
}

/** What an error on this connection means: only a lost connection is worth another attempt. */
export function explainDumpError(error: Error, place: LogPlace): MigrationError {
  const where = place.kind === 'gtid' ? 'behind the transactions of the checkpoint' : `at ${place.file}:${place.offset}`;
  const errno = serverErrno(error);
  const says = (what: RegExp): boolean => errno === ERRNO.READING_LOG && what.test(error.message);
  const cannotSend = (code: ErrorCode): MigrationError =>
    new MigrationError(code, `The server cannot send its log ${where}: ${error.message}`, { cause: error });
  if (errno === ERRNO.PURGED_GTIDS || says(GONE)) return cannotSend('LOG_PURGED');
  if (says(DAMAGED)) return cannotSend('LOG_DAMAGED');
  if (says(BEGUN_ANEW)) {
    const message = `The server does not know transactions any more that it had sent. Its log was begun anew (RESET), or cut off, and changes may be gone with it: ${error.message}`;
    return new MigrationError('LOG_PURGED', message, { cause: error });
  }
  if (says(ANONYMOUS)) {
    return new MigrationError(
      'UNKNOWN_LOG_EVENT',
      `gtid_mode was not ON for a while, and the log has transactions without a GTID, which the server does not send ${where}. Give this migration up and start anew: ${error.message}`,
      { cause: error },
    );
  }
  if (says(UNREADABLE)) {
    const message = `The server failed to read its log ${where}: ${error.message}`;
    return new MigrationError('CONNECTION_LOST', message, { cause: error });
  }
  if (says(REPLACED)) {
    return new MigrationError('CONNECTION_LOST', `Another reader took our server id: ${error.message}`, { cause: error });
  }
  if (errno === ERRNO.READING_LOG) return cannotSend('STREAM_BROKEN');
  if (isConnectionLoss(error) || errno === null) {
    return new MigrationError('CONNECTION_LOST', `The connection that reads the log was lost: ${error.message}`, {
      cause: error,
    });
  }
  return translateConnecting(error, 'Reading the log', 'again');
}

/** ER_SOURCE_FATAL_ERROR_READING_BINLOG says everything by text only; ER_SOURCE_HAS_PURGED_REQUIRED_GTIDS. */
const ERRNO = { READING_LOG: 1236, PURGED_GTIDS: 1789 } as const;
const GONE =
  /could not find first log file|purged required|purged the binary logs|required binary logs|position > file size|impossible position|GTID state requested/i;
/** Of a file that is closed: in the one that is written the server sends no more than whole events. */
const DAMAGED = /truncated in the middle of event|bogus data in log event|did not pass (?:crc|checksum)/i;
/** A disk that fails for a moment, or a file that was taken away under the reader: when it is asked once more, the server says which. */
const UNREADABLE = /I\/O error reading log event/i;
const BEGUN_ANEW = /has more GTIDs than the (?:source|master) has/i;
const ANONYMOUS = /replicate anonymous transaction/i;
const REPLACED = /same server_uuid|same server_id|server_uuid\/server_id/i;
