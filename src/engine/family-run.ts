/** The migrations of a family from their claim to their end. */

import { seatFamily } from './family.ts';
import { type MigrationResult, type MigrationRun, runMigration } from './migration.ts';
import type { FamilyClaim } from './ports.ts';
import { followSignal, runTogether } from './tasks.ts';

/**
 * Runs the members side by side, each as `runMigration` does; they are swapped in one. Resolves with their results, in the same
 * order. What ends one ends all, with the same reason, resumably. To resume, `runs` are the members that are not done; if some
 * are, the others must have swapped. The claim stays the caller's to dispose. All share the same controls.
 */
export async function runFamily(
  runs: readonly MigrationRun[],
  claim: Pick<FamilyClaim, 'attempt'>,
  signal: AbortSignal,
): Promise<readonly MigrationResult[]> {
  const end = new AbortController();
  const stopFollowing = followSignal(signal, end);
  const [first] = runs;
  first?.controls.announceTo(first.observer);
  const plans = runs.map(({ plan }) => plan);
  const results = new Map<number, MigrationResult>();
  const members = seatFamily(plans, claim, end).map((seat, place) => {
    const run = runs[place];
    return async (inner: AbortSignal): Promise<void> => {
      if (run !== undefined) results.set(place, await runMigration({ ...run, seat }, inner));
    };
  });
  try {
    await runTogether(members, end.signal);
  } finally {
    stopFollowing();
  }
  return [...results].toSorted(([a], [b]) => a - b).map(([, result]) => result);
}
