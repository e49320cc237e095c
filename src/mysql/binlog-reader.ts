/**
 * The state of reading a log: from events to transactions, and from those to batches.
 *
 *   group     what the log writes in one piece: GTID event, BEGIN, rows, XID. MariaDB has no BEGIN; a single statement needs
 *             neither BEGIN nor an end. A group that prepares an XA transaction is kept until XA COMMIT delivers its changes.
 *   received  behind the last whole group. After a lost connection reading begins there again, and what was already handed out
 *             of the group that was cut off is passed over.
 *   position  what a checkpoint may keep: `received`, or before the oldest group that is prepared and undecided.
 */

import { MigrationError } from '../engine/errors.ts';
import type { Change, Fence, RowKey, TableName } from '../engine/model.ts';
import type { BatchQueue } from './binlog-batches.ts';
import { payloadEvents } from './binlog-compression.ts';
import * as control from './binlog-control.ts';
import { brokenEvent, byteAt, EVENT, eventAt, FLAG_ARTIFICIAL, FLAG_IGNORABLE, type LogEvent } from './binlog-format.ts';
import { readRows } from './binlog-rows.ts';
import { judgeStatement, type DistantWrite, type LoggedStatement, type StatementTarget } from './binlog-statement.ts';
import type { FenceRows } from './binlog-fences.ts';
import { readTableMap, tableNumber, type MappedTable, type WatchedTable } from './binlog-table-map.ts';
import { PreparedTransactions } from './binlog-xa.ts';
import { checkLogFile, LogPosition, OFFSET_MAX, type LogFile, type LogPlace } from './position.ts';

export interface ReaderOptions extends control.StatementOptions, StatementTarget {
  readonly start: LogPosition;
  /** How the source lies in the log. */
  readonly table: Omit<WatchedTable, 'name' | 'take'>;
  readonly fences: FenceRows;
  readonly queue: BatchQueue;
  /** A DDL statement with this text in a comment is our own swap: nothing behind it is wanted. */
  readonly ownMark: string | null;
  /** A statement-format write that does not name the source: somebody has to find out whether it can reach it. */
  readonly onDistantWrite: (write: DistantWrite) => void;
  /** A change of the source's indexes alone: somebody has to find out whether they are plain. Null: it is a change like others. */
  readonly onIndexChange: ((statement: string) => void) | null;
}

/** The group in hand. */
interface Group {
  readonly before: LogPosition;
  readonly reach: LogPosition;
  /** Tells this group from any other after a reconnect. */
  readonly identity: string;
  /** It goes on until an event ends it. */
  isOpenEnded: boolean;
  /** The transaction that it prepares, and its changes. */
  preparing: { readonly xid: string; readonly changes: Change[] } | null;
  /** Changes that went into the queue, and how many of the next ones did so before the connection was lost. */
  added: number;
  toPassOver: number;
  /** Keys of its deletes, in case that it turns out to have been rolled back; null when there are too many to keep. */
  deleted: RowKey[] | null;
  fence: Fence | null;
}

/** The number of a table in a rows event that has no rows. */
const NO_TABLE = 0xff_ffff;
/** The keys of a transaction that is being prepared must be kept until it is decided. */
const PREPARING_CHANGES_MAX = 2_000_000;
/** Some 100 MB. */
const DELETED_KEYS_MAX = 2_000_000;

export class BinlogReader {
  readonly prepared = new PreparedTransactions();
  readonly #options: ReaderOptions;
  readonly #queue: BatchQueue;
  readonly #watched: readonly WatchedTable[];
  readonly #gtids = new control.GtidReader();
  readonly #tables = new Map<number, MappedTable>();
  #received: LogPosition;
  #group: Group | null = null;
  #cutOff: { readonly identity: string; readonly added: number } | null = null;
  #file: string;
  #offset: number;
  #read: LogFile | null;
  #isPlaceKnown = true;
  #checksum = 0;
  #inner: Iterator<Buffer> | null = null;
  #isOver = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#queue = options.queue;
    this.#watched = [
      { ...options.table, name: options.source, take: (key, kind) => this.#takeChange(key, kind) },
      { ...options.fences.table, take: (key, kind) => this.#takeFence(kind === 'upsert' ? options.fences.fenceOf(key) : null) },
    ];
    this.#received = options.start;
    this.#file = options.start.file;
    this.#offset = options.start.offset;
    this.#read = options.start.read;
  }

