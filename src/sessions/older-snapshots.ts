/**
 * Waiting, before a swap, for snapshots that are older than rows of the shadow. The new table has its rows from when they were
 * copied, so a transaction whose snapshot is older would find them missing there, without an error. Only REPEATABLE READ and
 * SERIALIZABLE keep a snapshot from one statement to the next.
 *
 *   at the first attempt    every snapshot that is held at that moment is waited for: copying has just ended
 *   at every attempt        those of transactions that rest between statements, which are certainly kept
 *
 * What remains are snapshots of the last second: their transactions see the new table as far as it had been brought up to date.
 */

import { hasPassed } from './pause.ts';

/** A snapshot that a session of somebody else holds. */
export interface HeldSnapshot {
  /** As the server numbers its sessions. */
  readonly sessionId: number;
  /** Who that is and what it does. */
  readonly sentence: string;
  /** Between two statements of its transaction. */
  readonly isResting: boolean;
}

/** How a server is asked, and for how long. */
export interface SnapshotWait {
  /** Snapshots by what tells each from a later one of the same session. */
  readonly read: (signal: AbortSignal) => Promise<ReadonlyMap<string, HeldSnapshot>>;
  readonly pollMs: number;
  readonly limitMs: number;
  /**
   * Ends those of these sessions that have used a table and may be ended; a snapshot alone takes nothing from anybody. Null where
   * nobody is ended.
   */
  readonly end: ((sessionIds: readonly number[], signal: AbortSignal) => Promise<EndedHolders>) | null;
}

/** Whom it ended. */
export interface EndedHolders {
  readonly isAnyEnded: boolean;
  /** Why a session was not, as far as that is known. */
  readonly whyNot: (sessionId: number) => string | null;
}

/** What keeps an attempt from being made then. */
export const OLDER_SNAPSHOTS_LEFT = 'transactions have a snapshot that is older than the new table';

const notInTheWay = 'it holds no lock on the table, or must be spared';

/** Remembers over the attempts of a run which snapshots were there when copying had ended. */
export class OlderSnapshots {
  #first: ReadonlySet<string> | null = null;

  /** Resolves with nobody once all are gone, or after the limit with who is left, one sentence each. Blocks nobody meanwhile. */
  async awaitGone(wait: SnapshotWait, signal: AbortSignal): Promise<readonly string[]> {
    const { end } = wait;
    const describe = ({ sentence }: HeldSnapshot): string => `${sentence}, whose snapshot is older than the new table`;
    const found = await this.#awaitGone(wait, signal);
    if (found.length === 0 || end === null) return found.map(describe);
    const ended = await end(
      found.map(({ sessionId }) => sessionId),
      signal,
    );
    const left = ended.isAnyEnded ? await this.#awaitGone(wait, signal) : found;
    return left.map((one) => `${describe(one)} (not ended: ${ended.whyNot(one.sessionId) ?? notInTheWay})`);
  }

  async #awaitGone({ read, pollMs, limitMs }: SnapshotWait, signal: AbortSignal): Promise<readonly HeldSnapshot[]> {
    let held = await read(signal);
    const deadline = performance.now() + limitMs;
    let first = this.#first ?? new Set(held.keys());
    const awaited = new Set([...held].filter(([, { isResting }]) => isResting).map(([name]) => name));
    for (;;) {
      // A snapshot that was gone once does not come back: a later one of the same transaction is new.
      first = new Set([...first].filter((name) => held.has(name)));
      this.#first = first;
      const left = [...held].filter(([name]) => first.has(name) || awaited.has(name)).map(([, snapshot]) => snapshot);
      if (left.length === 0 || performance.now() > deadline) return left;
      await hasPassed(pollMs, signal);
      held = await read(signal);
    }
  }
}
