/** When signals are asked: together, as each waking of the process costs more than a question. */

import type { Clock, ThrottleSignal } from './ports.ts';

/** Half of what lies between two beats of the throttler. */
const OFF_BEAT_MS = 100;

/** Milliseconds until the next of the moments that are `eachMs` apart, the same for all who ask. */
export function untilBeat(nowMs: number, eachMs: number): number {
  return eachMs - (nowMs % eachMs);
}

/**
 * The same signal, asked about every `eachMs`, for one that changes slowly or costs the server something to tell. That must be less than
 * the time after which an answer is stale.
 */
export function askSeldom(one: ThrottleSignal, eachMs: number, clock: Clock): ThrottleSignal {
  let isAsked = false;
  return {
    name: one.name,
    async sample(signal) {
      // Not at the beat at which others are asked: the heartbeat among them must not wait for these.
      if (isAsked) await clock.sleep(untilBeat(clock.now() + OFF_BEAT_MS, eachMs), signal);
      isAsked = true;
      return await one.sample(signal);
    },
  };
}