  /** From where to read after a lost connection. Forgets the half of a group that was received. */
  restart(): LogPlace {
    if (!this.#isPlaceKnown) {
      const message = `The place in ${this.#file} is beyond 4 GiB, which cannot be asked for without GTIDs. Resume from the checkpoint.`;
      throw new MigrationError('STREAM_BROKEN', message);
    }
    if (this.#group !== null) {
      const { identity, added, toPassOver } = this.#group;
      // Also what has not come again yet: a connection may be lost before it has caught up with the one before.
      if (added + toPassOver > 0) this.#cutOff = { identity, added: added + toPassOver };
    }
    this.#group = null;
    this.#inner = null;
    this.#checksum = 0;
    this.#tables.clear();
    return this.#received.place;
  }

  /** How many transactions have wholly come. */
  get received(): number {
    return this.#received.order;
  }

  /** Whether events of a compressed transaction wait for `readInner`; until they are read, no other event may be. */
  get hasInner(): boolean {
    return this.#inner !== null;
  }

  /** Reads one event of a compressed transaction. */
  readInner(): void {
    const next = this.#inner?.next();
    if (next === undefined || next.done === true) this.#inner = null;
    else this.#handle(eventAt(next.value, 0, next.value.length, 0));
  }

  /** Reads the event in these bytes, as the server sent it. */
  read(bytes: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    if (byteAt(bytes, start + 4) === EVENT.FORMAT_DESCRIPTION) this.#checksum = control.checksumBytes(bytes, end);
    const event = eventAt(bytes, start, end, this.#checksum);
    this.#advance(event);
    this.#handle(event);
  }

  #handle(event: LogEvent): void {
    switch (event.type) {
      case EVENT.GTID:
        return this.#beginWithGtid(this.#gtids.read(event));
      case EVENT.GTID_TAGGED:
        return this.#beginWithGtid(control.readTaggedGtid(event));
      case EVENT.ANONYMOUS_GTID:
        this.#begin(`${this.#file}:${this.#offset - event.length}`, null);
        return;
      case EVENT.MARIADB_GTID:
        return this.#beginMariadb(event);
      case EVENT.TABLE_MAP:
        return this.#mapTable(event);
      case EVENT.QUERY:
        if (control.isBegin(event)) return this.#openEnded();
        return this.#readQuery(event);
      case EVENT.QUERY_COMPRESSED:
      case EVENT.EXECUTE_LOAD_QUERY:
        return this.#readQuery(event);
      case EVENT.XID:
        return this.#end();
      case EVENT.XA_PREPARE:
        return this.#endPrepare(event);
      case EVENT.TRANSACTION_PAYLOAD:
        this.#inner = payloadEvents(event);
        return;
      case EVENT.ROTATE:
        return this.#rotate(event);
      case EVENT.FORMAT_DESCRIPTION:
        return this.#beginFile(event);
      case EVENT.INCIDENT:
        throw new MigrationError(
          'UNKNOWN_LOG_EVENT',
          `The server notes in ${this.#file} that changes may be missing from its log.`,
        );
      default:
        if (isRowsEvent(event.type)) return this.#readRowsEvent(event);
        if (PASSED_OVER.has(event.type) || (event.flags & FLAG_IGNORABLE) !== 0) return;
        throw brokenEvent(event.type, 'the type is not known');
    }
  }

