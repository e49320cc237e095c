/** One migration from the claim to its end: the phases and what runs beside them. */

import { Checkpointer, type Snapshot } from './checkpointer.ts';
import type { Controls } from './controls.ts';
import { CutoverRunner } from './cutover.ts';
import { asRunError, MigrationError } from './errors.ts';
import type { Observer } from './events.ts';
import type { Seat } from './family.ts';
import { sayFarewell } from './farewell.ts';
import type { Checkpoint, MigrationId, Phase, Plan, TableName } from './model.ts';
import { enter, firstPhase, hasPerhapsSwapped, type PhaseAfter } from './phases.ts';
import type { ChangeStream, Clock, KeySpan, TableClaim, ThrottleSignal } from './ports.ts';
import { type Counters, estimateRows, ProgressMeter } from './progress.ts';
import { RetentionWatch } from './retention-watch.ts';
import { awaitingLocks, retry, type RetryContext } from './retry.ts';
import { RunParts } from './run-parts.ts';
import { settle } from './settlement.ts';
import { followSignal, runTogether, runWithBackground } from './tasks.ts';

export interface MigrationRun {
  readonly plan: Plan;
  readonly claim: TableClaim;
  readonly clock: Clock;
  /** The pace of the run, which may change while it goes on. */
  readonly controls: Controls;
  /** Reasons to slow down beside those that the adapter and the engine know by themselves. */
  readonly signals: readonly ThrottleSignal[];
  readonly observer: Observer;
  /** Given by the family (family-run.ts) where the table is swapped together with others. */
  readonly seat?: Seat;
}

/** A table of its own waits for nobody. */
const ALONE: Omit<Seat, 'attempt'> = {
  meet: async (_place, _signal, isReady) => isReady?.() ?? true,
  inTurn: (work) => work(),
  waitingFor: [],
};

/** The figures of a finished migration. */
export interface MigrationResult {
  readonly id: MigrationId;
  /** The old table, which is kept until it is dropped with `cleanUp`. */
  readonly retired: TableName;
  readonly rowsCopied: number;
  readonly keysApplied: number;
  readonly rowsVerified: number;
  readonly rowsRepaired: number;
  /** Greatest lag of the change stream that was measured, milliseconds. */
  readonly lagMaxMs: number;
  /** Writers were blocked for so long at the swap, milliseconds. */
  readonly blockedMs: number;
  readonly elapsedMs: number;
}

/**
 * Runs the plan to its end, from the checkpoint if there is one. Rejects with a MigrationError; unless it says otherwise the
 * migration can be resumed. The claim stays the caller's to dispose.
 */
export async function runMigration(run: MigrationRun, signal: AbortSignal): Promise<MigrationResult> {
  const either = new AbortController();
  const stopFollowing = [followSignal(signal, either), followSignal(run.claim.lost, either)];
  try {
    return await runClaimed(run, either.signal);
  } catch (error) {
    throw withRemoval(asRunError(error), run.claim);
  } finally {
    for (const stop of stopFollowing) stop();
  }
}

/** No command would do it. */
function withRemoval(error: MigrationError, { removal }: TableClaim): MigrationError {
  if (error.code !== 'RECORDS_LOST') return error;
  const message = `${error.message} What the migration has built may be left: ${removal}`;
  return new MigrationError(error.code, message, { cause: error });
}

async function runClaimed(run: MigrationRun, signal: AbortSignal): Promise<MigrationResult> {
  const { claim, plan, observer, clock } = run;
  const context: RetryContext = { clock, observer };
  const startedAt = clock.now();
  const checkpoint = await orLeave(run, () => loadCheckpoint(run, signal));
  const earlier = await orLeave(run, () => findEarlierSwap(run, checkpoint, signal));
  const swapped = earlier ?? (await migrateUpToSwap(run, { checkpoint, startedAt }, signal));
  observer({ kind: 'phase-entered', phase: 'clean-up' });
  const { meet, inTurn } = run.seat ?? ALONE;
  const cleaningUp: Checkpoint = { ...swapped.checkpoint, phase: 'clean-up' };
  const cleanUp = async (): Promise<void> => {
    await meet('settlement', signal);
    await inTurn(() => settle({ plan, claim, checkpoint: cleaningUp }, context, signal), signal);
  };
  await orLeave(run, cleanUp, cleaningUp);
  await retry('concluding', () => claim.checkpoints.conclude('done', null, signal), context, signal);
  observer({ kind: 'phase-entered', phase: enter('clean-up', 'done') });
  observer({ kind: 'finished', id: plan.id });
  return { ...swapped.figures, id: plan.id, retired: plan.retired, elapsedMs: clock.now() - startedAt };
}

