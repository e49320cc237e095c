/** What a run that ends still saves, although it was aborted. */

import type { Clock } from './ports.ts';
import { type Task, withinTime } from './tasks.ts';

const FAREWELL_MS = 5_000;

/**
 * Runs it within a limit of its own, for as long as the claim is held. Never rejects: what cannot be saved now is done again by the
 * resume.
 */
export async function sayFarewell(
  { lost, clock }: { readonly lost: AbortSignal; readonly clock: Clock },
  farewell: Task,
): Promise<void> {
  if (lost.aborted) return;
  await withinTime({ ms: FAREWELL_MS, clock, lateMessage: 'The farewell took too long.' }, farewell, lost).catch(
    () => undefined,
  );
}
