/** Turns counters into what an operator wants to know: speed and time to go. */

import type { Progress } from './events.ts';
import type { RowKey } from './model.ts';
import type { Clock, KeySpan } from './ports.ts';

/** Weight of the newest second in the shown speed. */
const NEWEST_WEIGHT = 0.2;

export type Counters = Omit<Progress, 'rowsEstimated' | 'rowsPerSecond' | 'etaMs' | 'elapsedMs'>;

/** The part of a table that has to be copied before its rows say more about the rest than the server's statistics do. */
const TELLING_SHARE = 0.05;

/**
 * How many rows a table seems to have, when `rows` of it were copied, up to and with the key `through`. The server's statistics may be
 * wrong by a factor, above all after a bulk load. Where keys are numbers, the rest is taken to be as dense as what was copied.
 */
export function estimateRows(
  byServer: number,
  { rows, through, span }: { readonly rows: number; readonly through: RowKey | null; readonly span: KeySpan | null },
): number {
  const width = span === null ? 0 : Number(span.last - span.first);
  if (through === null || span === null || width <= 0) return Math.max(byServer, rows);
  const share = Math.min(1, Math.max(0, Number(span.valueOf(through) - span.first) / width));
  const weight = Math.min(1, share / TELLING_SHARE);
  const bySpan = share === 0 ? byServer : rows / share;
  return Math.round(rows + (1 - share) * (weight * bySpan + (1 - weight) * byServer));
}

/** Smooths the speed of copying or verifying, whichever goes on. */
export class ProgressMeter {
  readonly #clock: Clock;
  readonly #startedAt: number;
  #last: { readonly at: number; readonly rows: number; readonly phase: Progress['phase'] } | null = null;
  #rowsPerSecond = 0;

  constructor(clock: Clock, startedAt: number) {
    this.#clock = clock;
    this.#startedAt = startedAt;
  }

  /** `rowsInSource`: of which the copy is done. */
  measure(counters: Counters, rowsInSource: number): Progress {
    const now = this.#clock.now();
    const rows = counters.phase === 'verify' ? counters.rowsVerified : counters.rowsCopied;
    this.#updateSpeed(now, rows, counters.phase);
    // After the copy the number of rows is known better than the server's estimate.
    const rowsEstimated = counters.phase === 'copy' ? rowsInSource : counters.rowsCopied;
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
