/** What a native change says of itself when it is asked, and the same in words. */

import type { Hold } from '../engine/controls.ts';
import type { NativeMigration } from '../index.ts';
import { oneLine } from './live-frame.ts';
import { blockedMs } from './native-summary.ts';
import { tableText } from './plan-text.ts';
import type { RunRecord, StepRecord } from './run-record.ts';
import type { Steering, SteeringSettings } from './steering.ts';
import { readableDuration } from './units.ts';

/** Plain JSON. Times in milliseconds. */
export interface NativeStatus {
  readonly kind: 'native-status';
  readonly id: string;
  readonly table: string;
  readonly change: string;
  readonly state: 'running';
  readonly elapsedMs: number;
  /** The newest; null before the first. */
  readonly step: NativeStepStatus | null;
  readonly stepsDone: number;
  readonly attempts: number;
  /** All attempts of brief steps so far: no writer has waited for longer. */
  readonly blockedMs: number;
  /** Whoever holds the next attempt. */
  readonly cutoverHeldBy: readonly Hold[];
  readonly retries: number;
  readonly options: NativeOptions;
}

/** `sinceMs`: how long ago its first attempt began. */
export type NativeStepStatus = Omit<StepRecord, 'begunAtMs' | 'attemptAtMs' | 'attemptsMs'> & { readonly sinceMs: number };

/** What may be changed while it runs and counts for a native change, as it is now. */
interface NativeOptions extends Pick<SteeringSettings, 'window' | 'cutoverWindow' | 'cutoverFile'> {
  readonly cutoverLockTimeoutMs: number;
  readonly cutoverAttempts: number;
}

/** The status at this moment. */
export function nativeStatus(
  plan: NativeMigration,
  { figures, native }: RunRecord,
  { controls, settings }: Pick<Steering, 'controls' | 'settings'>,
  nowMs: number,
): NativeStatus {
  const last = native.steps.at(-1);
  const { lockTimeoutMs, attemptsMax } = controls.options.cutover;
  const { window, cutoverWindow, cutoverFile } = settings;
  return {
    kind: 'native-status',
    id: plan.id,
    table: tableText(plan.source),
    change: oneLine(plan.clauses),
    state: 'running',
    elapsedMs: Math.round(nowMs - figures.startedAtMs),
    step: last === undefined ? null : stepStatus(last, nowMs),
    stepsDone: native.stepsDone,
    attempts: native.attempts,
    blockedMs: Math.round(blockedMs(native.steps)),
    cutoverHeldBy: controls.cutoverHolds,
    retries: figures.retries,
    options: { window, cutoverWindow, cutoverFile, cutoverLockTimeoutMs: lockTimeoutMs, cutoverAttempts: attemptsMax },
  };
}

function stepStatus(
  { step, steps, sql, isBrief, state, attempts, blockers, begunAtMs }: StepRecord,
  nowMs: number,
): NativeStepStatus {
  return { step, steps, sql, isBrief, state, attempts, blockers, sinceMs: Math.round(nowMs - begunAtMs) };
}

/** A few lines for people. */
export function nativeStatusText({ id, table, change, elapsedMs, step, cutoverHeldBy }: NativeStatus): string {
  const lines: readonly (readonly [string, string | null])[] = [
    ['migration', id],
    ['table', table],
    ['change', change],
    ['state', `running natively for ${readableDuration(elapsedMs)}`],
    ['step', step === null ? 'not begun' : stepText(step)],
    ['statement', step === null ? null : oneLine(step.sql)],
    ...(step?.blockers ?? []).map((blocker) => ['in the way', blocker] as const),
    ...cutoverHeldBy.map(({ by, reason }) => ['held', `by ${by}: ${reason}`] as const),
  ];
  return lines.map(([label, text]) => (text === null ? '' : `${label.padEnd(14)}${text}\n`)).join('');
}

function stepText({ step, steps, state, attempts, sinceMs, isBrief }: NativeStepStatus): string {
  const what = {
    running: isBrief ? 'waits for its lock, or has it' : 'runs, while readers and writers go on',
    blocked: 'did not have its lock, and waits to ask again',
    done: 'is done',
  }[state];
  return `${step} of ${steps}, attempt ${attempts}, since ${readableDuration(sinceMs)}: ${what}`;
}
