/** A reason to slow down that changes slowly, or costs the server something to tell. */

import type { Clock, ThrottleSignal } from '../engine/ports.ts';

/** The same signal, asked about every `eachMs`. That must be less than the time after which an answer is stale. */
export function askSeldom(one: ThrottleSignal, eachMs: number, clock: Clock): ThrottleSignal {
  let isAsked = false;
  return {
    name: one.name,
    async sample(signal) {
      // At the same beat as others: each waking of the process costs more than the question.
      if (isAsked) await clock.sleep(eachMs - (clock.now() % eachMs), signal);
      isAsked = true;
      return await one.sample(signal);
    },
  };
}
