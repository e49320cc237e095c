/**
 * The application's latency as our own heartbeat feels it: a fence is a small write transaction, so its duration, against its
 * own duration while nothing is copied, says on any server what the copy costs the application.
 */

import type { LatencyLimit } from './options.ts';
import { PACE_RESTING } from './pace.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from './ports.ts';
import { quantile } from './quantile.ts';

/** Heartbeats of the baseline, and of one judgement. */
const BASELINE_BEATS = 20;
const RECENT_BEATS = 8;
const BASELINE_PAUSE_MS = 20;
/**
 * Within so many seconds two thirds of a new baseline are learned: soon that it is less, later that it is more, as what was copied before a
 * rest is felt for a while.
 */
const LEARN_SECONDS = { less: 10, more: 60 } as const;

/** What the signal is told. */
export interface LatencyParts {
  readonly placeFence: (signal: AbortSignal) => Promise<unknown>;
  /** Asked at each beat; while it is null there is none. */
  readonly limit: () => LatencyLimit | null;
  /** The share of full pace at which is copied, 0 to 1. */
  readonly share: () => number;
  readonly clock: Clock;
}

interface Beat {
  readonly ms: number;
  /** Whether next to nothing was copied meanwhile. */
  readonly isAtRest: boolean;
}

/**
 * Holds the running median and tail of the heartbeat under the limit. A run takes days, and what a small write takes by itself changes
 * meanwhile: against the baseline of a quiet hour the whole busy day would be a stop that changes nothing for anybody.
 */
export class LatencySignal implements ThrottleSignal {
  readonly name = 'latency';
  readonly #parts: LatencyParts;
  /** At first those of the baseline: of the first few alone, one slow commit would be the tail. */
  #beats: readonly Beat[] = [];
  #restMs = 0;
  #learnedAt: number;

  constructor(parts: LatencyParts) {
    this.#parts = parts;
    this.#learnedAt = parts.clock.now();
  }

  /** Measures the baseline; to be called before the copy begins, also after a resume. */
  async calibrate(signal: AbortSignal): Promise<void> {
    const beats: Beat[] = [];
    for (let beat = 0; beat < BASELINE_BEATS; beat++) {
      beats.push({ ms: await this.#beat(signal), isAtRest: true });
      await this.#parts.clock.sleep(BASELINE_PAUSE_MS, signal);
    }
    this.#beats = beats;
    this.#restMs = usualOf(beats);
    this.#learnedAt = this.#parts.clock.now();
  }

  /** One heartbeat; the pressure is judged over the last few, so that one slow commit does not stop the copy. */
  async sample(signal: AbortSignal): Promise<ThrottleSample> {
    const limit = this.#parts.limit();
    if (limit === null) return { pressure: 0, detail: 'no limit is set' };
    const wasAtRest = this.#isAtRest;
    const beat = { ms: await this.#beat(signal), isAtRest: wasAtRest && this.#isAtRest };
    this.#beats = [...this.#beats, beat].slice(-BASELINE_BEATS);
    this.#learn();
    const recent = this.#beats.slice(-RECENT_BEATS).map(({ ms }) => ms);
    const feltMs = quantile(recent, 0.75);
    const stopMs = Math.max(limit.floorMs, limit.factor * this.#restMs);
    return {
      pressure: feltMs / stopMs,
      detail: `a small write takes ${feltMs.toFixed(1)} ms, the limit is ${stopMs.toFixed(1)} ms`,
    };
  }

  get #isAtRest(): boolean {
    return this.#parts.share() <= PACE_RESTING;
  }

  #learn(): void {
    const now = this.#parts.clock.now();
    const seconds = (now - this.#learnedAt) / 1000;
    this.#learnedAt = now;
    if (this.#beats.length < BASELINE_BEATS) return;
    const usualMs = usualOf(this.#beats);
    const isLess = usualMs < this.#restMs;
    if (!isLess && !this.#beats.every(({ isAtRest }) => isAtRest)) return;
    const share = 1 - Math.exp(-seconds / LEARN_SECONDS[isLess ? 'less' : 'more']);
    this.#restMs += share * (usualMs - this.#restMs);
  }

  async #beat(signal: AbortSignal): Promise<number> {
    const startedAt = this.#parts.clock.now();
    await this.#parts.placeFence(signal);
    return this.#parts.clock.now() - startedAt;
  }
}

/** What nine of ten take at most. */
function usualOf(beats: readonly Beat[]): number {
  return quantile(
    beats.map(({ ms }) => ms),
    0.9,
  );
}
