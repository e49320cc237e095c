/** What one seed is about: its table, its server, its writers and its faults. */

import type { Phase } from '../../src/engine/model.ts';
import { Chance } from './chance.ts';

/** Faults of an adapter that can be planted; the letters are those of docs/correctness.md. */
export type AdapterPlant =
  | 'VA'
  | 'VJ'
  | 'AS'
  | 'RW'
  | 'KD'
  | 'RM'
  | 'XN'
  | 'XS'
  | 'XA'
  | 'NX'
  | 'ZC'
  | 'Z'
  | 'ZL'
  | 'CD'
  | 'WI'
  | 'WR'
  | 'UO'
  | 'RS'
  | 'KL';

/** How and when a run is ended from outside. */
export interface Ending {
  /** `taken over`: another process takes the claim while this one still works. */
  readonly kind: 'crash' | 'claim lost' | 'interrupt' | 'taken over';
  /** Phase from whose beginning the steps are counted; null: from the start of the run. */
  readonly phase: Phase | null;
  readonly afterSteps: number;
}

const LATE_PHASES: readonly [Phase, ...Phase[]] = [
  'finish-shadow',
  'verify',
  'await-cutover',
  'cutover',
  'cutover',
  'clean-up',
];

export interface Scenario {
  readonly seed: number;
  readonly plants: ReadonlySet<AdapterPlant>;

  // The server.
  /** A DELETE of PostgreSQL does not see what was committed after it began; its slot goes on from the acknowledged position. */
  readonly dialect: 'mysql' | 'postgres';
  /** Whether transactions become visible in log order. */
  readonly isVisibilityOrdered: boolean;
  /** Waits by a heartbeat row of its own (right only where visibility is ordered), or for each transaction. */
  readonly barrier: 'per-transaction' | 'heartbeat';

  // The table.
  /** More than one are a family, each as below. */
  readonly tables: number;
  readonly keysMax: number;
  readonly rowsAtStart: number;
  /** Whether keys have two spellings that the server holds equal. */
  readonly hasCollation: boolean;
  /** Whether the engine is told the order of keys. */
  readonly isOrderKnown: boolean;
  readonly hasAddedUnique: boolean;
  /** Whether the shadow's unique keys have `v` besides, as those of a table that is partitioned by it. */
  readonly hasLongerKey: boolean;
  /** Whether two rows may have the same value under the added unique key. */
  readonly hasDuplicates: boolean;
  /** Whether writers store values that the new definition can't hold. */
  readonly hasBadRows: boolean;
  readonly keysPerStatement: number;
  /** Whether the server changes rows in place, where a key has one spelling and is the whole of the shadow's. */
  readonly changesInPlace: boolean;
  /** Whether a shadow is made without its migration key, which is made when something needs it. */
  readonly leavesKeyOut: boolean;

  // The writers.
  readonly writers: number;
  readonly transactionsMax: number;
  readonly writerPauseMs: number;
  readonly statementsPerTransaction: number;
  /** Whether transactions swap unique values between rows. */
  readonly hasUniqueSwaps: boolean;
  /** Whether transactions hand every row the unique value of the next. */
  readonly hasUniqueShifts: boolean;
  /** Whether values go to and fro between two. */
  readonly hasToggles: boolean;
  readonly hasXa: boolean;
  /** Whether writers prefer few rows. */
  readonly hasHotRows: boolean;

  // Times, milliseconds, means.
  readonly statementMs: number;
  readonly hangMs: number;
  /** What finishing the shadow takes beside, as index builds do. */
  readonly finishMs: number;
  readonly visibilityLagMs: number;
  readonly deliveryLagMs: number;
  /** Until when writers write; later than that the run must come to its end. */
  readonly writersUntilMs: number;
  readonly faultsUntilMs: number;

  // Faults, as probabilities of each occasion.
  readonly transientFaults: number;
  readonly lostConnections: number;
  readonly slowStatements: number;
  readonly splitTransactions: number;
  readonly reconnects: number;
  readonly brokenStreams: number;
  readonly lockTimeouts: number;
  readonly lostSwaps: number;
  /** Whether something must be done before each attempt of the swap. */
  readonly hasPreparation: boolean;
  /** What a swap leaves to be done. */
  readonly thingsToSettle: number;
  /** How often one of these cannot be done, until faults are over. */
  readonly refusedSettlements: number;
  readonly throttling: number;
  /** Runs of the tool that die, lose their claim or are interrupted, before one may go on to the end. */
  readonly endings: readonly Ending[];
  /** A row of the shadow that is lost, altered or invented before verification sees it. */
  readonly plantedRow: 'none' | 'lost' | 'altered' | 'invented';
  /** Whether one row of the shadow never is what was written, as behind a trigger: no repair helps, so nothing may be swapped. */
  readonly hasStubbornRow: boolean;

  // The engine.
  readonly copyWorkers: number;
  readonly applyWorkers: number;
  readonly chunkRows: number;
  readonly isVerifying: boolean;
  /** Whether the operator asks for all rows to be compared once more when the swap is at hand, in each run. */
  readonly verifiesAgain: boolean;
  /** Whether an operator steers the runs. */
  readonly isSteered: boolean;
  readonly flushIntervalMs: number;
  /** After so long without a change the table counts as not written. */
  readonly quietAfterMs: number;
  /** Pending keys beyond which the engine pulls no more. */
  readonly pendingKeysMax: number;
  /** How long the cutover may hold its lock, milliseconds. */
  readonly holdTimeoutMs: number;
}

