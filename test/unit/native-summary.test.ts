/** How a native change is added up. */
import { expect, test } from 'vitest';
import type { MigrationEvent, NativeMigration } from '../../src/index.ts';
import { summariseNative } from '../../src/shell/native-summary.ts';
import { emptyRecord, recordEvent } from '../../src/shell/run-record.ts';

const plan = {
  id: 'm-1',
  source: { schema: 'shop', table: 't' },
  native: { steps: [{}, {}, {}] },
} as unknown as NativeMigration;

function begun(step: number, steps: number, sql: string): MigrationEvent {
  return { kind: 'native-step-begun', step, steps, attempt: 1, sql, isBrief: true, lockTimeoutMs: 1000 };
}

function done(step: number): Extract<MigrationEvent, { kind: 'native-step-done' }> {
  return { kind: 'native-step-done', step, attempt: 1, durationMs: 1, soughtMs: 0 };
}

test.each([
  ['one after another', [begun(1, 3, 'a'), done(1), begun(2, 3, 'b'), done(2), begun(3, 3, 'c'), done(3)], 3],
  [
    'with a fault in the second',
    [begun(1, 3, 'a'), done(1), begun(2, 3, 'b'), begun(1, 2, 'b'), done(1), begun(2, 2, 'c'), done(2)],
    4,
  ],
])('all steps are counted once: %s', (_, events, attempts) => {
  const time = new Date(0);
  const record = events.reduce((before, event) => recordEvent(before, event, { time, nowMs: 0 }), emptyRecord(0));
  const outcome = { id: plan.id, strategy: 'native', steps: 3, attempts, elapsedMs: 0 } as const;
  const summary = summariseNative({ command: 'migrate', plan, record, nowMs: 0, outcome, resumeCommand: '' });
  expect(summary).toMatchObject({ steps: 3, stepsDone: 3, attempts });
});

test('the time in which a good moment was looked for is none for which writers were blocked', () => {
  const events: readonly (readonly [MigrationEvent, number])[] = [
    [begun(1, 1, 'a'), 0],
    [{ kind: 'native-step-blocked', step: 1, attempt: 1, soughtMs: 900, blockers: [], nextInMs: 100 }, 1_900],
    [begun(1, 1, 'a'), 2_000],
    [{ ...done(1), soughtMs: 700 }, 2_705],
  ];
  const time = new Date(0);
  const record = events.reduce((before, [event, nowMs]) => recordEvent(before, event, { time, nowMs }), emptyRecord(0));
  const outcome = { id: plan.id, strategy: 'native', steps: 1, attempts: 2, elapsedMs: 2_705 } as const;
  const summary = summariseNative({ command: 'migrate', plan, record, nowMs: 2_705, outcome, resumeCommand: '' });
  expect(summary.blockedMs).toBe(1_005);
});
