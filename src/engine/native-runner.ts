/** Chooses between the cheap way and the shadow, and carries a native change out, step by step. */

import type { Controls } from './controls.ts';
import { inTheWay, MigrationError } from './errors.ts';
import type { MigrationId, MigrationRequest } from './model.ts';
import type { NativeChange, NativePlace, NativePlan, NativeStep, NoNativeWay, Strategy } from './native-change.ts';
import { type Obstacle, PlanRefusedError } from './obstacles.ts';
import { pauseAfter, type RetryContext } from './retry.ts';

/**
 * The way that a change goes. `reason`: why not natively, where that was asked for and the server said. `refused`: that the server refuses
 * the ALTER itself.
 */
export type Way =
  | { readonly kind: 'native'; readonly native: NativePlan }
  | { readonly kind: 'shadow'; readonly reason: NoNativeWay | null; readonly refused: readonly Obstacle[] };

/** What the choice is made from. */
export interface Choice {
  /** Absent where every change goes by a shadow. */
  readonly native: NativeChange | undefined;
  readonly strategy: Strategy;
  readonly request: MigrationRequest;
}

/**
 * Natively where every clause is cheap that way. Changes nothing. Only `native` rejects: with NO_NATIVE_WAY, or with the
 * obstacles of an ALTER that the server refuses; `auto` leaves these to the plan of the shadow (`withRefused`).
 */
export async function chooseWay({ native, strategy, request }: Choice, signal: AbortSignal): Promise<Way> {
  if (strategy === 'shadow') return { kind: 'shadow', reason: null, refused: [] };
  const found = await findWay(native, { strategy, request }, signal);
  if (found instanceof PlanRefusedError) {
    const refused = found.obstacles.filter(({ code }) => code === 'INVALID_ALTER');
    return { kind: 'shadow', reason: null, refused };
  }
  if ('steps' in found) {
    const isCheap = strategy === 'native' || found.steps.every(({ isBackfill }) => isBackfill !== true);
    return isCheap
      ? { kind: 'native', native: found }
      : { kind: 'shadow', reason: { clause: found.alter, reason: writesAllRows }, refused: [] };
  }
  if (strategy === 'native') throw noNativeWay(request, found);
  return { kind: 'shadow', reason: found, refused: [] };
}

/**
 * The obstacles of a shadow that cannot be planned. A clause that no shadow carries out is not tried there: what the server has against
 * it is said first, for to run it by itself would be in vain.
 */
export function withRefused(way: Way, obstacles: readonly Obstacle[]): readonly Obstacle[] {
  const isTold = way.kind === 'native' || obstacles.some(({ code }) => code === 'INVALID_ALTER');
  return isTold ? obstacles : [...way.refused, ...obstacles];
}

const writesAllRows =
  'each row gets a value of its own, so that all rows have to be written; --strategy native fills them in place, where the old ones take space until they are vacuumed';

/** What a native change came to. Times in milliseconds. */
export interface NativeResult {
  readonly strategy: 'native';
  readonly id: MigrationId;
  readonly steps: number;
  /** Of all steps together. */
  readonly attempts: number;
  readonly elapsedMs: number;
}

/** What a native change needs. */
export interface NativeRunParts {
  readonly native: Pick<NativeChange, 'find' | 'run'>;
  readonly plan: NativePlan;
  readonly request: MigrationRequest;
  /** The limits of the cutover hold for each step: they are about the same lock. */
  readonly controls: Controls;
  readonly context: RetryContext;
  /**
   * What is recorded of a step: awaited before each attempt, with `isTried`, after one that did not have the lock, and where one is
   * held. Only what is tried may have happened when the run dies.
   */
  readonly onStep: (step: Omit<NativePlace, 'definition'>, isTried: boolean, signal: AbortSignal) => Promise<void>;
}

/**
 * A step goes: wait until nobody holds the cutover → ask for the lock, at most for the lock timeout → done; or back off, so that
 * writers go on, and ask again. After a transient fault the rest is planned anew, for nobody knows what was reached. Rejects
 * with NATIVE_NOT_LOCKED after the last attempt, and with NO_NATIVE_WAY where the server takes its offer back.
 */
export class NativeRunner {
  readonly #parts: NativeRunParts;
  #attempts = 0;
  #stepsDone = 0;

