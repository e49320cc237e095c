/** Whether a claim is to be had, by what the bookkeeping says of the table and of the migration. */

import { MigrationError } from './errors.ts';
import type { RecordedPlan } from './native-change.ts';
import { PlanRefusedError } from './obstacles.ts';
import type { MigrationRecord } from './ports.ts';

type Recorded = Pick<MigrationRecord, 'id' | 'plan' | 'state'>;

/** Throws if another migration of the same table is unfinished. */
export function checkStart({ source }: RecordedPlan, recorded: readonly Recorded[]): void {
  const open = recorded.find(
    ({ state, plan }) => state === 'open' && plan.source.schema === source.schema && plan.source.table === source.table,
  );
  if (open === undefined) return;
  const message = `Migration ${open.id} of ${source.schema}.${source.table} is unfinished.`;
  throw new PlanRefusedError([{ code: 'MIGRATION_OPEN', message }]);
}

/** Throws unless the migration is recorded as open with this very plan. `place` says where it was looked for: `on this server`. */
export function checkResume(plan: RecordedPlan, record: Recorded | undefined, place: string): void {
  if (record === undefined || record.state !== 'open') {
    const state = record === undefined ? `is not recorded ${place}` : `is ${record.state}`;
    throw new MigrationError('MIGRATION_NOT_FOUND', `Migration ${plan.id} ${state}, so there is nothing to resume.`);
  }
  if (hashOf(record.plan) !== hashOf(plan)) {
    throw new MigrationError(
      'PLAN_CHANGED',
      `Migration ${plan.id} is recorded with another plan; give it up with \`tableshift cleanup ${plan.id}\` and start anew.`,
    );
  }
}

/** The steps of a native change are found anew by each run: what counts is what was asked for. */
function hashOf(plan: RecordedPlan): string {
  return plan.strategy === 'native' ? plan.clauses : plan.hash;
}
