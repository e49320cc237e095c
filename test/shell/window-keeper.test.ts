import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { WindowKeeper } from '../../src/shell/window-keeper.ts';
import { Windows } from '../../src/shell/window.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const hourMs = 3_600_000;

/** A keeper in virtual time, and the events that it causes with the minute at which they came. */
function startKeeper(startsAt: string) {
  const clock = new VirtualClock();
  const controls = new Controls(DEFAULT_OPTIONS);
  const now = (): Date => new Date(Date.parse(startsAt) + clock.now());
  const events: string[] = [];
  controls.announceTo((event: MigrationEvent) => {
    const reason = 'reason' in event ? `: ${event.reason}` : '';
    events.push(`${now().toISOString().slice(11, 16)} ${event.kind}${reason}`);
  });
  const keeper = new WindowKeeper(controls, clock, now);
  const end = new AbortController();
  return {
    ...{ clock, controls, keeper, events },
    run: async (ms: number): Promise<void> => {
      const kept = keeper.keep(end.signal).catch((error: unknown) => error);
      await clock.advance(ms);
      end.abort(new MigrationError('INTERRUPTED', 'The test is over.'));
      await kept;
    },
  };
}

test('a run that starts outside its window waits with the copy and the swap, and says until when', async () => {
  const { keeper, controls, events, run } = startKeeper('2026-11-21T18:30:00Z');
  keeper.setCopy(new Windows('22:00-06:00', 'Europe/Berlin', '--window'));
  expect(controls.pausedBy).toEqual({
    by: 'window',
    reason: 'outside 22:00-06:00; next at 2026-11-21 22:00 Europe/Berlin',
  });
  await run(12 * hourMs);
  expect(events).toEqual([
    '18:30 paused: outside 22:00-06:00; next at 2026-11-21 22:00 Europe/Berlin',
    '18:30 cutover-held: outside 22:00-06:00; next at 2026-11-21 22:00 Europe/Berlin',
    '21:00 unpaused',
    '21:00 cutover-released',
    '05:00 paused: outside 22:00-06:00; next at 2026-11-22 22:00 Europe/Berlin',
    '05:00 cutover-held: outside 22:00-06:00; next at 2026-11-22 22:00 Europe/Berlin',
  ]);
});

test('the cutover may have a window of its own', async () => {
  const { keeper, events, run } = startKeeper('2026-11-21T02:00:00Z');
  keeper.setCopy(new Windows('01:00-06:00', 'UTC', '--window'));
  keeper.setCutover(new Windows('04:00-05:00', 'UTC', '--cutover-window'));
  await run(3 * hourMs);
  expect(events).toEqual([
    '02:00 cutover-held: outside 04:00-05:00; next at 2026-11-21 04:00 UTC',
    '04:00 cutover-released',
    '05:00 cutover-held: outside 04:00-05:00; next at 2026-11-22 04:00 UTC',
  ]);
});

test('a cutover without windows of its own keeps to those of the copy, also to those that come later', () => {
  const { keeper, controls, events } = startKeeper('2026-11-21T12:00:00Z');
  keeper.setCutover(new Windows('04:00-05:00', 'UTC', '--cutover-window'));
  keeper.setCopy(new Windows('11:00-13:00', 'UTC', '--window'));
  keeper.letCutoverFollow();
  keeper.setCopy(new Windows('22:00-06:00', 'UTC', '--window'));
  keeper.setCopy(new Windows('23:00-06:00', 'UTC', '--window'));
  expect(events.filter((event) => event.includes('cutover'))).toEqual([
    '12:00 cutover-held: outside 04:00-05:00; next at 2026-11-22 04:00 UTC',
    '12:00 cutover-released',
    '12:00 cutover-held: outside 22:00-06:00; next at 2026-11-21 22:00 UTC',
    '12:00 cutover-held: outside 23:00-06:00; next at 2026-11-21 23:00 UTC',
  ]);
  expect(controls.pausedBy?.reason).toBe('outside 23:00-06:00; next at 2026-11-21 23:00 UTC');
});

test('windows that are changed take effect at once', () => {
  const { keeper, events } = startKeeper('2026-11-21T12:00:00Z');
  keeper.setCutover(null);
  keeper.setCopy(new Windows('22:00-06:00', 'UTC', '--window'));
  keeper.setCopy(new Windows('11:00-13:00', 'UTC', '--window'));
  keeper.setCopy(new Windows('14:00-15:00', 'UTC', '--window'));
  keeper.setCopy(null);
  expect(events).toEqual([
    '12:00 paused: outside 22:00-06:00; next at 2026-11-21 22:00 UTC',
    '12:00 unpaused',
    '12:00 paused: outside 14:00-15:00; next at 2026-11-21 14:00 UTC',
    '12:00 unpaused',
  ]);
});
