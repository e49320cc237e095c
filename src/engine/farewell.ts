/** What a run that ends still saves, although it was aborted. */

import { asMigrationError } from './errors.ts';
import type { Observer } from './events.ts';
import type { Clock } from './ports.ts';
import { type Task, withinTime } from './tasks.ts';

const FAREWELL_MS = 5_000;

/**
 * Runs it within a limit of its own, for as long as the claim is held. Never rejects: what cannot be saved now is done again by the
 * resume, which the observer is told.
 */
export async function sayFarewell(
  { lost, clock, observer }: { readonly lost: AbortSignal; readonly clock: Clock; readonly observer: Observer },
  farewell: Task,
): Promise<void> {
  const tell = (error: unknown): void => {
    const { code } = asMigrationError(error);
    const message = `The end of the run could not be saved (${code}). The migration stays, and a resume goes on from the checkpoint before.`;
    observer({ kind: 'warning', about: 'checkpoint', message });
  };
  if (lost.aborted) return tell(lost.reason);
  const limit = { ms: FAREWELL_MS, clock, lateMessage: `The server took longer than ${FAREWELL_MS / 1_000} s.` };
  await withinTime(limit, farewell, lost).catch(tell);
}