  constructor(parts: NativeRunParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<Omit<NativeResult, 'id'>> {
    const { clock } = this.#parts.context;
    const startedAtMs = clock.now();
    let { plan } = this.#parts;
    for (let faults = 0; ; faults++) {
      try {
        await this.#runSteps(plan, signal);
        return {
          strategy: 'native',
          steps: this.#stepsDone,
          attempts: this.#attempts,
          elapsedMs: clock.now() - startedAtMs,
        };
      } catch (error) {
        plan = await this.#planAgain(error, faults + 1, signal);
      }
    }
  }

  async #runSteps(plan: NativePlan, signal: AbortSignal): Promise<void> {
    for (const [index, step] of plan.steps.entries()) {
      signal.throwIfAborted();
      for (let attempt = 1; !(await this.#attempt({ plan, step, number: index + 1, attempt }, signal)); attempt++);
      this.#stepsDone += 1;
    }
  }

  /** Whether it is done. */
  async #attempt({ plan, step, number, attempt }: Attempt, signal: AbortSignal): Promise<boolean> {
    const { native, controls, context } = this.#parts;
    const place = placeOf(plan, step, number);
    await this.#announce(place, signal);
    const { lockTimeoutMs, attemptsMax } = controls.options.cutover;
    const startedAtMs = context.clock.now();
    this.#attempts += 1;
    context.observer({
      kind: 'native-step-begun',
      ...{ step: number, steps: plan.steps.length, attempt, sql: step.sql, isBrief: step.kind === 'brief', lockTimeoutMs },
    });
    const outcome = await native.run(step, plan, lockTimeoutMs, signal);
    const { soughtMs = 0 } = outcome;
    if (outcome.kind === 'done') {
      const durationMs = context.clock.now() - startedAtMs;
      context.observer({ kind: 'native-step-done', step: number, attempt, durationMs, soughtMs });
      return true;
    }
    await this.#parts.onStep(place, false, signal);
    const { blockers } = outcome;
    const nextInMs = attempt >= attemptsMax ? 0 : pauseAfter(attempt, controls.options.cutover, context.clock);
    context.observer({ kind: 'native-step-blocked', step: number, attempt, soughtMs, blockers, nextInMs });
    if (attempt >= attemptsMax) throw notLocked({ plan, step, number, attempt }, lockTimeoutMs, blockers);
    await context.clock.sleep(nextInMs, signal);
    return false;
  }

  /** Once nobody holds it, records that the step is tried: whoever comes to hold it while that is recorded is in time. */
  async #announce(place: Omit<NativePlace, 'definition'>, signal: AbortSignal): Promise<void> {
    const { controls, context, onStep } = this.#parts;
    const isHeld = (): boolean => controls.cutoverHeldBy !== null;
    do {
      if (isHeld()) await onStep(place, false, signal);
      await controls.awaitCutoverRelease(() => true, context.observer, signal);
      await onStep(place, true, signal);
    } while (isHeld());
  }

  /** The rest after a transient fault. Rejects with any other error, and with the fault itself after the last attempt. */
  async #planAgain(error: unknown, faults: number, signal: AbortSignal): Promise<NativePlan> {
    const { native, request, controls, context } = this.#parts;
    signal.throwIfAborted();
    const isOver = faults >= controls.options.cutover.attemptsMax;
    if (!(error instanceof MigrationError) || !error.isTransient || isOver) throw error;
    const { code, message } = error;
    context.observer({ kind: 'retrying', what: 'the native change', attempt: faults, code, message });
    await context.clock.sleep(pauseAfter(faults, controls.options.cutover, context.clock), signal);
    const found = await native.find(request, signal);
    if ('steps' in found) return found;
    throw noNativeWay(request, found);
  }
}

function placeOf({ steps }: NativePlan, { sql }: NativeStep, number: number): Omit<NativePlace, 'definition'> {
  return { step: number, steps: steps.length, sql };
}

interface Attempt {
  readonly plan: NativePlan;
  readonly step: NativeStep;
  /** Of the step, from 1. */
  readonly number: number;
  readonly attempt: number;
}

async function findWay(
  native: NativeChange | undefined,
  { strategy, request }: Omit<Choice, 'native'>,
  signal: AbortSignal,
): Promise<NativePlan | NoNativeWay | PlanRefusedError> {
  if (native === undefined) return { clause: request.clauses, reason: 'nothing is known about this server’s own ways' };
  try {
    return await native.find(request, signal);
  } catch (error) {
    if (strategy === 'auto' && error instanceof PlanRefusedError) return error;
    throw error;
  }
}

/** The server has no cheap way, or no longer. */
export function noNativeWay({ table }: MigrationRequest, { clause, reason }: NoNativeWay): MigrationError {
  return new MigrationError(
    'NO_NATIVE_WAY',
    `The server has no cheap way for “${clause}” on ${table.schema}.${table.table}: ${reason.replace(/\.$/, '')}.`,
  );
}

function notLocked({ plan, number, attempt }: Attempt, lockTimeoutMs: number, blockers: readonly string[]): MigrationError {
  const { schema, table } = plan.source;
  const isFirst = number === 1;
  const state = isFirst ? 'The table is as it was' : `The first ${number - 1} steps are done, and the table is whole`;
  return new MigrationError(
    'NATIVE_NOT_LOCKED',
    `Step ${number} of the change of ${schema}.${table} did not have its lock within ${lockTimeoutMs} ms in ${attempt} attempts.${inTheWay(blockers)} ${state}; go on at a calmer time.`,
  );
}
