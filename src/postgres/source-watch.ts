/**
 * Notices that somebody else altered the source. The cutover looks under its lock and would refuse anyway; this is to know it
 * hours earlier, and at a resume before anything else.
 */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { isSwapRecorded } from './bookkeeping.ts';
import { readTable } from './catalog.ts';
import type { SessionPool } from './session.ts';
import { fingerprintOf } from './shadow.ts';

/** Rejects with SOURCE_CHANGED where the source is not, or no longer, what it was. Reads the catalog only. */
export type SourceCheck = (signal: AbortSignal) => Promise<void>;

/** Compares the source with a fingerprint of what it was. After our own swap it may be anything. */
export function createSourceCheck(plan: Plan, fingerprint: string, sessions: SessionPool): SourceCheck {
  return (signal) =>
    sessions.withSession(async (session) => {
      const source = await readTable(session, plan.source, signal);
      if (source !== null && fingerprintOf(source) === fingerprint) return;
      // Asked after it was read: a swap that was seen is recorded.
      if (await isSwapRecorded(session, plan.id, signal)) return;
      const what = source === null ? 'renamed or dropped' : 'altered';
      throw new MigrationError(
        'SOURCE_CHANGED',
        `Somebody has ${what} ${plan.source.schema}.${plan.source.table} since its shadow was made. Give migration ${plan.id} up and start anew.`,
      );
    }, signal);
}
