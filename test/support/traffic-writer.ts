/** The writing half of the traffic: one session that makes transactions of every kind on rows of its own. */
import type { Ledger } from './ledger.ts';
import { below, pick, seededRandom, type Random } from './random.ts';
import type { TransactionKind } from './traffic-dialect.ts';
import type { TrafficRecord } from './traffic-record.ts';
import { ApplicationSession } from './traffic-session.ts';
import { firstId, type TrafficRow, type TrafficTables } from './traffic-table.ts';
import { Transaction } from './traffic-transaction.ts';

/** Who writes where. */
export interface WriterOptions {
  readonly url: string;
  readonly seed: number;
  readonly rows: number;
  /** This one of so many. */
  readonly worker: number;
  readonly writers: number;
  readonly hasTwin: boolean;
  /** As in `TrafficOptions`. */
  readonly readsEach?: number;
  readonly tables: TrafficTables;
  readonly ledger: Ledger;
  readonly record: TrafficRecord;
}

/** Rows that get a fifth of the changes, so that one row changes many times a second. */
const hotRows = 10;
const hotShare = 0.2;

/** Writes one transaction after another; rows of other writers are never touched, so its ledger needs no order among writers. */
export class TrafficWriter {
  readonly #options: WriterOptions;
  /** Ids of rows that this writer inserted or moved, live or not; the initial ones follow from the worker's number. */
  readonly #extraIds: number[] = [];
  readonly #knownExtraIds = new Set<number>();
  #number = 0;
  #chosenIds = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** One transaction for each arrival; ends when they end. */
  async run(arrivals: AsyncIterable<number>): Promise<void> {
    const { record, ledger } = this.#options;
    await using session = new ApplicationSession(this.#options.url, record);
    for await (const arrivedMs of arrivals) {
      this.#number += 1;
      const transaction = new Transaction(session, this.#options, this.#number);
      const isCommitted = await this.#attempt(session, transaction);
      if (!isCommitted) {
        record.failure();
        continue;
      }
      for (const effect of transaction.effects) {
        if ('remove' in effect) ledger.remove(effect.remove);
        else {
          ledger.put(effect.put);
          this.#remember(effect.put.id);
        }
      }
      record.write(arrivedMs);
    }
  }

  #remember(id: number): void {
    const isInitial = id >= firstId && id < firstId + this.#options.rows;
    if (isInitial || this.#knownExtraIds.has(id)) return;
    this.#knownExtraIds.add(id);
    this.#extraIds.push(id);
  }

  /** Whether the transaction is committed; never returns without knowing. */
  async #attempt(session: ApplicationSession, transaction: Transaction): Promise<boolean> {
    const { seed, worker, readsEach = 0 } = this.#options;
    const random = seededRandom(seed, worker, this.#number);
    let isCommitSent = false;
    try {
      await transaction.begin();
      for (let place = 0; place < readsEach; place += 1) await transaction.readOthers(place, random);
      await this.#fill(transaction, pick(random, session.dialect.kinds), random);
      isCommitSent = true;
      await session.query('COMMIT');
      return true;
    } catch (error) {
      if (session.faultOf(error) === null) throw error;
      if (!session.isBroken) {
        await session.query('ROLLBACK').catch(() => undefined);
        return false;
      }
      // Without a commit the server rolls back; with one, only the journal knows.
      return isCommitSent && (await transaction.isJournalled());
    }
  }

  async #fill(transaction: Transaction, kind: TransactionKind, random: Random): Promise<void> {
    switch (kind) {
      case 'update':
        for (let count = 0; count < 4; count += 1) await transaction.update(this.#victim(random), random);
        return;
      case 'insert':
        for (let count = 0; count < 4; count += 1) await transaction.insert(random);
        return;
      case 'delete':
        for (let count = 0; count < 3; count += 1) await transaction.remove(this.#victim(random));
        return;
      case 'delete-insert': {
        const row = this.#victim(random);
        await transaction.remove(row);
        await transaction.update(this.#victim(random), random);
        await transaction.insertAgain(row, random);
        return;
      }
      case 'change-key':
        for (let count = 0; count < 2; count += 1) await transaction.changeKey(this.#victim(random), this.#newId());
        return;
      case 'swap':
        return transaction.swapHandles(this.#victim(random), this.#victim(random));
      case 'many':
        return transaction.updateMany([this.#victim(random), this.#victim(random), this.#victim(random), this.#victim(random)]);
      case 'read-own':
        await transaction.update(this.#victim(random), random);
        return transaction.readOwn(this.#victim(random));
      case 'savepoint':
        await transaction.update(this.#victim(random), random);
        await transaction.undone(async () => {
          await transaction.update(this.#victim(random), random);
          await transaction.remove(this.#victim(random));
          await transaction.insert(random);
          await transaction.changeKey(this.#victim(random), this.#newId());
        });
        return transaction.update(this.#victim(random), random);
      case 'bulk':
        return transaction.copyIn([this.#newId(), this.#newId(), this.#newId(), this.#newId()], random);
    }
  }

  /** An id that no row has had: below those that the server gives. */
  #newId(): number {
    this.#chosenIds += 1;
    return firstId - this.#chosenIds * this.#options.writers - this.#options.worker - 1;
  }

  /** A live row of this writer, from those that are in the ledger before this transaction. */
  #victim(random: Random): TrafficRow {
    const { rows, worker, writers, ledger } = this.#options;
    const initial = Math.floor((rows - worker + writers - 1) / writers);
    for (;;) {
      const isHot = random() < hotShare;
      const place = below(random, isHot ? hotRows : initial + this.#extraIds.length);
      const id = place < initial ? firstId + worker + place * writers : this.#extraIds[place - initial];
      const row = id === undefined ? null : ledger.row(id);
      if (row !== null) return row;
    }
  }
}
