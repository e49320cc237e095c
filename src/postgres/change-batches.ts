/** From messages of the log to batches of changed keys: which transaction, how far, what was the source's. */

import { MigrationError } from '../engine/errors.ts';
import type { Change, Fence, Position, RowKey, TableName } from '../engine/model.ts';
import type { ChangeBatch } from '../engine/ports.ts';
import type { Message, Relation, Tuple } from './pgoutput.ts';
import { type Lsn, positionAt } from './position.ts';
import { rowKey } from './row-key.ts';

/** What the batches are about. */
export interface BatchScope {
  readonly source: TableName;
  /** Names of the key's columns, in key order. */
  readonly keyColumns: readonly string[];
  /** Prefix and content of this run's fences: `run:number`. */
  readonly fencePrefix: string;
  readonly run: string;
}

/** Told of each transaction with changes of the source, when its first change comes in. */
export type OnTransaction = (xid: number, order: number) => void;

/** The transaction that is coming in, or that a lost connection cut off. */
interface OpenTransaction {
  readonly xid: number;
  readonly reach: Position;
  /** Messages of changed rows that were collected, over all connections. */
  collected: number;
  lastKey: RowKey | null;
}

/**
 * Collects changes until they are taken. A transaction may be split over several batches; the position moves only at its end.
 * One that a lost connection cut off comes again from its beginning on the next one; what was collected of it is left out, so
 * that each change comes once.
 */
export class BatchCollector {
  readonly #scope: BatchScope;
  readonly #onTransaction: OnTransaction;
  /** What this connection has described: the ordinals of the key's columns. */
  readonly #relations = new Map<number, readonly number[]>();
  /** How the source was described first. */
  #description: string | null = null;
  #changes: Change[] = [];
  #position: Position;
  #resumeFrom: Position;
  #open: OpenTransaction | null = null;
  /** Whether the open transaction has begun on this connection, and how many of its messages this connection has brought. */
  #isBegun = false;
  #brought = 0;
  #fence: Fence | null = null;
  /** Of the transaction that is coming in: passed once that has ended, so that a fence is never ahead of the position. */
  #openFence: Fence | null = null;
  #isMoved = false;

  constructor(scope: BatchScope, start: Position, onTransaction: OnTransaction) {
    this.#scope = scope;
    this.#position = start;
    this.#resumeFrom = start;
    this.#onTransaction = onTransaction;
  }

  get size(): number {
    return this.#changes.length;
  }

  /** Whether there is anything to take. */
  get hasNews(): boolean {
    return this.#isMoved || this.#changes.length > 0;
  }

  /** Behind the last wholly received transaction. */
  get position(): Position {
    return this.#position;
  }

  /** Forgets what was learned on the old connection; what was collected stays. The new one begins at the position. */
  restart(): void {
    this.#relations.clear();
    this.#isBegun = false;
    if (this.#open?.collected === 0) this.#open = null;
  }

  /** Everything collected so far, as one batch. */
  take(): ChangeBatch {
    const batch: ChangeBatch = {
      changes: this.#changes,
      position: this.#position,
      resumeFrom: this.#resumeFrom,
      reach: this.#open !== null && this.#open.collected > 0 ? this.#open.reach : this.#position,
      fence: this.#fence,
    };
    this.#changes = [];
    this.#resumeFrom = this.#position;
    this.#isMoved = false;
    return batch;
  }

  /** Takes a message in. Throws SOURCE_CHANGED, UNKNOWN_LOG_EVENT. */
  add(message: Message): void {
    switch (message.kind) {
      case 'begin':
        this.#begin(message.xid, message.finalLsn);
        return;
      case 'commit':
        this.#commit(message.endLsn);
        return;
      case 'relation':
        this.#learn(message.relation);
        return;
      case 'insert':
        this.#addRow(this.#key(message.relationId, message.after, null), 'upsert', null);
        return;
      case 'update':
        this.#addUpdate(message.relationId, message.before, message.after);
        return;
      case 'delete':
        this.#addRow(this.#key(message.relationId, message.before, null), 'delete', null);
        return;
      case 'truncate':
        throw this.#changedError('was truncated');
      case 'message':
        this.#openFence = this.#fenceOf(message.prefix, message.content) ?? this.#openFence;
        return;
      case 'other':
        return;
      case 'unknown':
        throw new MigrationError(
          'UNKNOWN_LOG_EVENT',
          `The log has a message of type "${message.type}", which is not known here. Nothing was skipped; report it.`,
        );
    }
  }

  #begin(xid: number, finalLsn: Lsn): void {
    const cut = this.#open;
    if (cut !== null && (cut.xid !== xid || cut.reach.order !== Number(finalLsn))) {
      throw new MigrationError(
        'UNKNOWN_LOG_EVENT',
        `Transaction ${cut.xid} had come in part, and transaction ${xid} came in its place. Nothing was skipped; report it.`,
      );
    }
    this.#open = cut ?? { xid, reach: positionAt(finalLsn), collected: 0, lastKey: null };
    this.#isBegun = true;
    this.#brought = 0;
    this.#openFence = null;
  }

