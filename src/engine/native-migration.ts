/**
 * A native change as a migration: recorded while it runs, resumed where it ended, and given up.
 *
 * Before each attempt of a step its number and the definition of the table are saved, and after one that did not have its lock the
 * number alone: it has not happened, whatever others change while nobody tries it. A run that died may have carried the step out all the
 * same, for the server ends a statement late, or not at all. Of all steps but the last one the search for the missing ones tells;
 * whether the last one has happened the definition tells: nobody but a holder of the claim is thought to change it. Before such a
 * holder undoes what was made ready, it records that the last step has not happened.
 */

import { dropPatiently, type DropParts } from './clean-up.ts';
import type { Controls } from './controls.ts';
import { asMigrationError, asRunError } from './errors.ts';
import type { Observer } from './events.ts';
import { sayFarewell } from './farewell.ts';
import { denyLastStep, type NativeChange, type NativeClaim, type NativeMigration, type NativePlan } from './native-change.ts';
import { type NativeResult, NativeRunner, noNativeWay } from './native-runner.ts';
import type { Clock } from './ports.ts';
import { retry } from './retry.ts';
import { followSignal } from './tasks.ts';

/** What a native migration needs. */
export interface NativeMigrationRun {
  readonly plan: NativeMigration;
  readonly native: NativeChange;
  readonly claim: NativeClaim;
  readonly purpose: 'start' | 'resume';
  readonly clock: Clock;
  readonly controls: Controls;
  readonly observer: Observer;
}

/**
 * Runs the steps, to resume those that are missing, and concludes the migration: `done`; `aborted` where it failed for good before
 * any step was done; else `open`. The claim stays the caller's to dispose. Rejects as NativeRunner does.
 */
export async function runNativeMigration(run: NativeMigrationRun, signal: AbortSignal): Promise<NativeResult> {
  const { plan, claim, clock, observer, controls } = run;
  const context = { clock, observer };
  const either = new AbortController();
  const stopFollowing = [followSignal(signal, either), followSignal(claim.lost, either)];
  const startedAtMs = clock.now();
  let hasBegun = run.purpose === 'resume';
  const watching: Observer = (event) => {
    hasBegun ||= event.kind === 'native-step-done';
    observer(event);
  };
  try {
    controls.announceTo(observer);
    const found = run.purpose === 'start' ? plan.native : await findRest(run, either.signal);
    const result =
      found === null
        ? nothingLeft(clock.now() - startedAtMs)
        : await runSteps({ ...run, observer: watching }, found, either.signal);
    await retry('concluding', () => claim.checkpoints.conclude('done', null, either.signal), context, either.signal);
    observer({ kind: 'finished', id: plan.id });
    return { ...result, id: plan.id };
  } catch (thrown) {
    const error = hasBegun ? asRunError(thrown) : asMigrationError(thrown);
    const state = hasBegun || error.isResumable || error.code === 'ABORTED' ? 'open' : 'aborted';
    await sayFarewell({ lost: claim.lost, clock, observer }, (inner) => claim.checkpoints.conclude(state, error, inner));
    throw error;
  } finally {
    for (const stop of stopFollowing) stop();
  }
}

/**
 * Removes what cannot be used and marks the migration `aborted`, or `done` where it turns out to be. Safe to repeat. Rejects
 * with DROP_NOT_LOCKED.
 */
export async function giveUpNative(
  { plan, claim }: Pick<NativeMigrationRun, 'plan' | 'claim'>,
  parts: DropParts,
  signal: AbortSignal,
): Promise<'aborted' | 'done'> {
  const isDone = await hasLastStepHappened(claim, signal);
  if (!isDone) {
    await denyLastStep(claim.checkpoints, signal);
    const discard = (lockTimeoutMs: number): ReturnType<NativeClaim['discard']> =>
      claim.discard(plan.native, lockTimeoutMs, signal);
    await dropPatiently(plan.source, discard, parts, signal);
  }
  const state = isDone ? 'done' : 'aborted';
  await claim.checkpoints.conclude(state, null, signal);
  return state;
}

async function runSteps(
  { plan, native, claim, clock, controls, observer }: NativeMigrationRun,
  found: NativePlan,
  signal: AbortSignal,
): Promise<Omit<NativeResult, 'id'>> {
  const context = { clock, observer };
  const runner = new NativeRunner({
    native: { find: native.find.bind(native), run: claim.run.bind(claim) },
    plan: found,
    request: requestOf(plan),
    controls,
    context,
    async onStep(step, isTried, inner) {
      const save = async (): Promise<void> =>
        claim.checkpoints.save({ ...step, definition: isTried ? await claim.readDefinition(inner) : null }, inner);
      await retry('saving the place', save, context, inner);
    },
  });
  return await runner.run(signal);
}

/** The missing steps; null where none is. */
async function findRest(run: NativeMigrationRun, signal: AbortSignal): Promise<NativePlan | null> {
  const { plan, native, claim, clock, observer } = run;
  const context = { clock, observer };
  if (await retry('looking at the last step', () => hasLastStepHappened(claim, signal), context, signal)) {
    const message = 'the last step had happened: the definition of the table has changed since it began';
    observer({ kind: 'noticed', about: 'the run before', message });
    return null;
  }
  const request = requestOf(plan);
  const found = await retry('looking for the missing steps', () => native.find(request, signal), context, signal);
  if ('steps' in found) return found;
  throw noNativeWay(request, found);
}

async function hasLastStepHappened(claim: NativeClaim, signal: AbortSignal): Promise<boolean> {
  const place = await claim.checkpoints.load(signal);
  if (place === null || place.step < place.steps || place.definition === null) return false;
  return (await claim.readDefinition(signal)) !== place.definition;
}

function requestOf({ source, clauses, options }: NativeMigration): Parameters<NativeChange['find']>[0] {
  return { table: source, clauses, options };
}

function nothingLeft(elapsedMs: number): Omit<NativeResult, 'id'> {
  return { strategy: 'native', steps: 0, attempts: 0, elapsedMs };
}
