/** How a generated case is run, beside what it changes. */
import type { Case } from '../support/case-folder.ts';
import { type Draw, times } from './draw.ts';

/** In one go; ended at some of its events and resumed; or with connections that are lost, and resumed where it ends by that. */
export const GENERATED_AS = ['whole', 'interrupted', 'cut'] as const;
export type GeneratedAs = (typeof GENERATED_AS)[number];

/** A table by itself with one session beside it; or tables that refer to each other, or one with partitions, with several. */
export const GENERATED_OF = ['table', 'family', 'partitions'] as const;
export type GeneratedOf = (typeof GENERATED_OF)[number];

export function drawDisturbance(draw: Draw, as: GeneratedAs): Pick<Case, 'cuts' | 'interruptedAt' | 'writesAt'> {
  if (as === 'whole') return {};
  return as === 'interrupted' ? drawInterruptions(draw) : drawCuts(draw);
}

function drawCuts(draw: Draw): Pick<Case, 'cuts' | 'writesAt'> {
  const fates = ['cut-before', 'cut-after', 'cut-answer', 'all', 'all-unnoticed'] as const;
  // A run of a small table sends some hundreds.
  const cuts = times(draw.between(1, 4), () => ({ at: draw.between(1, draw.of([20, 100, 500])), fate: draw.of(fates) }));
  return { cuts, writesAt: draw.of(moments) };
}

const phases = ['copy', 'finish-shadow', 'verify', 'await-cutover', 'cutover'].map((phase) => `phase-entered:${phase}`);
const moments = [...phases, 'chunk-copied', 'range-verified', 'cutover-attempt'];

function drawInterruptions(draw: Draw): Pick<Case, 'interruptedAt' | 'writesAt'> {
  // A run of a small table has some fifteen events; one that was resumed late has few.
  const interruptedAt = [draw.between(1, 15), ...times(draw.below(3), () => draw.between(1, 30))];
  return { interruptedAt, writesAt: draw.of(moments) };
}

/** Limits that matter in a moment, and no comparison at times, which would make good what was missed. */
export function drawPace(draw: Draw): NonNullable<Case['pace']> {
  return {
    copyWorkers: draw.of([1, 2, 4]),
    applyWorkers: draw.of([1, 2, 4]),
    flushIntervalMs: draw.of([1, 20, 200]),
    pendingKeysMax: draw.of([1, 7, 1_000_000]),
    checkpointIntervalMs: draw.of([1, 5000]),
    quietAfterMs: draw.of([1, 1000]),
    isVerifying: draw.happens(0.7),
  };
}

/** As a file of a case has them. */
export function statements(sql: readonly string[]): string {
  return `${sql.join(';\n')};`;
}
