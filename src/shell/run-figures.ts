/** What a run's events add up to: the live view shows it while it runs, the summary when it has ended. */

import type { Hold } from '../engine/controls.ts';
import type { MigrationEvent, Progress } from '../engine/events.ts';
import type { Phase } from '../engine/model.ts';

/** Figures of one run. Times are milliseconds, moments those of the observer's clock. */
export interface RunFigures {
  readonly startedAtMs: number;
  readonly phase: Phase | null;
  readonly phaseEnteredAtMs: number;
  /** Time spent in the phases that were left, in the order in which they were first left. */
  readonly phasesMs: Readonly<Partial<Record<Phase, number>>>;
  readonly isResumed: boolean;
  readonly progress: Progress | null;
  readonly throttle: { readonly signal: string; readonly detail: string } | null;
  readonly throttledMs: number;
  /** Including those of the runs before, as far as their checkpoint knew. */
  readonly rowsCopied: number;
  readonly chunks: number;
  readonly collidedChunks: number;
  readonly retries: number;
  readonly differences: number;
  readonly verification: { readonly passes: number; readonly rows: number; readonly repaired: number } | null;
  readonly cutoverAttempts: number;
  /** Everybody who holds the cutover now. */
  readonly cutoverHeldBy: readonly Hold[];
  readonly blockedMs: number | null;
  readonly checkpoints: number;
}

/** Before the first event. */
export function noFigures(nowMs: number): RunFigures {
  return {
    startedAtMs: nowMs,
    phase: null,
    phaseEnteredAtMs: nowMs,
    phasesMs: {},
    isResumed: false,
    progress: null,
    throttle: null,
    throttledMs: 0,
    rowsCopied: 0,
    chunks: 0,
    collidedChunks: 0,
    retries: 0,
    differences: 0,
    verification: null,
    cutoverAttempts: 0,
    cutoverHeldBy: [],
    blockedMs: null,
    checkpoints: 0,
  };
}

/** The figures after one more event. */
export function addEvent(figures: RunFigures, event: MigrationEvent, nowMs: number): RunFigures {
  switch (event.kind) {
    case 'phase-entered':
      return { ...endPhase(figures, nowMs), phase: event.phase, progress: progressIn(event.phase, figures.progress) };
    case 'resumed':
      return { ...endPhase(figures, nowMs), phase: event.phase, isResumed: true, rowsCopied: event.rowsCopied };
    case 'chunk-copied':
      return {
        ...figures,
        chunks: figures.chunks + 1,
        rowsCopied: figures.rowsCopied + event.rows,
        collidedChunks: figures.collidedChunks + (event.isCollided ? 1 : 0),
      };
    case 'retrying':
      return { ...figures, retries: figures.retries + 1 };
    case 'difference-found':
      return { ...figures, differences: figures.differences + event.keys.length };
    case 'verification-passed':
      return { ...figures, verification: { passes: event.pass, rows: event.rows, repaired: event.repaired } };
    case 'throttled':
      return { ...figures, throttle: { signal: event.signal, detail: event.detail } };
    case 'throttle-released':
      return { ...figures, throttle: null, throttledMs: figures.throttledMs + event.throttledMs };
    case 'cutover-held': {
      const others = figures.cutoverHeldBy.filter(({ by }) => by !== event.by);
      return { ...figures, cutoverHeldBy: [...others, { by: event.by, reason: event.reason }] };
    }
    case 'cutover-released':
      return { ...figures, cutoverHeldBy: figures.cutoverHeldBy.filter(({ by }) => by !== event.by) };
    case 'cutover-attempt':
      return { ...figures, cutoverAttempts: event.attempt };
    case 'swapped':
      return { ...figures, blockedMs: event.blockedMs };
    case 'checkpoint-saved':
      return { ...figures, checkpoints: figures.checkpoints + 1 };
    case 'progress':
      return { ...figures, progress: event.progress };
    case 'changes-applied':
    case 'range-verified':
    case 'cutover-failed':
    case 'settling':
    case 'settled':
    case 'blocker-ended':
    case 'warning':
    case 'noticed':
    case 'paused':
    case 'unpaused':
    case 'cutover-awaited':
    case 'verification-asked':
    case 'options-changed':
    case 'native-step-begun':
    case 'native-step-done':
    case 'native-step-blocked':
    case 'drop-blocked':
    case 'finished':
      return figures;
  }
}

/** The newest figures on entering a phase: those that are counts go on, and how fast and for whom is not known of it yet. */
function progressIn(phase: Phase, progress: Progress | null): Progress | null {
  if (progress === null || progress.phase === phase) return progress;
  return { ...progress, phase, rowsPerSecond: 0, etaMs: null, waitingFor: [] };
}

/** The figures with the phase at hand accounted for. */
export function endPhase(figures: RunFigures, nowMs: number): RunFigures {
  if (figures.phase === null) return { ...figures, phaseEnteredAtMs: nowMs };
  const spentMs = (figures.phasesMs[figures.phase] ?? 0) + nowMs - figures.phaseEnteredAtMs;
  return { ...figures, phaseEnteredAtMs: nowMs, phasesMs: { ...figures.phasesMs, [figures.phase]: spentMs } };
}
