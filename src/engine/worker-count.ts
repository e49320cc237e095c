/** How many workers bring anything. More than the server's processors bear only make each other, and the application, wait. */

import type { Clock } from './ports.ts';

/** What the workers at hand bring is known after so long and so many pieces of work. */
const WINDOW_MS = 500;
const WINDOW_PIECES = 8;
/** What one more brings while the table is written, after so many: an application feels it meanwhile. */
const TRIAL_PIECES = 12;
/** One more worker stays when it brings at least this share of what each of the others does: more where an application feels it. */
const GAIN_MIN = { quiet: 0.3, written: 0.6 };
/** What was found holds for this long before it is looked at again; twice as long each time that it was confirmed. */
const SETTLED_FIRST_MS = 5_000;
const SETTLED_MAX_MS = 60_000;

/** Measuring a number of workers, measuring one more than `rate` is known for, or content with what was found. */
type State =
  | { readonly kind: 'first' }
  | { readonly kind: 'one-more'; readonly rate: number }
  | { readonly kind: 'settled'; readonly untilMs: number };

interface Window {
  readonly sinceMs: number;
  readonly pieces: number;
  readonly rows: number;
  readonly busyMs: number;
}

/**
 * Begins with one worker and compares the rows that each number brings in a second of work with those of one more. Rests do not count:
 * two workers that rest for half of the time hardly meet, and both would seem to have the server to themselves; so nobody rests while
 * one more is tried. Rates are comparable only while nothing else holds the work back: whoever knows of that calls `disturbed`.
 */
export class WorkerCount {
  readonly #clock: Clock;
  readonly #isTableWritten: () => boolean;
  #count = 1;
  #state: State = { kind: 'first' };
  #window: Window | null = null;
  /** Pieces to come that began with another number. */
  #outdated = 0;
  #settledOn = 0;
  #settledMs = SETTLED_FIRST_MS;

  constructor(clock: Clock, isTableWritten: () => boolean) {
    this.#clock = clock;
    this.#isTableWritten = isTableWritten;
  }

  /** Workers that may work, at most `max`. */
  of(max: number): number {
    return Math.min(this.#count, max);
  }

  /** What was counted so far says nothing. */
  disturbed(): void {
    this.#window = null;
  }

  /** Whether one more worker than is known to pay is at work, to see what it brings. */
  get isTrying(): boolean {
    return this.#state.kind === 'one-more';
  }

  /** Takes in a finished piece of so many rows, which took so long. */
  observe({ rows, busyMs }: { readonly rows: number; readonly busyMs: number }, max: number): void {
    const now = this.#clock.now();
    if (this.#outdated > 0) {
      this.#outdated -= 1;
    } else if (this.#state.kind === 'settled') {
      // The server may have got other things to do, so that the last worker no longer pays.
      if (now >= this.#state.untilMs) this.#try(this.of(max) - 1, { kind: 'first' });
    } else if (this.#window === null) {
      this.#window = { sinceMs: now, pieces: 0, rows: 0, busyMs: 0 };
    } else {
      const { sinceMs, ...sums } = this.#window;
      const window = { sinceMs, pieces: sums.pieces + 1, rows: sums.rows + rows, busyMs: sums.busyMs + busyMs };
      this.#window = window;
      const isShort = this.isTrying && this.#isTableWritten();
      const isKnown = isShort ? window.pieces >= TRIAL_PIECES : window.pieces >= WINDOW_PIECES && now - sinceMs >= WINDOW_MS;
      if (isKnown && window.busyMs > 0) this.#judge((this.#count * window.rows) / window.busyMs, max);
    }
  }

  #judge(rate: number, max: number): void {
    const others = this.#count - 1;
    const gainMin = this.#isTableWritten() ? GAIN_MIN.written : GAIN_MIN.quiet;
    const hasPaid = this.#state.kind !== 'one-more' || rate >= this.#state.rate * (1 + gainMin / others);
    if (!hasPaid) this.#settle(others);
    else if (this.#count >= max) this.#settle(max);
    else this.#try(this.#count + 1, { kind: 'one-more', rate });
  }

  #settle(count: number): void {
    this.#settledMs = count === this.#settledOn ? Math.min(SETTLED_MAX_MS, 2 * this.#settledMs) : SETTLED_FIRST_MS;
    this.#settledOn = count;
    this.#try(count, { kind: 'settled', untilMs: this.#clock.now() + this.#settledMs });
  }

  #try(count: number, state: State): void {
    this.#outdated = this.#count;
    this.#count = Math.max(1, count);
    this.#state = state;
    this.#window = null;
  }
}
