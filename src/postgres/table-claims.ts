/** Claiming tables, one or several that are swapped together, and finding their migrations in the bookkeeping. */

import type { Plan } from '../engine/model.ts';
import type { RecordedPlan } from '../engine/native-change.ts';
import { changedSincePlanned, checkResume, isStarted } from '../engine/record-check.ts';
import { claimAll } from '../sessions/claims.ts';
import { createBookkeeping, findMigrations, recordMigration, recordState } from './bookkeeping.ts';
import { readTable } from './catalog.ts';
import { type Claim, takeClaim } from './claim.ts';
import { type ClaimContext, ClaimedTable } from './claimed-table.ts';
import { asPlanned } from './server.ts';
import type { Session } from './session.ts';
import { isAsPlanned } from './source-watch.ts';
import { inTransaction } from './transaction.ts';

/** `Database.claim`, `Families.claim`. The migrations are recorded, or found recorded, all in one transaction. */
export async function claimTables(
  context: ClaimContext,
  plans: readonly Plan[],
  purpose: 'start' | 'resume',
  signal: AbortSignal,
): Promise<readonly ClaimedTable[]> {
  const { server } = context;
  {
    await using session = await server.openSession({}, signal);
    await createBookkeeping(session, signal);
  }
  const claiming = {
    take: (plan: Plan) => takeClaim(asPlanned(server, plan), { table: plan.source, migration: plan.id }, signal),
    open: (plan: Plan, claim: Claim) => new ClaimedTable({ ...context, server: asPlanned(server, plan), plan }, claim),
    record: (first: Claim) => recordAll(first, plans, purpose, signal),
  };
  return await claimAll(plans, claiming, signal);
}

/** A family of which only some members were recorded could neither be resumed nor be given up as one. */
export async function recordAll(
  claim: Claim,
  plans: readonly RecordedPlan[],
  purpose: 'start' | 'resume',
  signal: AbortSignal,
): Promise<void> {
  const record = purpose === 'start' ? recordStart : recordResume;
  await using session = await claim.openSession({}, signal);
  const recording = async (): Promise<void> => {
    for (const plan of plans) await record(session, plan, signal);
  };
  await inTransaction(session, recording, signal);
}

/** Rejects if another migration of the same table is unfinished, or the table has changed since its plan. */
async function recordStart(session: Session, plan: RecordedPlan, signal: AbortSignal): Promise<void> {
  const recorded = await findMigrations(session, null, signal);
  if (isStarted(plan, recorded)) return;
  if (plan.strategy !== 'native') {
    const source = await readTable(session, plan.source, signal);
    if (!isAsPlanned(plan, source)) throw changedSincePlanned(plan, source !== null, recorded);
  }
  await recordMigration(session, plan, signal);
}

/** Finds the migration recorded with this very plan, and takes the failure of its last run off the record. */
async function recordResume(session: Session, plan: RecordedPlan, signal: AbortSignal): Promise<void> {
  const [record] = await findMigrations(session, plan.id, signal);
  checkResume(plan, record, 'in this database');
  await recordState(session, plan.id, { state: 'open', failure: null }, signal);
}