/** Null where nothing was saved yet. Rejects with PLAN_CHANGED. */
async function loadCheckpoint({ claim, plan, clock, observer }: MigrationRun, signal: AbortSignal): Promise<Checkpoint | null> {
  const load = (): Promise<Checkpoint | null> => claim.checkpoints.load(signal);
  const checkpoint = await retry('loading the checkpoint', load, { clock, observer }, signal);
  if (checkpoint === null || checkpoint.planHash === plan.hash) return checkpoint;
  throw new MigrationError(
    'PLAN_CHANGED',
    `The checkpoint of migration ${plan.id} was made for another plan. Give it up with \`tableshift cleanup ${plan.id}\` and start anew.`,
  );
}

/** What is known when the swap has happened. */
interface SwappedRun {
  readonly checkpoint: Checkpoint;
  readonly figures: Omit<MigrationResult, 'id' | 'retired' | 'elapsedMs'>;
}

/** Null unless the catalog says that an earlier run has swapped. */
async function findEarlierSwap(
  { claim, clock, observer }: MigrationRun,
  checkpoint: Checkpoint | null,
  signal: AbortSignal,
): Promise<SwappedRun | null> {
  if (checkpoint === null || !hasPerhapsSwapped(checkpoint.phase)) return null;
  const ask = (): Promise<boolean> => claim.cutover.hasSwapped(signal);
  if (!(await retry('asking whether the swap happened', ask, { clock, observer }, signal))) return null;
  const { rowsCopied, verification } = checkpoint;
  const rows = { rowsCopied, rowsVerified: verification.rowsCompared, rowsRepaired: verification.repairedTotal };
  return { checkpoint, figures: { ...rows, keysApplied: 0, lagMaxMs: 0, blockedMs: 0 } };
}

/** The change stream is closed when this resolves: what follows the swap may take long, and nobody would read from it. */
async function migrateUpToSwap(
  run: MigrationRun,
  { checkpoint, startedAt }: { readonly checkpoint: Checkpoint | null; readonly startedAt: number },
  signal: AbortSignal,
): Promise<SwappedRun> {
  await using stream = await openStream(run, checkpoint, signal);
  return await new Migration(run, stream, checkpoint, startedAt).run(signal);
}

async function openStream(run: MigrationRun, checkpoint: Checkpoint | null, signal: AbortSignal): Promise<ChangeStream> {
  const from = checkpoint?.position ?? null;
  const open = (): Promise<ChangeStream> => run.claim.openChangeStream(from, signal);
  const context = { clock: run.clock, observer: run.observer };
  return await orLeave(run, () => retry('opening the change stream', open, context, signal));
}

/** Whoever comes next is told why it failed. `last`: the checkpoint that it leaves then, if any. */
async function orLeave<Result>(
  run: MigrationRun,
  work: () => Promise<Result>,
  last: Checkpoint | null = null,
): Promise<Result> {
  try {
    return await work();
  } catch (reason) {
    await leave(run, { reason, last });
    throw reason;
  }
}

/** Saves the last checkpoint, if there is one to save, and the reason of the end. */
async function leave(
  { claim: { checkpoints, lost }, clock, observer }: MigrationRun,
  { reason, last }: { readonly reason: unknown; readonly last: Checkpoint | null },
): Promise<void> {
  await sayFarewell({ lost, clock, observer }, async (signal) => {
    // What cannot be saved, such as in a bookkeeping that is gone, must not keep the rest of the end from being done.
    if (last !== null) await checkpoints.save(last, signal).catch(() => undefined);
    await checkpoints.conclude('open', asRunError(reason), signal);
  });
}

