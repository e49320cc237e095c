/** Swaps the tables: tries for the lock, drains under it, backs off and tries again (rule 12). */

import type { ChangeApplier } from './change-applier.ts';
import type { ChangeReceiver } from './change-receiver.ts';
import type { Controls } from './controls.ts';
import { inTheWay, MigrationError } from './errors.ts';
import type { Seat } from './family.ts';
import type { LagMeter } from './lag-meter.ts';
import type { RowKey } from './model.ts';
import type { CutoverLimits } from './options.ts';
import type { Cutover, CutoverOptions, RowWriter } from './ports.ts';
import { pauseAfter, retry, type RetryContext } from './retry.ts';
import { withinTime } from './tasks.ts';
import type { Verifier } from './verifier.ts';

export interface CutoverParts {
  readonly cutover: Pick<Cutover, 'attempt' | 'hasSwapped' | 'prepare'>;
  readonly receiver: ChangeReceiver;
  readonly applier: ChangeApplier;
  readonly lagMeter: LagMeter;
  /** Has left nothing open where verification is off. */
  readonly verifier: Verifier;
  /** Whether all rows are to be compared once more. */
  readonly isVerificationAsked: () => boolean;
  readonly verifyAgain: (signal: AbortSignal) => Promise<void>;
  /** Makes it durable that the tables may be swapped from now on. */
  readonly announce: (signal: AbortSignal) => Promise<void>;
  /** The same, that they were not. */
  readonly withdraw: (signal: AbortSignal) => Promise<void>;
  /** Waits for the other tables of a family, which all make the same attempts. */
  readonly meet: Seat['meet'];
}

type AttemptResult =
  | { readonly kind: 'swapped'; readonly blockedMs: number }
  | { readonly kind: 'failed'; readonly reason: string; readonly blockers: readonly string[] };

/**
 * An attempt goes: hold the flusher and see it idle → lock → fence → receive up to it → flush through the locked session →
 * settle what verification left open → stop receiving → swap → unlock. Whatever fails before the swap leaves both tables as
 * they were, the flusher goes on, and after a pause there is another attempt.
 */
export class CutoverRunner {
  readonly #parts: CutoverParts;
  readonly #controls: Controls;
  readonly #context: RetryContext;

  constructor(parts: CutoverParts, controls: Controls, context: RetryContext) {
    this.#parts = parts;
    this.#controls = controls;
    this.#context = context;
  }

  /** Resolves once the swap has happened, with the time that writers were blocked. */
  async run(signal: AbortSignal): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      do await this.#awaitReadiness(signal);
      while (!(await this.#announce(signal)));
      const { attemptsMax, lockTimeoutMs } = this.#limits;
      this.#context.observer({ kind: 'cutover-attempt', attempt, lockTimeoutMs });
      const result = await this.#attempt(attempt, signal);
      if (result.kind === 'swapped') {
        this.#context.observer({ kind: 'swapped', blockedMs: result.blockedMs });
        return result.blockedMs;
      }
      const isLast = attempt >= attemptsMax;
      const nextInMs = isLast ? 0 : pauseAfter(attempt, this.#limits, this.#context.clock);
      this.#context.observer({ kind: 'cutover-failed', attempt, reason: result.reason, blockers: result.blockers, nextInMs });
      await this.#parts.withdraw(signal);
      if (isLast) throw this.#notLockedError(attempt, result.reason, result.blockers);
      await this.#context.clock.sleep(nextInMs, signal);
    }
  }

  get #limits(): CutoverLimits {
    return this.#controls.options.cutover;
  }

  /** The lag, and other tables, may take long, so who has come to hold the cutover meanwhile is asked once more when all is ready. */
  async #awaitReadiness(signal: AbortSignal): Promise<void> {
    const { meet } = this.#parts;
    do {
      await meet('cutover', signal);
      await this.#awaitRelease(signal);
      await this.#prepare(signal);
      await this.#awaitSmallLag(signal);
    } while (!(await meet('attempt', signal, () => this.#isFree)));
  }

  /** Saying so may take long, too. Says whether the attempt may begin; where it may not, it was taken back. */
  async #announce(signal: AbortSignal): Promise<boolean> {
    const { announce, meet, withdraw } = this.#parts;
    await announce(signal);
    const isFree = await meet('announced', signal, () => this.#isFree);
    if (!isFree) await withdraw(signal);
    return isFree;
  }

  /** Whether nobody holds the cutover or wants rows compared first. */
  get #isFree(): boolean {
    return this.#controls.cutoverHeldBy === null && !this.#parts.isVerificationAsked();
  }

  /** Until nobody holds the cutover and everything is compared that was asked for. */
  async #awaitRelease(signal: AbortSignal): Promise<void> {
    const { isVerificationAsked, verifyAgain } = this.#parts;
    for (;;) {
      await this.#controls.awaitCutoverRelease(() => !isVerificationAsked(), this.#context.observer, signal);
      if (!isVerificationAsked()) return;
      await verifyAgain(signal);
    }
  }

