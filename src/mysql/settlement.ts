/** What the swap leaves to be done: names of foreign keys and of triggers. */

import { unsettledTriggers } from './carry-over-triggers.ts';
import { type ForeignKeySwap, leftSteps } from './foreign-key-swap.ts';
import type { Session } from './session.ts';

/** A sentence for each thing that the swap of a migration has left; none before it. Reads the catalog only. */
export async function readUnsettled(session: Session, swap: ForeignKeySwap, signal: AbortSignal): Promise<readonly string[]> {
  const keys = await leftSteps(session, swap, signal);
  return [...keys.map(({ sentence }) => sentence), ...(await unsettledTriggers(session, swap.plan, signal))];
}
