/** The last line of a run: every figure as one object, or a few lines for people. */

import { ERRORS, type MigrationError } from '../engine/errors.ts';
import type { MigrationResult } from '../engine/migration.ts';
import type { Phase, Plan } from '../engine/model.ts';
import { PlanRefusedError, remedyOf } from '../engine/obstacles.ts';
import { hidePasswords } from '../server-url.ts';
import { tableText } from './plan-text.ts';
import { endPhase, type RunFigures } from './run-figures.ts';
import { readableCount, readableDuration } from './units.ts';

/** An error as it is shown. */
export interface ShownError {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  /** Where in the program it happened, for a report; only for faults of the program itself. */
  readonly stack?: string;
}

/** The figures of a run that has ended, plain JSON. Times in milliseconds. */
export interface Summary {
  readonly kind: 'summary';
  readonly strategy: 'shadow';
  readonly command: 'migrate' | 'resume';
  readonly id: string;
  readonly table: string;
  readonly retired: string;
  /** `open`: it can be given up, and resumed unless `resumeCommand` is null. `aborted`: it was given up, and its shadow is gone. */
  readonly state: 'done' | 'open' | 'aborted';
  readonly exitCode: number;
  readonly error: ShownError | null;
  /** Null where the migration is done, or has to be given up. */
  readonly resumeCommand: string | null;
  readonly isResumed: boolean;
  readonly elapsedMs: number;
  readonly phasesMs: Readonly<Partial<Record<Phase, number>>>;
  readonly rowsCopied: number;
  readonly rowsVerified: number;
  readonly rowsRepaired: number;
  readonly rowsDiffering: number;
  readonly keysApplied: number;
  readonly lagMaxMs: number;
  readonly chunks: number;
  readonly chunksCollided: number;
  readonly checkpoints: number;
  readonly retries: number;
  readonly throttledMs: number;
  readonly cutoverAttempts: number;
  /** How long writers were blocked at the swap; null where none happened in this run. */
  readonly blockedMs: number | null;
}

/** What a summary is made of. */
export interface RunEnd {
  readonly command: 'migrate' | 'resume';
  readonly plan: Plan;
  readonly figures: RunFigures;
  readonly nowMs: number;
  readonly outcome: MigrationResult | MigrationError;
  readonly resumeCommand: string;
}

/** The error that ended a run in words, with every URL's password left out. */
export function showError(error: MigrationError): ShownError {
  return shownWith(error, ERRORS[error.code].remedy);
}

/** The same of an error without a run. */
export function showErrorWithoutRun(error: MigrationError): ShownError {
  return shownWith(error, ERRORS[error.code].remedyWithoutRun);
}

/** A refusal is helped as its obstacles are. */
function shownWith(error: MigrationError, remedyOfCode: string): ShownError {
  const obstacles = error instanceof PlanRefusedError ? error.obstacles : [];
  const remedies = new Set(obstacles.map((obstacle) => remedyOf(obstacle)));
  const remedy = remedies.size === 0 ? remedyOfCode : [...remedies].join(' ');
  const shown = { code: error.code, message: hidePasswords(error.message), remedy };
  const origin = error.cause instanceof Error ? error.cause : error;
  return error.code === 'INTERNAL' && origin.stack !== undefined ? { ...shown, stack: hidePasswords(origin.stack) } : shown;
}

/** Adds the run up. */
export function summarise({ command, plan, figures, nowMs, outcome, resumeCommand }: RunEnd): Summary {
  const ended = endPhase(figures, nowMs);
  const { progress, verification } = ended;
  const error = outcome instanceof Error ? outcome : null;
  const result = outcome instanceof Error ? null : outcome;
  return {
    kind: 'summary',
    strategy: 'shadow',
    command,
    id: plan.id,
    table: tableText(plan.source),
    retired: tableText(plan.retired),
    state: result !== null ? 'done' : error?.code === 'ABORTED' ? 'aborted' : 'open',
    exitCode: error?.exitCode ?? 0,
    error: error === null ? null : showError(error),
    resumeCommand: error?.isResumable === true ? resumeCommand : null,
    isResumed: ended.isResumed,
    elapsedMs: whole(nowMs - ended.startedAtMs),
    phasesMs: Object.fromEntries(Object.entries(ended.phasesMs).map(([phase, ms]) => [phase, whole(ms)])),
    rowsCopied: result?.rowsCopied ?? ended.rowsCopied,
    rowsVerified: result?.rowsVerified ?? verification?.rows ?? progress?.rowsVerified ?? 0,
    rowsRepaired: result?.rowsRepaired ?? verification?.repaired ?? 0,
    rowsDiffering: ended.differences,
    keysApplied: result?.keysApplied ?? progress?.keysApplied ?? 0,
    lagMaxMs: whole(result?.lagMaxMs ?? progress?.lagMaxMs ?? 0),
    chunks: ended.chunks,
    chunksCollided: ended.collidedChunks,
    checkpoints: ended.checkpoints,
    retries: ended.retries,
    throttledMs: whole(ended.throttledMs),
    cutoverAttempts: ended.cutoverAttempts,
    blockedMs: ended.blockedMs === null ? null : tenth(ended.blockedMs),
  };
}

/** What is left to say on a terminal or in a log after a success. */
export function summaryText(summary: Summary, cleanupCommand: string): string {
  return [
    `Done: ${summary.table} has its new definition after ${readableDuration(summary.elapsedMs)}.`,
    ...summaryFigureLines(summary),
    `The old table is kept as ${summary.retired}.`,
    'To drop it when its soak is over (--soak), or at once with --now:',
    `  ${cleanupCommand}`,
    '',
  ].join('\n');
}

/** Rows, changes, the swap, and what has held the run up. */
export function summaryFigureLines(
  summary: Pick<
    Summary,
    | 'rowsCopied'
    | 'rowsVerified'
    | 'rowsRepaired'
    | 'keysApplied'
    | 'lagMaxMs'
    | 'blockedMs'
    | 'cutoverAttempts'
    | 'throttledMs'
    | 'retries'
  >,
): readonly string[] {
  const isSkipped = summary.rowsVerified === 0 && summary.rowsCopied > 0;
  const compared = isSkipped ? 'not compared' : `${readableCount(summary.rowsVerified)} compared`;
  const swap =
    summary.blockedMs === null
      ? 'done before'
      : `writes blocked for ${readableDuration(summary.blockedMs)}, attempt ${summary.cutoverAttempts}`;
  return [
    `  rows      ${readableCount(summary.rowsCopied)} copied, ${compared}, ${readableCount(summary.rowsRepaired)} repaired`,
    `  changes   ${readableCount(summary.keysApplied)} applied, lag at most ${readableDuration(summary.lagMaxMs)}`,
    `  swap      ${swap}`,
    ...(summary.throttledMs === 0 ? [] : [`  throttled ${readableDuration(summary.throttledMs)} in all`]),
    ...(summary.retries === 0 ? [] : [`  retries   ${readableCount(summary.retries)}`]),
  ];
}

function whole(ms: number): number {
  return Math.round(ms);
}

function tenth(ms: number): number {
  return Math.round(ms * 10) / 10;
}
