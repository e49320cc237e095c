/** Tables, changes and writes that are drawn by chance (test/generated), whole and interrupted; `npm run generated` runs more of them. */
import { describe, expect, test } from 'vitest';
import { judgeSeed } from '../../generated/judged-seed.ts';
import { caseTimeoutMs } from '../../support/case-runner.ts';

describe.concurrent.each([
  ['postgres-15', [1, 3, 4, 9]],
  ['postgres-18', [1, 3, 4, 5]],
] as const)('on %s a generated change makes what the native ALTER makes', (server, seeds) => {
  test.each(seeds)('in one go, seed %i', { timeout: caseTimeoutMs }, async (seed) => {
    expect(await judgeSeed(server, seed, 'whole')).toEqual({ verdict: 'same', detail: 'swapped', interrupted: 0 });
  });

  test.each(seeds)('interrupted and resumed, seed %i', { timeout: caseTimeoutMs }, async (seed) => {
    const { interrupted, ...judgement } = await judgeSeed(server, seed, 'interrupted');
    expect(judgement).toEqual({ verdict: 'same', detail: 'swapped' });
    expect(interrupted).toBeGreaterThan(0);
  });
});
