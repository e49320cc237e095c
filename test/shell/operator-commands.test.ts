import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
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
  const aborted: string[] = [];
  steering.controls.announceTo((event) => events.push(event));
  const controlled = { steering, strategy: 'shadow' as const, abort: (who: string) => aborted.push(who) };
  const tell = async (command: ControlCommand, setting: string | null = null) =>
    await runControlCommand(controlled, { command, setting, who: 'anna' });
  return { controls: steering.controls, steering, events, aborted, tell };
}

test('pause and unpause hold the copy and let it go, and say who asked for it', async () => {
  const { tell, events } = await openRun();
  expect(await tell('pause')).toEqual({ isDone: true, message: 'Copying and verifying rest; changes are still applied.' });
  expect(await tell('unpause')).toEqual({ isDone: true, message: 'Copying and verifying may go on.' });
  expect(events).toEqual([
    { kind: 'paused', by: 'operator', reason: 'asked for by anna' },
    { kind: 'unpaused', by: 'operator', who: 'anna' },
  ]);
});

test('verify asks for all rows to be compared once more, and says by whom it was asked', async () => {
  const { tell, controls, events } = await openRun();
  expect(await tell('verify')).toEqual({
    isDone: true,
    message: 'All rows are compared before the next attempt of the swap, once more where they were already.',
  });
  expect(controls.verificationsAsked).toBe(1);
  expect(events).toEqual([{ kind: 'verification-asked', by: 'anna' }]);
});

test('cutover lets go what --cutover manual holds, and says who else holds', async () => {
  const { tell, controls, events } = await openRun({ cutover: 'manual', cutoverWindow: '22:00-06:00' });
  expect(controls.cutoverHolds.map(({ by }) => by)).toEqual(['operator', 'window']);
  expect((await tell('cutover')).message).toBe(
    'The swap may go on as far as you are concerned, but: held by window (outside 22:00-06:00; next at 2026-11-21 22:00 UTC).',
  );
  expect(events.at(-1)).toEqual({ kind: 'cutover-released', by: 'operator', who: 'anna' });
  expect(await tell('set', 'cutover-window=any')).toEqual({ isDone: true, message: 'cutover-window is any now.' });
  expect(controls.cutoverHolds).toEqual([]);
  await tell('set', 'window=20:00-21:00');
  expect(controls.cutoverHolds).toEqual([]);
  // Without a window of its own it keeps to that of the copy, as it would have from the start.
  await tell('set', 'cutover-window=default');
  expect(controls.cutoverHeldBy).toEqual({ by: 'window', reason: 'outside 20:00-21:00; next at 2026-11-21 20:00 UTC' });
  await tell('set', 'window=any');
  expect(controls.cutoverHolds).toEqual([]);
  await tell('postpone');
  expect(controls.cutoverHeldBy).toEqual({ by: 'operator', reason: 'asked for by anna' });
});

/** Each setting, and the change that is told of it. */
const settings: readonly (readonly [setting: string, name: string, before: unknown, after: unknown])[] = [
  ['workers=7', 'copyWorkers', 2, 7],
  ['apply-workers=3', 'applyWorkers', 2, 3],
  ['chunk-time=1s', 'chunkTargetMs', 10, 1_000],
  ['chunk-rows-max=500', 'chunkRowsMax', 50_000, 500],
  ['nice-ratio=1.5', 'niceRatio', null, 1.5],
  ['checkpoint-interval=2s', 'checkpointIntervalMs', 5_000, 2_000],
  ['max-latency=40ms', 'latency.floorMs', 10, 40],
  ['cutover-lock-timeout=3s', 'cutover.lockTimeoutMs', 2_000, 3_000],
  ['cutover-hold-timeout=9s', 'cutover.holdTimeoutMs', 5_000, 9_000],
  ['cutover-attempts=77', 'cutover.attemptsMax', 10, 77],
  ['kill-blockers-after=3', 'cutover.killBlockersAfter', 0, 3],
  ['old-snapshots=ignore', 'cutover.oldSnapshots', 'wait', 'ignore'],
  ['max-running-threads=9', 'load.runningThreadsMax', 64, 9],
  ['max-lag=2s', 'load.replicaLagMaxMs', 5_000, 2_000],
  ['max-load=Threads_running=25', 'load.max.Threads_running', null, 25],
  ['critical-load=Threads_running=50', 'load.critical.Threads_running', null, 50],
  ['throttle-query=SELECT 0', 'load.query', null, 'SELECT 0'],
  ['max-retained-log=1GB', 'load.retainedLogBytesMax', null, 1024 ** 3],
  ['window=22:00-06:00', 'window', null, '22:00-06:00'],
  ['cutover-window=any', 'cutoverWindow', null, 'any'],
  ['throttle-file=/nowhere/stop', 'throttleFile', null, '/nowhere/stop'],
  ['throttle-http=http://db1/go?token=x', 'throttleHttp', null, 'http://db1/go'],
  ['cutover-file=/nowhere/wait', 'cutoverFile', null, '/nowhere/wait'],
];

