/** docs/schemas/event.schema.json knows each event of the engine with its fields, and nothing more. */
import { describe, expect, test } from 'vitest';
import type { MigrationEvent } from '../../src/engine/events.ts';
import type { MigrationId } from '../../src/engine/model.ts';
import { copyProgress } from '../support/run-events.ts';
import { lineFaults, schemaFaults } from '../support/schemas.ts';

type Examples = {
  readonly [Kind in MigrationEvent['kind']]: Required<Omit<Extract<MigrationEvent, { kind: Kind }>, 'kind'>>;
};

/** One of each kind, with all that it may have: the compiler asks for a new kind or field. */
const examples: Examples = {
  'phase-entered': { phase: 'await-cutover' },
  resumed: { phase: 'copy', rowsCopied: 12_000 },
  'chunk-copied': { rows: 12_000, durationMs: 243.5, isCollided: false },
  'changes-applied': { keys: 3, durationMs: 2.1, rowsInTheWay: 0 },
  'range-verified': { rows: 12_000, durationMs: 91, isEqual: true },
  'difference-found': { keys: ['(1)'], pass: 1 },
  'verification-passed': { pass: 2, rows: 3_000_000, repaired: 1 },
  retrying: { what: 'copying a chunk', attempt: 1, code: 'CONNECTION_LOST', message: 'It is gone.' },
  'checkpoint-saved': { phase: 'copy' },
  throttled: { signal: 'latency', detail: 'a small write takes 20 ms' },
  'throttle-released': { throttledMs: 4_000 },
  warning: { about: 'disk', message: 'It is nearly full.' },
  noticed: { about: 'replicas', message: 'One was found.' },
  paused: { by: 'operator', reason: 'asked for by root' },
  unpaused: { by: 'operator', who: 'root' },
  'cutover-held': { by: 'file', reason: '/tmp/hold exists' },
  'cutover-released': { by: 'operator', who: 'root' },
  'cutover-awaited': { by: 'window', reason: 'it opens at 22:00' },
  'verification-asked': { by: 'root' },
  'options-changed': { by: 'root', changes: [{ name: 'window', before: null, after: '22:00-06:00' }] },
  'cutover-attempt': { attempt: 1, lockTimeoutMs: 2_000 },
  'cutover-failed': { attempt: 1, reason: 'no lock', blockers: ['connection 7'], nextInMs: 1_000 },
  'blocker-ended': { attempt: 2, blocker: 'connection 7' },
  swapped: { blockedMs: 34.1 },
  settling: { left: ['The key is to be validated.'] },
  settled: { what: 'The key is validated.' },
  'native-step-begun': { step: 1, steps: 2, attempt: 1, sql: 'ALTER TABLE t …', isBrief: true, lockTimeoutMs: 2_000 },
  'native-step-done': { step: 1, attempt: 1, durationMs: 12, soughtMs: 5 },
  'native-step-blocked': { step: 1, attempt: 1, soughtMs: 0, blockers: [], nextInMs: 0 },
  'drop-blocked': { table: 'shop.old', attempt: 1, blockers: [], nextInMs: 0 },
  progress: { progress: copyProgress },
  finished: { id: 'k3v9x2' as MigrationId },
};
const time = '2026-11-21T12:00:00.000Z';

describe.each(Object.entries(examples))('the event %s', (kind, fields) => {
  const event = { kind, ...fields };

  test('is as the schema says, as the library gives it and on a line, also of a family', () => {
    expect(schemaFaults('event#/$defs/event', event)).toEqual([]);
    for (const about of [{}, { table: 'shop.orders' }]) {
      expect(lineFaults(JSON.stringify({ time, ...about, ...event }))).toEqual([]);
    }
  });

  test('has no field that the schema does not know, and lacks none but who asked', () => {
    const [name = ''] = Object.keys(fields);
    expect(schemaFaults('event', { time, ...event, more: 1 })).not.toEqual([]);
    for (const key of Object.keys(fields)) {
      const less = Object.fromEntries(Object.entries(event).filter(([other]) => other !== key));
      expect(schemaFaults('event', { time, ...less }).length === 0, key).toBe(key === 'who');
    }
    expect(schemaFaults('event', { time, ...event, [name]: { no: 'such' } })).not.toEqual([]);
  });
});

test('a sentence of the command line is a note, which the library does not have', () => {
  const note = { kind: 'note', message: 'Listening at /run/k3v9x2.sock.' };
  expect(lineFaults(JSON.stringify({ time, ...note }))).toEqual([]);
  expect(schemaFaults('event#/$defs/event', note)).not.toEqual([]);
});
