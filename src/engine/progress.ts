/** Turns counters into what an operator wants to know: speed and time to go. */

import type { Progress } from './events.ts';
import type { Clock } from './ports.ts';

/** Weight of the newest second in the shown speed. */
const NEWEST_WEIGHT = 0.2;

export type Counters = Omit<Progress, 'rowsEstimated' | 'rowsPerSecond' | 'etaMs' | 'elapsedMs'>;

/** Smooths the speed of copying or verifying, whichever goes on. */
export class ProgressMeter {
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #rowsEstimated: number;
  #last: { readonly at: number; readonly rows: number; readonly phase: Progress['phase'] } | null = null;
  #rowsPerSecond = 0;

  constructor(clock: Clock, startedAt: number, rowsEstimated: number) {
    this.#clock = clock;
    this.#startedAt = startedAt;
    this.#rowsEstimated = rowsEstimated;
  }

  measure(counters: Counters): Progress {
    const now = this.#clock.now();
    const rows = counters.phase === 'verify' ? counters.rowsVerified : counters.rowsCopied;
    this.#updateSpeed(now, rows, counters.phase);
    // After the copy the number of rows is known better than the server's estimate.
    const rowsEstimated = counters.phase === 'copy' ? Math.max(this.#rowsEstimated, counters.rowsCopied) : counters.rowsCopied;
    const isMeasured = (counters.phase === 'copy' || counters.phase === 'verify') && this.#rowsPerSecond > 0;
    const etaMs = isMeasured ? (Math.max(0, rowsEstimated - rows) / this.#rowsPerSecond) * 1000 : null;
    return { ...counters, rowsEstimated, rowsPerSecond: this.#rowsPerSecond, etaMs, elapsedMs: now - this.#startedAt };
  }

  #updateSpeed(now: number, rows: number, phase: Progress['phase']): void {
    const last = this.#last;
    this.#last = { at: now, rows, phase };
    if (last === null || last.phase !== phase || now <= last.at) {
      if (last !== null && last.phase !== phase) this.#rowsPerSecond = 0;
      return;
    }
    const speed = ((rows - last.rows) / (now - last.at)) * 1000;
    this.#rowsPerSecond = this.#rowsPerSecond === 0 ? speed : this.#rowsPerSecond * (1 - NEWEST_WEIGHT) + speed * NEWEST_WEIGHT;
  }
}
