/** Whether a claim is to be had, by what the bookkeeping says of the table and of the migration. */

import { MigrationError } from './errors.ts';
import type { Plan } from './model.ts';
import type { RecordedPlan } from './native-change.ts';
import { PlanRefusedError } from './obstacles.ts';
import type { MigrationRecord } from './ports.ts';

type Recorded = Pick<MigrationRecord, 'id' | 'plan' | 'state'>;

/**
 * Throws if another migration of the same table is unfinished. True where this very one is recorded already, because who recorded it lost
 * the connection before it was told so.
 */
export function isStarted({ id, source }: RecordedPlan, recorded: readonly Recorded[]): boolean {
  const open = recorded.find(({ state, plan }) => state === 'open' && isOf(source, plan));
  if (open === undefined) return false;
  if (open.id === id) return true;
  const message = `Migration ${open.id} of ${source.schema}.${source.table} is unfinished.`;
  throw new PlanRefusedError([{ code: 'MIGRATION_OPEN', message, migration: open.id }]);
}

/**
 * The source is not what it was planned as, seen when the claim was had and nothing is recorded yet: it may have been waited for until
 * another run had swapped. `isThere`: under its name there is still a table. `recorded`: newest first.
 */
export function changedSincePlanned(
  { source }: Plan,
  isThere: boolean,
  recorded: readonly Pick<MigrationRecord, 'id' | 'plan' | 'state' | 'updatedAt'>[],
): PlanRefusedError {
  const last = recorded.find(({ state, plan }) => state === 'done' && isOf(source, plan));
  const done = last === undefined ? '' : ` Migration ${last.id} of it ended at ${last.updatedAt}.`;
  const what = isThere ? 'altered' : 'renamed or dropped';
  const message = `${source.schema}.${source.table} was ${what} while this change of it was prepared.${done}`;
  return new PlanRefusedError([{ code: 'TABLE_CHANGED', message }]);
}

function isOf({ schema, table }: Plan['source'], { source }: RecordedPlan): boolean {
  return source.schema === schema && source.table === table;
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
