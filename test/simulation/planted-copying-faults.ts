/** Faults in the text of the engine where it copies, one change of mind each. */

import {
  BUSY_COPY,
  SLOW_VISIBILITY,
  FAST_DELIVERY,
  NO_FAULTS,
  NO_XA,
  SWAPS,
  crashes,
  type PlantedFault,
} from './planted-fault.ts';

export const COPYING_FAULTS: readonly PlantedFault[] = [
  {
    code: 'B',
    what: 'A chunk reads without waiting for the barrier of the flush that runs.',
    source: [
      {
        file: 'row-copier.ts',
        find: 'if (flush !== null) await applier.barrierPassed(flush, signal);',
        replace: 'if (flush === undefined) return;',
      },
    ],
    bias: { ...BUSY_COPY, ...SLOW_VISIBILITY, ...FAST_DELIVERY, ...NO_FAULTS, ...NO_XA, slowStatements: 0.3 },
    seedsMax: 3000,
  },
  {
    code: 'R',
    what: 'The flush to wait for is looked up before the range is registered, not in the same tick.',
    source: [
      {
        file: 'row-copier.ts',
        find: 'ranges.register(chunk.range);\n    const flush = applier.running;',
        replace:
          'const flush = applier.running;\n    await this.#context.clock.sleep(30, signal);\n    ranges.register(chunk.range);',
      },
    ],
    bias: { ...BUSY_COPY, ...SLOW_VISIBILITY, ...FAST_DELIVERY, ...NO_FAULTS, ...NO_XA, slowStatements: 0.3, copyWorkers: 3 },
    seedsMax: 3000,
  },
  {
    code: 'LH',
    what: 'A collided chunk stays registered while it waits for a flush.',
    source: [
      {
        file: 'row-copier.ts',
        find: '    } finally {\n      ranges.deregister(chunk.range);\n    }',
        replace:
          "      if (rows === 'handed over') await applier.flushPickedAfterNow(signal);\n    } finally {\n      ranges.deregister(chunk.range);\n    }",
      },
    ],
    bias: { ...BUSY_COPY, ...SWAPS },
    seedsMax: 500,
  },
  {
    code: 'FL',
    what: 'A chunk waits for the next flush, not for the one that runs, and that flush waits for the chunk.',
    source: [
      {
        file: 'row-copier.ts',
        find: 'if (flush !== null) await applier.barrierPassed(flush, signal);',
        replace: 'if (flush !== null) await applier.flushPickedAfterNow(signal);',
      },
    ],
    bias: { ...BUSY_COPY, ...SLOW_VISIBILITY, ...FAST_DELIVERY, isOrderKnown: false },
    seedsMax: 300,
  },
  {
    code: 'HO',
    what: 'A chunk whose keys were handed over counts as finished before they are in the shadow.',
    source: [
      {
        file: 'row-copier.ts',
        find: "if (rows === 'handed over') {\n      await applier.flushPickedAfterNow(signal);",
        replace: "if (rows === 'handed over') {",
      },
    ],
    bias: { ...BUSY_COPY, ...SWAPS, visibilityLagMs: 60, ...crashes(200, 200) },
    seedsMax: 2000,
  },
  {
    code: 'CT',
    what: 'A chunk whose outcome was lost is copied again as if nothing of it could be there.',
    source: [{ file: 'row-copier.ts', find: "attempt > 1 ? 'skip' : existing", replace: 'existing' }],
    bias: { ...NO_FAULTS, leavesKeyOut: true, lostConnections: 0.1, writerPauseMs: 100 },
    seedsMax: 300,
  },
  {
    code: 'HW',
    what: 'Where only the server knows the order of keys, a flush does not wait for the chunks in flight.',
    source: [
      { file: 'change-applier.ts', find: 'if (held === null) await this.#ranges.ended(pick.inFlight, signal);', replace: '' },
    ],
    bias: { ...BUSY_COPY, ...FAST_DELIVERY, slowStatements: 0.3, isOrderKnown: false },
    seedsMax: 1500,
  },
  {
    code: 'PN',
    what: 'A flush that runs already counts as one that is picked later.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'const number = (this.#running?.number ?? this.#finishedNumber) + 1;',
        replace: 'const number = this.#finishedNumber + 1;',
      },
    ],
    bias: { ...BUSY_COPY, ...SWAPS, visibilityLagMs: 60, ...crashes(200, 200) },
    seedsMax: 1000,
  },
  {
    code: 'DC',
    what: 'A resume forgets that copying has ended, and discards changes as if rows were still to be copied.',
    source: [{ file: 'migration.ts', find: 'this.#parts.ranges.raiseWatermark(null);', replace: '' }],
    bias: {
      ...BUSY_COPY,
      isOrderKnown: true,
      hasCollation: false,
      chunkRows: 4,
      rowsAtStart: 6,
      transactionsMax: 100,
      writerPauseMs: 15,
      finishMs: 400,
      endings: [{ kind: 'crash', phase: 'finish-shadow', afterSteps: 40 }],
    },
    seedsMax: 200,
  },
  {
    code: 'DP',
    what: 'A resume knows by the greatest key of the shadow alone how far copying had come, although the last rows of that part have gone.',
    source: [
      {
        file: 'migration.ts',
        find: 'if (copiedThrough !== null) this.#parts.ranges.raiseWatermark(copiedThrough);',
        replace: '',
      },
    ],
    bias: {
      ...BUSY_COPY,
      ...FAST_DELIVERY,
      ...crashes(200, 200, 200),
      isOrderKnown: true,
      hasCollation: false,
      keysMax: 10,
      rowsAtStart: 8,
      copyWorkers: 1,
      transactionsMax: 200,
      writers: 2,
      writerPauseMs: 15,
      statementMs: 5,
      visibilityLagMs: 1,
      hangMs: 500,
      slowStatements: 0.25,
      throttling: 0.8,
      faultsUntilMs: 4000,
    },
    seedsMax: 1500,
  },
];
