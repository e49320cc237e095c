/** How a generated case is run, beside what it changes. */
import type { Case } from '../support/case-folder.ts';
import { type Draw, times } from './draw.ts';

/** In one go, or ended at some of its events and resumed. */
export type GeneratedAs = 'whole' | 'interrupted';

export function drawInterruptions(draw: Draw): Pick<Case, 'interruptedAt' | 'writesAt'> {
  // A run of a small table has some fifteen events; one that was resumed late has few.
  const interruptedAt = [draw.between(1, 15), ...times(draw.below(3), () => draw.between(1, 30))];
  const steps = ['copy', 'finish-shadow', 'verify', 'await-cutover', 'cutover'].map((phase) => `phase-entered:${phase}`);
  return { interruptedAt, writesAt: draw.of([...steps, 'chunk-copied', 'range-verified', 'cutover-attempt']) };
}

/** As a file of a case has them. */
export function statements(sql: readonly string[]): string {
  return `${sql.join(';\n')};`;
}
