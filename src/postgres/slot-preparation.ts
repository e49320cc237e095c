/** The slot and the publication before a stream is opened on them: made anew at the start, found again by a resume. */

import { inTheWay, MigrationError } from '../engine/errors.ts';
import type { Plan } from '../engine/model.ts';
import { followSignal } from '../engine/tasks.ts';
import { hasPassed } from '../sessions/pause.ts';
import type { TableDescription } from './catalog.ts';
import type { Claim } from './claim.ts';
import { dropSlot } from './clean-up.ts';
import { findSlotHolders } from './lock-holders.ts';
import { askForLock } from './lock-wait.ts';
import { ReplicationConnection } from './replication-connection.ts';
import { createPublication, createSlot, requireSlot, slotName } from './replication-slot.ts';
import type { Server } from './server.ts';
import type { SessionIdentity } from './session-ender.ts';
import { type Session, type SessionPool, usualLockTimeoutMs, withSettings } from './session.ts';
import { quoteText } from './statements.ts';

/** What the slot is for. */
export interface SlotOrder {
  readonly server: Pick<Server, 'config' | 'flavour' | 'ender'>;
  readonly claim: Pick<Claim, 'mark'>;
  readonly sessions: SessionPool;
  readonly plan: Plan;
  readonly source: TableDescription | null;
  /** How long to wait for transactions that are running, milliseconds. */
  readonly waitLimitMs: number;
}

/**
 * How long the n-th attempt of a run waits. The first ends soon, so that the operator learns who is in the way; each begins
 * anew, behind what runs then, so later ones must be longer than the application's transactions. Those that `retry`
 * makes take some 26 minutes.
 */
export function slotWaitMs(attempt: number): number {
  return Math.min(120_000, 5_000 * 2 ** (attempt - 1));
}

/**
 * Where reading begins: `from`, or where a new slot begins. Creating one waits for every transaction that runs then and has
 * written; rejects with SLOT_BLOCKED, naming them, after `waitLimitMs`. Rejects with LOG_PURGED where a resume finds none.
 */
export async function prepareSlot(order: SlotOrder, from: string | null, signal: AbortSignal): Promise<string> {
  const { plan, sessions, source } = order;
  const name = slotName(plan.id);
  if (from !== null) {
    await sessions.withSession((session) => requireSlot(session, name, signal), signal);
    return from;
  }
  if (source === null) {
    throw new MigrationError('SOURCE_CHANGED', `The table ${plan.source.schema}.${plan.source.table} is gone.`);
  }
  await sessions.withSession(async (session) => {
    await dropSlot(session, plan, signal);
    await makePublication(order, { session, source }, signal);
  }, signal);
  await makeSlot(order, signal);
  return await sessions.withSession(async (session) => {
    const [row] = await session.query(
      `SELECT confirmed_flush_lsn AS lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = ${quoteText(name)}`,
      signal,
    );
    return row?.['lsn'] ?? '';
  }, signal);
}

/** Readers and writers do not wait behind the lock that it asks for, so that may take as long as the slot may. */
async function makePublication(
  { plan, sessions, server, waitLimitMs }: SlotOrder,
  { session, source }: { readonly session: Session; readonly source: TableDescription },
  signal: AbortSignal,
): Promise<void> {
  const columns = publishedColumns(plan, source);
  const withGenerated = columns === null && server.flavour.leavesGeneratedOut;
  const publication = { name: slotName(plan.id), table: plan.source, columns, withGenerated };
  const outcome = await sessions.withSession((observer) => {
    const wait = { session, observer, table: plan.source, lockTimeoutMs: waitLimitMs, isEndedSoon: false };
    const limits = { set: `SET lock_timeout = ${waitLimitMs}`, restore: `SET lock_timeout = ${usualLockTimeoutMs}` };
    const run = (): Promise<void> => createPublication(session, publication, signal);
    return askForLock(wait, () => withSettings(session, limits, run, signal), signal);
  }, signal);
  if (outcome.kind === 'done') return;
  const { schema, table } = plan.source;
  const message = `The change stream of ${schema}.${table} begins with a publication, for whose lock ${waitLimitMs / 1000} s were not enough: VACUUM, building an index and changes of the table hold one.`;
  throw new MigrationError('LOCK_WAIT', `${message}${inTheWay(outcome.blockers)}`);
}

/** On a connection of its own, which is seen gone at the end: the server does not notice that a client which waits has left. */
async function makeSlot({ claim, plan, server, sessions, waitLimitMs }: SlotOrder, signal: AbortSignal): Promise<void> {
  const connection = await ReplicationConnection.open(server.config, `tableshift ${plan.id}`, signal);
  let identity: SessionIdentity | null = null;
  try {
    await claim.mark((sql, signal) => connection.command(sql, signal), signal);
    identity = await identityOf(connection, signal);
    const { pid } = identity;
    const create = (inner: AbortSignal): Promise<void> =>
      createSlot(connection, slotName(plan.id), server.flavour.hasFailoverSlots, inner);
    const findHolders = (): Promise<readonly string[]> =>
      sessions.withSession((session) => findSlotHolders(session, { pid, olderMs: waitLimitMs }, signal), signal);
    await withinLimit(
      create,
      waitLimitMs,
      { onLimit: async () => blockedError(plan, waitLimitMs, await findHolders()) },
      signal,
    );
  } finally {
    await connection[Symbol.asyncDispose]();
    // A slot that is half-made goes with its session.
    if (identity !== null) await server.ender.endSession(identity);
  }
}

async function identityOf(connection: ReplicationConnection, signal: AbortSignal): Promise<SessionIdentity> {
  const [row] = await connection.command(
    'SELECT pid, backend_start::pg_catalog.text AS started FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()',
    signal,
  );
  return { pid: Number(row?.['pid']), startedAt: String(row?.['started']) };
}

/** Runs `work`, and aborts it with what `onLimit` gives, which is asked while the work is still going on. */
async function withinLimit(
  work: (signal: AbortSignal) => Promise<void>,
  limitMs: number,
  { onLimit }: { readonly onLimit: () => Promise<MigrationError> },
  signal: AbortSignal,
): Promise<void> {
  const limit = new AbortController();
  const stopFollowing = followSignal(signal, limit);
  const over = new AbortController();
  const limiting = hasPassed(limitMs, over.signal).then(async (isPassed) => {
    if (isPassed) limit.abort(await onLimit().catch((error: unknown) => error));
  });
  try {
    await work(limit.signal);
  } finally {
    over.abort();
    stopFollowing();
    await limiting;
  }
}

function blockedError({ source }: Plan, waitLimitMs: number, holders: readonly string[]): MigrationError {
  const who = holders.length === 0 ? '' : `: ${holders.join('; ')}`;
  return new MigrationError(
    'SLOT_BLOCKED',
    `The change stream of ${source.schema}.${source.table} begins when the transactions that were running have ended, and ${waitLimitMs / 1000} s were not enough${who}. End them, or wait for them.`,
  );
}

/** Those of the migration key, and those that the server needs to publish updates and deletes; null: all. */
function publishedColumns(plan: Plan, source: TableDescription): readonly string[] | null {
  if (source.replicaIdentity === 'f') return null;
  const isIdentity = (index: TableDescription['indexes'][number]): boolean =>
    source.replicaIdentity === 'i' ? index.isReplicaIdentity : index.isPrimary;
  const attnums = source.indexes.find(isIdentity)?.keyAttnums ?? [];
  const identity = source.columns.filter(({ attnum }) => attnums.includes(attnum)).map(({ name }) => name);
  return [...new Set([...plan.key.columns, ...identity])];
}
