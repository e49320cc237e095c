/** Trying again what a repetition may cure: bounded, with growing pauses, each try an event. */

import { MigrationError } from './errors.ts';
import type { Observer } from './events.ts';
import type { Clock } from './ports.ts';

const ATTEMPTS_MAX = 16;
const PAUSE_FIRST_MS = 100;
const PAUSE_MAX_MS = 15_000;

/** What retrying needs from its surroundings. */
export interface RetryContext {
  readonly clock: Clock;
  readonly observer: Observer;
  /** Failures that do not count as attempts: what is awaited may take as long as it likes. */
  readonly isAwaited?: (error: MigrationError) => boolean;
  /** What is tried again; all that is transient where it is not given. */
  readonly isCurable?: (error: MigrationError) => boolean;
}

/** For what cannot go on before others let go of a lock: a backup may keep definitions from being changed for hours. */
export function awaitingLocks(context: RetryContext): RetryContext {
  return { ...context, isAwaited: ({ code }) => code === 'LOCK_WAIT' };
}

/**
 * Runs `operation` until it succeeds, at most 16 times, in one to two minutes: long enough for a server to restart, and not longer than a
 * claim is waited for. Only what is curable is tried again. `attempt` counts from 1.
 */
export async function retry<Result>(
  what: string,
  operation: (attempt: number) => Promise<Result>,
  context: RetryContext,
  signal: AbortSignal,
): Promise<Result> {
  const { isCurable = ({ isTransient }) => isTransient } = context;
  for (let attempt = 1, counted = 1; ; attempt++) {
    try {
      return await operation(attempt);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MigrationError) || !isCurable(error) || counted >= ATTEMPTS_MAX) throw error;
      if (context.isAwaited?.(error) !== true) counted += 1;
      context.observer({ kind: 'retrying', what, attempt, code: error.code, message: error.message });
      await context.clock.sleep(pauseAfter(attempt, usualPauses, context.clock), signal);
    }
  }
}

/** Milliseconds. */
export interface Pauses {
  readonly pauseFirstMs: number;
  readonly pauseMaxMs: number;
}

const usualPauses: Pauses = { pauseFirstMs: PAUSE_FIRST_MS, pauseMaxMs: PAUSE_MAX_MS };

/**
 * How long to wait after this attempt, which counts from 1, milliseconds. Doubles from the first pause to the greatest, less up
 * to half of it by chance, so that workers do not march in step.
 */
export function pauseAfter(attempt: number, { pauseFirstMs, pauseMaxMs }: Pauses, clock: Clock): number {
  const full = Math.min(pauseMaxMs, pauseFirstMs * 2 ** (attempt - 1));
  return full * (1 - clock.random() / 2);
}
