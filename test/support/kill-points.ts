/** Moments at which a run is killed, drawn from a seed. */
import { below, pick, type Random } from './random.ts';
import type { KillPoint } from './tableshift-process.ts';

/** Lines of the program's output after which it may be killed, and up to which occurrence of each in one run. */
const moments: readonly [readonly [string, number], ...(readonly [string, number])[]] = [
  ['plan', 1],
  ['phase-entered:prepare', 1],
  ['phase-entered:copy', 1],
  ['phase-entered:finish-shadow', 1],
  ['phase-entered:catch-up', 1],
  ['phase-entered:verify', 1],
  ['phase-entered:await-cutover', 1],
  ['phase-entered:cutover', 1],
  ['phase-entered:clean-up', 1],
  ['chunk-copied', 6],
  ['chunk-copied', 20],
  ['changes-applied', 8],
  ['range-verified', 4],
  ['range-verified', 15],
  ['checkpoint-saved', 3],
  ['cutover-attempt', 1],
  ['swapped', 1],
];

const killWithinMs = 2_500;

/** The next moment; every fifth is at any time, between two lines. */
export function drawKillPoint(random: Random): KillPoint {
  if (random() < 0.2) return { afterMs: below(random, killWithinMs) };
  const [at, countMax] = pick(random, moments);
  return { at, count: 1 + below(random, countMax) };
}
