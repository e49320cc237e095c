/** The report of a native change: what a DBA attaches to the ticket. */

import { writeFile } from 'node:fs/promises';
import type { NativePlan } from '../index.ts';
import { oneLine } from './live-frame.ts';
import { nativePlanText, type NativeSummary } from './native-summary.ts';
import type { NotableEvent } from './run-record.ts';

/** Plain JSON. Times in milliseconds, moments in ISO 8601, UTC. */
export interface NativeReport {
  readonly kind: 'native-report';
  readonly startedAt: string;
  readonly endedAt: string;
  /** With the options that stood on the command line, without a password. */
  readonly commandLine: string;
  readonly plan: NativePlan;
  readonly summary: NativeSummary;
  readonly events: readonly NotableEvent[];
}

/** JSON where the name ends in .json, else Markdown. */
export async function writeNativeReport(path: string, report: NativeReport): Promise<void> {
  const isJson = path.toLowerCase().endsWith('.json');
  await writeFile(path, isJson ? `${JSON.stringify(report, null, 2)}\n` : nativeReportMarkdown(report));
}

/** For people. */
function nativeReportMarkdown({ plan, summary, commandLine, startedAt, endedAt, events }: NativeReport): string {
  const { error, state, stepsDone, steps, attempts } = summary;
  const verdict = {
    done: `**Done.** ${stepsDone} of ${steps} steps, ${attempts} attempts; no table was copied.`,
    partial: `**Not done.** ${stepsDone} of ${steps} steps are; the same migrate does the rest.`,
    unchanged: '**Not done.** The table is as it was.',
  }[state];
  const sections = [
    `# Native change of ${summary.table}`,
    error === null ? verdict : `${verdict} ${error.code}: ${oneLine(error.message)}`,
    `    ${commandLine}\n\nStarted ${startedAt}, ended ${endedAt}.`,
    `## Plan\n\n\`\`\`\n${nativePlanText(plan)}\`\`\``,
    `## Events\n\n${events.map(({ time, text }) => `- ${time} ${oneLine(text)}`).join('\n')}`,
  ];
  return `${sections.join('\n\n')}\n`;
}
