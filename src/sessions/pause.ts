/** Waiting in real time, for polls and time limits of the adapters. */

import { setTimeout as delay } from 'node:timers/promises';

/** True after `ms`, false as soon as the signal aborts. Never rejects. */
export async function hasPassed(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
