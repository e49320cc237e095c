import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { sayFarewell } from '../../src/engine/farewell.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

test('what a run could not save at its end is told, with why, and that a resume goes on from the checkpoint before', async () => {
  const events: MigrationEvent[] = [];
  const observer = (event: MigrationEvent): number => events.push(event);
  const clock = new VirtualClock();
  const told = (code: string): MigrationEvent => ({
    kind: 'warning',
    about: 'checkpoint',
    message: `The end of the run could not be saved (${code}). The migration stays, and a resume goes on from the checkpoint before.`,
  });
  const held = { lost: new AbortController().signal, clock, observer };
  await sayFarewell(held, () => Promise.resolve());
  expect(events).toEqual([]);
  await sayFarewell(held, () => Promise.reject(new MigrationError('CONNECTION_LOST', 'cut')));
  // Whoever has the claim now must not find anything of ours.
  let isTried = false;
  await sayFarewell({ ...held, lost: AbortSignal.abort(new MigrationError('CLAIM_LOST', 'gone')) }, async () => {
    isTried = true;
  });
  expect(isTried).toBe(false);
  expect(events).toEqual([told('CONNECTION_LOST'), told('CLAIM_LOST')]);
  const hanging = sayFarewell(
    held,
    (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cut off')))),
  );
  await clock.advance(4_999);
  expect(events).toHaveLength(2);
  await clock.advance(1);
  await hanging;
  expect(events.at(-1)).toEqual(told('STATEMENT_TIMEOUT'));
});