  /** May take long, so that the operator may have come to hold the cutover meanwhile. */
  async #prepare(signal: AbortSignal): Promise<void> {
    const { cutover } = this.#parts;
    if (cutover.prepare === undefined) return;
    await retry('preparing the cutover', async () => cutover.prepare?.(signal), this.#context, signal);
    await this.#awaitRelease(signal);
  }

  async #attempt(attempt: number, signal: AbortSignal): Promise<AttemptResult> {
    const { applier, cutover } = this.#parts;
    const { lockTimeoutMs, holdTimeoutMs, oldSnapshots } = this.#limits;
    await applier.hold(signal);
    try {
      const outcome = await cutover.attempt(
        { lockTimeoutMs, holdTimeoutMs, oldSnapshots, ...this.#endingBlockers(attempt) },
        (locked, inner) => this.#drainInTime(locked, inner),
        signal,
      );
      if (outcome.kind === 'swapped') return outcome;
      if (outcome.kind === 'not-locked') {
        return this.#goOn(`the lock was not had within ${lockTimeoutMs} ms`, outcome.blockers);
      }
      if (outcome.kind === 'prevented') return this.#goOn(outcome.reason, outcome.blockers);
      const hasSwapped = await retry(
        'asking whether the swap happened',
        () => cutover.hasSwapped(signal),
        this.#context,
        signal,
      );
      return hasSwapped ? { kind: 'swapped', blockedMs: outcome.blockedMs } : this.#goOn(outcome.cause.message, []);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MigrationError) || !error.isTransient) throw error;
      return this.#goOn(error.message, []);
    }
  }

  /** Nobody is ended before as many attempts as were asked for have shown who it would be. */
  #endingBlockers(attempt: number): Pick<CutoverOptions, 'onBlockerEnded'> {
    const { killBlockersAfter } = this.#limits;
    if (killBlockersAfter === 0 || attempt <= killBlockersAfter) return {};
    return { onBlockerEnded: (blocker) => this.#context.observer({ kind: 'blocker-ended', attempt, blocker }) };
  }

  /** Only after an attempt that is known not to have swapped; otherwise the shadow's name may be gone. */
  #goOn(reason: string, blockers: readonly string[]): AttemptResult {
    this.#parts.receiver.pullOn();
    this.#parts.applier.release();
    return { kind: 'failed', reason, blockers };
  }

  async #drainInTime(locked: RowWriter, signal: AbortSignal): Promise<void> {
    const { holdTimeoutMs } = this.#limits;
    const lateMessage = `Draining took longer than the ${holdTimeoutMs} ms for which the lock may be held, so writers were let go on in the old table; wait for a calmer time, or give a longer --cutover-hold-timeout.`;
    const limit = { ms: holdTimeoutMs, clock: this.#context.clock, lateMessage };
    await withinTime(limit, (inner) => this.#drain(locked, inner), signal);
  }

  /** Runs while writers are blocked: everything that was committed is received, applied, and then nothing more is pulled. */
  async #drain(locked: RowWriter, signal: AbortSignal): Promise<void> {
    const { applier, receiver, verifier } = this.#parts;
    await receiver.passFence(signal);
    await applier.flushAll(locked, signal);
    const reApply = async (keys: readonly RowKey[]): Promise<void> => {
      applier.reRead(keys);
      await applier.flushAll(locked, signal);
    };
    await verifier.settle(locked, reApply, signal);
    receiver.stopPulling();
  }

  /** The backlog must fit into the time that writers are blocked. */
  async #awaitSmallLag(signal: AbortSignal): Promise<void> {
    while ((await this.#parts.lagMeter.measure(signal)) > this.#limits.lagMaxMs) {
      await this.#context.clock.sleep(this.#limits.lagMaxMs, signal);
    }
  }

  #notLockedError(attempts: number, reason: string, blockers: readonly string[]): MigrationError {
    return new MigrationError(
      'CUTOVER_NOT_LOCKED',
      `The cutover did not succeed in ${attempts} attempts, the last time because ${reason.replace(/\.$/, '')}.${inTheWay(blockers)} Both tables are as they were; resume at a calmer time.`,
    );
  }
}
