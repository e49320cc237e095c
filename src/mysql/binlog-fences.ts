/**
 * Rows of ours in the log. A stream has a row in the bookkeeping's `fences` table: raising its number puts a fence into the log
 * behind everything committed so far. A second row serves as the heartbeat behind which everything before it is visible.
 *
 * A commit that waits for a replica may not be ended (MariaDB: nothing ends one that waits behind another). These rows are this
 * stream's alone, and it writes each of them one statement at a time, so a caller that gives up does not wait for its statement:
 * it can do no harm any more, only raise a number that nobody waits for. Closing the stream ends it.
 */

import { randomBytes } from 'node:crypto';
import { assert, MigrationError } from '../engine/errors.ts';
import type { Fence, RowKey, TableName } from '../engine/model.ts';
import { NO_COLUMN } from './binlog-column.ts';
import type { WatchedTable } from './binlog-table-map.ts';
import type { Column } from './catalog.ts';
import type { KeyColumn } from './row-key.ts';
import type { Session, SessionPool } from './session.ts';
import { quoteTable } from './statements.ts';

/** Name of the table in the bookkeeping schema. */
export const FENCE_TABLE = 'fences';

/**
 * Creates the table unless it is there. The number is part of the key, so every row image has it, whatever binlog_row_image says.
 * Takes no lock on anything else; safe to run twice.
 */
export function fenceTableDefinition(schema: string): string {
  return (
    `CREATE TABLE IF NOT EXISTS ${quoteTable({ schema, table: FENCE_TABLE })} (\n` +
    '  run BINARY(16) NOT NULL,\n' +
    '  number BIGINT UNSIGNED NOT NULL,\n' +
    '  placed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,\n' +
    '  PRIMARY KEY (run, number)\n' +
    ') ENGINE=InnoDB'
  );
}

/** How fences look in the log. */
export interface FenceRows {
  readonly table: Omit<WatchedTable, 'take'>;
  /** The fence that a key of the table stands for, or null if it is of another run. */
  fenceOf(key: RowKey): Fence | null;
}

/** The rows of one stream in the table. */
export class Fences implements FenceRows {
  readonly table: Omit<WatchedTable, 'take'>;
  readonly #sessions: SessionPool;
  readonly #name: TableName;
  readonly #fenceRow = new CountingRow();
  readonly #heartbeatRow = new CountingRow();
  readonly #closing = new AbortController();

  constructor(schema: string, sessions: SessionPool) {
    this.#sessions = sessions;
    this.#name = { schema, table: FENCE_TABLE };
    this.table = { name: this.#name, columns: COLUMNS, key: KEY, defaults: KEY.map(() => null) };
  }

  fenceOf(key: RowKey): Fence | null {
    const prefix = `(${this.#fenceRow.run},`;
    return key.startsWith(prefix) ? (Number(key.slice(prefix.length, -1)) as Fence) : null;
  }

  /** Commits a new fence. Locks this stream's own row only; safe to repeat, which gives another fence. */
  async place(signal: AbortSignal): Promise<Fence> {
    return (await this.#raise(this.#fenceRow, signal)) as Fence;
  }

  /** Commits a heartbeat that was sent after this was called. */
  async beat(signal: AbortSignal): Promise<void> {
    await this.#raise(this.#heartbeatRow, signal);
  }

  /** Ends what is under way and removes this stream's rows, and those that streams left which were never closed. */
  async close(signal: AbortSignal): Promise<void> {
    this.#closing.abort(new MigrationError('INTERRUPTED', 'The change stream was closed.'));
    const rows = [this.#fenceRow, this.#heartbeatRow];
    const condition = `run IN (${rows.map((row) => row.run).join(', ')}) OR placed_at < CURRENT_TIMESTAMP - INTERVAL 30 DAY`;
    const remove = async (): Promise<void> => {
      await Promise.all(rows.map((row) => row.inTurn(() => Promise.resolve())));
      await this.#sessions.withSession((session) => {
        return session.execute(`DELETE FROM ${quoteTable(this.#name)} WHERE ${condition}`, signal);
      }, signal);
    };
    await unlessAborted(remove(), signal);
  }

  #raise(row: CountingRow, signal: AbortSignal): Promise<number> {
    const raised = row.inTurn(async () => {
      signal.throwIfAborted();
      this.#closing.signal.throwIfAborted();
      row.number += 1;
      const { number } = row;
      await this.#sessions.withSession((session) => this.#write(session, row, this.#closing.signal), this.#closing.signal);
      return number;
    });
    return unlessAborted(raised, signal);
  }

  async #write(session: Session, row: CountingRow, signal: AbortSignal): Promise<void> {
    const table = quoteTable(this.#name);
    const updated = await session.execute(`UPDATE ${table} SET number = ${row.number} WHERE run = ${row.run}`, signal);
    if (updated.affectedRows > 0) return;
    const inserted = await session.execute(`INSERT INTO ${table} (run, number) VALUES (${row.run}, ${row.number})`, signal);
    assert(inserted.affectedRows === 1, 'a fence is one row');
  }
}

/** A row whose number is only raised. */
class CountingRow {
  readonly run = `X'${randomBytes(16).toString('hex').toUpperCase()}'`;
  number = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` after what was handed in before it has ended, however that ended. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** What the promise gives, or the signal's reason as soon as it aborts; the promise is then left to itself. */
async function unlessAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return await new Promise<Result>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

const COLUMNS: readonly Column[] = [
  { ...NO_COLUMN, name: 'run', dataType: 'binary', columnType: 'binary(16)', octetLength: 16 },
  { ...NO_COLUMN, name: 'number', ordinal: 1, dataType: 'bigint', columnType: 'bigint unsigned', isUnsigned: true },
  { ...NO_COLUMN, name: 'placed_at', ordinal: 2, dataType: 'timestamp', columnType: 'timestamp' },
];

const NO_KEY_COLUMN: KeyColumn = {
  name: '',
  kind: 'binary',
  ordinal: 0,
  isUnsigned: false,
  charset: null,
  fixedBytes: null,
  scale: 0,
  precision: 0,
};

const KEY: readonly KeyColumn[] = [
  { ...NO_KEY_COLUMN, name: 'run', fixedBytes: 16 },
  { ...NO_KEY_COLUMN, name: 'number', kind: 'integer', ordinal: 1, isUnsigned: true },
];
