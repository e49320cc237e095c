/** The report of a native change: what a DBA attaches to the ticket. */

import type { NativeMigration } from '../index.ts';
import { oneLine } from './live-frame.ts';
import { nativePlanText, type NativeSummary } from './native-summary.ts';
import { codeText, markdownTable, type ReportMoments } from './report.ts';
import type { NotableEvent, RunRecord, StepRecord } from './run-record.ts';
import { readableDuration } from './units.ts';

/** Plain JSON. Times in milliseconds, moments in ISO 8601, UTC. */
export interface NativeReport {
  readonly kind: 'native-report';
  readonly startedAt: string;
  readonly endedAt: string;
  /** With the options that stood on the command line, without a password. */
  readonly commandLine: string;
  readonly plan: NativeMigration;
  readonly summary: NativeSummary;
  /** Those that were begun. */
  readonly steps: readonly ReportedStep[];
  readonly events: readonly NotableEvent[];
  readonly eventsLeftOut: number;
}

/** `attemptsMs`: all its attempts together, but for looking for a moment; of a brief step, no writer has waited for longer. */
export type ReportedStep = Omit<StepRecord, 'begunAtMs' | 'attemptAtMs'>;

/** What a report is made of. */
export interface NativeReportParts extends ReportMoments {
  readonly plan: NativeMigration;
  readonly record: RunRecord;
  readonly summary: NativeSummary;
}

/** Puts the parts together. */
export function makeNativeReport({ plan, record, summary, startedAt, endedAt, commandLine }: NativeReportParts): NativeReport {
  const steps = record.native.steps.map(({ begunAtMs: _begun, attemptAtMs: _attempt, ...step }) => ({
    ...step,
    attemptsMs: Math.round(step.attemptsMs),
  }));
  const moments = { startedAt: startedAt.toISOString(), endedAt: endedAt.toISOString() };
  const events = { events: record.notable, eventsLeftOut: record.notableLeftOut };
  return { kind: 'native-report', ...moments, commandLine, plan, summary, steps, ...events };
}

/** For people. */
export function nativeReportMarkdown(report: NativeReport): string {
  const { plan, summary, steps, events, eventsLeftOut } = report;
  const leftOut = eventsLeftOut === 0 ? '' : `\n\n${eventsLeftOut} events between were left out.`;
  const sections = [
    `# Native change of ${summary.table}`,
    verdict(summary),
    markdownTable([
      ['', ''],
      ['migration', summary.id],
      ['command', codeText(report.commandLine)],
      ['started', report.startedAt],
      ['ended', `${report.endedAt}, after ${readableDuration(summary.elapsedMs)}`],
      ['writes blocked', `${readableDuration(summary.blockedMs)} at most`],
    ]),
    `## Plan\n\n\`\`\`text\n${nativePlanText(plan.native).trimEnd()}\n\`\`\``,
    `## Steps\n\n${steps.length === 0 ? 'No step was begun in this run.' : markdownTable([['step', 'statement', 'state', 'attempts', 'their time', 'in the way'], ...steps.map(stepCells)])}`,
    `## Events\n\n${markdownTable([['time', 'event'], ...events.map(({ time, text }) => [time, text])])}${leftOut}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

function verdict({ error, state, exitCode, stepsDone, steps, attempts, resumeCommand }: NativeSummary): string {
  if (state === 'done') return `**Done.** ${stepsDone} of ${steps} steps, ${attempts} attempts; no table was copied.`;
  const reason = error === null ? '' : ` ${error.code}: ${oneLine(error.message)}`;
  if (state === 'aborted') return `**Given up**, with ${stepsDone} of ${steps} steps done.${reason}`;
  const next = resumeCommand === null ? '' : `\n\nTo go on: ${codeText(resumeCommand)}`;
  return `**Not done** (exit code ${exitCode}): ${stepsDone} of ${steps} steps are.${reason}${next}`;
}

function stepCells({ step, steps, sql, state, attempts, attemptsMs, isBrief, blockers }: ReportedStep): readonly string[] {
  const time = `${readableDuration(attemptsMs)}${isBrief ? ', writers waited no longer' : ', writers went on'}`;
  return [`${step} of ${steps}`, codeText(oneLine(sql)), state, String(attempts), time, blockers.join('; ')];
}
