/** The last line of a run of several tables: what it added up to, and the summary of each. */

import type { MigrationError } from '../engine/errors.ts';
import { type RunMembers, sumFigures } from './family-figures.ts';
import { familyOf } from './family-text.ts';
import { type ShownError, showError, type Summary, summaryFigureLines } from './summary.ts';
import { readableDuration } from './units.ts';

/** Plain JSON. Times in milliseconds. */
export interface FamilySummary {
  readonly kind: 'family-summary';
  readonly command: Summary['command'];
  /** That of the family's first migration. */
  readonly id: string;
  readonly tables: readonly string[];
  readonly state: Summary['state'];
  readonly exitCode: number;
  readonly error: ShownError | null;
  readonly resumeCommand: string | null;
  readonly elapsedMs: number;
  /** Of all together, as `progress` is; `throttledMs`, `blockedMs` and `lagMaxMs` are the greatest of any. */
  readonly rowsCopied: number;
  readonly rowsVerified: number;
  readonly rowsRepaired: number;
  readonly keysApplied: number;
  readonly lagMaxMs: number;
  readonly retries: number;
  readonly throttledMs: number;
  readonly cutoverAttempts: number;
  readonly blockedMs: number | null;
  /** In the order in which the tables were asked for. */
  readonly members: readonly Summary[];
}

/** Adds the run up. `summaries` are those of the members, in their order. */
export function summariseFamily(
  {
    members,
    summaries,
    nowMs,
  }: { readonly members: RunMembers; readonly summaries: readonly Summary[]; readonly nowMs: number },
  error: MigrationError | null,
): FamilySummary {
  const sum = (of: (summary: Summary) => number): number => summaries.reduce((total, one) => total + of(one), 0);
  const greatest = (of: (summary: Summary) => number): number => Math.max(...summaries.map(of));
  const blocked = summaries.flatMap(({ blockedMs }) => blockedMs ?? []);
  const { startedAtMs } = sumFigures(members);
  const [first] = summaries;
  const failed = summaries.find((summary) => summary.error !== null);
  return {
    kind: 'family-summary',
    command: first?.command ?? 'migrate',
    ...familyOf(members),
    state: error === null ? 'done' : error.code === 'ABORTED' ? 'aborted' : 'open',
    exitCode: error?.exitCode ?? 0,
    error: error === null ? null : showError(error),
    resumeCommand: failed?.resumeCommand ?? null,
    elapsedMs: Math.round(nowMs - startedAtMs),
    rowsCopied: sum(({ rowsCopied }) => rowsCopied),
    rowsVerified: sum(({ rowsVerified }) => rowsVerified),
    rowsRepaired: sum(({ rowsRepaired }) => rowsRepaired),
    keysApplied: sum(({ keysApplied }) => keysApplied),
    lagMaxMs: greatest(({ lagMaxMs }) => lagMaxMs),
    retries: sum(({ retries }) => retries),
    throttledMs: greatest(({ throttledMs }) => throttledMs),
    cutoverAttempts: greatest(({ cutoverAttempts }) => cutoverAttempts),
    blockedMs: blocked.length === 0 ? null : Math.max(...blocked),
    members: summaries,
  };
}

/** What is left to say on a terminal or in a log after a success. `cleanupCommands` are those of the members. */
export function familySummaryText(summary: FamilySummary, cleanupCommands: readonly string[]): string {
  return [
    `Done: ${summary.tables.join(', ')} have their new definitions after ${readableDuration(summary.elapsedMs)}, swapped in one step.`,
    ...summaryFigureLines(summary),
    ...summary.members.map(({ table, retired }) => `The old table of ${table} is kept as ${retired}.`),
    'To drop them when their soak is over (--soak), or at once with --now:',
    ...cleanupCommands.map((command) => `  ${command}`),
    '',
  ].join('\n');
}
