/** The generated cases that run among the others, disturbed: seeds of which both we and the server make a table. */
import { describe, expect, test } from 'vitest';
import { caseTimeoutMs } from '../support/case-runner.ts';
import type { SharedServer } from '../support/shared-servers.ts';
import type { GeneratedOf } from './generated-run.ts';
import { judgeFamilySeed } from './judged-family.ts';
import { judgeSeed } from './judged-seed.ts';

export function describeGenerated(seedsOf: readonly (readonly [SharedServer, GeneratedOf, readonly number[]])[]): void {
  describe.concurrent.each(seedsOf)(
    'on %s a generated change of a %s makes what the native ALTER makes',
    (server, of, seeds) => {
      const disturbed = seeds.flatMap((seed) => [['interrupted', seed] as const, ['cut', seed] as const]);
      test.each(disturbed)('%s and resumed, seed %i', { timeout: caseTimeoutMs }, async (as, seed) => {
        const { interrupted, ...judgement } = await (of === 'table'
          ? judgeSeed(server, seed, as)
          : judgeFamilySeed(server, of, seed, as));
        expect(judgement).toEqual({ verdict: 'same', detail: 'swapped' });
        expect(interrupted).toBeGreaterThan(0);
      });
    },
  );
}
