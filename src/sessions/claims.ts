/** What claims on tables have in common on either server: how several are taken, how one is taken again, and how they are told. */

import { asMigrationError, MigrationError } from '../engine/errors.ts';
import type { Obstacle } from '../engine/obstacles.ts';
import type { Plan } from '../engine/model.ts';
import type { LastRun } from '../engine/ports.ts';
import type { ClaimRecord, RecordedMigration } from './bookkeeping.ts';
import { disposeAfterFailure, disposingOnFailure } from './disposal.ts';
import { hasPassed } from './pause.ts';

/** Between two questions whether the claim is still held. */
export const CLAIM_PING_MS = 3_000;
/** Idle time after which the server ends the claim session: several pings, and longer than a pause of the process should be. */
export const CLAIM_IDLE_MS = 20_000;
/** A server may take this long to come back before the claim counts as lost. */
const retakeLimitMs = 120_000;
const retryMs = 500;

/** How a claim is taken again. */
export interface Retaking<Session extends AsyncDisposable> {
  /** Of losing the claim session. */
  readonly cause: MigrationError;
  readonly open: () => Promise<Session>;
  /** Takes the lock. Rejects with CLAIM_LOST if another run has had it since. */
  readonly retake: (session: Session) => Promise<void>;
}

/** A new claim session with the lock, when the old one has lost its connection. Rejects with CLAIM_LOST. */
export async function retakeClaim<Session extends AsyncDisposable>(
  retaking: Retaking<Session>,
  signal: AbortSignal,
): Promise<Session> {
  const { cause } = retaking;
  if (cause.code !== 'CONNECTION_LOST') throw claimLostError(cause.message, cause);
  const deadline = performance.now() + retakeLimitMs;
  for (;;) {
    try {
      return await openWithLock(retaking);
    } catch (error) {
      const reason = asMigrationError(error);
      if (reason.code === 'CLAIM_LOST') throw reason;
      if (!reason.isTransient || performance.now() > deadline) throw claimLostError(reason.message, reason);
      await hasPassed(retryMs, signal);
    }
  }
}

async function openWithLock<Session extends AsyncDisposable>({ open, retake }: Retaking<Session>): Promise<Session> {
  const session = await open();
  return await disposingOnFailure(session, async () => {
    await retake(session);
    return session;
  });
}

/** CLAIM_LOST. */
export function claimLostError(why: string, cause?: unknown): MigrationError {
  return new MigrationError(
    'CLAIM_LOST',
    `The claim on the table was lost (${why}), so another run may have begun. Make sure that none is active, then resume.`,
    { cause },
  );
}

/** Who holds a claim, as the server tells it. */
export interface ClaimHolder {
  readonly connectionId: number;
  /** Such as `connection 7 of root from 10.0.0.1`. */
  readonly told: string;
}

/** TABLE_CLAIMED. `record` is that of whoever took the claim last. */
export function claimedError({ connectionId, told }: ClaimHolder, record: ClaimRecord | null): MigrationError {
  const run =
    record?.connectionId === connectionId
      ? `migration ${record.migrationId}, running on ${record.host} (process ${record.pid}) since ${record.claimedAt}`
      : 'another run';
  return new MigrationError('TABLE_CLAIMED', `The table is claimed by ${run}, ${told}. Wait for it or end it.`);
}

/** What the server says of a claim and of who holds it. Times of the server, ISO 8601 in UTC. */
export interface ClaimSigns {
  /** Of whoever took the claim last. */
  readonly record: ClaimRecord | null;
  readonly isHeld: boolean;
  /** The newest ping; null where nobody holds the claim, or the server does not tell us. */
  readonly pingedAt: string | null;
  readonly now: string;
}

/** Where the newest run of a migration has its process, or had it; null where another migration has had the claim since. */
export function lastRunOf({ id, updatedAt }: RecordedMigration, { record, isHeld, pingedAt, now }: ClaimSigns): LastRun | null {
  if (record?.migrationId !== id) return null;
  const { host, pid, claimedAt } = record;
  const heardAtMs = Math.max(...[updatedAt, claimedAt, pingedAt ?? claimedAt].map((time) => Date.parse(time)));
  const silentMs = isHeld && pingedAt === null ? null : Math.max(0, Date.parse(now) - heardAtMs);
  return { host, pid, startedAt: claimedAt, heardAt: new Date(heardAtMs).toISOString(), silentMs };
}

/** That a run has the claim on the plan's table. */
export function claimObstacle(
  { source }: Pick<Plan, 'source'>,
  { connectionId, told }: ClaimHolder,
  record: ClaimRecord | null,
): Obstacle {
  const name = `${source.schema}.${source.table}`;
  const message =
    record?.connectionId === connectionId
      ? `Migration ${record.migrationId} of ${name} has the claim on it and runs, with ${told}.`
      : `Another run has the claim on ${name}, with ${told}.`;
  return { code: 'TABLE_IN_USE', message };
}

/** Migrations of this table that are unfinished, but for the one with this ID. */
export function openMigrationObstacles(
  { id, source }: { readonly id: string | null; readonly source: Plan['source'] },
  migrations: readonly RecordedMigration[],
): readonly Obstacle[] {
  return migrations
    .filter(({ id: other, plan, state }) => {
      const isSameTable = plan.source.schema === source.schema && plan.source.table === source.table;
      return state === 'open' && isSameTable && other !== id;
    })
    .map(({ id, startedAt }) => ({
      code: 'MIGRATION_OPEN',
      message: `Migration ${id} of ${source.schema}.${source.table} is unfinished since ${startedAt}.`,
      migration: id,
    }));
}

/** How the tables of several plans are claimed. */
export interface ClaimingAll<Claim, Table> {
  readonly take: (plan: Plan) => Promise<Claim>;
  readonly open: (plan: Plan, claim: Claim) => Table;
  /** Records all migrations, or finds them recorded, by the first claim. */
  readonly record: (first: Claim) => Promise<void>;
}

/**
 * Claims the tables of all plans or none. Nothing is done to any of them, or recorded, before all are claimed: only then every session
 * of an earlier run of theirs is gone (rule 10), whichever claim had opened it.
 */
export async function claimAll<Claim, Table extends AsyncDisposable & { begin(signal: AbortSignal): Promise<void> }>(
  plans: readonly Plan[],
  { take, open, record }: ClaimingAll<Claim, Table>,
  signal: AbortSignal,
): Promise<readonly Table[]> {
  const claims: Claim[] = [];
  const tables: Table[] = [];
  try {
    for (const plan of plans) {
      const claim = await take(plan);
      claims.push(claim);
      tables.push(open(plan, claim));
    }
    const [first] = claims;
    if (first !== undefined) await record(first);
    for (const table of tables) await table.begin(signal);
    return tables;
  } catch (error) {
    await disposeAfterFailure(tables);
    throw error;
  }
}
