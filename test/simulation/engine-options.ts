/** How the engine is set for the simulation. */

import { DEFAULT_OPTIONS, type MigrationOptions } from '../../src/engine/options.ts';
import type { Scenario } from './scenario.ts';

/** The engine's pace, fast enough that everything happens within a few hundred steps. */
export function engineOptions(scenario: Scenario): MigrationOptions {
  return {
    ...DEFAULT_OPTIONS,
    // Pace, not correctness; the fences of the lag meter are there without it.
    latency: null,
    copyWorkers: scenario.copyWorkers,
    applyWorkers: scenario.applyWorkers,
    chunkTargetMs: scenario.statementMs,
    chunkRowsFirst: scenario.chunkRows,
    chunkRowsMax: scenario.chunkRows + 2,
    flushIntervalMs: scenario.flushIntervalMs,
    pendingKeysMax: scenario.pendingKeysMax,
    quietAfterMs: scenario.quietAfterMs,
    isVerifying: scenario.isVerifying,
    checkpointIntervalMs: 60,
    lagIntervalMs: 100,
    progressIntervalMs: 1000,
    throttleIntervalMs: 200,
    cutover: {
      ...DEFAULT_OPTIONS.cutover,
      lockTimeoutMs: 100,
      holdTimeoutMs: scenario.holdTimeoutMs,
      pauseFirstMs: 50,
      pauseMaxMs: 400,
      attemptsMax: 25,
      killBlockersAfter: 2,
      oldSnapshots: 'wait',
    },
  };
}