  /** Offsets are 32 bits wide in the log, files are not: what is missing above follows from the lengths. */
  #advance(event: LogEvent): void {
    const { type, flags, length, nextOffset } = event;
    if ((flags & FLAG_ARTIFICIAL) !== 0 || type === EVENT.HEARTBEAT || type === EVENT.HEARTBEAT_V2) return;
    if (type === EVENT.FORMAT_DESCRIPTION && nextOffset === 0) return;
    const least = this.#offset + length;
    if (nextOffset === 0) this.#offset = least;
    else {
      const exact = least - (least % 0x1_0000_0000) + nextOffset;
      this.#offset = exact < least ? exact + 0x1_0000_0000 : exact;
    }
  }

  #rotate(event: LogEvent): void {
    const { file, offset } = control.readRotate(event);
    this.#file = file;
    this.#offset = offset;
    if (this.#group !== null || (event.flags & FLAG_ARTIFICIAL) !== 0) return;
    this.#isPlaceKnown = true;
    this.#received = this.#positionHere(this.#received.order, this.#received.history);
    this.#queue.move(this.#safePosition());
  }

  /** A group that the end of a file cuts off was never committed: the server died while it wrote it. */
  #beginFile(event: LogEvent): void {
    control.checkFormat(event);
    const next = { server: this.#received.server, file: this.#file, begunAt: control.begunAt(event) };
    checkLogFile(this.#read, next);
    this.#read = next;
    this.#tables.clear();
    if (this.#group !== null) this.#undo();
  }

  #beginWithGtid(gtid: control.Gtid): void {
    const { history } = this.#received;
    this.#begin(`${gtid.source}:${gtid.number}`, history === null ? null : history.with(gtid.source, gtid.number));
  }

  #beginMariadb(event: LogEvent): void {
    const { isStandalone, preparedXid } = control.readMariadbGroup(event);
    const group = this.#begin(`${this.#file}:${this.#offset - event.length}`, null);
    group.isOpenEnded = !isStandalone;
    if (preparedXid !== null) group.preparing = { xid: preparedXid, changes: [] };
  }

  #begin(identity: string, history: LogPosition['history']): Group {
    if (this.#group !== null) throw brokenEvent(EVENT.GTID, `transaction ${this.#group.identity} has no end`);
    if (history === null && this.#received.history !== null) {
      throw new MigrationError('STREAM_BROKEN', `A transaction in ${this.#file} has no GTID, though gtid_mode was ON.`);
    }
    const before = this.#received;
    const reach = new LogPosition(before.order + 1, {
      server: before.server,
      file: before.file,
      offset: before.offset,
      history,
      read: before.read,
    });
    const toPassOver = this.#cutOff?.added ?? 0;
    if (this.#cutOff !== null && this.#cutOff.identity !== identity) {
      const message = `After a reconnect the log went on with ${identity}, not with ${this.#cutOff.identity}, half of which was received.`;
      throw new MigrationError('STREAM_BROKEN', message);
    }
    this.#queue.begin(before, reach, this.#cutOff !== null);
    this.#cutOff = null;
    this.#group = {
      before,
      reach,
      identity,
      isOpenEnded: false,
      preparing: null,
      added: 0,
      toPassOver,
      deleted: [],
      fence: null,
    };
    return this.#group;
  }

  /** The group in hand; servers without GTID events begin one with a statement. */
  #current(): Group {
    return this.#group ?? this.#begin(`${this.#file}:${this.#offset}`, null);
  }

  #openEnded(): void {
    this.#current().isOpenEnded = true;
  }

  #mapTable(event: LogEvent): void {
    const number = tableNumber(event);
    const known = this.#tables.get(number);
    const table = readTableMap(event, known, this.#watched);
    if (table !== known) this.#tables.set(number, table);
  }

  #readRowsEvent(event: LogEvent): void {
    const number = tableNumber(event);
    if (number === NO_TABLE) return;
    const table = this.#tables.get(number);
    if (table === undefined) throw brokenEvent(event.type, `table ${number} was never named`);
    if (this.#group === null) throw brokenEvent(event.type, 'it stands outside of any transaction');
    if (table.layout !== null) readRows(event, table.layout);
  }

  #takeChange(key: RowKey, kind: Change['kind']): void {
    const group = this.#current();
    if (group.preparing === null) {
      this.#add(group, { key, kind });
      return;
    }
    group.preparing.changes.push({ key, kind });
    if (group.preparing.changes.length > PREPARING_CHANGES_MAX) {
      const message = `XA transaction ${group.preparing.xid} has over ${PREPARING_CHANGES_MAX} changes of the table, too many to keep.`;
      throw new MigrationError('STREAM_BROKEN', message);
    }
  }

  #takeFence(fence: Fence | null): void {
    if (fence !== null) this.#current().fence = fence;
  }

  #add(group: Group, change: Change): void {
    group.added += 1;
    if (change.kind === 'delete' && group.deleted !== null) {
      if (group.deleted.length < DELETED_KEYS_MAX) group.deleted.push(change.key);
      else group.deleted = null;
    }
    if (group.toPassOver > 0) group.toPassOver -= 1;
    else this.#queue.add(change);
  }

  #readQuery(event: LogEvent): void {
    const group = this.#current();
    const statement = control.readStatement(event, this.#options);
    const meaning = judgeStatement(statement, this.#options);
    switch (meaning.kind) {
      case 'begin':
        return this.#openEnded();
      case 'commit':
        return this.#end();
      case 'rollback':
        return this.#undo();
      case 'rollback-to-savepoint':
        this.#takeBackDeletes(group);
        return;
      case 'xa':
        return this.#readXa(group, meaning.action, meaning.xid);
      case 'changes-indexes':
        if (this.#options.onIndexChange === null) this.#noteSourceChanged(statement);
        else this.#options.onIndexChange(statement.sql);
        break;
      case 'changes-source':
        this.#noteSourceChanged(statement);
        break;
      case 'writes-source':
        throw this.#statementWrite(statement);
      case 'empties-shadow':
        throw this.#shadowEmptied(statement);
      case 'writes-elsewhere':
      case 'calls-elsewhere':
        this.#options.onDistantWrite({ sql: statement.sql, isByFunction: meaning.kind === 'calls-elsewhere' });
        break;
      case 'harmless':
        break;
    }
    if (!group.isOpenEnded) this.#end();
  }

  #noteSourceChanged(statement: LoggedStatement): void {
    const { ownMark, source } = this.#options;
    if (ownMark !== null && statement.sql.includes(ownMark)) {
      this.#isOver = true;
      return;
    }
    throw changedWhileMigrated(source, statement.sql);
  }

  #shadowEmptied(statement: LoggedStatement): MigrationError {
    const { source } = this.#options;
    const message = `Someone emptied the shadow of ${source.schema}.${source.table}, which has lost rows that were copied: ${excerpt(statement.sql)}`;
    return new MigrationError('SHADOW_CHANGED', message);
  }

  #statementWrite(statement: LoggedStatement): MigrationError {
    const { schema, table } = this.#options.source;
    const message = `A write that names ${schema}.${table} was logged as a statement, not as rows: ${excerpt(statement.sql)}`;
    return new MigrationError('STATEMENT_FORMAT_WRITE', message);
  }

  #readXa(group: Group, action: 'start' | 'commit' | 'rollback' | 'other', xid: string): void {
    if (action === 'start') {
      group.isOpenEnded = true;
      group.preparing = { xid, changes: [] };
      return;
    }
    if (action === 'other') return;
    // One that was prepared before the stream began is not known here; rule 1 has it decided before the source is first read.
    const decided = this.prepared.decide(xid);
    if (action === 'commit' && decided !== null) this.#deliver(group, decided.changes, decided.before);
    this.#end();
  }

  #endPrepare(event: LogEvent): void {
    const group = this.#current();
    const { isOnePhase, xid } = control.readXaPrepare(event);
    const changes = group.preparing?.changes ?? [];
    group.preparing = null;
    if (isOnePhase) this.#deliver(group, changes, group.before);
    else this.prepared.keep(xid, { before: group.before, changes });
    this.#end();
  }

  #deliver(group: Group, changes: readonly Change[], from: LogPosition): void {
    this.#queue.begin(from, group.reach, false);
    for (const change of changes) this.#add(group, change);
  }

  #end(): void {
    const group = this.#current();
    if (group.toPassOver > 0)
      throw brokenEvent(EVENT.XID, `${group.identity} came again with ${group.toPassOver} changes less`);
    this.#received = this.#positionHere(group.reach.order, group.reach.history);
    this.#group = null;
    this.#queue.end(this.#safePosition(), group.fence);
  }

  /**
   * The group did not take effect: MariaDB logs a transaction that was rolled back if it made or dropped a temporary table.
   * What is still here is dropped. An upsert that was handed on does no harm, for it only means that the row is read again.
   */
  #undo(): void {
    const group = this.#current();
    group.toPassOver = 0;
    group.preparing = null;
    if (!this.#queue.abandon()) this.#takeBackDeletes(group);
    this.#end();
  }

  /** Has rows read again whose deletes may not have taken effect. */
  #takeBackDeletes(group: Group): void {
    const { schema, table } = this.#options.source;
    if (group.deleted === null) {
      const message = `A transaction with over ${DELETED_KEYS_MAX} deletes in ${schema}.${table} was rolled back after it had been logged.`;
      throw new MigrationError('UNKNOWN_LOG_EVENT', message);
    }
    const keys = group.deleted;
    group.deleted = [];
    for (const key of keys) this.#add(group, { key, kind: 'upsert' });
    const kept = group.preparing?.changes ?? [];
    for (const { key, kind } of [...kept]) if (kind === 'delete') kept.push({ key, kind: 'upsert' });
  }

  #positionHere(order: number, history: LogPosition['history']): LogPosition {
    const { server } = this.#received;
    this.#isPlaceKnown = history !== null || this.#offset <= OFFSET_MAX;
    if (!this.#isPlaceKnown) return new LogPosition(order, this.#received);
    return new LogPosition(order, { server, file: this.#file, offset: this.#offset, history, read: this.#read });
  }

  #safePosition(): LogPosition {
    return this.prepared.oldest()?.before ?? this.#received;
  }
}

