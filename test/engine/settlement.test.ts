/** What a swap has left to do: the place is saved before it is begun, and who does not come to its end says what is left. */
import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import type { Checkpoint, Plan } from '../../src/engine/model.ts';
import { settle as settleSwap } from '../../src/engine/settlement.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

const plan = { id: 'orders1', source: { schema: 'shop', table: 'orders' } } as Plan;
const checkpoint = { phase: 'clean-up' } as Checkpoint;

/** What is done and told where so much is left and nothing more than the first can be done, for this reason. */
async function settled(left: readonly string[], reason: Error | null, signal = new AbortController().signal) {
  const deeds: unknown[] = [];
  const observer = (event: MigrationEvent): void => void deeds.push(event);
  const claim = {
    cutover: {
      unsettled: async () => left,
      async settle(onSettled: (what: string) => void) {
        deeds.push('settles');
        const [first, ...others] = left;
        if (first !== undefined) onSettled(first);
        if (reason !== null) throw reason;
        for (const what of others) onSettled(what);
      },
    },
    checkpoints: {
      async save({ phase }: Checkpoint) {
        await settle();
        deeds.push(`saved ${phase}`);
      },
    },
  };
  const swapped = { plan, claim, checkpoint } as unknown as Parameters<typeof settleSwap>[0];
  const ending = await settleSwap(swapped, { clock: new VirtualClock(), observer }, signal).catch((error: unknown) => error);
  return { ending, deeds };
}

test('nothing is begun where nothing is left', async () => {
  expect(await settled([], null)).toEqual({ ending: undefined, deeds: [] });
});

test('what is left is told, and each thing when it is done, from a place that is saved', async () => {
  const { ending, deeds } = await settled(['A key.', 'An index.'], null);
  expect(ending).toBeUndefined();
  expect(deeds).toEqual([
    'saved clean-up',
    { kind: 'settling', left: ['A key.', 'An index.'] },
    'settles',
    { kind: 'settled', what: 'A key.' },
    { kind: 'settled', what: 'An index.' },
  ]);
});

test('who cannot do all of it says what is left, and that the swap has happened', async () => {
  const { ending } = await settled(['A key.', 'An index.'], new MigrationError('ROW_NOT_CONVERTIBLE', 'Row 7 is in the way.'));
  expect(ending).toMatchObject({
    code: 'UNSETTLED',
    message:
      'Row 7 is in the way. The swap has happened: shop.orders has its new definition and takes all writes. A resume does what is left: An index.',
  });
});

test('who is ended in the middle of it says why he was, and what is left', async () => {
  const stop = new AbortController();
  const reason = new MigrationError('INTERRUPTED', 'A signal came.');
  const ending = settled(['A key.', 'An index.'], reason, stop.signal);
  stop.abort(reason);
  expect((await ending).ending).toMatchObject({
    code: 'INTERRUPTED',
    message: expect.stringMatching(/^A signal came\. The swap has happened: .* A resume does what is left: An index\.$/),
  });
});
