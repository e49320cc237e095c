/** The real time and chance, for runs on real servers. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from './engine/ports.ts';

/** Monotonic time of this process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      // Node rejects with an AbortError of its own; the callers want the reason.
      signal.throwIfAborted();
      throw error;
    }
  },
  random: () => Math.random(),
};