/** Events that say nothing about rows of the source. */
const PASSED_OVER: ReadonlySet<number> = new Set([
  EVENT.STOP,
  EVENT.INTVAR,
  EVENT.APPEND_BLOCK,
  EVENT.DELETE_FILE,
  EVENT.RAND,
  EVENT.USER_VAR,
  EVENT.BEGIN_LOAD_QUERY,
  EVENT.HEARTBEAT,
  EVENT.HEARTBEAT_V2,
  EVENT.ROWS_QUERY,
  EVENT.PREVIOUS_GTIDS,
  EVENT.TRANSACTION_CONTEXT,
  EVENT.VIEW_CHANGE,
  EVENT.ANNOTATE_ROWS,
  EVENT.BINLOG_CHECKPOINT,
  EVENT.MARIADB_GTID_LIST,
  EVENT.START_ENCRYPTION,
]);

function isRowsEvent(type: number): boolean {
  return (
    (type >= EVENT.WRITE_ROWS_V1 && type <= EVENT.DELETE_ROWS_V1) ||
    (type >= EVENT.WRITE_ROWS && type <= EVENT.DELETE_ROWS) ||
    type === EVENT.PARTIAL_UPDATE_ROWS ||
    (type >= EVENT.WRITE_ROWS_COMPRESSED_V1 && type <= EVENT.DELETE_ROWS_COMPRESSED)
  );
}

/** How much of a statement a message shows. */
const EXCERPT_LENGTH = 200;

/** The error where a statement in the log has changed the source. */
export function changedWhileMigrated({ schema, table }: TableName, sql: string): MigrationError {
  return new MigrationError(
    'SOURCE_CHANGED',
    `Someone changed ${schema}.${table} while it was being migrated: ${excerpt(sql)}`,
  );
}

function excerpt(sql: string): string {
  const text = sql.replace(/\s+/g, ' ').trim();
  return text.length <= EXCERPT_LENGTH ? text : `${text.slice(0, EXCERPT_LENGTH)}…`;
}
