/** The engine on the simulated database: thousands of migrations with faults, each judged by what it leaves. */

import { describe, expect, test } from 'vitest';
import { runSeed } from './run-seed.ts';
import { runSeeds } from './seeds.ts';
import { VARIANTS } from './variants.ts';

const WORKERS = 2;

describe('the simulation', () => {
  test('2,000 seeds come out well', async () => {
    const { failures, seeds } = await runSeeds({ from: 1, count: 2000, workers: WORKERS });
    expect(failures.map(({ seed, failure }) => `${seed}: ${failure}`)).toEqual([]);
    expect(seeds).toBe(2000);
  });

  test.for(VARIANTS)('200 seeds about $what come out well', async ({ bias, source = [] }) => {
    const { failures } = await runSeeds({ from: 1, count: 200, workers: WORKERS, bias, faults: source });
    expect(failures.map(({ seed, failure }) => `${seed}: ${failure}`)).toEqual([]);
  });

  test('300 seeds repeat step for step', async () => {
    for (let seed = 1; seed <= 300; seed++) {
      const first = await runSeed(seed, { bias: {}, trace: null });
      const second = await runSeed(seed, { bias: {}, trace: null });
      expect(second).toEqual(first);
    }
  });

  test('a seed that is traced takes the same steps', async () => {
    const lines: string[] = [];
    const quiet = await runSeed(7, { bias: {}, trace: null });
    const traced = await runSeed(7, { bias: {}, trace: (line) => lines.push(line) });
    expect(traced).toEqual(quiet);
    expect(lines.length).toBeGreaterThan(100);
  });

  test('every fault and every turn happens', async () => {
    const { sums } = await runSeeds({ from: 1, count: 1000, workers: WORKERS });
    const expected = [
      'aborted statements',
      'barriers that waited',
      'blockers ended',
      'broken streams',
      'changes under a chunk in flight',
      'chunk ends computed',
      'chunks collided',
      'chunks handed over',
      'claim lost',
      'crash',
      'cutover locks held too long',
      'cutover locks not had',
      'differences found',
      'half-received transactions',
      'inserts collided',
      'interrupt',
      'keys made late',
      'lost connections',
      'operator: hold',
      'outlived their process',
      'ranges copied without the key',
      'ranges compared while the shadow was finished',
      'ranges differed',
      'reconnects',
      'rows in the way',
      'rows spoilt',
      'rows upserted',
      'upserts collided',
      'things settled',
      'ended: UNSETTLED',
      'rows that do not fit',
      'statements ended at resume',
      'stopped for duplicates',
      'swaps seen in the log',
      'swaps with unknown outcome',
      'throttled samples',
      'transient errors',
      'unsent at a crash',
      'XA transactions',
    ];
    expect(expected.filter((what) => (sums[what] ?? 0) === 0)).toEqual([]);
  });
});
