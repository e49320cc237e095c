/** Faults in the text of the engine where rows that differ are put right, or keep the tables from being swapped. */

import { NO_JUDGEMENT, STUBBORN, type PlantedFault } from './planted-fault.ts';

export const VERIFICATION_FAULTS: readonly PlantedFault[] = [
  {
    code: 'VL',
    what: 'What verification left open is not compared when the lock is had.',
    source: [...NO_JUDGEMENT, { file: 'cutover.ts', find: 'await verifier.settle(locked, reApply, signal);', replace: '' }],
    bias: { isVerifying: true, plantedRow: 'altered', hasBadRows: false },
    seedsMax: 100,
  },
  {
    code: 'VM',
    what: 'A row that differs under the lock is not put right.',
    source: [...NO_JUDGEMENT, { file: 'cutover.ts', find: 'applier.reRead(keys);', replace: '' }],
    bias: { isVerifying: true, plantedRow: 'altered', hasBadRows: false },
    seedsMax: 100,
  },
  {
    code: 'VU',
    what: 'A row that differs under the lock is swapped in after one try to put it right.',
    source: [
      ...NO_JUDGEMENT,
      { file: 'verifier.ts', find: 'if (still.length > 0) throw', replace: 'if (still.length < 0) throw' },
    ],
    bias: STUBBORN,
    seedsMax: 100,
  },
  {
    code: 'VP',
    what: 'Tables whose rows differ in every pass, whatever is repaired, count as equal.',
    source: [
      {
        file: 'verifier.ts',
        find: 'if (repairedInPass === 0) {',
        replace: 'if (repairedInPass === 0 || pass >= PASSES_MAX) {',
      },
    ],
    bias: STUBBORN,
    seedsMax: 100,
  },
];
