/**
 * Notices that somebody else altered the source or the shadow, or published the shadow. The cutover looks under its lock and would refuse
 * anyway; this is to know it hours earlier, and at a resume before anything else. Plain indexes that come and go are followed
 * (followed-indexes.ts).
 */

import { createHash } from 'node:crypto';
import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { decisionsOf, type PlanDecisions, sourceChanged } from '../engine/plan-decisions.ts';
import { isSwapRecorded } from './bookkeeping.ts';
import type { TableDescription } from './catalog.ts';
import { definitionChanges } from './definition-changes.ts';
import { type IndexFollower, readUnlocked } from './followed-indexes.ts';
import { checkUnpublished } from './published.ts';
import type { Session, SessionPool } from './session.ts';
import { fingerprintOf, readUnfinished, type Unfinished } from './shadow.ts';
import { checkShadow } from './shadow-watch.ts';
import { readStreamMarks, streamFault } from './unstreamed-changes.ts';

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

/** Rejects where somebody has altered the source or the shadow, or published that, until our own swap. Reads the catalog only. */
export interface SourceWatch {
  /** At all of it: SOURCE_CHANGED, SHADOW_CHANGED, SHADOW_PUBLISHED. */
  readonly check: (signal: AbortSignal) => Promise<void>;
  /** At what must be known soon, as changes may be missing by now or the server refuses them (unstreamed-changes.ts). */
  readonly glance: (signal: AbortSignal) => Promise<void>;
  /** `told` hears of what others have altered that goes into the new table, too. */
  readonly listen?: IndexFollower['listen'];
}

/** What is watched. */
export interface WatchedSource {
  readonly plan: Plan;
  /** As it was when this run began. */
  readonly known: TableDescription | null;
  /** Whether the source is what it was. After our own swap it may be anything. */
  readonly isUnchanged: (source: TableDescription) => boolean;
  /** Whether the shadow is there; until then, one of an earlier run may be. */
  readonly hasShadow: () => boolean;
  /** Where it is given, the shadow gets what the source's indexes become. */
  readonly follower?: IndexFollower;
  readonly sessions: SessionPool;
}

export function watchSource({ plan, known, isUnchanged, hasShadow, follower, sessions }: WatchedSource): SourceWatch {
  /** Asked after it was read: a swap that was seen is recorded. */
  const rejectUnlessSwapped = async (session: Session, changed: MigrationError, signal: AbortSignal): Promise<void> => {
    if (!(await isSwapRecorded(session, plan.id, signal))) throw changed;
  };
  /** Of the shadow that this run works with: it does not get others. */
  let unfinished: Unfinished | null = null;
  const glance = async (session: Session, signal: AbortSignal): Promise<void> => {
    if (!hasShadow()) return;
    unfinished ??= await readUnfinished(session, plan, signal);
    const changed = streamFault(plan, unfinished.marks, await readStreamMarks(session, plan, signal));
    if (changed !== null) await rejectUnlessSwapped(session, changed, signal);
  };
  const lookAtShadow = async (session: Session, signal: AbortSignal): Promise<void> => {
    try {
      if (unfinished !== null) await checkShadow(session, plan, unfinished, signal);
    } catch (error) {
      if (!(error instanceof MigrationError) || error.code !== 'SHADOW_CHANGED') throw error;
      await rejectUnlessSwapped(session, error, signal);
    }
  };
  const isFollowed = async (session: Session, signal: AbortSignal): Promise<boolean> =>
    follower !== undefined && hasShadow() && (await follower.canFollow(session, signal));
  return {
    ...(follower === undefined ? {} : { listen: (told) => follower.listen(told) }),
    glance: (signal) => sessions.withSession((session) => glance(session, signal), signal),
    check: (signal) =>
      sessions.withSession(async (session) => {
        const source = await readUnlocked(session, plan.source, signal);
        if (source !== null && (isUnchanged(source) || (await isFollowed(session, signal)))) {
          await glance(session, signal);
          await lookAtShadow(session, signal);
          return await checkUnpublished(session, plan, signal);
        }
        const changes = source === null ? '' : definitionChanges(known, source);
        await rejectUnlessSwapped(session, sourceChanged(plan, source !== null, 'its shadow was made', changes), signal);
      }, signal),
  };
}
