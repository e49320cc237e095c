/** Holds copying and verifying back while a signal says so. It never touches the change stream or the applier. */

import type { Controls, Hold } from './controls.ts';
import { MigrationError, messageOf } from './errors.ts';
import { LagForecast, type RowsWritten } from './lag-forecast.ts';
import { DEFAULT_REST_RATIO, niceRatio } from './nice-ratio.ts';
import { COPY_WORKERS_MAX } from './options.ts';
import { Pace, PACE_FULL } from './pace.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from './ports.ts';
import type { RetryContext } from './retry.ts';
import { untilBeat } from './spaced-signal.ts';
import { Condition, forEachParallel, runTogether, withinTime } from './tasks.ts';
import { WorkerCount } from './worker-count.ts';

/** A pressure below this does not hold the pace down: what is named as its reason would not be one. */
const PRESSING_FROM = 0.25;
/** A piece that took longer was held up, as by a backup that locks all tables, and kept the server busy for no longer than this. */
const HELD_UP_FROM_MS = 5000;
/** Chunks shrink with the pace to this share of their usual time at least: below it the work around them is most of the cost. */
const CHUNK_SHARE_MIN = 0.1;

interface Reading {
  /** The revision of the limits that the answer is about; null until the first: nobody knows yet what the signal would say. */
  readonly revision: number | null;
  readonly pressure: number;
  /** Whether it is of a replica's lag. */
  readonly isLag: boolean;
  /** The last answer, in words. */
  readonly said: string;
  /** Why there is none since; null while nothing is known to be wrong. */
  readonly failure: string | null;
  readonly at: number;
}

interface Strongest {
  readonly name: string;
  readonly pressure: number;
  readonly detail: string;
}

/** What a throttler looks at. */
export interface ThrottlerParts {
  readonly signals: readonly ThrottleSignal[];
  /** What replicas have to write too. */
  readonly written: () => RowsWritten;
  /** Whether an application writes the table at present. */
  readonly isTableWritten: () => boolean;
  /** How long a worker rests then, as `TableClaim.restRatio`. */
  readonly restRatio?: (() => number) | undefined;
}

/** What a piece of work, a chunk as a rule, has done, and for how long it kept the server busy. */
export interface Done {
  readonly rows: number;
  readonly busyMs: number;
}

/** One piece of work; null when there is none left. */
export type Work = (signal: AbortSignal) => Promise<Done | null>;

/**
 * A pressure of 1 or more stops at once. Below it the pace decides, by fewer workers, smaller chunks, and pauses between them:
 * a share of 0.3 of four workers is two workers, each of which rests two thirds of the time that it worked.
 */
export class Throttler {
  readonly #signals: readonly ThrottleSignal[];
  readonly #written: () => RowsWritten;
  readonly #isTableWritten: () => boolean;
  readonly #restRatio: () => number;
  readonly #controls: Controls;
  readonly #context: RetryContext;
  readonly #clock: Clock;
  readonly #changed = new Condition();
  readonly #readings = new Map<string, Reading>();
  /** Of each replica, by the name of its signal. */
  readonly #forecasts = new Map<string, LagForecast>();
  /** What each signal said last beside its pressure, by its name. */
  readonly #told = { warning: new Map<string, string>(), noticed: new Map<string, string>() };
  readonly #pace: Pace;
  /** By the signals that feel how long a single chunk takes: for a replica short ones only add to what it has to do. */
  readonly #chunkPace: Pace;
  #workerCount: WorkerCount;
  #pacedAt: number;
  #working = 0;
  #stopped: { readonly by: string; readonly since: number } | null = null;

