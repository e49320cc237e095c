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
  await sayFarewell({ ...held, lost: AbortSignal.abort(new MigrationError('CLAIM_LOST', 'gone')) }, () =>
    Promise.reject(new Error('never asked')),
  );
  expect(events).toEqual([told('CONNECTION_LOST'), told('CLAIM_LOST')]);
});
