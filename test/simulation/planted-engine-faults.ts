/** Faults in the text of the engine beside copying, one change of mind each. */

import {
  BUSY_COPY,
  SLOW_VISIBILITY,
  FAST_DELIVERY,
  LATE_DRAINS,
  NO_FAULTS,
  NO_XA,
  SHIFTS,
  SWAPS,
  UNDONE_DRAINS,
  crashes,
  type PlantedFault,
} from './planted-fault.ts';

export const ENGINE_FAULTS: readonly PlantedFault[] = [
  {
    code: 'FD',
    what: 'Changes of rows not yet copied are discarded before the barrier of the flush.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'if (pick.entries.size > 0) await this.#awaitVisible(pick.reach, signal);',
        replace:
          'const early = new Set([...batch.keys()].filter((key) => batch.get(key)?.kind !== "re-read" && this.#ranges.isAboveWatermark(key)));\n    pick.flush.hasPassedBarrier = true;\n    this.#changed.notify();\n    if (pick.entries.size > 0) await this.#awaitVisible(pick.reach, signal);',
      },
      {
        file: 'change-applier.ts',
        find: "batch.get(key)?.kind === 're-read' || !this.#ranges.isAboveWatermark(key));",
        replace: '!early.has(key));',
      },
    ],
    bias: {
      ...BUSY_COPY,
      ...SLOW_VISIBILITY,
      ...FAST_DELIVERY,
      ...NO_FAULTS,
      ...NO_XA,
      isOrderKnown: true,
      hasCollation: false,
    },
    seedsMax: 500,
  },
  {
    code: 'B2',
    what: 'A flush reads rows again without a barrier.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'if (pick.entries.size > 0) await this.#awaitVisible(pick.reach, signal);',
        replace: '',
      },
    ],
    bias: {},
    seedsMax: 100,
  },
  {
    code: 'H',
    what: 'Changes are not held back from chunks in flight.',
    source: [{ file: 'change-applier.ts', find: 'inFlight: this.#ranges.snapshot(),', replace: 'inFlight: new Set(),' }],
    bias: { ...BUSY_COPY, ...FAST_DELIVERY, slowStatements: 0.3 },
    seedsMax: 1000,
  },
  {
    code: 'H2',
    what: 'The chunks in flight are looked up before the changes are picked, not in the same tick.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'const pick = this.#pick();',
        replace:
          'const early = this.#ranges.snapshot();\n    await this.#context.clock.sleep(3, signal);\n    const pick = { ...this.#pick(), inFlight: early };',
      },
    ],
    bias: { ...BUSY_COPY, ...FAST_DELIVERY, slowStatements: 0.3, isVisibilityOrdered: false },
    seedsMax: 3000,
  },
  {
    code: 'HA',
    what: 'The position moves past changes that were held back.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'const limit = older(pick.position, heldFrom) ?? pick.position;',
        replace: 'const limit = heldFrom === undefined ? older(pick.position, heldFrom) ?? pick.position : pick.position;',
      },
    ],
    bias: {
      ...BUSY_COPY,
      ...FAST_DELIVERY,
      slowStatements: 0.3,
      isOrderKnown: true,
      hasCollation: false,
      ...crashes(200, 250),
    },
    seedsMax: 3000,
  },
  {
    code: 'S',
    what: 'The first read does not wait for what was logged before the stream began.',
    source: [
      {
        file: 'migration.ts',
        find: "await retry('waiting for visibility', () => stream.awaitVisible(stream.start, signal), this.#context, signal);",
        replace: '',
      },
    ],
    bias: { ...BUSY_COPY, ...SLOW_VISIBILITY, ...NO_FAULTS, ...NO_XA, visibilityLagMs: 200 },
    seedsMax: 1000,
  },
  {
    code: 'BP',
    what: 'The barrier leaves out a half-received transaction.',
    source: [{ file: 'change-applier.ts', find: 'reach: this.#receiver.reach,', replace: 'reach: this.#receiver.received,' }],
    bias: { ...BUSY_COPY, ...SLOW_VISIBILITY, ...FAST_DELIVERY, ...NO_XA, splitTransactions: 0.6, statementsPerTransaction: 4 },
    seedsMax: 1000,
  },
  {
    code: 'AK',
    what: 'The position moves when changes are picked, not when they are applied.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'const pick: Pick = {',
        replace: 'this.#applied = this.#receiver.received;\n    const pick: Pick = {',
      },
    ],
    bias: {},
    seedsMax: 500,
  },
  {
    code: 'F',
    what: 'Two flushes run at a time.',
    source: [
      {
        file: 'migration.ts',
        find: '(inner: AbortSignal) => applier.flushContinuously(inner),',
        replace:
          '(inner: AbortSignal) => applier.flushContinuously(inner),\n      (inner: AbortSignal) => applier.flushContinuously(inner),',
      },
    ],
    bias: { ...BUSY_COPY, ...FAST_DELIVERY },
    seedsMax: 500,
  },
  {
    code: 'DN',
    what: 'A resume forgets how far copying had come, and discards changes of rows that are in the shadow.',
    source: [
      {
        file: 'migration.ts',
        find: 'await this.#restoreWatermark(signal);',
        replace: 'if (this.#isCopyComplete) await this.#restoreWatermark(signal);',
      },
    ],
    bias: { ...BUSY_COPY, isOrderKnown: true, hasCollation: false, deliveryLagMs: 40, ...crashes(150, 150) },
    seedsMax: 2000,
  },
  {
    code: 'KM',
    what: 'Rows are deleted and inserted part by part instead of in two phases.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'await deleteAll(replaced);',
        replace:
          'await each(replaced, async (part, inner) => {\n        await this.#delete(part, writer, inner);\n        const some = part.filter((key) => batch.get(key)?.kind !== "delete");\n        if (some.length > 0 && (await this.#insert(some, writer, inner)) === "collided") await this.#insertClearing(some, writer, inner);\n      });',
      },
      {
        file: 'change-applier.ts',
        find: "await insertAll(replaced.filter((key) => batch.get(key)?.kind !== 'delete'));",
        replace: '',
      },
    ],
    bias: { hasCollation: true, keysPerStatement: 1, isVerifying: false },
    seedsMax: 300,
  },
  {
    code: 'KR',
    what: 'Rows are inserted before others are deleted.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'await deleteAll(replaced);',
        replace: "await deleteAll(replaced.filter((key) => batch.get(key)?.kind !== 'delete'));",
      },
      {
        file: 'change-applier.ts',
        find: 'let cleared = 0;',
        replace:
          'let cleared = 0;\n    for (const part of parts(keys.filter((key) => batch.get(key)?.kind === "delete"), writer.keysPerStatement)) await this.#delete(part, writer, signal);',
      },
    ],
    bias: { hasCollation: true, isVerifying: false },
    seedsMax: 300,
  },
  {
    code: 'IR',
    what: 'Rows that are read again for another reason than a change are changed in place, where a delete would be missed.',
    source: [
      {
        file: 'change-applier.ts',
        find: "batch.get(key)?.kind === 'upsert';",
        replace: "batch.get(key)?.kind !== 'delete';",
      },
    ],
    bias: { ...BUSY_COPY, ...SWAPS, changesInPlace: true, hasCollation: false, isVerifying: false },
    seedsMax: 2000,
  },
  {
    code: 'ID',
    what: 'Deletes count as upserts where rows are changed in place.',
    source: [
      { file: 'change-applier.ts', find: "batch.get(key)?.kind === 'upsert';", replace: "batch.get(key)?.kind !== 're-read';" },
    ],
    bias: { changesInPlace: true, hasCollation: false, isVerifying: false },
    seedsMax: 300,
  },
  {
    code: 'CE',
    what: 'The fence of the drain is placed before writers are blocked.',
    source: [
      {
        file: 'cutover.ts',
        find: 'await applier.hold(signal);',
        replace: 'await applier.hold(signal);\n    await this.#parts.receiver.passFence(signal);',
      },
      {
        file: 'cutover.ts',
        find: '    await receiver.passFence(signal);\n    await applier.flushAll(locked, signal);',
        replace: '    await applier.flushAll(locked, signal);',
      },
    ],
    bias: { transactionsMax: 200, writerPauseMs: 5, isVerifying: false, pendingKeysMax: 1000 },
    seedsMax: 300,
  },
  {
    code: 'CF',
    what: 'The flusher goes on during the cutover.',
    source: [{ file: 'cutover.ts', find: 'await applier.hold(signal);', replace: '' }],
    bias: { ...FAST_DELIVERY, transactionsMax: 200, writerPauseMs: 5, isVerifying: false },
    seedsMax: 1000,
  },
  {
    code: 'FJ',
    what: 'Tables are swapped together before all have brought their drain.',
    source: [
      { file: 'family.ts', find: 'if (attempt.brought.size === this.#members)', replace: 'if (attempt.outcome === null)' },
    ],
    bias: { tables: 2, transactionsMax: 200, writerPauseMs: 5 },
    seedsMax: 300,
  },
  {
    code: 'JD',
    what: 'Tables are swapped together, and one of them is not drained.',
    source: [
      {
        file: 'family.ts',
        find: 'all.map(({ drain }) => drain),',
        replace: 'all.map(({ drain }, place) => (place === 0 ? async () => undefined : drain)),',
      },
    ],
    bias: { tables: 2, transactionsMax: 200, writerPauseMs: 5 },
    seedsMax: 300,
  },
  {
    code: 'CP',
    what: 'The position moves on with the drain, before the swap has made it last.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'if (writer !== this.#pair) this.#undecided.push(pick.entries);\n      else if (limit',
        replace: 'if (writer !== this.#pair) this.#undecided.push(pick.entries);\n      if (limit',
      },
    ],
    bias: UNDONE_DRAINS,
    seedsMax: 5000,
  },
  {
    code: 'CU',
    what: 'What the drain of a failed attempt wrote counts as applied.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'for (const entries of this.#undecided.splice(0).toReversed()) this.#putBack(entries);',
        replace: '',
      },
    ],
    bias: LATE_DRAINS,
    seedsMax: 2000,
  },
  {
    code: 'CB',
    what: 'The changes of a drain that broke off are forgotten.',
    source: [{ file: 'change-applier.ts', find: 'this.#putBack(pick.entries);\n      throw', replace: 'throw' }],
    bias: LATE_DRAINS,
    seedsMax: 500,
  },
  {
    code: 'CV',
    what: 'A key counts as different when it differed twice, although changes of it came in meanwhile.',
    source: [
      {
        file: 'verifier.ts',
        find: 'const real = open.filter((key) => !receiver.hasChangedSincePick(key, pick));',
        replace: 'const real = open;',
      },
    ],
    bias: {
      isVerifying: true,
      hasToggles: true,
      hasHotRows: true,
      transactionsMax: 300,
      writerPauseMs: 5,
      writers: 3,
      deliveryLagMs: 10,
    },
    seedsMax: 1000,
  },
  {
    code: 'VS',
    what: 'A comparison that was to stop, because the shadow is finished or the table is written, counts as one of all rows.',
    source: [{ file: 'verifier.ts', find: 'if (!this.#chunker.isComplete) return;', replace: '' }],
    bias: {
      isVerifying: true,
      plantedRow: 'altered',
      quietAfterMs: 0,
      finishMs: 20,
      keysMax: 14,
      rowsAtStart: 12,
      chunkRows: 1,
    },
    seedsMax: 100,
  },
  {
    code: 'B2C',
    what: 'A flush reads rows again without a barrier, with verification.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'if (pick.entries.size > 0) await this.#awaitVisible(pick.reach, signal);',
        replace: '',
      },
    ],
    bias: { isVerifying: true },
    seedsMax: 100,
  },
  {
    code: 'EX',
    what: 'Rows in the way are taken out by one statement, however many they are.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'for (const some of parts(cause.keys, writer.keysPerStatement)) await this.#delete(some, writer, signal);',
        replace: 'await this.#delete(cause.keys, writer, signal);',
      },
    ],
    bias: { hasUniqueSwaps: true, hasAddedUnique: true, keysPerStatement: 1 },
    seedsMax: 500,
  },
  {
    code: 'LC',
    what: 'Rows in the way go in with the rows that they were in the way of, and so on to the end of the chain, in a bounded number of rounds.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'if (cause.keys.some((key) => !cleared.has(key))) fruitless = 0;',
        replace: 'part = [...new Set([...part, ...cause.keys])];',
      },
      {
        file: 'change-applier.ts',
        find: 'if (part.length > 1) return cleared.size + (await this.#insertHalves(part, writer, signal));',
        replace: '',
      },
    ],
    bias: { ...SHIFTS, ...NO_FAULTS, keysPerStatement: 100, chunkRows: 10, splitTransactions: 0.9 },
    seedsMax: 1000,
  },
  {
    code: 'LV',
    what: 'Of rows that collide again only the first half goes in.',
    source: [
      {
        file: 'change-applier.ts',
        find: 'of parts(part, Math.ceil(part.length / 2))) {',
        replace: 'of parts(part, Math.ceil(part.length / 2)).slice(0, 1)) {',
      },
    ],
    bias: { ...SHIFTS, ...NO_FAULTS, keysPerStatement: 100, chunkRows: 10, writerPauseMs: 5, writers: 3 },
    seedsMax: 500,
  },
  {
    code: 'VG',
    what: 'Rows that were compared count as compared, although the operator asked for all of them once more.',
    source: [{ file: 'migration.ts', find: 'this.#parts.verifier.restart();', replace: '' }],
    bias: { ...NO_FAULTS, isVerifying: true, verifiesAgain: true, plantedRow: 'altered', hasBadRows: false },
    seedsMax: 100,
  },
  {
    code: 'VR',
    what: 'Rows that a predecessor compared count as compared, although the operator asks for all of them in the run that goes on.',
    source: [
      {
        file: 'migration.ts',
        find: 'this.#compareAllAsked();\n    await this.#seat',
        replace: 'this.#verifications = this.#run.controls.verificationsAsked;\n    await this.#seat',
      },
    ],
    bias: {
      ...NO_FAULTS,
      ...{ isVerifying: true, verifiesAgain: true, plantedRow: 'altered', hasBadRows: false },
      ...{ keysMax: 14, rowsAtStart: 12, chunkRows: 1, copyWorkers: 1, quietAfterMs: 1000 },
      endings: [{ kind: 'interrupt', phase: 'verify', afterSteps: 30 }],
    },
    seedsMax: 300,
  },
  {
    code: 'HL',
    what: 'An attempt of the swap begins although it was held while the backlog was waited for, or while the attempt was announced.',
    source: [
      {
        file: 'cutover.ts',
        find: "await meet('announced', signal, () => this.#isFree)",
        replace: "await meet('announced', signal)",
      },
    ],
    bias: { ...NO_FAULTS, isSteered: true, hasBadRows: false },
    seedsMax: 300,
  },
  {
    code: 'FW',
    what: 'A run that ends for another reason still writes its farewell when the claim is lost meanwhile.',
    source: [{ file: 'farewell.ts', find: 'farewell, lost)', replace: 'farewell, new AbortController().signal)' }],
    bias: {
      hasAddedUnique: true,
      hasDuplicates: true,
      statementMs: 10,
      endings: Array.from({ length: 3 }, () => ({ kind: 'claim lost', phase: null, afterSteps: 150 })),
    },
    seedsMax: 5000,
  },
  {
    code: 'NS',
    what: 'A run that finds the tables swapped counts as done, whatever the swap has left to do.',
    source: [
      {
        file: 'migration.ts',
        find: 'await inTurn(() => settle(',
        replace: 'if (checkpoint === null) await inTurn(() => settle(',
      },
    ],
    bias: {
      thingsToSettle: 3,
      endings: [{ kind: 'crash', phase: 'clean-up', afterSteps: 3 }],
      hasDuplicates: false,
      hasBadRows: false,
    },
    seedsMax: 200,
  },
];