test.each(settings)(
  'set %s takes effect, is told with the value before and by whom, and default takes it back',
  async (setting, name, before, after) => {
    const { tell, events, controls, steering } = await openRun();
    const start = { ...controls.options, ...steering.settings };
    const [flag, text] = [setting.slice(0, setting.indexOf('=')), setting.slice(setting.indexOf('=') + 1)];
    // A login or a query in an address is used and not shown.
    const shown = name === 'throttleHttp' ? String(after) : text;
    expect(await tell('set', setting)).toEqual({ isDone: true, message: `${flag} is ${shown} now.` });
    const told = events.flatMap((event) => (event.kind === 'options-changed' ? [event] : []));
    expect(told.map(({ by }) => by)).toEqual(['anna']);
    expect(told[0]?.changes).toContainEqual({ name, before, after });
    expect(await tell('set', `${flag}=default`)).toEqual({ isDone: true, message: `${flag} has its default again.` });
    expect({ ...controls.options, ...steering.settings }).toEqual(start);
  },
);

test('all that can be set is tried here', () => {
  expect(new Set(SETTABLE)).toEqual(new Set(settings.map(([text]) => text.split('=')[0])));
});

test('a window, a file and an address that are set hold at once, and none takes them away', async () => {
  const { tell, controls, steering } = await openRun();
  await tell('set', 'window=22:00-06:00');
  expect(controls.pausedBy?.by).toBe('window');
  await tell('set', 'cutover-file=/nowhere/wait');
  expect(controls.cutoverHolds).toContainEqual({ by: 'file', reason: 'the directory of /nowhere/wait cannot be read' });
  await tell('set', 'throttle-file=/');
  const { signal } = new AbortController();
  const sample = async () => await steering.signals.find(({ name }) => name === 'throttle file')?.sample(signal);
  expect(await sample()).toEqual({ pressure: 1, detail: '/ exists' });
  for (const setting of ['window=any', 'cutover-file=none', 'throttle-file=none']) await tell('set', setting);
  expect(await sample()).toEqual({ pressure: 0, detail: 'nothing is asked' });
  expect([controls.pauses, controls.cutoverHolds]).toEqual([[], []]);
  await tell('set', 'max-load=Threads_running=25');
  await tell('set', 'max-load=none');
  expect(controls.options.load.max).toEqual({});
});

test('default gives back what holds without any option', async () => {
  const { tell, controls } = await openRun();
  const before = controls.options;
  for (const [setting] of settings) await tell('set', setting);
  expect(controls.options.latency).toEqual({ factor: 0, floorMs: 40 });
  for (const flag of SETTABLE) {
    expect(await tell('set', `${flag}=default`)).toEqual({ isDone: true, message: `${flag} has its default again.` });
  }
  expect(controls.options).toEqual(before);
  expect([controls.pauses, controls.cutoverHolds]).toEqual([[], []]);
});

test.each([
  ['workers=0', 'workers must be from 1 to 24, not "0".'],
  ['workers', `What can be set is NAME=VALUE with one of ${SETTABLE.join(', ')}.`],
  ['url=mysql://evil/', `What can be set is NAME=VALUE with one of ${SETTABLE.join(', ')}.`],
  ['chunk-time=', 'chunk-time is empty.'],
  ['max-load=much', 'max-load must be names with limits such as Threads_running=25, not "much".'],
  ['throttle-query=DELETE FROM orders', 'throttle-query must be a SELECT.'],
  ['max-latency=none', 'max-latency takes no none: 0 does it.'],
  ['max-lag=1ms', 'max-lag must be from 1s to 1d, not "1ms".'],
  ['throttle-http=db1', '--throttle-http must be an address that begins with http:// or https://.'],
  [
    'window=tonight',
    'window must be windows such as "22:00-06:00" or "Mon-Fri 22:00-06:00, Sat Sun 00:00-24:00", or any, not "tonight".',
  ],
])('set %j is refused, and nothing changes', async (setting, message) => {
  const { tell, controls, steering, events } = await openRun();
  const before = { ...steering.settings };
  expect(await tell('set', setting)).toEqual({ isDone: false, message });
  expect(controls.options).toEqual(DEFAULT_OPTIONS);
  expect(steering.settings).toEqual(before);
  expect(events).toEqual([]);
});

test('a limit that the server cannot be asked about is not set, and the answer says why', async () => {
  const { tell, controls, events } = await openRun();
  controls.checkLoadBy(() => Promise.reject(new MigrationError('UNREACHABLE', 'Nobody answers.')));
  const message = 'max-load is as it was, for the server could not be asked about it: Nobody answers.';
  expect(await tell('set', 'max-load=Threads_running=25')).toEqual({ isDone: false, message });
  expect(controls.options).toEqual(DEFAULT_OPTIONS);
  expect(events).toEqual([]);
});

test('a check that ends in a way that nobody foresaw is an answer too, and not the end of the run', async () => {
  const { tell, controls } = await openRun();
  controls.checkLoadBy(() => Promise.reject(new TypeError('fetch failed')));
  const message = 'max-load is as it was, for the server could not be asked about it: fetch failed';
  expect(await tell('set', 'max-load=Threads_running=25')).toEqual({ isDone: false, message });
  expect(controls.options).toEqual(DEFAULT_OPTIONS);
});

test('abort ends the run, and tells by whom', async () => {
  const { tell, aborted } = await openRun();
  expect(await tell('abort')).toMatchObject({ isDone: true });
  expect(aborted).toEqual(['anna']);
});
