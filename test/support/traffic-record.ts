/** What traffic saw: latencies by period, the longest statements, the times when it stood still, and errors by code. */
import { performance } from 'node:perf_hooks';
import { LatencyHistogram, type LatencySummary } from './latency.ts';

/** A statement that took long. */
export interface SlowStatement {
  readonly ms: number;
  /** The beginning of its text. */
  readonly sql: string;
  /** When it was sent, as `Date.now()` counts. */
  readonly sentMs: number;
}

/** A time, as `Date.now()` counts, in which some statement had been waiting for longer than `stallMs`; overlapping ones are one. */
export interface StallWindow {
  readonly fromMs: number;
  readonly throughMs: number;
}

/** Figures of one period. */
export interface PeriodReport {
  readonly seconds: number;
  /** Transactions, from their intended arrival until the server acknowledged the commit. */
  readonly writes: LatencySummary;
  /** Reads, from their intended arrival until the rows were there. */
  readonly reads: LatencySummary;
  /** Single statements, from sending until the answer. */
  readonly statements: LatencySummary;
  readonly longest: SlowStatement | null;
}

/** Everything that the traffic saw. */
export interface TrafficReport {
  readonly periods: Readonly<Record<string, PeriodReport>>;
  readonly stalls: readonly StallWindow[];
  /** How often each error came, by the server's or the driver's code. */
  readonly errors: Readonly<Record<string, number>>;
  /** How often a transaction was the victim of a deadlock, which an application has to expect: not among the errors. */
  readonly deadlocks: number;
  readonly acknowledged: number;
  /** Transactions that failed and left nothing. */
  readonly failed: number;
  /** Commits whose answer did not come, by what was found afterwards. */
  readonly unknown: { readonly committed: number; readonly notCommitted: number };
  /** Reads of own rows that did not give what was acknowledged last. */
  readonly wrongReads: readonly string[];
}

/** A statement that takes longer than this is a stall of the application. */
const stallMs = 100;
const statementTextMax = 100;
/** The longest statement is kept for each slot of this width, so that the one of any time can be told afterwards. */
const slotMs = 100;

interface Period {
  readonly name: string;
  readonly beganMs: number;
  endedMs: number | null;
  readonly writes: LatencyHistogram;
  readonly reads: LatencyHistogram;
  readonly statements: LatencyHistogram;
  longest: SlowStatement | null;
}

/** Collects. A request counts to the period in which it was finished. */
export class TrafficRecord {
  /** By the number of the slot in which it was answered. */
  readonly #longest = new Map<number, SlowStatement>();
  /** Of transactions, by the number of the slot in which they were acknowledged. */
  readonly #latencies = new Map<number, number[]>();
  readonly #periods: Period[] = [];
  readonly #stalls: { fromMs: number; throughMs: number }[] = [];
  readonly #errors = new Map<string, number>();
  readonly #unknown = { committed: 0, notCommitted: 0 };
  readonly #wrongReads: string[] = [];
  readonly #awaited: { readonly count: number; readonly resolve: () => void }[] = [];
  #acknowledged = 0;
  #failed = 0;
  #deadlocks = 0;

  constructor() {
    this.enter('start');
  }

  enter(name: string): void {
    const now = performance.now();
    const last = this.#periods.at(-1);
    if (last !== undefined) last.endedMs = now;
    const [writes, reads, statements] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
    this.#periods.push({ name, beganMs: now, endedMs: null, writes, reads, statements, longest: null });
  }

  /** Resolves once so many transactions are acknowledged. */
  acknowledged(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#acknowledged >= count) resolve();
      else this.#awaited.push({ count, resolve });
    });
  }

  write(arrivedMs: number): void {
    this.#acknowledged += 1;
    for (const { count, resolve } of this.#awaited) if (count === this.#acknowledged) resolve();
    const now = performance.now();
    this.#period.writes.record(now - arrivedMs);
    const slot = slotOf(now);
    const latencies = this.#latencies.get(slot) ?? [];
    this.#latencies.set(slot, latencies);
    latencies.push(now - arrivedMs);
  }

  read(arrivedMs: number): void {
    this.#period.reads.record(performance.now() - arrivedMs);
  }

  statement(sql: string, sentMs: number): void {
    const now = performance.now();
    const ms = now - sentMs;
    const period = this.#period;
    period.statements.record(ms);
    const answeredMs = now + performance.timeOrigin;
    const slow = { ms: Math.round(ms * 10) / 10, sql: sql.slice(0, statementTextMax), sentMs: Math.round(answeredMs - ms) };
    if (ms > (period.longest?.ms ?? 0)) period.longest = slow;
    const slot = slotOf(now);
    if (ms > (this.#longest.get(slot)?.ms ?? 0)) this.#longest.set(slot, slow);
    if (ms > stallMs) this.#stall(slow.sentMs, Math.round(answeredMs));
  }

  /** The longest statement that was answered in this time, as `Date.now()` counts, to a tenth of a second. */
  longestBetween(fromMs: number, throughMs: number): SlowStatement | null {
    const inside = [...this.#longest].filter(
      ([slot]) => slot >= Math.floor(fromMs / slotMs) && slot <= Math.floor(throughMs / slotMs),
    );
    return inside.map(([, slow]) => slow).sort((a, b) => b.ms - a.ms)[0] ?? null;
  }

  /** The transactions that were acknowledged in this time, as `Date.now()` counts, to a tenth of a second. */
  writesBetween(fromMs: number, throughMs: number): LatencySummary {
    const histogram = new LatencyHistogram();
    for (let slot = Math.floor(fromMs / slotMs); slot < Math.floor(throughMs / slotMs); slot += 1) {
      for (const ms of this.#latencies.get(slot) ?? []) histogram.record(ms);
    }
    return histogram.summary();
  }

  #stall(fromMs: number, throughMs: number): void {
    const last = this.#stalls.at(-1);
    if (last !== undefined && fromMs <= last.throughMs) {
      last.fromMs = Math.min(last.fromMs, fromMs);
      last.throughMs = throughMs;
    } else {
      this.#stalls.push({ fromMs, throughMs });
    }
  }

  error(code: string): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }

  deadlock(): void {
    this.#deadlocks += 1;
  }

  failure(): void {
    this.#failed += 1;
  }

  resolved(outcome: 'committed' | 'notCommitted'): void {
    this.#unknown[outcome] += 1;
  }

  wrongRead(text: string): void {
    this.#wrongReads.push(text);
  }

  report(): TrafficReport {
    const now = performance.now();
    const periods = this.#periods.map((period): [string, PeriodReport] => [
      period.name,
      {
        seconds: Math.round(((period.endedMs ?? now) - period.beganMs) / 100) / 10,
        writes: period.writes.summary(),
        reads: period.reads.summary(),
        statements: period.statements.summary(),
        longest: period.longest,
      },
    ]);
    return {
      periods: Object.fromEntries(periods),
      stalls: this.#stalls.map((stall) => ({ ...stall })),
      errors: Object.fromEntries(this.#errors),
      deadlocks: this.#deadlocks,
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      unknown: { ...this.#unknown },
      wrongReads: [...this.#wrongReads],
    };
  }

  get #period(): Period {
    const last = this.#periods.at(-1);
    if (last === undefined) throw new Error('There is no period.');
    return last;
  }
}

/** The slot of a time, as `performance.now()` counts. */
function slotOf(now: number): number {
  return Math.floor((now + performance.timeOrigin) / slotMs);
}
