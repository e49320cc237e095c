import { expect, test } from 'vitest';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { type ControlCommand, runControlCommand, SETTABLE } from '../../src/shell/operator-commands.ts';
import { readOptions } from '../../src/shell/option-values.ts';
import { openSteering } from '../../src/shell/steering.ts';

/** A run that only its controls are of, at noon UTC. */
async function openRun(flags: Readonly<Record<string, string>> = {}) {
  const { values } = readOptions('resume', { url: 'mysql://db1/shop', windowTimezone: 'UTC', ...flags }, {});
  const steering = await openSteering(values, DEFAULT_OPTIONS, () => new Date('2026-11-21T12:00:00Z'));
  const events: MigrationEvent[] = [];
  const told: string[] = [];
  steering.controls.announceTo((event) => events.push(event));
  const controlled = { steering, abort: () => told.push('aborted'), note: (text: string) => told.push(text) };
  const tell = (command: ControlCommand, setting: string | null = null) => runControlCommand(controlled, command, setting);
  return { controls: steering.controls, events, told, tell };
}

test('pause and unpause hold the copy and let it go', async () => {
  const { tell, events } = await openRun();
  expect(tell('pause')).toEqual({ isDone: true, message: 'Copying and verifying rest; changes are still applied.' });
  expect(tell('unpause')).toEqual({ isDone: true, message: 'Copying and verifying may go on.' });
  expect(events).toEqual([
    { kind: 'paused', by: 'operator', reason: 'paused by hand' },
    { kind: 'unpaused', by: 'operator' },
  ]);
});

test('cutover lets go what --cutover manual holds, and says who else holds', async () => {
  const { tell, controls } = await openRun({ cutover: 'manual', cutoverWindow: '22:00-06:00' });
  expect(controls.cutoverHolds.map(({ by }) => by)).toEqual(['operator', 'window']);
  expect(tell('cutover').message).toBe(
    'The swap may go on as far as you are concerned, but: held by window (outside 22:00-06:00; next at 2026-11-21 22:00 UTC).',
  );
  expect(tell('set', 'cutover-window=any')).toEqual({ isDone: true, message: 'cutover-window is any now.' });
  expect(controls.cutoverHolds).toEqual([]);
  tell('postpone');
  expect(controls.cutoverHeldBy).toEqual({ by: 'operator', reason: 'postponed by hand' });
});

test('every option that may change takes effect, and is told', async () => {
  const { tell, controls, events, told } = await openRun();
  const settings = [
    ...['workers=7', 'apply-workers=3', 'chunk-time=1s', 'chunk-rows-max=500', 'checkpoint-interval=2s', 'max-latency=40ms'],
    ...['cutover-lock-timeout=3s', 'cutover-hold-timeout=9s', 'cutover-attempts=77', 'kill-blockers-after=3'],
  ];
  for (const setting of settings) expect(tell('set', setting)).toMatchObject({ isDone: true });
  expect(controls.options).toMatchObject({
    ...{ copyWorkers: 7, applyWorkers: 3, chunkTargetMs: 1_000, chunkRowsMax: 500, checkpointIntervalMs: 2_000 },
    latency: { factor: 0, floorMs: 40 },
    cutover: { ...DEFAULT_OPTIONS.cutover, lockTimeoutMs: 3_000, holdTimeoutMs: 9_000, attemptsMax: 77, killBlockersAfter: 3 },
  });
  expect(events.map(({ kind }) => kind)).toEqual(settings.map(() => 'options-changed'));
  tell('set', 'window=22:00-06:00');
  expect(told).toEqual(['window is 22:00-06:00 now.']);
  expect(controls.pausedBy?.by).toBe('window');
  const names = [...settings.map((text) => text.split('=')[0]), 'cutover-window', 'window'];
  expect(new Set(SETTABLE)).toEqual(new Set(names));
});

test.each([
  ['workers=0', 'workers must be from 1 to 64, not "0".'],
  ['workers', `What can be set is NAME=VALUE with one of ${SETTABLE.join(', ')}.`],
  ['url=mysql://evil/', `What can be set is NAME=VALUE with one of ${SETTABLE.join(', ')}.`],
  ['chunk-time=', 'chunk-time is empty.'],
  [
    'window=tonight',
    'window must be windows such as "22:00-06:00" or "Mon-Fri 22:00-06:00, Sat Sun 00:00-24:00", not "tonight".',
  ],
])('set %j is refused, and nothing changes', async (setting, message) => {
  const { tell, controls, events } = await openRun();
  expect(tell('set', setting)).toEqual({ isDone: false, message });
  expect(controls.options).toEqual(DEFAULT_OPTIONS);
  expect(events).toEqual([]);
});

test('abort ends the run', async () => {
  const { tell, told } = await openRun();
  expect(tell('abort')).toMatchObject({ isDone: true });
  expect(told).toEqual(['aborted']);
});
