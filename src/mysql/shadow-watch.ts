/** Notices that somebody else altered the shadow before it takes the source's place. */

import { MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { readCreateStatement } from './create-statement.ts';
import type { Session } from './session.ts';
import { isFinished } from './shadow.ts';
import { type IndexChanges, plannedShadow, surplusIndexes, wantedIndexes } from './source-indexes.ts';
import { readTriggerNames } from './triggers.ts';

/** What the shadow is held against. */
export interface ExpectedShadow {
  readonly plan: Plan;
  /** As this run first saw it. */
  readonly before: TableDescription;
  /** Of the source's indexes, which the shadow follows. */
  readonly changes: IndexChanges;
  /** As this process has made them last. */
  readonly made: ReadonlyMap<string, string>;
}

/**
 * Tells whether the shadow has the plain indexes that it must have, of the plan and of the source. Rejects with SHADOW_CHANGED unless the
 * finished shadow has all else that it had when this run first looked, the other indexes of the plan, also where somebody dropped one
 * between two runs, and no trigger. To be asked when it has no guards and no stand-ins, which are ours.
 */
export async function checkShadow(session: Session, expected: ExpectedShadow, signal: AbortSignal): Promise<boolean> {
  const { plan } = expected;
  const { schema, table } = plan.shadow;
  const now = await readTable(session, plan.shadow, signal);
  if (now === null) throw new MigrationError('SHADOW_CHANGED', `The shadow ${schema}.${table} is gone.`);
  const triggers = await readTriggerNames(session, plan.shadow, signal);
  const change = triggers.length > 0 ? `it has the trigger ${triggers.join(', ')}` : alteration(expected, now);
  if (change === null) return isFinished(plan, { shadow: now, changes: expected.changes, made: expected.made });
  const message = `Somebody has altered ${schema}.${table}, the shadow of ${plan.source.table}: ${change}. Give migration ${plan.id} up and start anew.`;
  throw new MigrationError('SHADOW_CHANGED', message);
}

/** Null: none. What was added without harm is none; nor is one of an index that is made good, or follows the source. */
function alteration({ plan, before, changes }: ExpectedShadow, now: TableDescription): string | null {
  const [had, has] = [readCreateStatement(before.createStatement), readCreateStatement(now.createStatement)];
  const names = [...new Set([...had.columns.keys(), ...has.columns.keys()])];
  const column = names.find((name) => had.columns.get(name) !== has.columns.get(name));
  if (column !== undefined) return `its column ${column} is not what it was`;
  const wanted = wantedIndexes(plan, changes);
  const surplus = surplusIndexes(plan, before, wanted);
  const isFollowing = (name: string): boolean => wanted.has(name) || changes.dropped.has(name) || surplus.includes(name);
  const texts = [...had.indexes].filter(([name]) => isFollowing(name)).map(([, text]) => text);
  const element = had.otherElements.find((one) => !has.otherElements.includes(one) && !texts.includes(one));
  if (element !== undefined) return `it had ${element}`;
  const isThere = (name: string): boolean => now.indexes.some((one) => one.name === name);
  const index = plannedIndexes(plan).find((name) => !isThere(name) && !isFollowing(name));
  if (index !== undefined) return `it had the index ${index}`;
  return had.options === has.options ? null : `it had ${had.options}`;
}

/** By name, in the order of the definition. Of one whose whole text was not known beforehand, those that are built late. */
function plannedIndexes(plan: Plan): readonly string[] {
  const planned = plannedShadow(plan);
  if (planned === null) return plan.deferredIndexes;
  const hasPrimary = planned.otherElements.some((element) => element.startsWith('PRIMARY KEY'));
  return [...(hasPrimary ? ['PRIMARY'] : []), ...planned.indexes.keys()];
}
