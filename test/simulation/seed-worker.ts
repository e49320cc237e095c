/** Runs seeds in a thread of its own and reports each; bundled by bundle.ts. */

import { parentPort, workerData } from 'node:worker_threads';
import { runSeed, type SeedResult } from './run-seed.ts';
import type { Scenario } from './scenario.ts';

/** What a worker is asked to do: seeds from `from`, every `stride`-th, up to `through`. */
export interface SeedTask {
  readonly from: number;
  readonly through: number;
  readonly stride: number;
  readonly bias: Partial<Scenario>;
  readonly stopsAtFailure: boolean;
  readonly isTraced: boolean;
}

/** A result, with a line a step where that was asked for. */
export interface TracedResult extends SeedResult {
  readonly trace: readonly string[];
}

/** Results are sent in groups, so that sending costs little. */
const GROUP = 50;

async function work(task: SeedTask, send: (results: readonly TracedResult[]) => void): Promise<void> {
  let group: TracedResult[] = [];
  for (let seed = task.from; seed <= task.through; seed += task.stride) {
    const trace: string[] = [];
    const result = await runSeed(seed, { bias: task.bias, trace: task.isTraced ? (line) => trace.push(line) : null });
    group.push({ ...result, trace });
    const isEnough = task.stopsAtFailure && result.failure !== null;
    if (group.length >= GROUP || isEnough) {
      send(group);
      group = [];
    }
    if (isEnough) return;
  }
  send(group);
}

const port = parentPort;
if (port === null) throw new Error('seed-worker runs in a worker thread only');
await work(workerData as SeedTask, (results) => port.postMessage(results));
