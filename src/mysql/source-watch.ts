/** Notices that somebody else altered the source between its plan and the begin of the log that is read for it, or past the log. */

import { createHash } from 'node:crypto';
import type { Plan } from '../engine/model.ts';
import { decisionsOf, type PlanDecisions, sourceChanged } from '../engine/plan-decisions.ts';
import { readTable, type TableDescription } from './catalog.ts';
import { readCreateStatement } from './create-statement.ts';
import type { Session } from './session.ts';
import { indexChanges, type IndexChanges, noChanges } from './source-indexes.ts';

/** The hash of a plan that is made for this definition of the source, without its next AUTO_INCREMENT value. */
export function planHash(decisions: PlanDecisions & Pick<Plan, 'foreignKeys'>, source: TableDescription): string {
  const { foreignKeys } = decisions;
  const { columns, otherElements, options } = readCreateStatement(source.createStatement);
  const hashed = {
    ...decisionsOf(decisions),
    shadowDefinition: null,
    ...(foreignKeys === undefined ? {} : { foreignKeys }),
    definition: { columns: [...columns], otherElements, options },
  };
  return createHash('sha256').update(JSON.stringify(hashed)).digest('hex');
}

/** Whether the source is what it was when it was planned; `gone` where there is no table of its name. */
export async function comparePlanned(
  session: Session,
  plan: Plan,
  signal: AbortSignal,
): Promise<'as-planned' | 'altered' | 'gone'> {
  const source = await readTable(session, plan.source, signal);
  if (source === null) return 'gone';
  return isAsPlanned(plan, source) ? 'as-planned' : 'altered';
}

function isAsPlanned(plan: Plan, source: TableDescription): boolean {
  return planHash(plan, source) === plan.hash;
}

/**
 * Rejects with SOURCE_CHANGED unless the source is what it was when it was planned, but perhaps for plain indexes; these it tells. To be
 * asked when the place is known from where the log is read, and before the shadow is made: what is altered behind that place the log
 * tells. A definition is read under the metadata lock that an ALTER keeps until it is in the log, so what was logged before is seen here.
 * And once more before the swap, for an ALTER of a session that logs nothing (sql_log_bin). Not after our own swap.
 */
export async function checkSource(session: Session, plan: Plan, signal: AbortSignal): Promise<IndexChanges> {
  const source = await readTable(session, plan.source, signal);
  const changes = changesOf(plan, source);
  if (changes === null) throw sourceChanged(plan, source !== null, 'the change was planned');
  return changes;
}

/** What has changed of the source's plain indexes; null where something else has. */
export async function readIndexChanges(session: Session, plan: Plan, signal: AbortSignal): Promise<IndexChanges | null> {
  return changesOf(plan, await readTable(session, plan.source, signal));
}

function changesOf(plan: Plan, source: TableDescription | null): IndexChanges | null {
  if (source === null) return null;
  return isAsPlanned(plan, source) ? noChanges : indexChanges(plan, source);
}
