/**
 * The application's latency as our own heartbeat feels it: a fence is a small write transaction, so its duration, against its
 * own duration before the copy began, says on any server what the copy costs the application.
 */

import type { ChangeReceiver } from './change-receiver.ts';
import type { LatencyLimit } from './options.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from './ports.ts';

/** Heartbeats of the baseline, and of one judgement. */
const BASELINE_BEATS = 20;
const RECENT_BEATS = 8;
const BASELINE_PAUSE_MS = 20;

/** Holds the running median and tail of the heartbeat under the limit. */
export class LatencySignal implements ThrottleSignal {
  readonly name = 'latency';
  readonly #receiver: Pick<ChangeReceiver, 'placeFence'>;
  readonly #limit: () => LatencyLimit | null;
  readonly #clock: Clock;
  /** At first those of the baseline: of the first few alone, one slow commit would be the tail. */
  #recent: readonly number[] = [];
  #restMs = 0;

  /** `limit` is asked at each beat; while it is null there is none. */
  constructor(receiver: Pick<ChangeReceiver, 'placeFence'>, limit: () => LatencyLimit | null, clock: Clock) {
    this.#receiver = receiver;
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Measures the baseline; to be called before the copy begins, also after a resume. */
  async calibrate(signal: AbortSignal): Promise<void> {
    const beats: number[] = [];
    for (let beat = 0; beat < BASELINE_BEATS; beat++) {
      beats.push(await this.#beat(signal));
      await this.#clock.sleep(BASELINE_PAUSE_MS, signal);
    }
    this.#restMs = quantile(beats, 0.9);
    this.#recent = beats.slice(-RECENT_BEATS);
  }

  /** One heartbeat; the pressure is judged over the last few, so that one slow commit does not stop the copy. */
  async sample(signal: AbortSignal): Promise<ThrottleSample> {
    const limit = this.#limit();
    if (limit === null) return { pressure: 0, detail: 'no limit is set' };
    this.#recent = [...this.#recent, await this.#beat(signal)].slice(-RECENT_BEATS);
    const feltMs = quantile(this.#recent, 0.75);
    const stopMs = Math.max(limit.floorMs, limit.factor * this.#restMs);
    return {
      pressure: feltMs / stopMs,
      detail: `a small write takes ${feltMs.toFixed(1)} ms, the limit is ${stopMs.toFixed(1)} ms`,
    };
  }

  async #beat(signal: AbortSignal): Promise<number> {
    const startedAt = this.#clock.now();
    await this.#receiver.placeFence(signal);
    return this.#clock.now() - startedAt;
  }
}

/** The value that the given share of `values` does not exceed. */
function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
