/** A reason to slow down that changes slowly, or costs the server something to tell. */

import type { Clock, ThrottleSignal } from '../engine/ports.ts';

/** Half of what lies between two beats of the throttler. */
const OFF_BEAT_MS = 100;

/** The same signal, asked about every `eachMs`. That must be less than the time after which an answer is stale. */
export function askSeldom(one: ThrottleSignal, eachMs: number, clock: Clock): ThrottleSignal {
  let isAsked = false;
  return {
    name: one.name,
    async sample(signal) {
      // Together, as each waking of the process costs more than a question, but not at the beat at which others are asked: the
      // heartbeat among them must not wait for these.
      if (isAsked) await clock.sleep(eachMs - ((clock.now() + OFF_BEAT_MS) % eachMs), signal);
      isAsked = true;
      return await one.sample(signal);
    },
  };
}
