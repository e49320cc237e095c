/** What the swap has left to be done: applications are in the new table already, and a resume finishes it. */

import { asMigrationError, MigrationError } from './errors.ts';
import type { Checkpoint, Plan } from './model.ts';
import type { TableClaim } from './ports.ts';
import { retry, type RetryContext } from './retry.ts';

/** A migration whose swap has happened. */
export interface Swapped {
  readonly plan: Plan;
  readonly claim: Pick<TableClaim, 'cutover' | 'checkpoints'>;
  /** Of the phase clean-up. */
  readonly checkpoint: Checkpoint;
}

/**
 * Resolves when nothing is left. Rejects with UNSETTLED, or with the reason of the abort, and says then that the swap has
 * happened and what is left. Safe to repeat.
 */
export async function settle(swapped: Swapped, context: RetryContext, signal: AbortSignal): Promise<void> {
  const { claim, checkpoint } = swapped;
  const { cutover, checkpoints } = claim;
  const left = await retry('asking what the swap has left to do', () => cutover.unsettled(signal), context, signal);
  if (left.length === 0) return;
  await retry('saving the checkpoint', () => checkpoints.save(checkpoint, signal), context, signal);
  context.observer({ kind: 'settling', left });
  const remaining = new Set(left);
  const onSettled = (what: string): void => {
    remaining.delete(what);
    context.observer({ kind: 'settled', what });
  };
  try {
    await retry('doing what the swap has left to do', () => cutover.settle(onSettled, signal), context, signal);
  } catch (thrown) {
    throw unsettledError(swapped.plan, [...remaining], { cause: asMigrationError(thrown), isAborted: signal.aborted });
  }
}

/** For who would end the migration for good while something is left. */
export function refuseToConclude({ id, source }: Plan, left: readonly string[]): MigrationError {
  return new MigrationError(
    'UNSETTLED',
    `Migration ${id} of ${source.schema}.${source.table} has swapped and cannot be given up, and this is left to do: ${left.join(' ')} Resume it.`,
  );
}

function unsettledError(
  { source }: Plan,
  left: readonly string[],
  { cause, isAborted }: { readonly cause: MigrationError; readonly isAborted: boolean },
): MigrationError {
  return new MigrationError(
    isAborted ? cause.code : 'UNSETTLED',
    `${cause.message} The swap has happened: ${source.schema}.${source.table} has its new definition and takes all writes. A resume does what is left: ${left.join(' ')}`,
    { cause },
  );
}
