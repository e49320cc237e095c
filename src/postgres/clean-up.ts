/** What an unfinished migration has built, and how it goes. */

import { setTimeout as delay } from 'node:timers/promises';
import { isFinal, MigrationError } from '../engine/errors.ts';
import type { Plan, TableName } from '../engine/model.ts';
import type { CheckpointStore, ClaimToGiveUp, Cutover } from '../engine/ports.ts';
import { disposeBefore } from '../sessions/disposal.ts';
import { createCheckpointStore } from './checkpoint-store.ts';
import { takeClaim } from './claim.ts';
import { hasSwapped } from './cutover.ts';
import { sqlState } from './errors.ts';
import { dropSlotAndPublication, findSlotReader, slotName } from './replication-slot.ts';
import type { Server } from './server.ts';
import { createSessionPool } from './session-pool.ts';
import type { Session, SessionPool } from './session.ts';
import { readUnsettled } from './settlement.ts';
import { dropShadow } from './shadow.ts';
import { quoteName, quoteText } from './statements.ts';
import { dropInSteps } from './table-drop.ts';

/** The process of a replication connection that was closed needs a moment to let go of its slot. */
const slotLimitMs = 10_000;
/** What a run still does at its end has five seconds in all. */
const farewellSlotLimitMs = 2_000;
const pollMs = 20;
/** object_in_use */
const IN_USE = '55006';

/** Takes the claim (`Database.claimToGiveUp`) without a look at the source, which may be gone or another table. */
export async function claimToGiveUp(server: Server, plan: Plan, signal: AbortSignal): Promise<ClaimToGiveUp> {
  const claim = await takeClaim(server, { table: plan.source, migration: plan.id }, signal);
  const sessions = createSessionPool({ sizeMax: 1, open: (signal) => claim.openSession({}, signal) });
  return {
    checkpoints: concludingStore(createCheckpointStore(sessions, plan.id), () => Promise.resolve(), { plan, sessions }),
    hasSwapped: (signal) => sessions.withSession((session) => hasSwapped(session, plan, signal), signal),
    unsettled: (signal) => sessions.withSession((session) => readUnsettled(session, plan.id, signal), signal),
    async discard(lockTimeoutMs, signal) {
      await sessions.withSession((session) => dropSlot(session, plan, signal), signal);
      const open = (settings: readonly string[]): Promise<Session> => claim.openSession({ settings }, signal);
      const drop = async (session: Session): Promise<void> => {
        await dropShadow(session, plan, signal);
        // Each attempt of a cutover makes it, before it asks for a lock.
        await dropEmptySchema(session, plan.retired, signal);
      };
      return await dropInSteps({ open, table: plan.shadow, lockTimeoutMs, drop }, signal);
    },
    [Symbol.asyncDispose]: () => disposeBefore(claim, [sessions]),
  };
}

/**
 * A store that marks a migration as over only when its slot is gone: a forgotten slot keeps the server's log until its disk is
 * full, and who is over is not looked at again. One that can only be given up goes without both too: where somebody has changed the
 * source's replica identity, its UPDATEs fail for as long as the publication is there. There a slot from which somebody else reads stays
 * for the clean-up, which names him. Nor is a migration done before the schema is gone that its shadow has left. `closeStream` closes
 * what still reads from the slot.
 */
export function concludingStore(
  store: CheckpointStore,
  closeStream: () => Promise<void>,
  { plan, sessions }: { readonly plan: Plan; readonly sessions: SessionPool },
): CheckpointStore {
  return {
    ...store,
    async conclude(state, failure, signal) {
      const giveSlotUp = async (limitMs: number): Promise<void> => {
        await closeStream();
        await sessions.withSession((session) => dropSlot(session, plan, signal, limitMs), signal);
      };
      if (state !== 'open') await giveSlotUp(slotLimitMs);
      // What else is in it keeps it; it does no harm.
      if (state === 'done')
        await sessions.withSession((session) => dropEmptySchema(session, plan.shadow, signal), signal).catch(() => undefined);
      try {
        await store.conclude(state, failure, signal);
      } finally {
        if (state === 'open' && failure !== null && isFinal(failure.code)) {
          await giveSlotUp(farewellSlotLimitMs).catch((error: unknown) => {
            if (sqlState(error) !== IN_USE) throw error;
          });
        }
      }
    },
  };
}

/** A cutover that settles without a slot: what is left may take hours, and a slot that nobody reads would keep the server's log. */
export function settlingCutover(
  cutover: Cutover,
  closeStream: () => Promise<void>,
  { plan, sessions }: { readonly plan: Plan; readonly sessions: SessionPool },
): Cutover {
  return {
    prepare: async (signal) => cutover.prepare?.(signal),
    attempt: (options, drain, signal) => cutover.attempt(options, drain, signal),
    hasSwapped: (signal) => cutover.hasSwapped(signal),
    unsettled: (signal) => cutover.unsettled(signal),
    async settle(onSettled, signal) {
      await closeStream();
      await sessions.withSession((session) => dropSlot(session, plan, signal), signal);
      await cutover.settle(onSettled, signal);
    },
  };
}

/**
 * Drops slot and publication. Safe to repeat. Rejects with SERVER_BUSY while something still reads from the slot after the limit, and
 * names it.
 */
export async function dropSlot(session: Session, plan: Plan, signal: AbortSignal, limitMs = slotLimitMs): Promise<void> {
  const name = slotName(plan.id);
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      return await dropSlotAndPublication(session, name, signal);
    } catch (error) {
      if (sqlState(error) !== IN_USE) throw error;
      if (performance.now() > deadline) {
        const reader = await findSlotReader(session, name, signal);
        throw new MigrationError(
          'SERVER_BUSY',
          `Someone else reads from the replication slot ${name}${reader === null ? '' : `: ${reader}`}. End it.`,
          { cause: error },
        );
      }
      await delay(pollMs, undefined, { signal });
    }
  }
}

/** A schema that was made for a retired table alone; what else is in it keeps it. Safe to run twice. */
export async function dropEmptySchema(session: Session, { schema }: TableName, signal: AbortSignal): Promise<void> {
  if (!schema.startsWith('tableshift_')) return;
  const [rest] = await session.query(
    `SELECT 1 FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.to_regnamespace(${quoteText(quoteName(schema))})`,
    signal,
  );
  if (rest === undefined) await session.execute(`DROP SCHEMA IF EXISTS ${quoteName(schema)} RESTRICT`, signal);
}
