/** Notices that somebody else altered the shadow before it takes the source's place. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { readCreateStatement } from './create-statement.ts';
import type { Session } from './session.ts';
import { quoteTable } from './statements.ts';
import { readTriggerNames } from './triggers.ts';

/**
 * Rejects with SHADOW_CHANGED unless the finished shadow has all that it had when this run first looked (`before`), the indexes of the
 * plan, also where somebody dropped one between two runs, and no trigger. To be asked when it has no guards and no stand-ins, which are
 * ours.
 */
export async function checkShadow(
  session: Session,
  { plan, before }: { readonly plan: Plan; readonly before: TableDescription },
  signal: AbortSignal,
): Promise<void> {
  const { schema, table } = plan.shadow;
  const now = await readTable(session, plan.shadow, signal);
  if (now === null) throw new MigrationError('SHADOW_CHANGED', `The shadow ${schema}.${table} is gone.`);
  const triggers = await readTriggerNames(session, plan.shadow, signal);
  const change = triggers.length > 0 ? `it has the trigger ${triggers.join(', ')}` : alteration(plan, before, now);
  if (change === null) return;
  const message = `Somebody has altered ${schema}.${table}, the shadow of ${plan.source.table}: ${change}. Give migration ${plan.id} up and start anew.`;
  throw new MigrationError('SHADOW_CHANGED', message);
}

/** Null: none. What was added without harm, such as an index, is none. */
function alteration(plan: Plan, before: TableDescription, now: TableDescription): string | null {
  const [had, has] = [readCreateStatement(before.createStatement), readCreateStatement(now.createStatement)];
  const names = [...new Set([...had.columns.keys(), ...has.columns.keys()])];
  const column = names.find((name) => had.columns.get(name) !== has.columns.get(name));
  if (column !== undefined) return `its column ${column} is not what it was`;
  const element = had.otherElements.find((one) => !has.otherElements.includes(one));
  if (element !== undefined) return `it had ${element}`;
  const index = plannedIndexes(plan).find((name) => !now.indexes.some((one) => one.name === name));
  if (index !== undefined) return `it had the index ${index}`;
  return had.options === has.options ? null : `it had ${had.options}`;
}

/** By name, in the order of the definition. Of one whose whole text was not known beforehand, those that are built late. */
function plannedIndexes({ deferredIndexes, shadow, shadowDefinition }: Plan): readonly string[] {
  if (shadowDefinition.startsWith(`CREATE TABLE ${quoteTable(shadow)} LIKE `)) return deferredIndexes;
  return readCreateStatement(shadowDefinition).otherElements.flatMap((element) => {
    if (element.startsWith('PRIMARY KEY')) return 'PRIMARY';
    return /^(?:UNIQUE |FULLTEXT |SPATIAL )?KEY `((?:[^`]|``)+)`/.exec(element)?.[1]?.replaceAll('``', '`') ?? [];
  });
}
