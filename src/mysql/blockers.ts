/**
 * The sessions that keep a cutover from its lock: naming them, and ending those that may be ended where that is asked for. While
 * we wait for the lock nobody else gets it, so whoever holds it has done so since before we asked.
 */

import { MigrationError } from '../engine/errors.ts';
import type { TableName } from '../engine/model.ts';
import type { CutoverOptions } from '../engine/ports.ts';
import type { EndedHolders } from '../sessions/older-snapshots.ts';
import { serverErrno } from './errors.ts';
import type { Flavour } from './flavour.ts';
import { findLockHolders, type LockHolder, readLockHolders } from './lock-holders.ts';
import type { Session } from './session.ts';

/** Whose way is looked at. */
export interface BlockedLock {
  /** Waits for the lock. */
  readonly locker: Pick<Session, 'connectionId'>;
  /** Looks, and ends others. */
  readonly observer: Session;
  readonly flavour: Flavour;
  readonly tables: readonly TableName[];
}

/** More than this many in the way are no matter for one attempt. */
const endedMax = 1_000;
/** ER_NO_SUCH_THREAD. */
const noSuchThread = 1094;

/** Of one attempt. */
export class Blockers {
  readonly #lock: BlockedLock;
  readonly #onEnded: CutoverOptions['onBlockerEnded'];
  /** Why each was not ended, by its identity. */
  readonly #reasons = new Map<string, string>();

  constructor(lock: BlockedLock, onEnded: CutoverOptions['onBlockerEnded']) {
    this.#lock = lock;
    this.#onEnded = onEnded;
  }

  get areEnded(): boolean {
    return this.#onEnded !== undefined;
  }

  /** Who is in the way now, one sentence each, with the reason why it was not ended where that was asked for. */
  async find(signal: AbortSignal): Promise<readonly string[]> {
    const { observer, tables, flavour, locker } = this.#lock;
    if (!this.areEnded) return findLockHolders(observer, tables, { flavour, except: locker.connectionId }, signal);
    const holders = await this.#read(signal);
    return holders.map((holder) => {
      const reason = this.#reasons.get(holder.identity) ?? holder.immunity;
      return reason === null ? holder.sentence : `${holder.sentence} (not ended: ${reason})`;
    });
  }

  /** Ends those that may be ended, each after another look, until `over` aborts. Does not wait for their roll-back. */
  async end(over: AbortSignal, signal: AbortSignal): Promise<void> {
    await this.#endThose(() => !over.aborted, signal);
  }

  /** Those of these connections only. */
  async endAmong(connectionIds: readonly number[], signal: AbortSignal): Promise<EndedHolders> {
    const isAmong = ({ connectionId }: LockHolder): boolean => connectionIds.some((id) => id === connectionId);
    const isAnyEnded = (await this.#endThose(isAmong, signal)) > 0;
    const holders = await this.#read(signal);
    const whyNot = (id: number): string | null => {
      const holder = holders.find(({ connectionId }) => connectionId === id);
      return holder === undefined ? null : (this.#reasons.get(holder.identity) ?? holder.immunity);
    };
    return { isAnyEnded, whyNot };
  }

  async #endThose(isMeant: (holder: LockHolder) => boolean, signal: AbortSignal): Promise<number> {
    let ended = 0;
    for (const { identity } of (await this.#read(signal)).filter(isMeant)) {
      const holder = (await this.#read(signal)).find((one) => one.identity === identity);
      if (holder === undefined || holder.immunity !== null || !isMeant(holder)) continue;
      if (await this.#kill(holder, signal)) ended += 1;
    }
    return ended;
  }

  /** False where it is gone already, or may not be ended. */
  async #kill(holder: LockHolder, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#lock.observer.execute(`KILL ${holder.connectionId ?? 0}`, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (serverErrno(error) === noSuchThread) return false;
      if (!(error instanceof MigrationError) || error.code !== 'ACCESS_DENIED') throw error;
      this.#reasons.set(holder.identity, 'the server does not let this user end it');
      return false;
    }
    this.#reasons.set(holder.identity, 'it was told to end, and rolls back');
    this.#onEnded?.(holder.sentence);
    return true;
  }

  async #read(signal: AbortSignal): Promise<readonly LockHolder[]> {
    const { observer, tables, flavour, locker } = this.#lock;
    const from = { flavour, except: locker.connectionId, limit: endedMax };
    const holders = await readLockHolders(observer, tables, from, signal);
    if (!flavour.isMariaDb || holders.length === 0) return holders;
    // Nothing tells which session has prepared its transaction. Ended, it would let go of the table without being decided.
    const prepared = await observer.query('XA RECOVER', signal);
    if (prepared.length === 0) return holders;
    const immunity = 'it may have prepared an XA transaction (XA RECOVER lists some)';
    return holders.map((holder) => (holder.hasWritten ? { ...holder, immunity: holder.immunity ?? immunity } : holder));
  }
}