/** The phases of one run, and what goes on beside them. */
class Migration {
  readonly #run: MigrationRun;
  readonly #context: RetryContext;
  readonly #resumedFrom: Checkpoint | null;
  readonly #parts: RunParts;
  /** How many of those that the operator asked for were begun, or are served by one that was. */
  #verifications = 0;
  readonly #checkpointer: Checkpointer;
  readonly #progress: ProgressMeter;
  #phase: Phase;
  #isCopyComplete: boolean;

  constructor(run: MigrationRun, stream: ChangeStream, checkpoint: Checkpoint | null, startedAt: number) {
    const { claim, clock, observer, controls, signals } = run;
    // Somebody who has locked the table keeps everybody else waiting, too, and may take hours.
    const context = awaitingLocks({ clock, observer });
    this.#run = run;
    this.#context = context;
    this.#resumedFrom = checkpoint;
    this.#phase = firstPhase(checkpoint, controls.options.isVerifying);
    this.#isCopyComplete = checkpoint?.isCopyComplete ?? false;
    this.#parts = new RunParts({ claim, stream, controls, signals, checkpoint, phase: () => this.#phase }, context);
    this.#checkpointer = new Checkpointer(claim.checkpoints, this.#parts.receiver, () => this.#snapshot(), context);
    this.#progress = new ProgressMeter(clock, startedAt);
  }

