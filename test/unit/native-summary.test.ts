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

function done(step: number): MigrationEvent {
  return { kind: 'native-step-done', step, attempt: 1, durationMs: 1 };
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
