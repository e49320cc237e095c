/** A reason to slow down that changes slowly, or costs the server something to tell. */

import type { Clock, ThrottleSignal } from '../engine/ports.ts';

/** The same signal, asked every `eachMs` at most. That must be less than the time after which an answer is stale. */
export function askSeldom(one: ThrottleSignal, eachMs: number, clock: Clock): ThrottleSignal {
  let askedAtMs: number | null = null;
  return {
    name: one.name,
    async sample(signal) {
      if (askedAtMs !== null) await clock.sleep(Math.max(0, askedAtMs + eachMs - clock.now()), signal);
      askedAtMs = clock.now();
      return await one.sample(signal);
    },
  };
}