  /** Resolves when the tables are swapped. */
  async run(signal: AbortSignal): Promise<SwappedRun> {
    const { controls, observer, seat } = this.#run;
    const { options } = controls;
    if (seat === undefined) controls.announceTo(observer);
    const { receiver, applier, copier, verifier, lagMeter, throttler } = this.#parts;
    receiver.stream.watchReconnects?.(({ attempt, cause: { code, message } }) => {
      observer({ kind: 'retrying', what: 'reading the log', attempt, code, message });
    });
    receiver.stream.watchWarnings?.((message, about = 'reading the log') => observer({ kind: 'warning', about, message }));
    await orLeave(this.#run, () => this.#begin(signal));
    const background = [
      (inner: AbortSignal) => receiver.pull(inner),
      (inner: AbortSignal) => applier.flushContinuously(inner),
      (inner: AbortSignal) => this.#checkpointer.saveContinuously(() => options.checkpointIntervalMs, inner),
      (inner: AbortSignal) => lagMeter.measureContinuously(options.lagIntervalMs, inner),
      (inner: AbortSignal) => throttler.sampleContinuously(inner),
      (inner: AbortSignal) => this.#reportProgress(inner),
    ];
    let blockedMs: number;
    try {
      blockedMs = await runWithBackground((inner) => this.#phases(inner), background, signal);
    } catch (reason) {
      await leave(this.#run, { reason, last: hasPerhapsSwapped(this.#phase) ? null : this.#snapshot().checkpoint });
      throw reason;
    }
    const figures = {
      rowsCopied: copier.rowsCopied,
      keysApplied: applier.keysApplied,
      rowsVerified: verifier.progress.rowsCompared,
      rowsRepaired: verifier.progress.repairedTotal,
      lagMaxMs: lagMeter.lagMaxMs,
      blockedMs,
    };
    return { checkpoint: this.#snapshot().checkpoint, figures };
  }

  /** Up to the first checkpoint, in the order of rule 1: the stream is open; shadow; barrier; only then the first read of the source. */
  async #begin(signal: AbortSignal): Promise<void> {
    const { pair } = this.#run.claim;
    const { stream } = this.#parts.receiver;
    if (this.#resumedFrom === null) {
      this.#context.observer({ kind: 'phase-entered', phase: 'prepare' });
      await retry('creating the shadow', () => pair.createShadow(signal), this.#context, signal);
    }
    await retry('waiting for visibility', () => stream.awaitVisible(stream.start, signal), this.#context, signal);
    if (this.#run.controls.options.latency !== null)
      await retry('measuring the latency at rest', () => this.#measureRest(signal), this.#context, signal);
    const readKeySpan = async (): Promise<KeySpan | null> => (await pair.readKeySpan?.(signal)) ?? null;
    this.#parts.keySpan = await retry('reading the first and the last key', readKeySpan, this.#context, signal);
    if (this.#resumedFrom === null) {
      this.#phase = enter('prepare', 'copy');
      await this.#checkpointer.save(signal);
      this.#context.observer({ kind: 'phase-entered', phase: 'copy' });
      return;
    }
    this.#context.observer({ kind: 'resumed', phase: this.#phase, rowsCopied: this.#parts.copier.rowsCopied });
    await this.#restoreWatermark(signal);
  }

  /** What the application feels before anything is copied. */
  async #measureRest(signal: AbortSignal): Promise<void> {
    await this.#parts.transactions?.begin(signal);
    await this.#parts.latency.calibrate(signal);
  }

  /** How far the predecessor had come, also beyond its checkpoint (rule 9). */
  async #restoreWatermark(signal: AbortSignal): Promise<void> {
    const { pair } = this.#run.claim;
    if (this.#isCopyComplete) {
      this.#parts.ranges.raiseWatermark(null);
      return;
    }
    if (pair.compareKeys === undefined) return;
    const copiedThrough = this.#resumedFrom?.copiedThrough ?? null;
    if (copiedThrough !== null) this.#parts.ranges.raiseWatermark(copiedThrough);
    const greatest = await retry(
      'reading the greatest key of the shadow',
      () => pair.greatestShadowKey(signal),
      this.#context,
      signal,
    );
    if (greatest !== null) this.#parts.ranges.raiseWatermark(greatest);
  }

  async #phases(signal: AbortSignal): Promise<number> {
    const { options } = this.#run.controls;
    if (!this.#isShadowFinished) await this.#seat.inTurn(() => this.#fill(signal), signal);
    if (this.#phase === 'catch-up') {
      while ((await this.#parts.lagMeter.measure(signal)) > options.cutover.lagMaxMs)
        await this.#context.clock.sleep(options.lagIntervalMs, signal);
      await this.#advance('catch-up', this.#isToVerify ? 'verify' : 'await-cutover', signal);
    }
    if (this.#phase === 'verify') {
      await this.#verify(signal);
    }
    return await this.#cutOver(signal);
  }

  async #verify(signal: AbortSignal): Promise<void> {
    this.#compareAllAsked();
    await this.#seat.inTurn(() => this.#parts.verifier.run(signal), signal);
    await this.#advance('verify', 'await-cutover', signal);
  }

  /** What was compared before it was asked for, by this run or one before it, counts no more. */
  #compareAllAsked(): void {
    const { verificationsAsked } = this.#run.controls;
    if (this.#verifications < verificationsAsked) this.#parts.verifier.restart();
    this.#verifications = verificationsAsked;
  }

  /** In one tick with the phase, so that a resume compares all of it, too. */
  async #verifyAgain(signal: AbortSignal): Promise<void> {
    this.#compareAllAsked();
    await this.#advance('await-cutover', 'verify', signal);
    await this.#verify(signal);
  }

  get #seat(): typeof ALONE {
    return this.#run.seat ?? ALONE;
  }

  get #isShadowFinished(): boolean {
    return this.#phase !== 'copy' && this.#phase !== 'finish-shadow';
  }

  /** A comparison that has begun is finished, for it may have found something. */
  get #isToVerify(): boolean {
    return this.#run.controls.options.isVerifying || this.#parts.verifier.hasBegun;
  }

  async #fill(signal: AbortSignal): Promise<void> {
    const { controls } = this.#run;
    if (this.#phase === 'copy') {
      await this.#parts.copier.run(signal);
      this.#isCopyComplete = true;
      await this.#advance('copy', 'finish-shadow', signal);
    }
    if (this.#phase === 'finish-shadow') {
      // It is heavy work too, but once begun it goes on: half an index is worth nothing.
      while (controls.pausedBy !== null) await controls.changed(signal);
      await this.#finishShadow(signal);
      await this.#advance('finish-shadow', 'catch-up', signal);
    }
  }

  /**
   * Building indexes does not use all that the server has, so rows are compared meanwhile where that pays, as far as it goes.
   * Not beside an application that writes: it should not have to share the server with both.
   */
  async #finishShadow(signal: AbortSignal): Promise<void> {
    const { claim, controls } = this.#run;
    const state = { isFinished: false };
    const finish = async (inner: AbortSignal): Promise<void> => {
      await retry('finishing the shadow', () => claim.pair.finishShadow(inner), this.#context, inner);
      state.isFinished = true;
    };
    const mayCompare = (): boolean => !state.isFinished && !this.#parts.receiver.isTableWritten;
    const compare = (inner: AbortSignal): Promise<void> => this.#parts.verifier.run(inner, mayCompare);
    const isComparing = claim.pair.isFinishedWhileCompared && controls.options.isVerifying && mayCompare();
    if (isComparing) this.#compareAllAsked();
    await runTogether(isComparing ? [finish, compare] : [finish], signal);
  }

  async #cutOver(signal: AbortSignal): Promise<number> {
    const { claim, controls, seat } = this.#run;
    const { cutover } = claim;
    const { receiver, applier, lagMeter, verifier } = this.#parts;
    const parts = {
      cutover: {
        attempt: seat === undefined ? cutover.attempt.bind(cutover) : seat.attempt,
        hasSwapped: cutover.hasSwapped.bind(cutover),
        ...(cutover.prepare === undefined ? {} : { prepare: cutover.prepare.bind(cutover) }),
      },
      receiver,
      applier,
      lagMeter,
      verifier,
      isVerificationAsked: () => this.#verifications < controls.verificationsAsked,
      verifyAgain: (inner: AbortSignal) => this.#verifyAgain(inner),
      announce: (inner: AbortSignal) => this.#advance('await-cutover', 'cutover', inner),
      withdraw: (inner: AbortSignal) => this.#advance('cutover', 'await-cutover', inner),
      meet: this.#seat.meet,
    };
    // A predecessor that announced the cutover and did not swap left that phase behind.
    if (this.#phase === 'cutover') await parts.withdraw(signal);
    return await new CutoverRunner(parts, controls, this.#context).run(signal);
  }

  /** Enters a phase and makes that durable before its work begins. */
  async #advance<From extends Phase>(from: From, to: PhaseAfter<From>, signal: AbortSignal): Promise<void> {
    this.#phase = enter(from, to);
    await this.#checkpointer.save(signal);
    this.#context.observer({ kind: 'phase-entered', phase: to });
  }

  /** In one tick (rule 5). */
  #snapshot(): Snapshot {
    const position = this.#parts.applier.applied;
    const checkpoint: Checkpoint = {
      planHash: this.#run.plan.hash,
      phase: this.#phase,
      copiedThrough: this.#parts.chunker.finishedThrough,
      isCopyComplete: this.#isCopyComplete,
      rowsCopied: this.#parts.copier.rowsCopied,
      position: position.token,
      verification: this.#parts.verifier.progress,
    };
    return { checkpoint, position };
  }

