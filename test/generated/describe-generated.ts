/** The generated cases that run among the others, whole and interrupted: seeds of which the server makes a table. */
import { describe, expect, test } from 'vitest';
import { caseTimeoutMs } from '../support/case-runner.ts';
import type { SharedServer } from '../support/shared-servers.ts';
import { judgeSeed } from './judged-seed.ts';

export function describeGenerated(seedsOf: readonly (readonly [SharedServer, readonly number[]])[]): void {
  describe.concurrent.each(seedsOf)('on %s a generated change makes what the native ALTER makes', (server, seeds) => {
    test.each(seeds)('in one go, seed %i', { timeout: caseTimeoutMs }, async (seed) => {
      expect(await judgeSeed(server, seed, 'whole')).toEqual({ verdict: 'same', detail: 'swapped', interrupted: 0 });
    });

    test.each(seeds)('interrupted and resumed, seed %i', { timeout: caseTimeoutMs }, async (seed) => {
      const { interrupted, ...judgement } = await judgeSeed(server, seed, 'interrupted');
      expect(judgement).toEqual({ verdict: 'same', detail: 'swapped' });
      expect(interrupted).toBeGreaterThan(0);
    });
  });
}
