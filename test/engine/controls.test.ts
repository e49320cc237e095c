import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';

test('a run that begins while somebody holds says so first, and whatever changes after that', () => {
  const controls = new Controls(DEFAULT_OPTIONS);
  controls.pause('window', 'outside 22:00-06:00');
  controls.holdCutover('operator', '--cutover manual');
  const events: MigrationEvent[] = [];
  controls.announceTo((event) => events.push(event));
  controls.unpause('window');
  controls.unpause('window');
  expect(events).toEqual([
    { kind: 'paused', by: 'window', reason: 'outside 22:00-06:00' },
    { kind: 'cutover-held', by: 'operator', reason: '--cutover manual' },
    { kind: 'unpaused', by: 'window' },
  ]);
});

test('work goes on when the last of several who hold lets go', () => {
  const controls = new Controls(DEFAULT_OPTIONS);
  controls.pause('window', 'outside 22:00-06:00');
  controls.pause('operator', 'lunch');
  expect(controls.pauses).toEqual([
    { by: 'window', reason: 'outside 22:00-06:00' },
    { by: 'operator', reason: 'lunch' },
  ]);
  controls.unpause('window');
  expect(controls.pausedBy).toEqual({ by: 'operator', reason: 'lunch' });
  controls.unpause('operator');
  expect(controls.pausedBy).toBeNull();
});
