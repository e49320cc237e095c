import { expect, test } from 'vitest';
import { MigrationError } from '../../src/engine/errors.ts';
import type { MigrationEvent } from '../../src/engine/events.ts';
import { makeReport, reportMarkdown } from '../../src/shell/report.ts';
import { emptyRecord, endRecord, recordEvent } from '../../src/shell/run-record.ts';
import { summarise } from '../../src/shell/summary.ts';
import { examplePlan, exampleRun } from '../support/run-events.ts';

/** A report of these events, one a second from noon on. */
function reportOf(events: readonly MigrationEvent[]) {
  const startedAt = new Date('2026-11-21T12:00:00Z');
  const timeOf = (nowMs: number): Date => new Date(startedAt.getTime() + nowMs);
  const record = events.reduce(
    (record, event, at) => recordEvent(record, event, { time: timeOf(at * 1_000), nowMs: at * 1_000 }),
    emptyRecord(0),
  );
  const nowMs = events.length * 1_000;
  const outcome = new MigrationError('CUTOVER_NOT_LOCKED', 'The cutover did not succeed | in time.');
  const summary = summarise({
    ...{ command: 'migrate', plan: examplePlan, figures: record.figures, nowMs, outcome },
    resumeCommand: 'tableshift resume k3v9x2',
  });
  const commandLine = "tableshift migrate --alter 'MODIFY `id` bigint'";
  return makeReport({ plan: examplePlan, record, summary, startedAt, endedAt: timeOf(nowMs), commandLine });
}

test('a report has the times of the phases, what throttled, and each attempt with who was in the way', () => {
  const report = reportOf(exampleRun);
  expect(report.throttledMs).toEqual({ 'running-threads': 4_000 });
  expect(report.attempts).toEqual([
    {
      ...{ attempt: 1, outcome: 'failed', reason: 'the lock was not had within 2000 ms', blockedMs: null },
      blockers: ['session 812 (root@10.0.0.9) in a transaction for 31 s'],
      blockersEnded: [],
    },
    { attempt: 2, outcome: 'swapped', reason: null, blockers: [], blockersEnded: [], blockedMs: 34.28 },
  ]);
  expect(report.verification).toEqual({ passes: 2, rows: 3_000_412, repaired: 1 });
  expect(report.events.map(({ kind }) => kind)).not.toContain('progress');
});

test('a report reads as a page of a runbook', () => {
  const text = reportMarkdown(reportOf(exampleRun));
  expect(text.split('\n').filter((line) => line.startsWith('#'))).toEqual([
    '# Migration k3v9x2 of shop.orders',
    ...['## Change', '## Time by phase', '## Rows and changes', '## Throttling', '## Cutover', '## Verification', '## Plan'],
    '## Events',
  ]);
  expect(text).toContain('**Not done** (exit code 5). CUTOVER_NOT_LOCKED: The cutover did not succeed | in time.');
  expect(text).toContain("| command | ``tableshift migrate --alter 'MODIFY `id` bigint'`` |");
  expect(text).toContain('| prepare | 1.0 s | creating the shadow table |\n| copy | 9.0 s | copying rows |');
  expect(text).toContain('| running-threads | 4.0 s |\n| in all | 4.0 s |');
  expect(text).toContain(
    '- attempt 1 failed: the lock was not had within 2000 ms; blocked by session 812 (root@10.0.0.9) in a transaction for 31 s\n- attempt 2 swapped; writes were blocked for 34 ms\n',
  );
  expect(text).toContain('Both tables held the same 3,000,412 rows in pass 2; 1 had been repaired.');
  expect(text).not.toContain('undefined');
});

test('what stops the copy when a run ends has stopped it up to then', () => {
  const at = (nowMs: number) => ({ time: new Date(0), nowMs });
  const throttled = recordEvent(emptyRecord(0), { kind: 'throttled', signal: 'load', detail: 'much' }, at(1_000));
  const released = recordEvent(throttled, { kind: 'throttle-released', throttledMs: 500 }, at(1_500));
  const again = recordEvent(released, { kind: 'throttled', signal: 'load', detail: 'much' }, at(2_000));
  const ended = endRecord(again, 5_000);
  expect(ended).toMatchObject({ throttledMs: { load: 3_500 }, figures: { throttledMs: 3_500 } });
  expect([endRecord(ended, 9_000), endRecord(released, 9_000)]).toEqual([ended, released]);
});

test('a report says whom an attempt has ended', () => {
  const blocker = 'connection 812 of root from 10.0.0.9, idle for 33 s';
  const report = reportOf([
    { kind: 'cutover-attempt', attempt: 2, lockTimeoutMs: 2_000 },
    { kind: 'blocker-ended', attempt: 2, blocker },
    { kind: 'swapped', blockedMs: 1_020 },
  ]);
  expect(report.attempts).toMatchObject([{ outcome: 'swapped', blockers: [], blockersEnded: [blocker] }]);
  const text = reportMarkdown(report);
  expect(text).toContain(`- attempt 2 swapped; writes were blocked for 1.0 s; ended ${blocker}\n`);
  expect(text).toContain(`cutover attempt 2 ended a session that was in the way: ${blocker}`);
});

test('an attempt that the end of the run has cut off does not go on', () => {
  const text = reportMarkdown(reportOf([{ kind: 'cutover-attempt', attempt: 2, lockTimeoutMs: 2_000 }]));
  expect(text).toContain('\n- attempt 2 was under way when the run ended\n');
});

test('the events of a report that goes on for weeks are bounded: the first and the newest stay', () => {
  const throttled = (number: number): MigrationEvent => ({ kind: 'throttled', signal: 'load', detail: String(number) });
  const report = reportOf(Array.from({ length: 1_000 }, (_, number) => throttled(number)));
  expect(report.events).toHaveLength(400);
  expect(report.eventsLeftOut).toBe(600);
  expect([report.events[0], report.events[99], report.events[100], report.events[399]].map((event) => event?.text)).toEqual([
    ...['throttled by load: 0', 'throttled by load: 99', 'throttled by load: 700', 'throttled by load: 999'],
  ]);
});
