/** What the figures of several tables that are swapped together add up to. */

import type { Progress } from '../engine/events.ts';
import { type Phase, PHASES, type Plan } from '../engine/model.ts';
import type { RunFigures } from './run-figures.ts';
import type { RunRecord } from './run-record.ts';

/** One table of a run: how it is changed, and what has happened so far. */
export interface RunMember {
  readonly plan: Plan;
  readonly record: RunRecord;
}

/** A run has one member at least. */
export type RunMembers = readonly [RunMember, ...RunMember[]];

/**
 * Rows, keys, chunks and the like are sums. The phase is that of the member that is furthest behind; lags, attempts and times in
 * which all stood still together are the greatest of any. There are no times of phases: members are in different ones.
 */
export function sumFigures(members: RunMembers): RunFigures {
  const all = members.map(({ record }) => record.figures);
  const progress = sumProgress(members);
  const sum = (of: (figures: RunFigures) => number): number => all.reduce((total, one) => total + of(one), 0);
  const greatest = (of: (figures: RunFigures) => number): number => Math.max(...all.map(of));
  const verified = all.flatMap(({ verification }) => verification ?? []);
  const verification = {
    passes: Math.max(...verified.map(({ passes }) => passes)),
    rows: verified.reduce((total, { rows }) => total + rows, 0),
    repaired: verified.reduce((total, { repaired }) => total + repaired, 0),
  };
  const swapped = all.flatMap(({ blockedMs }) => blockedMs ?? []);
  return {
    startedAtMs: Math.min(...all.map(({ startedAtMs }) => startedAtMs)),
    phase: progress?.phase ?? leastPhase(all.map(({ phase }) => phase)),
    phaseEnteredAtMs: greatest(({ phaseEnteredAtMs }) => phaseEnteredAtMs),
    phasesMs: {},
    isResumed: all.some(({ isResumed }) => isResumed),
    progress,
    throttle: all.find(({ throttle }) => throttle !== null)?.throttle ?? null,
    throttledMs: greatest(({ throttledMs }) => throttledMs),
    rowsCopied: sum(({ rowsCopied }) => rowsCopied),
    chunks: sum(({ chunks }) => chunks),
    collidedChunks: sum(({ collidedChunks }) => collidedChunks),
    retries: sum(({ retries }) => retries),
    differences: sum(({ differences }) => differences),
    verification: verified.length === all.length ? verification : null,
    cutoverAttempts: greatest(({ cutoverAttempts }) => cutoverAttempts),
    cutoverHeldBy: members[0].record.figures.cutoverHeldBy,
    blockedMs: swapped.length === 0 ? null : Math.max(...swapped),
    checkpoints: sum(({ checkpoints }) => checkpoints),
  };
}

/** Null before the first figures. A member that has none yet counts with the rows that it is thought to have. */
export function sumProgress(members: RunMembers): Progress | null {
  const known = members.flatMap(({ record }) => record.figures.progress ?? []);
  const phase = leastPhase(members.map(({ record }) => record.figures.phase ?? 'prepare'));
  if (known.length === 0 || phase === null) return null;
  const sum = (of: (progress: Progress) => number): number => known.reduce((total, one) => total + of(one), 0);
  // Where one has figures the others are at most a moment before their copy.
  const present = phase === 'prepare' ? 'copy' : phase;
  const waiting = members.filter(({ record }) => record.figures.progress === null);
  const lags = known.flatMap(({ lagMs }) => lagMs ?? []);
  const rows = {
    rowsCopied: sum(({ rowsCopied }) => rowsCopied),
    rowsEstimated:
      sum(({ rowsEstimated }) => rowsEstimated) + waiting.reduce((total, { plan }) => total + plan.estimate.rows, 0),
    rowsVerified: sum(({ rowsVerified }) => rowsVerified),
    rowsPerSecond: sum(({ phase, rowsPerSecond }) => (phase === present ? rowsPerSecond : 0)),
  };
  return {
    phase: present,
    ...rows,
    etaMs: etaMs(present, rows),
    keysPending: sum(({ keysPending }) => keysPending),
    keysApplied: sum(({ keysApplied }) => keysApplied),
    lagMs: lags.length === 0 ? null : Math.max(...lags),
    lagMaxMs: Math.max(...known.map(({ lagMaxMs }) => lagMaxMs)),
    chunkRows: Math.max(...known.map(({ chunkRows }) => chunkRows)),
    throttledBy: known.find(({ throttledBy }) => throttledBy !== null)?.throttledBy ?? null,
    pace: Math.min(...known.filter(({ phase }) => phase === present).map(({ pace }) => pace), 1),
    slowedBy: known.find(({ phase, slowedBy }) => phase === present && slowedBy !== null)?.slowedBy ?? null,
    waitingFor: [],
    elapsedMs: Math.max(...known.map(({ elapsedMs }) => elapsedMs)),
  };
}

/** To the end of the copy, or of the verification, of all. */
function etaMs(
  phase: Phase,
  {
    rowsCopied,
    rowsEstimated,
    rowsVerified,
    rowsPerSecond,
  }: Pick<Progress, 'rowsCopied' | 'rowsEstimated' | 'rowsVerified' | 'rowsPerSecond'>,
): number | null {
  if (rowsPerSecond <= 0) return null;
  if (phase === 'copy') return (Math.max(rowsEstimated - rowsCopied, 0) / rowsPerSecond) * 1_000;
  if (phase === 'verify') return (Math.max(Math.max(rowsCopied, rowsEstimated) - rowsVerified, 0) / rowsPerSecond) * 1_000;
  return null;
}

/** Null where one has not begun. */
function leastPhase(phases: readonly (Phase | null)[]): Phase | null {
  const places = phases.map((phase) => (phase === null ? -1 : PHASES.indexOf(phase)));
  return PHASES[Math.min(...places)] ?? null;
}
