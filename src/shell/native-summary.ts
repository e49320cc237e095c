/** A native change in words and as plain JSON: its plan before, its summary after. */

import type { MigrationError } from '../engine/errors.ts';
import type { NativeMigration, NativePlan, NativeResult, NoNativeWay } from '../index.ts';
import { oneLine } from './live-frame.ts';
import { labelledLines, tableText } from './plan-text.ts';
import type { RunRecord, StepRecord } from './run-record.ts';
import { type ShownError, showError } from './summary.ts';
import { readableDuration } from './units.ts';

/** The last line of a native change. Times in milliseconds. */
export interface NativeSummary {
  readonly kind: 'summary';
  readonly strategy: 'native';
  readonly command: 'migrate' | 'resume';
  readonly id: string;
  readonly table: string;
  /**
   * `open`: it can be given up, and resumed unless `resumeCommand` is null. `aborted`: it was given up, or failed for good
   * before any step was done.
   */
  readonly state: 'done' | 'open' | 'aborted';
  readonly exitCode: number;
  readonly error: ShownError | null;
  /** Null where the migration is over, or has to be given up. */
  readonly resumeCommand: string | null;
  readonly steps: number;
  readonly stepsDone: number;
  /** Of all steps together. */
  readonly attempts: number;
  /** All attempts of brief steps together: no writer has waited for longer. */
  readonly blockedMs: number;
  readonly elapsedMs: number;
}

/** What a summary is made of. */
export interface NativeEnd {
  readonly command: 'migrate' | 'resume';
  readonly plan: NativeMigration;
  readonly record: RunRecord;
  readonly nowMs: number;
  readonly outcome: NativeResult | MigrationError;
  readonly resumeCommand: string;
}

/** The steps of the plan, each with its reason; several lines. */
export function nativePlanText(plan: NativePlan, columnsMax = Number.POSITIVE_INFINITY): string {
  const total = plan.steps.length;
  const lines: readonly (readonly [string, string])[] = [
    ['table', tableText(plan.source)],
    ['change', oneLine(plan.alter)],
    [
      'strategy',
      `native: ${total === 1 ? 'one statement' : `${total} statements`} on the live table, without a copy of the rows`,
    ],
    ['way back', 'none is kept: what is dropped is gone; --strategy shadow keeps the old table'],
    ...plan.steps.flatMap(({ sql, kind, reason }, index): (readonly [string, string])[] => [
      [`step ${index + 1}`, oneLine(sql)],
      ['', `${kind === 'brief' ? 'needs a lock for a moment' : 'may take long'}; ${oneLine(reason)}`],
    ]),
    ...(plan.notes ?? []).map((note) => ['note', oneLine(note)] as const),
  ];
  return labelledLines(lines, columnsMax);
}

/** Why the plan is not native: one line, or none. */
export function noNativeWayText(way: NoNativeWay | null, columnsMax = Number.POSITIVE_INFINITY): string {
  if (way === null) return '';
  return labelledLines([['not native', `${oneLine(way.clause)}: ${oneLine(way.reason)}`]], columnsMax);
}

/** Adds the change up. */
export function summariseNative({ command, plan, record, nowMs, outcome, resumeCommand }: NativeEnd): NativeSummary {
  const error = outcome instanceof Error ? outcome : null;
  const { stepsDone, attempts, steps } = record.native;
  const isOver = error?.code === 'ABORTED' || (command === 'migrate' && stepsDone === 0 && error?.isResumable === false);
  const state = error === null ? 'done' : isOver ? 'aborted' : 'open';
  return {
    kind: 'summary',
    strategy: 'native',
    command,
    id: plan.id,
    table: tableText(plan.source),
    state,
    exitCode: error?.exitCode ?? 0,
    error: error === null ? null : showError(error),
    resumeCommand: state === 'open' && error?.isResumable === true ? resumeCommand : null,
    steps: allSteps(steps) ?? (error === null ? 0 : plan.native.steps.length),
    stepsDone,
    attempts,
    blockedMs: Math.round(blockedMs(steps)),
    elapsedMs: Math.round(nowMs - record.figures.startedAtMs),
  };
}

/** Those that were begun and those that are left; null before the first. After a fault the rest is planned anew, and counts from 1. */
function allSteps(begun: readonly StepRecord[]): number | null {
  const last = begun.at(-1);
  return last === undefined ? null : begun.length + last.steps - last.step;
}

/** How long writers have waited at most for the steps so far. */
export function blockedMs(steps: readonly StepRecord[]): number {
  return steps.reduce((sum, { isBrief, attemptsMs }) => sum + (isBrief ? attemptsMs : 0), 0);
}

/** A sentence or two for people. */
export function nativeSummaryText({ table, stepsDone, attempts, blockedMs, elapsedMs }: NativeSummary): string {
  if (stepsDone === 0) return `${table} had its new definition already: no step was missing.\n`;
  const tries = attempts === stepsDone ? '' : `, ${attempts} attempts`;
  return `${table} is changed: ${stepsDone} ${stepsDone === 1 ? 'step' : 'steps'}${tries}, ${readableDuration(elapsedMs)}; writes were blocked for ${readableDuration(blockedMs)} at most. No table was copied.\n`;
}
