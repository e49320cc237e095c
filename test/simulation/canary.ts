/** Plants one fault and looks for a seed that shows it. */

import type { PlantedFault } from './planted-fault.ts';
import { runSeeds } from './seeds.ts';

export interface CanaryReport {
  readonly code: string;
  /** Seeds that were run until the fault showed, or all of them. */
  readonly seeds: number;
  /** What the judge said, or null when the fault was not seen. */
  readonly failure: string | null;
  readonly seconds: number;
}

export async function runCanary(fault: PlantedFault): Promise<CanaryReport> {
  const { code, bias, source, seedsMax } = fault;
  const { failures, seeds, seconds } = await runSeeds({
    from: 1,
    count: seedsMax,
    workers: 1,
    bias,
    faults: source ?? [],
    stopsAtFailure: true,
  });
  return { code, seeds, failure: failures[0]?.failure ?? null, seconds };
}
