/** What a run says of itself when it is asked, and the same in words. */

import type { Hold } from '../engine/controls.ts';
import type { Progress } from '../engine/events.ts';
import type { LoadFigures } from '../engine/load.ts';
import type { Phase, Plan } from '../engine/model.ts';
import type { OldSnapshots } from '../engine/ports.ts';
import { oneLine } from './live-frame.ts';
import { activityText, describeProgress } from './log.ts';
import { tableText } from './plan-text.ts';
import type { RunFigures } from './run-figures.ts';
import type { LatencyLimit } from '../engine/options.ts';
import type { AttemptRecord, RunRecord } from './run-record.ts';
import type { Steering, SteeringSettings } from './steering.ts';
import { readableCount, readableDuration } from './units.ts';

/** Plain JSON. Times in milliseconds. */
export interface LiveStatus {
  readonly kind: 'status';
  readonly id: string;
  readonly table: string;
  readonly change: string;
  readonly state: 'running';
  /** Null before the first. */
  readonly phase: Phase | null;
  readonly elapsedMs: number;
  /** The newest figures, about a second old; null before the first. */
  readonly progress: Progress | null;
  /** What stops copying and verifying now. */
  readonly throttle: { readonly signal: string; readonly detail: string; readonly sinceMs: number } | null;
  readonly throttledMs: number;
  readonly pausedBy: readonly Hold[];
  readonly cutoverHeldBy: readonly Hold[];
  readonly cutoverAttempts: number;
  /** The newest attempt of the cutover. */
  readonly lastAttempt: AttemptRecord | null;
  readonly verification: RunFigures['verification'];
  /** What the swap left to be done and that is not done yet, a sentence for each thing. */
  readonly unsettled: readonly string[];
  readonly retries: number;
  readonly options: LiveOptions;
}

/** What may be changed while it runs, as it is now. */
interface LiveOptions extends SteeringSettings {
  readonly workers: number;
  readonly applyWorkers: number;
  readonly chunkTimeMs: number;
  readonly chunkRowsMax: number;
  /**
   * A worker rests so many times as long as its chunk took; null: 0.5 while somebody writes the table and there is a limit on
   * its latency.
   */
  readonly niceRatio: number | null;
  readonly checkpointIntervalMs: number;
  readonly maxLatency: LatencyLimit | null;
  readonly maxRunningThreads: number;
  readonly maxLagMs: number;
  readonly maxLoad: LoadFigures;
  readonly criticalLoad: LoadFigures;
  readonly throttleQuery: string | null;
  /** Null: the usual share of the server's own limit; 0: none. */
  readonly maxRetainedLogBytes: number | null;
  readonly cutoverLockTimeoutMs: number;
  readonly cutoverHoldTimeoutMs: number;
  readonly cutoverAttempts: number;
  readonly killBlockersAfter: number;
  readonly oldSnapshots: OldSnapshots;
}

/** The status at this moment. */
export function liveStatus(
  plan: Plan,
  record: RunRecord,
  steering: Pick<Steering, 'controls' | 'settings'>,
  nowMs: number,
): LiveStatus {
  const { figures, throttledSinceMs, attempts } = record;
  const { controls, settings } = steering;
  const { options } = controls;
  const isThrottled = figures.throttle !== null && throttledSinceMs !== null;
  return {
    kind: 'status',
    id: plan.id,
    table: tableText(plan.source),
    change: oneLine(plan.clauses),
    state: 'running',
    phase: figures.phase,
    elapsedMs: Math.round(nowMs - figures.startedAtMs),
    progress: figures.progress,
    throttle: isThrottled ? { ...figures.throttle, sinceMs: Math.round(nowMs - throttledSinceMs) } : null,
    throttledMs: Math.round(figures.throttledMs),
    pausedBy: controls.pauses,
    cutoverHeldBy: controls.cutoverHolds,
    cutoverAttempts: figures.cutoverAttempts,
    lastAttempt: attempts.at(-1) ?? null,
    verification: figures.verification,
    unsettled: record.unsettled,
    retries: figures.retries,
    options: {
      workers: options.copyWorkers,
      applyWorkers: options.applyWorkers,
      chunkTimeMs: options.chunkTargetMs,
      chunkRowsMax: options.chunkRowsMax,
      niceRatio: options.niceRatio,
      checkpointIntervalMs: options.checkpointIntervalMs,
      maxLatency: options.latency,
      maxRunningThreads: options.load.runningThreadsMax,
      maxLagMs: options.load.replicaLagMaxMs,
      maxLoad: options.load.max,
      criticalLoad: options.load.critical,
      throttleQuery: options.load.query,
      maxRetainedLogBytes: options.load.retainedLogBytesMax,
      cutoverLockTimeoutMs: options.cutover.lockTimeoutMs,
      cutoverHoldTimeoutMs: options.cutover.holdTimeoutMs,
      cutoverAttempts: options.cutover.attemptsMax,
      killBlockersAfter: options.cutover.killBlockersAfter,
      oldSnapshots: options.cutover.oldSnapshots,
      ...settings,
    },
  };
}

/** A few lines for people. */
export function liveStatusText(status: LiveStatus): string {
  const { lastAttempt, throttle, phase, progress, verification } = status;
  const lines: readonly (readonly [string, string | null])[] = [
    ['migration', status.id],
    ['table', status.table],
    ['change', status.change],
    ['state', `running for ${readableDuration(status.elapsedMs)}`],
    ['phase', phase === null ? 'not begun' : `${phase}: ${activityText(phase, progress)}`],
    ['figures', progress === null ? null : describeProgress(progress)],
    [
      'throttled',
      throttle === null ? null : `${throttle.signal}: ${throttle.detail}, for ${readableDuration(throttle.sinceMs)}`,
    ],
    ...status.pausedBy.map(({ by, reason }) => ['paused', `by ${by}: ${reason}`] as const),
    ...status.cutoverHeldBy.map(({ by, reason }) => ['swap held', `by ${by}: ${reason}`] as const),
    [
      'compared',
      verification === null ? null : `${readableCount(verification.rows)} rows, ${verification.repaired} repaired, all equal`,
    ],
    ...status.unsettled.map((what) => ['left to do', what] as const),
    ['last attempt', lastAttempt === null ? null : attemptText(lastAttempt)],
  ];
  return lines.map(([label, text]) => (text === null ? '' : `${label.padEnd(14)}${text}\n`)).join('');
}

/** One attempt in words. */
export function attemptText({ attempt, outcome, reason, blockers, blockersEnded, blockedMs }: AttemptRecord): string {
  const what = {
    running: 'goes on',
    failed: `failed: ${(reason ?? '').replace(/\.$/, '')}`,
    swapped: `swapped; writes were blocked for ${readableDuration(blockedMs ?? 0)}`,
  };
  const who = blockers.length === 0 ? '' : `; blocked by ${blockers.join(' and ')}`;
  const ended = blockersEnded.length === 0 ? '' : `; ended ${blockersEnded.join(' and ')}`;
  return `${attempt} ${what[outcome]}${who}${ended}`;
}
