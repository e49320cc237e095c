/** A migration of a PostgreSQL table during which somebody else does something to it. */
import { asMigrationError } from '../../src/engine/errors.ts';
import { migrate, type MigrationEvent, type Plan } from '../../src/index.ts';
import { openPostgresApplication, type PostgresApplication } from './postgres-adapter.ts';
import type { OwnDatabase } from './postgres-own-database.ts';

export interface LiveChange {
  readonly clauses?: string;
  /** Done in the phase given, before the swap. */
  readonly at?: string;
  readonly during: (application: PostgresApplication) => Promise<unknown>;
}

export interface Ended {
  readonly plan: Plan;
  /** `swapped`, or the code and the sentence. */
  readonly ending: string;
  readonly events: readonly MigrationEvent[];
}

/** Migrates `t`. A snapshot, which is no lock on the table, keeps the swap away until all is done. */
export async function migrateDuring({ url, application }: OwnDatabase, change: LiveChange): Promise<Ended> {
  await using gate = await openPostgresApplication(url);
  await gate.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
  const [doing, events, plans]: [Promise<unknown>[], MigrationEvent[], Plan[]] = [[], [], []];
  const during = async (): Promise<void> => {
    try {
      await change.during(application);
    } finally {
      await gate.run('ROLLBACK');
    }
  };
  const ending = await migrate({
    url,
    strategy: 'shadow',
    alter: `ALTER TABLE public.t ${change.clauses ?? 'ADD b int DEFAULT 7'}`,
    observer: (event) => {
      events.push(event);
      const isIts = event.kind === 'phase-entered' && event.phase === (change.at ?? 'copy');
      if (isIts && doing.length === 0) doing.push(during());
    },
    onStart: (plan) => plans.push(plan),
    pace: { chunkRowsFirst: 5, chunkRowsMax: 5, cutover },
  }).then(({ rowsRepaired }) => (rowsRepaired === 0 ? 'swapped' : `${rowsRepaired} rows were repaired`), endingOf);
  await Promise.all(doing);
  const [plan] = plans;
  if (plan === undefined) throw new Error(`Nothing was started: ${ending}`);
  return { plan, ending, events };
}

export function endingOf(thrown: unknown): string {
  const { code, message } = asMigrationError(thrown);
  return `${code}: ${message}`;
}

/** Soon at an end where the swap cannot be done. */
export const cutover = {
  lockTimeoutMs: 2000,
  holdTimeoutMs: 5000,
  attemptsMax: 4,
  killBlockersAfter: 0,
  oldSnapshots: 'wait',
  pauseFirstMs: 200,
  pauseMaxMs: 400,
  lagMaxMs: 1000,
} as const;
