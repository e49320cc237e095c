import { expect, test } from 'vitest';
import { Controls } from '../../src/engine/controls.ts';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { DEFAULT_OPTIONS } from '../../src/engine/options.ts';
import { settle } from '../support/virtual-clock.ts';

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

test('whoever waits wakes at each change, which is told once, and not where nothing changes', async () => {
  const controls = new Controls(DEFAULT_OPTIONS);
  const told: string[] = [];
  controls.announceTo(({ kind }) => told.push(kind));
  /** What it wakes for, and has told. */
  const wokenBy = async (act: () => void): Promise<readonly [isWoken: boolean, told: readonly string[]]> => {
    const over = new AbortController();
    let isWoken = false;
    const waiting = controls.changed(over.signal).then(
      () => (isWoken = true),
      () => undefined,
    );
    act();
    await settle();
    over.abort(new Error('looked'));
    await waiting;
    return [isWoken, told.splice(0)];
  };
  expect(await wokenBy(() => controls.pause('operator', 'lunch'))).toEqual([true, ['paused']]);
  expect(await wokenBy(() => controls.pause('operator', 'lunch'))).toEqual([false, []]);
  expect(await wokenBy(() => controls.pause('operator', 'a longer one'))).toEqual([true, ['paused']]);
  expect(await wokenBy(() => controls.unpause('operator'))).toEqual([true, ['unpaused']]);
  expect(await wokenBy(() => controls.unpause('operator'))).toEqual([false, []]);
  expect(await wokenBy(() => controls.holdCutover('operator', 'not yet'))).toEqual([true, ['cutover-held']]);
  expect(await wokenBy(() => controls.releaseCutover('operator', 'anna'))).toEqual([true, ['cutover-released']]);
  expect(await wokenBy(() => controls.verifyAgain('operator'))).toEqual([true, ['verification-asked']]);
  expect(controls.verificationsAsked).toBe(1);
  expect(await wokenBy(() => controls.change({ copyWorkers: 5 }, 'anna'))).toEqual([true, ['options-changed']]);
  expect(controls.limitsRevision).toBe(0);
  const load = { ...DEFAULT_OPTIONS.load, runningThreadsMax: 7 };
  expect(await wokenBy(() => controls.change({ load }, 'anna'))).toEqual([true, ['options-changed']]);
  expect(controls.limitsRevision).toBe(1);
  const flagFile = [{ name: 'flag-file', before: null, after: '/tmp/stop' }];
  expect(await wokenBy(() => controls.noteChanges(flagFile, 'anna'))).toEqual([true, ['options-changed']]);
  expect(controls.limitsRevision).toBe(2);
  expect(await wokenBy(() => controls.wake())).toEqual([true, []]);
});

test('a hold of the cutover is waited for until its last holder lets go, and each is told once', async () => {
  const controls = new Controls(DEFAULT_OPTIONS);
  const { signal } = new AbortController();
  controls.holdCutover('operator', 'not yet');
  controls.holdCutover('window', 'outside 22:00-06:00');
  const told: MigrationEvent[] = [];
  const deeds: string[] = [];
  const wait = async (isWaiting: () => boolean): Promise<void> => {
    await controls.awaitCutoverRelease(isWaiting, (event) => told.push(event), signal);
    deeds.push('goes on');
  };
  const waiting = wait(() => true);
  controls.wake();
  await settle();
  controls.wake();
  await settle();
  controls.releaseCutover('operator');
  await settle();
  expect([told.splice(0), deeds]).toEqual([
    [
      { kind: 'cutover-awaited', by: 'operator', reason: 'not yet' },
      { kind: 'cutover-awaited', by: 'window', reason: 'outside 22:00-06:00' },
    ],
    [],
  ]);
  let isWaiting = true;
  const asked = wait(() => isWaiting);
  isWaiting = false;
  controls.wake();
  await asked;
  expect(deeds).toEqual(['goes on']);
  controls.releaseCutover('window');
  await waiting;
});