  constructor(parts: ThrottlerParts, controls: Controls, context: RetryContext) {
    const { signals, written, isTableWritten, restRatio = () => DEFAULT_REST_RATIO } = parts;
    this.#signals = signals;
    this.#written = written;
    this.#isTableWritten = isTableWritten;
    this.#restRatio = restRatio;
    this.#controls = controls;
    this.#context = context;
    this.#clock = context.clock;
    this.#workerCount = new WorkerCount(this.#clock, this.#isTableWritten);
    // One worker alone shows by its first chunks what they cost.
    const isCareful = signals.length > 0 && controls.options.isPaceSmooth && !this.#isCountFound;
    this.#pace = new Pace(isCareful);
    this.#chunkPace = new Pace(isCareful);
    this.#pacedAt = this.#clock.now();
    for (const signal of signals)
      this.#readings.set(signal.name, {
        revision: null,
        pressure: 0,
        isLag: false,
        said: 'not asked yet',
        failure: null,
        at: this.#clock.now(),
      });
  }

  /** Why copying stands still, or null. */
  get reason(): string | null {
    const strongest = this.#strongest();
    return strongest.pressure >= 1 ? `${strongest.name}: ${strongest.detail}` : null;
  }

  /** The share of full work that the signals leave, 0 to 1. */
  get pace(): number {
    return this.#pace.share;
  }

  /** Whether no signal holds the work back. */
  get isPaceFull(): boolean {
    return this.#pace.share >= PACE_FULL;
  }

  /** What presses most while work goes on at less than full pace, or that it is what pressed before; null where nothing does. */
  get slowedBy(): string | null {
    const { name, pressure, detail } = this.#strongest();
    if (this.isPaceFull || pressure === 0 || pressure >= 1) return null;
    return pressure < PRESSING_FROM ? 'nothing presses any more, so it rises' : `${name}: ${detail}`;
  }

  /** How much of its usual time a chunk may take, 0 to 1: as the signals say that feel a single one. */
  get chunkShare(): number {
    return Math.max(CHUNK_SHARE_MIN, this.#chunkPace.share);
  }

  /** Does piece after piece, some side by side, as the workers and the signals allow, until there is no work left. */
  async work(piece: Work, signal: AbortSignal): Promise<void> {
    const state = { isOver: false };
    this.#workerCount = new WorkerCount(this.#clock, this.#isTableWritten);
    const worker = async (number: number, inner: AbortSignal): Promise<void> => {
      for (;;) {
        while (number >= this.#controls.options.copyWorkers && !state.isOver) await this.#controls.changed(inner);
        if (state.isOver || !(await this.#workOnce(piece, inner))) break;
      }
      state.isOver = true;
      this.#controls.wake();
    };
    await runTogether(
      Array.from({ length: COPY_WORKERS_MAX }, (_, number) => async (inner: AbortSignal) => await worker(number, inner)),
      signal,
    );
  }

  /** Asks every signal again and again until `signal` aborts. A signal that fails keeps its last answer until that is stale. */
  async sampleContinuously(signal: AbortSignal): Promise<void> {
    if (this.#signals.length === 0) return;
    await forEachParallel(this.#signals, this.#signals.length, (one, inner) => this.#sample(one, inner), signal);
  }

  async #workOnce(piece: Work, signal: AbortSignal): Promise<boolean> {
    await this.#begin(signal);
    try {
      const done = await piece(signal);
      if (done === null) return false;
      this.#workerCount.observe(done, this.#workersMax);
      await this.#rest(done.busyMs, signal);
      return true;
    } finally {
      this.#working -= 1;
      this.#changed.notify();
    }
  }

  /** As long as what holds meanwhile asks for: a piece may have taken long because nothing answered, and that is over. */
  async #rest(busyMs: number, signal: AbortSignal): Promise<void> {
    const began = this.#clock.now();
    for (;;) {
      const wanted = this.#workersWanted;
      const pacedMs = busyMs * (Math.ceil(wanted) / wanted - 1);
      const niceMs = Math.min(busyMs, HELD_UP_FROM_MS) * this.#niceRatio;
      const leftMs = Math.max(pacedMs, niceMs) - (this.#clock.now() - began);
      if (leftMs < 1) return;
      await this.#clock.sleep(Math.min(leftMs, this.#controls.options.throttleIntervalMs), signal);
    }
  }

  /** Resolves when one more may begin, and counts it in the same tick. */
  async #begin(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { throttleIntervalMs } = this.#controls.options;
    for (;;) {
      const strongest = this.#strongest();
      if (strongest.pressure >= 1) this.#noteStop(strongest);
      else {
        this.#noteRelease();
        if (!this.#isAwaitingAnswers && this.#working < Math.ceil(this.#workersWanted)) {
          this.#working += 1;
          return;
        }
      }
      await this.#changed.changedWithin(throttleIntervalMs, this.#clock, signal);
    }
  }

  async #sample(one: ThrottleSignal, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        const revision = this.#controls.limitsRevision;
        this.#take(one.name, await this.#askInTime(one, signal), revision);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof MigrationError && error.code === 'CRITICAL_LOAD') throw error;
        const before = this.#readings.get(one.name);
        if (before !== undefined) this.#readings.set(one.name, { ...before, failure: messageOf(error) });
      }
      this.#followPressure();
      this.#changed.notify();
      await this.#clock.sleep(untilBeat(this.#clock.now(), this.#controls.options.throttleIntervalMs), signal);
    }
  }

  /** A question whose connection hangs would never be answered, and its signal stay stale for good: it is given up, and asked anew. */
  async #askInTime(one: ThrottleSignal, signal: AbortSignal): Promise<ThrottleSample> {
    const ms = this.#controls.options.throttleStaleMs;
    const limit = { ms, clock: this.#clock, lateMessage: 'it did not answer in time' };
    return await withinTime(limit, (inner) => one.sample(inner), signal);
  }

  /** A pause says nothing about what the server bears. */
  #followPressure(): void {
    const now = this.#clock.now();
    const { isPaceSmooth } = this.#controls.options;
    const { pressure } = this.#strongest();
    if (isPaceSmooth && this.#controls.pausedBy === null) {
      const elapsedMs = now - this.#pacedAt;
      this.#pace.follow(pressure, elapsedMs);
      this.#chunkPace.follow(this.#strongest(({ isLag }) => !isLag).pressure, elapsedMs);
    }
    if (!this.isPaceFull || pressure >= 1) this.#workerCount.disturbed();
    this.#pacedAt = now;
  }

  #take(name: string, sample: ThrottleSample, revision: number): void {
    const { isCritical = false, warning, notice } = sample;
    const { pressure, detail } = sample.lag === undefined ? sample : this.#forecast(name, sample, sample.lag);
    this.#tell('warning', name, warning);
    this.#tell('noticed', name, notice);
    if (isCritical) {
      const message = `The server is over a critical limit (${name}: ${detail}), so the run ended; nothing is lost.`;
      throw new MigrationError('CRITICAL_LOAD', message);
    }
    const finite = Number.isFinite(pressure) ? pressure : 1;
    const isLag = sample.lag !== undefined;
    this.#readings.set(name, { revision, pressure: finite, isLag, said: detail, failure: null, at: this.#clock.now() });
  }

  /** A replica that is four times slower than the copy shows a second of lag when it needs four to get over it. */
  #forecast(name: string, { detail }: ThrottleSample, lag: { readonly ms: number; readonly limitMs: number }): ThrottleSample {
    const forecast = this.#forecasts.get(name) ?? new LagForecast();
    this.#forecasts.set(name, forecast);
    const expectedMs = forecast.observe(lag.ms, this.#clock.now(), this.#written());
    const pressure = expectedMs / lag.limitMs;
    if (expectedMs <= 2 * lag.ms) return { pressure, detail };
    return { pressure, detail: `${detail}, and it will be ${(expectedMs / 1000).toFixed(1)} s` };
  }

  /**
   * Work begins when every signal has answered once, and after a limit was changed once more; one that does not is stale after a
   * while, which is a stop.
   */
  get #isAwaitingAnswers(): boolean {
    const { limitsRevision } = this.#controls;
    return [...this.#readings.values()].some(({ revision }) => revision !== limitsRevision);
  }

  get #workersWanted(): number {
    const max = this.#workersMax;
    return this.#pace.share * (this.#isCountFound ? this.#workerCount.of(max) : max);
  }

  get #workersMax(): number {
    return Math.min(COPY_WORKERS_MAX, this.#controls.options.copyWorkers);
  }

  get #niceRatio(): number {
    const { latency, niceRatio: asked } = this.#controls.options;
    return niceRatio({
      asked,
      isGentle: latency !== null,
      isTableWritten: this.#isTableWritten(),
      // What one more worker brings shows only where none rests.
      whileWritten: this.#isCountFound && this.#workerCount.isTrying ? 0 : this.#restRatio(),
    });
  }

  /** With a limit on the application's latency no worker works that brings next to nothing. */
  get #isCountFound(): boolean {
    const { latency, isPaceSmooth } = this.#controls.options;
    return latency !== null && isPaceSmooth;
  }

  /** Of the readings that count, or of who has paused the work. */
  #strongest(counts: (reading: Reading) => boolean = () => true): Strongest {
    const hold = this.#controls.pausedBy;
    if (hold !== null) return { name: nameOf(hold), pressure: 1, detail: hold.reason };
    let strongest: Strongest = { name: 'none', pressure: 0, detail: '' };
    for (const [name, reading] of this.#readings) {
      const pressure = this.#pressureOf(reading);
      if (counts(reading) && pressure > strongest.pressure) strongest = { name, pressure, detail: this.#detailOf(reading) };
    }
    return strongest;
  }

  /** A question that hangs has not failed yet when its last answer is stale. */
  #detailOf(reading: Reading): string {
    const { said, failure, revision } = reading;
    if (!this.#isStale(reading)) return failure === null ? said : `no answer: ${failure}`;
    const since = revision === null ? 'no answer yet' : `no answer behind “${said}”`;
    return `stale: ${failure === null ? since : `no answer: ${failure}`}`;
  }

  #isStale({ at }: Reading): boolean {
    return this.#clock.now() - at > this.#controls.options.throttleStaleMs;
  }

  #pressureOf(reading: Reading): number {
    return this.#isStale(reading) ? Math.max(1, reading.pressure) : reading.pressure;
  }

  /** Whether this one by itself would stop the work, whatever the others say. */
  #isStopping(name: string): boolean {
    const reading = this.#readings.get(name);
    if (reading !== undefined) return this.#pressureOf(reading) >= 1;
    return this.#controls.pauses.some((hold) => nameOf(hold) === name);
  }

  /** A stop is told by the reason that began it, and by another one once that is over: reasons that take turns tell nothing new. */
  #noteStop({ name, detail }: Strongest): void {
    if (this.#stopped !== null && (this.#stopped.by === name || this.#isStopping(this.#stopped.by))) return;
    this.#noteRelease();
    this.#stopped = { by: name, since: this.#clock.now() };
    this.#context.observer({ kind: 'throttled', signal: name, detail });
  }

  #tell(kind: 'warning' | 'noticed', name: string, message: string | undefined): void {
    const told = this.#told[kind];
    if (message === told.get(name)) return;
    if (message === undefined) told.delete(name);
    else {
      told.set(name, message);
      this.#context.observer({ kind, about: name, message });
    }
  }

  #noteRelease(): void {
    if (this.#stopped === null) return;
    this.#context.observer({ kind: 'throttle-released', throttledMs: this.#clock.now() - this.#stopped.since });
    this.#stopped = null;
  }
}

function nameOf({ by }: Hold): string {
  return `paused by ${by}`;
}
