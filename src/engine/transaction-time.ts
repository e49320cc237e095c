/**
 * The application's latency as the server shows it: what the transactions of others take, against what they take while next to nothing is
 * copied, and how much of the time their sessions are busy. A heartbeat waits for none of these sessions, so it does not feel
 * that they are full: from there on every request waits behind others, however little longer each takes.
 */

import { PACE_RESTING } from './pace.ts';
import type { Clock, SessionTransactions, ThrottleSample, ThrottleSignal } from './ports.ts';
import { BUSY_FROM, readingOf, type TransactionReading, type TransactionWindow, windowBetween } from './transaction-window.ts';

/** What is judged: the last so many milliseconds. With more the pace would be too high for as long before that is seen. */
const WINDOW_MS = 2000;
/** Fewer transactions in that time say nothing. */
const TOO_FEW = 100;
/** So busy the sessions may become: with more, requests wait several times as long for a free one. */
const BUSY_MAX = 0.75;
/** However busy they are at rest, transactions may take so many times as long. */
const GROWTH_MIN = 1.2;
/** From this on a request finds no free session. */
const FULL_FROM = 0.92;
/**
 * Nearly a stop: where the sessions are busy at rest, little is copied by the first chunks, until it is well known what transactions take.
 */
const CAREFUL_PRESSURE = 0.95;
/**
 * How fast that is learned anew, of the difference each time: soon that they take less, later that they take more, and last while requests
 * that had to wait are still being served.
 */
const LEARN = { less: 0.2, more: 0.07, moreWhileFull: 0.02, lessAtWork: 0.1 } as const;

/** What a window shows while next to nothing is copied. */
type Rest = Pick<TransactionWindow, 'usualMs' | 'busy'>;

/** What the signal is told. */
export interface TransactionTimeParts {
  readonly read: (signal: AbortSignal) => Promise<readonly SessionTransactions[]>;
  /** Whether there is a limit on the application's latency; asked each time. */
  readonly isLimited: () => boolean;
  /** The share of full pace at which is copied, 0 to 1. */
  readonly share: () => number;
  readonly clock: Clock;
}

/** Holds the time that transactions of others take near what it is at rest; the nearer, the busier their sessions are. */
export class TransactionTimeSignal implements ThrottleSignal {
  readonly name = 'transactions';
  readonly #parts: TransactionTimeParts;
  #readings: readonly TransactionReading[] = [];
  /** Since when next to nothing is copied; null while more is. */
  #restingSince: number | null = Number.NEGATIVE_INFINITY;
  #rest: Rest | null = null;
  /** Whether that comes from a whole window. */
  #isRestKnown = false;

  constructor(parts: TransactionTimeParts) {
    this.#parts = parts;
  }

  /** Takes the first reading; to be called before the copy begins. */
  async begin(signal: AbortSignal): Promise<void> {
    this.#readings = [await this.#read(signal)];
  }

  async sample(signal: AbortSignal): Promise<ThrottleSample> {
    if (!this.#parts.isLimited()) return { pressure: 0, detail: 'no limit is set' };
    this.#noteShare();
    const now = await this.#read(signal);
    const kept = this.#readings.filter(({ atMs }) => now.atMs - atMs <= WINDOW_MS + 500);
    this.#readings = [...kept, now];
    const [first = now] = this.#readings;
    const window = windowBetween(first, now);
    if (window === null || window.count < TOO_FEW) return { pressure: 0, detail: 'others do next to nothing' };
    this.#noteShare();
    this.#learn(window, first.atMs, now.atMs - first.atMs);
    return this.#judge(window);
  }

  async #read(signal: AbortSignal): Promise<TransactionReading> {
    const sessions = await this.#parts.read(signal);
    return readingOf(sessions, this.#parts.clock.now());
  }

  #noteShare(): void {
    if (this.#parts.share() > PACE_RESTING) this.#restingSince = null;
    else this.#restingSince ??= this.#parts.clock.now();
  }

  #learn(window: TransactionWindow, fromMs: number, elapsedMs: number): void {
    const { busy, usualMs } = window;
    const isResting = this.#restingSince !== null && this.#restingSince <= fromMs;
    const rest = this.#rest;
    if (rest === null) {
      this.#rest = { busy, usualMs };
      return;
    }
    if (isResting && !this.#isRestKnown) {
      this.#rest = { busy, usualMs };
      this.#isRestKnown = elapsedMs >= WINDOW_MS - 500;
    } else if (isResting) {
      const more = busy >= BUSY_MAX ? LEARN.moreWhileFull : LEARN.more;
      this.#rest = {
        usualMs: rest.usualMs + (usualMs < rest.usualMs ? LEARN.less : more) * (usualMs - rest.usualMs),
        busy: rest.busy + more * (busy - rest.busy),
      };
    } else if (usualMs < rest.usualMs) {
      this.#rest = { ...rest, usualMs: rest.usualMs + LEARN.lessAtWork * (usualMs - rest.usualMs) };
    }
  }

  #judge({ busy, usualMs }: TransactionWindow): ThrottleSample {
    const rest = this.#rest ?? { busy, usualMs };
    const growth = usualMs / rest.usualMs;
    // As busy as they would be if each transaction took what it takes at rest.
    const busyAtRest = busy / growth;
    const allowed = Math.max(GROWTH_MIN, BUSY_MAX / busyAtRest);
    const felt =
      `transactions of others take ${usualMs.toFixed(1)} ms, ${rest.usualMs.toFixed(1)} ms at rest, ` +
      `and keep a session busy for ${(100 * busy).toFixed(0)} % of the time`;
    const detail = `${felt}; the limit is ${(allowed * rest.usualMs).toFixed(1)} ms`;
    const pressure = Math.max(0, (growth - 1) / (allowed - 1));
    const busyLimit = Math.max(FULL_FROM, 1.1 * rest.busy);
    if (busy >= busyLimit)
      return { pressure: Math.max(1, pressure), detail: `${felt}; the limit is ${(100 * busyLimit).toFixed(0)} %` };
    if (busyAtRest >= BUSY_FROM && !this.#isRestKnown) return { pressure: Math.max(CAREFUL_PRESSURE, pressure), detail };
    return { pressure, detail };
  }
}
