/** Runs many seeds in worker threads. */

import { Worker } from 'node:worker_threads';
import { type Bundle, bundleSimulation, type SourceFault } from './bundle.ts';
import type { Scenario } from './scenario.ts';
import type { SeedTask, TracedResult } from './seed-worker.ts';

export interface SeedsOptions {
  readonly from: number;
  readonly count: number;
  readonly workers: number;
  readonly bias?: Partial<Scenario>;
  readonly faults?: readonly SourceFault[];
  /** End at the first seed that fails. */
  readonly stopsAtFailure?: boolean;
  /** Receives each result with its trace. */
  readonly onTraced?: (result: TracedResult) => void;
}

export interface SeedsReport {
  readonly seeds: number;
  /** Failed seeds, lowest first. */
  readonly failures: readonly TracedResult[];
  /** Sums over all seeds of what happened. */
  readonly sums: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** Runs the seeds and says what came of them. */
export async function runSeeds(options: SeedsOptions): Promise<SeedsReport> {
  using bundle = await bundleSimulation(options.faults ?? []);
  const startedAt = performance.now();
  const sums: Record<string, number> = {};
  const failures: TracedResult[] = [];
  let seeds = 0;
  const note = (results: readonly TracedResult[]): void => {
    for (const result of results) {
      seeds += 1;
      const figures = { ...result.counts, steps: result.steps, [`came out: ${result.ending ?? 'failed'}`]: 1 };
      for (const [what, times] of Object.entries(figures)) sums[what] = (sums[what] ?? 0) + times;
      if (result.failure !== null) failures.push(result);
      options.onTraced?.(result);
    }
  };
  const { from, count, workers } = options;
  const tasks = Array.from({ length: workers }, (_, index): SeedTask => {
    const { bias = {}, stopsAtFailure = false, onTraced } = options;
    return {
      from: from + index,
      through: from + count - 1,
      stride: workers,
      bias,
      stopsAtFailure,
      isTraced: onTraced !== undefined,
    };
  });
  await Promise.all(tasks.map((task) => runWorker(bundle, task, note)));
  failures.sort((a, b) => a.seed - b.seed);
  return { seeds, failures, sums, seconds: (performance.now() - startedAt) / 1000 };
}

function runWorker(bundle: Bundle, task: SeedTask, note: (results: readonly TracedResult[]) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(bundle.path, { workerData: task });
    worker.on('message', note);
    worker.on('error', reject);
    worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`A seed worker ended with ${code}`))));
  });
}
