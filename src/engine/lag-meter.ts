/** Measures how far the shadow is behind the source: the age of a fence when everything before it is applied. */

import type { ChangeApplier } from './change-applier.ts';
import type { ChangeReceiver } from './change-receiver.ts';
import type { Clock } from './ports.ts';

/** Fences also move the position on while the application is idle, and show that the stream is alive. */
export class LagMeter {
  readonly #receiver: ChangeReceiver;
  readonly #applier: ChangeApplier;
  readonly #clock: Clock;
  #lastMs: number | null = null;
  #maxMs = 0;
  #placedAt: number | null = null;

  constructor(receiver: ChangeReceiver, applier: ChangeApplier, clock: Clock) {
    this.#receiver = receiver;
    this.#applier = applier;
    this.#clock = clock;
  }

  /** The newest measurement, or the age of the fence that is under way if that is already older; null before the first is placed. */
  get lagMs(): number | null {
    const underWayMs = this.#placedAt === null ? null : this.#clock.now() - this.#placedAt;
    if (this.#lastMs === null || underWayMs === null) return this.#lastMs ?? underWayMs;
    return Math.max(this.#lastMs, underWayMs);
  }

  get lagMaxMs(): number {
    return this.#maxMs;
  }

  /** One measurement: a fence, and a flush that was picked after it came by. */
  async measure(signal: AbortSignal): Promise<number> {
    const placedAt = this.#clock.now();
    this.#placedAt = placedAt;
    try {
      await this.#receiver.passFence(signal);
      await this.#applier.flushPickedAfterNow(signal);
    } finally {
      this.#placedAt = null;
    }
    const lagMs = this.#clock.now() - placedAt;
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