test('a change tells every setting that is another now, with its value before, and by whom', () => {
  const controls = new Controls(DEFAULT_OPTIONS);
  const events: MigrationEvent[] = [];
  controls.announceTo((event) => events.push(event));
  controls.change({ copyWorkers: 7, cutover: { ...DEFAULT_OPTIONS.cutover, lockTimeoutMs: 9_000 } }, 'anna');
  controls.change({ copyWorkers: 7, latency: null }, 'anna');
  controls.change({ copyWorkers: 7 }, 'anna');
  expect(events).toEqual([
    {
      ...{ kind: 'options-changed', by: 'anna' },
      changes: [
        { name: 'copyWorkers', before: 2, after: 7 },
        { name: 'cutover.lockTimeoutMs', before: 2_000, after: 9_000 },
      ],
    },
    {
      ...{ kind: 'options-changed', by: 'anna' },
      changes: [
        { name: 'latency.factor', before: 2, after: null },
        { name: 'latency.floorMs', before: 10, after: null },
      ],
    },
  ]);
});

test('a limit on the load is changed once the server has said that it knows it, and not if it does not', async () => {
  const controls = new Controls(DEFAULT_OPTIONS);
  const events: MigrationEvent[] = [];
  controls.announceTo((event) => events.push(event));
  controls.checkLoadBy(async ({ max }) => {
    if ('frobs' in max) throw new MigrationError('BAD_USAGE', 'There is no frobs.');
    await Promise.resolve();
  });
  const { signal } = new AbortController();
  const both = [
    controls.changeLoad({ max: { threads: 5 } }, 'anna', signal),
    controls.changeLoad({ query: 'SELECT 0' }, 'bo', signal),
  ];
  await Promise.all(both);
  await expect(controls.changeLoad({ max: { frobs: 1 } }, 'anna', signal)).rejects.toThrow('There is no frobs.');
  expect(controls.options.load).toEqual({ ...DEFAULT_OPTIONS.load, max: { threads: 5 }, query: 'SELECT 0' });
  expect(events).toEqual([
    { kind: 'options-changed', by: 'anna', changes: [{ name: 'load.max.threads', before: null, after: 5 }] },
    { kind: 'options-changed', by: 'bo', changes: [{ name: 'load.query', before: null, after: 'SELECT 0' }] },
  ]);
});

test('a setting that no run could keep to is refused, at the start and as a change, and nothing has changed then', () => {
  const { cutover, load } = DEFAULT_OPTIONS;
  const refused = [
    [{ copyWorkers: 0 }, 'copyWorkers must be a whole number, 1 or more; it is 0'],
    [{ chunkRowsMax: 1.5 }, 'chunkRowsMax must be a whole number, 1 or more; it is 1.5'],
    [{ checkpointIntervalMs: Number.NaN }, 'checkpointIntervalMs must be a number, 0 or more; it is NaN'],
    [{ checkpointIntervalMs: 2 ** 31 }, 'checkpointIntervalMs must be 2147483647 at most; it is 2147483648'],
    [{ niceRatio: -1 }, 'niceRatio must be a number, 0 or more; it is -1'],
    [{ latency: { factor: 2, floorMs: -1 } }, 'latency.floorMs must be a number, 0 or more; it is -1'],
    [{ cutover: { ...cutover, lockTimeoutMs: 0 } }, 'cutover.lockTimeoutMs must be a number above 0; it is 0'],
    [{ cutover: { ...cutover, lagMaxMs: 0 } }, 'cutover.lagMaxMs must be a number above 0; it is 0'],
    [{ load: { ...load, max: { Threads_running: 0 } } }, 'load.max.Threads_running must be a number above 0; it is 0'],
    [{ load: { ...load, critical: { sessions: Number.NaN } } }, 'load.critical.sessions must be a number above 0; it is NaN'],
    [{ load: { ...load, runningThreadsMax: 0 } }, 'load.runningThreadsMax must be a whole number, 1 or more; it is 0'],
  ] as const;
  const controls = new Controls({ ...DEFAULT_OPTIONS, niceRatio: 0.5, latency: null });
  const before = { ...controls.options };
  for (const [changes, message] of refused) {
    const error = new MigrationError('BAD_USAGE', `The setting ${message}.`);
    expect(() => new Controls({ ...DEFAULT_OPTIONS, ...changes })).toThrow(error);
    expect(() => controls.change(changes, 'anna')).toThrow(error);
  }
  expect(controls.options).toEqual(before);
});