/** What a seed is about; `bias` overrides parts of it, to make a rare fault likely. */
export function scenarioOf(seed: number, bias: Partial<Scenario>): Scenario {
  const chance = new Chance(seed, 'scenario');
  const server = serverOf(chance);
  const table = tableOf(chance);
  const writers = writersOf(chance);
  const times = timesOf(chance);
  const faults = faultsOf(chance);
  const engine = engineOf(chance);
  const scenario = {
    seed,
    plants: new Set<AdapterPlant>(),
    ...server,
    ...table,
    ...writers,
    ...times,
    ...faults,
    ...engine,
    // Seeds are what they were before there was this.
    changesInPlace: new Chance(seed, 'in place').hits(0.5),
    ...finishingOf(new Chance(seed, 'finishing')),
    verifiesAgain: new Chance(seed, 'verifies again').hits(0.15),
    isSteered: new Chance(seed, 'steered').hits(0.2),
    leavesKeyOut: new Chance(seed, 'key left out').hits(0.4),
    ...bias,
  };
  return {
    ...scenario,
    changesInPlace: scenario.changesInPlace && !scenario.hasCollation && !scenario.hasLongerKey,
    isOrderKnown: scenario.isOrderKnown && !scenario.hasCollation,
    plantedRow: scenario.isVerifying || scenario.verifiesAgain ? scenario.plantedRow : 'none',
  };
}

function serverOf(chance: Chance) {
  const isVisibilityOrdered = chance.hits(0.3);
  const barrier = isVisibilityOrdered && chance.hits(0.6) ? ('heartbeat' as const) : ('per-transaction' as const);
  return { dialect: chance.hits(0.35) ? ('postgres' as const) : ('mysql' as const), isVisibilityOrdered, barrier };
}

function tableOf(chance: Chance) {
  const keysMax = chance.between(3, 16);
  const hasCollation = chance.hits(0.12);
  const hasAddedUnique = chance.hits(0.25);
  return {
    tables: 1,
    keysMax,
    rowsAtStart: Math.floor(keysMax * (chance.hits(0.1) ? chance.next() : 0.5 + chance.next() / 2)),
    hasCollation,
    isOrderKnown: chance.hits(0.75),
    hasAddedUnique,
    hasLongerKey: false,
    hasDuplicates: hasAddedUnique && chance.hits(0.25),
    hasBadRows: chance.hits(0.04),
    keysPerStatement: chance.between(1, 6),
  };
}

function writersOf(chance: Chance) {
  return {
    writers: chance.between(1, 3),
    transactionsMax: chance.between(5, 40),
    writerPauseMs: chance.pick([5, 15, 40, 100]),
    statementsPerTransaction: chance.between(1, 4),
    hasUniqueSwaps: chance.hits(0.6),
    hasUniqueShifts: false,
    hasToggles: chance.hits(0.3),
    hasXa: chance.hits(0.12),
    hasHotRows: chance.hits(0.3),
  };
}

function timesOf(chance: Chance) {
  return {
    statementMs: chance.pick([2, 5, 10]),
    hangMs: chance.pick([50, 150, 500]),
    visibilityLagMs: chance.pick([1, 5, 20, 60]),
    deliveryLagMs: chance.pick([0.5, 2, 10, 40]),
    writersUntilMs: 5000,
    faultsUntilMs: chance.pick([500, 1500, 4000]),
  };
}

/** Rows are compared while the shadow is finished where the table counts as not written: always, now and then, hardly ever. */
function finishingOf(chance: Chance) {
  return { finishMs: chance.pick([0, 20, 100, 400]), quietAfterMs: chance.pick([0, 30, 1000, 1000]) };
}

function engineOf(chance: Chance) {
  return {
    copyWorkers: chance.between(1, 3),
    applyWorkers: chance.between(1, 3),
    chunkRows: chance.between(1, 4),
    isVerifying: chance.hits(0.6),
    flushIntervalMs: chance.pick([1, 20, 60]),
    pendingKeysMax: chance.pick([3, 1000]),
    holdTimeoutMs: chance.pick([200, 1000, 1000]),
    hasPreparation: false,
    thingsToSettle: chance.pick([0, 1, 3]),
    refusedSettlements: chance.pick([0, 0, 0.3]),
  };
}

function faultsOf(chance: Chance) {
  const often = (share: number, probability: number): number => (chance.hits(share) ? probability : 0);
  const kinds: Ending['kind'][] = [];
  while (kinds.length < 3 && chance.hits(kinds.length === 0 ? 0.45 : 0.4)) {
    kinds.push(chance.hits(0.7) ? 'crash' : chance.pick(['claim lost', 'interrupt', 'taken over'] as const));
  }
  return {
    transientFaults: often(0.5, 0.03),
    lostConnections: often(0.6, 0.05),
    slowStatements: often(0.4, 0.1),
    splitTransactions: often(0.7, 0.4),
    reconnects: often(0.5, 0.05),
    brokenStreams: often(0.05, 0.01),
    lockTimeouts: often(0.3, 0.5),
    lostSwaps: often(0.2, 0.5),
    throttling: often(0.2, 0.3),
    endings: kinds
      .map((kind) => ({ kind, phase: chance.hits(0.35) ? chance.pick(LATE_PHASES) : null }))
      .map((one) => ({ ...one, afterSteps: Math.floor(chance.hits(0.5) ? chance.delay(30) : 10 + chance.delay(150)) })),
    hasStubbornRow: false,
    plantedRow: chance.hits(0.2) ? chance.pick(['lost', 'altered', 'invented'] as const) : ('none' as const),
  };
}
