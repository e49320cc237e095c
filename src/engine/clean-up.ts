/** The end of tables that a migration has left: when an old table may go, and how one goes. Nothing else that is done is final. */

import { inTheWay, MigrationError } from './errors.ts';
import type { TableName } from './model.ts';
import type { StepOutcome } from './native-change.ts';
import type { CutoverLimits } from './options.ts';
import type { RetiredTable } from './ports.ts';
import { pauseAfter, retry, type RetryContext } from './retry.ts';

/** How long an old table is kept unless it is said otherwise, milliseconds: a week has every kind of day in it. */
export const DEFAULT_SOAK_MS = 604_800_000;

/** Ten years: nobody keeps one for longer, and what ends far beyond that is no date any more. */
export const SOAK_MS_MAX = 315_360_000_000;

/** When the soak of an old table ends: server time, ISO 8601 in UTC. */
export function soakEndOf({ swappedAt }: RetiredTable, soakMs: number): string {
  return new Date(Date.parse(swappedAt) + soakMs).toISOString();
}

/** Why an old table should be kept for now, in one or two clauses; null where nothing speaks against dropping it. */
export function reasonToKeep(retired: RetiredTable, soakMs: number): string | null {
  const clauses = [
    ...(retired.ageMs < soakMs ? [`its soak ends at ${soakEndOf(retired, soakMs)}`] : []),
    ...(retired.use === null ? [] : [retired.use]),
  ];
  return clauses.length === 0 ? null : clauses.join(', and ');
}

/** What dropping a table needs beside the table. */
export interface DropParts {
  /** How long each lock is waited for, and how often: whoever waits behind us waits as for a cutover. */
  readonly limits: Pick<CutoverLimits, 'lockTimeoutMs' | 'attemptsMax' | 'pauseFirstMs' | 'pauseMaxMs'>;
  readonly context: RetryContext;
}

/**
 * Drops a table: asks for its lock, backs off so that others go on, asks again. `drop` is one attempt. Rejects with
 * DROP_NOT_LOCKED, naming who is in the way, after the last one. Safe to repeat.
 */
export async function dropPatiently(
  { schema, table }: TableName,
  drop: (lockTimeoutMs: number) => Promise<StepOutcome>,
  { limits, context }: DropParts,
  signal: AbortSignal,
): Promise<void> {
  const { lockTimeoutMs, attemptsMax } = limits;
  const name = `${schema}.${table}`;
  for (let attempt = 1; ; attempt++) {
    const outcome = await retry(`dropping ${name}`, () => drop(lockTimeoutMs), context, signal);
    if (outcome.kind === 'done') return;
    const { blockers } = outcome;
    const isLast = attempt >= attemptsMax;
    const nextInMs = isLast ? 0 : pauseAfter(attempt, limits, context.clock);
    context.observer({ kind: 'drop-blocked', table: name, attempt, blockers, nextInMs });
    if (isLast) {
      throw new MigrationError(
        'DROP_NOT_LOCKED',
        `${name} was not dropped: a lock was not had within ${lockTimeoutMs} ms in ${attempt} attempts.${inTheWay(blockers)} All rows are still there; run the same cleanup again at a calmer time.`,
      );
    }
    await context.clock.sleep(nextInMs, signal);
  }
}
