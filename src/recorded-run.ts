/** What runs of shadows and of native changes have in common: a claim is held, and events and what ended them are left in the database. */

import { asMigrationError } from './engine/errors.ts';
import { EventRecorder } from './engine/event-recorder.ts';
import type { Observer } from './engine/events.ts';
import type { MigrationId } from './engine/model.ts';
import type { Database } from './engine/ports.ts';
import { runWithBackground } from './engine/tasks.ts';
import { patiently } from './patience.ts';
import { hidePasswords } from './server-url.ts';
import { systemClock } from './sessions/system-clock.ts';

/** A run of either kind. */
interface ObservedRun {
  readonly plan: { readonly id: MigrationId };
  readonly observer: Observer;
}

/** Carries the runs out, all at once, with observers that also leave the events in the database. */
export async function runRecorded<Run extends ObservedRun, Result>(
  { eventLog }: Database,
  runs: readonly Run[],
  carryOut: (runs: readonly Run[], signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const recorded = runs.map((run) => {
    const { plan, observer } = run;
    const recorder = new EventRecorder({ log: eventLog, id: plan.id, clock: systemClock, hide: hidePasswords, observer });
    const both: Observer = (event) => {
      recorder.observe(event);
      observer(event);
    };
    return { recorder, run: { ...run, observer: both } };
  });
  const recorders = recorded.map(({ recorder }) => recorder);
  const keeping = recorders.map((recorder) => (inner: AbortSignal) => recorder.keep(inner));
  const work = (inner: AbortSignal): Promise<Result> =>
    carryOut(
      recorded.map(({ run }) => run),
      inner,
    );
  try {
    return await runWithBackground(work, keeping, signal);
  } catch (thrown) {
    for (const recorder of recorders) recorder.failed(asMigrationError(thrown));
    throw thrown;
  } finally {
    await Promise.all(recorders.map((recorder) => recorder.finish()));
  }
}

/**
 * Claims, which must be safe to repeat, and works with what is claimed, which is given back at the end. Rejects with a MigrationError, also
 * where that cannot be done in order.
 */
export async function whileClaimed<Claimed extends AsyncDisposable, Result>(
  claim: () => Promise<Claimed>,
  work: (claimed: Claimed) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  try {
    await using claimed = await patiently('claiming the table', claim, signal);
    return await work(claimed);
  } catch (thrown) {
    throw asMigrationError(thrown);
  }
}
