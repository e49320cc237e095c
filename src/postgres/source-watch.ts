/**
 * Notices that somebody else altered the source, or published the shadow. The cutover looks under its lock and would refuse anyway;
 * this is to know it hours earlier, and at a resume before anything else.
 */

import { createHash } from 'node:crypto';
import type { Plan } from '../engine/model.ts';
import { decisionsOf, type PlanDecisions, sourceChanged } from '../engine/plan-decisions.ts';
import { isSwapRecorded } from './bookkeeping.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { checkUnpublished } from './published.ts';
import type { SessionPool } from './session.ts';
import { fingerprintOf } from './shadow.ts';

/** The hash of a plan that is made for this definition of the source. */
export function planHash(decisions: PlanDecisions, source: TableDescription): string {
  const hashed = { ...decisionsOf(decisions), definition: fingerprintOf(source) };
  return createHash('sha256').update(JSON.stringify(hashed)).digest('hex');
}

/** Whether the source is what it was when it was planned. */
export function isAsPlanned(plan: Plan, source: TableDescription | null): source is TableDescription {
  return source !== null && planHash(plan, source) === plan.hash;
}

/** Rejects with SOURCE_CHANGED unless the source, from which the shadow will be made, is what it was when it was planned. */
export function checkPlanned(plan: Plan, source: TableDescription | null): void {
  if (!isAsPlanned(plan, source)) throw sourceChanged(plan, source !== null, 'the change was planned');
}

/**
 * Rejects with SOURCE_CHANGED where the source is not, or no longer, what it was, and with SHADOW_PUBLISHED. Reads the catalog only.
 */
export type SourceCheck = (signal: AbortSignal) => Promise<void>;

/** `isUnchanged`: whether the source is what it was. After our own swap it may be anything. */
export function createSourceCheck(
  plan: Plan,
  isUnchanged: (source: TableDescription) => boolean,
  sessions: SessionPool,
): SourceCheck {
  return (signal) =>
    sessions.withSession(async (session) => {
      const source = await readTable(session, plan.source, signal);
      if (source !== null && isUnchanged(source)) return await checkUnpublished(session, plan, signal);
      // Asked after it was read: a swap that was seen is recorded.
      if (await isSwapRecorded(session, plan.id, signal)) return;
      throw sourceChanged(plan, source !== null, 'its shadow was made');
    }, signal);
}
