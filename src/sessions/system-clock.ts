/** The real time and chance, for runs on real servers. */

import { asError } from '../engine/errors.ts';
import type { Clock } from '../engine/ports.ts';

/** Monotonic time of this process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  // Not the timers of node:timers/promises, which make an error of their own for each sleep that is cut short.
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const wakeUp = (): void => {
        signal.removeEventListener('abort', cutShort);
        resolve();
      };
      const cutShort = (): void => {
        clearTimeout(timer);
        reject(asError(signal.reason));
      };
      const timer = setTimeout(wakeUp, ms);
      signal.addEventListener('abort', cutShort, { once: true });
    }),
  random: () => Math.random(),
};
