/** Measures how far the shadow is behind the source: the age of a fence when everything before it is applied. */

import type { ChangeApplier } from './change-applier.ts';
import type { ChangeReceiver } from './change-receiver.ts';
import type { Clock } from './ports.ts';

/** Fences also move the position on while the application is idle, and show that the stream is alive. */
export class LagMeter {
  readonly #receiver: Pick<ChangeReceiver, 'passFence'>;
  readonly #applier: Pick<ChangeApplier, 'flushPickedAfterNow'>;
  readonly #clock: Clock;
  #lastMs: number | null = null;
  #maxMs = 0;
  /** The oldest first: the cutover measures beside the meter that goes on. */
  readonly #underWay = new Set<{ readonly placedAt: number }>();

  constructor(receiver: Pick<ChangeReceiver, 'passFence'>, applier: Pick<ChangeApplier, 'flushPickedAfterNow'>, clock: Clock) {
    this.#receiver = receiver;
    this.#applier = applier;
    this.#clock = clock;
  }

  /** The newest measurement, or the age of the oldest fence that is under way if that is more; null before the first is placed. */
  get lagMs(): number | null {
    const [oldest] = this.#underWay;
    const underWayMs = oldest === undefined ? null : this.#clock.now() - oldest.placedAt;
    if (this.#lastMs === null || underWayMs === null) return this.#lastMs ?? underWayMs;
    return Math.max(this.#lastMs, underWayMs);
  }

  get lagMaxMs(): number {
    return this.#maxMs;
  }

  /** One measurement: a fence, and a flush that was picked after it came by. */
  async measure(signal: AbortSignal): Promise<number> {
    const fence = { placedAt: this.#clock.now() };
    this.#underWay.add(fence);
    try {
      await this.#receiver.passFence(signal);
      await this.#applier.flushPickedAfterNow(signal);
    } finally {
      this.#underWay.delete(fence);
    }
    const lagMs = this.#clock.now() - fence.placedAt;
    this.#lastMs = lagMs;
    this.#maxMs = Math.max(this.#maxMs, lagMs);
    return lagMs;
  }

  async measureContinuously(intervalMs: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.measure(signal);
      await this.#clock.sleep(intervalMs, signal);
    }
  }
}
