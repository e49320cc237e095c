/** How an unfinished migration ends for good: what was built goes, unless it is the live table by now. */
import { expect, test } from 'vitest';
import { giveUp } from '../../src/engine/give-up.ts';
import type { Checkpoint, MigrationId, Phase, Plan } from '../../src/engine/model.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import type { ClaimToGiveUp } from '../../src/engine/ports.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

const { signal } = new AbortController();
const table = { schema: 'shop', table: 'orders' };
const plan = { id: 'orders1' as MigrationId, source: table, shadow: { schema: 'shop', table: '_orders' } } as Plan;
const parts = { limits: DEFAULT_OPTIONS.cutover, context: { clock: new VirtualClock(), observer: () => undefined } };

/** What is done to a migration that was left so, in its order. */
async function given(left: { readonly phase: Phase | null; readonly hasSwapped: boolean; readonly unsettled?: string }) {
  const deeds: string[] = [];
  const checkpoint = left.phase === null ? null : ({ phase: left.phase } as Checkpoint);
  const claim: ClaimToGiveUp = {
    checkpoints: {
      load: async () => checkpoint,
      save: async () => undefined,
      async conclude(state) {
        await settle();
        deeds.push(state);
      },
    },
    hasSwapped: async () => left.hasSwapped,
    unsettled: async () => (left.unsettled === undefined ? [] : [left.unsettled]),
    async discard() {
      await settle();
      await settle();
      deeds.push('discarded');
      return { kind: 'done' };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const ending = await giveUp(plan, claim, parts, signal).catch((error: unknown) => error);
  return { ending, deeds };
}

test.each([
  ['that saved nothing', null],
  ['that was copying', 'copy'],
  ['that was about to swap', 'cutover'],
] as const)('a migration %s loses what it has built, and is aborted then', async (_, phase) => {
  expect(await given({ phase, hasSwapped: false })).toEqual({ ending: 'aborted', deeds: ['discarded', 'aborted'] });
});

test.each(['cutover', 'clean-up'] as const)(
  'one that has swapped in the phase %s is done, and keeps its table',
  async (phase) => {
    expect(await given({ phase, hasSwapped: true })).toEqual({ ending: 'done', deeds: ['done'] });
  },
);

test('one whose swap has left something to be done stays as it is, to be resumed', async () => {
  const { ending, deeds } = await given({ phase: 'cutover', hasSwapped: true, unsettled: 'A key is to be validated.' });
  expect(ending).toMatchObject({ code: 'UNSETTLED', message: expect.stringContaining('A key is to be validated. Resume it.') });
  expect(deeds).toEqual([]);
});
