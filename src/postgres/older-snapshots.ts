/**
 * Waiting for snapshots that are older than rows of the shadow. The new table has its rows from when they were copied, so a
 * transaction whose snapshot is older would find them missing there, without an error. Only REPEATABLE READ and SERIALIZABLE
 * keep a snapshot from one statement to the next, but others do not show what they are.
 *
 *   at the first attempt    every snapshot that is held at that moment is waited for: copying has just ended
 *   at every attempt        those of transactions that rest between statements, which are certainly kept
 *
 * What remains are snapshots of the last second: their transactions see the new table as far as it had been brought up to date.
 */

import { hasPassed } from '../sessions/pause.ts';
import { describeSession, sessionColumns } from './lock-holders.ts';
import type { Row, Session } from './session.ts';

const pollMs = 50;

/** Remembers over the attempts of a run which snapshots were there when copying had ended. */
export class OlderSnapshots {
  #first: ReadonlySet<string> | null = null;

  /** Resolves with nobody once all are gone, or after `limitMs` with who is left, one sentence each. Blocks nobody meanwhile. */
  async awaitGone(session: Session, limitMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const deadline = performance.now() + limitMs;
    let held = await readSnapshots(session, signal);
    this.#first ??= new Set(held.keys());
    const awaited = new Set([...held].filter(([, row]) => isResting(row)).map(([name]) => name));
    for (;;) {
      // A snapshot that was gone once does not come back: a later one of the same transaction is new.
      this.#first = new Set([...this.#first].filter((name) => held.has(name)));
      const left = new Set([...this.#first, ...[...awaited].filter((name) => held.has(name))]);
      if (left.size === 0) return [];
      if (performance.now() > deadline) {
        return [...left].map((name) => `${describeSession(held.get(name) ?? {})}, whose snapshot is older than the new table`);
      }
      await hasPassed(pollMs, signal);
      held = await readSnapshots(session, signal);
    }
  }
}

/** Snapshots by what tells them apart; that of the asking session is left out, and those of vacuums and of standbys. */
async function readSnapshots(session: Session, signal: AbortSignal): Promise<ReadonlyMap<string, Row>> {
  // A sender process has one from when a subscriber, or a reader of changes, has made its slot until it has copied the tables.
  const rows = await session.query(
    `SELECT ${sessionColumns}, pg_catalog.concat_ws(' ', a.pid, a.backend_start, a.xact_start, a.backend_xmin) AS name
     FROM pg_catalog.pg_stat_activity AS a
     WHERE a.backend_xmin IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid() AND a.usesysid IS NOT NULL
       AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'walsender')
       AND a.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`,
    signal,
  );
  return new Map(rows.map((row) => [row['name'] ?? '', row]));
}

function isResting(row: Row): boolean {
  return (row['state'] ?? '').startsWith('idle in transaction');
}
