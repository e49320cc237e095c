/** Claiming tables, one or several that are swapped together, and finding their migrations in the bookkeeping. */

import type { Plan } from '../engine/model.ts';
import type { RecordedPlan } from '../engine/native-change.ts';
import { changedSincePlanned, checkResume, isStarted } from '../engine/record-check.ts';
import { bookkeepingSchema } from '../sessions/bookkeeping.ts';
import { claimAll } from '../sessions/claims.ts';
import { fenceTableDefinition } from './binlog-fences.ts';
import { createBookkeeping, findMigrations, recordMigration, recordState } from './bookkeeping.ts';
import { type Claim, takeClaim } from './claim.ts';
import { type ClaimContext, ClaimedTable } from './claimed-table.ts';
import { eventTableDefinition } from './event-log.ts';
import { asPlanned, type Server } from './server.ts';
import type { Session } from './session.ts';
import { comparePlanned } from './source-watch.ts';

/** `Database.claim`, `Families.claim`. */
export async function claimTables(
  context: ClaimContext,
  plans: readonly Plan[],
  purpose: 'start' | 'resume',
  signal: AbortSignal,
): Promise<readonly ClaimedTable[]> {
  const { server } = context;
  await prepareBookkeeping(server, signal);
  const claiming = {
    take: (plan: Plan) => takeClaim(asPlanned(server, plan), { table: plan.source, migration: plan.id }, signal),
    open: (plan: Plan, claim: Claim) => new ClaimedTable({ ...context, server: asPlanned(server, plan), plan }, claim),
    record: async (first: Claim) => {
      await using session = await first.openSession({}, signal);
      await recordAll(session, plans, purpose, signal);
    },
  };
  return await claimAll(plans, claiming, signal);
}

/** Makes what is missing of it. */
export async function prepareBookkeeping(server: Server, signal: AbortSignal): Promise<void> {
  await using session = await server.openSession({}, signal);
  await createBookkeeping(session, [fenceTableDefinition(bookkeepingSchema), eventTableDefinition], signal);
}

/** Records the migrations, or finds them recorded, by a session of one of their claims. */
export async function recordAll(
  session: Session,
  plans: readonly RecordedPlan[],
  purpose: 'start' | 'resume',
  signal: AbortSignal,
): Promise<void> {
  await (purpose === 'start' ? recordStart : recordResume)(session, plans, signal);
}

/** Records all in one transaction. Rejects if another migration of a table is unfinished, or one has changed since its plan. */
async function recordStart(session: Session, plans: readonly RecordedPlan[], signal: AbortSignal): Promise<void> {
  const recorded = await findMigrations(session, null, signal);
  const started = plans.filter((plan) => isStarted(plan, recorded));
  // In one transaction, so all of them.
  if (started.length > 0) return;
  for (const plan of plans) {
    if (plan.strategy === 'native') continue;
    const found = await comparePlanned(session, plan, signal);
    if (found !== 'as-planned') throw changedSincePlanned(plan, found === 'altered', recorded);
  }
  await session.execute('START TRANSACTION', signal);
  for (const plan of plans) await recordMigration(session, plan, signal);
  await session.execute('COMMIT', signal);
}

/** Finds each migration recorded with this very plan, and takes the failure of its last run off the record. */
async function recordResume(session: Session, plans: readonly RecordedPlan[], signal: AbortSignal): Promise<void> {
  for (const plan of plans) {
    const [record] = await findMigrations(session, plan.id, signal);
    checkResume(plan, record, 'on this server');
  }
  for (const { id } of plans) await recordState(session, id, { state: 'open', failure: null }, signal);
}
