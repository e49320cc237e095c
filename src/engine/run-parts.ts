/** The parts of one run that read the log, apply, copy, compare and slow down, wired to each other. */

import { ChangeApplier } from './change-applier.ts';
import { ChangeReceiver } from './change-receiver.ts';
import { ChunkSize, type ChunkSizeOptions } from './chunk-size.ts';
import { chunkTimeMs } from './chunk-time.ts';
import { Chunker } from './chunker.ts';
import type { Controls } from './controls.ts';
import { LagMeter } from './lag-meter.ts';
import { LatencySignal } from './latency-signal.ts';
import type { Checkpoint, Phase } from './model.ts';
import type { ChangeStream, KeySpan, TableClaim, ThrottleSignal } from './ports.ts';
import { RangesInFlight } from './ranges-in-flight.ts';
import type { RetryContext } from './retry.ts';
import { RowCopier } from './row-copier.ts';
import { askSeldom } from './spaced-signal.ts';
import { Throttler } from './throttler.ts';
import { TransactionTimeSignal } from './transaction-time.ts';
import { NOTHING_VERIFIED, Verifier } from './verifier.ts';

/** What the server tells of the transactions of others changes slowly, and costs it something. */
const TRANSACTIONS_EACH_MS = 1000;

export interface RunPartsNeeds {
  readonly claim: TableClaim;
  readonly stream: ChangeStream;
  readonly controls: Controls;
  /** Those of the operator, beside the claim's and the latency. */
  readonly signals: readonly ThrottleSignal[];
  readonly checkpoint: Checkpoint | null;
  /** Changes as the run goes on. */
  readonly phase: () => Phase;
}

export class RunParts {
  readonly ranges: RangesInFlight;
  readonly receiver: ChangeReceiver;
  readonly applier: ChangeApplier;
  readonly latency: LatencySignal;
  /** Null where the server tells nothing of the transactions of others. */
  readonly transactions: TransactionTimeSignal | null;
  readonly throttler: Throttler;
  readonly copySize: ChunkSize;
  readonly chunker: Chunker;
  readonly copier: RowCopier;
  readonly verifier: Verifier;
  readonly lagMeter: LagMeter;
  /** Set when it has been read. */
  keySpan: KeySpan | null = null;

  constructor(needs: RunPartsNeeds, context: RetryContext) {
    const { claim, stream, controls, checkpoint } = needs;
    const { pair } = claim;
    const { options } = controls;
    this.ranges = new RangesInFlight(pair.compareKeys);
    this.receiver = new ChangeReceiver(stream, options, context);
    this.applier = new ChangeApplier({ receiver: this.receiver, ranges: this.ranges, pair }, options, context);
    this.lagMeter = new LagMeter(this.receiver, this.applier, context.clock);
    // An index build is felt as a copy is, whatever the pace.
    const share = (): number => (needs.phase() === 'finish-shadow' ? 1 : this.throttler.pace);
    this.latency = this.#latencyOf(needs, share, context);
    this.transactions = transactionsOf(needs, share, context);
    this.throttler = this.#throttlerOf(needs, context);
    const size = this.#sizeOf(controls);
    this.copySize = new ChunkSize(size);
    const keySpan = (): KeySpan | null => this.keySpan;
    this.chunker = new Chunker({ pair, size: this.copySize, keySpan }, checkpoint?.copiedThrough ?? null, context);
    const shared = { pair, applier: this.applier, throttler: this.throttler, receiver: this.receiver };
    const copying = { ...shared, chunker: this.chunker, size: this.copySize, ranges: this.ranges };
    this.copier = new RowCopier(copying, checkpoint?.rowsCopied ?? 0, checkpoint !== null, context);
    const verifying = { ...shared, size: new ChunkSize(size), keySpan };
    this.verifier = new Verifier(verifying, checkpoint?.verification ?? NOTHING_VERIFIED, context);
  }

  #latencyOf({ controls }: RunPartsNeeds, share: () => number, { clock }: RetryContext): LatencySignal {
    return new LatencySignal({
      placeFence: (signal) => this.receiver.placeFence(signal),
      limit: () => controls.options.latency,
      share,
      clock,
    });
  }

  #throttlerOf({ claim, controls, signals }: RunPartsNeeds, context: RetryContext): Throttler {
    const transactions = this.transactions === null ? [] : [askSeldom(this.transactions, TRANSACTIONS_EACH_MS, context.clock)];
    const looked = {
      signals: [...claim.throttleSignals, ...signals, this.latency, ...transactions],
      written: () => ({
        done: this.copier.rowsCopied + this.applier.keysApplied,
        underWay: this.copier.rowsUnderWay,
      }),
      isTableWritten: () => this.receiver.isTableWritten,
      restRatio: claim.restRatio,
    };
    return new Throttler(looked, controls, context);
  }

  #sizeOf({ options }: Controls): ChunkSizeOptions {
    const targetMs = (): number =>
      chunkTimeMs({
        targetMs: options.chunkTargetMs,
        share: this.throttler.chunkShare,
        isPaceFull: this.throttler.isPaceFull,
        isTableWritten: this.receiver.isTableWritten,
        isLatencyLimited: options.latency !== null,
      });
    const rowsMin = Math.min(100, options.chunkRowsFirst);
    return { targetMs, rowsMin, rowsMax: () => options.chunkRowsMax, rowsFirst: options.chunkRowsFirst };
  }
}

function transactionsOf(
  { claim, controls }: RunPartsNeeds,
  share: () => number,
  { clock }: RetryContext,
): TransactionTimeSignal | null {
  const read = claim.readTransactions?.bind(claim);
  if (read === undefined) return null;
  return new TransactionTimeSignal({ read, isLimited: () => controls.options.latency !== null, share, clock });
}
