/**
 * The sessions that keep a cutover from its lock: naming them, and ending those that may be ended where that is asked for. Ending
 * one undoes what it has written at once, however much that is.
 */

import { MigrationError } from '../engine/errors.ts';
import type { CutoverOptions } from '../engine/ports.ts';
import { hasPassed } from '../sessions/pause.ts';
import { findLockHolders, type HolderSearch, isSearched, type LockHolder, readLockHolders } from './lock-holders.ts';
import type { Session } from './session.ts';
import { quoteText } from './statements.ts';

const pollMs = 20;

/** Of one attempt. `session` looks, and ends others; it holds nothing. */
export class Blockers {
  readonly #session: Session;
  readonly #onEnded: CutoverOptions['onBlockerEnded'];
  /** Why each was not ended, by what tells it from others. */
  readonly #reasons = new Map<string, string>();

  constructor(session: Session, onEnded: CutoverOptions['onBlockerEnded']) {
    this.#session = session;
    this.#onEnded = onEnded;
  }

  get areEnded(): boolean {
    return this.#onEnded !== undefined;
  }

  /** Who is in the way now, one sentence each, with the reason why it was not ended where that was asked for. */
  async find(search: HolderSearch, signal: AbortSignal): Promise<readonly string[]> {
    if (!this.areEnded) return findLockHolders(this.#session, search, signal);
    const holders = await readLockHolders(this.#session, search, signal);
    return holders.map((holder) => {
      const reason = this.#reasons.get(nameOf(holder)) ?? holder.immunity;
      return reason === null ? holder.sentence : `${holder.sentence} (not ended: ${reason})`;
    });
  }

  /** Tells those to end that may be ended, until `over` aborts. Does not wait for them. How many were told. */
  async end(search: HolderSearch, over: AbortSignal, signal: AbortSignal): Promise<number> {
    let count = 0;
    for (const holder of await readLockHolders(this.#session, search, signal)) {
      if (over.aborted) break;
      if (holder.immunity === null && (await this.#terminate(holder, search, signal))) count += 1;
    }
    return count;
  }

  /** Ends them and waits until they are gone, or `limitMs` has passed. How many were told to end. */
  async clear(search: HolderSearch, limitMs: number, signal: AbortSignal): Promise<number> {
    const count = await this.end(search, signal, signal);
    if (count === 0) return 0;
    const deadline = performance.now() + limitMs;
    while (performance.now() < deadline) {
      const holders = await readLockHolders(this.#session, search, signal);
      if (!holders.some((holder) => this.#reasons.get(nameOf(holder)) === beingEnded)) break;
      await hasPassed(pollMs, signal);
    }
    return count;
  }

  /** Looks and ends in one statement, so that it is the same transaction and it still holds the lock. */
  async #terminate(holder: LockHolder, search: HolderSearch, signal: AbortSignal): Promise<boolean> {
    const { pid, startedAt, transactionAt } = holder;
    try {
      const rows = await this.#session.query(
        `SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity AS a
         WHERE a.pid = ${pid ?? 0} AND a.backend_start = ${quoteText(startedAt ?? '')}::pg_catalog.timestamptz
           AND a.xact_start = ${quoteText(transactionAt ?? '')}::pg_catalog.timestamptz
           AND EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE ${isSearched(search)} AND l.pid = a.pid)`,
        signal,
      );
      if (rows.length === 0) return false;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MigrationError) || error.code !== 'ACCESS_DENIED') throw error;
      this.#reasons.set(nameOf(holder), 'the server does not let this role end it');
      return false;
    }
    this.#reasons.set(nameOf(holder), beingEnded);
    this.#onEnded?.(holder.sentence);
    return true;
  }
}

const beingEnded = 'it was told to end, and has not yet';

function nameOf({ pid, startedAt, transactionAt }: LockHolder): string {
  return `${pid ?? ''} ${startedAt ?? ''} ${transactionAt ?? ''}`;
}
