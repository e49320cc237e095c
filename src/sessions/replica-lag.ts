/**
 * How far a replica is behind, as a reason to slow down, on whatever server.
 *
 * A question (connect if need be, then ask) goes on by itself until it is answered or fails; there is one at a time. A sample
 * waits for it for a short while only: a replica that hangs is a stop at once, with its reason, and whatever it takes to end
 * what still runs on it holds up neither the samples nor the end of the run. After a question that failed the next one
 * connects anew, so a replica that restarts is asked again.
 */

import { MigrationError, messageOf } from '../engine/errors.ts';
import type { Clock, ThrottleSample, ThrottleSignal } from '../engine/ports.ts';
import { Condition } from '../engine/tasks.ts';

/** A replica has this long to answer before that counts as a stop, milliseconds: shorter than what makes an answer stale. */
const ANSWER_WITHIN_MS = 2_000;
/** Closing may wait for a server that hangs; the end of a run does not wait for longer, milliseconds. */
const CLOSE_WITHIN_MS = 1_000;

/** A signal that has a connection of its own. */
export interface ReplicaLag extends ThrottleSignal, AsyncDisposable {
  /** Whether the last sample was an answer of the replica. */
  readonly hasAnswered: boolean;
}

/** How far behind the replica is, milliseconds, or why nobody can tell. */
export type LagAnswer = { readonly kind: 'lag'; readonly lagMs: number } | { readonly kind: 'unknown'; readonly why: string };

/** A connection to a replica. Disposing it closes it. */
export interface ReplicaConnection extends AsyncDisposable {
  /** Host and port. */
  readonly where: string;
  ask(signal: AbortSignal): Promise<LagAnswer>;
}

/** What differs between servers. */
export interface ReplicaLagOptions {
  /** For the name of the signal. */
  readonly host: string;
  /** A lag of so much is a stop, milliseconds; as it is now. */
  readonly lagMaxMs: () => number;
  readonly clock: Clock;
  /** Before each sample, on the source: makes or takes note of something that the replica is to catch up with. */
  readonly beat: (signal: AbortSignal) => Promise<void>;
  readonly connect: (signal: AbortSignal) => Promise<ReplicaConnection>;
  /** At the end, on the source: takes away what `beat` made. */
  readonly stopBeating?: () => Promise<void>;
}

/**
 * Pressure by the lag. A replica that cannot be asked, or whose lag nobody can tell, counts as a stop. Connects when it is
 * first asked.
 */
export function createReplicaLag(options: ReplicaLagOptions): ReplicaLag {
  return new AskedReplica(options);
}

class AskedReplica implements ReplicaLag {
  readonly name: string;
  readonly #options: ReplicaLagOptions;
  readonly #closing = new AbortController();
  readonly #answered = new Condition();
  #connection: ReplicaConnection | null = null;
  #asking: Promise<void> | null = null;
  /** To the present question, also while a failed one is still being cleared away. */
  #answer: { readonly sample: ThrottleSample; readonly isAnswer: boolean } | null = null;
  #hasAnswered = false;

  constructor(options: ReplicaLagOptions) {
    this.name = `replica ${options.host}`;
    this.#options = options;
  }

  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  async sample(signal: AbortSignal): Promise<ThrottleSample> {
    const { beat, clock } = this.#options;
    await beat(signal);
    if (this.#asking === null) this.#begin();
    if (this.#answer === null) await this.#answered.changedWithin(ANSWER_WITHIN_MS, clock, signal);
    const answer = this.#answer;
    this.#hasAnswered = answer?.isAnswer ?? false;
    if (answer === null) return this.#silence(`it has not answered within ${ANSWER_WITHIN_MS / 1000} s`);
    return answer.sample;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new MigrationError('INTERRUPTED', 'The replica is not asked any more.'));
    if (this.#asking !== null) await this.#closedWithin(this.#asking);
    if (this.#connection !== null) await this.#closedWithin(this.#disconnect());
    await this.#options.stopBeating?.();
  }

  #begin(): void {
    this.#answer = null;
    this.#asking = this.#ask();
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const { signal } = this.#closing;
    try {
      this.#connection ??= await this.#options.connect(signal);
      this.#answer = { sample: this.#judge(await this.#connection.ask(signal)), isAnswer: true };
    } catch (error) {
      this.#answer = { sample: this.#silence(messageOf(error)), isAnswer: false };
      this.#answered.notify();
      await this.#disconnect();
    }
    this.#asking = null;
    this.#answered.notify();
  }

  #judge(answer: LagAnswer): ThrottleSample {
    if (answer.kind === 'unknown') return { pressure: 1, detail: answer.why };
    const lagMaxMs = this.#options.lagMaxMs();
    const { lagMs } = answer;
    const detail = `it is ${inSeconds(lagMs)} behind, the limit is ${lagMaxMs / 1000} s`;
    return { pressure: lagMs / lagMaxMs, detail, lag: { ms: lagMs, limitMs: lagMaxMs } };
  }

  #silence(why: string): ThrottleSample {
    return { pressure: 1, detail: `${this.#connection?.where ?? this.name} cannot be asked: ${why}` };
  }

  /** Never rejects: what could not be closed is not used again. */
  async #disconnect(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    try {
      await connection?.[Symbol.asyncDispose]();
    } catch {
      // It has ended, or its server will notice.
    }
  }

  async #closedWithin(closing: Promise<void>): Promise<void> {
    const limit = new AbortController();
    const passed = this.#options.clock.sleep(CLOSE_WITHIN_MS, limit.signal).catch(() => undefined);
    await Promise.race([closing, passed]);
    limit.abort();
  }
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
