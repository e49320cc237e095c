/** What a plan decides about what is built, as its hash covers it, and the error where the source was altered since. */

import { MigrationError } from './errors.ts';
import type { Plan } from './model.ts';

export type PlanDecisions = Pick<
  Plan,
  | 'source'
  | 'clauses'
  | 'options'
  | 'strategy'
  | 'key'
  | 'columns'
  | 'droppedColumns'
  | 'addedColumns'
  | 'addedUniques'
  | 'deferredIndexes'
>;

/** These alone, always in the same order: their JSON is hashed, together with the definition of the source. */
export function decisionsOf(plan: PlanDecisions): PlanDecisions {
  return {
    source: plan.source,
    clauses: plan.clauses,
    options: plan.options,
    strategy: plan.strategy,
    key: plan.key,
    columns: plan.columns,
    droppedColumns: plan.droppedColumns,
    addedColumns: plan.addedColumns,
    addedUniques: plan.addedUniques,
    deferredIndexes: plan.deferredIndexes,
  };
}

/**
 * SOURCE_CHANGED: by somebody else, `since` something that is told as a clause. `isThere`: under its name there is still a table.
 * `changes`: what is known of it, as clauses; may be empty.
 */
export function sourceChanged(
  { id, source }: Pick<Plan, 'id' | 'source'>,
  isThere: boolean,
  since: string,
  changes = '',
): MigrationError {
  const what = isThere ? 'altered' : 'renamed or dropped';
  const told = changes === '' ? '' : `: ${changes}`;
  return new MigrationError(
    'SOURCE_CHANGED',
    `Somebody has ${what} ${source.schema}.${source.table} since ${since}${told}. Give migration ${id} up and start anew.`,
  );
}