  async #reportProgress(signal: AbortSignal): Promise<void> {
    const { claim, plan } = this.#run;
    const { receiver, applier, copier, copySize, chunker, verifier, lagMeter, throttler } = this.#parts;
    const retention = new RetentionWatch(claim.findLogRetention?.bind(claim), this.#context);
    for (;;) {
      await this.#context.clock.sleep(this.#run.controls.options.progressIntervalMs, signal);
      const counters: Counters = {
        phase: this.#phase,
        rowsCopied: copier.rowsCopied,
        rowsVerified: verifier.progress.rowsCompared,
        keysPending: receiver.map.size,
        keysApplied: applier.keysApplied,
        lagMs: lagMeter.lagMs,
        lagMaxMs: lagMeter.lagMaxMs,
        chunkRows: copySize.rows,
        throttledBy: throttler.reason,
        pace: throttler.pace,
        slowedBy: throttler.slowedBy,
        waitingFor: this.#seat.waitingFor,
      };
      const copied = { rows: counters.rowsCopied, through: chunker.finishedThrough, span: this.#parts.keySpan };
      const progress = this.#progress.measure(counters, estimateRows(plan.estimate.rows, copied));
      this.#context.observer({ kind: 'progress', progress });
      await retention.look(progress.etaMs, signal);
    }
  }
}
