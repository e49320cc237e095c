/** The order of the phases, and where a resume enters it. */

import type { Checkpoint, Phase } from './model.ts';

/** Which phase may follow which. Where a resume enters: `firstPhase`. */
const ARROWS = {
  prepare: ['copy'],
  copy: ['finish-shadow'],
  'finish-shadow': ['catch-up'],
  'catch-up': ['verify', 'await-cutover'],
  verify: ['await-cutover'],
  'await-cutover': ['cutover', 'verify'],
  cutover: ['await-cutover', 'clean-up'],
  'clean-up': ['done'],
  done: [],
} as const satisfies Record<Phase, readonly Phase[]>;

export type PhaseAfter<From extends Phase> = (typeof ARROWS)[From][number];

/** Leaves one phase for another; a wrong arrow does not compile. */
export function enter<From extends Phase>(_from: From, to: PhaseAfter<From>): Phase {
  return to;
}

/** Once the cutover was announced, only the catalog knows. */
export function hasPerhapsSwapped(phase: Phase): boolean {
  return phase === 'cutover' || phase === 'clean-up' || phase === 'done';
}

/**
 * A resume enters at the phase of the checkpoint. One that is to verify does so before it swaps, whatever an earlier run was told;
 * and a comparison that has begun is finished, for it may have found something.
 */
export function firstPhase(checkpoint: Checkpoint | null, isVerifying: boolean): Phase {
  if (checkpoint === null) return 'prepare';
  const { phase, verification } = checkpoint;
  const isAtSwap = phase === 'await-cutover' || phase === 'cutover';
  return isAtSwap && isVerifying && !verification.isClean ? 'verify' : phase;
}
