/**
 * Faults that the simulation must catch: a simulation that catches none proves nothing. A fault is planted in the text of the
 * engine, or in the simulated adapter where the promise that it breaks is the adapter's. Codes are those of docs/correctness.md.
 */

import { ADAPTER_FAULTS } from './planted-adapter-faults.ts';
import { COPYING_FAULTS } from './planted-copying-faults.ts';
import { ENGINE_FAULTS } from './planted-engine-faults.ts';
import type { PlantedFault } from './planted-fault.ts';
import { VERIFICATION_FAULTS } from './planted-verification-faults.ts';

/** A fault without counterpart in the algorithm as it is built. */
export interface AbsentFault {
  readonly codes: readonly string[];
  readonly reason: string;
}

export const PLANTED_FAULTS: readonly PlantedFault[] = [
  ...COPYING_FAULTS,
  ...ENGINE_FAULTS,
  ...VERIFICATION_FAULTS,
  ...ADAPTER_FAULTS,
];

export const ABSENT_FAULTS: readonly AbsentFault[] = [
  {
    codes: ['DB', 'ED'],
    reason:
      'Changes are never discarded on arrival, only behind the barrier of a flush; FD is the nearest that can be planted.',
  },
  {
    codes: ['BPD', 'R2', 'VJR', 'ZK', 'ZLK', 'ZCK', 'GN', 'DIR', 'GI'],
    reason:
      'Variants of BP, R, VJ, Z, ZL, ZC, DN and DI with discard, skipping or REPLACE; ours always discards and a resume always skips equal keys, so the first letter covers them, and REPLACE is never used.',
  },
  { codes: ['MA', 'MD'], reason: 'The last range is open to infinity; no greatest key of the source is read.' },
  { codes: ['H3'], reason: 'H with REPLACE, which is never used.' },
  { codes: ['TA', 'TU', 'TM', 'TH', 'NT'], reason: 'No change stream is read from triggers.' },
  { codes: ['BC', 'SC'], reason: 'B and S with verification, which mends what is copied wrongly; B2C is planted with it.' },
  {
    codes: ['DS'],
    reason:
      'A position is only saved when all changes before it have passed a barrier, so after a resume they are visible anyway; the barrier there is a second guard.',
  },
  {
    codes: ['LF'],
    reason:
      'A collided chunk is not tried again after a flush: its keys are handed over. HO is the fault that could be made there.',
  },
];
