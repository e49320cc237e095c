/** What an unfinished migration has built, and how it goes. */

import type { Plan } from '../engine/model.ts';
import type { ClaimToGiveUp } from '../engine/ports.ts';
import { disposeBefore } from '../sessions/disposal.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import { takeClaim } from './claim.ts';
import { removeSentry } from './cutover-two-sessions.ts';
import { hasSwapped } from './cutover.ts';
import { removeGuards } from './foreign-key-swap.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import { createSessionPool } from './session-pool.ts';
import { readUnsettled } from './settlement.ts';
import { dropTable } from './table-drop.ts';

/** Takes the claim (`Database.claimToGiveUp`) without a look at the source, which may be gone or another table. */
export async function claimToGiveUp(server: Server, plan: Plan, signal: AbortSignal): Promise<ClaimToGiveUp> {
  const claim = await takeClaim(server, { table: plan.source, migration: plan.id }, signal);
  const isolation = 'REPEATABLE READ';
  const sessions = createSessionPool({ sizeMax: 1, open: (signal) => claim.openSession({ isolation }, signal) });
  return {
    checkpoints: createCheckpointStore(sessions, plan.id),
    hasSwapped: (signal) => sessions.withSession((session) => hasSwapped(session, { server, plan }, signal), signal),
    unsettled: (signal) => sessions.withSession((session) => readUnsettled(session, { server, plan }, signal), signal),
    async discard(lockTimeoutMs, signal) {
      // All sessions of the last run have been seen gone, so no RENAME of it can be under way.
      await sessions.withSession(async (session) => {
        await removeSentry(session, plan, signal);
        await removeGuards(session, { server, plan }, signal);
      }, signal);
      const open = (settings: readonly string[]): Promise<Session> =>
        claim.openSession({ settings, takesSeveral: true }, signal);
      return await dropTable({ open, server, table: plan.shadow, lockTimeoutMs }, signal);
    },
    [Symbol.asyncDispose]: () => disposeBefore(claim, [sessions]),
  };
}
