/** A native change in words and as plain JSON: its plan before, its summary after. */

import type { MigrationError } from '../engine/errors.ts';
import type { NativePlan, NativeResult, NoNativeWay } from '../index.ts';
import { oneLine } from './live-frame.ts';
import { labelledLines, tableText } from './plan-text.ts';
import type { RunRecord } from './run-record.ts';
import { type ShownError, showError } from './summary.ts';
import { readableDuration } from './units.ts';

/** The last line of a native change. Times in milliseconds. */
export interface NativeSummary {
  readonly kind: 'summary';
  readonly strategy: 'native';
  readonly command: 'migrate';
  readonly table: string;
  /** `unchanged`: no step is known to be done. `partial`: some are; the same migrate does the rest. */
  readonly state: 'done' | 'unchanged' | 'partial';
  readonly exitCode: number;
  readonly error: ShownError | null;
  readonly steps: number;
  readonly stepsDone: number;
  /** Of all steps together. */
  readonly attempts: number;
  readonly elapsedMs: number;
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
      [
        '',
        kind === 'brief' ? `needs a lock for a moment; ${oneLine(reason)}` : `readers and writers go on; ${oneLine(reason)}`,
      ],
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
export function summariseNative(
  { plan, record, nowMs }: { readonly plan: NativePlan; readonly record: RunRecord; readonly nowMs: number },
  outcome: NativeResult | MigrationError,
): NativeSummary {
  const error = outcome instanceof Error ? outcome : null;
  const { stepsDone, attempts } = record.native;
  return {
    kind: 'summary',
    strategy: 'native',
    command: 'migrate',
    table: tableText(plan.source),
    state: error === null ? 'done' : stepsDone > 0 ? 'partial' : 'unchanged',
    exitCode: error?.exitCode ?? 0,
    error: error === null ? null : showError(error),
    steps: outcome instanceof Error ? plan.steps.length : outcome.steps,
    stepsDone,
    attempts,
    elapsedMs: Math.round(nowMs - record.figures.startedAtMs),
  };
}

/** A sentence or two for people. */
export function nativeSummaryText({ table, stepsDone, attempts, elapsedMs }: NativeSummary): string {
  const tries = attempts === stepsDone ? '' : `, ${attempts} attempts`;
  return `${table} is changed: ${stepsDone} ${stepsDone === 1 ? 'step' : 'steps'}${tries}, ${readableDuration(elapsedMs)}. No table was copied.\n`;
}
