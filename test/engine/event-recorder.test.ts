import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import { EventRecorder } from '../../src/engine/event-recorder.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import type { MigrationId } from '../../src/engine/model.ts';
import type { EventLog, LogEntry } from '../../src/engine/ports.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

type Append = (entries: readonly LogEntry[], signal: AbortSignal) => Promise<void>;

/** A recorder whose writes go to `written`, batch by batch, unless `append` says otherwise. */
function setUp(append: Append = async () => undefined) {
  const clock = new VirtualClock();
  const written: (readonly object[])[] = [];
  const warnings: MigrationEvent[] = [];
  const log: EventLog = {
    append: async (_id, entries, signal) => {
      await append(entries, signal);
      written.push(entries.map(({ kind, details }) => ({ kind, ...(JSON.parse(details) as object) })));
    },
    read: async () => [],
  };
  const recorder = new EventRecorder({
    ...{ log, id: 'abc' as MigrationId, clock },
    hide: (text) => text.replace('geheim', '***'),
    observer: (event) => {
      warnings.push(event);
      recorder.observe(event);
    },
  });
  const controller = new AbortController();
  const keeping = recorder.keep(controller.signal).catch(() => undefined);
  const stop = async (): Promise<void> => {
    controller.abort(new Error('over'));
    await keeping;
    await recorder.finish();
  };
  return { clock, written, warnings, recorder, stop };
}

const throttled: MigrationEvent = { kind: 'throttled', signal: 'load', detail: 'much' };

test('events of a second are written together, without chunks and figures', async () => {
  const { clock, written, recorder, stop } = setUp();
  recorder.observe({ kind: 'phase-entered', phase: 'copy' });
  recorder.observe({ kind: 'chunk-copied', rows: 1, durationMs: 1, isCollided: false });
  recorder.observe({ kind: 'changes-applied', keys: 1, durationMs: 1, rowsInTheWay: 0 });
  recorder.observe({ kind: 'paused', by: 'operator', reason: 'paused by hand' });
  await clock.advance(1_000);
  expect(written).toEqual([
    [
      { kind: 'phase-entered', phase: 'copy' },
      { kind: 'paused', by: 'operator', reason: 'paused by hand' },
    ],
  ]);
  await stop();
});

test('a stop is told once it has lasted five seconds, and then its end', async () => {
  const { clock, written, recorder, stop } = setUp();
  recorder.observe(throttled);
  await clock.advance(4_900);
  recorder.observe({ kind: 'throttle-released', throttledMs: 4_900 });
  recorder.observe(throttled);
  await clock.advance(6_100);
  expect(written).toEqual([[throttled]]);
  recorder.observe({ kind: 'throttle-released', throttledMs: 6_100 });
  await stop();
  expect(written).toEqual([[throttled], [{ kind: 'throttle-released', throttledMs: 6_100 }]]);
});

test('a stop that was over sooner is never told, and one of five seconds also where it or the run ends before the next look', async () => {
  const { clock, written, recorder, stop } = setUp();
  const released = (throttledMs: number): MigrationEvent => ({ kind: 'throttle-released', throttledMs });
  recorder.observe(throttled);
  recorder.observe(released(0));
  await clock.advance(6_500);
  expect(written).toEqual([]);
  recorder.observe(throttled);
  await clock.advance(5_300);
  expect(written).toEqual([]);
  recorder.observe(released(5_300));
  await clock.advance(200);
  expect(written.splice(0)).toEqual([[throttled, released(5_300)]]);
  await clock.advance(500);
  recorder.observe(throttled);
  await clock.advance(5_000);
  expect(written).toEqual([]);
  await stop();
  expect(written).toEqual([[throttled]]);
});

test('each entry is written with its age: a stop is as old as its begin, and what waits for a slow write is as old as it is', async () => {
  const ages: (readonly [kind: string, ageMs: number])[] = [];
  let isSlow = true;
  const { clock, recorder, stop } = setUp(async (entries, signal) => {
    if (isSlow) {
      isSlow = false;
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new MigrationError('INTERRUPTED', 'ended')));
      });
    }
    ages.push(...entries.map(({ kind, ageMs }) => [kind, ageMs] as const));
  });
  recorder.observe({ kind: 'phase-entered', phase: 'copy' });
  await clock.advance(1_000);
  recorder.observe({ kind: 'unpaused', by: 'operator' });
  recorder.observe(throttled);
  await clock.advance(7_000);
  expect(ages).toEqual([
    ['unpaused', 4_000],
    ['throttled', 5_000],
  ]);
  await stop();
});

test('what ended the run is written although the run was aborted', async () => {
  const { written, recorder, stop } = setUp(async () => await settle());
  recorder.failed(new MigrationError('INTERRUPTED', 'The run was ended by SIGINT.'));
  await stop();
  expect(written).toEqual([[{ kind: 'failed', code: 'INTERRUPTED', message: 'The run was ended by SIGINT.' }]]);
});

test('a write that fails is left out, with one warning until one succeeds', async () => {
  let isDown = true;
  const { clock, written, warnings, recorder, stop } = setUp(async () => {
    if (isDown) throw new MigrationError('CONNECTION_LOST', 'The connection is gone.');
  });
  recorder.observe({ kind: 'phase-entered', phase: 'copy' });
  await clock.advance(1_000);
  recorder.observe({ kind: 'phase-entered', phase: 'verify' });
  await clock.advance(1_000);
  const message = 'Events are missing in the database, for they could not be written there: The connection is gone.';
  expect(warnings).toEqual([{ kind: 'warning', about: 'event log', message }]);
  isDown = false;
  recorder.observe({ kind: 'finished', id: 'abc' as MigrationId });
  await clock.advance(1_000);
  expect(written).toEqual([[{ kind: 'finished', id: 'abc' }]]);
  await stop();
});

test('a write that hangs is given up after three seconds, and what comes meanwhile is bounded', async () => {
  let hung = 0;
  const { clock, written, warnings, recorder, stop } = setUp(async (_entries, signal) => {
    if (hung++ > 0) return;
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new MigrationError('INTERRUPTED', 'ended')));
    });
  });
  recorder.observe({ kind: 'phase-entered', phase: 'copy' });
  await clock.advance(1_000);
  for (let attempt = 1; attempt <= 300; attempt++) recorder.observe({ kind: 'unpaused', by: String(attempt) });
  await clock.advance(3_000);
  expect(warnings).toMatchObject([{ kind: 'warning', message: expect.stringContaining('it took too long') }]);
  await clock.advance(1_000);
  expect(written.map((batch) => [batch.length, batch[0]])).toEqual([[200, { kind: 'unpaused', by: '101' }]]);
  await stop();
});

test('passwords are taken out, and long texts and lists are cut', async () => {
  const { written, recorder, stop } = setUp();
  const message = `geheim ${'x'.repeat(1_000)}`;
  const blockers = Array.from({ length: 50 }, (_, number) => String(number));
  recorder.observe({ kind: 'warning', about: 'test', message });
  recorder.observe({ kind: 'cutover-failed', attempt: 1, reason: 'no lock', blockers, nextInMs: 0 });
  await settle();
  await stop();
  expect(written).toMatchObject([
    [{ message: `${message.replace('geheim', '***').slice(0, 500)}…` }, { blockers: blockers.slice(0, 10) }],
  ]);
});
