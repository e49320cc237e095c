/** The report of a run of several tables: what they have in common, then the report of each. */

import type { FamilySummary } from './family-summary.ts';
import { codeText, markdownTable, type Report, reportMarkdown, type ReportMoments, verdict } from './report.ts';
import { readableCount, readableDuration } from './units.ts';

/** Plain JSON. Times in milliseconds, moments in ISO 8601, UTC. */
export interface FamilyReport {
  readonly kind: 'family-report';
  readonly startedAt: string;
  readonly endedAt: string;
  /** With the options that stood on the command line, without a password. */
  readonly commandLine: string;
  readonly summary: FamilySummary;
  /** In the order in which the tables were asked for. */
  readonly members: readonly Report[];
}

/** Puts the parts together. */
export function makeFamilyReport(
  summary: FamilySummary,
  members: readonly Report[],
  { startedAt, endedAt, commandLine }: ReportMoments,
): FamilyReport {
  const moments = { startedAt: startedAt.toISOString(), endedAt: endedAt.toISOString(), commandLine };
  return { kind: 'family-report', ...moments, summary, members };
}

/** For people. The headings of each table's own report stand one level lower. */
export function familyReportMarkdown({ startedAt, endedAt, commandLine, summary, members }: FamilyReport): string {
  const rows = summary.members.map(({ id, table, rowsCopied, rowsVerified, keysApplied, state }) => [
    ...[table, id, readableCount(rowsCopied), readableCount(rowsVerified), readableCount(keysApplied), state],
  ]);
  const all = [
    ...['all', '', readableCount(summary.rowsCopied), readableCount(summary.rowsVerified)],
    ...[readableCount(summary.keysApplied), summary.state],
  ];
  const sections = [
    `# Migrations of ${summary.tables.join(', ')}, swapped together`,
    summary.state === 'done' ? '**Done.** All were swapped in one step.' : verdict({ ...summary, retired: '' }),
    markdownTable([
      ['', ''],
      ['command', codeText(commandLine)],
      ['started', startedAt],
      ['ended', `${endedAt}, after ${readableDuration(summary.elapsedMs)}`],
    ]),
    `## Tables\n\n${markdownTable([['table', 'migration', 'rows copied', 'rows compared', 'changes applied', 'state'], ...rows, all])}`,
    ...members.map((member) => reportMarkdown(member, 2).trimEnd()),
  ];
  return `${sections.join('\n\n')}\n`;
}
