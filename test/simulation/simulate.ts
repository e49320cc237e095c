/**
 * Runs seeds of the simulation and prints what failed: `npm run simulate -- --seeds 20000 --from 1`; `--seed 17 --trace` shows
 * one step by step. `--variant CODE` makes all seeds be about one thing (variants.ts), `--plant CODE` plants a fault
 * (planted-faults.ts). Ends with 1 if a seed failed.
 */

import { parseArgs } from 'node:util';
import { PLANTED_FAULTS } from './planted-faults.ts';
import { runSeeds, type SeedsReport } from './seeds.ts';
import { VARIANTS } from './variants.ts';

const FAILURES_SHOWN = 20;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    plant: { type: 'string' },
    variant: { type: 'string' },
  },
});

const planted = PLANTED_FAULTS.find((fault) => fault.code === values.plant);
if (values.plant !== undefined && planted === undefined) throw new Error(`No planted fault has the code ${values.plant}`);

const variant = VARIANTS.find(({ code }) => code === values.variant);
if (values.variant !== undefined && variant === undefined) throw new Error(`No variant has the code ${values.variant}`);

const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const report = await runSeeds({
  from,
  count,
  workers: Math.min(count, Number(values.workers)),
  bias: { ...variant?.bias, ...planted?.bias },
  faults: [...(variant?.source ?? []), ...(planted?.source ?? [])],
  ...(values.trace ? { onTraced: (result) => console.log(result.trace.join('\n')) } : {}),
});
print(report);
process.exitCode = report.failures.length === 0 ? 0 : 1;

function print({ seeds, failures, sums, seconds }: SeedsReport): void {
  for (const { seed, failure } of failures.slice(0, FAILURES_SHOWN)) console.log(`seed ${seed}: ${failure?.split('\n')[0]}`);
  for (const [what, times] of Object.entries(sums).sort(([one], [other]) => one.localeCompare(other)))
    console.log(`${(times / seeds).toFixed(4).padStart(12)} a seed: ${what}`);
  console.log(`${seeds} seeds, ${failures.length} failed, ${(seeds / seconds).toFixed(0)} seeds per second`);
}
