/** What a planted fault is, and what makes one likely. */

import type { SourceFault } from './bundle.ts';
import type { AdapterPlant, Scenario } from './scenario.ts';

export interface PlantedFault {
  readonly code: string;
  /** What is wrong, in a sentence. */
  readonly what: string;
  /** Places of the engine that are changed; without it the fault is the adapter's. */
  readonly source?: readonly SourceFault[];
  /** Makes the fault likely enough to be seen in seconds. */
  readonly bias: Partial<Scenario>;
  /** Seeds within which it has to show. */
  readonly seedsMax: number;
}

/** Faults of the simulated adapter. */
export const plants = (...codes: readonly AdapterPlant[]): { readonly plants: ReadonlySet<AdapterPlant> } => ({
  plants: new Set(codes),
});

/** Many rows, small chunks, lively writers, commits that are slow to be seen. */
export const BUSY_COPY: Partial<Scenario> = {
  keysMax: 14,
  rowsAtStart: 12,
  chunkRows: 1,
  writers: 3,
  transactionsMax: 40,
  writerPauseMs: 5,
  hasBadRows: false,
  isVerifying: false,
  pendingKeysMax: 1000,
};
/** Commits are seen long after they are logged. */
export const SLOW_VISIBILITY: Partial<Scenario> = {
  visibilityLagMs: 60,
  isVisibilityOrdered: false,
  barrier: 'per-transaction',
};
/** Changes are received, and flushed, at once. */
export const FAST_DELIVERY: Partial<Scenario> = { deliveryLagMs: 0.5, flushIntervalMs: 1 };
/** Nothing but slowness. */
export const NO_FAULTS: Partial<Scenario> = {
  transientFaults: 0,
  lostConnections: 0,
  slowStatements: 0,
  reconnects: 0,
  brokenStreams: 0,
  throttling: 0,
  endings: [],
};
/** Without XA transactions. */
export const NO_XA: Partial<Scenario> = { hasXa: false };
/** Unique values that go from row to row. */
export const SWAPS: Partial<Scenario> = { hasUniqueSwaps: true, statementsPerTransaction: 4, hasAddedUnique: false };

/** Unique values that go from row to row through the whole of a table that is not small. */
export const SHIFTS: Partial<Scenario> = {
  keysMax: 64,
  rowsAtStart: 60,
  hasUniqueShifts: true,
  hasAddedUnique: false,
  transactionsMax: 20,
};

/** Busy to the end, and swaps that break: what the drain wrote is undone with them. */
export const UNDONE_DRAINS: Partial<Scenario> = {
  dialect: 'postgres',
  // Copied soon, so that most of what is written comes by the log.
  keysMax: 4,
  rowsAtStart: 4,
  chunkRows: 4,
  writers: 3,
  transactionsMax: 300,
  writerPauseMs: 15,
  statementMs: 2,
  flushIntervalMs: 60,
  finishMs: 0,
  slowStatements: 0.3,
  lostConnections: 0.15,
  hangMs: 500,
  holdTimeoutMs: 1000,
  faultsUntilMs: 4000,
  isVerifying: false,
  hasBadRows: false,
  hasDuplicates: false,
};

/** Drains that have changes of the last moments in them, and rows that nobody changes again before the next attempt. */
export const LATE_DRAINS: Partial<Scenario> = {
  ...UNDONE_DRAINS,
  changesInPlace: false,
  lostSwaps: 0.6,
  lockTimeouts: 0,
  slowStatements: 0.05,
  lostConnections: 0.02,
  deliveryLagMs: 20,
  keysMax: 32,
  rowsAtStart: 32,
  chunkRows: 32,
  writerPauseMs: 30,
  hasHotRows: false,
  verifiesAgain: false,
  endings: [],
};

/** One row that no repair puts right, and nobody who writes. */
export const STUBBORN: Partial<Scenario> = {
  hasStubbornRow: true,
  rowsAtStart: 16,
  transactionsMax: 0,
  isVerifying: true,
  plantedRow: 'none',
  hasLongerKey: false,
  hasDuplicates: false,
};

/** Leaves whatever differs to the comparison under the lock, as a row does that changes all the while. */
export const NO_JUDGEMENT: readonly SourceFault[] = [
  { file: 'verifier.ts', find: 'round <= ROUNDS_MAX && open.length > 0', replace: 'round <= 0 && open.length > 0' },
];

/** Ends the first run within its first steps, the second a little later. */
export const crashes = (...steps: readonly number[]): Partial<Scenario> => ({
  endings: steps.map((afterSteps) => ({ kind: 'crash', phase: null, afterSteps })),
});
