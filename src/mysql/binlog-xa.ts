/** XA transactions that the log has shown prepared and not yet decided. */

import { MigrationError } from '../engine/errors.ts';
import type { Change } from '../engine/model.ts';
import { mebibytes } from '../sessions/sizes.ts';
import { changeBytes } from './binlog-batches.ts';
import type { LogPosition } from './position.ts';

/** A prepared transaction: the position before its PREPARE, and its changes of the source. */
export interface Prepared {
  readonly before: LogPosition;
  readonly changes: readonly Change[];
}

/** They cannot be handed on before they are decided, nor read again, so there is a limit to what is kept of them. */
const KEPT_BYTES_MAX = 256 * 1024 * 1024;

/** They are kept in the order in which they were prepared. */
export class PreparedTransactions {
  readonly #all = new Map<string, Prepared>();
  #bytes = 0;

  keep(xid: string, transaction: Prepared): void {
    this.#all.set(xid, transaction);
    this.#bytes += sizeOf(transaction);
    if (this.#bytes > KEPT_BYTES_MAX) {
      const message = `Prepared XA transactions with over ${mebibytes(KEPT_BYTES_MAX)} of changed keys wait for their COMMIT; the last is ${xid}.`;
      throw new MigrationError('STREAM_BROKEN', message);
    }
  }

  /** Takes the transaction out; null if it is not known. */
  decide(xid: string): Prepared | null {
    const transaction = this.#all.get(xid);
    if (transaction === undefined) return null;
    this.#all.delete(xid);
    this.#bytes -= sizeOf(transaction);
    return transaction;
  }

  has(xid: string): boolean {
    return this.#all.has(xid);
  }

  /** The names of those that have changes. */
  undecided(): readonly string[] {
    return [...this.#all].flatMap(([xid, { changes }]) => (changes.length > 0 ? xid : []));
  }

  /** The oldest that has changes: reading may have to begin before it again. */
  oldest(): Prepared | null {
    for (const transaction of this.#all.values()) if (transaction.changes.length > 0) return transaction;
    return null;
  }
}

function sizeOf(transaction: Prepared): number {
  return transaction.changes.reduce((sum, change) => sum + changeBytes(change), 0);
}
