/** Waiting in real time, for polls and time limits of the adapters. */

import { MigrationError } from '../engine/errors.ts';
import type { Pauses } from '../engine/retry.ts';

/** Between attempts to connect a change stream again. */
export const RECONNECT_PAUSES: Pauses = { pauseFirstMs: 100, pauseMaxMs: 10_000 };
/** With these pauses some two minutes, enough for a server to restart. */
export const RECONNECTS_MAX = 20;

/** True after `ms`, false as soon as the signal aborts. Never rejects. */
export async function hasPassed(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  // Not the timers of node:timers/promises, which make an error of their own for each wait that is cut short.
  return await new Promise<boolean>((resolve) => {
    const end = (isPassed: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cutShort);
      resolve(isPassed);
    };
    const cutShort = (): void => end(false);
    const timer = setTimeout(() => end(true), ms);
    signal.addEventListener('abort', cutShort, { once: true });
  });
}

/** Aborts after `ms` with STATEMENT_TIMEOUT and this sentence. It does not keep the process alive. */
export function timeLimit(ms: number, sentence: string): AbortSignal {
  const limit = new AbortController();
  setTimeout(() => limit.abort(new MigrationError('STATEMENT_TIMEOUT', sentence)), ms).unref();
  return limit.signal;
}
