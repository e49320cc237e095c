/** Holds the time that a run still takes against the time for which the server keeps the log that a resume would need. */

import type { TableClaim } from './ports.ts';
import { retry, type RetryContext } from './retry.ts';

/** The first figures of a phase are guesses: so many in a row must say the same. */
const LOOKS = 10;
const HOUR_MS = 3_600_000;

/** Warns once a run. A run goes on whatever is removed behind it; only an interruption must not last longer. */
export class RetentionWatch {
  readonly #read: TableClaim['findLogRetention'];
  readonly #context: RetryContext;
  #retentionMs: number | null = null;
  #hasRead = false;
  #looks = 0;

  /** `read` is absent where the log is kept for as long as it is needed. */
  constructor(read: TableClaim['findLogRetention'], context: RetryContext) {
    this.#read = read;
    this.#context = context;
  }

  /** Takes in the time to the end of the present phase, milliseconds; null: it is not known. */
  async look(etaMs: number | null, signal: AbortSignal): Promise<void> {
    if (this.#read === undefined || etaMs === null || this.#looks >= LOOKS) return;
    await this.#findRetention(this.#read, signal);
    if (this.#retentionMs === null) return;
    this.#looks = etaMs > this.#retentionMs ? this.#looks + 1 : 0;
    if (this.#looks < LOOKS) return;
    const message = `What is left of this phase takes about ${hours(etaMs)}, and the server keeps its log for ${hours(this.#retentionMs)}: a run that is interrupted must be resumed within that time.`;
    this.#context.observer({ kind: 'warning', about: 'log retention', message });
  }

  async #findRetention(read: (signal: AbortSignal) => Promise<number | null>, signal: AbortSignal): Promise<void> {
    if (this.#hasRead) return;
    this.#retentionMs = await retry('asking how long the log is kept', () => read(signal), this.#context, signal);
    this.#hasRead = true;
  }
}

function hours(ms: number): string {
  return `${Math.round((ms / HOUR_MS) * 10) / 10} h`;
}
