/** The settings of a run, with their usual values. */

import { DEFAULT_LOAD_LIMITS, type LoadLimits } from './load.ts';
import type { OldSnapshots } from './ports.ts';

/** Workers that copy and compare. On any server more would only wait for each other. */
export const COPY_WORKERS_MAX = 24;

export interface LatencyLimit {
  /** Stop point relative to the baseline. */
  readonly factor: number;
  /** The stop point is never below this, milliseconds: below it nobody notices. */
  readonly floorMs: number;
}

export interface CutoverLimits {
  /** How long writers may wait while the lock is asked for, milliseconds. */
  readonly lockTimeoutMs: number;
  /** How long the lock may be held in all, milliseconds. */
  readonly holdTimeoutMs: number;
  readonly attemptsMax: number;
  /** Attempts that must have failed before the sessions in the way of the next are ended; 0: never. */
  readonly killBlockersAfter: number;
  readonly oldSnapshots: OldSnapshots;
  readonly pauseFirstMs: number;
  readonly pauseMaxMs: number;
  /** Lag above which catching up goes on and an attempt is not begun, milliseconds. */
  readonly lagMaxMs: number;
}

/** Everything about the pace of a run. None of it changes what is built. Times in milliseconds. */
export interface MigrationOptions {
  readonly copyWorkers: number;
  readonly applyWorkers: number;
  readonly chunkTargetMs: number;
  readonly chunkRowsMax: number;
  readonly chunkRowsFirst: number;
  /** After each chunk its worker rests so many times as long as it took; null: as `nice-ratio.ts` says. */
  readonly niceRatio: number | null;
  readonly flushIntervalMs: number;
  readonly pendingKeysMax: number;
  readonly fenceTimeoutMs: number;
  /** The table counts as not written when no change of it has come for so long. */
  readonly quietAfterMs: number;
  readonly checkpointIntervalMs: number;
  readonly lagIntervalMs: number;
  readonly progressIntervalMs: number;
  readonly throttleIntervalMs: number;
  readonly throttleStaleMs: number;
  /** Below the stop point the pace follows the pressure; false: full pace up to it, as a switch would, to compare with. */
  readonly isPaceSmooth: boolean;
  readonly isVerifying: boolean;
  /** Throttle by what our own heartbeat feels; null: not. */
  readonly latency: LatencyLimit | null;
  readonly load: LoadLimits;
  readonly cutover: CutoverLimits;
}

export const DEFAULT_OPTIONS: MigrationOptions = {
  copyWorkers: 2,
  applyWorkers: 2,
  chunkTargetMs: 10,
  chunkRowsMax: 50_000,
  chunkRowsFirst: 1000,
  niceRatio: null,
  flushIntervalMs: 200,
  pendingKeysMax: 1_000_000,
  fenceTimeoutMs: 60_000,
  quietAfterMs: 1000,
  checkpointIntervalMs: 5000,
  lagIntervalMs: 500,
  progressIntervalMs: 1000,
  throttleIntervalMs: 200,
  throttleStaleMs: 5000,
  isPaceSmooth: true,
  isVerifying: true,
  latency: { factor: 2, floorMs: 10 },
  load: DEFAULT_LOAD_LIMITS,
  cutover: {
    lockTimeoutMs: 2000,
    holdTimeoutMs: 5000,
    attemptsMax: 10,
    killBlockersAfter: 0,
    oldSnapshots: 'wait',
    pauseFirstMs: 1000,
    pauseMaxMs: 60_000,
    lagMaxMs: 1000,
  },
};
