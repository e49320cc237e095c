/** The report of a run: what a DBA attaches to the ticket. */

import { messageOf, MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { oneLine } from './live-frame.ts';
import { attemptText } from './live-status.ts';
import { PHASE_WORDS } from './log.ts';
import { faultOfWriting, writeOutside } from './outside-files.ts';
import { planText, tableText } from './plan-text.ts';
import type { AttemptRecord, NotableEvent, RunRecord } from './run-record.ts';
import type { Summary } from './summary.ts';
import { readableCount, readableDuration } from './units.ts';

/** Plain JSON. Times in milliseconds, moments in ISO 8601, UTC. */
export interface Report {
  readonly kind: 'report';
  readonly startedAt: string;
  readonly endedAt: string;
  /** With the options that stood on the command line, without a password. */
  readonly commandLine: string;
  readonly plan: Plan;
  readonly summary: Summary;
  /** How long each signal, by name, has stopped copying and verifying for. */
  readonly throttledMs: Readonly<Record<string, number>>;
  readonly attempts: readonly AttemptRecord[];
  /** One whole pass that found both tables equal; null where this run had none. */
  readonly verification: { readonly passes: number; readonly rows: number; readonly repaired: number } | null;
  readonly events: readonly NotableEvent[];
  readonly eventsLeftOut: number;
}

/** What a report is made of. */
export interface ReportParts extends ReportMoments {
  readonly plan: Plan;
  readonly record: RunRecord;
  readonly summary: Summary;
}

/** What every report says of its run. */
export interface ReportMoments {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly commandLine: string;
}

/** Puts the parts together. */
export function makeReport({ plan, record, summary, startedAt, endedAt, commandLine }: ReportParts): Report {
  const times = Object.entries(record.throttledMs).map(([signal, ms]): [string, number] => [signal, Math.round(ms)]);
  return {
    kind: 'report',
    startedAt: startedAt.toISOString(),
    endedAt: endedAt.toISOString(),
    commandLine,
    plan,
    summary,
    throttledMs: Object.fromEntries(times),
    attempts: record.attempts,
    verification: record.figures.verification,
    events: record.notable,
    eventsLeftOut: record.notableLeftOut,
  };
}

/** Before a run: rejects with BAD_USAGE where the report could not be written at its end. */
export async function checkReportPath(path: string): Promise<void> {
  const fault = await faultOfWriting(path).catch(messageOf);
  if (fault !== '') throw new MigrationError('BAD_USAGE', `--report ${path}: ${fault}.`);
}

/** JSON where the name ends in .json, else as `markdown` has it. */
export async function writeReport<Content>(
  path: string,
  report: Content,
  markdown: (report: Content) => string,
): Promise<void> {
  const isJson = path.toLowerCase().endsWith('.json');
  await writeOutside(path, isJson ? `${JSON.stringify(report, null, 2)}\n` : markdown(report));
}

/** For people. `level` is that of its first heading. */
export function reportMarkdown(report: Report, level = 1): string {
  const { plan, summary } = report;
  const above = '#'.repeat(level - 1);
  const sections = [
    `${above}# Migration ${plan.id} of ${tableText(plan.source)}`,
    verdict(summary),
    markdownTable([
      ['', ''],
      ['command', codeText(report.commandLine)],
      ['started', report.startedAt],
      ['ended', `${report.endedAt}, after ${readableDuration(summary.elapsedMs)}`],
      ['server', `${plan.server.flavour} ${plan.server.version}`],
      ...(summary.isResumed ? [['resumed', 'yes; times, changes and attempts are those of this run']] : []),
    ]),
    `${above}## Change\n\n\`\`\`sql\nALTER TABLE ${tableText(plan.source)} ${plan.clauses}\n\`\`\``,
    `${above}## Time by phase\n\n${phaseTable(summary)}`,
    `${above}## Rows and changes\n\n${figureTable(summary)}`,
    `${above}## Throttling\n\n${throttleTable(report)}`,
    `${above}## Cutover\n\n${attemptLines(report)}`,
    `${above}## Verification\n\n${verificationText(report)}`,
    `${above}## Plan\n\n\`\`\`text\n${planText(plan).trimEnd()}\n\`\`\``,
    `${above}## Events\n\n${eventTable(report)}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

/** How it ended, and what to do then. */
export function verdict({
  state,
  error,
  exitCode,
  retired,
  blockedMs,
  resumeCommand,
}: Pick<Summary, 'state' | 'error' | 'exitCode' | 'retired' | 'blockedMs' | 'resumeCommand'>): string {
  if (state === 'done') {
    const swap = blockedMs === null ? 'The swap had happened before' : `Writes were blocked for ${readableDuration(blockedMs)}`;
    return `**Done.** ${swap}; the old table is kept as ${retired}.`;
  }
  const reason = error === null ? '' : ` ${error.code}: ${oneLine(error.message)}`;
  if (state === 'aborted') return `**Given up.**${reason}`;
  const next = resumeCommand === null ? '' : `\n\nTo go on: ${codeText(resumeCommand)}`;
  return `**Not done** (exit code ${exitCode}).${reason}${next}`;
}

function phaseTable({ phasesMs }: Summary): string {
  const entries = Object.entries(phasesMs) as [keyof typeof phasesMs, number][];
  return markdownTable([
    ['phase', 'time', ''],
    ...entries.map(([phase, ms]) => [phase, readableDuration(ms), PHASE_WORDS[phase]]),
  ]);
}

function figureTable(summary: Summary): string {
  const rows: readonly (readonly [string, string])[] = [
    ['rows copied', readableCount(summary.rowsCopied)],
    ['rows compared', readableCount(summary.rowsVerified)],
    ['rows that differed', readableCount(summary.rowsDiffering)],
    ['rows repaired', readableCount(summary.rowsRepaired)],
    ['changes applied', readableCount(summary.keysApplied)],
    ['greatest lag', readableDuration(summary.lagMaxMs)],
    ['chunks', `${readableCount(summary.chunks)}, ${readableCount(summary.chunksCollided)} collided`],
    ['retries', readableCount(summary.retries)],
    ['checkpoints', readableCount(summary.checkpoints)],
  ];
  return markdownTable([['', ''], ...rows]);
}

function throttleTable({ throttledMs, summary }: Report): string {
  const entries = Object.entries(throttledMs);
  if (entries.length === 0) return 'Nothing has stopped copying or comparing.';
  const rows = entries.map(([signal, ms]) => [signal, readableDuration(ms)]);
  return markdownTable([['signal', 'stopped for'], ...rows, ['in all', readableDuration(summary.throttledMs)]]);
}

function attemptLines({ attempts }: Report): string {
  if (attempts.length === 0) return 'There was no attempt in this run.';
  return attempts.map((attempt) => `- attempt ${oneLine(endedAttemptText(attempt))}`).join('\n');
}

/** Of a run that has ended. Whether it swapped says the error, where there is one. */
function endedAttemptText(attempt: AttemptRecord): string {
  return attempt.outcome === 'running' ? `${attempt.attempt} was under way when the run ended` : attemptText(attempt);
}

function verificationText({ verification }: Report): string {
  if (verification === null) return 'No pass of this run found both tables equal.';
  const { passes, rows, repaired } = verification;
  return `Both tables held the same ${readableCount(rows)} rows in pass ${passes}; ${readableCount(repaired)} had been repaired.`;
}

function eventTable({ events, eventsLeftOut }: Report): string {
  const rows = events.map(({ time, text }) => [time, text]);
  const leftOut = eventsLeftOut === 0 ? '' : `\n\n${readableCount(eventsLeftOut)} events between were left out.`;
  return `${markdownTable([['time', 'event'], ...rows])}${leftOut}`;
}

/** Cells of text; the first row is the head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows.map((cells) => `| ${cells.map(cell).join(' | ')} |`);
  const rule = `|${(rows[0] ?? []).map(() => '---|').join('')}`;
  return [head, rule, ...body].join('\n');
}

function cell(text: string): string {
  return oneLine(text).replaceAll('|', '\\|');
}

/** A text as it is. */
export function codeText(text: string): string {
  const fence = text.includes('`') ? '``' : '`';
  return `${fence}${text}${fence}`;
}
