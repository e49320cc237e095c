/** Ends an unfinished migration for good, without touching the source. */

import { dropPatiently, type DropParts } from './clean-up.ts';
import { hasPerhapsSwapped } from './phases.ts';
import type { Plan } from './model.ts';
import type { ClaimToGiveUp } from './ports.ts';
import { refuseToConclude } from './settlement.ts';

/**
 * Removes what was built and marks the migration `aborted`. One whose swap has happened is not given up but marked `done`: its
 * shadow is the live table now. Rejects with UNSETTLED if the swap has left something to be done, and with DROP_NOT_LOCKED. Safe to
 * repeat; the claim stays the caller's to dispose.
 */
export async function giveUp(
  plan: Plan,
  claim: ClaimToGiveUp,
  parts: DropParts,
  signal: AbortSignal,
): Promise<'aborted' | 'done'> {
  const checkpoint = await claim.checkpoints.load(signal);
  const isDone = checkpoint !== null && hasPerhapsSwapped(checkpoint.phase) && (await claim.hasSwapped(signal));
  if (isDone) {
    const left = await claim.unsettled(signal);
    if (left.length > 0) throw refuseToConclude(plan, left);
  } else {
    await dropPatiently(plan.shadow, (lockTimeoutMs) => claim.discard(lockTimeoutMs, signal), parts, signal);
  }
  const state = isDone ? 'done' : 'aborted';
  await claim.checkpoints.conclude(state, null, signal);
  return state;
}