  #commit(endLsn: Lsn): void {
    const open = this.#open;
    if (open !== null && this.#brought < open.collected) {
      throw new MigrationError(
        'UNKNOWN_LOG_EVENT',
        `Transaction ${open.xid} has come again with fewer changes than before. Nothing was skipped; report it.`,
      );
    }
    this.#position = positionAt(endLsn);
    this.#fence = this.#openFence ?? this.#fence;
    this.#openFence = null;
    this.#open = null;
    this.#isBegun = false;
    this.#isMoved = true;
  }

  #addUpdate(relationId: number, before: Tuple | null, after: Tuple): void {
    const key = this.#key(relationId, after, before);
    const oldKey = before === null ? key : this.#key(relationId, before, null);
    this.#addRow(key, 'upsert', oldKey === key ? null : oldKey);
  }

  /** `oldKey`: the row had another key before. */
  #addRow(key: RowKey, kind: Change['kind'], oldKey: RowKey | null): void {
    const open = this.#open;
    if (open === null || !this.#isBegun)
      throw new MigrationError(
        'UNKNOWN_LOG_EVENT',
        'The log has a change outside a transaction. Nothing was skipped; report it.',
      );
    this.#brought += 1;
    if (this.#brought <= open.collected) {
      if (this.#brought === open.collected && key !== open.lastKey)
        throw new MigrationError(
          'UNKNOWN_LOG_EVENT',
          `Transaction ${open.xid} has come again with other changes than before. Nothing was skipped; report it.`,
        );
      return;
    }
    if (open.collected === 0) this.#onTransaction(open.xid, open.reach.order);
    open.collected = this.#brought;
    open.lastKey = key;
    if (oldKey !== null) this.#changes.push({ key: oldKey, kind: 'delete' });
    this.#changes.push({ key, kind });
  }

  /** The key of a row of the source. A value that was not sent again is that of `fallback`. */
  #key(relationId: number, tuple: Tuple, fallback: Tuple | null): RowKey {
    const ordinals = this.#relations.get(relationId);
    if (ordinals === undefined) {
      throw new MigrationError(
        'UNKNOWN_LOG_EVENT',
        `The log changes relation ${relationId}, which it has not described. Nothing was skipped; report it.`,
      );
    }
    const values = ordinals.map((ordinal) => tuple[ordinal] ?? fallback?.[ordinal]);
    return rowKey(
      values.map((value) => {
        if (value == null) {
          throw new MigrationError(
            'UNKNOWN_LOG_EVENT',
            'The log has a change without the whole migration key. Check the replica identity of the table.',
          );
        }
        return value;
      }),
    );
  }

  /** The server describes a relation before its first change and whenever something may have changed. Ours publishes one. */
  #learn(relation: Relation): void {
    const { source, keyColumns } = this.#scope;
    if (relation.schema !== source.schema || relation.table !== source.table)
      throw this.#changedError(`was renamed, or ${relation.schema}.${relation.table} was added to its publication,`);
    if (this.#description !== null && this.#description !== relation.description)
      throw this.#changedError('got another migration key or replica identity');
    const ordinals = keyColumns.map((name) => relation.columns.findIndex((column) => column.name === name));
    if (ordinals.includes(-1))
      throw this.#changedError('has lost a column of the migration key, or its replica identity no longer has it');
    this.#description = relation.description;
    this.#relations.set(relation.id, ordinals);
  }

  /** Null for a message of somebody else, or of another run. */
  #fenceOf(prefix: string, content: string): Fence | null {
    const [run, number] = content.split(':');
    return prefix === this.#scope.fencePrefix && run === this.#scope.run ? (Number(number) as Fence) : null;
  }

  #changedError(what: string): MigrationError {
    const { schema, table } = this.#scope.source;
    return new MigrationError(
      'SOURCE_CHANGED',
      `The table ${schema}.${table} ${what} while the migration ran. Give this migration up and start anew.`,
    );
  }
}
